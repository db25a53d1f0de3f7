//! Who owns a partition: frozen owners, members that come and go.

use fleetledger_tests::{
    delivered,
    program::{Program, ingest_configuration},
    scribe::namespace,
    storm::{Blowing, Storm},
};

use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_frozen_within_its_transaction_holds_nobody_up() {
    let test = "an_owner_frozen_within_its_transaction_holds_nobody_up";
    let Some(mut scene) = Scene::new(test, None).await else {
        return;
    };
    scene.scribe.write(&namespace("u", "a"));
    scene.scribe.flush().await;
    let mut victim = scene.victim();
    scene.ingested(&victim).await;
    let held = scene.hold_batches().await;
    scene.scribe.write(&namespace("u", "b"));
    scene.scribe.flush().await;
    scene.until_held(&victim).await;
    victim.signal("STOP");
    held.batch_execute("rollback").await.unwrap();
    // Its session waits within the transaction, the fence's row locked, for a client that says nothing.
    let idle = "select exists (select from pg_stat_activity where state = 'idle in transaction'
        and datname = current_database() and application_name like 'fleetledger ingest lane %')";
    scene.until(idle, &victim).await;
    let mut rival = scene.rival();
    scene.ingested(&rival).await;
    rival.stop().await;
    victim.signal("CONT");
    scene.scribe.write(&namespace("u", "c"));
    scene.scribe.flush().await;
    let fold = scene.ingested(&victim).await;
    assert_eq!(
        delivered::judge(&fold, &scene.database).await,
        Vec::<String>::new()
    );
    victim.stop().await;
}

/// A member of the group; one that is gone is noticed within 2 s.
fn member(scene: &Scene) -> Program {
    let servers = scene.parts.kafka.bootstrap_servers();
    let url = &scene.database.ingester_url;
    let toml = ingest_configuration(&servers, &scene.prefix, url, "linger_ms = 20");
    let quick =
        "[kafka.properties]\n\"session.timeout.ms\" = \"2000\"\n\"heartbeat.interval.ms\" = \"400\"\n";
    Program::start(&["ingest"], &format!("{toml}{quick}"), &[])
}

async fn shared_by(scene: &Scene, owners: i64, newest: &Program) {
    let shared = format!(
        "select count(distinct owner) = {owners} from ledger.ingest_partition where claimed_at is not null"
    );
    scene.until(&shared, newest).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_join_leave_and_die_under_churn() {
    let test = "members_join_leave_and_die_under_churn";
    let Some(scene) = Scene::new(test, None).await else {
        return;
    };
    let kafka = scene.parts.kafka.client_config();
    let storm = Storm::new(&kafka, &scene.prefix, 77).await;
    let blowing = Blowing::start_at(storm, 5);
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
    let fold = scene.ingested(&third).await;
    assert_eq!(
        delivered::judge(&fold, &scene.database).await,
        Vec::<String>::new()
    );
    third.stop().await;
}
