//! Who may land: claims, zombies, halted partitions, gaps, several ingesters.

use fleetledger_ingest::{ResumeFrom, resume, resume_all};
use fleetledger_schema::kind::RecordKind;

use crate::{
    emitter::{ScriptedEmitter, namespace},
    harness::IngestHarness,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_zombie_is_fenced_and_nothing_lands_twice() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    emitter.put(namespace("u", "a")).await;
    place.landed().await;
    // Someone else claims everything while a batch of ours is being built.
    place
        .execute("update ledger.ingest_partition set owner_epoch = owner_epoch + 1, owner = 'someone else'")
        .await;
    emitter.put(namespace("u", "b")).await;
    place
        .until("select true from ledger.ingest_partition where owner = 'someone else' limit 1")
        .await;
    // Nobody else turns up: after 10 s it claims what its group still gives it, and lands what it had dropped.
    place.landed().await;
    assert_eq!(
        place.one::<String>("select phase from ledger.namespace").await,
        "b"
    );
    assert_eq!(place.counts().await[0], 2);
    assert!(
        place
            .one::<i64>("select max(owner_epoch) from ledger.ingest_partition")
            .await
            >= 3
    );
    ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_ingesters_of_a_group_share_the_partitions_and_one_takes_over() {
    let place = IngestHarness::new().await;
    let kinds = |settings: &mut fleetledger_ingest::IngestSettings| settings.kinds = vec!["namespace".into()];
    let first = place.start_with(kinds);
    first.ready().await;
    let second = place.start_with(kinds);
    let mut emitters: Vec<ScriptedEmitter> = (0..6)
        .map(|number| ScriptedEmitter::new(&place, "dfw", &format!("c{number}"), &format!("cu-{number}")))
        .collect();
    second.ready().await;
    for round in 0..5 {
        for emitter in &mut emitters {
            emitter.put(namespace("u", &format!("r{round}"))).await;
        }
    }
    place.landed().await;
    first.stop().await;
    for emitter in &mut emitters {
        emitter.put(namespace("u", "last")).await;
    }
    place.landed().await;
    assert_eq!(
        place
            .one::<i64>("select count(*) from ledger.namespace where phase = 'last'")
            .await,
        6
    );
    assert_eq!(place.counts().await[..2], [36, 36]);
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_killed_within_its_transaction_lands_once() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    emitter.put(namespace("u", "a")).await;
    place.landed().await;
    let held = place.hold_commits().await;
    emitter.put(namespace("u", "b")).await;
    place.until_held().await;
    place
        .execute("select pg_terminate_backend(pid) from pg_locks where not granted and relation = 'ledger.freshness'::regclass")
        .await;
    drop(held);
    place.landed().await;
    assert_eq!(
        place.one::<String>("select phase from ledger.namespace").await,
        "b"
    );
    assert_eq!(place.counts().await[..2], [2, 2]);
    ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_shorter_than_what_has_landed_halts_until_it_is_resumed() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    emitter.put(namespace("u", "a")).await;
    place.landed().await;
    ingester.stop().await;
    place
        .execute(
            "update ledger.ingest_partition set next_offset = 100, checkpoint_offset = 99 where next_offset > 0",
        )
        .await;
    let again = place.start();
    place
        .until("select count(*) = 1 from ledger.ingest_partition where state = 'halted'")
        .await;
    let topic: String = place
        .one("select topic from ledger.ingest_partition where state = 'halted'")
        .await;
    let partition: i32 = place
        .one("select partition from ledger.ingest_partition where state = 'halted'")
        .await;
    emitter.put(namespace("u", "b")).await;
    resume(&place.connector, &topic, partition, ResumeFrom::Start)
        .await
        .unwrap();
    place.until("select phase = 'b' from ledger.namespace").await;
    assert_eq!(
        place
            .one::<i64>("select sum(superseded)::bigint from ledger.batch")
            .await,
        1,
        "what had landed is older"
    );
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rewritten_topic_is_noticed_by_its_last_landed_record() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    emitter.put(namespace("u", "a")).await;
    place.landed().await;
    ingester.stop().await;
    place
        .execute("update ledger.ingest_partition set checkpoint_crc = checkpoint_crc + 1 where checkpoint_crc is not null")
        .await;
    let again = place.start();
    emitter.put(namespace("u", "b")).await;
    place.until("select count(*) = 1 from ledger.ingest_partition where state = 'halted' and halted_reason like '%rewritten%'").await;
    assert_eq!(
        place.one::<String>("select phase from ledger.namespace").await,
        "a"
    );
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_buffer_pauses_and_everything_lands() {
    let place = IngestHarness::new().await;
    let ingester = place.start_with(|settings| {
        settings.kinds = vec!["namespace".into()];
        settings.buffer_bytes = 40_000;
        settings.batch_bytes = 20_000;
        settings.batch_rows = 10;
    });
    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    ingester.ready().await;
    let held = place.hold_commits().await;
    for number in 0..300 {
        emitter.put(namespace(&format!("u{number}"), "Active")).await;
    }
    ingester.until_buffered(100).await;
    let buffered = ingester.health.stats().buffer_bytes;
    assert!(buffered < 80_000, "{buffered}");
    drop(held);
    emitter.mark(RecordKind::Namespace).await;
    place.landed().await;
    assert_eq!(
        place.one::<i64>("select count(*) from ledger.namespace").await,
        300
    );
    ingester.stop().await;
}

/// The next so many inserts into the table of namespaces fail with that code; a sequence remembers across rollbacks.
async fn fail_with(place: &IngestHarness, sqlstate: &str, times: i64) {
    place
        .sql
        .batch_execute(&format!(
            "create sequence if not exists public.fault;
             grant usage on sequence public.fault to public;
             alter sequence public.fault restart;
             create or replace function public.fail() returns trigger language plpgsql as $f$
             begin
                 if nextval('public.fault') <= {times} then
                     raise exception 'could not load library' using errcode = '{sqlstate}';
                 end if;
                 return new;
             end $f$;
             create or replace trigger fail before insert on ledger.namespace for each row execute function public.fail()"
        ))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_fails_for_a_while_is_tried_again_until_it_works() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    for (sqlstate, times, uid) in [
        ("58P01", 7, "library"),
        ("58030", 7, "disk"),
        ("XX000", 1, "once"),
    ] {
        fail_with(&place, sqlstate, times).await;
        emitter.put(namespace(uid, "a")).await;
        place.landed().await;
        assert!(place.one::<i64>("select last_value from public.fault").await > times);
    }
    assert_eq!(place.one::<i64>("select count(*) from ledger.namespace").await, 3);
    assert_eq!(
        place
            .one::<i64>("select count(*) from ledger.ingest_partition where state = 'halted'")
            .await,
        0
    );
    ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_internal_error_that_goes_on_halts_and_all_halted_partitions_are_resumed_at_once() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    fail_with(&place, "XX000", 1_000_000).await;
    emitter.put(namespace("u", "a")).await;
    place
        .until("select count(*) = 1 from ledger.ingest_partition where state = 'halted' and halted_reason like '%XX000%'")
        .await;
    fail_with(&place, "XX000", 0).await;
    let resumed = resume_all(&place.connector).await.unwrap();
    assert_eq!(resumed.len(), 1);
    place.landed().await;
    assert_eq!(
        place.one::<String>("select phase from ledger.namespace").await,
        "a"
    );
    assert_eq!(resume_all(&place.connector).await.unwrap(), []);
    ingester.stop().await;
}
