//! Tokens that nobody has: counted, logged, and answered late.

use std::{
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use prometheus::{IntCounter, Registry};
use tokio::sync::Semaphore;

/// How late a failed login is answered.
const DELAY: Duration = Duration::from_secs(1);
/// Failed logins that wait at a time; further ones are told at once to come back later, and hold no connection.
const WAITING: usize = 32;
/// Between two lines of the log.
const LOG_EVERY: Duration = Duration::from_secs(1);

/// Failed logins of one console.
pub(super) struct FailedLogins {
    count: IntCounter,
    waiting: Semaphore,
    logged: Mutex<FailedLoginLog>,
}

#[derive(Default)]
struct FailedLoginLog {
    at: Option<Instant>,
    /// Since the last line.
    unsaid: u64,
}

/// What becomes of a failed login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LoginRefusal {
    /// It waited, and is told that its token is not known.
    Delayed,
    /// Too many wait already.
    TooMany,
}

impl FailedLogins {
    /// # Errors
    /// The registry has such a counter already.
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let count = IntCounter::new(
            "fleetledger_console_failed_logins_total",
            "Requests to the console with an unknown token.",
        )?;
        registry.register(Box::new(count.clone()))?;
        Ok(Self {
            count,
            waiting: Semaphore::new(WAITING),
            logged: Mutex::default(),
        })
    }

    /// Counts it, says so in the log, and waits.
    pub(super) async fn refuse(&self, peer: Option<SocketAddr>) -> LoginRefusal {
        self.count.inc();
        if let Some(count) = self.to_log() {
            let peer = peer.map_or("unknown".to_owned(), |peer| peer.ip().to_string());
            tracing::warn!(%peer, count, "a request with an unknown token was sent to the console");
        }
        match self.waiting.try_acquire() {
            Ok(_waiting) => {
                tokio::time::sleep(DELAY).await;
                LoginRefusal::Delayed
            }
            Err(_) => LoginRefusal::TooMany,
        }
    }

    /// How many there were since the last line, this one among them; `None` if it is too early for the next.
    fn to_log(&self) -> Option<u64> {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        logged.unsaid += 1;
        if logged.at.is_some_and(|at| at.elapsed() < LOG_EVERY) {
            return None;
        }
        logged.at = Some(Instant::now());
        Some(std::mem::take(&mut logged.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_flood_of_failed_logins_waits_in_small_numbers_and_is_counted_whole() {
        let logins = FailedLogins::new(&Registry::new()).unwrap();
        let begun = Instant::now();
        let answers = futures::future::join_all((0..WAITING + 8).map(|_| logins.refuse(None))).await;
        let delayed = answers
            .iter()
            .filter(|answer| **answer == LoginRefusal::Delayed)
            .count();
        assert_eq!((delayed, answers.len() - delayed), (WAITING, 8));
        assert!(begun.elapsed() >= DELAY);
        assert_eq!(logins.count.get(), (WAITING + 8) as u64);
    }
}
