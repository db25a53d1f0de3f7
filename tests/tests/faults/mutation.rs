//! Each safeguard is taken away from a real ingester, in a fault that it is there for: the oracle must turn red. With
//! the safeguard it must be green in the same fault. No chance is involved.

use fleetledger_ingest::safeguard::Safeguard;
use fleetledger_schema::kind::RecordKind;
use fleetledger_tests::{
    deadline::{ensure, eventually},
    delivered::{self, LogFold},
    manual_emitter::namespace,
    program::LedgerProcess,
    report::print_line,
};

use crate::fixture::{FaultFixture, LIMIT};

/// Runs the fault with the safeguard and without it. `sign` is part of what the oracle must say without.
async fn check<F>(test: &str, safeguard: Safeguard, sign: &str, fault: impl Fn(FaultFixture) -> F)
where
    F: Future<Output = Vec<String>>,
{
    let Some(sound) = FaultFixture::new(test, None).await else {
        return;
    };
    let faults = fault(sound).await;
    assert!(faults.is_empty(), "with the {}: {faults:#?}", safeguard.as_str());
    let maimed = FaultFixture::new(test, Some(safeguard)).await.unwrap();
    let faults = fault(maimed).await;
    let found = faults.iter().find(|fault| fault.contains(sign));
    let found = found.unwrap_or_else(|| panic!("without the {}: {faults:#?}", safeguard.as_str()));
    print_line(&format!(
        "mutation {}: red ({found}; {} faults), with it green",
        safeguard.as_str(),
        faults.len()
    ));
}

async fn judge_and_stop(scene: &FaultFixture, fold: &LogFold, mut victim: LedgerProcess) -> Vec<String> {
    let faults = delivered::judge(fold, &scene.database).await;
    victim.stop().await;
    faults
}

/// The victim freezes, a rival takes over, lands the next record and ends; then the victim goes on.
async fn freeze_while_another_lands(scene: &mut FaultFixture) -> LedgerProcess {
    scene.emitter.write(&namespace("u", "a"));
    scene.emitter.flush().await;
    let mut victim = scene.victim();
    scene.await_ingested(&victim).await;
    victim.signal("STOP");
    scene.emitter.write(&namespace("u", "b"));
    scene.emitter.flush().await;
    let mut rival = scene.rival();
    scene.await_ingested(&rival).await;
    rival.stop().await;
    victim.signal("CONT");
    victim
}

async fn a_zombie_wakes(mut scene: FaultFixture) -> Vec<String> {
    let victim = freeze_while_another_lands(&mut scene).await;
    let landed = "select count(*) from ledger.batch where topic like '%.namespace'";
    eventually("the zombie has tried", LIMIT, || async {
        let fenced = victim.log_text().contains("owned by another ingester");
        ensure(fenced || scene.database.number(landed).await > 2, || {
            victim.log_text()
        })
    })
    .await;
    judge_and_stop(&scene, &scene.fold(), victim).await
}

async fn a_zombie_owns_again(mut scene: FaultFixture) -> Vec<String> {
    let victim = freeze_while_another_lands(&mut scene).await;
    let own = "select bool_and(owner = 'victim') from ledger.ingest_partition where next_offset > 0";
    scene.until(own, &victim).await;
    // As it was when the victim looked last.
    scene.emitter.write(&namespace("u", "a"));
    scene.emitter.flush().await;
    let fold = scene.await_ingested(&victim).await;
    judge_and_stop(&scene, &fold, victim).await
}

async fn a_revert_arrives_while_the_batch_before_commits(mut scene: FaultFixture) -> Vec<String> {
    scene.emitter.write(&namespace("u", "a"));
    scene.emitter.flush().await;
    let victim = scene.victim();
    scene.await_ingested(&victim).await;
    let held = scene.hold_batches().await;
    scene.emitter.write(&namespace("u", "b"));
    scene.emitter.flush().await;
    scene.until_held(&victim).await;
    scene.emitter.write(&namespace("u", "a"));
    scene.emitter.flush().await;
    // A cluster never seen is registered when its first record is looked at, which is behind the revert.
    let mut neighbour = scene.neighbour();
    neighbour.write(&namespace("n", "x"));
    neighbour.flush().await;
    let seen = "select exists (select from ledger.cluster where cluster = 'near')";
    scene.until(seen, &victim).await;
    held.batch_execute("rollback").await.unwrap();
    let fold = scene.await_ingested(&victim).await;
    judge_and_stop(&scene, &fold, victim).await
}

async fn current_versions_are_not_trusted_and_equal_what_comes(mut scene: FaultFixture) -> Vec<String> {
    scene.emitter.write(&namespace("u", "a"));
    scene.emitter.flush().await;
    let victim = scene.victim();
    scene.await_ingested(&victim).await;
    let distrust = format!(
        "insert into ledger.kind_state (cluster_id, kind, generation) select cluster_id, {}, 1 from ledger.cluster
         on conflict (cluster_id, kind) do update set generation = ledger.kind_state.generation + 1",
        RecordKind::Namespace.number()
    );
    scene.database.execute(&distrust).await;
    scene.emitter.write(&namespace("u", "a"));
    let places = scene.emitter.flush().await;
    let mut fold = scene.await_ingested(&victim).await;
    fold.lands_again(&places[0]);
    judge_and_stop(&scene, &fold, victim).await
}

async fn a_deposed_emitter_goes_on(mut scene: FaultFixture) -> Vec<String> {
    let mut deposed = fleetledger_tests::manual_emitter::ManualEmitter::new(
        &scene.parts.kafka.client_config(),
        &scene.prefix,
        "prod",
        "cluster-uid",
    );
    deposed.epoch = scene.emitter.epoch - 1_000_000;
    scene.emitter.write(&namespace("u", "a"));
    scene.emitter.flush().await;
    deposed.write(&namespace("u", "old"));
    deposed.flush().await;
    let victim = scene.victim();
    let fold = scene.await_ingested(&victim).await;
    judge_and_stop(&scene, &fold, victim).await
}

async fn a_sweep_has_a_hole(mut scene: FaultFixture) -> Vec<String> {
    let (a, b) = (namespace("a", "x"), namespace("b", "x"));
    scene.emitter.write(&a);
    scene.emitter.write(&b);
    scene.emitter.sweep_losing(RecordKind::Namespace, &[a], &[b]);
    scene.emitter.flush().await;
    let victim = scene.victim();
    let fold = scene.await_ingested(&victim).await;
    judge_and_stop(&scene, &fold, victim).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_fence_a_zombie_lands_twice() {
    let test = "without_the_fence_a_zombie_lands_twice";
    check(test, Safeguard::Fence, "begins at", a_zombie_wakes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_overlay_a_revert_is_lost() {
    let test = "without_the_overlay_a_revert_is_lost";
    let fault = a_revert_arrives_while_the_batch_before_commits;
    check(test, Safeguard::Overlay, "another content", fault).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_anti_join_what_is_equal_makes_a_version() {
    let test = "without_the_anti_join_what_is_equal_makes_a_version";
    let fault = current_versions_are_not_trusted_and_equal_what_comes;
    check(test, Safeguard::AntiJoin, "versions in the log", fault).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_order_guard_a_deposed_emitter_writes() {
    let test = "without_the_order_guard_a_deposed_emitter_writes";
    check(
        test,
        Safeguard::OrderGuard,
        "another content",
        a_deposed_emitter_goes_on,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_cache_invalidation_an_owner_of_old_believes_its_memory() {
    let test = "without_cache_invalidation_an_owner_of_old_believes_its_memory";
    check(
        test,
        Safeguard::CacheInvalidation,
        "another content",
        a_zombie_owns_again,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_sweep_completeness_what_was_lost_is_closed() {
    let test = "without_sweep_completeness_what_was_lost_is_closed";
    check(
        test,
        Safeguard::SweepCompleteness,
        "does not stand",
        a_sweep_has_a_hole,
    )
    .await;
}
