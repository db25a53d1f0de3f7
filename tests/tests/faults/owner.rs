//! Who owns a partition: frozen owners, members that come and go.

use fleetledger_ingest::IngestSettings;
use fleetledger_schema::kind::RecordKind;
use fleetledger_tests::{
    database::LedgerDatabase,
    deadline::{ensure, eventually},
    delivered,
    ingester::{self, TestIngester},
    manual_emitter::namespace,
    parts,
    program::{LedgerProcess, ingest_configuration},
    storm::{RecordStorm, RunningStorm},
};

use crate::fixture::{FaultFixture, LIMIT};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_frozen_within_its_transaction_holds_nobody_up() {
    let test = "an_owner_frozen_within_its_transaction_holds_nobody_up";
    let Some(mut scene) = FaultFixture::new(test, None).await else {
        return;
    };
    scene.emitter.write(&namespace("u", "a"));
    scene.emitter.flush().await;
    let mut victim = scene.victim();
    scene.await_ingested(&victim).await;
    let held = scene.hold_batches().await;
    scene.emitter.write(&namespace("u", "b"));
    scene.emitter.flush().await;
    scene.until_held(&victim).await;
    victim.signal("STOP");
    held.batch_execute("rollback").await.unwrap();
    // Its session waits within the transaction, the fence's row locked, for a client that says nothing.
    let idle = "select exists (select from pg_stat_activity where state = 'idle in transaction'
        and datname = current_database() and application_name like 'fleetledger-ingest-lane-%')";
    scene.until(idle, &victim).await;
    let mut rival = scene.rival();
    scene.await_ingested(&rival).await;
    rival.stop().await;
    victim.signal("CONT");
    scene.emitter.write(&namespace("u", "c"));
    scene.emitter.flush().await;
    let fold = scene.await_ingested(&victim).await;
    assert_eq!(
        delivered::judge(&fold, &scene.database).await,
        Vec::<String>::new()
    );
    victim.stop().await;
}

/// A member of the group; one that is gone is noticed within 2 s.
fn member(scene: &FaultFixture) -> LedgerProcess {
    let servers = scene.parts.kafka.bootstrap_servers();
    let url = &scene.database.ingester_url;
    let toml = ingest_configuration(&servers, &scene.prefix, url, "linger_ms = 20");
    let quick =
        "[kafka.properties]\n\"session.timeout.ms\" = \"2000\"\n\"heartbeat.interval.ms\" = \"400\"\n";
    LedgerProcess::start(&["ingest"], &format!("{toml}{quick}"), &[])
}

async fn shared_by(scene: &FaultFixture, owners: i64, newest: &LedgerProcess) {
    let shared = format!(
        "select count(distinct owner) = {owners} from ledger.ingest_partition where claimed_at is not null"
    );
    scene.until(&shared, newest).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_join_leave_and_die_under_churn() {
    let test = "members_join_leave_and_die_under_churn";
    let Some(scene) = FaultFixture::new(test, None).await else {
        return;
    };
    let kafka = scene.parts.kafka.client_config();
    let storm = RecordStorm::new(&kafka, &scene.prefix, 77).await;
    let blowing = RunningStorm::start_at(storm, 5);
    let mut first = member(&scene);
    shared_by(&scene, 1, &first).await;
    let mut second = member(&scene);
    shared_by(&scene, 2, &second).await;
    let mut third = member(&scene);
    shared_by(&scene, 3, &third).await;
    first.stop().await;
    shared_by(&scene, 2, &third).await;
    second.kill().await;
    shared_by(&scene, 1, &third).await;
    blowing.end().await;
    let fold = scene.await_ingested(&third).await;
    assert_eq!(
        delivered::judge(&fold, &scene.database).await,
        Vec::<String>::new()
    );
    third.stop().await;
}

/// Waits until the living share the partitions of pods as `pods` says, and own all others.
async fn shared_as(database: &LedgerDatabase, living: &[&str], pods: &[i64]) {
    let of_pods = "select owner, count(*) as count from ledger.ingest_partition where topic like '%.pod'
        group by owner order by count, owner";
    let all = format!(
        "select count(*) from ledger.ingest_partition where owner = any ('{{{}}}')",
        living.join(",")
    );
    let partitions = i64::from(MORE_PARTITIONS) * i64::try_from(RecordKind::TOPICS.len()).unwrap();
    eventually(
        "every partition has a living owner, and all have pods",
        LIMIT,
        || async {
            let rows = database.rows(of_pods, &[]).await;
            let counts: Vec<i64> = rows.iter().map(|row| row["count"].as_i64().unwrap()).collect();
            let owned = database.number(&all).await;
            ensure(counts == pods && owned == partitions, || {
                format!("{rows:?}, {owned} of all")
            })
        },
    )
    .await;
}

const MORE_PARTITIONS: i32 = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_joins_or_leaves_all_ingesters_own_partitions_of_pods() {
    let test = "whoever_joins_or_leaves_all_ingesters_own_partitions_of_pods";
    let Some(parts) = parts::shared(test).await else {
        return;
    };
    let (database, prefix) = (parts.database().await, parts::unique("sharing"));
    parts::create_topics(&parts.kafka, &prefix, MORE_PARTITIONS).await;
    let settings = ingester::settings(&prefix);
    let start = |name: &str| {
        let settings = IngestSettings {
            instance_id: name.to_owned(),
            ..settings.clone()
        };
        TestIngester::start_with(settings, &parts.kafka.client_config(), database.ingester.clone())
    };
    let first = start("first");
    shared_as(&database, &["first"], &[4]).await;
    let second = start("second");
    shared_as(&database, &["first", "second"], &[2, 2]).await;
    let third = start("third");
    shared_as(&database, &["first", "second", "third"], &[1, 1, 2]).await;
    // What stayed where it was went on being read: two partitions moved, then one, and nothing was claimed twice.
    let claims = "select sum(owner_epoch)::bigint from ledger.ingest_partition where topic like '%.pod'";
    assert_eq!(database.number(claims).await, 4 + 2 + 1);
    first.stop().await;
    shared_as(&database, &["second", "third"], &[2, 2]).await;
    second.stop().await;
    third.stop().await;
}
