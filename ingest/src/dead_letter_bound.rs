//! How much of dead letters is kept whole: so many bytes of each source and UTC day. Beyond it they are counted by source,
//! topic and reason, and of each the first is an example, with the first kilobyte of its key and value.

use std::collections::BTreeMap;

use crate::{
    batch::{BatchDeadLetter, SealedBatch},
    errors::DatabaseFailure,
    raw::RawRecord,
    session::WriterSession,
    topics::IngestTopics,
};

/// What is kept of an example's key, and of its value, in bytes.
const EXAMPLE_BYTES: usize = 1024;

/// Datacenter, cluster and cluster uid; empty where the key could not be read.
type SourceKey<'b> = (&'b str, &'b str, &'b str);

/// What the sources of a batch have left of this day.
pub(crate) struct DeadLetterSpace<'b> {
    left: BTreeMap<SourceKey<'b>, i64>,
    overflow: BTreeMap<(SourceKey<'b>, &'b str, &'static str), OverflowCount<'b>>,
}

struct OverflowCount<'b> {
    letters: i64,
    bytes: i64,
    first: &'b RawRecord,
    detail: &'b str,
}

fn source_of(letter: &BatchDeadLetter) -> SourceKey<'_> {
    letter.source.as_ref().map_or(("", "", ""), |source| {
        (&source.datacenter, &source.cluster, &source.cluster_uid)
    })
}

fn size(record: &RawRecord) -> i64 {
    i64::try_from(record.bytes()).unwrap_or(i64::MAX)
}

impl<'b> DeadLetterSpace<'b> {
    /// Adds the dead letters of a batch to their days, within its transaction, and says what was left before them.
    pub(crate) async fn claim(
        session: &mut WriterSession,
        sealed: &'b SealedBatch,
    ) -> Result<Self, DatabaseFailure> {
        let mut wanted: BTreeMap<SourceKey<'b>, i64> = BTreeMap::new();
        for letter in &sealed.dead_letters {
            if let Some(record) = sealed.records.get(letter.record) {
                let bytes = wanted.entry(source_of(letter)).or_default();
                *bytes = bytes.saturating_add(size(record));
            }
        }
        let mut left = BTreeMap::new();
        // In order, so that two lanes never wait for each other.
        for ((datacenter, cluster, cluster_uid), bytes) in wanted {
            let rows = session
                .query(
                    ADD_DEAD_LETTER_BYTES,
                    &[&datacenter, &cluster, &cluster_uid, &bytes],
                )
                .await?;
            let after: i64 = rows.first().map_or(Ok(bytes), |row| row.try_get(0))?;
            let before = after.saturating_sub(bytes);
            left.insert(
                (datacenter, cluster, cluster_uid),
                session.dead_letter_day_bytes().saturating_sub(before),
            );
        }
        Ok(Self {
            left,
            overflow: BTreeMap::new(),
        })
    }

    /// Whether a letter is kept whole; one that is not is counted.
    pub(crate) fn keeps(
        &mut self,
        topics: &'b IngestTopics,
        letter: &'b BatchDeadLetter,
        record: &'b RawRecord,
    ) -> bool {
        let source = source_of(letter);
        let bytes = size(record);
        let left = self.left.entry(source).or_default();
        *left = left.saturating_sub(bytes);
        if *left >= 0 {
            return true;
        }
        let topic = topics.name(record.partition.topic);
        let count = self
            .overflow
            .entry((source, topic, letter.fault.reason.as_str()))
            .or_insert(OverflowCount {
                letters: 0,
                bytes: 0,
                first: record,
                detail: &letter.fault.detail,
            });
        count.letters += 1;
        count.bytes = count.bytes.saturating_add(bytes);
        false
    }

    /// Writes what was counted.
    pub(crate) async fn write_overflow(&self, session: &mut WriterSession) -> Result<(), DatabaseFailure> {
        for (((datacenter, cluster, cluster_uid), topic, reason), count) in &self.overflow {
            let record = count.first;
            let example =
                |bytes: Option<&'b [u8]>| bytes.map(|bytes| bytes.get(..EXAMPLE_BYTES).unwrap_or(bytes));
            let (key, value) = (example(record.key()), example(record.value()));
            session
                .execute(
                    COUNT_OVERFLOW,
                    &[
                        datacenter,
                        cluster,
                        cluster_uid,
                        topic,
                        reason,
                        &count.letters,
                        &count.bytes,
                        &record.partition.partition,
                        &record.offset,
                        &count.detail,
                        &key,
                        &value,
                    ],
                )
                .await?;
        }
        let letters: i64 = self.overflow.values().map(|count| count.letters).sum();
        if letters > 0 {
            tracing::warn!(
                letters,
                "a source exceeded ingest.dead_letter_day_bytes; its further dead letters of today are \
                 counted, not kept"
            );
        }
        Ok(())
    }
}

const ADD_DEAD_LETTER_BYTES: &str = "
    insert into ledger.dead_letter_day as d (datacenter, cluster, cluster_uid, day_on, bytes)
    values ($1, $2, $3, (now() at time zone 'UTC')::date, $4)
    on conflict (datacenter, cluster, cluster_uid, day_on) do update set bytes = d.bytes + excluded.bytes
    returning d.bytes";

const COUNT_OVERFLOW: &str = "
    insert into ledger.dead_letter_overflow as o (datacenter, cluster, cluster_uid, day_on, topic, reason, letters, bytes,
        partition, record_offset, detail, record_key, record_value)
    values ($1, $2, $3, (now() at time zone 'UTC')::date, $4, $5, $6, $7, $8, $9, $10, $11, $12)
    on conflict (datacenter, cluster, cluster_uid, day_on, topic, reason) do update
    set letters = o.letters + excluded.letters, bytes = o.bytes + excluded.bytes, last_at = excluded.last_at";
