//! The story of one leadership term: what the source reports becomes a change of memory, what changed becomes a record of a
//! log, and nothing here ever waits for Kafka.
//!
//! ```text
//! source ─► fleet (object → record → memory) ─► windows ─► log (numbers, digest) ─► producer
//!                     ▲ sweep compares fresh lists with memory, then sends everything
//! ```
//!
//! Delivery: every change reaches the log at least as the newest state of its object; records of one log are in
//! order and numbered without holes within an epoch. What Kafka does not take waits as newest state per object.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use fleetledger_schema::{
    key::RecordSource as SourceName, kind::RecordKind, record::Usage, renewable::Renewable,
};
use rdkafka::ClientConfig;
use tokio::{
    sync::mpsc::{Receiver, Sender},
    task::JoinSet,
    time::Instant as Tick,
};
use tokio_util::sync::CancellationToken;

use crate::{
    fleet::{ClockReading, ObservedFleet},
    health::EmitterHealth,
    log::SweepItem,
    log_watch::LogWatch,
    metrics::EmitMetrics,
    outbox::Outbox,
    read_back::{LogPlacement, LoggedObject, ReadBack, read_values},
    refusal::DeliveryFailure,
    resource::{ResourceChange, SourceEvent, WatchedResource},
    settings::EmitSettings,
    source::SourceFeed,
    sweep::ClusterSweep,
};

/// How often time passes for the pipeline: bounds the lateness of a window's end.
const TURN: Duration = Duration::from_millis(50);
/// How often secrets and certificates are looked at.
const RENEWAL_CHECK: Duration = Duration::from_secs(5);
/// Events taken in a row before records are sent.
const EVENTS_IN_A_ROW: usize = 256;
/// How long the first sweep waits for answers about owners.
const OWNER_PATIENCE: Duration = Duration::from_secs(5);
/// How long the end of an emitter may take.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(15);

/// Why a leadership term ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TermEnd {
    /// The source has nothing more, or shutdown was asked for; everything is delivered as far as Kafka allows.
    Done,
    /// Another emitter leads.
    Deposed,
    /// Somebody else writes in the cluster's name, up to this epoch, and this emitter was not deposed.
    Overtaken(i64),
    /// A delivery failed: the log has a hole and a new epoch must begin, at once or when the brokers take records again.
    NewEpoch(DeliveryFailure),
    /// There are newer secrets or certificates; everything is delivered as far as Kafka allows.
    Renewed,
}

/// What a leadership term works with.
pub(crate) struct LeadershipTerm<'r> {
    pub(crate) settings: &'r EmitSettings,
    pub(crate) name: SourceName,
    pub(crate) kafka: &'r ClientConfig,
    /// Where newer ones come from, and the version of this one.
    pub(crate) newer_kafka: (&'r Renewable<ClientConfig>, u64),
    pub(crate) feed: &'r SourceFeed,
    /// Sees what others write in the cluster's name.
    pub(crate) watch: Option<LogWatch>,
    pub(crate) fleet: &'r mut ObservedFleet,
    pub(crate) outbox: Outbox,
    pub(crate) read_back: ReadBack,
    pub(crate) placements: Vec<LogPlacement>,
    pub(crate) events: &'r mut Receiver<SourceEvent>,
    /// Windows of usage that are complete.
    pub(crate) windows: &'r mut Receiver<Usage>,
    pub(crate) sender: Sender<SourceEvent>,
    /// True once the source has nothing more to say.
    pub(crate) finished: &'r mut bool,
    pub(crate) metrics: &'r EmitMetrics,
    pub(crate) health: &'r EmitterHealth,
}

/// What is going on within a leadership term.
struct TermProgress {
    sweep: ClusterSweep,
    sweeps: u64,
    next_sweep: Tick,
    next_mark: Tick,
    next_lease_list: Tick,
    /// Kinds whose first sweep of this epoch is still to come: nothing of them is sent before.
    unswept: BTreeSet<RecordKind>,
    /// Those of them that wait for what has vanished to be read back.
    unread: BTreeSet<RecordKind>,
    /// Since when the first sweep waits for owners.
    owners_awaited: Option<Tick>,
    vanished: JoinSet<(RecordKind, VanishedObjects)>,
    tasks: JoinSet<()>,
    /// The source is another cluster by now.
    is_other_cluster: bool,
}

type VanishedObjects = Vec<(Arc<str>, LoggedObject, Option<Vec<u8>>)>;

impl LeadershipTerm<'_> {
    /// Runs until the end.
    pub(crate) async fn run(mut self, shutdown: &CancellationToken, deposed: &CancellationToken) -> TermEnd {
        let kinds = self.outbox.logs.iter().map(|log| log.kind);
        let kinds = kinds.filter(|kind| kind.is_object()).collect();
        let mut course = TermProgress::new(self.settings, kinds);
        let mut turn = tokio::time::interval(TURN);
        turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut renewal = tokio::time::interval(RENEWAL_CHECK);
        renewal.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let acknowledged = self.outbox.producer.acknowledged();
        self.resume();
        loop {
            tokio::select! {
                biased;
                () = deposed.cancelled() => {
                    self.outbox.producer.abandon();
                    return TermEnd::Deposed;
                }
                () = shutdown.cancelled() => return self.drain_before_exit(&course, deposed).await,
                _ = renewal.tick() => {
                    let (kafka, version) = self.newer_kafka;
                    if kafka.is_newer_than(version) {
                        return match self.drain_before_exit(&course, deposed).await {
                            TermEnd::Done => TermEnd::Renewed,
                            end => end,
                        };
                    }
                }
                _ = turn.tick() => self.pass_time(&mut course),
                Some(window) = self.windows.recv() => self.take_windows(window),
                Some(event) = self.events.recv() => self.take_events(event, &mut course),
                Some(Ok((kind, vanished))) = course.vanished.join_next() => self.sweep_first(kind, vanished, &mut course),
                () = acknowledged.notified() => {}
            }
            while course.tasks.try_join_next().is_some() {}
            if course.is_other_cluster {
                tracing::error!(cluster = %self.name,
                    "the API server now serves another cluster (the uid of kube-system differs); nothing \
                     more is sent under the old name");
                self.outbox.producer.abandon();
                return TermEnd::Deposed;
            }
            if let Err(failure) = self.outbox.check_deliveries(&mut self.fleet.memory) {
                self.outbox.producer.abandon();
                return TermEnd::NewEpoch(failure);
            }
            if let Some(epoch) = self.overtaking_epoch() {
                self.outbox.producer.abandon();
                return TermEnd::Overtaken(epoch);
            }
            self.send(&course);
            if *self.finished && course.unswept.is_empty() && !self.outbox.is_waiting() {
                return self.drain_before_exit(&course, deposed).await;
            }
        }
    }

    /// The epoch of records in the cluster's name that stand above those of this emitter.
    fn overtaking_epoch(&self) -> Option<i64> {
        self.watch.as_ref()?.overtaking_epoch(&self.outbox.logs)
    }

    /// Begins with what earlier epochs left in memory: all of it goes out again with the first sweep.
    fn resume(&mut self) {
        for (uid, entry) in self.fleet.memory.iter_mut() {
            entry.queued = false;
            entry.sent = self
                .read_back
                .objects
                .get(uid)
                .filter(|kept| !kept.ended)
                .map(|kept| kept.content.hash);
        }
        for schema in self.read_back.schemas.iter() {
            self.fleet.schemas.learn(schema.clone());
        }
    }

    fn take_events(&mut self, first: SourceEvent, course: &mut TermProgress) {
        let now = ClockReading::read();
        let settle = Duration::from_millis(self.settings.settle_ms);
        let mut next = Some(first);
        let mut taken = 0;
        while let Some(event) = next.take() {
            match event {
                SourceEvent::Watch(resource, change) => self.fleet.absorb(resource, change, now),
                SourceEvent::Relist(WatchedResource::Leases, ResourceChange::Listed(lease)) => {
                    self.fleet.see(&lease, None, now)
                }
                SourceEvent::Relist(WatchedResource::Leases, ResourceChange::End) => {
                    self.fleet.heartbeats.confirm_view(now.at)
                }
                SourceEvent::Relist(WatchedResource::Leases, _) => {}
                SourceEvent::Relist(resource, change) => {
                    course
                        .sweep
                        .take(resource, change, &mut self.fleet.memory, now, settle);
                }
                SourceEvent::Owner(reference, owner) => {
                    self.fleet.take_owner(&reference, owner.map(|owner| *owner), now)
                }
                SourceEvent::OtherCluster => course.is_other_cluster = true,
                SourceEvent::Finished => *self.finished = true,
            }
            taken += 1;
            if taken < EVENTS_IN_A_ROW {
                next = self.events.try_recv().ok();
            }
        }
    }

    fn take_windows(&mut self, first: Usage) {
        let budget = self.settings.window_bytes();
        let largest = self.fleet.largest(RecordKind::Usage);
        let mut next = Some(first);
        while let Some(window) = next.take() {
            self.outbox.queue_window(&window, largest, budget);
            next = self.windows.try_recv().ok();
        }
    }

    fn pass_time(&mut self, course: &mut TermProgress) {
        let now = ClockReading::read();
        self.health.turn();
        self.fleet.pass_time(now);
        if !self.fleet.questions.is_empty() && self.fleet.has_answered() {
            for question in std::mem::take(&mut self.fleet.questions) {
                self.feed.ask(&mut course.tasks, question, self.sender.clone());
            }
        }
        if now.tick >= course.next_mark {
            course.next_mark = now.tick + Duration::from_secs(self.settings.mark_interval_seconds);
            self.outbox.mark();
        }
        if self.fleet.heartbeats.wants_list(now.at) && now.tick >= course.next_lease_list {
            course.next_lease_list = now.tick + Duration::from_secs(60);
            self.feed.relist(
                &mut course.tasks,
                vec![WatchedResource::Leases],
                self.sender.clone(),
            );
        }
        self.begin_first_sweeps(course, now);
        self.go_on_sweeping(course, now);
        self.outbox.forget_given_up(&self.fleet.memory);
        self.outbox.report();
    }

    /// Kinds whose lists are complete are swept for the first time: what vanished since the last leadership term first.
    fn begin_first_sweeps(&mut self, course: &mut TermProgress, now: ClockReading) {
        if course.unread.is_empty() || !self.fleet.has_answered() {
            return;
        }
        let since = *course.owners_awaited.get_or_insert(now.tick);
        if self.fleet.owners.open_questions() > 0 && now.tick < since + OWNER_PATIENCE {
            return;
        }
        let listed: Vec<RecordKind> = course
            .unread
            .iter()
            .copied()
            .filter(|kind| self.fleet.is_listed(*kind))
            .collect();
        for kind in listed {
            course.unread.remove(&kind);
            let vanished = self.compare_with_log(kind);
            let places: Vec<LogPlacement> = self
                .placements
                .iter()
                .filter(|place| place.kind == kind)
                .cloned()
                .collect();
            let (kafka, budget) = (self.kafka.clone(), self.settings.deletion_bytes());
            course
                .vanished
                .spawn_blocking(move || (kind, read_vanished(&kafka, &places, vanished, budget)));
        }
    }

    /// Learns when the content of living objects began, and finds what the log holds and the cluster does not.
    fn compare_with_log(&mut self, kind: RecordKind) -> Vec<(Arc<str>, LoggedObject)> {
        let mut vanished = Vec::new();
        for (uid, kept) in self
            .read_back
            .objects
            .iter()
            .filter(|(_, kept)| kept.kind == kind)
        {
            match self.fleet.memory.get_mut(uid) {
                Some(entry) if !kept.ended => {
                    entry.sent = Some(kept.content.hash);
                    if entry.hash == kept.content.hash {
                        entry.since = Some(kept.content.since);
                    }
                }
                Some(_) => {}
                None => vanished.push((uid.clone(), *kept)),
            }
        }
        vanished
    }

    fn sweep_first(&mut self, kind: RecordKind, vanished: VanishedObjects, course: &mut TermProgress) {
        let now = ClockReading::read();
        let complete = self.fleet.is_complete(kind);
        for (uid, kept, value) in vanished {
            // It lives, though its newest state is not sent.
            if let Some(value) = value.as_ref().filter(|_| !kept.ended)
                && self.fleet.keep_logged(&uid, kept.shard, value, kept.content)
            {
                continue;
            }
            // What a source does not name is gone only if it names everything like it.
            let named_all = |value: &Vec<u8>| self.fleet.names_all_like(value);
            if !complete && !value.as_ref().is_some_and(named_all) {
                continue;
            }
            let last =
                value.and_then(|value| crate::encode::encode_last(&value, &self.fleet.schemas, now.at, true));
            let last = last.filter(|_| !kept.ended);
            let sent = (!kept.ended).then_some(kept.content.hash);
            self.metrics
                .inferred_deletes
                .with_label_values(&[kind.as_str()])
                .inc();
            self.fleet
                .memory
                .record_unseen_deletion(&uid, kind, kept.shard, last, sent, now.at);
        }
        course.unswept.remove(&kind);
        let deletions = self
            .fleet
            .memory
            .deletions()
            .filter(|(_, entry)| entry.kind == kind);
        let deletions: Vec<Arc<str>> = deletions.map(|(uid, _)| uid.clone()).collect();
        for uid in deletions {
            self.outbox.queue(&uid, &mut self.fleet.memory);
        }
        if !complete {
            return self.send_incomplete(kind);
        }
        let id = course.next_sweep_id();
        self.outbox.queue_sweep(kind, &id, |_| 0);
        for (_, shard, key) in self
            .read_back
            .former_keys
            .iter()
            .filter(|(former, ..)| *former == kind)
        {
            if let Some(log) = self
                .outbox
                .logs
                .iter_mut()
                .find(|log| (log.kind, log.shard) == (kind, *shard))
            {
                log.sweep.push_back(SweepItem::FormerKey(key.clone()));
            }
        }
        tracing::info!(cluster = %self.name, %kind, "first sweep begins");
    }

    /// A sweep would close whatever it does not name: what a source knows in part is sent as changes. A mark follows, for the
    /// log has been read back and is counted as a whole.
    fn send_incomplete(&mut self, kind: RecordKind) {
        let living = self.fleet.memory.living();
        let living: Vec<Arc<str>> = living
            .filter(|(_, entry)| entry.kind == kind)
            .map(|(uid, _)| uid.clone())
            .collect();
        for uid in living {
            self.outbox.queue(&uid, &mut self.fleet.memory);
        }
        let logs = self.outbox.logs.iter_mut().filter(|log| log.kind == kind);
        logs.for_each(|log| log.swept = true);
    }

    fn go_on_sweeping(&mut self, course: &mut TermProgress, now: ClockReading) {
        let first_is_over = course.unswept.is_empty() && course.vanished.is_empty();
        // Whoever asks while one is under way means one that begins later.
        let may_begin = first_is_over && course.sweep.is_idle() && !self.outbox.is_sweeping();
        if may_begin && (self.health.take_sweep_request() || now.tick >= course.next_sweep) {
            course.next_sweep = now.tick + Duration::from_secs(self.settings.sweep_interval_seconds);
            self.fleet.forget_owners();
            let id = course.next_sweep_id();
            course.sweep.begin(id, &self.fleet.memory);
            let resources = WatchedResource::ALL
                .into_iter()
                .filter(|resource| resource.kind().is_some())
                .collect();
            self.feed
                .relist(&mut course.tasks, resources, self.sender.clone());
        }
        let Some(outcome) = course.sweep.settle(self.fleet, self.metrics, now) else {
            return;
        };
        let missed: HashMap<_, _> = outcome.missed;
        if !missed.is_empty() {
            tracing::warn!(cluster = %self.name, ?missed, "the sweep found changes that the watches missed");
        }
        for kind in outcome.kinds {
            let of = |shard: u16| missed.get(&(kind, shard)).copied().unwrap_or(0);
            self.outbox.queue_sweep(kind, &outcome.id, of);
        }
    }

    fn send(&mut self, course: &TermProgress) {
        for uid in std::mem::take(&mut self.fleet.ready) {
            // Before its kind's first sweep an object is not sent: the sweep sends it, dead or alive.
            if self
                .fleet
                .memory
                .get(&uid)
                .is_some_and(|entry| !course.unswept.contains(&entry.kind))
            {
                self.outbox.queue(&uid, &mut self.fleet.memory);
            }
        }
        self.outbox.drain(
            &mut self.fleet.memory,
            fleetledger_schema::instant::Instant::now(),
        );
    }

    /// Sends what waits and a last mark, and waits for Kafka as long as that is decent.
    async fn drain_before_exit(mut self, course: &TermProgress, deposed: &CancellationToken) -> TermEnd {
        self.fleet.flush_windows();
        self.send(course);
        self.outbox.mark();
        let deadline = Tick::now() + DRAIN_TIMEOUT;
        let acknowledged = self.outbox.producer.acknowledged();
        while !self.outbox.is_empty() && Tick::now() < deadline && !deposed.is_cancelled() {
            self.send(course);
            if let Err(failure) = self.outbox.check_deliveries(&mut self.fleet.memory) {
                self.outbox.producer.abandon();
                if *self.finished {
                    return TermEnd::NewEpoch(failure);
                }
                tracing::error!(
                    cluster = %self.name, why = failure.explain(ClockReading::read().at),
                    "the emitter stops with records that Kafka refuses"
                );
                break;
            }
            tokio::time::timeout(TURN, acknowledged.notified()).await.ok();
        }
        self.outbox.report();
        let (left, _) = self.outbox.producer.in_flight();
        if left > 0 {
            tracing::warn!(
                cluster = %self.name, left,
                "the emitter stops with records that Kafka has not acknowledged"
            );
        }
        TermEnd::Done
    }
}

impl TermProgress {
    fn new(settings: &EmitSettings, kinds: BTreeSet<RecordKind>) -> Self {
        let now = Tick::now();
        Self {
            sweep: ClusterSweep::default(),
            sweeps: 0,
            next_sweep: now + Duration::from_secs(settings.sweep_interval_seconds),
            next_mark: now,
            next_lease_list: now,
            unswept: kinds.clone(),
            unread: kinds,
            owners_awaited: None,
            vanished: JoinSet::new(),
            tasks: JoinSet::new(),
            is_other_cluster: false,
        }
    }

    fn next_sweep_id(&mut self) -> String {
        self.sweeps += 1;
        format!(
            "{}-{}",
            fleetledger_schema::instant::Instant::now().0,
            self.sweeps
        )
    }
}

/// Newest values of vanished objects, up to `budget` bytes; the others get a tombstone alone.
fn read_vanished(
    kafka: &ClientConfig,
    places: &[LogPlacement],
    vanished: Vec<(Arc<str>, LoggedObject)>,
    mut budget: usize,
) -> VanishedObjects {
    let mut read = Vec::with_capacity(vanished.len());
    for place in places {
        let here: Vec<_> = vanished
            .iter()
            .filter(|(_, kept)| kept.shard == place.shard)
            .cloned()
            .collect();
        let mut values = read_values(kafka, place, &here, budget)
            .inspect_err(
                |error| tracing::warn!(%error, "the last records of deleted objects cannot be read back"),
            )
            .unwrap_or_default();
        budget = budget.saturating_sub(values.values().map(Vec::len).sum());
        for (uid, kept) in here {
            let value = values.remove(&uid);
            read.push((uid, kept, value));
        }
    }
    read
}
