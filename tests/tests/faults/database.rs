//! Faults of the database: crashes, sessions ended within COMMIT, locks held, a standby that takes over.

use fleetledger_local::{postgres::LocalPostgres, skip::unless_available};
use fleetledger_tests::{
    database::LedgerDatabase,
    deadline::{ensure, eventually},
    delivered,
    manual_emitter::{ManualEmitter, namespace},
    parts::{cache, unique},
    program::LedgerProcess,
    storm::{RecordStorm, RunningStorm},
};

use crate::fixture::{FaultFixture, LIMIT};

/// A scene whose database stands on a server of its own.
async fn alone(test: &str, durable: bool) -> Option<(FaultFixture, LocalPostgres)> {
    let builder = LocalPostgres::builder().temporary();
    let builder = if durable { builder } else { builder.fast() };
    let server = unless_available(test, builder.start(&cache()).await).unwrap()?;
    let mut scene = FaultFixture::new(test, None).await?;
    scene.database = LedgerDatabase::create(&server, &unique("alone")).await;
    Some((scene, server))
}

async fn sound(scene: &FaultFixture, mut ingester: LedgerProcess) {
    let fold = scene.await_ingested(&ingester).await;
    assert_eq!(
        delivered::judge(&fold, &scene.database).await,
        Vec::<String>::new()
    );
    ingester.stop().await;
}

/// Crashes under a storm. With `durable` off a crash loses commits that were acknowledged: what the ingester
/// remembers is then ahead of the current state.
async fn crashes_under_a_storm(test: &str, durable: bool) {
    let Some((mut scene, mut server)) = alone(test, durable).await else {
        return;
    };
    let kafka = scene.parts.kafka.client_config();
    let storm = RecordStorm::new(&kafka, &scene.prefix, 99).await;
    let victim = scene.victim();
    let blowing = RunningStorm::start_at(storm, 10);
    let url = scene.database.owner_url.clone();
    for _ in 0..3 {
        let batches = "select count(*) from ledger.batch";
        let before = LedgerDatabase::ask(&url, batches).await.unwrap();
        eventually("batches land", LIMIT, || async {
            let now = LedgerDatabase::ask(&url, batches).await?;
            ensure(now > before + 10, || victim.log_text())
        })
        .await;
        server.stop_immediate().await.unwrap();
        server.start().await.unwrap();
    }
    blowing.end().await;
    scene.database = LedgerDatabase::open(&url).await;
    sound(&scene, victim).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_crashes_loses_nothing() {
    crashes_under_a_storm("a_database_that_crashes_loses_nothing", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_that_loses_acknowledged_commits_loses_no_record() {
    crashes_under_a_storm("a_crash_that_loses_acknowledged_commits_loses_no_record", false).await;
}

/// The first record has landed; the second one's COMMIT hangs on what `hang` did. Then its session is ended, and
/// `heal` is run.
async fn ended_within_commit(
    scene: &mut FaultFixture,
    hang: &str,
    waits_on: &str,
    heal: &str,
) -> LedgerProcess {
    scene.emitter.write(&namespace("u", "a"));
    scene.emitter.flush().await;
    let victim = scene.victim();
    scene.await_ingested(&victim).await;
    let superuser = LedgerDatabase::open(&scene.database.owner_url).await;
    for statement in hang.split(";\n") {
        superuser.execute(statement).await;
    }
    scene.emitter.write(&namespace("u", "b"));
    scene.emitter.flush().await;
    let lanes = "from pg_stat_activity where datname = current_database() and application_name like 'fleetledger-ingest-lane-%'";
    let hangs = format!("select exists (select {lanes} and wait_event = '{waits_on}' and query = 'commit')");
    scene.until(&hangs, &victim).await;
    let end = format!("select pg_terminate_backend(pid) {lanes} and query = 'commit'");
    superuser.execute(&end).await;
    for statement in heal.split(";\n") {
        superuser.execute(statement).await;
    }
    victim
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_ended_within_a_commit_that_landed_lands_once() {
    let test = "a_session_ended_within_a_commit_that_landed_lands_once";
    let Some((mut scene, _server)) = alone(test, true).await else {
        return;
    };
    // A commit that waits for a standby which is not there has landed already.
    let hang = "alter system set synchronous_standby_names = 'nobody';\nselect pg_reload_conf()";
    let heal = "alter system reset synchronous_standby_names;\nselect pg_reload_conf()";
    let victim = ended_within_commit(&mut scene, hang, "SyncRep", heal).await;
    sound(&scene, victim).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_ended_within_a_commit_that_did_not_land_lands_once() {
    let test = "a_session_ended_within_a_commit_that_did_not_land_lands_once";
    let Some((mut scene, _server)) = alone(test, true).await else {
        return;
    };
    let hang = "create function public.hang() returns trigger language plpgsql security definer as
            'begin perform pg_advisory_xact_lock(42); return null; end';
create constraint trigger hang after update on ledger.ingest_partition
            deferrable initially deferred for each row execute function public.hang();
select pg_advisory_lock(42)";
    let heal = "select pg_advisory_unlock(42)";
    let victim = ended_within_commit(&mut scene, hang, "advisory", heal).await;
    sound(&scene, victim).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_held_for_long_is_waited_for() {
    let test = "a_lock_held_for_long_is_waited_for";
    let Some(mut scene) = FaultFixture::new(test, None).await else {
        return;
    };
    scene.more = "lock_timeout_ms = 200".to_owned();
    scene.emitter.write(&namespace("u", "a"));
    scene.emitter.flush().await;
    let held = scene.hold_batches().await;
    let victim = scene.victim();
    eventually("it gives up several times", LIMIT, || async {
        let attempts = victim.log_text().matches("55P03").count();
        ensure(attempts >= 3, || victim.log_text())
    })
    .await;
    held.batch_execute("rollback").await.unwrap();
    sound(&scene, victim).await;
}

/// Server, standby, and the database's URL with both of them.
async fn with_a_standby(test: &str) -> Option<(FaultFixture, LocalPostgres, LocalPostgres, String)> {
    let (mut scene, primary) = alone(test, false).await?;
    let standby = primary.standby(&cache()).await.unwrap();
    let name = scene.database.owner_url.rsplit('/').next().unwrap().to_owned();
    let url = format!(
        "postgres://fleetledger@127.0.0.1:{},127.0.0.1:{}/{name}?target_session_attrs=read-write",
        primary.port(),
        standby.port()
    );
    scene.database = LedgerDatabase::open(&url).await;
    Some((scene, primary, standby, url))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_lags_takes_over_and_nothing_is_lost() {
    let test = "a_standby_that_lags_takes_over_and_nothing_is_lost";
    let Some((mut scene, primary, standby, url)) = with_a_standby(test).await else {
        return;
    };
    let write = |scribe: &mut ManualEmitter, value: &str| {
        for number in 0..20 {
            scribe.write(&namespace(&format!("u{number}"), value));
        }
    };
    write(&mut scene.emitter, "a");
    scene.emitter.flush().await;
    let victim = scene.victim();
    scene.await_ingested(&victim).await;
    let landed = "select coalesce(sum(next_offset), 0)::bigint from ledger.ingest_partition";
    let on_standby = standby.url_of(url_name(&url));
    let first = scene.database.number(landed).await;
    eventually("the standby has it", LIMIT, || async {
        let there = LedgerDatabase::ask(&on_standby, landed).await?;
        ensure(there == first, || format!("{there} of {first}"))
    })
    .await;
    standby.stop_following().await.unwrap();
    eventually("the standby hears nothing", LIMIT, || async {
        let hears = LedgerDatabase::ask(&on_standby, "select count(*) from pg_stat_wal_receiver").await?;
        ensure(hears == 0, || "it still follows".to_owned())
    })
    .await;
    // What lands now is lost: changes, a new object, an end, and a cluster that was never seen before.
    write(&mut scene.emitter, "b");
    scene.emitter.write(&namespace("new", "b"));
    scene.emitter.delete(&namespace("u0", "b"));
    scene.emitter.flush().await;
    let mut neighbour = scene.neighbour();
    neighbour.write(&namespace("n", "x"));
    neighbour.flush().await;
    scene.await_ingested(&victim).await;
    primary.refuse_writes().await.unwrap();
    standby.promote().await.unwrap();
    let behind = LedgerDatabase::ask(&on_standby, landed).await.unwrap();
    assert_eq!(behind, first, "the standby was not behind");
    // The old primary still answers the questions of whoever is connected to it.
    scene.emitter.write(&namespace("u1", "c"));
    scene.emitter.flush().await;
    scene.database = LedgerDatabase::open(&url).await;
    sound(&scene, victim).await;
    drop(primary);
}

fn url_name(url: &str) -> &str {
    let (_, name) = url.rsplit_once('/').unwrap();
    name.split('?').next().unwrap()
}
