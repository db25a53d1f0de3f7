//! What Kafka holds, read by a consumer of the tests' own and folded without the ingester's help; and the
//! judgement of the central site by it.

mod usage;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fmt,
    time::Duration,
};

use fleetledger_schema::kind::RecordKind;
use rdkafka::{
    ClientConfig, ClientContext, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::{KafkaError, RDKafkaErrorCode},
    message::{BorrowedMessage, Headers},
};
use serde_json::Value;

use crate::{database::LedgerDatabase, manual_emitter::KafkaPosition};

/// One record as Kafka delivers it.
#[derive(Debug, Clone)]
pub struct DeliveredRecord {
    /// Where it lies.
    pub place: KafkaPosition,
    /// Its key.
    pub key: Vec<u8>,
    /// Its value; `None` for a tombstone.
    pub value: Option<Vec<u8>>,
    /// Its headers.
    pub headers: HashMap<String, String>,
}

/// Reads everything that the topics under `prefix` hold now and that was committed.
#[must_use]
pub fn read_all(kafka: &ClientConfig, prefix: &str) -> Vec<DeliveredRecord> {
    let mut all: Vec<DeliveredRecord> = RecordKind::TOPICS
        .into_iter()
        .flat_map(|kind| read_topic(kafka, &kind.topic(prefix, None)))
        .collect();
    all.sort_by(|a, b| a.place.cmp(&b.place));
    all
}

/// The end of a log comes as an error of the client, which is none to tell of.
struct QuietContext;

impl ClientContext for QuietContext {
    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::PartitionEOF) {
            tracing::error!(%error, reason, "kafka client of the oracle");
        }
    }
}

impl ConsumerContext for QuietContext {}

/// Reads one topic to its end. A log may end in offsets without a record, so the end is what Kafka says it is; it
/// says only the partition, hence a consumer for each topic.
fn read_topic(kafka: &ClientConfig, topic: &str) -> Vec<DeliveredRecord> {
    let mut config = kafka.clone();
    config
        .set("group.id", "oracle")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .set("fetch.wait.max.ms", "10")
        .set("check.crcs", "true");
    let consumer: BaseConsumer<QuietContext> = config.create_with_context(QuietContext).unwrap();
    let metadata = consumer
        .fetch_metadata(Some(topic), Duration::from_secs(30))
        .unwrap();
    let mut unread = BTreeSet::new();
    let mut assignment = TopicPartitionList::new();
    for partition in metadata.topics()[0].partitions() {
        unread.insert(partition.id());
        assignment
            .add_partition_offset(topic, partition.id(), Offset::Beginning)
            .unwrap();
    }
    consumer.assign(&assignment).unwrap();
    let mut all = Vec::new();
    let mut idle = 0;
    while !unread.is_empty() {
        match consumer.poll(Duration::from_millis(500)) {
            None => {
                idle += 1;
                assert!(
                    idle < 120,
                    "kafka delivers nothing of {topic}; unread: {unread:?}"
                );
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                unread.remove(&partition);
            }
            // A broker that is away comes back, or another one takes over.
            Some(Err(error)) if is_transport(&error) => {}
            Some(message) => {
                idle = 0;
                all.push(DeliveredRecord::of(&message.unwrap()));
            }
        }
    }
    all
}

fn is_transport(error: &KafkaError) -> bool {
    let code = error.rdkafka_error_code();
    code.is_some_and(|code| {
        matches!(
            code,
            RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::OperationTimedOut
        )
    })
}

impl DeliveredRecord {
    fn of(message: &BorrowedMessage<'_>) -> Self {
        let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
        let text = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
        Self {
            place: KafkaPosition {
                topic: message.topic().to_owned(),
                partition: message.partition(),
                offset: message.offset(),
            },
            key: message.key().unwrap_or_default().to_vec(),
            value: message.payload().map(<[u8]>::to_vec),
            headers: headers
                .map(|header| (header.key.to_owned(), text(header.value)))
                .collect(),
        }
    }
}

pub use usage::FoldedHours;

/// The six columns of the batch ledger.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BatchCounts {
    /// Changed a row.
    pub landed: i64,
    /// Equal to what stood.
    pub unchanged: i64,
    /// Of a deposed emitter.
    pub superseded: i64,
    /// Ended an object.
    pub deleted: i64,
    /// Marks, sweep points, schemas, tombstones.
    pub control: i64,
    /// Could not land.
    pub dead: i64,
}

impl BatchCounts {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.landed + self.unchanged + self.superseded + self.deleted + self.control + self.dead
    }
}

impl fmt::Display for BatchCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} produced = {} landed + {} unchanged + {} superseded + {} deleted + {} control + {} dead",
            self.total(),
            self.landed,
            self.unchanged,
            self.superseded,
            self.deleted,
            self.control,
            self.dead
        )
    }
}

/// The fold of a log: what each record did, and what lives at the end.
#[derive(Debug, Clone, Default)]
pub struct LogFold {
    /// What became of the records, by (topic, partition).
    pub counts: BTreeMap<(String, i32), BatchCounts>,
    /// Hash of the body of every living object, by (kind, cluster uid, uid).
    pub living: BTreeMap<(&'static str, String, String), (i64, i64)>,
    /// How many versions every object ever had.
    pub versions: BTreeMap<(&'static str, String, String), i64>,
    /// What containers used, by hour.
    pub usage: FoldedHours,
    /// Offsets that were gone before the central site could read them, from and to.
    gaps: BTreeMap<(String, i32), (i64, i64)>,
    ends: BTreeMap<(String, i32), i64>,
}

/// Folds records in log order. `dead` are those a test spoiled.
#[must_use]
pub fn fold(records: &[DeliveredRecord], dead: &BTreeSet<KafkaPosition>) -> LogFold {
    let mut fold = LogFold::default();
    let mut terms: HashMap<(String, String), (i64, i64)> = HashMap::new();
    let mut ended = HashSet::new();
    for record in records {
        let at = (record.place.topic.clone(), record.place.partition);
        fold.ends.insert(at.clone(), record.place.offset + 1);
        let counts = fold.counts.entry(at).or_default();
        if dead.contains(&record.place) {
            counts.dead += 1;
            continue;
        }
        let key = String::from_utf8(record.key.clone()).unwrap();
        let parts: Vec<&str> = key.splitn(4, '/').collect();
        let (cluster_uid, subject) = (parts[2].to_owned(), parts[3]);
        let number = |name: &str| record.headers[name].parse::<i64>().unwrap();
        let order = (number("ce_epoch"), number("ce_logsequence"));
        let latest = terms
            .entry((record.place.topic.clone(), cluster_uid.clone()))
            .or_insert((0, 0));
        // What a schema means does not depend on who announces it.
        if subject.starts_with("!schema/") {
            *latest = order.max(*latest);
            counts.control += 1;
            continue;
        }
        if order <= *latest {
            counts.superseded += 1;
            continue;
        }
        *latest = order;
        if subject.starts_with('!') {
            counts.control += 1;
            continue;
        }
        let object = (kind_of(&record.place.topic), cluster_uid, subject.to_owned());
        let Some(value) = &record.value else {
            if fold.living.remove(&object).is_some() {
                ended.insert(object);
                counts.deleted += 1;
            } else {
                counts.control += 1;
            }
            continue;
        };
        if object.0 == "usage" {
            if fold.usage.fold(&object.1, &value[10..]) {
                counts.landed += 1;
            } else {
                counts.superseded += 1;
            }
            continue;
        }
        let (is_last, body) = without_end(object.0, &value[10..]);
        let hash = xxhash_rust::xxh3::xxh3_128(&body);
        let hash = ((hash >> 64) as i64, hash as i64);
        if is_last {
            match fold.living.remove(&object) {
                Some(stood) if stood == hash => {}
                // It ended before, and this says so once more.
                None if ended.contains(&object) => {
                    counts.control += 1;
                    continue;
                }
                // What changed since the last record, or a life that nobody saw, stood at the very end.
                _ => *fold.versions.entry(object.clone()).or_default() += 1,
            }
            ended.insert(object);
            counts.deleted += 1;
        } else if fold.living.insert(object.clone(), hash) == Some(hash) {
            counts.unchanged += 1;
        } else {
            counts.landed += 1;
            *fold.versions.entry(object).or_default() += 1;
        }
    }
    fold
}

fn kind_of(topic: &str) -> &'static str {
    let name = topic.rsplit('.').next().unwrap();
    RecordKind::TOPICS
        .into_iter()
        .find(|kind| kind.as_str() == name)
        .unwrap()
        .as_str()
}

/// Whether the body has `deleted_at`, and the body as it would be without. Every kind's body begins with uid,
/// (namespace,) name, created_at, deletion_requested_at, deleted_at, deletion_inferred, so a few lines read it
/// without the codec.
fn without_end(kind: &str, body: &[u8]) -> (bool, Vec<u8>) {
    let names = match kind {
        "pod" | "workload" => 3,
        _ => 2,
    };
    let mut rest = body;
    for _ in 0..names {
        let length = long(&mut rest) as usize;
        rest = &rest[length..];
    }
    long(&mut rest);
    if long(&mut rest) == 1 {
        long(&mut rest);
    }
    let before = &body[..body.len() - rest.len()];
    let is_last = long(&mut rest) == 1;
    if is_last {
        long(&mut rest);
    }
    let (_inferred, after) = rest.split_at(1);
    (is_last, [before, &[0, 0], after].concat())
}

/// Avro's zig-zag variable-length integer.
fn long(rest: &mut &[u8]) -> i64 {
    let mut raw: u64 = 0;
    for shift in (0..).step_by(7) {
        let byte = rest[0];
        *rest = &rest[1..];
        raw |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    (raw >> 1) as i64 ^ -((raw & 1) as i64)
}

/// Everything about the central site that does not agree with the log; empty if all is well.
pub async fn judge(fold: &LogFold, database: &LedgerDatabase) -> Vec<String> {
    let mut faults = Vec::new();
    judge_batches(fold, database, &mut faults).await;
    judge_current(fold, database, &mut faults).await;
    judge_history(fold, database, &mut faults).await;
    fold.usage.judge(database, &mut faults).await;
    faults
}

/// No (partition, offset) twice, none left out, and every record in the column where the fold puts it.
async fn judge_batches(fold: &LogFold, database: &LedgerDatabase, faults: &mut Vec<String>) {
    let query = "select * from ledger.batch order by topic, partition, from_offset";
    let mut next: BTreeMap<(String, i32), i64> = BTreeMap::new();
    let mut found: BTreeMap<(String, i32), BatchCounts> = BTreeMap::new();
    let mut known_gaps = BTreeSet::new();
    for batch in database.rows(query, &[]).await {
        let at = (
            batch["topic"].as_str().unwrap().to_owned(),
            batch["partition"].as_i64().unwrap() as i32,
        );
        let number = |column: &str| batch[column].as_i64().unwrap();
        let expected = next.entry(at.clone()).or_insert(0);
        if let Some((from, to)) = fold.gaps.get(&at).filter(|(from, _)| from == expected) {
            known_gaps.insert((at.0.clone(), i64::from(at.1), *from, *to));
            *expected = *to;
        }
        if number("from_offset") != *expected {
            faults.push(format!(
                "batch of {at:?} begins at {} instead of {expected}",
                number("from_offset")
            ));
        }
        *expected = number("to_offset");
        let counts = found.entry(at).or_default();
        counts.landed += number("landed");
        counts.unchanged += number("unchanged");
        counts.superseded += number("superseded");
        counts.deleted += number("deleted");
        counts.control += number("control");
        counts.dead += number("dead");
    }
    for (at, end) in &fold.ends {
        if next.get(at) != Some(end) {
            faults.push(format!(
                "batches of {at:?} end at {:?} instead of {end}",
                next.get(at)
            ));
        }
    }
    judge_gaps(&known_gaps, database, faults).await;
    for (at, counts) in &fold.counts {
        if found.get(at) != Some(counts) {
            faults.push(format!(
                "{at:?}: log says {counts:?}, batch ledger says {:?}",
                found.get(at)
            ));
        }
    }
}

/// The gaps that are written down are those that there were: topic, partition, from, to.
async fn judge_gaps(
    wanted: &BTreeSet<(String, i64, i64, i64)>,
    database: &LedgerDatabase,
    faults: &mut Vec<String>,
) {
    let query = "select topic, partition, from_offset, to_offset from ledger.ingest_gap where to_offset > from_offset";
    let rows = database.rows(query, &[]).await;
    let number = |row: &Value, column: &str| row[column].as_i64().unwrap();
    let found: BTreeSet<_> = rows
        .iter()
        .map(|row| {
            let topic = row["topic"].as_str().unwrap().to_owned();
            let [partition, from, to] =
                ["partition", "from_offset", "to_offset"].map(|name| number(row, name));
            (topic, partition, from, to)
        })
        .collect();
    if found != *wanted {
        faults.push(format!(
            "gaps {found:?} are written down, and there were {wanted:?}"
        ));
    }
}

async fn judge_current(fold: &LogFold, database: &LedgerDatabase, faults: &mut Vec<String>) {
    let mut current_rows = BTreeMap::new();
    for kind in RecordKind::ALL {
        let query = format!(
            "select l.cluster_uid, coalesce(t.uid_text, t.uid::text) as uid, t.body_hash_hi, t.body_hash_lo from ledger.{kind} as t join ledger.cluster as l using (cluster_id)"
        );
        for row in database.rows(&query, &[]).await {
            let text = |column: &str| row[column].as_str().unwrap().to_owned();
            let hash = (
                row["body_hash_hi"].as_i64().unwrap_or(0),
                row["body_hash_lo"].as_i64().unwrap_or(0),
            );
            current_rows.insert((kind.as_str(), text("cluster_uid"), text("uid")), hash);
        }
    }
    for (object, hash) in &fold.living {
        match current_rows.remove(object) {
            Some(found) if found == *hash => {}
            Some(_) => faults.push(format!(
                "{object:?} stands with another content than the log's newest"
            )),
            None => faults.push(format!("{object:?} lives in the log and does not stand")),
        }
    }
    faults.extend(
        current_rows
            .keys()
            .map(|object| format!("{object:?} stands and does not live in the log")),
    );
}

/// Intervals of one object touch and never overlap, the current one continues the last, and there are as many
/// as the log has versions.
async fn judge_history(fold: &LogFold, database: &LedgerDatabase, faults: &mut Vec<String>) {
    for kind in RecordKind::ALL {
        let query = format!(
            "select l.cluster_uid, v.uid_as_sent as uid, count(*) as versions,
                bool_and(v.valid_from = v.previous_to or v.previous_to is null) as contiguous
            from (
                select cluster_id, coalesce(uid_text, uid::text) as uid_as_sent, valid_from, lag(valid_to) over (partition by cluster_id, uid order by valid_from, valid_to) as previous_to
                from (
                    select cluster_id, uid, uid_text, valid_from, valid_to from ledger.{kind}_history
                    union all
                    select cluster_id, uid, uid_text, valid_from, 'infinity' from ledger.{kind}
                ) as u
            ) as v join ledger.cluster as l using (cluster_id)
            group by l.cluster_uid, v.uid_as_sent"
        );
        let mut found = BTreeMap::new();
        for row in database.rows(&query, &[]).await {
            let text = |column: &str| row[column].as_str().unwrap().to_owned();
            let object = (kind.as_str(), text("cluster_uid"), text("uid"));
            if row["contiguous"] != true {
                faults.push(format!("history of {object:?} has holes or overlaps"));
            }
            found.insert(object, row["versions"].as_i64().unwrap());
        }
        for (object, versions) in fold
            .versions
            .iter()
            .filter(|(object, _)| object.0 == kind.as_str())
        {
            if found.get(object) != Some(versions) {
                faults.push(format!(
                    "{object:?} has {versions} versions in the log and {:?} in the central site",
                    found.get(object)
                ));
            }
        }
    }
}

impl LogFold {
    /// The central site was told not to trust the current state: this record, equal though it is, lands again, as no version.
    pub fn lands_again(&mut self, place: &KafkaPosition) {
        let counts = self
            .counts
            .get_mut(&(place.topic.clone(), place.partition))
            .unwrap();
        counts.unchanged -= 1;
        counts.landed += 1;
    }

    /// Offsets `from..to` of this partition were gone before the central site could read them.
    pub fn misses(&mut self, topic: &str, partition: i32, from: i64, to: i64) {
        self.gaps.insert((topic.to_owned(), partition), (from, to));
    }

    /// What became of all records together.
    #[must_use]
    pub fn total(&self) -> BatchCounts {
        self.counts
            .values()
            .fold(BatchCounts::default(), |sum, more| BatchCounts {
                landed: sum.landed + more.landed,
                unchanged: sum.unchanged + more.unchanged,
                superseded: sum.superseded + more.superseded,
                deleted: sum.deleted + more.deleted,
                control: sum.control + more.control,
                dead: sum.dead + more.dead,
            })
    }

    /// `Ok` once the central site has read to the end of every partition.
    ///
    /// # Errors
    /// The partitions that are behind.
    pub async fn is_ingested(&self, database: &LedgerDatabase) -> Result<(), String> {
        let rows = database
            .rows(
                "select topic, partition, next_offset, state, halted_reason from ledger.ingest_partition",
                &[],
            )
            .await;
        let next = |at: &(String, i32)| {
            let mut found = rows
                .iter()
                .filter(|row| row["topic"] == at.0.as_str() && row["partition"] == at.1);
            found.next().cloned().unwrap_or(Value::Null)
        };
        let behind: Vec<String> = self
            .ends
            .iter()
            .filter(|(at, end)| next(at)["next_offset"].as_i64() != Some(**end))
            .map(|(at, end)| format!("{at:?} is at {} of {end}", next(at)))
            .collect();
        if behind.is_empty() {
            Ok(())
        } else {
            Err(behind.join(", "))
        }
    }
}
