//! Raw consumption: a client with the ingester's settings that takes every record and does nothing with it.

use std::time::Duration;

use anyhow::Context as _;
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
};

use crate::parts::{LapClock, LapTime};

/// Reads every record from `begins` to `ends` (one a partition); `brokers` are counted with this process.
pub(crate) fn lap(
    kafka: &ClientConfig,
    topic: &str,
    begins: &[i64],
    ends: &[i64],
    brokers: &[u32],
) -> anyhow::Result<LapTime> {
    let mut config = kafka.clone();
    // As the ingester sets them.
    for (key, value) in [
        ("group.id", "fleetledger-bench"),
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        ("isolation.level", "read_committed"),
        ("check.crcs", "true"),
        ("queued.max.messages.kbytes", "65536"),
        ("fetch.queue.backoff.ms", "20"),
        ("fetch.min.bytes", "65536"),
        ("fetch.wait.max.ms", "100"),
    ] {
        config.set(key, value);
    }
    let consumer: BaseConsumer = config.create().context("make a consumer")?;
    // Connected before the clock starts, as the ingester is.
    consumer.fetch_metadata(Some(topic), Duration::from_secs(30))?;
    let mut list = TopicPartitionList::new();
    let mut wanted = 0;
    for (partition, (begin, end)) in (0..).zip(begins.iter().zip(ends)) {
        list.add_partition_offset(topic, partition, Offset::Offset(*begin))?;
        wanted += end - begin;
    }
    let clock = LapClock::start(brokers.iter().copied().chain([std::process::id()]).collect())?;
    consumer.assign(&list)?;
    let (mut records, mut bytes) = (0, 0);
    while records < wanted {
        let message = consumer.poll(LONGEST_POLL).context("nothing more to read")??;
        records += 1;
        bytes += message.key_len() + message.payload_len();
    }
    let lap = clock.stop()?;
    tracing::debug!(records, bytes, "consumed");
    Ok(lap)
}

const LONGEST_POLL: Duration = Duration::from_secs(30);
