//! From the start of an emitter to its end: check, connect, lead, leadership term, and again.

use std::{sync::Arc, time::Duration};

use fleetledger_schema::{
    backoff::DoublingBackoff, instant::Instant, key::RecordSource as SourceName, kind::RecordKind,
    record::Usage, renewable::Renewable,
};
use rdkafka::{ClientConfig, error::KafkaError};
use tokio::{sync::mpsc, task::JoinSet, time::Instant as Tick};
use tokio_util::sync::CancellationToken;

use crate::{
    error::EmitError,
    fleet::ObservedFleet,
    health::{EmitterHealth, EmitterSummary},
    leadership::{LeadershipLease, next_epoch},
    log::RecordLog,
    log_watch::{LogWatch, WatchedSource},
    metrics::EmitMetrics,
    outbox::{Outbox, logs_of},
    pipeline::{LeadershipTerm, TermEnd},
    probe::probe,
    producer::LogProducer,
    read_back::{LogPlacement, ReadBack, read_back},
    refusal::{
        BATCH_BYTES, DeliveryFailure, FIRST_PAUSE, LONGEST_PAUSE, RefusalCause, STEADY, smaller_batches,
    },
    resource::SourceEvent,
    settings::EmitSettings,
    signer::RecordSigner,
    simulate::Simulation,
    source::{ObjectSource, SourceFeed, dump::ClusterDump, watch::ClusterWatcher},
    topic_limit::TopicLimits,
    usage::{UsageBackend, UsageCollector},
};

/// Events that wait between source and pipeline; a full channel makes the watches wait.
const EVENTS: usize = 256;
/// Windows of usage that wait between collector and pipeline.
const WINDOWS: usize = 1024;
/// Pause before an attempt is repeated.
const RETRY_DELAY: Duration = Duration::from_secs(2);
/// Who watches Kafka while the logs are read back.
const READ_BACK: &str = "read back";
/// How long Kafka has for an answer about a topic.
const METADATA_TIMEOUT: Duration = Duration::from_secs(10);

/// Emits one cluster until `shutdown`, or until the source ends. `kafka` says how brokers are reached and proves who
/// we are, and is read anew when files of it change; everything else of the producer is set here.
///
/// # Errors
/// Only what cannot pass by itself, see [`EmitError`]; the rest is retried and shows in `health`.
pub async fn run(
    settings: EmitSettings,
    source: ObjectSource,
    kafka: impl Into<Renewable<ClientConfig>>,
    registry: &prometheus::Registry,
    health: EmitterHealth,
    shutdown: CancellationToken,
) -> Result<EmitterSummary, EmitError> {
    settings.check()?;
    let signer = RecordSigner::read(&settings.identity)?;
    let metrics = EmitMetrics::register(registry, &settings.datacenter, &settings.cluster)?;
    health.update(|summary| {
        summary.datacenter.clone_from(&settings.datacenter);
        summary.cluster.clone_from(&settings.cluster);
    });
    let usage = &settings.usage;
    let (feed, leadership, backend) = match source {
        ObjectSource::Watch { client } => {
            let leadership = LeadershipLease::new(client.clone(), &settings.leadership);
            let backend = UsageBackend::of_cluster(usage.source, &client);
            (
                SourceFeed::Watch(ClusterWatcher::new(client, &settings)),
                Some(Arc::new(leadership)),
                backend,
            )
        }
        ObjectSource::Dump(place) => {
            let dump = ClusterDump::read(&place)?;
            health.update(|summary| summary.passed_over = dump.passed_over().to_vec());
            (SourceFeed::Dump(dump), None, None)
        }
        ObjectSource::Simulate(simulate) => {
            let simulation =
                Simulation::new(&simulate, &settings.datacenter, &settings.cluster, Instant::now());
            simulated(simulation, simulate.usage)
        }
        ObjectSource::Simulated(simulation, usage) => simulated(simulation, usage),
    };
    let collector = backend.map(|eyes| UsageCollector::new(usage, eyes, metrics.clone()));
    let collector = collector.transpose()?.map(Arc::new);
    let emitter = ClusterEmitter {
        settings,
        kafka: kafka.into(),
        feed,
        collector,
        leadership,
        signer,
        metrics,
        health: health.clone(),
        shutdown,
    };
    let outcome = Box::pin(emitter.run()).await;
    health.stopped();
    outcome.map(|()| health.summary())
}

fn simulated(
    simulation: Simulation,
    usage: bool,
) -> (SourceFeed, Option<Arc<LeadershipLease>>, Option<UsageBackend>) {
    let backend = usage.then(|| UsageBackend::Simulated(Box::new(simulation.clone())));
    (SourceFeed::Simulate(simulation), None, backend)
}

struct ClusterEmitter {
    settings: EmitSettings,
    kafka: Renewable<ClientConfig>,
    feed: SourceFeed,
    /// Reads usage, where it is read.
    collector: Option<Arc<UsageCollector>>,
    leadership: Option<Arc<LeadershipLease>>,
    signer: RecordSigner,
    metrics: EmitMetrics,
    health: EmitterHealth,
    shutdown: CancellationToken,
}

impl ClusterEmitter {
    async fn run(&self) -> Result<(), EmitError> {
        loop {
            self.health.starting("reading the cluster's identity");
            let Some(uid) = self.retry("cluster identity", || self.feed.cluster_uid()).await else {
                return Ok(());
            };
            let name = SourceName::new(&self.settings.datacenter, &self.settings.cluster, &uid)
                .map_err(|error| EmitError::settings("datacenter, cluster", error.to_string()))?;
            self.health.update(|summary| summary.cluster_uid.clone_from(&uid));
            match self.lead(&name).await? {
                TermEnd::Deposed => tracing::warn!(cluster = %name, "no longer the leader; standing by"),
                TermEnd::Done | TermEnd::NewEpoch(_) | TermEnd::Overtaken(_) | TermEnd::Renewed => {
                    return Ok(());
                }
            }
        }
    }

    /// Waits for leadership, then emits until it ends.
    async fn lead(&self, name: &SourceName) -> Result<TermEnd, EmitError> {
        let (deposed, stop) = (CancellationToken::new(), self.shutdown.child_token());
        let mut epoch = Instant::now().0;
        let mut renewal = JoinSet::new();
        let finish = CancellationToken::new();
        if let Some(leadership) = &self.leadership {
            let Some(taken) = leadership.acquire(&stop, &self.health).await else {
                return Ok(TermEnd::Done);
            };
            epoch = taken;
            let (leadership, deposed, finish) = (leadership.clone(), deposed.clone(), finish.clone());
            renewal.spawn(async move { leadership.hold(&deposed, &finish).await });
        }
        self.metrics.leader.set(1);
        let end = match self.retry("cluster identity", || self.feed.cluster_uid()).await {
            None => Ok(TermEnd::Done),
            // Built anew at the same address, perhaps while this emitter stood by: it is another cluster.
            Some(uid) if uid != name.cluster_uid => Ok(TermEnd::Deposed),
            Some(_) => self.emit(name, epoch, &deposed).await,
        };
        self.metrics.leader.set(0);
        finish.cancel();
        while renewal.join_next().await.is_some() {}
        if let (Some(leadership), Ok(TermEnd::Done)) = (&self.leadership, &end) {
            leadership.release().await;
        }
        end
    }

    /// One source run, over as many epochs as it takes.
    async fn emit(
        &self,
        name: &SourceName,
        first_epoch: i64,
        deposed: &CancellationToken,
    ) -> Result<TermEnd, EmitError> {
        let (sender, mut events) = mpsc::channel::<SourceEvent>(EVENTS);
        let (complete, mut windows) = mpsc::channel::<Usage>(WINDOWS);
        let mut tasks = JoinSet::new();
        let mut fleet = ObservedFleet::new(
            &self.settings,
            self.feed.is_dump(),
            self.collector.as_ref().map(|collector| collector.roster.clone()),
            self.metrics.clone(),
            self.health.clone(),
        )?;
        let mut epoch = first_epoch;
        let (mut started, mut finished) = (false, false);
        let mut backoff = DoublingBackoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let mut batch_bytes = BATCH_BYTES;
        let mut limits = TopicLimits::default();
        loop {
            let Some((places, held)) = self.read_logs(name, deposed).await else {
                return Ok(if deposed.is_cancelled() {
                    TermEnd::Deposed
                } else {
                    TermEnd::Done
                });
            };
            // A clock that is behind loses nothing: the log itself knows the last epoch.
            let needed = held.highest_epoch.saturating_add(1);
            if needed > epoch {
                epoch = needed;
                if !self.raise_epoch(epoch).await {
                    return Ok(TermEnd::Deposed);
                }
            }
            if !std::mem::replace(&mut started, true) {
                self.feed.start(&mut tasks, &name.cluster_uid, sender.clone());
                let signer = self.signer.clone();
                tasks.spawn(async move { signer.follow().await });
                if let Some(collector) = &self.collector {
                    tasks.spawn(collector.clone().run(complete.clone()));
                }
            }
            let (version, kafka) = self.kafka.newest_with_version();
            limits.ask(&kafka, &places).await;
            fleet.limit(&limits);
            let producer = self.producer(batch_bytes.min(limits.batch_bytes()))?;
            let mut logs = logs_of(name, epoch, self.settings.shards, &places, &held);
            logs.iter_mut().for_each(|log| log.set_origin(self.feed.name()));
            let outbox = Outbox::new(logs, producer, self.metrics.clone(), self.health.clone());
            self.metrics.epoch.set(epoch);
            self.health.update(|summary| summary.epoch = epoch);
            self.health.leading();
            tracing::info!(cluster = %name, epoch, known = held.objects.len(), "epoch begins");
            let watch = match self.feed.is_dump() {
                // What is sent once is over before anybody can overtake it.
                true => None,
                false => Some(self.watch_logs(name, epoch, &places, &held)?),
            };
            let term = LeadershipTerm {
                watch,
                settings: &self.settings,
                name: name.clone(),
                kafka: &kafka,
                newer_kafka: (&self.kafka, version),
                feed: &self.feed,
                fleet: &mut fleet,
                outbox,
                read_back: held,
                placements: places.clone(),
                events: &mut events,
                windows: &mut windows,
                sender: sender.clone(),
                finished: &mut finished,
                metrics: &self.metrics,
                health: &self.health,
            };
            let began = Tick::now();
            match Box::pin(term.run(&self.shutdown, deposed)).await {
                TermEnd::NewEpoch(failure) => {
                    if self.feed.is_dump() && failure.refusal().is_some() {
                        return Err(EmitError::Refused(failure.explain(Instant::now())));
                    }
                    if began.elapsed() > STEADY {
                        backoff.reset();
                    }
                    if failure.refusal() == Some(RefusalCause::Size) {
                        limits.learn(&failure, &places, batch_bytes.min(limits.batch_bytes()));
                        batch_bytes = smaller_batches(batch_bytes);
                    }
                    let refused = RefusedEpoch {
                        name,
                        epoch,
                        places: &places,
                    };
                    if !self
                        .wait_until_taken(&refused, failure, &mut backoff, deposed)
                        .await?
                    {
                        return Ok(if deposed.is_cancelled() {
                            TermEnd::Deposed
                        } else {
                            TermEnd::Done
                        });
                    }
                    tracing::warn!(cluster = %name, "a new epoch begins after a failed delivery");
                    epoch = next_epoch(Instant::now(), epoch);
                    if !self.raise_epoch(epoch).await {
                        return Ok(TermEnd::Deposed);
                    }
                }
                TermEnd::Overtaken(seen) => {
                    self.metrics.overtaken.inc();
                    let pause = backoff.failed(rand::random());
                    tracing::error!(cluster = %name, epoch, seen, pause_seconds = pause.as_secs_f64(),
                        "another producer writes in this cluster's name, although this emitter holds the \
                         Lease; a higher epoch begins after a pause");
                    let why = "another producer writes in this cluster's name";
                    if !self.pause(pause, why, deposed).await {
                        return Ok(if deposed.is_cancelled() {
                            TermEnd::Deposed
                        } else {
                            TermEnd::Done
                        });
                    }
                    epoch = next_epoch(Instant::now(), epoch.max(seen));
                    // Whoever took the lease meanwhile has deposed us in good order.
                    if !self.raise_epoch(epoch).await {
                        return Ok(TermEnd::Deposed);
                    }
                }
                TermEnd::Renewed => {
                    tracing::info!(cluster = %name, "a new epoch begins with the newest secrets and certificates");
                    epoch = next_epoch(Instant::now(), epoch);
                    if !self.raise_epoch(epoch).await {
                        return Ok(TermEnd::Deposed);
                    }
                }
                end => return Ok(end),
            }
        }
    }

    /// Watches for records in this cluster's name that it did not write.
    fn watch_logs(
        &self,
        name: &SourceName,
        epoch: i64,
        places: &[LogPlacement],
        held: &ReadBack,
    ) -> Result<LogWatch, EmitError> {
        let source = WatchedSource {
            cluster_uid: name.cluster_uid.clone(),
            epoch,
            signer: self.signer.clone(),
            metrics: self.metrics.clone(),
        };
        LogWatch::start(&self.kafka.newest(), source, places, &held.next_offsets)
            .map_err(EmitError::KafkaClient)
    }

    /// Kinds of the logs that are written.
    fn kinds(&self) -> Vec<RecordKind> {
        let written = |kind: &RecordKind| match kind.is_object() {
            true => self.feed.names(*kind),
            false => self.collector.is_some(),
        };
        RecordKind::TOPICS.into_iter().filter(written).collect()
    }

    fn producer(&self, batch_bytes: usize) -> Result<LogProducer, EmitError> {
        LogProducer::new(
            &self.kafka.newest(),
            self.settings.buffer_records,
            self.settings.in_flight_bytes(),
            batch_bytes,
            self.signer.clone(),
            self.health.clone(),
            self.metrics.clone(),
        )
        .map_err(EmitError::KafkaClient)
    }

    /// Pauses after a failed delivery. Where the brokers refuse records, the pauses go on, not ready, until they take one
    /// again. False at shutdown, or if another emitter leads.
    async fn wait_until_taken(
        &self,
        epoch: &RefusedEpoch<'_>,
        mut failure: DeliveryFailure,
        backoff: &mut DoublingBackoff,
        deposed: &CancellationToken,
    ) -> Result<bool, EmitError> {
        loop {
            let (why, pause) = (failure.explain(Instant::now()), backoff.failed(rand::random()));
            tracing::error!(
                cluster = %epoch.name, why, pause_seconds = pause.as_secs_f64(),
                "delivery failed; it is retried after a pause"
            );
            if !self.pause(pause, &why, deposed).await {
                return Ok(false);
            }
            if failure.refusal().is_none() {
                return Ok(true);
            }
            let Some(log) = epoch.log_of(&failure) else {
                return Ok(true);
            };
            match probe(log, self.producer(BATCH_BYTES)?).await {
                Ok(()) => return Ok(true),
                // What cannot be asked is still refused.
                Err(answer) if answer.refusal().is_none() => {
                    tracing::warn!(cluster = %epoch.name, %answer, "kafka does not answer");
                }
                Err(answer) => failure = answer,
            }
        }
    }

    /// Waits, not ready; false if it was cut short.
    async fn pause(&self, pause: Duration, why: &str, deposed: &CancellationToken) -> bool {
        let until = Tick::now() + pause;
        loop {
            // It lives, though it does not send.
            self.health.starting(&format!("kafka: {why}"));
            let left = until.saturating_duration_since(Tick::now());
            if left.is_zero() {
                return true;
            }
            tokio::select! {
                () = self.shutdown.cancelled() => return false,
                () = deposed.cancelled() => return false,
                () = tokio::time::sleep(left.min(RETRY_DELAY)) => {}
            }
        }
    }

    async fn raise_epoch(&self, epoch: i64) -> bool {
        match &self.leadership {
            Some(leadership) => leadership.raise(epoch).await.unwrap_or(false),
            None => true,
        }
    }

    /// Finds the partitions of this cluster's logs and what they hold; waits for Kafka as long as it takes.
    async fn read_logs(
        &self,
        name: &SourceName,
        deposed: &CancellationToken,
    ) -> Option<(Vec<LogPlacement>, ReadBack)> {
        self.health.starting("reading the logs back from kafka");
        loop {
            let (settings, kafka) = (self.settings.clone(), self.kafka.newest());
            let (name, health, signer) = (name.clone(), self.health.clone(), self.signer.clone());
            let kinds = self.kinds();
            let mut task = JoinSet::new();
            task.spawn_blocking(move || {
                let places = log_placements(&settings, &kafka, &name, &kinds)?;
                let held = read_back(&kafka, &name, &places, &signer, &health)
                    .map_err(|error| ("reading the logs back".to_owned(), error))?;
                Ok::<_, (String, KafkaError)>((places, held))
            });
            let outcome = tokio::select! {
                outcome = task.join_next() => outcome,
                () = self.shutdown.cancelled() => return None,
                () = deposed.cancelled() => {
                    self.health.kafka.answered(READ_BACK);
                    return None;
                }
            };
            match outcome {
                Some(Ok(Ok(read))) => {
                    self.health.kafka.answered(READ_BACK);
                    return Some(read);
                }
                Some(Ok(Err((what, error)))) => {
                    self.health.kafka.failed(READ_BACK, &format!("{what}: {error}"));
                    self.health.starting(&format!("kafka: {what}: {error}"));
                }
                Some(Err(error)) => tracing::error!(%error, "reading back failed; retrying"),
                None => {}
            }
            if self.wait_before_retry().await {
                return None;
            }
        }
    }

    /// Repeats until it succeeds; `None` at shutdown.
    async fn retry<T, F, A>(&self, what: &str, attempt: A) -> Option<T>
    where
        F: Future<Output = Result<T, String>>,
        A: Fn() -> F,
    {
        loop {
            let tried = tokio::select! {
                tried = attempt() => tried,
                () = self.shutdown.cancelled() => return None,
            };
            match tried {
                Ok(value) => return Some(value),
                Err(why) => {
                    tracing::warn!(what, why, "retried");
                    self.health.starting(&format!("{what}: {why}"));
                }
            }
            if self.wait_before_retry().await {
                return None;
            }
        }
    }

    /// True at shutdown.
    async fn wait_before_retry(&self) -> bool {
        tokio::select! {
            () = self.shutdown.cancelled() => true,
            () = tokio::time::sleep(RETRY_DELAY) => false,
        }
    }
}

/// An epoch in which a delivery failed.
struct RefusedEpoch<'e> {
    name: &'e SourceName,
    epoch: i64,
    places: &'e [LogPlacement],
}

impl RefusedEpoch<'_> {
    /// The log whose record was refused; the first where that is not known.
    fn log_of(&self, failure: &DeliveryFailure) -> Option<RecordLog> {
        let is_refused = |place: &&LogPlacement| {
            (place.topic.as_str(), place.partition) == (failure.topic.as_str(), failure.partition)
        };
        let place = self.places.iter().find(is_refused).or(self.places.first())?;
        Some(RecordLog::new(
            self.name.clone(),
            place.kind,
            place.shard,
            1,
            place.topic.clone(),
            place.partition,
            self.epoch,
        ))
    }
}

/// Every log of the cluster and the partition it is. Blocks.
pub(crate) fn log_placements(
    settings: &EmitSettings,
    kafka: &ClientConfig,
    name: &SourceName,
    kinds: &[RecordKind],
) -> Result<Vec<LogPlacement>, (String, KafkaError)> {
    let mut places = Vec::new();
    for kind in kinds.iter().copied() {
        let topic = kind.topic(&settings.topic_prefix, settings.topic_suffix.as_deref());
        let partitions = LogProducer::partitions(kafka, &topic, METADATA_TIMEOUT).map_err(|error| {
            (
                format!("topic {topic} (check that it exists and that this user may describe it)"),
                error,
            )
        })?;
        for shard in 0..settings.shards {
            let partition = fleetledger_schema::partition::partition_of(&name.cluster_uid, shard, partitions);
            places.push(LogPlacement {
                kind,
                shard,
                topic: topic.clone(),
                partition,
            });
        }
    }
    Ok(places)
}
