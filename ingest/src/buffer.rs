//! The byte budget that bounds the process.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of records in memory, over all lanes.
#[derive(Debug)]
pub(crate) struct BufferBudget {
    limit: usize,
    used: AtomicUsize,
}

impl BufferBudget {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            used: AtomicUsize::new(0),
        }
    }

    pub(crate) fn take(&self, bytes: usize) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn free(&self, bytes: usize) {
        let less = |used: usize| Some(used.saturating_sub(bytes));
        let _ = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// No more may be read.
    pub(crate) fn is_full(&self) -> bool {
        self.used() >= self.limit
    }

    /// Reading may go on.
    pub(crate) fn has_room(&self) -> bool {
        self.used() <= self.limit / 2
    }
}
