//! A poll thread: one consumer, one queue, records copied out and handed to their lanes.

pub(crate) mod unreadable;

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant as Moment},
};

use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
    message::BorrowedMessage,
};

use unreadable::is_unreadable;

use crate::{
    IngestError, IngestSettings,
    buffer::BufferBudget,
    intake::PollRestart,
    lane::{LaneMessage, PollCommand},
    raw::{PartitionId, RawRecord},
    rebalance::{RebalanceContext, SharedPollState, lock},
};

const POLL: Duration = Duration::from_millis(50);
/// Records that are polled without looking at anything else, at most: well below a millisecond.
const RECORDS_BETWEEN_CHECKS: usize = 512;
/// How long a full buffer only stops polling; after it partitions are paused and polling goes on.
const BACKPRESSURE_WAIT: Duration = Duration::from_secs(3);
/// Between two commits of the group's offsets, for lag tools.
const GROUP_COMMIT: Duration = Duration::from_secs(1);
/// Between two looks whether a halted partition was resumed.
const HALTED_CHECK_INTERVAL: Duration = Duration::from_secs(2);
/// Between two looks whether all before a batch that cannot be read has landed.
const UNREADABLE_CHECK_INTERVAL: Duration = Duration::from_millis(500);
/// Before a partition that someone else has claimed is claimed back: by then the group has told who owns it.
const RECLAIM_AFTER: Duration = Duration::from_secs(10);
/// Closing a consumer may take no longer.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// What a client reads ahead where nobody says otherwise, in KiB.
const READ_AHEAD: u64 = 32768;

/// The client's settings, each for a reason given in the architecture's notes; what the binary set (servers, TLS) stays.
///
/// `member` names it, in its `group` and for the brokers. What is read ahead is divided among so many as `share` it.
pub(crate) fn client_config(
    base: &ClientConfig,
    settings: &IngestSettings,
    (group, member): (&str, &str),
    share: usize,
) -> ClientConfig {
    let mut config = base.clone();
    let defaults = [
        ("session.timeout.ms", "10000"),
        ("heartbeat.interval.ms", "3000"),
        ("max.poll.interval.ms", "300000"),
        ("fetch.queue.backoff.ms", "20"),
        ("fetch.min.bytes", "65536"),
        ("fetch.wait.max.ms", "100"),
        ("statistics.interval.ms", "5000"),
        ("client.id", member),
    ];
    for (key, value) in defaults {
        if config.get(key).is_none() {
            config.set(key, value);
        }
    }
    // These hold up the guarantees and are not for choosing.
    for (key, value) in [
        ("group.id", group),
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        ("auto.offset.reset", "error"),
        ("isolation.level", "read_committed"),
        ("check.crcs", "true"),
        ("allow.auto.create.topics", "false"),
        ("partition.assignment.strategy", "cooperative-sticky"),
    ] {
        config.set(key, value);
    }
    if settings.static_membership {
        config.set("group.instance.id", member);
    }
    let key = "queued.max.messages.kbytes";
    let read_ahead = config
        .get(key)
        .map_or(Ok(READ_AHEAD), |kibibytes| kibibytes.trim().parse::<u64>());
    // What is no number the client itself refuses, by its name.
    if let Ok(read_ahead) = read_ahead {
        let each = read_ahead / u64::try_from(share).unwrap_or(1).max(1);
        config.set(key, each.max(1).to_string());
    }
    config
}

/// Why the poll thread ended.
#[derive(Debug)]
pub(crate) enum PollThreadEnd {
    Stopped,
    Failed(IngestError),
    /// There are newer secrets or certificates.
    Renewed,
    /// The client cannot go on; a new one may.
    Recreate(String),
}

pub(crate) struct KafkaPoller {
    shared: Arc<SharedPollState>,
    budget: Arc<BufferBudget>,
    commands: crossbeam_channel::Receiver<PollCommand>,
    paused: bool,
    landed: BTreeMap<PartitionId, i64>,
    committed_at: Moment,
    halted_checked_at: Moment,
    unreadable_checked_at: Moment,
    config: ClientConfig,
    reclaim: BTreeMap<PartitionId, Moment>,
}

impl KafkaPoller {
    pub(crate) fn new(
        shared: Arc<SharedPollState>,
        budget: Arc<BufferBudget>,
        commands: crossbeam_channel::Receiver<PollCommand>,
    ) -> Self {
        Self {
            shared,
            budget,
            commands,
            paused: false,
            landed: BTreeMap::new(),
            committed_at: Moment::now(),
            halted_checked_at: Moment::now(),
            unreadable_checked_at: Moment::now(),
            config: ClientConfig::new(),
            reclaim: BTreeMap::new(),
        }
    }

    /// Polls until the process is asked to end or the client cannot go on.
    pub(crate) fn run(&mut self, config: &ClientConfig, restart: &PollRestart) -> PollThreadEnd {
        self.config = config.clone();
        let consumer: BaseConsumer<RebalanceContext> =
            match config.create_with_context(RebalanceContext(self.shared.clone())) {
                Ok(consumer) => consumer,
                Err(source) => {
                    return PollThreadEnd::Failed(IngestError::Kafka {
                        action: "create a consumer".to_owned(),
                        source,
                    });
                }
            };
        let ended = match self.begin(&consumer) {
            Ok(()) => self.poll(&consumer, restart),
            Err(error) => PollThreadEnd::Failed(error),
        };
        close(consumer);
        let owned = std::mem::take(&mut *lock(&self.shared.owned));
        for id in owned {
            self.shared.health.revoked(id);
            self.shared.notify_lane(id, LaneMessage::Revoked(id));
        }
        ended
    }

    fn begin(&self, consumer: &BaseConsumer<RebalanceContext>) -> Result<(), IngestError> {
        let settings = &self.shared.settings;
        if settings.partitions.is_empty() {
            let topics = self.shared.intake.topics.iter();
            let names: Vec<&str> = topics.map(|topic| self.shared.topics.name(*topic)).collect();
            return consumer.subscribe(&names).map_err(|source| IngestError::Kafka {
                action: "subscribe".to_owned(),
                source,
            });
        }
        let wrong = |text: &str| IngestError::Settings {
            key: "partitions",
            why: format!("contains {text:?}, which is not topic:partition of a topic that is read"),
        };
        let mut ids = Vec::new();
        for text in &settings.partitions {
            let (topic, partition) = text.rsplit_once(':').ok_or_else(|| wrong(text))?;
            let topic = self.shared.topics.index_of(topic).ok_or_else(|| wrong(text))?;
            let partition = partition.parse().map_err(|_| wrong(text))?;
            ids.push(PartitionId { topic, partition });
        }
        lock(&self.shared.owned).extend(&ids);
        self.shared.assign(consumer, &ids);
        self.shared.health.assignment_done(self.shared.intake.number);
        Ok(())
    }

    fn poll(&mut self, consumer: &BaseConsumer<RebalanceContext>, restart: &PollRestart) -> PollThreadEnd {
        loop {
            if let Some(ended) = self.run_periodic_checks(consumer, restart) {
                return ended;
            }
            // Every so many records, and whenever nothing more is there.
            for _ in 0..RECORDS_BETWEEN_CHECKS {
                if self.paused || self.budget.is_full() {
                    break;
                }
                let Some(polled) = consumer.poll(Duration::ZERO) else {
                    break;
                };
                if let Some(ended) = self.take(consumer, polled) {
                    return ended;
                }
            }
            self.shared.flush();
            self.apply_backpressure(consumer);
            if let Some(polled) = consumer.poll(POLL)
                && let Some(ended) = self.take(consumer, polled)
            {
                return ended;
            }
        }
    }

    /// What is looked at now and then.
    fn run_periodic_checks(
        &mut self,
        consumer: &BaseConsumer<RebalanceContext>,
        restart: &PollRestart,
    ) -> Option<PollThreadEnd> {
        self.shared.health.ticked(self.shared.intake.number);
        if self.shared.shutdown.is_cancelled() {
            return Some(PollThreadEnd::Stopped);
        }
        if restart.renewed.load(Ordering::Relaxed) {
            return Some(PollThreadEnd::Renewed);
        }
        if restart.stalled.swap(false, Ordering::Relaxed)
            && self.look_for_unreadable(consumer, true) != Some(true)
        {
            return Some(PollThreadEnd::Recreate(
                "a partition is behind and nothing lands".to_owned(),
            ));
        }
        if let Some(error) = lock(&self.shared.fatal).take() {
            return Some(PollThreadEnd::Failed(error));
        }
        self.apply_commands(consumer);
        None
    }

    fn take(
        &mut self,
        consumer: &BaseConsumer<RebalanceContext>,
        polled: Result<BorrowedMessage<'_>, KafkaError>,
    ) -> Option<PollThreadEnd> {
        let message = match polled {
            Ok(message) => message,
            Err(error) => return self.fail(consumer, &error),
        };
        if let Some(topic) = self.shared.topics.index_of(rdkafka::Message::topic(&message)) {
            let record = RawRecord::copy(topic, &message);
            self.budget.take(record.bytes());
            self.shared.hand_over(record);
        }
        if self.paused {
            self.pause(consumer); // A partition was assigned meanwhile.
        }
        None
    }

    fn fail(
        &mut self,
        consumer: &BaseConsumer<RebalanceContext>,
        error: &KafkaError,
    ) -> Option<PollThreadEnd> {
        match error.rdkafka_error_code() {
            // Our offset is not in the log. The client does not say of which partition: look at them all.
            Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
                tracing::error!(%error, "an offset is out of range; claiming all partitions again");
                let owned = self.readable_partitions();
                self.claim_again(consumer, &owned);
                None
            }
            Some(code) if is_unreadable(code) => {
                tracing::error!(%error, "part of a log cannot be read; reading each partition separately");
                if self.look_for_unreadable(consumer, false) != Some(true) {
                    // A fault on the way: what the client passed over is read again.
                    let owned = self.readable_partitions();
                    self.claim_again(consumer, &owned);
                }
                None
            }
            Some(RDKafkaErrorCode::PartitionEOF) => None,
            Some(RDKafkaErrorCode::Fatal | RDKafkaErrorCode::Fenced) => {
                Some(PollThreadEnd::Recreate(error.to_string()))
            }
            // Transport faults heal by themselves; the client tells its context of them.
            Some(
                RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::Resolve
                | RDKafkaErrorCode::OperationTimedOut,
            ) => None,
            _ => {
                tracing::warn!(%error, "poll");
                None
            }
        }
    }

    fn apply_commands(&mut self, consumer: &BaseConsumer<RebalanceContext>) {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                PollCommand::Landed(spans) => self.landed.extend(spans),
                PollCommand::Reclaim(ids) => {
                    for id in ids {
                        self.reclaim.entry(id).or_insert_with(Moment::now);
                    }
                }
                PollCommand::Halt(id) => {
                    if !lock(&self.shared.owned).contains(&id) {
                        continue;
                    }
                    lock(&self.shared.halted).insert(id);
                    if let Err(error) = consumer.pause(&self.shared.list([id])) {
                        tracing::warn!(%error, "pause a halted partition");
                    }
                }
            }
        }
        if self.committed_at.elapsed() >= GROUP_COMMIT {
            self.committed_at = Moment::now();
            self.commit_group(consumer);
        }
        if self.unreadable_checked_at.elapsed() >= UNREADABLE_CHECK_INTERVAL {
            self.unreadable_checked_at = Moment::now();
            self.record_unreadable(consumer);
        }
        if self.halted_checked_at.elapsed() >= HALTED_CHECK_INTERVAL {
            self.halted_checked_at = Moment::now();
            self.reclaim_partitions(consumer);
        }
    }

    /// Tells the group how far we are, for lag tools. PostgreSQL holds the truth.
    fn commit_group(&mut self, consumer: &BaseConsumer<RebalanceContext>) {
        let mut list = TopicPartitionList::new();
        let owned = lock(&self.shared.owned).clone();
        for (id, next) in std::mem::take(&mut self.landed) {
            if owned.contains(&id) {
                let _ = list.add_partition_offset(
                    self.shared.topics.name(id.topic),
                    id.partition,
                    Offset::Offset(next),
                );
            }
        }
        if list.count() > 0
            && let Err(error) = consumer.commit(&list, CommitMode::Async)
        {
            tracing::debug!(%error, "commit the group's offsets");
        }
    }

    /// Halted partitions that were resumed, and partitions whose fence was lost, are claimed again.
    fn reclaim_partitions(&mut self, consumer: &BaseConsumer<RebalanceContext>) {
        let owned = lock(&self.shared.owned).clone();
        let halted: Vec<PartitionId> = lock(&self.shared.halted).intersection(&owned).copied().collect();
        self.reclaim
            .retain(|id, _| owned.contains(id) && !halted.contains(id));
        if halted.is_empty() && self.reclaim.is_empty() {
            return;
        }
        let asked: Vec<PartitionId> = halted.iter().chain(self.reclaim.keys()).copied().collect();
        let Some(states) = self.claim_states(&asked) else {
            return;
        };
        let mut again = Vec::new();
        for (id, runs, mine) in states {
            let due = self
                .reclaim
                .get(&id)
                .is_some_and(|since| mine || since.elapsed() >= RECLAIM_AFTER);
            if runs && (due || halted.contains(&id)) {
                again.push(id);
            }
        }
        self.reclaim.retain(|id, _| !again.contains(id));
        self.claim_again(consumer, &again);
    }

    /// Partitions of ours but those that wait until what cannot be read in them is recorded: behind a broken checksum the
    /// client loses its place, and asks for offsets that are in no log.
    fn readable_partitions(&self) -> Vec<PartitionId> {
        let unreadable = lock(&self.shared.unreadable).clone();
        let owned = lock(&self.shared.owned).clone();
        owned
            .into_iter()
            .filter(|id| !unreadable.contains_key(id))
            .collect()
    }

    fn claim_again(&mut self, consumer: &BaseConsumer<RebalanceContext>, ids: &[PartitionId]) {
        if ids.is_empty() {
            return;
        }
        self.shared.unassign(consumer, ids);
        self.shared.assign(consumer, ids);
    }

    /// Of each partition: does it run, and is the newest claim ours?
    fn claim_states(&self, ids: &[PartitionId]) -> Option<Vec<(PartitionId, bool, bool)>> {
        let topics = &self.shared.topics;
        let names: Vec<&str> = ids.iter().map(|id| topics.name(id.topic)).collect();
        let partitions: Vec<i32> = ids.iter().map(|id| id.partition).collect();
        let rows = self.shared.runtime.block_on(async {
            let client = self
                .shared
                .connector
                .connect("fleetledger-ingest-look")
                .await
                .ok()?;
            client
                .query(
                    READ_PARTITION_OWNERS,
                    &[&names, &partitions, &&*self.shared.owner],
                )
                .await
                .ok()
        })?;
        let states = rows.iter().filter_map(|row| {
            let topic = topics.index_of(row.try_get(0).ok()?)?;
            let id = PartitionId {
                topic,
                partition: row.try_get(1).ok()?,
            };
            Some((id, row.try_get(2).ok()?, row.try_get(3).ok()?))
        });
        Some(states.collect())
    }

    /// Full: stop polling a while, then pause all partitions and poll on, so that the group keeps us. Resume at half.
    fn apply_backpressure(&mut self, consumer: &BaseConsumer<RebalanceContext>) {
        if self.paused {
            if self.budget.has_room() {
                let halted = lock(&self.shared.halted).clone();
                let owned = lock(&self.shared.owned).clone();
                let unreadable = lock(&self.shared.unreadable).clone();
                let running = owned
                    .difference(&halted)
                    .filter(|id| !unreadable.contains_key(id));
                let running = self.shared.list(running.copied());
                if let Err(error) = consumer.resume(&running) {
                    tracing::warn!(%error, "resume partitions");
                }
                self.paused = false;
            }
        } else if self.budget.is_full() {
            let begin = Moment::now();
            while !self.budget.has_room()
                && begin.elapsed() < BACKPRESSURE_WAIT
                && !self.shared.shutdown.is_cancelled()
            {
                std::thread::sleep(Duration::from_millis(2));
                self.apply_commands(consumer);
            }
            if !self.budget.has_room() {
                self.pause(consumer);
            }
        }
        let intake = self.shared.intake.number;
        let paused = self
            .shared
            .health
            .set_buffer(intake, self.budget.used(), self.paused);
        self.shared
            .metrics
            .buffer_bytes
            .set(i64::try_from(self.budget.used()).unwrap_or(i64::MAX));
        self.shared.metrics.paused.set(i64::from(paused));
    }

    fn pause(&mut self, consumer: &BaseConsumer<RebalanceContext>) {
        match consumer.assignment().and_then(|list| consumer.pause(&list)) {
            Ok(()) => self.paused = true,
            Err(error) => tracing::warn!(%error, "pause partitions"),
        }
    }
}

/// Dropping a consumer polls without bound; nothing depends on its leaving cleanly.
fn close(consumer: BaseConsumer<RebalanceContext>) {
    let (closed, wait) = crossbeam_channel::bounded(1);
    let closing = std::thread::Builder::new()
        .name("ingest-close".to_owned())
        .spawn(move || {
            drop(consumer);
            let _ = closed.send(());
        });
    if closing.is_err() || wait.recv_timeout(CLOSE_WITHIN).is_err() {
        tracing::warn!(
            "the consumer did not close in time; Kafka removes it from the group when its session times out"
        );
    }
}

const READ_PARTITION_OWNERS: &str = "
    select p.topic, p.partition, p.state = 'running', p.owner is not distinct from $3
    from ledger.ingest_partition as p
    join unnest($1::text[], $2::integer[]) as w (topic, partition)
        on w.topic = p.topic and w.partition = p.partition";
