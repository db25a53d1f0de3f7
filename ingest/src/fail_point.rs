//! Named points at which a test ends the process, as `kill -9` would.

fleetledger_schema::fail_points! {
    /// A point on a batch's way.
    pub enum FailPoint {
        /// The transaction has begun, the fence is not yet moved.
        BeforeFence = "before_fence",
        /// The fence is moved, nothing is copied.
        AfterFence = "after_fence",
        /// Every row stands in the stage.
        AfterCopy = "after_copy",
        /// Everything is written, COMMIT is not yet sent.
        BeforeCommit = "before_commit",
        /// COMMIT was acknowledged, nobody has been told.
        AfterCommit = "after_commit",
        /// The cache holds what the batch landed.
        CachePublished = "cache_published",
    }
}
