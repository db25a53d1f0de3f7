//! Each safeguard is taken away from a real ingester, in a fault that it is there for: the oracle must turn red. With
//! the safeguard it must be green in the same fault. No chance is involved.

use fleetledger_ingest::safeguard::Safeguard;
use fleetledger_schema::kind::Kind;
use fleetledger_tests::{
    deadline::{ensure, eventually},
    delivered::{self, Fold},
    program::Program,
    report::tell,
    scribe::namespace,
};

use crate::scene::{LIMIT, Scene};

/// Runs the fault with the safeguard and without it. `sign` is part of what the oracle must say without.
async fn check<F>(test: &str, safeguard: Safeguard, sign: &str, fault: impl Fn(Scene) -> F)
where
    F: Future<Output = Vec<String>>,
{
    let Some(sound) = Scene::new(test, None).await else {
        return;
    };
    let faults = fault(sound).await;
    assert!(faults.is_empty(), "with the {}: {faults:#?}", safeguard.as_str());
    let maimed = Scene::new(test, Some(safeguard)).await.unwrap();
    let faults = fault(maimed).await;
    let found = faults.iter().find(|fault| fault.contains(sign));
    let found = found.unwrap_or_else(|| panic!("without the {}: {faults:#?}", safeguard.as_str()));
    tell(&format!(
        "mutation {}: red ({found}; {} faults), with it green",
        safeguard.as_str(),
        faults.len()
    ));
}

async fn judged(scene: &Scene, fold: &Fold, mut victim: Program) -> Vec<String> {
    let faults = delivered::judge(fold, &scene.database).await;
    victim.stop().await;
    faults
}

/// The victim freezes, a rival takes over, lands the next record and ends; then the victim goes on.
async fn freeze_while_another_lands(scene: &mut Scene) -> Program {
    scene.scribe.write(&namespace("u", "a"));
    scene.scribe.flush().await;
    let mut victim = scene.victim();
    scene.ingested(&victim).await;
    victim.signal("STOP");
    scene.scribe.write(&namespace("u", "b"));
    scene.scribe.flush().await;
    let mut rival = scene.rival();
    scene.ingested(&rival).await;
    rival.stop().await;
    victim.signal("CONT");
    victim
}

async fn a_zombie_wakes(mut scene: Scene) -> Vec<String> {
    let victim = freeze_while_another_lands(&mut scene).await;
    let landed = "select count(*) from ledger.batch where topic like '%.namespace'";
    eventually("the zombie has tried", LIMIT, || async {
        let fenced = victim.logged().contains("belong to someone else");
        ensure(fenced || scene.database.number(landed).await > 2, || {
            victim.logged()
        })
    })
    .await;
    judged(&scene, &scene.fold(), victim).await
}

async fn a_zombie_owns_again(mut scene: Scene) -> Vec<String> {
    let victim = freeze_while_another_lands(&mut scene).await;
    let own = "select bool_and(owner = 'victim') from ledger.ingest_partition where next_offset > 0";
    scene.until(own, &victim).await;
    // As it was when the victim looked last.
    scene.scribe.write(&namespace("u", "a"));
    scene.scribe.flush().await;
    let fold = scene.ingested(&victim).await;
    judged(&scene, &fold, victim).await
}

async fn a_revert_arrives_while_the_batch_before_commits(mut scene: Scene) -> Vec<String> {
    scene.scribe.write(&namespace("u", "a"));
    scene.scribe.flush().await;
    let victim = scene.victim();
    scene.ingested(&victim).await;
    let held = scene.hold_batches().await;
    scene.scribe.write(&namespace("u", "b"));
    scene.scribe.flush().await;
    scene.until_held(&victim).await;
    scene.scribe.write(&namespace("u", "a"));
    scene.scribe.flush().await;
    // A cluster never seen is registered when its first record is looked at, which is behind the revert.
    let mut neighbour = scene.neighbour();
    neighbour.write(&namespace("n", "x"));
    neighbour.flush().await;
    let seen = "select exists (select from ledger.cluster where cluster = 'near')";
    scene.until(seen, &victim).await;
    held.batch_execute("rollback").await.unwrap();
    let fold = scene.ingested(&victim).await;
    judged(&scene, &fold, victim).await
}

async fn what_stands_is_not_trusted_and_equals_what_comes(mut scene: Scene) -> Vec<String> {
    scene.scribe.write(&namespace("u", "a"));
    scene.scribe.flush().await;
    let victim = scene.victim();
    scene.ingested(&victim).await;
    let distrust = format!(
        "insert into ledger.kind_state (cluster_id, kind, generation) select cluster_id, {}, 1 from ledger.cluster
         on conflict (cluster_id, kind) do update set generation = ledger.kind_state.generation + 1",
        Kind::Namespace.number()
    );
    scene.database.execute(&distrust).await;
    scene.scribe.write(&namespace("u", "a"));
    let places = scene.scribe.flush().await;
    let mut fold = scene.ingested(&victim).await;
    fold.lands_again(&places[0]);
    judged(&scene, &fold, victim).await
}

async fn a_deposed_emitter_goes_on(mut scene: Scene) -> Vec<String> {
    let mut deposed = fleetledger_tests::scribe::Scribe::new(
        &scene.parts.kafka.client_config(),
        &scene.prefix,
        "prod",
        "cluster-uid",
    );
    deposed.epoch = scene.scribe.epoch - 1_000_000;
    scene.scribe.write(&namespace("u", "a"));
    scene.scribe.flush().await;
    deposed.write(&namespace("u", "old"));
    deposed.flush().await;
    let victim = scene.victim();
    let fold = scene.ingested(&victim).await;
    judged(&scene, &fold, victim).await
}

async fn a_sweep_has_a_hole(mut scene: Scene) -> Vec<String> {
    let (a, b) = (namespace("a", "x"), namespace("b", "x"));
    scene.scribe.write(&a);
    scene.scribe.write(&b);
    scene.scribe.sweep_losing(Kind::Namespace, &[a], &[b]);
    scene.scribe.flush().await;
    let victim = scene.victim();
    let fold = scene.ingested(&victim).await;
    judged(&scene, &fold, victim).await
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
    let fault = what_stands_is_not_trusted_and_equals_what_comes;
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
