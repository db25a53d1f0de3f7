//! The current state in Kafka, read back after a run: when each record was produced, and whose it is.

use std::time::Duration;

use anyhow::Context as _;
use fleetledger_schema::key::{RecordKey, RecordSubject};
use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    message::Headers as _,
};

use crate::fleet::PARTITIONS;

/// A record.
#[derive(Debug)]
pub(crate) struct ProducedRecord {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// When the producer was given it, in milliseconds since 1970.
    pub(crate) produced_ms: i64,
    pub(crate) subject: RecordSubject,
    pub(crate) resource_version: Option<String>,
}

/// A reader of one topic, from its begin.
pub(crate) struct TopicReader {
    consumer: BaseConsumer,
}

impl TopicReader {
    pub(crate) fn open(kafka: &ClientConfig, topic: &str) -> anyhow::Result<Self> {
        let mut config = kafka.clone();
        config
            .set("group.id", "fleetledger-bench")
            .set("enable.auto.commit", "false");
        config.set("fetch.wait.max.ms", "10");
        let consumer: BaseConsumer = config.create().context("make a consumer")?;
        let mut list = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            list.add_partition_offset(topic, partition, Offset::Beginning)?;
        }
        consumer.assign(&list)?;
        Ok(Self { consumer })
    }

    /// The next record, if one comes within `wait`.
    pub(crate) fn next(&self, wait: Duration) -> anyhow::Result<Option<ProducedRecord>> {
        let Some(message) = self.consumer.poll(wait) else {
            return Ok(None);
        };
        let message = message.context("read a log")?;
        let headers = message.headers();
        let version =
            headers.and_then(|headers| headers.iter().find(|header| header.key == "resource_version"));
        let version = version.and_then(|header| std::str::from_utf8(header.value?).ok());
        Ok(Some(ProducedRecord {
            partition: message.partition(),
            offset: message.offset(),
            produced_ms: message
                .timestamp()
                .to_millis()
                .context("a record without a time")?,
            subject: RecordKey::parse(message.key().unwrap_or_default())?.subject,
            resource_version: version.map(str::to_owned),
        }))
    }

    /// Reads on until a record of that subject comes; it and the moment are returned.
    pub(crate) async fn await_subject(
        &self,
        limit: Duration,
        is_it: impl Fn(&RecordSubject) -> bool,
    ) -> anyhow::Result<(ProducedRecord, std::time::Instant)> {
        let begin = std::time::Instant::now();
        while begin.elapsed() < limit {
            match self.next(Duration::from_millis(1))? {
                Some(record) if is_it(&record.subject) => return Ok((record, std::time::Instant::now())),
                Some(_) => {}
                // Others of this thread, such as connections to PostgreSQL, go on.
                None => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
        anyhow::bail!("the record did not come within {} s", limit.as_secs())
    }

    /// All records up to `ends`, one a partition.
    pub(crate) fn all(&self, ends: &[i64]) -> anyhow::Result<Vec<ProducedRecord>> {
        let total = usize::try_from(ends.iter().sum::<i64>())?;
        let mut records = Vec::with_capacity(total);
        while records.len() < total {
            let record = self
                .next(Duration::from_secs(30))?
                .context("nothing more to read")?;
            records.push(record);
        }
        Ok(records)
    }
}
