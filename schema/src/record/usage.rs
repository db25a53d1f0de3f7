//! What the containers of one node used in one window of time.

use serde::{Deserialize, Serialize};

use crate::instant::Instant;

/// Microseconds of a minute.
const MINUTE_MICROS: i64 = 60_000_000;
/// Microseconds of an hour.
const HOUR_MICROS: i64 = 60 * MINUTE_MICROS;

/// What the containers of one node used in one aligned window of time. It is no object: nothing stands by its key, and
/// windows are added up.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Kubernetes uid of the node.
    pub uid: String,
    /// Node name.
    pub node: String,
    /// Begin of the window: a whole UTC minute.
    pub window_start_at: Instant,
    /// End of the window, exclusive: a whole UTC minute of the same hour, or the end of that hour.
    pub window_end_at: Instant,
    /// Where it was read: kubelet, proxy, metrics-api or simulate.
    pub source: String,
    /// Containers of which anything is known, sorted by pod uid and name.
    pub containers: Vec<ContainerUsage>,
}

/// What one container used in the window.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerUsage {
    /// Kubernetes uid of the pod.
    pub uid: String,
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
    /// Container name.
    pub container: String,
    /// Time of the window for which CPU and memory are known, in milliseconds.
    pub covered_ms: i64,
    /// CPU used in the covered time, in core-microseconds.
    pub cpu_core_us: i64,
    /// Memory (working set) used in the covered time, in byte-seconds.
    pub memory_byte_seconds: i64,
    /// Sum of max(request, usage) over the covered time, in core-microseconds; a missing request counts as 0.
    pub cpu_charged_core_us: i64,
    /// The same for memory, in byte-seconds.
    pub memory_charged_byte_seconds: i64,
    /// Highest CPU between two readings, in thousandths of a core.
    pub cpu_max_millicores: i64,
    /// Highest memory read, in bytes.
    pub memory_max_bytes: i64,
    /// CPU request at the end of the covered time, in thousandths of a core; null = not set.
    pub request_cpu_millicores: Option<i64>,
    /// Memory request at the end of the covered time, in bytes; null = not set.
    pub request_memory_bytes: Option<i64>,
    /// Time of the window for which GPU usage is known, in milliseconds.
    pub gpu_covered_ms: i64,
    /// GPUs used in that time, in card-microseconds; null = not seen.
    pub gpu_used_card_us: Option<i64>,
}

impl Usage {
    /// Begin of the window's UTC hour.
    #[must_use]
    pub fn hour_at(&self) -> Instant {
        Instant(self.window_start_at.0 - self.window_start_at.0.rem_euclid(HOUR_MICROS))
    }

    /// The minutes of that hour the window covers, bit 0 being the first; `None` if it is not made of whole minutes of
    /// one hour.
    #[must_use]
    pub fn minutes(&self) -> Option<i64> {
        let from = self.window_start_at.0.rem_euclid(HOUR_MICROS);
        let length = self.window_end_at.0.checked_sub(self.window_start_at.0)?;
        let whole = from % MINUTE_MICROS == 0 && length % MINUTE_MICROS == 0;
        if !whole || length <= 0 || length > HOUR_MICROS - from {
            return None;
        }
        let (first, count) = (from / MINUTE_MICROS, length / MINUTE_MICROS);
        Some(((1_i64 << count) - 1) << first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(start: i64, end: i64) -> Option<i64> {
        let hour = 491_520 * HOUR_MICROS;
        let usage = Usage {
            window_start_at: Instant(hour + start),
            window_end_at: Instant(hour + end),
            ..Usage::default()
        };
        assert_eq!(usage.hour_at(), Instant(hour));
        usage.minutes()
    }

    #[test]
    fn a_window_is_whole_minutes_of_one_hour() {
        assert_eq!(minutes(0, MINUTE_MICROS), Some(1));
        assert_eq!(minutes(5 * MINUTE_MICROS, 10 * MINUTE_MICROS), Some(0b11111 << 5));
        assert_eq!(minutes(0, HOUR_MICROS), Some((1 << 60) - 1));
        assert_eq!(minutes(59 * MINUTE_MICROS, HOUR_MICROS), Some(1 << 59));
        for (start, end) in [
            (0, 0),
            (MINUTE_MICROS, 0),
            (1, MINUTE_MICROS + 1),
            (0, MINUTE_MICROS + 1),
            (59 * MINUTE_MICROS, HOUR_MICROS + MINUTE_MICROS),
        ] {
            assert_eq!(minutes(start, end), None, "{start} {end}");
        }
    }
}
