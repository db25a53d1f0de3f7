//! One log: the records of one (cluster, kind, shard), in order, numbered without holes.

use std::{collections::VecDeque, sync::Arc};

use fleetledger_schema::{
    codec::{SchemaSubject, own_schema},
    content_hash::{ContentDigest, ContentHash},
    headers::{MARK_EVENT_TYPE, RecordHeaders, SCHEMA_EVENT_TYPE},
    instant::Instant,
    key::{RecordKey, RecordSource, RecordSubject},
    kind::RecordKind,
    record::Mark,
};

use crate::{
    encode::encode_mark,
    memory::{ObjectMemory, TrackedObject},
    producer::{LogProducer, OutgoingRecord, SendRefusal},
};

/// A log and what waits to be written to it.
#[derive(Debug)]
pub(crate) struct RecordLog {
    pub(crate) kind: RecordKind,
    pub(crate) shard: u16,
    pub(crate) shards: u16,
    pub(crate) topic: String,
    pub(crate) partition: i32,
    source: RecordSource,
    /// Where the objects come from, as marks say it.
    origin: &'static str,
    epoch: i64,
    sequence: i64,
    digest: ContentDigest,
    announced: usize,
    /// Objects whose newest state goes next.
    pub(crate) changes: VecDeque<Arc<str>>,
    /// Windows of usage, oldest first: node and value.
    pub(crate) windows: VecDeque<(Arc<str>, Vec<u8>)>,
    /// What a sweep has still to send; changes go first.
    pub(crate) sweep: VecDeque<SweepItem>,
    begin_sequence: Option<i64>,
    mark_due: bool,
    /// True once a sweep of this epoch is complete, or all is sent that the source knows: only then does a mark tell anything.
    pub(crate) swept: bool,
}

/// A part of a sweep.
#[derive(Debug)]
pub(crate) enum SweepItem {
    /// What it names is found once this is sent.
    Begin {
        id: String,
        missed: i64,
    },
    Object(Arc<str>),
    End {
        id: String,
        missed: i64,
    },
    /// A key of the cluster's former name.
    FormerKey(RecordKey),
}

/// What was sent, for the counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SentKind {
    Change,
    Swept,
    Last,
    Tombstone,
    Mark,
    SweepBegin,
    SweepEnd { missed: i64 },
    Schema,
    Window,
}

impl SentKind {
    /// Its value of the label `reason`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            SentKind::Change => "change",
            SentKind::Swept => "sweep",
            SentKind::Last => "delete",
            SentKind::Tombstone => "tombstone",
            SentKind::Mark | SentKind::SweepBegin | SentKind::SweepEnd { .. } => "mark",
            SentKind::Schema => "schema",
            SentKind::Window => "window",
        }
    }
}

/// What one step of a log came to.
pub(crate) type LogStep = Result<Vec<(SentKind, usize)>, SendRefusal>;

impl RecordLog {
    pub(crate) fn new(
        source: RecordSource,
        kind: RecordKind,
        shard: u16,
        shards: u16,
        topic: String,
        partition: i32,
        epoch: i64,
    ) -> Self {
        Self {
            kind,
            shard,
            shards,
            topic,
            partition,
            source,
            origin: "watch",
            epoch,
            sequence: 0,
            digest: ContentDigest::default(),
            announced: 0,
            changes: VecDeque::new(),
            windows: VecDeque::new(),
            sweep: VecDeque::new(),
            begin_sequence: None,
            mark_due: false,
            swept: false,
        }
    }

    /// Says where the objects come from, in marks.
    pub(crate) fn set_origin(&mut self, origin: &'static str) {
        self.origin = origin;
    }

    /// Takes what the log already holds of a living object.
    pub(crate) fn holds(&mut self, hash: ContentHash) {
        self.digest.add(hash);
    }

    /// Number of the newest record of this epoch.
    pub(crate) fn sequence(&self) -> i64 {
        self.sequence
    }

    /// Living objects as the log stands.
    pub(crate) fn digest(&self) -> ContentDigest {
        self.digest
    }

    /// Asks for a mark; a second one before the first is sent would say nothing new.
    pub(crate) fn mark(&mut self) {
        self.mark_due = self.swept;
    }

    /// True if nothing waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.changes.is_empty()
            && self.windows.is_empty()
            && self.sweep.is_empty()
            && !self.mark_due
            && self.announced > 1
    }

    /// Sends what comes next: announcements, then changes or windows, then the sweep, then a mark. `Ok` with nothing in
    /// it means that a queued object needed no record; `None` that nothing waits.
    pub(crate) fn step(
        &mut self,
        memory: &mut ObjectMemory,
        producer: &LogProducer,
        now: Instant,
    ) -> Option<LogStep> {
        if self.announced < 2 {
            return Some(self.announce(producer, now));
        }
        if let Some(uid) = self.changes.front().cloned() {
            let step = self.send_change(&uid, memory, producer);
            if step.is_ok() {
                self.changes.pop_front();
            }
            return Some(step);
        }
        if let Some((uid, value)) = self.windows.pop_front() {
            let headers = self.headers(self.kind.event_type(), now);
            let subject = RecordSubject::Object(uid.to_string());
            let sent = self.send(subject, Some(&value), headers, None, producer);
            if sent.is_err() {
                self.windows.push_front((uid, value));
            }
            return Some(sent.map(|bytes| vec![(SentKind::Window, bytes)]));
        }
        if let Some(item) = self.sweep.pop_front() {
            let step = self.send_sweep_item(&item, memory, producer, now);
            match &step {
                Err(_) => self.sweep.push_front(item),
                Ok(_) => {
                    self.swept |= matches!(item, SweepItem::End { .. });
                    if let SweepItem::Begin { id, missed } = item {
                        self.begin_sequence = Some(self.sequence);
                        self.name_living(id, missed, memory);
                    }
                }
            }
            return Some(step);
        }
        if std::mem::take(&mut self.mark_due) {
            let step = self.send_mark("mark", RecordSubject::Mark(self.shard), None, None, producer, now);
            self.mark_due = step.is_err();
            return Some(step.map(|bytes| vec![(SentKind::Mark, bytes)]));
        }
        None
    }

    /// A sweep names what lives as its begin is sent, and no earlier: changes go first, so what was born while the begin
    /// waited for room stands before it in the log, and would be taken for gone if the sweep left it out.
    fn name_living(&mut self, id: String, missed: i64, memory: &ObjectMemory) {
        let waiting = std::mem::take(&mut self.sweep);
        let living = memory
            .living()
            .filter(|(_, entry)| (entry.kind, entry.shard) == (self.kind, self.shard));
        self.sweep = living.map(|(uid, _)| SweepItem::Object(uid.clone())).collect();
        self.sweep.push_back(SweepItem::End { id, missed });
        self.sweep.extend(waiting);
    }

    /// Sends the first announcement again: a record that says nothing new, to see whether the brokers take any.
    pub(crate) fn probe(&mut self, producer: &LogProducer, now: Instant) -> Result<(), SendRefusal> {
        self.announce(producer, now).map(drop)
    }

    fn announce(&mut self, producer: &LogProducer, now: Instant) -> LogStep {
        let subject = match self.announced {
            0 => SchemaSubject::Kind(self.kind),
            _ => SchemaSubject::Mark,
        };
        let schema = own_schema(subject);
        let headers = self.headers(SCHEMA_EVENT_TYPE, now);
        let subject = RecordSubject::Schema(schema.fingerprint());
        let bytes = self.send(subject, Some(schema.json().as_bytes()), headers, None, producer)?;
        self.announced += 1;
        Ok(vec![(SentKind::Schema, bytes)])
    }

    fn send_change(&mut self, uid: &Arc<str>, memory: &mut ObjectMemory, producer: &LogProducer) -> LogStep {
        let Some(entry) = memory.get_mut(uid) else {
            return Ok(Vec::new());
        };
        let sent = if entry.gone {
            self.send_end(uid, entry, producer)?
        } else if entry.sent == Some(entry.hash) {
            // It changed and changed back while it waited.
            Vec::new()
        } else {
            let at = entry.observed_at;
            vec![(
                SentKind::Change,
                self.send_object(uid, entry, at, None, producer)?,
            )]
        };
        entry.queued = false;
        Ok(sent)
    }

    /// Last record, then tombstone.
    fn send_end(
        &mut self,
        uid: &Arc<str>,
        entry: &mut TrackedObject,
        producer: &LogProducer,
    ) -> Result<Vec<(SentKind, usize)>, SendRefusal> {
        let at = entry.observed_at;
        let event_type = self.kind.event_type();
        let mut sent = Vec::with_capacity(2);
        if !entry.value.is_empty() {
            let headers = self.headers(event_type, at);
            let value = Some(entry.value.as_ref());
            sent.push((
                SentKind::Last,
                self.send(
                    RecordSubject::Object(uid.to_string()),
                    value,
                    headers,
                    None,
                    producer,
                )?,
            ));
        }
        if let Some(hash) = entry.sent.take() {
            self.digest.remove(hash);
        }
        let headers = self.headers(event_type, at);
        let subject = RecordSubject::Object(uid.to_string());
        sent.push((
            SentKind::Tombstone,
            self.send(subject, None, headers, Some(uid.clone()), producer)?,
        ));
        Ok(sent)
    }

    fn send_object(
        &mut self,
        uid: &Arc<str>,
        entry: &mut TrackedObject,
        at: Instant,
        since: Option<Instant>,
        producer: &LogProducer,
    ) -> Result<usize, SendRefusal> {
        let mut headers = self.headers(self.kind.event_type(), at);
        headers.since = since;
        headers.resource_version = entry.version.as_deref().map(str::to_owned);
        let bytes = self.send(
            RecordSubject::Object(uid.to_string()),
            Some(&entry.value),
            headers,
            None,
            producer,
        )?;
        match entry.sent.replace(entry.hash) {
            Some(old) => self.digest.replace(old, entry.hash),
            None => self.digest.add(entry.hash),
        }
        Ok(bytes)
    }

    fn send_sweep_item(
        &mut self,
        item: &SweepItem,
        memory: &mut ObjectMemory,
        producer: &LogProducer,
        now: Instant,
    ) -> LogStep {
        match item {
            SweepItem::Begin { id, .. } => {
                let subject = RecordSubject::SweepBegin(self.shard);
                let bytes = self.send_mark("sweep_begin", subject, Some(id), None, producer, now)?;
                Ok(vec![(SentKind::SweepBegin, bytes)])
            }
            SweepItem::Object(uid) => match memory.get_mut(uid) {
                Some(entry) if !entry.gone => {
                    let since = entry.since;
                    let bytes = self.send_object(uid, entry, now, since, producer)?;
                    Ok(vec![(SentKind::Swept, bytes)])
                }
                _ => Ok(Vec::new()),
            },
            SweepItem::End { id, missed } => {
                let subject = RecordSubject::SweepEnd(self.shard);
                let bytes = self.send_mark("sweep_end", subject, Some(id), Some(*missed), producer, now)?;
                Ok(vec![(SentKind::SweepEnd { missed: *missed }, bytes)])
            }
            SweepItem::FormerKey(key) => {
                let mut headers = self.headers(self.kind.event_type(), now);
                headers.source = key.source.event_source();
                let key = key.to_string();
                let bytes = self.hand_over(&key, None, &headers, None, producer)?;
                Ok(vec![(SentKind::Tombstone, bytes)])
            }
        }
    }

    fn send_mark(
        &mut self,
        point: &str,
        subject: RecordSubject,
        sweep_id: Option<&String>,
        missed_changes: Option<i64>,
        producer: &LogProducer,
        now: Instant,
    ) -> Result<usize, SendRefusal> {
        let mark = Mark {
            kind: self.kind.as_str().to_owned(),
            point: point.to_owned(),
            shard: i32::from(self.shard),
            shards: i32::from(self.shards),
            count: self.digest.count,
            digest_hi: self.digest.xor.hi,
            digest_lo: self.digest.xor.lo,
            sweep_id: sweep_id.cloned(),
            begin_sequence: missed_changes.and(self.begin_sequence),
            missed_changes,
            emitter_version: env!("CARGO_PKG_VERSION").to_owned(),
            source: Some(self.origin.to_owned()),
        };
        let value = encode_mark(&mark).map_err(|error| SendRefusal::Broken(error.to_string()))?;
        let headers = self.headers(MARK_EVENT_TYPE, now);
        self.send(subject, Some(&value), headers, None, producer)
    }

    fn headers(&self, event_type: &str, at: Instant) -> RecordHeaders {
        RecordHeaders::new(
            &self.source,
            event_type,
            self.shard,
            at,
            self.epoch,
            self.sequence + 1,
        )
    }

    fn send(
        &mut self,
        subject: RecordSubject,
        value: Option<&[u8]>,
        headers: RecordHeaders,
        tombstone_of: Option<Arc<str>>,
        producer: &LogProducer,
    ) -> Result<usize, SendRefusal> {
        let key = RecordKey {
            source: self.source.clone(),
            subject,
        }
        .to_string();
        self.hand_over(&key, value, &headers, tombstone_of, producer)
    }

    /// A number belongs to a record only once the producer has taken it: numbers have no holes.
    fn hand_over(
        &mut self,
        key: &str,
        value: Option<&[u8]>,
        headers: &RecordHeaders,
        tombstone_of: Option<Arc<str>>,
        producer: &LogProducer,
    ) -> Result<usize, SendRefusal> {
        let record = OutgoingRecord {
            kind: self.kind,
            topic: &self.topic,
            partition: self.partition,
            key,
            value,
            headers,
            tombstone_of,
        };
        let bytes = producer.send(record)?;
        self.sequence = headers.sequence;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use fleetledger_schema::record::{Namespace, ObjectRecord as _};
    use rdkafka::ClientConfig;

    use super::*;
    use crate::{
        health::EmitterHealth, memory::ObjectObservation, metrics::EmitMetrics, resource::WatchedResource,
        signer::RecordSigner,
    };

    fn see(memory: &mut ObjectMemory, uid: &str) -> Arc<str> {
        let namespace = Namespace {
            uid: uid.into(),
            ..Namespace::default()
        };
        let record = namespace.into_record();
        memory.note(ObjectObservation {
            value: crate::encode::encode(&record).unwrap(),
            record,
            resource: WatchedResource::Namespaces,
            version: None,
            owner: None,
            shard: 0,
            at: Instant(1),
            since: None,
        });
        uid.into()
    }

    #[test]
    fn a_sweep_names_what_was_born_while_its_begin_waited() {
        let source = RecordSource::new("dfw", "prod", "uid").unwrap();
        let mut log = RecordLog::new(
            source,
            RecordKind::Namespace,
            0,
            1,
            "t.namespace".to_owned(),
            0,
            1,
        );
        let metrics = EmitMetrics::register(&prometheus::Registry::new(), "dfw", "prod").unwrap();
        let health = EmitterHealth::new();
        let producer = LogProducer::new(
            &ClientConfig::new(),
            100,
            1 << 20,
            1 << 20,
            RecordSigner::default(),
            health,
            metrics,
        )
        .unwrap();
        let mut memory = ObjectMemory::new(1 << 20);
        see(&mut memory, "old");
        let (id, missed) = ("sweep".to_owned(), 2);
        log.sweep.push_back(SweepItem::Begin { id, missed });
        // Kafka has no room until then; and the change goes first.
        let born = see(&mut memory, "born");
        log.changes.push_back(born);
        let mut sent = Vec::new();
        while let Some(step) = log.step(&mut memory, &producer, Instant(2)) {
            sent.extend(step.unwrap().into_iter().map(|(sent, _)| sent));
        }
        producer.abandon();
        let expected = [
            SentKind::Schema,
            SentKind::Schema,
            SentKind::Change,
            SentKind::SweepBegin,
            SentKind::Swept,
            SentKind::Swept,
            SentKind::SweepEnd { missed: 2 },
        ];
        assert_eq!(sent, expected);
    }
}
