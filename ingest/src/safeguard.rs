//! The safeguards that "exactly once" rests on, each with a name, so that a test can take one away and see that the
//! oracle misses it.
//!
//! Without the feature `fail-points` each of them always stands, and the compiler knows it.

/// Something that a fault would get past if it were not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Safeguard {
    /// A batch lands only for the owner of its partitions.
    Fence,
    /// Look-ups see the batches that are not yet resolved.
    Overlay,
    /// What equals the current row makes no version.
    AntiJoin,
    /// A record older than what its log has shown changes nothing.
    OrderGuard,
    /// What was remembered of a partition that someone else had meanwhile is forgotten.
    CacheInvalidation,
    /// A sweep with a hole closes nothing.
    SweepCompleteness,
}

impl Safeguard {
    /// All of them.
    pub const ALL: [Safeguard; 6] = [
        Safeguard::Fence,
        Safeguard::Overlay,
        Safeguard::AntiJoin,
        Safeguard::OrderGuard,
        Safeguard::CacheInvalidation,
        Safeguard::SweepCompleteness,
    ];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Safeguard::Fence => "fence",
            Safeguard::Overlay => "overlay",
            Safeguard::AntiJoin => "anti-join",
            Safeguard::OrderGuard => "order guard",
            Safeguard::CacheInvalidation => "cache invalidation",
            Safeguard::SweepCompleteness => "sweep completeness",
        }
    }

    /// The safeguard of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|safeguard| safeguard.as_str() == name)
    }
}

#[cfg(feature = "fail-points")]
mod removable {
    use std::sync::OnceLock;

    use super::Safeguard;

    static REMOVED: OnceLock<Safeguard> = OnceLock::new();

    /// Takes one safeguard away for the life of the process; a second one stays.
    pub fn remove(safeguard: Safeguard) {
        let _ = REMOVED.set(safeguard);
    }

    impl Safeguard {
        pub(crate) fn is_enabled(self) -> bool {
            REMOVED.get() != Some(&self)
        }
    }
}

#[cfg(feature = "fail-points")]
pub use removable::remove;

#[cfg(not(feature = "fail-points"))]
impl Safeguard {
    #[expect(clippy::unused_self, reason = "with the feature it is asked")]
    pub(crate) const fn is_enabled(self) -> bool {
        true
    }
}
