//! How an ingester is: what its probes answer and what the demo prints.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant as Moment},
};

use fleetledger_schema::part_watch::PartWatch;

use crate::{batch::RecordCounts, raw::PartitionId};

/// A poll thread must come round within this.
const TICK_WITHIN: Duration = Duration::from_secs(30);

/// A cheap handle on the state of an ingester; clones see the same one.
#[derive(Debug, Clone)]
pub struct IngestHealth {
    state: Arc<Mutex<IngestHealthState>>,
    /// What lands in it waits for it.
    pub(crate) postgres: PartWatch,
    /// What is read comes from it.
    pub(crate) kafka: PartWatch,
}

impl Default for IngestHealth {
    fn default() -> Self {
        Self {
            state: Arc::default(),
            postgres: PartWatch::new("ingest", "PostgreSQL"),
            kafka: PartWatch::new("ingest", "Kafka"),
        }
    }
}

#[derive(Debug, Default)]
struct IngestHealthState {
    names: Vec<String>,
    intakes: BTreeMap<usize, IntakeState>,
    stats: IngestStats,
    partitions: BTreeMap<PartitionId, PartitionProgress>,
}

/// How one of the consumers is.
#[derive(Debug, Default)]
struct IntakeState {
    ticked_at: Option<Moment>,
    assigned: bool,
    /// Since when its partitions could not be claimed, and why.
    claim_failure: Option<(Moment, String)>,
    paused: bool,
}

#[derive(Debug, Clone, Copy)]
struct PartitionProgress {
    next: i64,
    high: i64,
    /// Offset the client fetches next.
    fetched: i64,
    moved_at: Moment,
    /// The client's statistics have come since it moved: until then nobody knows what lies ahead but markers.
    statistics_seen: bool,
    halted: bool,
}

impl PartitionProgress {
    /// Records that have not landed. Offsets without a record (markers, compaction) at the end of a log never land.
    fn lag(&self, buffer_bytes: u64) -> i64 {
        let read_all = self.fetched >= self.high && buffer_bytes == 0;
        if read_all {
            0
        } else {
            (self.high - self.next).max(0)
        }
    }
}

/// What an ingester has done since it started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IngestStats {
    /// Records by result.
    pub records: RecordCounts,
    /// Batches that landed.
    pub batches: u64,
    /// Records not landed, by `topic:partition`, of the partitions this ingester owns.
    pub lag: BTreeMap<String, i64>,
    /// Halted partitions it was assigned, as `topic:partition`.
    pub halted: Vec<String>,
    /// Objects in the caches.
    pub cache_entries: u64,
    /// Bytes of records in memory.
    pub buffer_bytes: u64,
    /// True while reading is paused because the buffer is full.
    pub paused: bool,
}

impl IngestHealth {
    /// A handle for an ingester that has not started.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ready: Kafka and PostgreSQL answer, and partitions are claimed (or the group gave none).
    ///
    /// # Errors
    /// What is missing, for how long, and why.
    pub fn ready(&self) -> Result<(), String> {
        self.kafka.ready()?;
        self.postgres.ready()?;
        let state = self.lock();
        let failed = state
            .intakes
            .values()
            .find_map(|intake| intake.claim_failure.as_ref());
        if let Some((since, why)) = failed {
            let seconds = since.elapsed().as_secs();
            return Err(format!("partitions have not been claimed for {seconds} s: {why}"));
        }
        if state.intakes.is_empty() || !state.intakes.values().all(|intake| intake.assigned) {
            let waits = [self.kafka.outage(), self.postgres.outage()];
            let why = waits.into_iter().flatten().next();
            let why = why.map(|outage| format!(": {}", outage.why)).unwrap_or_default();
            return Err(format!("no partitions assigned yet{why}"));
        }
        Ok(())
    }

    /// Alive: every poll thread came round within 30 s.
    ///
    /// # Errors
    /// For how long one did not.
    pub fn live(&self) -> Result<(), String> {
        let oldest = self
            .lock()
            .intakes
            .values()
            .filter_map(|intake| intake.ticked_at)
            .min();
        match oldest {
            Some(at) if at.elapsed() > TICK_WITHIN => Err(format!(
                "a poll thread has not responded for {} s",
                at.elapsed().as_secs()
            )),
            _ => Ok(()),
        }
    }

    /// What it has done.
    #[must_use]
    pub fn stats(&self) -> IngestStats {
        let state = self.lock();
        let mut stats = state.stats.clone();
        for (id, progress) in &state.partitions {
            let name = state.name(*id);
            if progress.halted {
                stats.halted.push(name.clone());
            }
            stats.lag.insert(name, progress.lag(stats.buffer_bytes));
        }
        stats
    }

    /// Topics by their index, and how many consumers read them.
    pub(crate) fn set_topics(&self, names: Vec<String>, intakes: usize) {
        let mut state = self.lock();
        state.names = names;
        state.intakes = (0..intakes)
            .map(|number| (number, IntakeState::default()))
            .collect();
    }

    pub(crate) fn ticked(&self, intake: usize) {
        self.lock().of(intake).ticked_at = Some(Moment::now());
    }

    pub(crate) fn claim_failed(&self, intake: usize, failure: Option<String>) {
        let mut state = self.lock();
        let before = state.of(intake).claim_failure.take();
        let since = before.map_or_else(Moment::now, |(since, _)| since);
        state.of(intake).claim_failure = failure.map(|why| (since, why));
    }

    pub(crate) fn assigned(&self, id: PartitionId, next: i64, high: i64, halted: bool) {
        let progress = PartitionProgress {
            next,
            high: high.max(next),
            fetched: 0,
            moved_at: Moment::now(),
            statistics_seen: false,
            halted,
        };
        self.lock().partitions.insert(id, progress);
    }

    /// An assignment, perhaps an empty one, has been dealt with.
    pub(crate) fn assignment_done(&self, intake: usize) {
        self.lock().of(intake).assigned = true;
    }

    pub(crate) fn revoked(&self, id: PartitionId) {
        self.lock().partitions.remove(&id);
    }

    pub(crate) fn set_halted(&self, id: PartitionId) {
        if let Some(progress) = self.lock().partitions.get_mut(&id) {
            progress.halted = true;
        }
    }

    /// What the client's statistics say.
    pub(crate) fn fetched(&self, id: PartitionId, high: i64, fetched: i64) {
        let mut state = self.lock();
        let buffer_bytes = state.stats.buffer_bytes;
        if let Some(progress) = state.partitions.get_mut(&id) {
            let was_behind = progress.lag(buffer_bytes) > 0;
            progress.high = progress.high.max(high);
            progress.fetched = fetched;
            progress.statistics_seen = true;
            // However long nothing came, the next record has its time from now.
            if !was_behind {
                progress.moved_at = Moment::now();
            }
        }
    }

    pub(crate) fn high_watermark(&self, id: PartitionId) -> i64 {
        self.lock()
            .partitions
            .get(&id)
            .map_or(0, |progress| progress.high)
    }

    /// Partitions with their lag in records; halted ones are left out.
    pub(crate) fn lags(&self) -> Vec<(PartitionId, i64)> {
        let state = self.lock();
        let running = state.partitions.iter().filter(|(_, progress)| !progress.halted);
        running
            .map(|(id, progress)| (*id, progress.lag(state.stats.buffer_bytes)))
            .collect()
    }

    pub(crate) fn landed(&self, spans: &[(PartitionId, i64)], counts: &RecordCounts) {
        let mut state = self.lock();
        state.stats.batches += 1;
        state.stats.records.merge(counts);
        for (id, next) in spans {
            if let Some(progress) = state.partitions.get_mut(id) {
                progress.next = *next;
                progress.high = progress.high.max(*next);
                progress.moved_at = Moment::now();
                progress.statistics_seen = false;
            }
        }
    }

    /// How many partitions this ingester owns, and how many of them are halted.
    pub(crate) fn partitions(&self) -> (usize, usize) {
        let state = self.lock();
        let halted = state.partitions.values().filter(|progress| progress.halted);
        (state.partitions.len(), halted.count())
    }

    /// A partition of `topics` that is behind and has not moved for `stall`, as long as nothing explains it.
    pub(crate) fn stalled(&self, stall: Duration, topics: &[usize]) -> Option<String> {
        let state = self.lock();
        if self.postgres.outage().is_some() || self.kafka.outage().is_some() || state.stats.paused {
            return None;
        }
        let stuck = state.partitions.iter().find(|(id, progress)| {
            topics.contains(&id.topic)
                && !progress.halted
                && progress.statistics_seen
                && progress.lag(state.stats.buffer_bytes) > 0
                && progress.moved_at.elapsed() > stall
        });
        stuck.map(|(id, _)| state.name(*id))
    }

    /// Returns true while any consumer pauses.
    pub(crate) fn set_buffer(&self, intake: usize, bytes: usize, paused: bool) -> bool {
        let mut state = self.lock();
        state.of(intake).paused = paused;
        state.stats.buffer_bytes = bytes as u64;
        state.stats.paused = state.intakes.values().any(|intake| intake.paused);
        state.stats.paused
    }

    pub(crate) fn add_cache_entries(&self, before: usize, after: usize) {
        let stats = &mut self.lock().stats;
        stats.cache_entries = (stats.cache_entries + after as u64).saturating_sub(before as u64);
    }

    fn lock(&self) -> MutexGuard<'_, IngestHealthState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IngestHealthState {
    fn of(&mut self, intake: usize) -> &mut IntakeState {
        self.intakes.entry(intake).or_default()
    }

    fn name(&self, id: PartitionId) -> String {
        let topic = self.names.get(id.topic).map_or("", String::as_str);
        format!("{topic}:{}", id.partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: PartitionId = PartitionId {
        topic: 0,
        partition: 0,
    };

    /// As if it had moved a minute before.
    fn age(health: &IngestHealth) {
        let mut state = health.lock();
        let progress = state.partitions.get_mut(&ID).unwrap();
        progress.moved_at = progress.moved_at.checked_sub(Duration::from_secs(60)).unwrap();
    }

    #[test]
    fn a_record_after_a_long_silence_is_no_stall() {
        let health = IngestHealth::new();
        let stall = Duration::from_secs(30);
        health.assigned(ID, 10, 10, false);
        age(&health);
        health.set_buffer(0, 400, false);
        health.fetched(ID, 11, 11);
        assert_eq!(health.stalled(stall, &[0]), None);
        age(&health);
        health.fetched(ID, 12, 12);
        assert!(health.stalled(stall, &[0]).is_some(), "behind all the while");
    }

    #[test]
    fn what_lies_ahead_is_no_stall_before_the_statistics_report_it() {
        let health = IngestHealth::new();
        let stall = Duration::from_secs(30);
        // The last offset may be a transaction's marker.
        health.assigned(ID, 10, 12, false);
        age(&health);
        assert_eq!(health.stalled(stall, &[0]), None);
        health.fetched(ID, 12, 11);
        assert!(health.stalled(stall, &[0]).is_some());
        health.fetched(ID, 12, 12);
        assert_eq!(health.stalled(stall, &[0]), None);
    }

    #[test]
    fn readiness_names_the_part_that_is_away_for_how_long_and_why() {
        let health = IngestHealth::new();
        health.set_topics(vec!["t".to_owned()], 1);
        health.assignment_done(0);
        assert_eq!(health.ready(), Ok(()));
        let long_ago = Moment::now().checked_sub(Duration::from_secs(12)).unwrap();
        health
            .postgres
            .failed_since("lane 0", "connection refused", long_ago);
        assert_eq!(
            health.ready(),
            Err("PostgreSQL has not answered for 12 s: connection refused".to_owned())
        );
        health
            .kafka
            .failed_since("consumer 0", "nobody listens", long_ago);
        assert_eq!(
            health.ready(),
            Err("Kafka has not answered for 12 s: nobody listens".to_owned())
        );
        health.kafka.answered("consumer 0");
        health.postgres.answered("lane 0");
        assert_eq!(health.ready(), Ok(()));
    }

    #[test]
    fn offsets_without_a_record_at_the_end_are_no_lag() {
        let health = IngestHealth::new();
        health.assigned(ID, 10, 12, false);
        assert_eq!(health.lags(), [(ID, 2)]);
        health.fetched(ID, 12, 12);
        assert_eq!(health.lags(), [(ID, 0)]);
    }
}
