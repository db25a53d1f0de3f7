//! Named points at which a test ends the process, as `kill -9` would.
//!
//! Without the feature `fail-points` every call is empty.

/// A point on the way from a slot to a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailPoint {
    /// A group was claimed, nothing was asked.
    AfterClaim,
    /// The query has answered, nothing is written.
    AfterQuery,
    /// Instances, events and notifications are written, the run is not.
    BeforeRun,
    /// Everything of the slot is written, COMMIT is not yet sent.
    BeforeCommit,
    /// COMMIT was acknowledged, the group's slot has not moved.
    AfterCommit,
    /// The group's slot has moved.
    AfterSlot,
    /// A notification was claimed, nothing was sent.
    BeforeSend,
    /// The receiver has answered, nobody wrote it down.
    AfterSend,
    /// It was written down.
    AfterSettle,
}

impl FailPoint {
    /// All of them, in the order in which they are passed.
    pub const ALL: [FailPoint; 9] = [
        FailPoint::AfterClaim,
        FailPoint::AfterQuery,
        FailPoint::BeforeRun,
        FailPoint::BeforeCommit,
        FailPoint::AfterCommit,
        FailPoint::AfterSlot,
        FailPoint::BeforeSend,
        FailPoint::AfterSend,
        FailPoint::AfterSettle,
    ];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            FailPoint::AfterClaim => "after_claim",
            FailPoint::AfterQuery => "after_query",
            FailPoint::BeforeRun => "before_run",
            FailPoint::BeforeCommit => "before_slot_commit",
            FailPoint::AfterCommit => "after_slot_commit",
            FailPoint::AfterSlot => "after_slot",
            FailPoint::BeforeSend => "before_send",
            FailPoint::AfterSend => "after_send",
            FailPoint::AfterSettle => "after_settle",
        }
    }

    /// The point of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|point| point.as_str() == name)
    }
}

#[cfg(feature = "fail-points")]
mod armed {
    use std::sync::Mutex;

    use super::FailPoint;

    static ARMED: Mutex<Option<(FailPoint, u64)>> = Mutex::new(None);

    /// Ends the process the `nth` time (from 1) that it passes `point`.
    pub fn arm(point: FailPoint, nth: u64) {
        if let Ok(mut armed) = ARMED.lock() {
            *armed = Some((point, nth.max(1)));
        }
    }

    pub(crate) fn hit(point: FailPoint) {
        let Ok(mut armed) = ARMED.lock() else { return };
        if let Some((at, left)) = armed.as_mut()
            && *at == point
        {
            *left -= 1;
            if *left == 0 {
                eprintln!("fail point {}", point.as_str());
                std::process::abort();
            }
        }
    }
}

#[cfg(feature = "fail-points")]
pub use armed::arm;
#[cfg(feature = "fail-points")]
pub(crate) use armed::hit;

#[cfg(not(feature = "fail-points"))]
pub(crate) fn hit(_: FailPoint) {}
