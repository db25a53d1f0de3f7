//! What happens when the group gives or takes partitions.
//!
//! - Given: ask Kafka for the ends, claim in PostgreSQL (which fences the old owner), tell the lanes, then assign with
//!   the stored offsets. Seeking after an assignment is not reliable.
//! - Taken: tell the lanes, then unassign. A batch in flight is left to its fence.
//! - A halted partition is assigned and paused, so that the group keeps its shape.
//! - While PostgreSQL is away a claim is tried again, for less than the group's patience.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant as Moment},
};

use fleetledger_schema::{
    broker_fault::{BrokerFault, BrokerState},
    postgres::PostgresConnector,
};
use rdkafka::{
    ClientContext, Offset, Statistics, TopicPartitionList,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::{KafkaError, RDKafkaErrorCode},
    types::RDKafkaRespErr,
};
use tokio_postgres::error::SqlState;
use tokio_util::sync::CancellationToken;

use crate::{
    IngestError, IngestSettings,
    claim::{self, PartitionClaim, PartitionWatermarks},
    consumer::unreadable::UnreadableRange,
    errors::DatabaseFailure,
    health::IngestHealth,
    intake::ConsumerIntake,
    lane::LaneMessage,
    metrics::IngestMetrics,
    raw::{PartitionId, RawRecord},
    reader::ReconnectBackoff,
    topics::IngestTopics,
};

/// Time one question for the ends of a partition may take.
const WATERMARK_TIMEOUT: Duration = Duration::from_secs(5);
/// Records that are handed to a lane together, at most.
const HANDED_OVER: usize = 256;
/// A claim is given up after this long: below `max.poll.interval.ms`, after which the group would expel us.
const CLAIM_DEADLINE: Duration = Duration::from_secs(240);

/// What a poll thread and its rebalance callback share.
pub(crate) struct SharedPollState {
    pub(crate) intake: ConsumerIntake,
    pub(crate) settings: Arc<IngestSettings>,
    pub(crate) topics: Arc<IngestTopics>,
    pub(crate) connector: PostgresConnector,
    pub(crate) owner: Arc<str>,
    pub(crate) lanes: Vec<tokio::sync::mpsc::UnboundedSender<LaneMessage>>,
    pub(crate) health: IngestHealth,
    pub(crate) metrics: IngestMetrics,
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) shutdown: CancellationToken,
    /// Partitions the group gives us.
    pub(crate) owned: Mutex<BTreeSet<PartitionId>>,
    /// Those of them that are halted.
    pub(crate) halted: Mutex<BTreeSet<PartitionId>>,
    /// Where reading of each began.
    pub(crate) started: Mutex<BTreeMap<PartitionId, i64>>,
    /// Those that hold something that cannot be read, and are read no further until that is recorded.
    pub(crate) unreadable: Mutex<BTreeMap<PartitionId, (UnreadableRange, Moment)>>,
    /// When the client last said that no broker is left, and why.
    pub(crate) broker_fault: Mutex<BrokerFault>,
    /// Records for each lane that are handed over together.
    pub(crate) waiting: Mutex<Vec<Vec<RawRecord>>>,
    /// Why the thread must end.
    pub(crate) fatal: Mutex<Option<IngestError>>,
}

/// Why partitions are not claimed, by the part that did not do its share.
#[derive(Debug)]
enum ClaimFailure {
    Kafka(String),
    Postgres(Box<DatabaseFailure>),
}

/// The consumer's context.
pub(crate) struct RebalanceContext(pub(crate) Arc<SharedPollState>);

/// Locks, whatever became of whoever held it before.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ClientContext for RebalanceContext {
    fn stats(&self, statistics: Statistics) {
        let shared = &self.0;
        shared.note_brokers(&statistics);
        for (name, topic) in &statistics.topics {
            let Some(index) = shared.topics.index_of(name) else {
                continue;
            };
            for (number, partition) in &topic.partitions {
                let id = PartitionId {
                    topic: index,
                    partition: *number,
                };
                // Behind the last stable offset is what an open transaction may still take back: nobody can read it.
                let end = match partition.ls_offset {
                    stable if stable >= 0 => stable.min(partition.hi_offset),
                    _ => partition.hi_offset,
                };
                if end >= 0 {
                    shared.health.fetched(id, end, partition.next_offset);
                }
            }
        }
        for (id, lag) in shared.health.lags() {
            let labels = [shared.topics.name(id.topic), &id.partition.to_string()];
            shared.metrics.lag_records.with_label_values(&labels).set(lag);
        }
    }

    /// Whether Kafka is away is told by what its client counts: one broker of several, or one connection that a broker
    /// closes, is no fault.
    fn error(&self, error: KafkaError, reason: &str) {
        let mut fault = lock(&self.0.broker_fault);
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AllBrokersDown) => {
                fault.all_are_down();
            }
            Some(
                RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::Resolve
                | RDKafkaErrorCode::OperationTimedOut,
            ) => {
                fault.note_reason(reason);
            }
            _ => {
                if fault.note_reason(reason) {
                    tracing::warn!(%error, why = fault.why(), "kafka client");
                }
            }
        }
    }
}

impl ConsumerContext for RebalanceContext {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, err: RDKafkaRespErr, tpl: &mut TopicPartitionList) {
        let ids = self.0.ids(tpl);
        match err {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                lock(&self.0.owned).extend(&ids);
                self.0.assign(consumer, &ids);
                self.0.health.assignment_done(self.0.intake.number);
            }
            _ => {
                self.0.unassign(consumer, &ids);
                let mut owned = lock(&self.0.owned);
                ids.iter().for_each(|id| {
                    owned.remove(id);
                });
            }
        }
        let (owned, halted) = self.0.health.partitions();
        let gauge = |state: &str, count: usize| {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.0.metrics.partitions.with_label_values(&[state]).set(count);
        };
        gauge("owned", owned);
        gauge("halted", halted);
    }
}

impl SharedPollState {
    /// Who watches Kafka here.
    fn watcher(&self) -> String {
        format!("consumer {}", self.intake.number)
    }

    /// Kafka is away while no broker answers this consumer.
    fn note_brokers(&self, statistics: &Statistics) {
        let brokers = statistics.brokers.values().map(|broker| BrokerState {
            state: &broker.state,
            unanswered: broker.waitresp_cnt,
            silent_us: broker.rxidle,
        });
        lock(&self.broker_fault).note_brokers(brokers, &self.health.kafka, &self.watcher());
    }

    pub(crate) fn ids(&self, tpl: &TopicPartitionList) -> Vec<PartitionId> {
        let elements = tpl.elements();
        let known = elements.iter().filter_map(|element| {
            let topic = self.topics.index_of(element.topic())?;
            Some(PartitionId {
                topic,
                partition: element.partition(),
            })
        });
        known.collect()
    }

    pub(crate) fn list(&self, ids: impl IntoIterator<Item = PartitionId>) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for id in ids {
            list.add_partition(self.topics.name(id.topic), id.partition);
        }
        list
    }

    /// Number of the lane of a partition.
    fn lane(&self, id: PartitionId) -> usize {
        usize::try_from(id.partition).unwrap_or(0) % self.lanes.len().max(1)
    }

    /// Hands a record to its lane, together with others.
    pub(crate) fn hand_over(&self, record: RawRecord) {
        let lane = self.lane(record.partition);
        let mut waiting = lock(&self.waiting);
        if waiting.len() <= lane {
            waiting.resize_with(lane + 1, Vec::new);
        }
        let Some(chunk) = waiting.get_mut(lane) else {
            return;
        };
        chunk.push(record);
        if chunk.len() >= HANDED_OVER {
            let chunk = std::mem::replace(chunk, Vec::with_capacity(HANDED_OVER));
            drop(waiting);
            self.send(lane, LaneMessage::Records(chunk));
        }
    }

    /// Hands over what waits.
    pub(crate) fn flush(&self) {
        let mut waiting = lock(&self.waiting);
        for (lane, chunk) in waiting.iter_mut().enumerate() {
            if !chunk.is_empty() {
                self.send(lane, LaneMessage::Records(std::mem::take(chunk)));
            }
        }
    }

    /// Tells the lane of a partition what happens to it, after all records that came before.
    pub(crate) fn notify_lane(&self, id: PartitionId, message: LaneMessage) {
        self.flush();
        self.send(self.lane(id), message);
    }

    fn send(&self, lane: usize, message: LaneMessage) {
        if let Some(lane) = self.lanes.get(lane) {
            let _ = lane.send(message);
        }
    }

    /// Claims partitions and begins to read them.
    pub(crate) fn assign(&self, consumer: &BaseConsumer<RebalanceContext>, ids: &[PartitionId]) {
        let claims = match self.claim(consumer, ids) {
            Ok(claims) => claims,
            Err(error) => {
                tracing::error!(error = %error, "partitions could not be claimed");
                *lock(&self.fatal) = Some(error);
                Vec::new()
            }
        };
        let mut list = TopicPartitionList::new();
        let (mut halted, mut running) = (Vec::new(), Vec::new());
        for claim in claims {
            let topic = self.topics.name(claim.id.topic);
            // The list is checked by type, not by content.
            // A halted partition is not read; its end is an offset that certainly exists.
            let start = if claim.halted.is_some() {
                claim.high
            } else {
                claim.start_offset
            };
            let _ = list.add_partition_offset(topic, claim.id.partition, Offset::Offset(start));
            self.health
                .assigned(claim.id, claim.next_offset, claim.high, claim.halted.is_some());
            if let Some((from, to)) = claim.gap {
                self.metrics.gaps.inc();
                self.metrics
                    .gap_records
                    .inc_by(u64::try_from(to - from).unwrap_or_default());
                tracing::error!(
                    topic,
                    partition = claim.id.partition,
                    from,
                    to,
                    "gap: records were deleted from Kafka before they were read"
                );
            }
            if let Some(why) = &claim.halted {
                tracing::error!(
                    topic,
                    partition = claim.id.partition,
                    why,
                    "a partition is halted"
                );
                lock(&self.halted).insert(claim.id);
                halted.push(claim.id);
                continue;
            }
            lock(&self.halted).remove(&claim.id);
            lock(&self.started).insert(claim.id, start);
            running.push(claim.id);
            tracing::debug!(
                topic,
                partition = claim.id.partition,
                next_offset = claim.next_offset,
                start_offset = claim.start_offset,
                owner_epoch = claim.owner_epoch,
                "partition claimed"
            );
            self.notify_lane(claim.id, LaneMessage::Claimed(claim));
        }
        self.log_claimed(&running);
        if let Err(error) = consumer.incremental_assign(&list) {
            tracing::error!(%error, "assign partitions");
            *lock(&self.fatal) = Some(IngestError::Kafka {
                action: "assign partitions".to_owned(),
                source: error,
            });
        }
        if !halted.is_empty()
            && let Err(error) = consumer.pause(&self.list(halted))
        {
            tracing::warn!(%error, "pause halted partitions");
        }
        // A pause outlives an assignment.
        if !running.is_empty()
            && let Err(error) = consumer.resume(&self.list(running))
        {
            tracing::warn!(%error, "resume claimed partitions");
        }
    }

    /// One line a topic; each partition's offsets stand in `ledger.ingest_partition`.
    fn log_claimed(&self, claimed: &[PartitionId]) {
        let mut topics: BTreeMap<usize, Vec<i32>> = BTreeMap::new();
        for id in claimed {
            topics.entry(id.topic).or_default().push(id.partition);
        }
        for (topic, partitions) in topics {
            let topic = self.topics.name(topic);
            tracing::info!(topic, ?partitions, "partitions claimed");
        }
    }

    /// Gives partitions up.
    pub(crate) fn unassign(&self, consumer: &BaseConsumer<RebalanceContext>, ids: &[PartitionId]) {
        for id in ids {
            self.health.revoked(*id);
            lock(&self.halted).remove(id);
            lock(&self.started).remove(id);
            lock(&self.unreadable).remove(id);
            self.notify_lane(*id, LaneMessage::Revoked(*id));
        }
        let assigned = consumer
            .assignment()
            .map(|list| self.ids(&list))
            .unwrap_or_default();
        let ours = ids.iter().copied().filter(|id| assigned.contains(id));
        if let Err(error) = consumer.incremental_unassign(&self.list(ours)) {
            tracing::warn!(%error, "unassign partitions");
        }
    }

    fn claim(
        &self,
        consumer: &BaseConsumer<RebalanceContext>,
        ids: &[PartitionId],
    ) -> Result<Vec<PartitionClaim>, IngestError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let begin = Moment::now();
        let mut backoff = ReconnectBackoff::default();
        loop {
            let who = format!("claim {}", self.intake.number);
            let failure = match self.try_claim(consumer, ids) {
                Ok(claims) => {
                    self.health.claim_failed(self.intake.number, None);
                    self.health.kafka.answered(&who);
                    self.health.postgres.answered(&who);
                    return Ok(claims);
                }
                Err(failure) => failure,
            };
            let why = match failure {
                ClaimFailure::Kafka(why) => {
                    self.health.kafka.failed(&who, &why);
                    why
                }
                ClaimFailure::Postgres(failure) => {
                    self.health.kafka.answered(&who);
                    let why = format!("claim partitions: {}", failure.explain());
                    if failure.disposition().is_outage() {
                        self.health.postgres.failed(&who, &why);
                    } else {
                        tracing::warn!(why, "claim failed; retrying");
                    }
                    why
                }
            };
            self.health.claim_failed(self.intake.number, Some(why));
            self.health.ticked(self.intake.number);
            if begin.elapsed() > CLAIM_DEADLINE {
                self.health.kafka.answered(&who);
                self.health.postgres.answered(&who);
                return Err(IngestError::ClaimDeadline(CLAIM_DEADLINE.as_secs()));
            }
            if self.runtime.block_on(backoff.wait(&self.shutdown)).is_err() {
                return Ok(Vec::new());
            }
        }
    }

    fn try_claim(
        &self,
        consumer: &BaseConsumer<RebalanceContext>,
        ids: &[PartitionId],
    ) -> Result<Vec<PartitionClaim>, ClaimFailure> {
        let mut wanted = Vec::new();
        for id in ids {
            let topic = self.topics.name(id.topic);
            let marks = consumer.fetch_watermarks(topic, id.partition, WATERMARK_TIMEOUT);
            let (low, high) = marks.map_err(|error| {
                // The client asks whom it holds for the leader. That broker may be lost, and while nothing is read
                // of the partition nobody tells the client who leads now.
                let _ = consumer.fetch_metadata(Some(topic), WATERMARK_TIMEOUT);
                let fault = lock(&self.broker_fault).why().to_owned();
                let why = if fault.is_empty() {
                    error.to_string()
                } else {
                    fault
                };
                ClaimFailure::Kafka(format!("ask for the ends of {topic}:{}: {why}", id.partition))
            })?;
            wanted.push((*id, PartitionWatermarks { low, high }));
        }
        self.runtime.block_on(async {
            let mut client = self
                .connector
                .connect("fleetledger-ingest-claim")
                .await
                .map_err(|error| ClaimFailure::Postgres(Box::new(DatabaseFailure::of(&error.source))))?;
            let policy = self.settings.gap_policy;
            let claimed = claim::claim(&mut client, &self.topics, &self.owner, policy, &wanted).await;
            if let Err(error) = &claimed
                && error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE)
            {
                claim::end_silent_owners(&client).await;
            }
            claimed.map_err(|error| ClaimFailure::Postgres(Box::new(DatabaseFailure::of(&error))))
        })
    }
}
