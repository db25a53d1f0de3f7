//! Marks and sweeps.
//!
//! A mark says what the emitter counts at its place in the log; the fold at the same place is kept beside it. A
//! sweep is complete when its run of sequences has no hole in delivered records; then objects that it has not named
//! are closed, and the fold is counted anew.

use fleetledger_schema::{
    content_hash::{ContentDigest, ContentHash},
    framing,
    instant::Instant,
    key::RecordSubject,
    object_uid::ObjectUid,
    record::Mark,
};

use crate::{
    batch::{ClusterSource, DraftBatch},
    chain::EndReason,
    examine::PlacedRecord,
    identify::verify,
    load::ShardKey,
    memory::LaneMemory,
    raw::RawRecord,
    reader::StopRequested,
    shard::{ComparedMark, SweepProgress, SweepState},
    sources::SourceRegistration,
};

impl LaneMemory {
    /// Takes a mark or a point of a sweep; the head is already at it.
    pub(crate) fn mark(
        &mut self,
        draft: &mut DraftBatch,
        record: &RawRecord,
        placed: &PlacedRecord,
        mark: &Mark,
    ) {
        if let Some(source) = mark.source.as_deref().and_then(ClusterSource::parse) {
            draft.sources.insert(placed.key.cluster_id, source);
        }
        match placed.subject {
            RecordSubject::SweepBegin(_) => self.begin_sweep(record, placed, mark),
            RecordSubject::SweepEnd(_) => {
                self.end_sweep(draft, placed, mark);
                self.compare_mark(placed, mark);
            }
            RecordSubject::Mark(_) | RecordSubject::Object(_) | RecordSubject::Schema(_) => {
                self.compare_mark(placed, mark)
            }
        }
    }

    fn compare_mark(&mut self, placed: &PlacedRecord, mark: &Mark) {
        let Some(shard) = self.shards.get_mut(&placed.key) else {
            return;
        };
        let marked = ContentDigest {
            count: mark.count,
            xor: ContentHash {
                hi: mark.digest_hi,
                lo: mark.digest_lo,
            },
        };
        shard.head.mark = Some(ComparedMark {
            epoch: placed.headers.epoch,
            sequence: placed.headers.sequence,
            at: placed.headers.time,
            marked,
            folded: shard.head.fold,
        });
    }

    fn begin_sweep(&mut self, record: &RawRecord, placed: &PlacedRecord, mark: &Mark) {
        let Some(shard) = self.shards.get_mut(&placed.key) else {
            return;
        };
        if let Some(before) = &shard.head.sweep
            && before.state == SweepState::Running
        {
            tracing::warn!(source = %placed.source, kind = %placed.key.kind, sweep = %before.sweep_id, "a sweep never ended; it closes nothing");
            self.reader.metrics.sweeps.with_label_values(&["void"]).inc();
        }
        // Only a sweep that closes what it must ends the wait for a second one.
        let held_at = shard.head.sweep.as_ref().and_then(|before| before.held_at);
        shard.head.sweep = Some(SweepProgress {
            sweep_id: mark.sweep_id.clone().unwrap_or_default(),
            epoch: placed.headers.epoch,
            begin_sequence: placed.headers.sequence,
            begin_offset: record.offset,
            begin_at: placed.headers.time,
            end_at: None,
            state: SweepState::Running,
            objects: 0,
            closed_objects: 0,
            missed_changes: None,
            generation: shard.generation,
            held_objects: 0,
            held_at,
        });
    }

    fn end_sweep(&mut self, draft: &mut DraftBatch, placed: &PlacedRecord, mark: &Mark) {
        let Some(shard) = self.shards.get_mut(&placed.key) else {
            return;
        };
        let sweep_id = mark.sweep_id.clone().unwrap_or_default();
        let begun = shard.head.sweep.clone().filter(|sweep| {
            sweep.sweep_id == sweep_id
                && mark
                    .begin_sequence
                    .is_none_or(|begin| begin == sweep.begin_sequence)
        });
        let mut sweep = begun.unwrap_or_else(|| SweepProgress {
            sweep_id,
            epoch: placed.headers.epoch,
            begin_sequence: mark.begin_sequence.unwrap_or_default(),
            begin_offset: 0,
            begin_at: placed.headers.time,
            end_at: None,
            state: SweepState::Void("its begin was not delivered".to_owned()),
            objects: 0,
            closed_objects: 0,
            missed_changes: None,
            generation: shard.generation,
            held_objects: 0,
            held_at: shard.head.sweep.as_ref().and_then(|before| before.held_at),
        });
        sweep.end_at = Some(placed.headers.time);
        sweep.missed_changes = mark.missed_changes;
        if sweep.state == SweepState::Running {
            sweep.objects = shard
                .run()
                .map_or(0, |run| i64::try_from(run.len()).unwrap_or(i64::MAX));
            let (unseen, living) = (shard.unseen(), shard.living_count());
            let (at, now) = (sweep.begin_at, Instant::now());
            if self.settings.holds_sweep(unseen.len(), living) && !sweep.is_second(&self.settings, now) {
                sweep.hold(unseen.len(), now);
                tracing::error!(source = %placed.source, kind = %placed.key.kind, sweep = %sweep.sweep_id,
                    would_close = unseen.len(), living,
                    "the sweep would close too many objects; it is held until a second one agrees");
            } else {
                for uid in &unseen {
                    let was_current = self.end(draft, placed, *uid, at, EndReason::AbsentFromSweep);
                    sweep.closed_objects += i64::from(was_current);
                }
                (sweep.state, sweep.held_at) = (SweepState::Complete, None);
            }
        }
        let complete = sweep.state == SweepState::Complete;
        if let SweepState::Void(reason) = &sweep.state {
            tracing::warn!(source = %placed.source, kind = %placed.key.kind, sweep = %sweep.sweep_id, %reason, "sweep is void; it closes nothing");
        }
        let result = match sweep.state {
            SweepState::Complete => "complete",
            SweepState::Held => "held",
            SweepState::Running | SweepState::Void(_) => "void",
        };
        self.reader.metrics.sweeps.with_label_values(&[result]).inc();
        let Some(shard) = self.shards.get_mut(&placed.key) else {
            return;
        };
        if complete {
            if sweep.generation == shard.generation {
                shard.head.healed_generation = sweep.generation;
            }
            shard.head.fold = shard.recount();
        }
        shard.head.sweep = Some(sweep);
    }

    /// A record that landed before the claim: a sweep that was running then has named its object.
    pub(crate) async fn see_again(&mut self, record: &RawRecord) -> Result<(), StopRequested> {
        let topics = self.topics.clone();
        let Some(topic) = topics.get(record.partition.topic) else {
            return Ok(());
        };
        let key = record.key().unwrap_or_default();
        let Ok((origin, RecordSubject::Object(uid))) = self.origins.read(topic, key) else {
            return Ok(());
        };
        // What was refused then names nothing now.
        let Ok(headers) = verify(topic, record, &origin) else {
            return Ok(());
        };
        let (registration, _) = self
            .sources
            .resolve(&mut self.reader, &origin, &topic.name)
            .await?;
        let SourceRegistration::Accepted(cluster_id) = registration else {
            return Ok(());
        };
        let place = ShardKey {
            cluster_id,
            kind: topic.kind,
            shard: fleetledger_schema::partition::shard_of(&uid, topic.shards),
        };
        self.load(place, record.partition).await?;
        let Some(shard) = self.shards.get_mut(&place) else {
            return Ok(());
        };
        let within = shard.head.sweep.as_ref().is_some_and(|sweep| {
            record.offset > sweep.begin_offset
                && headers.epoch == sweep.epoch
                && headers.sequence > sweep.begin_sequence
        });
        let Some(run) = shard.run().filter(|_| within) else {
            return Ok(());
        };
        let uid = ObjectUid::of(&uid);
        match record.value() {
            None => run.forget(uid),
            Some(value) => {
                let body = framing::split(value).map_or(value, |(_, body)| body);
                run.see(uid, ContentHash::of(body));
            }
        }
        Ok(())
    }
}
