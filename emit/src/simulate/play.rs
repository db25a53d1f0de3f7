//! The past of a simulated cluster, written to its logs: hours are played in seconds, and a live emitter goes on with them.
//!
//! Records carry the instants at which the emitter would have seen what they say. Each change is sent before time moves on,
//! so that history holds what a live emitter would have left.

use std::time::Duration;

use fleetledger_schema::{instant::Instant, key::RecordSource, kind::RecordKind};
use prometheus::Registry;
use rdkafka::ClientConfig;

use super::{SimulateSettings, Simulation, history::SimulatedHistory};
use crate::{
    emitter::log_placements,
    error::EmitError,
    health::EmitterHealth,
    metrics::EmitMetrics,
    outbox::{Outbox, logs_of},
    producer::LogProducer,
    read_back::ReadBack,
    refusal::BATCH_BYTES,
    settings::EmitSettings,
    signer::RecordSigner,
    source::ObjectSource,
    usage::PastUsage,
};

/// Time between two marks, in microseconds of the simulated clock.
const MARK_MICROS: i64 = 60_000_000;
/// The longest wait for an acknowledgement before deliveries are looked at again.
const TURN: Duration = Duration::from_millis(50);

/// A simulated cluster whose past is being written.
pub struct HistoryWriter {
    history: SimulatedHistory,
    usage: Option<PastUsage>,
    outbox: Outbox,
    next_mark: Instant,
    window_bytes: usize,
    largest_window: usize,
}

impl HistoryWriter {
    /// A cluster as it is at `from`, which is written to its logs as one sweep.
    ///
    /// # Errors
    /// Settings that an emitter refuses; a Kafka that cannot be reached.
    pub async fn begin(
        settings: &EmitSettings,
        simulate: &SimulateSettings,
        kafka: &ClientConfig,
        from: Instant,
    ) -> Result<Self, EmitError> {
        settings.check()?;
        let signer = RecordSigner::read(&settings.identity)?;
        let health = EmitterHealth::new();
        let metrics = EmitMetrics::register(&Registry::new(), &settings.datacenter, &settings.cluster)?;
        let history = SimulatedHistory::begin(settings, simulate, from)?;
        let name = RecordSource::new(&settings.datacenter, &settings.cluster, history.cluster_uid())
            .map_err(|error| EmitError::settings("datacenter, cluster", error.to_string()))?;
        let places = {
            let (settings, kafka, name) = (settings.clone(), kafka.clone(), name.clone());
            let asked = tokio::task::spawn_blocking(move || {
                log_placements(&settings, &kafka, &name, &RecordKind::TOPICS)
            });
            asked
                .await
                .map_err(|error| EmitError::Internal(error.to_string()))?
                .map_err(|(_, error)| EmitError::KafkaClient(error))?
        };
        let epoch = Instant::now().0;
        let mut logs = logs_of(&name, epoch, settings.shards, &places, &ReadBack::nothing());
        logs.iter_mut().for_each(|log| log.set_origin("simulate"));
        let producer = LogProducer::new(
            kafka,
            settings.buffer_records,
            settings.in_flight_bytes(),
            BATCH_BYTES,
            signer,
            health.clone(),
            metrics.clone(),
        )
        .map_err(EmitError::KafkaClient)?;
        let mut writer = Self {
            usage: simulate
                .usage
                .then(|| PastUsage::new(&settings.usage, history.roster())),
            largest_window: history.fleet.largest(RecordKind::Usage),
            window_bytes: settings.window_bytes(),
            history,
            outbox: Outbox::new(logs, producer, metrics, health),
            next_mark: from.plus_micros(MARK_MICROS),
        };
        writer.history.fleet.ready.clear();
        for kind in RecordKind::ALL {
            writer.outbox.queue_sweep(kind, &format!("{epoch}-1"), |_| 0);
        }
        writer.send().await?;
        Ok(writer)
    }

    /// Lets the cluster live until `to`, and writes what happens.
    ///
    /// # Errors
    /// A record that Kafka does not take.
    pub async fn advance(&mut self, to: Instant) -> Result<(), EmitError> {
        while self.history.at < to {
            self.history.step(to);
            for uid in std::mem::take(&mut self.history.fleet.ready) {
                self.outbox.queue(&uid, &mut self.history.fleet.memory);
            }
            let now = self.history.at;
            if let Some(usage) = &mut self.usage {
                for window in usage.pass_time(&self.history, now) {
                    self.outbox
                        .queue_window(&window, self.largest_window, self.window_bytes);
                }
            }
            if now >= self.next_mark {
                self.next_mark = now.plus_micros(MARK_MICROS);
                self.outbox.mark();
            }
            self.send().await?;
        }
        Ok(())
    }

    /// Where the simulated clock stands.
    #[must_use]
    pub fn at(&self) -> Instant {
        self.history.at
    }

    /// Writes a last mark and waits until Kafka has everything; the cluster then lives on as a source, with so many changes a
    /// second.
    ///
    /// # Errors
    /// A record that Kafka does not take.
    pub async fn finish(mut self, changes_per_second: f64) -> Result<ObjectSource, EmitError> {
        self.outbox.mark();
        self.send().await?;
        let acknowledged = self.outbox.producer.acknowledged();
        while !self.outbox.is_empty() {
            tokio::time::timeout(TURN, acknowledged.notified()).await.ok();
            self.look_at_deliveries()?;
        }
        let has_usage = self.usage.is_some();
        self.history.world.settings.changes_per_second = changes_per_second;
        Ok(ObjectSource::Simulated(
            Simulation::of(self.history.world),
            has_usage,
        ))
    }

    /// Sends all that waits.
    async fn send(&mut self) -> Result<(), EmitError> {
        let acknowledged = self.outbox.producer.acknowledged();
        loop {
            self.outbox.drain(&mut self.history.fleet.memory, self.history.at);
            self.look_at_deliveries()?;
            if self.outbox.producer.has_room() {
                return Ok(());
            }
            tokio::time::timeout(TURN, acknowledged.notified()).await.ok();
        }
    }

    fn look_at_deliveries(&mut self) -> Result<(), EmitError> {
        self.outbox
            .check_deliveries(&mut self.history.fleet.memory)
            .map_err(|failure| EmitError::Refused(failure.explain(Instant::now())))
    }
}
