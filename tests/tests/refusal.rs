//! Brokers that refuse what an emitter sends: it says why, is not ready, waits without new epochs, and goes on by itself.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

use std::time::Duration;

use fleetledger_emit::{EmitSettings, EmitterHealth, ObjectSource, SimulateSettings, run};
use fleetledger_local::{kafka::LocalKafka, skip::unless_available};
use fleetledger_schema::kind::RecordKind;
use fleetledger_tests::{
    cluster::{ApiResourceKind, DesiredObject, TestCluster},
    deadline::{ensure, eventually},
    delivered,
    emitter::{self, TestEmitter},
    parts,
};
use prometheus::Registry;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rdkafka::{
    admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier},
    client::DefaultClientContext,
};
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const PREFIX: &str = "refused";
const LIMIT: Duration = Duration::from_secs(120);
const NO_LIMIT: &str = "9223372036854775807";

/// Sets a topic to these settings, and to nothing else.
async fn set(kafka: &LocalKafka, topic: &str, settings: &[(&str, &str)]) {
    let admin: AdminClient<DefaultClientContext> = kafka.client_config().create().unwrap();
    let change = AlterConfig::new(ResourceSpecifier::Topic(topic)).set("cleanup.policy", "compact");
    let change = settings
        .iter()
        .fold(change, |change, (key, value)| change.set(key, value));
    let options = AdminOptions::new().request_timeout(Some(Duration::from_secs(20)));
    let changed = admin.alter_configs([&change], &options).await.unwrap();
    assert!(changed.iter().all(Result::is_ok), "{changed:?}");
}

fn failures(registry: &Registry) -> f64 {
    let families = registry.gather();
    let mut families = families.iter();
    let family = families.find(|family| family.name() == "fleetledger_emit_delivery_failures_total");
    family.map_or(0.0, |family| family.get_metric()[0].get_counter().get_value())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_records_make_an_emitter_unready_and_no_new_epochs() {
    let test = "refused_records_make_an_emitter_unready_and_no_new_epochs";
    let started = LocalKafka::builder().start(&parts::cache()).await;
    let Some(kafka) = unless_available(test, started).unwrap() else {
        return;
    };
    let pods = RecordKind::Pod.topic(PREFIX, None);
    for kind in RecordKind::TOPICS {
        // Whatever the broker receives is older than that.
        let settings = [
            ("cleanup.policy", "compact"),
            ("message.timestamp.before.max.ms", "0"),
        ];
        kafka
            .create_topic(&kind.topic(PREFIX, None), 1, &settings)
            .await
            .unwrap();
    }
    let settings = EmitSettings {
        datacenter: "dfw".to_owned(),
        cluster: "refused".to_owned(),
        topic_prefix: PREFIX.to_owned(),
        ..EmitSettings::default()
    };
    let simulate = SimulateSettings {
        nodes: 3,
        pods: 30,
        changes_per_second: 5.0,
        usage: false,
        ..SimulateSettings::default()
    };
    let (health, shutdown, registry) = (EmitterHealth::new(), CancellationToken::new(), Registry::new());
    let mut emitter = JoinSet::new();
    let (of_emitter, config, stop, metrics) = (
        health.clone(),
        kafka.client_config(),
        shutdown.clone(),
        registry.clone(),
    );
    emitter.spawn(async move {
        let source = ObjectSource::Simulate(simulate);
        run(settings, source, config, &metrics, of_emitter, stop).await
    });

    let unready = |words: &'static str| {
        let health = health.clone();
        move || {
            let ready = health.ready();
            async move {
                ensure(ready.as_ref().is_err_and(|why| why.contains(words)), || {
                    format!("{ready:?}")
                })
            }
        }
    };
    let ready = || {
        let ready = health.ready();
        async move { ensure(ready.is_ok(), || format!("{ready:?}")) }
    };
    eventually(
        "it says that its clock is at fault",
        LIMIT,
        unready("timestamps are outside"),
    )
    .await;
    let (epoch, tried) = (health.summary().epoch, failures(&registry));
    eventually("it tries again", LIMIT, || {
        let now = failures(&registry);
        async move { ensure(now >= tried + 2.0, || format!("{now} failures")) }
    })
    .await;
    assert!(health.ready().is_err_and(|why| why.contains("clock is at")));
    assert_eq!(health.summary().epoch, epoch, "a refused try begins no epoch");
    assert_eq!(health.live(), Ok(()));

    for kind in RecordKind::TOPICS {
        let topic = kind.topic(PREFIX, None);
        set(&kafka, &topic, &[("message.timestamp.before.max.ms", NO_LIMIT)]).await;
    }
    eventually("it goes on by itself", LIMIT, ready).await;
    eventually("its sweep is sent", LIMIT, || {
        let sweeps = health
            .summary()
            .kinds
            .get(&RecordKind::Pod)
            .map_or(0, |pods| pods.sweeps);
        async move { ensure(sweeps >= 1, || format!("{sweeps} sweeps")) }
    })
    .await;
    assert!(health.summary().epoch > epoch);

    set(&kafka, &pods, &[("max.message.bytes", "200")]).await;
    health.request_sweep();
    eventually(
        "it says that the topic is too small",
        LIMIT,
        unready("max.message.bytes"),
    )
    .await;
    set(&kafka, &pods, &[]).await;
    eventually("it goes on by itself", LIMIT, ready).await;

    shutdown.cancel();
    emitter.join_next().await.unwrap().unwrap().unwrap();
}

/// A pod of so many containers, whose images no compression makes much shorter.
fn pod(name: &str, containers: usize) -> DesiredObject {
    let mut random = StdRng::seed_from_u64(containers as u64);
    let container = |number: usize, random: &mut StdRng| {
        let image: String = (0..24)
            .map(|_| format!("{:016x}", random.random::<u64>()))
            .collect();
        json!({"name": format!("c{number}"), "image": image})
    };
    let containers: Vec<_> = (0..containers)
        .map(|number| container(number, &mut random))
        .collect();
    DesiredObject {
        resource: ApiResourceKind::Pod,
        namespace: Some("default".to_owned()),
        name: name.to_owned(),
        owner: None,
        body: json!({"metadata": {}, "spec": {"containers": containers}}),
        status: None,
    }
}

/// Topics with the default limit, but pods of at most 60,000 bytes.
async fn topics(kafka: &LocalKafka) {
    for kind in RecordKind::TOPICS {
        let limit = if kind == RecordKind::Pod {
            "60000"
        } else {
            "1048588"
        };
        let settings = [("cleanup.policy", "compact"), ("max.message.bytes", limit)];
        kafka
            .create_topic(&kind.topic(PREFIX, None), 1, &settings)
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_larger_than_its_topic_allows_costs_no_epoch_and_the_cluster_goes_on() {
    let test = "a_record_larger_than_its_topic_allows_costs_no_epoch_and_the_cluster_goes_on";
    let started = LocalKafka::builder().start(&parts::cache()).await;
    let Some(kafka) = unless_available(test, started).unwrap() else {
        return;
    };
    let Some(cluster) = TestCluster::start(test).await else {
        return;
    };
    topics(&kafka).await;
    let config = kafka.client_config();
    let huge = cluster.create(&pod("huge", 250)).await;
    let first = cluster.create(&pod("first", 1)).await;
    let emitter = TestEmitter::start(
        emitter::settings("refused", PREFIX),
        cluster.client.clone(),
        &config,
    );
    let delivered = async |what: &str, uid: &str| {
        eventually(what, LIMIT, || {
            let found = delivered::read_all(&config, PREFIX)
                .iter()
                .any(|record| String::from_utf8_lossy(&record.key).ends_with(uid));
            async move { ensure(found, || "not yet".to_owned()) }
        })
        .await;
    };
    delivered("a pod beside it is sent", &first).await;
    eventually("it is ready", LIMIT, || {
        let ready = emitter.health.ready();
        async move { ensure(ready.is_ok(), || format!("{ready:?}")) }
    })
    .await;
    let epoch = emitter.health.summary().epoch;
    assert_eq!(emitter.metric("fleetledger_emit_delivery_failures_total"), 0.0);
    assert!(emitter.metric("fleetledger_emit_refused_records_total") >= 1.0);
    let second = cluster.create(&pod("second", 1)).await;
    delivered("what comes later is sent", &second).await;
    assert_eq!(
        emitter.health.summary().epoch,
        epoch,
        "no record was tried in vain"
    );

    // Less is allowed from now on: one record is refused, and one epoch later it is known.
    let topic = RecordKind::Pod.topic(PREFIX, None);
    set(&kafka, &topic, &[("max.message.bytes", "15000")]).await;
    let large = cluster.create(&pod("large", 130)).await;
    eventually("an epoch later it goes on", LIMIT, || {
        let (summary, ready) = (emitter.health.summary(), emitter.health.ready());
        async move {
            ensure(summary.epoch > epoch && ready.is_ok(), || {
                format!("{summary:?} {ready:?}")
            })
        }
    })
    .await;
    let (epoch, failed) = (
        emitter.health.summary().epoch,
        emitter.metric("fleetledger_emit_delivery_failures_total"),
    );
    assert!(failed >= 1.0);
    for name in ["third", "fourth"] {
        let labels = json!({"metadata": {"labels": {"app": name}}});
        cluster
            .patch(ApiResourceKind::Pod, Some("default"), "large", &labels)
            .await;
        let uid = cluster.create(&pod(name, 1)).await;
        delivered("what comes later is sent", &uid).await;
    }
    assert_eq!(
        emitter.health.summary().epoch,
        epoch,
        "it is refused before it is sent"
    );
    assert_eq!(emitter.metric("fleetledger_emit_delivery_failures_total"), failed);
    let sent = delivered::read_all(&config, PREFIX);
    let is_of = |uid: &str| {
        sent.iter()
            .any(|record| String::from_utf8_lossy(&record.key).ends_with(uid))
    };
    assert!(!is_of(&huge) && !is_of(&large));

    // More is allowed again, and a new emitter sends both.
    set(&kafka, &topic, &[]).await;
    emitter.stop().await;
    let emitter = TestEmitter::start(
        emitter::settings("refused", PREFIX),
        cluster.client.clone(),
        &config,
    );
    delivered("what was too large", &huge).await;
    delivered("what was too large", &large).await;
    emitter.stop().await;
}
