//! One log: the records of one (cluster, kind, shard), in order, numbered without holes.

use std::{collections::VecDeque, sync::Arc};

use fleetledger_schema::{
    codec::{SchemaSubject, own_schema},
    content_hash::{ContentHash, Digest},
    headers::{Headers, MARK_EVENT_TYPE, SCHEMA_EVENT_TYPE},
    instant::Instant,
    key::{RecordKey, Source, Subject},
    kind::Kind,
    record::Mark,
};

use crate::{
    encode::encode_mark,
    memory::{Entry, Memory},
    producer::{Outgoing, Producer, Refusal},
};

/// A log and what waits to be written to it.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) kind: Kind,
    pub(crate) shard: u16,
    pub(crate) shards: u16,
    pub(crate) topic: String,
    pub(crate) partition: i32,
    source: Source,
    epoch: i64,
    sequence: i64,
    digest: Digest,
    announced: usize,
    /// Objects whose newest state goes next.
    pub(crate) changes: VecDeque<Arc<str>>,
    /// Windows of usage, oldest first: node and value.
    pub(crate) windows: VecDeque<(Arc<str>, Vec<u8>)>,
    /// What a sweep has still to send; changes go first.
    pub(crate) sweep: VecDeque<SweepItem>,
    begin_sequence: Option<i64>,
    mark_due: bool,
    /// True once a sweep of this epoch is complete: only then does a mark tell anything.
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
pub(crate) enum Sent {
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

impl Sent {
    /// Its value of the label `reason`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Sent::Change => "change",
            Sent::Swept => "sweep",
            Sent::Last => "delete",
            Sent::Tombstone => "tombstone",
            Sent::Mark | Sent::SweepBegin | Sent::SweepEnd { .. } => "mark",
            Sent::Schema => "schema",
            Sent::Window => "window",
        }
    }
}

/// What one step of a log came to.
pub(crate) type Step = Result<Vec<(Sent, usize)>, Refusal>;

impl Log {
    pub(crate) fn new(
        source: Source,
        kind: Kind,
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
            epoch,
            sequence: 0,
            digest: Digest::default(),
            announced: 0,
            changes: VecDeque::new(),
            windows: VecDeque::new(),
            sweep: VecDeque::new(),
            begin_sequence: None,
            mark_due: false,
            swept: false,
        }
    }

    /// Takes what the log already holds of a living object.
    pub(crate) fn holds(&mut self, hash: ContentHash) {
        self.digest.add(hash);
    }

    /// Living objects as the log stands.
    pub(crate) fn digest(&self) -> Digest {
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
    pub(crate) fn step(&mut self, memory: &mut Memory, producer: &Producer, now: Instant) -> Option<Step> {
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
            let subject = Subject::Object(uid.to_string());
            let sent = self.send(subject, Some(&value), headers, None, producer);
            if sent.is_err() {
                self.windows.push_front((uid, value));
            }
            return Some(sent.map(|bytes| vec![(Sent::Window, bytes)]));
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
            let step = self.send_mark("mark", Subject::Mark(self.shard), None, None, producer, now);
            self.mark_due = step.is_err();
            return Some(step.map(|bytes| vec![(Sent::Mark, bytes)]));
        }
        None
    }

    /// A sweep names what lives as its begin is sent, and no earlier: changes go first, so what was born while the begin
    /// waited for room stands before it in the log, and would be taken for gone if the sweep left it out.
    fn name_living(&mut self, id: String, missed: i64, memory: &Memory) {
        let waiting = std::mem::take(&mut self.sweep);
        let living = memory
            .living()
            .filter(|(_, entry)| (entry.kind, entry.shard) == (self.kind, self.shard));
        self.sweep = living.map(|(uid, _)| SweepItem::Object(uid.clone())).collect();
        self.sweep.push_back(SweepItem::End { id, missed });
        self.sweep.extend(waiting);
    }

    fn announce(&mut self, producer: &Producer, now: Instant) -> Step {
        let subject = match self.announced {
            0 => SchemaSubject::Kind(self.kind),
            _ => SchemaSubject::Mark,
        };
        let schema = own_schema(subject);
        let headers = self.headers(SCHEMA_EVENT_TYPE, now);
        let subject = Subject::Schema(schema.fingerprint());
        let bytes = self.send(subject, Some(schema.json().as_bytes()), headers, None, producer)?;
        self.announced += 1;
        Ok(vec![(Sent::Schema, bytes)])
    }

    fn send_change(&mut self, uid: &Arc<str>, memory: &mut Memory, producer: &Producer) -> Step {
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
            vec![(Sent::Change, self.send_object(uid, entry, at, None, producer)?)]
        };
        entry.queued = false;
        Ok(sent)
    }

    /// Last record, then tombstone.
    fn send_end(
        &mut self,
        uid: &Arc<str>,
        entry: &mut Entry,
        producer: &Producer,
    ) -> Result<Vec<(Sent, usize)>, Refusal> {
        let at = entry.observed_at;
        let event_type = self.kind.event_type();
        let mut sent = Vec::with_capacity(2);
        if !entry.value.is_empty() {
            let headers = self.headers(event_type, at);
            let value = Some(entry.value.as_ref());
            sent.push((
                Sent::Last,
                self.send(Subject::Object(uid.to_string()), value, headers, None, producer)?,
            ));
        }
        if let Some(hash) = entry.sent.take() {
            self.digest.remove(hash);
        }
        let headers = self.headers(event_type, at);
        let subject = Subject::Object(uid.to_string());
        sent.push((
            Sent::Tombstone,
            self.send(subject, None, headers, Some(uid.clone()), producer)?,
        ));
        Ok(sent)
    }

    fn send_object(
        &mut self,
        uid: &Arc<str>,
        entry: &mut Entry,
        at: Instant,
        since: Option<Instant>,
        producer: &Producer,
    ) -> Result<usize, Refusal> {
        let mut headers = self.headers(self.kind.event_type(), at);
        headers.since = since;
        headers.resource_version = entry.version.as_deref().map(str::to_owned);
        let bytes = self.send(
            Subject::Object(uid.to_string()),
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
        memory: &mut Memory,
        producer: &Producer,
        now: Instant,
    ) -> Step {
        match item {
            SweepItem::Begin { id, .. } => {
                let subject = Subject::SweepBegin(self.shard);
                let bytes = self.send_mark("sweep_begin", subject, Some(id), None, producer, now)?;
                Ok(vec![(Sent::SweepBegin, bytes)])
            }
            SweepItem::Object(uid) => match memory.get_mut(uid) {
                Some(entry) if !entry.gone => {
                    let since = entry.since;
                    let bytes = self.send_object(uid, entry, now, since, producer)?;
                    Ok(vec![(Sent::Swept, bytes)])
                }
                _ => Ok(Vec::new()),
            },
            SweepItem::End { id, missed } => {
                let subject = Subject::SweepEnd(self.shard);
                let bytes = self.send_mark("sweep_end", subject, Some(id), Some(*missed), producer, now)?;
                Ok(vec![(Sent::SweepEnd { missed: *missed }, bytes)])
            }
            SweepItem::FormerKey(key) => {
                let mut headers = self.headers(self.kind.event_type(), now);
                headers.source = key.source.event_source();
                let key = key.to_string();
                let bytes = self.hand_over(&key, None, &headers, None, producer)?;
                Ok(vec![(Sent::Tombstone, bytes)])
            }
        }
    }

    fn send_mark(
        &mut self,
        point: &str,
        subject: Subject,
        sweep_id: Option<&String>,
        missed_changes: Option<i64>,
        producer: &Producer,
        now: Instant,
    ) -> Result<usize, Refusal> {
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
        };
        let value = encode_mark(&mark).map_err(|error| Refusal::Broken(error.to_string()))?;
        let headers = self.headers(MARK_EVENT_TYPE, now);
        self.send(subject, Some(&value), headers, None, producer)
    }

    fn headers(&self, event_type: &str, at: Instant) -> Headers {
        Headers::new(
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
        subject: Subject,
        value: Option<&[u8]>,
        headers: Headers,
        tombstone_of: Option<Arc<str>>,
        producer: &Producer,
    ) -> Result<usize, Refusal> {
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
        headers: &Headers,
        tombstone_of: Option<Arc<str>>,
        producer: &Producer,
    ) -> Result<usize, Refusal> {
        let record = Outgoing {
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
    use fleetledger_schema::record::{Namespace, Object as _};
    use rdkafka::ClientConfig;

    use super::*;
    use crate::{health::Health, memory::Observation, metrics::Metrics, resource::Resource};

    fn see(memory: &mut Memory, uid: &str) -> Arc<str> {
        let namespace = Namespace {
            uid: uid.into(),
            ..Namespace::default()
        };
        let record = namespace.into_record();
        memory.note(Observation {
            value: crate::encode::encode(&record).unwrap(),
            record,
            resource: Resource::Namespaces,
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
        let source = Source::new("dfw", "prod", "uid").unwrap();
        let mut log = Log::new(source, Kind::Namespace, 0, 1, "t.namespace".to_owned(), 0, 1);
        let metrics = Metrics::register(&prometheus::Registry::new(), "dfw", "prod").unwrap();
        let health = Health::new();
        let producer = Producer::new(&ClientConfig::new(), 100, 1 << 20, health, metrics).unwrap();
        let mut memory = Memory::new(1 << 20);
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
            Sent::Schema,
            Sent::Schema,
            Sent::Change,
            Sent::SweepBegin,
            Sent::Swept,
            Sent::Swept,
            Sent::SweepEnd { missed: 2 },
        ];
        assert_eq!(sent, expected);
    }
}
