//! Usage of a simulated cluster on a clock of its own.

use fleetledger_schema::{instant::Instant, record::Usage};

use super::{
    ClusterUsageReader, Roster, SECOND_MICROS, UsageSettings, integrate::Integrator, reading::NodeReading,
};

/// Reads a simulated cluster as [`super::UsageCollector`] does, at instants that are given.
pub(crate) struct PastUsage {
    integrator: Integrator,
    roster: Roster,
    interval_micros: i64,
    next_at: Instant,
}

impl PastUsage {
    pub(crate) fn new(settings: &UsageSettings, roster: Roster) -> Self {
        let seconds = |seconds: u64| {
            i64::try_from(seconds)
                .unwrap_or(i64::MAX)
                .saturating_mul(SECOND_MICROS)
        };
        Self {
            integrator: Integrator::new(
                i64::from(settings.window_minutes) * 60 * SECOND_MICROS,
                seconds(settings.gap_seconds),
                seconds(2 * settings.interval_seconds),
                "simulate",
            ),
            roster,
            interval_micros: seconds(settings.interval_seconds),
            next_at: Instant(0),
        }
    }

    /// Reads if it is time to; returns the windows that are complete.
    pub(crate) fn pass_time(&mut self, cluster: &impl ClusterUsageReader, now: Instant) -> Vec<Usage> {
        if now < self.next_at {
            return Vec::new();
        }
        self.next_at = now.plus_micros(self.interval_micros);
        let (mut by_node, mut gpus) = cluster.read_usage(now);
        for target in self.roster.nodes() {
            let reading = NodeReading {
                at: now,
                samples: by_node.remove(&*target.node),
                gpus: gpus.remove(&*target.node),
            };
            self.integrator.take(&target, &reading, &self.roster);
        }
        self.integrator.close(now)
    }
}
