//! Pauses between attempts at what is away.
//!
//! It lives here because emitter and ingester pause alike, and this is the room that both know. It has no clock and
//! makes no random numbers: whoever pauses brings both. What is paused between deliveries to a receiver is another
//! matter (`paging/src/retry.rs`): it counts attempts that PostgreSQL keeps, and the receiver has a say.

use std::time::Duration;

/// Pauses that double from the first to the longest, with jitter so that those who failed together do not come back
/// together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoublingBackoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl DoublingBackoff {
    /// Nothing has failed yet.
    #[must_use]
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            failures: 0,
        }
    }

    /// The pause that is due, without jitter.
    #[must_use]
    pub fn pause(&self) -> Duration {
        let factor = 2_u32.checked_pow(self.failures).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.longest)
    }

    /// Notes a failure; the pause after it is from half of what is due to the whole, by `random` from 0 to below 1.
    pub fn failed(&mut self, random: f64) -> Duration {
        let pause = self.pause().mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0);
        self.failures = self.failures.saturating_add(1);
        pause
    }

    /// Whether nothing has failed since the last success.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.failures == 0
    }

    /// Notes a success: the next pause is the first again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_anew_after_a_success() {
        let mut backoff = DoublingBackoff::new(Duration::from_millis(50), Duration::from_secs(15));
        let mut pauses: Vec<u128> = Vec::new();
        for _ in 0..10 {
            pauses.push(backoff.pause().as_millis());
            backoff.failed(0.0);
        }
        assert_eq!(
            pauses,
            [50, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 15_000]
        );
        for _ in 0..100 {
            assert_eq!(backoff.failed(0.0), Duration::from_millis(7_500));
        }
        assert!(!backoff.is_fresh());
        backoff.reset();
        assert!(backoff.is_fresh());
        assert_eq!(backoff.failed(0.5), Duration::from_micros(37_500));
    }
}
