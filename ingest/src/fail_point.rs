//! Named points at which a test ends the process, as `kill -9` would.
//!
//! Without the feature `fail-points` every call is empty.

/// A point on a batch's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailPoint {
    /// The transaction has begun, the fence is not yet moved.
    BeforeFence,
    /// The fence is moved, nothing is copied.
    AfterFence,
    /// Every row stands in the stage.
    AfterCopy,
    /// Everything is written, COMMIT is not yet sent.
    BeforeCommit,
    /// COMMIT was acknowledged, nobody has been told.
    AfterCommit,
    /// The cache holds what the batch landed.
    CachePublished,
}

impl FailPoint {
    /// All of them, in the order in which a batch passes them.
    pub const ALL: [FailPoint; 6] = [
        FailPoint::BeforeFence,
        FailPoint::AfterFence,
        FailPoint::AfterCopy,
        FailPoint::BeforeCommit,
        FailPoint::AfterCommit,
        FailPoint::CachePublished,
    ];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            FailPoint::BeforeFence => "before_fence",
            FailPoint::AfterFence => "after_fence",
            FailPoint::AfterCopy => "after_copy",
            FailPoint::BeforeCommit => "before_commit",
            FailPoint::AfterCommit => "after_commit",
            FailPoint::CachePublished => "cache_published",
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
