//! Of a watchdog.

use super::condition;
use crate::record::Watchdog;

pub(in crate::row) fn healthy_status(watchdog: &Watchdog) -> Option<&str> {
    status(watchdog, "Healthy")
}

pub(in crate::row) fn reporting_status(watchdog: &Watchdog) -> Option<&str> {
    status(watchdog, "Reporting")
}

fn status<'a>(watchdog: &'a Watchdog, condition_type: &str) -> Option<&'a str> {
    condition(&watchdog.conditions, condition_type).map(|condition| condition.status.as_str())
}
