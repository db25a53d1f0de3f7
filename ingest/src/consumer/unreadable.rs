//! Batches that are in a log and that the client cannot read: their compression or their checksum is broken, or what
//! they hold is no records.
//!
//! The client reports that without a partition, and reads the same batch again and again, or goes on behind it as if
//! nothing had been there. So on such a report:
//!
//! 1. each partition is read alone from where it is, by a consumer of its own: the second try. If all can be read, the
//!    fault was on the way, and all are read again from what has landed;
//! 2. of the one that cannot, the end of what cannot be read is sought, and it is read no further;
//! 3. when all before it has landed, the range becomes a row of `ledger.ingest_gap`, and the partition goes on behind it,
//!    or is halted, by `ingest.gap_policy`.

use std::time::{Duration, Instant as Moment};

use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
};
use tokio_postgres::Client;

use super::KafkaPoller;
use crate::{
    claim::halt_partition,
    errors::DatabaseFailure,
    raw::PartitionId,
    rebalance::{RebalanceContext, lock},
    settings::GapPolicy,
    topics::IngestTopics,
};

/// How every such gap's reason begins.
pub(crate) const UNREADABLE: &str = "unreadable batch";
/// How long one look at an offset may take.
const LOOK: Duration = Duration::from_secs(5);
/// How long the ends of a partition are waited for.
const WATERMARK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long it may take until all before a batch that cannot be read has landed; then the partition is claimed again.
const UNREADABLE_PATIENCE: Duration = Duration::from_secs(60);
/// Batches behind each other that are passed over together, at most, in offsets.
const LONGEST_RANGE: i64 = 1 << 24;

/// What of a partition cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnreadableRange {
    pub(crate) from: i64,
    /// The offset behind it.
    pub(crate) to: i64,
    /// What the client says.
    pub(crate) why: String,
}

/// What is at an offset.
#[derive(Debug, Clone, PartialEq, Eq)]
enum OffsetLook {
    /// A record, or the end of the log.
    Readable,
    /// An error that belongs to the bytes.
    Unreadable(String),
    /// No answer.
    Silent,
}

/// Whether the client says that bytes of a log cannot be read.
pub(crate) fn is_unreadable(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::BadCompression | RDKafkaErrorCode::BadMessage | RDKafkaErrorCode::NotImplemented
    )
}

/// Reads partitions alone.
pub(crate) struct UnreadableSearch<'t> {
    consumer: BaseConsumer,
    topics: &'t IngestTopics,
}

impl<'t> UnreadableSearch<'t> {
    /// A consumer of its own, of no group.
    pub(crate) fn new(config: &ClientConfig, topics: &'t IngestTopics) -> Result<Self, KafkaError> {
        let mut config = config.clone();
        config
            .remove("group.instance.id")
            .set("enable.partition.eof", "true")
            .set("statistics.interval.ms", "0")
            .set("fetch.wait.max.ms", "20")
            .set("fetch.error.backoff.ms", "20");
        Ok(Self {
            consumer: config.create()?,
            topics,
        })
    }

    /// The first of these partitions that cannot be read where it is, and how far. With `is_silent` one that gives nothing
    /// there, and records further on, is one: the client says nothing of what it cannot take apart.
    pub(crate) fn first(
        &self,
        candidates: &[(PartitionId, i64)],
        is_silent: bool,
    ) -> Result<Option<(PartitionId, UnreadableRange)>, KafkaError> {
        for (id, offset) in candidates {
            let why = match self.look(*id, *offset)? {
                OffsetLook::Readable => continue,
                OffsetLook::Unreadable(why) => why,
                OffsetLook::Silent if is_silent => "its records cannot be decoded".to_owned(),
                OffsetLook::Silent => continue,
            };
            let topic = self.topics.name(id.topic);
            let (_, high) = self
                .consumer
                .fetch_watermarks(topic, id.partition, WATERMARK_TIMEOUT)?;
            let most = high.min(offset.saturating_add(LONGEST_RANGE));
            let mut failed = None;
            let to = first_readable(*offset, most, |at| match self.look(*id, at) {
                Ok(look) => look == OffsetLook::Readable,
                Err(error) => {
                    failed = Some(error);
                    true
                }
            });
            if let Some(error) = failed {
                return Err(error);
            }
            // Silence to the end is a broker that does not answer.
            if why.starts_with("its records") && to >= high {
                continue;
            }
            return Ok(Some((
                *id,
                UnreadableRange {
                    from: *offset,
                    to,
                    why,
                },
            )));
        }
        Ok(None)
    }

    fn look(&self, id: PartitionId, offset: i64) -> Result<OffsetLook, KafkaError> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(self.topics.name(id.topic), id.partition, Offset::Offset(offset))?;
        self.consumer.assign(&list)?;
        let begun = Moment::now();
        while begun.elapsed() < LOOK {
            match self.consumer.poll(Duration::from_millis(50)) {
                None => {}
                Some(Ok(message)) if message.partition() == id.partition => return Ok(OffsetLook::Readable),
                Some(Ok(_)) => {}
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(OffsetLook::Readable),
                Some(Err(error)) => match error.rdkafka_error_code() {
                    Some(code) if is_unreadable(code) => {
                        return Ok(OffsetLook::Unreadable(error.to_string()));
                    }
                    // Transport faults heal by themselves.
                    _ => tracing::debug!(%error, "look for unreadable batches"),
                },
            }
        }
        Ok(OffsetLook::Silent)
    }
}

/// The first offset behind `from` that can be read, and `most` if there is none before it. What cannot be read is one
/// piece: steps are doubled until one is behind it, and halved from there.
fn first_readable(from: i64, most: i64, mut is_readable: impl FnMut(i64) -> bool) -> i64 {
    let (mut bad, mut step) = (from, 1);
    let mut good = loop {
        let next = bad.saturating_add(step);
        if next >= most {
            break most;
        }
        if is_readable(next) {
            break next;
        }
        bad = next;
        step *= 2;
    };
    while good - bad > 1 {
        let middle = bad + (good - bad) / 2;
        if is_readable(middle) {
            good = middle;
        } else {
            bad = middle;
        }
    }
    good.max(from + 1)
}

impl KafkaPoller {
    /// Reads the partitions of this consumer alone; true if one is found that cannot be read, which is then read no
    /// further. `None` if Kafka did not answer.
    pub(super) fn look_for_unreadable(
        &mut self,
        consumer: &BaseConsumer<RebalanceContext>,
        is_silent: bool,
    ) -> Option<bool> {
        self.shared.flush();
        let found = self.search(consumer, is_silent);
        let found = found
            .map_err(|error| tracing::warn!(%error, "partitions could not be read separately"))
            .ok()?;
        let Some((id, range)) = found else {
            return Some(false);
        };
        let topic = self.shared.topics.name(id.topic);
        let (from, to, why) = (range.from, range.to, &range.why);
        tracing::error!(
            topic,
            partition = id.partition,
            from,
            to,
            why,
            "a batch cannot be read"
        );
        if let Err(error) = consumer.pause(&self.shared.list([id])) {
            tracing::warn!(%error, "pause a partition that cannot be read");
        }
        lock(&self.shared.unreadable).insert(id, (range, Moment::now()));
        Some(true)
    }

    fn search(
        &self,
        consumer: &BaseConsumer<RebalanceContext>,
        is_silent: bool,
    ) -> Result<Option<(PartitionId, UnreadableRange)>, KafkaError> {
        let shared = &self.shared;
        let halted = lock(&shared.halted).clone();
        let known = lock(&shared.unreadable).clone();
        let mut next = lock(&shared.started).clone();
        for element in consumer.position()?.elements() {
            let topic = shared.topics.index_of(element.topic());
            if let (Some(topic), Offset::Offset(offset)) = (topic, element.offset()) {
                let partition = element.partition();
                next.insert(PartitionId { topic, partition }, offset);
            }
        }
        let owned = lock(&shared.owned).clone();
        next.retain(|id, _| owned.contains(id) && !halted.contains(id) && !known.contains_key(id));
        let candidates: Vec<(PartitionId, i64)> = next.into_iter().collect();
        UnreadableSearch::new(&self.config, &shared.topics)?.first(&candidates, is_silent)
    }

    /// Makes gaps of what cannot be read once all before it has landed, and goes on behind them.
    pub(super) fn record_unreadable(&mut self, consumer: &BaseConsumer<RebalanceContext>) {
        let waiting = lock(&self.shared.unreadable).clone();
        for (id, (range, since)) in waiting {
            match self.record(id, &range) {
                Some(RangeOutcome::Recorded) => {
                    let metrics = &self.shared.metrics;
                    metrics.gaps.inc();
                    let count = u64::try_from(range.to - range.from).unwrap_or_default();
                    metrics.gap_records.inc_by(count);
                }
                Some(RangeOutcome::Lost) => {}
                Some(RangeOutcome::Early) | None if since.elapsed() < UNREADABLE_PATIENCE => continue,
                Some(RangeOutcome::Early) | None => {}
            }
            lock(&self.shared.unreadable).remove(&id);
            if lock(&self.shared.owned).contains(&id) {
                self.claim_again(consumer, &[id]);
            }
        }
    }

    /// `None` while PostgreSQL is away.
    fn record(&self, id: PartitionId, range: &UnreadableRange) -> Option<RangeOutcome> {
        let shared = &self.shared;
        let place = (shared.topics.name(id.topic), id.partition);
        let policy = shared.settings.gap_policy;
        shared.runtime.block_on(async {
            let connected = shared.connector.connect("fleetledger-ingest-look").await;
            let mut client = connected.ok()?;
            let recorded = record(&mut client, place, &shared.owner, policy, range).await;
            recorded
                .map_err(|error| {
                    tracing::warn!(
                        error = %DatabaseFailure::of(&error),
                        "record an unreadable batch"
                    )
                })
                .ok()
        })
    }
}

/// What became of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RangeOutcome {
    /// It is a gap now.
    Recorded,
    /// What is before it has yet to land.
    Early,
    /// The partition is somebody else's.
    Lost,
}

/// Makes a gap of a range if all before it has landed: the fence moves behind it in the same transaction.
pub(crate) async fn record(
    client: &mut Client,
    (topic, partition): (&str, i32),
    owner: &str,
    policy: GapPolicy,
    range: &UnreadableRange,
) -> Result<RangeOutcome, tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    let row = transaction
        .query_opt(LOCK_OWN_PARTITION, &[&topic, &partition, &owner])
        .await?;
    let Some(row) = row else {
        return Ok(RangeOutcome::Lost);
    };
    let next: i64 = row.try_get(0)?;
    if next < range.from {
        return Ok(RangeOutcome::Early);
    }
    let reason = format!("{UNREADABLE}: {}", range.why);
    let behind = next.max(range.to);
    transaction
        .execute(
            INSERT_UNREADABLE_GAP,
            &[
                &topic,
                &partition,
                &range.from,
                &range.to,
                &reason,
                &policy.as_str(),
            ],
        )
        .await?;
    transaction
        .execute(MOVE_BEHIND_GAP, &[&topic, &partition, &behind])
        .await?;
    if policy == GapPolicy::Halt {
        let why = format!(
            "offsets {} to {} of topic {topic} partition {partition} cannot be read ({}); accept the gap with \
             `fleetledger ingest resume {topic} {partition}` (the next sweep heals what was missed)",
            range.from, range.to, range.why
        );
        halt_partition(&transaction, topic, partition, &why).await?;
    }
    transaction.commit().await?;
    Ok(RangeOutcome::Recorded)
}

const LOCK_OWN_PARTITION: &str = "
    select next_offset from ledger.ingest_partition where topic = $1 and partition = $2 and owner = $3 for update";

const INSERT_UNREADABLE_GAP: &str = "
    insert into ledger.ingest_gap (topic, partition, from_offset, to_offset, reason, policy)
    values ($1, $2, $3, $4, $5, $6)";

const MOVE_BEHIND_GAP: &str = "
    update ledger.ingest_partition set next_offset = $3, checkpoint_offset = null, checkpoint_kafka_at = null, checkpoint_crc = null
    where topic = $1 and partition = $2";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_what_cannot_be_read_is_found_in_few_looks() {
        for (from, to, high) in [
            (10, 11, 20),
            (10, 12, 20),
            (0, 500, 501),
            (7, 5_000, 1_000_000),
            (3, 9, 9),
            (5, 6, 6),
        ] {
            let mut looks = 0;
            let found = first_readable(from, high, |offset| {
                looks += 1;
                assert!(offset > from && offset < high, "{offset}");
                offset >= to
            });
            assert_eq!(found, to, "{from}..{to} of {high}");
            assert!(looks <= 28, "{looks} looks for {from}..{to}");
        }
    }
}
