//! Records that cannot land, put among those that can; and the broker's own ends of its partitions.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context as _, anyhow};
use fleetledger_emit::EmitterSummary;
use fleetledger_schema::{
    headers::RecordHeaders, instant::Instant, key::RecordSource, kind::RecordKind, partition::partition_of,
};
use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer},
    message::{Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
};

use super::broker::DemoBroker;
use crate::config::FleetledgerConfig;

/// How long the broker may take over one question.
const ANSWER: Duration = Duration::from_secs(10);

/// The poison of one run.
pub(super) struct PoisonInjector {
    kafka: anyhow::Result<ClientConfig>,
    prefix: String,
    suffix: Option<String>,
    partitions: i32,
    injected: BTreeSet<(String, i32, i64)>,
}

/// One bad record.
struct PoisonRecord {
    key: String,
    value: Vec<u8>,
    headers: OwnedHeaders,
    partition: i32,
}

impl PoisonInjector {
    pub(super) fn new(broker: &DemoBroker, config: &FleetledgerConfig) -> Self {
        Self {
            kafka: broker.client_config(),
            prefix: config.emit.topic_prefix.clone(),
            suffix: config.emit.topic_suffix.clone(),
            partitions: config.topics.partitions,
            injected: BTreeSet::new(),
        }
    }

    pub(super) fn was_injected(&self) -> bool {
        !self.injected.is_empty()
    }

    /// Topic, partition and offset of each.
    pub(super) fn places(&self) -> &BTreeSet<(String, i32, i64)> {
        &self.injected
    }

    /// Puts a few into the topic of pods, beside records of the first emitter.
    pub(super) async fn inject(&mut self, sources: &[EmitterSummary]) -> anyhow::Result<()> {
        let Some(source) = sources
            .iter()
            .find(|source| !source.cluster_uid.is_empty() && source.epoch > 0)
        else {
            return Ok(());
        };
        let kafka = self.kafka.as_ref().map_err(|error| anyhow!("{error}"))?;
        let producer: FutureProducer = kafka.create().context("set up the poison's producer")?;
        let topic = RecordKind::Pod.topic(&self.prefix, self.suffix.as_deref());
        for bad in self.records(source)? {
            let record = FutureRecord::to(&topic)
                .key(&bad.key)
                .payload(&bad.value)
                .headers(bad.headers)
                .partition(bad.partition);
            let sent = producer.send(record, ANSWER).await;
            let place = sent.map_err(|(error, _)| error).context("send a poison record")?;
            self.injected
                .insert((topic.clone(), place.partition, place.offset));
        }
        Ok(())
    }

    fn records(&self, emitter: &EmitterSummary) -> anyhow::Result<Vec<PoisonRecord>> {
        let source = RecordSource::new(&emitter.datacenter, &emitter.cluster, &emitter.cluster_uid)?;
        let partition = partition_of(&emitter.cluster_uid, 0, self.partitions);
        let now = Instant::now();
        // Headers as an emitter writes them, numbered beyond what it has sent so that no order is in question.
        let headers = RecordHeaders::new(&source, RecordKind::Pod.event_type(), 0, now, emitter.epoch, 0);
        let whole = headers.to_pairs();
        let without = |name: &str| {
            whole
                .iter()
                .filter(|(header, _)| *header != name)
                .cloned()
                .collect::<Vec<_>>()
        };
        let bad = |key: String, value: &[u8], headers: &[(&'static str, String)]| PoisonRecord {
            key,
            value: value.to_vec(),
            headers: headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
                headers.insert(Header {
                    key,
                    value: Some(value.as_bytes()),
                })
            }),
            partition,
        };
        Ok(vec![
            bad("this is no key".to_owned(), b"{\"kind\":\"Pod\"}", &whole),
            bad("dfw/UPPER CASE/uid/pod".to_owned(), b"\xc3\x01poison", &whole),
            bad(
                format!("{source}/poison-1"),
                b"\xc3\x01poison",
                &without("ce_epoch"),
            ),
            bad(format!("{source}/poison-2"), b"\xc3\x01poison", &[]),
        ])
    }
}

/// How many records the broker has beyond these offsets.
pub(super) fn behind(kafka: &ClientConfig, offsets: &[(String, i32, i64)]) -> anyhow::Result<i64> {
    let consumer: BaseConsumer = kafka.create().context("set up a consumer")?;
    let mut behind = 0;
    for (topic, partition, next) in offsets {
        let (_, high) = consumer
            .fetch_watermarks(topic, *partition, ANSWER)
            .context("ask for the ends of partitions")?;
        behind += (high - next).max(0);
    }
    Ok(behind)
}
