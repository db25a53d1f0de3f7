//! Taking a record into a batch: log order, overlay, chain, fold.

use std::sync::Arc;

use fleetledger_schema::{
    READER_VERSION, codec::WriterSchema, content_hash::ContentHash, instant::Instant, key::RecordSubject,
    kind::RecordKind, object_uid::ObjectUid, row,
};

use crate::{
    announced_schemas::subject_name,
    batch::{
        BatchDeadLetter, DeadKey, DraftBatch, LearnedSchema, OffsetGap, PartitionSpan, RecordOutcome,
        SourceOutcomes,
    },
    chain::{CLOCK_TOLERANCE_MICROS, EndReason, ObjectEnd, ObjectVersion, PriorState},
    dead_reason::RecordFault,
    decode::ObjectContent,
    examine::{ExaminedRecord, PlacedRecord},
    memory::{LaneMemory, RecordDelivery},
    origin::InternedSource,
    raw::RawRecord,
    reader::StopRequested,
    row_of,
    safeguard::Safeguard,
    shard::{ObjectEntry, RowEntry, SweepState},
    usage::{UsageWindow, WindowOverlap},
};

/// What became of a record.
#[derive(Debug)]
pub(crate) enum AdmissionOutcome {
    /// It is in the draft.
    Taken,
    /// It is none of this lane's business any more.
    Dropped(usize),
    /// The draft must be sealed first; the record comes back.
    SealFirst(Box<RawRecord>),
    /// The partition cannot go on.
    Halt(Box<RawRecord>, String),
}

impl LaneMemory {
    /// Takes `record` into `draft`.
    pub(crate) async fn admit(
        &mut self,
        draft: &mut DraftBatch,
        record: RawRecord,
    ) -> Result<AdmissionOutcome, StopRequested> {
        let Some(partition) = self.partitions.get_mut(&record.partition) else {
            return Ok(AdmissionOutcome::Dropped(record.bytes()));
        };
        match partition.deliver(&record) {
            RecordDelivery::New => {}
            RecordDelivery::AlreadyBatched => return Ok(AdmissionOutcome::Dropped(record.bytes())),
            RecordDelivery::BeforeClaim => {
                self.see_again(&record).await?;
                return Ok(AdmissionOutcome::Dropped(record.bytes()));
            }
            RecordDelivery::Rewritten(why) => return Ok(AdmissionOutcome::Halt(Box::new(record), why)),
        }
        let examined = self.examine(draft, &record).await?;
        if let ExaminedRecord::Version(placed, content) = &examined {
            let key = (
                placed.key.kind.number(),
                placed.key.cluster_id,
                ObjectUid::of(content.record.uid()),
            );
            if draft
                .chains
                .get(&key)
                .is_some_and(|chain| chain.refuses(&content.record))
            {
                return Ok(AdmissionOutcome::SealFirst(Box::new(record)));
            }
        }
        if let ExaminedRecord::Usage(placed, window) = &examined
            && draft.usage.overlap(placed.key.cluster_id, window) == WindowOverlap::Undecided
        {
            return Ok(AdmissionOutcome::SealFirst(Box::new(record)));
        }
        let decoded_bytes = match &examined {
            ExaminedRecord::Version(_, content) => content.bytes() + record.bytes(),
            ExaminedRecord::Usage(..) => record.bytes(),
            _ => 0,
        };
        let outcome_of = match &examined {
            // What anybody can do in its name says nothing about a source.
            ExaminedRecord::Dead { source, fault, .. } if fault.reason.counts_against_source() => {
                source.clone()
            }
            ExaminedRecord::Unchanged(placed, _)
            | ExaminedRecord::Version(placed, _)
            | ExaminedRecord::Usage(placed, _)
            | ExaminedRecord::Mark(placed, _) => Some(placed.source.clone()),
            _ => None,
        };
        let verdict = self.apply(draft, &record, examined).await?;
        self.count(draft, &record, verdict, outcome_of);
        draft.bytes += record.bytes();
        draft.decoded_bytes += decoded_bytes;
        draft.records.push(record);
        Ok(AdmissionOutcome::Taken)
    }

    async fn apply(
        &mut self,
        draft: &mut DraftBatch,
        record: &RawRecord,
        examined: ExaminedRecord,
    ) -> Result<RecordOutcome, StopRequested> {
        Ok(match examined {
            ExaminedRecord::Dead {
                fault,
                source,
                uid,
                schema_ref,
                placed,
            } => {
                if let Some(placed) = &placed {
                    let (placed, hash) = placed.as_ref();
                    self.advance(draft, record, placed);
                    if placed.key.kind.is_object() {
                        self.open_dead_key(draft, placed, *hash);
                    }
                } else if fault.reason.counts_against_source()
                    && let Some(partition) = self.partitions.get_mut(&record.partition)
                {
                    partition.unnumbered_at = Some(record.offset);
                }
                self.add_dead_letter(draft, record, fault, source, uid, schema_ref);
                RecordOutcome::Dead
            }
            ExaminedRecord::Superseded { key, deposed } => {
                if let Some(key) = key
                    && let Some(shard) = self.shards.get_mut(&key)
                {
                    // Touched even if it is only older: an epoch that was reset shows when the batch is compared.
                    shard.touch(draft.number);
                    shard.head.stale_records += i64::from(deposed);
                    shard.head.stale_seen_at = Some(Instant::now());
                    draft.touched.insert(key);
                    self.reader.metrics.stale_records.inc_by(u64::from(deposed));
                }
                RecordOutcome::Superseded
            }
            ExaminedRecord::FormerTombstone => RecordOutcome::Control,
            ExaminedRecord::EndedBefore(placed) => {
                self.advance(draft, record, &placed);
                RecordOutcome::Control
            }
            ExaminedRecord::Mark(placed, mark) => {
                self.advance(draft, record, &placed);
                self.mark(draft, record, &placed, &mark);
                RecordOutcome::Control
            }
            ExaminedRecord::Schema(placed, schema) => {
                self.advance(draft, record, &placed);
                // This version's own is known to all.
                if !schema.is_own() {
                    self.learn(draft, placed.key.cluster_id, &schema);
                }
                RecordOutcome::Control
            }
            ExaminedRecord::Tombstone(placed) => {
                self.advance(draft, record, &placed);
                self.end_by_tombstone(draft, &placed)
            }
            ExaminedRecord::Unchanged(placed, hash) => {
                self.advance(draft, record, &placed);
                self.see(&placed, hash);
                RecordOutcome::Unchanged
            }
            ExaminedRecord::Version(placed, content) => {
                self.advance(draft, record, &placed);
                self.version(draft, &placed, *content).await?
            }
            ExaminedRecord::Usage(placed, window) => {
                let known_until = Some(window.usage.window_end_at);
                self.advance_knowing(draft, record, &placed, known_until);
                self.window(draft, &placed, *window)
            }
        })
    }

    fn learn(&mut self, draft: &mut DraftBatch, cluster_id: i32, schema: &Arc<WriterSchema>) {
        // Whoever reads a record later looks its schema up by the name that the record gives it.
        let named = |fingerprint: u64| LearnedSchema {
            cluster_id,
            fingerprint: fingerprint.cast_signed(),
            subject: subject_name(schema.subject()),
            json: schema.json().to_owned(),
        };
        draft.schemas.extend(schema.names().map(named));
        self.announced.learn(cluster_id, schema);
    }

    /// Whether the window has been folded before the transaction says; until then it counts as landed.
    fn window(
        &mut self,
        draft: &mut DraftBatch,
        placed: &PlacedRecord,
        window: UsageWindow,
    ) -> RecordOutcome {
        let cluster_id = placed.key.cluster_id;
        if draft.usage.overlap(cluster_id, &window) == WindowOverlap::Superseded {
            return RecordOutcome::Superseded;
        }
        draft.usage.take(draft.records.len(), cluster_id, window);
        RecordOutcome::Landed
    }

    /// The log of the shard is now at this record.
    fn advance(&mut self, draft: &mut DraftBatch, record: &RawRecord, placed: &PlacedRecord) {
        self.advance_knowing(draft, record, placed, None);
    }

    /// The same; `known_until` is up to when the record tells of its kind, where that is not when it was sent.
    fn advance_knowing(
        &mut self,
        draft: &mut DraftBatch,
        record: &RawRecord,
        placed: &PlacedRecord,
        known_until: Option<Instant>,
    ) {
        let Some(shard) = self.shards.get_mut(&placed.key) else {
            return;
        };
        let headers = &placed.headers;
        shard.touch(draft.number);
        draft.touched.insert(placed.key);
        let source = &placed.source;
        let names = draft.names.entry(placed.key.cluster_id);
        names.or_insert_with(|| (source.datacenter.clone(), source.cluster.clone()));
        let kafka_at = record.kafka_at.unwrap_or(headers.time);
        let known_at = known_until.unwrap_or(headers.time).min(kafka_at);
        let fresh = draft
            .freshness
            .entry((placed.key.cluster_id, placed.key.kind))
            .or_insert(known_at);
        *fresh = (*fresh).max(known_at);
        let head = &mut shard.head;
        if (headers.epoch, headers.sequence) <= (head.epoch, head.sequence) {
            return; // An announcement that is read again.
        }
        let expected = if headers.epoch == head.epoch {
            head.sequence + 1
        } else {
            1
        };
        let missing = headers.sequence - expected;
        let partition = self.partitions.get(&record.partition);
        if missing > 0 && head.epoch > 0 {
            let last = head.last_offset;
            let whole = partition.is_some_and(|partition| {
                last.is_some_and(|last| {
                    partition.whole_since <= last && partition.unnumbered_at.is_none_or(|at| at < last)
                })
            });
            if whole {
                let reason = format!(
                    "{source} {}: ce_logsequence jumps from {} to {} in epoch {}: {missing} records were lost before kafka",
                    placed.key.kind,
                    expected - 1,
                    headers.sequence,
                    headers.epoch
                );
                tracing::error!(%reason, "records were lost before kafka");
                draft.gaps.push(OffsetGap {
                    id: record.partition,
                    from: record.offset,
                    to: record.offset,
                    reason,
                });
            }
        }
        if let Some(sweep) = &mut head.sweep
            && sweep.state == SweepState::Running
        {
            if sweep.epoch != headers.epoch {
                sweep.state = SweepState::Void(format!("emitter of epoch {} took over", headers.epoch));
            } else if missing > 0 && Safeguard::SweepCompleteness.is_enabled() {
                sweep.state = SweepState::Void(format!(
                    "{missing} records before sequence {} were not delivered",
                    headers.sequence
                ));
            }
        }
        head.epoch = headers.epoch;
        head.sequence = headers.sequence;
        head.observed_at = headers.time;
        head.clock_skew_seconds = headers.time.micros_since(kafka_at) as f64 / 1e6;
        head.last_offset = Some(record.offset);
    }

    /// A running sweep has named the object.
    fn see(&mut self, placed: &PlacedRecord, hash: ContentHash) {
        if let RecordSubject::Object(uid) = &placed.subject
            && let Some(run) = self.shards.get_mut(&placed.key).and_then(|shard| shard.run())
        {
            run.see(ObjectUid::of(uid), hash);
        }
    }

    async fn version(
        &mut self,
        draft: &mut DraftBatch,
        placed: &PlacedRecord,
        content: ObjectContent,
    ) -> Result<RecordOutcome, StopRequested> {
        let uid = ObjectUid::of(content.record.uid());
        let entry = self
            .shards
            .get(&placed.key)
            .map(|shard| shard.get(uid))
            .unwrap_or_default();
        let (mut compare, mut compare_containers) = (None, None);
        if let Some(row) = entry.row
            && self.is_equal(placed.key.cluster_id, row, &content).await?
        {
            (compare, compare_containers) = (Some([].into()), Some([].into()));
        } else if let Some(row) = entry.row {
            let (cluster_id, by) = (placed.key.cluster_id, (row.writer, row.reader));
            compare = self
                .compare(cluster_id, row_of(placed.key.kind), by, &content.schema)
                .await?;
            if placed.key.kind == RecordKind::Pod {
                compare_containers = self
                    .compare(cluster_id, row::container_table(), by, &content.schema)
                    .await?;
            }
        }
        let latest = Instant::now().plus_micros(CLOCK_TOLERANCE_MICROS);
        let deleted_at = content.record.deleted_at();
        let inferred = match deleted_at {
            Some(_) => is_inferred(&content),
            None => false,
        };
        // Nobody saw it live: it lived since it was created.
        let unseen_life = deleted_at.is_some() && entry.row.is_none();
        let is_created_at_known = content.record.created_at() != Instant(0);
        let began_at = if unseen_life && is_created_at_known {
            content.record.created_at()
        } else {
            placed.headers.since.unwrap_or(placed.headers.time)
        };
        let (hash, writer, created_at) = (content.hash, content.schema.number(), content.record.created_at());
        let containers = content.containers();
        let chain = draft
            .chains
            .entry((placed.key.kind.number(), placed.key.cluster_id, uid))
            .or_default();
        if chain.versions.is_empty() {
            chain.forced = entry.row.is_some_and(|row| row.hash.is_none());
            chain.prior_state = Some(entry.row.map_or(PriorState::Nothing, |row| PriorState::Row {
                containers: row.containers,
            }));
            chain.compare = compare;
            chain.compare_containers = compare_containers;
            chain.older_reader = entry
                .row
                .map(|row| row.reader)
                .filter(|reader| *reader < READER_VERSION);
        }
        let version = ObjectVersion {
            content,
            from_at: began_at,
            observed_at: placed.headers.time,
            record: draft.records.len(),
            keeps_owner: false,
        };
        chain.push(version, began_at, latest);
        let next = match deleted_at {
            Some(at) => {
                let reason = if inferred {
                    EndReason::DeletedInferred
                } else {
                    EndReason::Deleted
                };
                let at = Instant(at.max(created_at).0.min(latest.0));
                chain.end = Some(ObjectEnd { at, reason });
                ObjectEntry::default()
            }
            None => ObjectEntry {
                row: Some(RowEntry {
                    hash: Some(hash),
                    writer,
                    reader: READER_VERSION,
                    containers,
                }),
                dead: None,
            },
        };
        self.settle(draft, placed, uid, entry);
        if let Some(shard) = self.shards.get_mut(&placed.key) {
            shard.set(draft.number, uid, next);
            if let Some(run) = shard.run() {
                if next.lives() {
                    run.see(uid, hash)
                } else {
                    run.forget(uid)
                }
            }
        }
        Ok(if deleted_at.is_some() {
            RecordOutcome::Deleted
        } else {
            RecordOutcome::Landed
        })
    }

    fn end_by_tombstone(&mut self, draft: &mut DraftBatch, placed: &PlacedRecord) -> RecordOutcome {
        let RecordSubject::Object(uid) = &placed.subject else {
            return RecordOutcome::Control;
        };
        let uid = ObjectUid::of(uid);
        if let Some(run) = self.shards.get_mut(&placed.key).and_then(|shard| shard.run()) {
            run.forget(uid);
        }
        if self.end(draft, placed, uid, placed.headers.time, EndReason::Deleted) {
            RecordOutcome::Deleted
        } else {
            RecordOutcome::Control
        }
    }

    /// Ends an object; returns whether it stood.
    pub(crate) fn end(
        &mut self,
        draft: &mut DraftBatch,
        placed: &PlacedRecord,
        uid: ObjectUid,
        at: Instant,
        reason: EndReason,
    ) -> bool {
        let Some(entry) = self.shards.get(&placed.key).map(|shard| shard.get(uid)) else {
            return false;
        };
        if !entry.lives() {
            return false;
        }
        // Even where only a dead key is known: a replay may have landed it since.
        let latest = Instant::now().plus_micros(CLOCK_TOLERANCE_MICROS);
        let key = (placed.key.kind.number(), placed.key.cluster_id, uid);
        let chain = draft.chains.entry(key).or_default();
        chain.end = Some(ObjectEnd {
            at: at.min(latest),
            reason,
        });
        self.settle(draft, placed, uid, entry);
        if let Some(shard) = self.shards.get_mut(&placed.key) {
            shard.set(draft.number, uid, ObjectEntry::default());
        }
        entry.row.is_some()
    }

    /// A newer record settles the object's dead key.
    fn settle(&self, draft: &mut DraftBatch, placed: &PlacedRecord, uid: ObjectUid, entry: ObjectEntry) {
        if entry.dead.is_none() {
            return;
        }
        let cluster_uid = &placed.source.cluster_uid;
        let superseded = draft.dead_letters.iter_mut().filter(|letter| {
            letter.uid.as_deref().map(ObjectUid::of) == Some(uid)
                && letter.kind == placed.key.kind
                && letter
                    .source
                    .as_ref()
                    .is_some_and(|source| source.cluster_uid == *cluster_uid)
        });
        superseded.for_each(|letter| letter.superseded = true);
        draft.dead_keys.insert((placed.key, uid), DeadKey::Settled);
    }

    /// The newest record of an object is a dead letter.
    fn open_dead_key(&mut self, draft: &mut DraftBatch, placed: &PlacedRecord, hash: ContentHash) {
        let RecordSubject::Object(uid) = &placed.subject else {
            return;
        };
        let Some(shard) = self.shards.get(&placed.key) else {
            return;
        };
        let uid = ObjectUid::of(uid);
        let entry = shard.get(uid);
        self.settle(draft, placed, uid, entry);
        let open = DeadKey::Open {
            record: draft.records.len(),
            hash,
            epoch: placed.headers.epoch,
            sequence: placed.headers.sequence,
        };
        draft.dead_keys.insert((placed.key, uid), open);
        if let Some(shard) = self.shards.get_mut(&placed.key) {
            shard.set(
                draft.number,
                uid,
                ObjectEntry {
                    dead: Some(hash),
                    ..entry
                },
            );
            if let Some(run) = shard.run() {
                run.see(uid, hash);
            }
        }
    }

    fn add_dead_letter(
        &mut self,
        draft: &mut DraftBatch,
        record: &RawRecord,
        fault: RecordFault,
        source: Option<Arc<InternedSource>>,
        uid: Option<String>,
        schema_ref: Option<String>,
    ) {
        let Some(topic) = self.topics.get(record.partition.topic) else {
            return;
        };
        tracing::warn!(topic = %topic.name, partition = record.partition.partition, offset = record.offset,
            reason = %fault.reason, detail = %fault.detail, "dead letter");
        draft.dead_letters.push(BatchDeadLetter {
            record: draft.records.len(),
            fault,
            kind: topic.kind,
            source: source.map(|origin| (**origin).clone()),
            uid,
            schema_ref,
            superseded: false,
        });
    }

    fn count(
        &mut self,
        draft: &mut DraftBatch,
        record: &RawRecord,
        verdict: RecordOutcome,
        source: Option<Arc<InternedSource>>,
    ) {
        let Some(partition) = self.partitions.get_mut(&record.partition) else {
            return;
        };
        let span = draft.spans.entry(record.partition).or_insert(PartitionSpan {
            id: record.partition,
            owner_epoch: partition.owner_epoch,
            from: partition.cursor,
            to: partition.cursor,
            counts: Default::default(),
            last: 0,
            last_kafka_at: None,
            last_crc: 0,
        });
        span.to = record.offset + 1;
        span.counts.add(verdict);
        span.last = draft.records.len();
        partition.cursor = record.offset + 1;
        if let Some(source) = source {
            let key = (source.number, record.partition.topic);
            let sources = &self.sources;
            let outcomes = draft.outcomes.entry(key).or_insert_with(|| SourceOutcomes {
                is_established: sources.is_established(&source),
                source,
                delivered: 0,
                dead: 0,
            });
            outcomes.delivered += 1;
            outcomes.dead += u32::from(verdict == RecordOutcome::Dead);
        }
    }
}

fn is_inferred(content: &ObjectContent) -> bool {
    use fleetledger_schema::record::Record;
    match content.record.as_ref() {
        Record::Node(node) => node.deletion_inferred,
        Record::Pod(pod) => pod.deletion_inferred,
        Record::Namespace(namespace) => namespace.deletion_inferred,
        Record::Workload(workload) => workload.deletion_inferred,
        Record::Watchdog(watchdog) => watchdog.deletion_inferred,
    }
}
