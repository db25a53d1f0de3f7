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
    deadline::{ensure, eventually},
    parts,
};
use prometheus::Registry;
use rdkafka::{
    admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier},
    client::DefaultClientContext,
};
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
    assert!(health.ready().is_err_and(|why| why.contains("this clock says")));
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
