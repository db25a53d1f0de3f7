//! Named points at which a test ends the process, as `kill -9` would.

fleetledger_schema::fail_points! {
    /// A point on the way from a slot to a receiver.
    pub enum FailPoint {
        /// A group was claimed, nothing was asked.
        AfterClaim = "after_claim",
        /// The query has answered, nothing is written.
        AfterQuery = "after_query",
        /// Instances, events and notifications are written, the run is not.
        BeforeRun = "before_run",
        /// Everything of the slot is written, COMMIT is not yet sent.
        BeforeCommit = "before_slot_commit",
        /// COMMIT was acknowledged, the group's slot has not moved.
        AfterCommit = "after_slot_commit",
        /// The group's slot has moved.
        AfterSlot = "after_slot",
        /// A notification was claimed, nothing was sent.
        BeforeSend = "before_send",
        /// The receiver has answered, nobody wrote it down.
        AfterSend = "after_send",
        /// It was written down.
        AfterSettle = "after_settle",
    }
}
