//! Versions: contiguous, disjoint, one for each change and none beside.

use fleetledger_schema::{instant::Instant, kind::RecordKind, record::ObjectRecord};

use crate::{
    emitter::{ScriptedEmitter, namespace, pod},
    harness::IngestHarness,
};

/// `phase [from, to)` of every version of `u`, oldest first.
async fn versions(place: &IngestHarness, table: &str) -> Vec<String> {
    place
        .all(&format!(
            "select phase || ' ' || closed_reason from (
                 select phase, valid_from, closed_reason from ledger.{table}_history where uid_text = 'u'
                 union all select phase, valid_from, 'stands' from ledger.{table} where uid_text = 'u') as v order by valid_from"
        ))
        .await
}

async fn holes(place: &IngestHarness, table: &str) -> i64 {
    place
        .one(&format!(
            "select count(*) from (select valid_from, lag(valid_to) over (order by valid_from) as before from (
                 select valid_from, valid_to from ledger.{table}_history where uid_text = 'u'
                 union all select valid_from, 'infinity' from ledger.{table} where uid_text = 'u') as v) as w
             where valid_from <> before"
        ))
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_make_versions_and_repeats_make_none() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    for phase in ["Active", "Active", "Terminating", "Terminating", "Active"] {
        emitter.put(namespace("u", phase)).await;
    }
    emitter.mark(RecordKind::Namespace).await;
    place.landed().await;
    assert_eq!(
        versions(&place, "namespace").await,
        ["Active changed", "Terminating changed", "Active stands"]
    );
    assert_eq!(place.counts().await, [6, 3, 2, 0, 0, 1, 0]);
    assert_eq!(holes(&place, "namespace").await, 0);
    assert!(
        place
            .one::<bool>("select balanced from fleet.balance where kind = 'namespace'")
            .await
    );
    ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revert_arrives_while_previous_batch_commits() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    emitter.put(namespace("u", "A")).await;
    place.landed().await;
    let held = place.hold_commits().await;
    emitter.put(namespace("u", "B")).await;
    place.until_held().await;
    // The cache still says A; only the overlay of the batch in flight knows of B.
    emitter.put(namespace("u", "A")).await;
    emitter.put(namespace("other", "X")).await;
    drop(held);
    place.landed().await;
    assert_eq!(
        versions(&place, "namespace").await,
        ["A changed", "B changed", "A stands"]
    );
    assert_eq!(holes(&place, "namespace").await, 0);
    ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_then_b_and_a_in_one_batch_then_c_are_contiguous() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    emitter.put(namespace("u", "A")).await;
    emitter.put(pod("u", "A", &[0, 0])).await;
    place.landed().await;
    let held = place.hold_commits().await;
    emitter.put(namespace("first", "X")).await;
    emitter.put(pod("first", "X", &[0])).await;
    place.until_held().await;
    for phase in ["B", "A"] {
        emitter.put(namespace("u", phase)).await;
        emitter.put(pod("u", phase, &[0, i32::from(phase == "B")])).await;
    }
    ingester.until_buffered(6).await;
    drop(held);
    place.landed().await;
    let together: bool = place
        .one("select max(delivered) = 2 from ledger.batch where topic = 'fleetledger.namespace'")
        .await;
    assert!(together, "B and A were in one batch");
    for phase in ["C"] {
        emitter.put(namespace("u", phase)).await;
        emitter.put(pod("u", phase, &[0, 0])).await;
    }
    place.landed().await;
    for table in ["namespace", "pod"] {
        assert_eq!(
            versions(&place, table).await,
            ["A changed", "B changed", "A changed", "C stands"],
            "{table}"
        );
        assert_eq!(holes(&place, table).await, 0, "{table}");
    }
    let container = place
        .all("select restart_count || ' ' || closed_reason from (
                 select restart_count, valid_from, closed_reason from ledger.container_history where pod = 'pod-u' and container = 'c1'
                 union all select restart_count, valid_from, 'stands' from ledger.container where pod = 'pod-u' and container = 'c1') as v
             order by valid_from")
        .await;
    assert_eq!(container, ["0 changed", "1 changed", "0 stands"]);
    let still: i64 = place
        .one("select count(*) from ledger.container_history where pod = 'pod-u' and container = 'c0'")
        .await;
    assert_eq!(still, 0, "a container that did not change has no history");
    ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_ends_with_its_containers_and_a_container_ends_alone() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    // One that somebody debugs the pod with: of others kubectl prints the number, which is in the pod's row.
    let mut debugged = pod("u", "Running", &[0, 0]);
    debugged.containers[1].container_type = "ephemeral".into();
    emitter.put(debugged).await;
    place.landed().await;
    emitter.put(pod("u", "Running", &[0])).await;
    place.landed().await;
    assert_eq!(
        place
            .all("select container from ledger.container where pod = 'pod-u'")
            .await,
        ["c0"]
    );
    assert_eq!(
        place
            .one::<i64>("select count(*) from ledger.pod_history where uid_text = 'u'")
            .await,
        0
    );
    let gone = Instant::now();
    emitter.delete(pod("u", "Running", &[0]), gone).await;
    emitter.put(pod("v", "Running", &[0])).await;
    emitter.tombstone(RecordKind::Pod, "v").await;
    emitter.tombstone(RecordKind::Pod, "never").await;
    place.landed().await;
    assert_eq!(place.one::<i64>("select count(*) from ledger.pod").await, 0);
    assert_eq!(place.one::<i64>("select count(*) from ledger.container").await, 0);
    let ended: Instant = place
        .one("select valid_to from ledger.pod_history where uid_text = 'u'")
        .await;
    assert_eq!(ended, gone);
    assert_eq!(
        place
            .one::<String>("select closed_reason from ledger.pod_history where uid_text = 'u'")
            .await,
        "deleted"
    );
    // put ×3, deleted ×2 (last record; tombstone of v), control ×2 (tombstone after the last record; of nobody)
    assert_eq!(place.counts().await, [7, 3, 0, 0, 2, 2, 0]);
    // The last record again, under a new sequence, changes nothing.
    emitter.delete(pod("u", "Running", &[0]), gone).await;
    place.landed().await;
    assert_eq!(
        place
            .one::<i64>("select count(*) from ledger.pod_history where uid_text = 'u'")
            .await,
        1
    );
    ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_born_and_gone_between_two_sweeps_is_in_the_history() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    let mut short = pod("u", "Succeeded", &[0]);
    short.created_at = Instant::now().plus_micros(-3_000_000);
    let gone = Instant::now();
    emitter.delete(short, gone).await;
    place.landed().await;
    let lived: f64 = place.one("select extract(epoch from valid_to - valid_from)::float8 from ledger.pod_history where uid_text = 'u'").await;
    assert!((2.9..=60.0).contains(&lived), "{lived}");
    assert_eq!(
        place
            .one::<i64>("select count(*) from ledger.container_history where pod = 'pod-u'")
            .await,
        1
    );
    ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_two_days_off_leave_intervals_disjoint_and_within_bounds() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    let two_days = 2 * 86_400_000_000;
    for (phase, clock) in [
        ("a", 0),
        ("b", two_days),
        ("c", -two_days),
        ("d", 0),
        ("e", two_days),
        ("f", two_days),
        ("g", -two_days),
    ] {
        emitter.clock_micros = clock;
        emitter.put(namespace("u", phase)).await;
        if phase != "e" {
            place.landed().await; // e and f share a batch
        }
    }
    place.landed().await;
    assert_eq!(holes(&place, "namespace").await, 0);
    assert_eq!(versions(&place, "namespace").await.len(), 7);
    let ahead: bool = place
        .one("select max(valid_from) <= now() + interval '6 seconds' from ledger.namespace")
        .await;
    assert!(ahead, "no version begins later than its commit and 5 seconds");
    let skew: f64 = place
        .one("select clock_skew_seconds from ledger.emitter_state where kind = 3")
        .await;
    assert!(skew < -100_000.0, "{skew}");
    ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_partition_at_midnight_is_made_and_the_batch_lands() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    emitter.put(namespace("u", "A")).await;
    place.landed().await;
    // As if nobody had made partitions for a week: today's and all later ones are gone, of all tables.
    place
        .sql
        .batch_execute(
            "do $$ declare part record; begin
                 for part in select t.table_name, b.* from ledger.partitioned_table as t, ledger.partition_bounds(t.table_name) as b
                     where b.to_at > now() loop
                     execute format('drop table ledger.%I', part.partition_name);
                 end loop;
             end $$",
        )
        .await
        .unwrap();
    emitter.put(namespace("u", "B")).await;
    place.landed().await;
    assert_eq!(versions(&place, "namespace").await, ["A changed", "B stands"]);
    ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_known_owner_is_kept_when_a_later_record_cannot_resolve_it() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    let owned = |phase: &str, owner: Option<&str>| {
        let mut pod = pod("u", phase, &[0]);
        pod.workload_kind = owner.map(|_| "Deployment".into());
        pod.workload = owner.map(str::to_owned);
        pod.workload_uid = owner.map(|name| format!("uid-{name}"));
        pod.owner_resolved = owner.is_some();
        pod
    };
    for (phase, owner) in [
        ("Running", None),
        ("Running", Some("z")),
        ("Running", None),
        ("Failed", None),
    ] {
        emitter.put(owned(phase, owner)).await;
        place.landed().await;
    }
    assert_eq!(
        place
            .one::<String>("select workload from ledger.pod where uid_text = 'u'")
            .await,
        "z"
    );
    assert_eq!(
        place
            .one::<String>(
                "select string_agg(phase || workload, ',') from ledger.pod_history where uid_text = 'u'"
            )
            .await,
        "Runningz"
    );
    let report = fleetledger_ingest::audit::run(&place.ingester, |_| {})
        .await
        .unwrap();
    assert_eq!((report.rows, report.sound), (1, 1), "{report:?}");
    emitter.put(owned("Failed", Some("y"))).await;
    place.landed().await;
    assert_eq!(
        place
            .one::<i64>("select count(*) from ledger.pod_history where uid_text = 'u'")
            .await,
        2,
        "a changed owner is a change"
    );
    let _ = owned("x", None).into_record();
    ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_known_by_reference_alone_is_the_workload_until_its_own_owner_is_known() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    let owned = |phase: &str, kind: &str, name: &str, resolved: bool| {
        let mut pod = pod("u", phase, &[0]);
        pod.owner_kind = Some("StrimziPodSet".into());
        pod.owner = Some("kafka-brokers".into());
        pod.owner_uid = Some("uid-kafka-brokers".into());
        pod.workload_kind = Some(kind.into());
        pod.workload = Some(name.into());
        pod.workload_uid = Some(format!("uid-{name}"));
        pod.owner_resolved = resolved;
        pod
    };
    let workload = "select workload_kind || '/' || workload || '/' || owner_resolved from fleet.pod where uid_text = 'u'";
    emitter
        .put(owned("Running", "StrimziPodSet", "kafka-brokers", false))
        .await;
    place.landed().await;
    assert_eq!(
        place.one::<String>(workload).await,
        "StrimziPodSet/kafka-brokers/false"
    );
    // The emitter may read the custom resource from now on.
    emitter.put(owned("Running", "Kafka", "kafka", true)).await;
    place.landed().await;
    assert_eq!(place.one::<String>(workload).await, "Kafka/kafka/true");
    // And no longer: what is known is kept.
    emitter
        .put(owned("Running", "StrimziPodSet", "kafka-brokers", false))
        .await;
    place.landed().await;
    assert_eq!(place.one::<String>(workload).await, "Kafka/kafka/false");
    let versions = "select count(*) from ledger.pod_history where uid_text = 'u'";
    assert_eq!(place.one::<i64>(versions).await, 0, "0 false versions");
    let report = fleetledger_ingest::audit::run(&place.ingester, |_| {})
        .await
        .unwrap();
    assert_eq!((report.rows, report.sound), (1, 1), "{report:?}");
    ingester.stop().await;
}
