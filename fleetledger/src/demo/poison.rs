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

use tokio_postgres::Client;

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
    /// Records of a stranger, which were settled with its quarantine.
    strange: BTreeSet<(String, i32, i64)>,
}

/// Uid of a cluster that sends under another's name.
const STRANGER: &str = "5ca1ab1e-0000-4000-8000-000000000001";
/// Records that it sends at a time.
const STRANGE_RECORDS: usize = 12;

/// Ends the quarantines of the stranger, and settles its dead letters.
const SETTLE_STRANGER: &str = "
    with released as (
        update ledger.quarantine set released_at = now() where cluster_uid = $1 and released_at is null returning 1
    )
    update ledger.dead_letter set state = 'discarded', settled_at = now()
    where cluster_uid = $1 and state = 'open'";

/// One bad record.
struct PoisonRecord {
    key: String,
    value: Vec<u8>,
    headers: OwnedHeaders,
    partition: i32,
}

impl PoisonRecord {
    fn new(key: String, value: &[u8], headers: &[(&'static str, String)], partition: i32) -> Self {
        Self {
            key,
            value: value.to_vec(),
            headers: headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
                headers.insert(Header {
                    key,
                    value: Some(value.as_bytes()),
                })
            }),
            partition,
        }
    }
}

impl PoisonInjector {
    pub(super) fn new(broker: &DemoBroker, config: &FleetledgerConfig) -> Self {
        Self {
            kafka: broker.client_config(),
            prefix: config.emit.topic_prefix.clone(),
            suffix: config.emit.topic_suffix.clone(),
            partitions: config.topics.partitions,
            injected: BTreeSet::new(),
            strange: BTreeSet::new(),
        }
    }

    pub(super) fn was_injected(&self) -> bool {
        !self.injected.is_empty()
    }

    /// Topic, partition and offset of each.
    pub(super) fn places(&self) -> BTreeSet<(String, i32, i64)> {
        self.injected.union(&self.strange).cloned().collect()
    }

    /// Sends records of a cluster that has taken the name of another: it is refused, and its records are dead letters.
    pub(super) async fn send_strange(&mut self, sources: &[EmitterSummary]) -> anyhow::Result<()> {
        let Some(named) = sources.iter().rfind(|source| source.epoch > 0) else {
            return Ok(());
        };
        let source = RecordSource::new(&named.datacenter, &named.cluster, STRANGER)?;
        let partition = partition_of(STRANGER, 0, self.partitions);
        let epoch = Instant::now().0;
        let records = (1..=STRANGE_RECORDS).map(|number| {
            let sequence = i64::try_from(number).unwrap_or(0);
            let event_type = RecordKind::Pod.event_type();
            let headers = RecordHeaders::new(&source, event_type, 0, Instant::now(), epoch, sequence);
            PoisonRecord::new(
                format!("{source}/pod-{number}"),
                b"\xc3\x01stranger",
                &headers.to_pairs(),
                partition,
            )
        });
        let sent = self.send(records.collect()).await?;
        self.strange.extend(sent);
        Ok(())
    }

    /// Somebody has looked into it: the quarantine ends, and what was put aside is settled.
    pub(super) async fn settle_strange(&self, client: &Client) -> anyhow::Result<()> {
        let settled = client.execute(SETTLE_STRANGER, &[&STRANGER]).await;
        settled.context("settle the dead letters of a stranger")?;
        Ok(())
    }

    /// Puts a few into the topic of pods, beside records of the first emitter.
    pub(super) async fn inject(&mut self, sources: &[EmitterSummary]) -> anyhow::Result<()> {
        let Some(source) = sources
            .iter()
            .find(|source| !source.cluster_uid.is_empty() && source.epoch > 0)
        else {
            return Ok(());
        };
        let sent = self.send(self.records(source)?).await?;
        self.injected.extend(sent);
        Ok(())
    }

    /// Sends records to the topic of pods; returns where they stand.
    async fn send(&self, records: Vec<PoisonRecord>) -> anyhow::Result<Vec<(String, i32, i64)>> {
        let kafka = self.kafka.as_ref().map_err(|error| anyhow!("{error}"))?;
        let producer: FutureProducer = kafka.create().context("set up the poison's producer")?;
        let topic = RecordKind::Pod.topic(&self.prefix, self.suffix.as_deref());
        let mut places = Vec::with_capacity(records.len());
        for bad in records {
            let record = FutureRecord::to(&topic)
                .key(&bad.key)
                .payload(&bad.value)
                .headers(bad.headers)
                .partition(bad.partition);
            let sent = producer.send(record, ANSWER).await;
            let place = sent.map_err(|(error, _)| error).context("send a poison record")?;
            places.push((topic.clone(), place.partition, place.offset));
        }
        Ok(places)
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
        let bad = |key: String, value: &[u8], headers: &[(&'static str, String)]| {
            PoisonRecord::new(key, value, headers, partition)
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
