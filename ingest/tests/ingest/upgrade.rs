//! A fleet that is upgraded: columns which the reader has learnt since its rows were written make no version.

use std::sync::Arc;

use fleetledger_ingest::audit;
use fleetledger_schema::{
    READER_VERSION,
    codec::{SchemaSubject, WriterSchema, own_schema},
    kind::RecordKind,
    object_uid::ObjectUid,
    record::{ObjectRecord, Pod, Record},
    row,
};
use serde_json::Value as Json;

use crate::{
    emitter::{ScriptedEmitter, pod},
    harness::IngestHarness,
};

const PODS: usize = 40;
/// Versions that ended, of pods and of their containers.
const CLOSED: &str =
    "select (select count(*) from ledger.pod_history) + (select count(*) from ledger.container_history)";
/// Pods whose columns of later versions are all set.
const FILLED: &str = "select count(*) from ledger.pod where preemption_policy is not null
    and termination_grace_period_seconds = 30 and hostname like 'host-%'
    and status = 'Running' and ready_containers = '0/2' and restarts = 0 and last_restart_at is null";

/// The pods' schema of version 1.
fn version_1() -> Arc<WriterSchema> {
    let text = include_str!("../../../schema/testdata/v1/pod.avsc");
    Arc::new(WriterSchema::parse(text).unwrap())
}

fn fleet() -> Vec<Pod> {
    let pods = (0..PODS).map(|number| Pod {
        preemption_policy: Some("PreemptLowerPriority".into()),
        termination_grace_period_seconds: Some(30),
        hostname: Some(format!("host-{number}")),
        ..pod(&format!("u{number}"), "Running", &[0, 2])
    });
    pods.collect()
}

/// Sweeps all pods, as a writer of that schema sends them.
async fn sweep(emitter: &mut ScriptedEmitter, pods: &[Pod], writer: &WriterSchema) {
    emitter.announce(RecordKind::Pod, writer).await;
    let begun = emitter.begin_sweep(RecordKind::Pod).await;
    for pod in pods {
        let record = pod.clone().into_record();
        let body = writer.encode(&record, &Json::Null).unwrap();
        let message = emitter.body(&record, writer, &body);
        emitter.send(&message).await;
    }
    emitter.end_sweep(RecordKind::Pod, begun).await;
}

/// Makes the rows what a reader of version 1 left of these pods: it hashed the columns it knew and had no others; fields
/// that it did not know are in `unknown`.
async fn age(place: &IngestHarness, pods: &[Pod], writer: &WriterSchema) {
    let later: Vec<&row::LedgerColumn> = row::table(RecordKind::Pod)
        .columns
        .iter()
        .filter(|c| c.since > 1)
        .collect();
    let forgotten: Vec<String> = later
        .iter()
        .map(|column| format!("{} = null", column.name))
        .collect();
    let unknown: Vec<String> = later
        .iter()
        .filter(|column| writer.knows(column.field) && !version_1().knows(column.field))
        .map(|column| format!("'{}', {}", column.field, column.name))
        .collect();
    let unknown = match unknown.as_slice() {
        [] => "null".to_owned(),
        pairs => format!("jsonb_build_object({})", pairs.join(", ")),
    };
    let of_pod = format!(
        "update ledger.pod set reader_version = 1, row_hash_hi = $2, row_hash_lo = $3, unknown = {unknown}, {} where uid = $1",
        forgotten.join(", ")
    );
    let of_container = "update ledger.container set reader_version = 1, row_hash_hi = $3, row_hash_lo = $4
        where uid = $1 and container = $2";
    for pod in pods {
        let record = Record::Pod(Box::new(pod.clone()));
        let uid = ObjectUid::of(&pod.uid);
        let hash = row::row_hash_of_reader(row::table(RecordKind::Pod), &row::cells(&record), 1);
        let aged = place.sql.execute(&of_pod, &[&uid, &hash.hi, &hash.lo]).await;
        assert_eq!(aged.unwrap(), 1);
        for container in &pod.containers {
            let cells = row::container_cells(pod, container);
            let hash = row::row_hash_of_reader(row::container_table(), &cells, 1);
            let aged = place
                .sql
                .execute(of_container, &[&uid, &container.container, &hash.hi, &hash.lo])
                .await;
            assert_eq!(aged.unwrap(), 1);
        }
    }
}

/// A fleet as version 1 of the central site left it, its emitter being of the version that wrote `schema`.
async fn fleet_of_version_1(writer: &WriterSchema) -> (IngestHarness, ScriptedEmitter) {
    let place = IngestHarness::new().await;
    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    let ingester = place.start();
    sweep(&mut emitter, &fleet(), writer).await;
    place.landed().await;
    ingester.stop().await;
    age(&place, &fleet(), writer).await;
    let old = "select count(*) from ledger.pod where reader_version = 1 and hostname is null";
    assert_eq!(place.one::<i64>(old).await, PODS as i64);
    (place, emitter)
}

async fn assert_upgraded(place: &IngestHarness) {
    assert_eq!(place.one::<i64>(CLOSED).await, 0, "0 false versions");
    assert_eq!(place.one::<i64>(FILLED).await, PODS as i64);
    let readers = "select min(least(p.reader_version, c.reader_version)) from ledger.pod as p
        join ledger.container as c using (cluster_id, uid)";
    assert_eq!(place.one::<i16>(readers).await, READER_VERSION);
    assert_eq!(place.one::<i64>("select count(unknown) from ledger.pod").await, 0);
    let report = audit::run(&place.ingester, |_| {}).await.unwrap();
    assert_eq!((report.rows, report.sound), (PODS as u64, PODS as u64));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn central_site_then_emitters_upgraded_make_no_version() {
    let (place, mut emitter) = fleet_of_version_1(&version_1()).await;
    let ingester = place.start();
    sweep(&mut emitter, &fleet(), &version_1()).await;
    place.landed().await;
    assert_eq!(place.one::<i64>(CLOSED).await, 0, "0 false versions");
    sweep(
        &mut emitter,
        &fleet(),
        &own_schema(SchemaSubject::Kind(RecordKind::Pod)),
    )
    .await;
    place.landed().await;
    assert_upgraded(&place).await;
    ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn emitters_then_central_site_upgraded_make_no_version() {
    let newest = own_schema(SchemaSubject::Kind(RecordKind::Pod));
    let (place, mut emitter) = fleet_of_version_1(&newest).await;
    let ingester = place.start();
    sweep(&mut emitter, &fleet(), &newest).await;
    place.landed().await;
    assert_upgraded(&place).await;
    ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn central_site_and_emitters_upgraded_at_once_make_no_version_but_of_what_changed() {
    let (place, mut emitter) = fleet_of_version_1(&version_1()).await;
    let ingester = place.start();
    let mut pods = fleet();
    sweep(
        &mut emitter,
        &pods,
        &own_schema(SchemaSubject::Kind(RecordKind::Pod)),
    )
    .await;
    place.landed().await;
    assert_upgraded(&place).await;
    // The same again is no change, another value of a new column is one.
    emitter.put(pods[0].clone()).await;
    pods[0].hostname = Some("host-other".into());
    emitter.put(pods[0].clone()).await;
    emitter.put(pods[0].clone()).await;
    place.landed().await;
    let closed = "select string_agg(uid_text || ' ' || hostname, ', ') from ledger.pod_history";
    assert_eq!(place.one::<String>(closed).await, "u0 host-0");
    assert_eq!(place.one::<i64>(CLOSED).await, 1);
    ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changed_while_versions_changed_makes_one_version_each() {
    let (place, mut emitter) = fleet_of_version_1(&version_1()).await;
    let ingester = place.start();
    let mut pods = fleet();
    pods[1].phase = "Failed".into();
    pods[2].containers[1].restart_count = 3;
    sweep(
        &mut emitter,
        &pods,
        &own_schema(SchemaSubject::Kind(RecordKind::Pod)),
    )
    .await;
    place.landed().await;
    let closed = "select string_agg(uid, ' ' order by uid) from (
        select uid_text from ledger.pod_history union all select substr(pod, 5) || '/' || container from ledger.container_history) as v (uid)";
    // The pod's row counts restarts, so a container's restart is a version of both.
    assert_eq!(place.one::<String>(closed).await, "u1 u2 u2/c1");
    ingester.stop().await;
}
