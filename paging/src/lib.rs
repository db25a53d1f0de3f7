//! What alerting and watchdogs share, without PostgreSQL: states, decisions, dedup keys, channels, retry maths.
//!
//! Everything but [`channel`] is pure: no clock, no I/O, no random numbers of its own. Instants are passed in, and all
//! comparisons are made between slots (the instants a rule is evaluated at), with `>=`.
//!
//! One evaluation of one instance at a slot is two steps on two axes:
//!
//! 1. **Condition** — [`step`]`(&mut AlertInstance, &Timing, slot, ConditionObservation)` moves inactive → pending → firing →
//!    (recovering) → resolved and returns the [`ConditionTransition`]s, which become events. [`close`] ends an instance whose rule
//!    or target is gone.
//! 2. **Who was told** — [`decide`]`(&mut AlertInstance, &mut NotifiedState, &Timing, slot, &SlotContext)` is asked once for each
//!    receiver after the step, and answers with [`InstanceNotify`]s in the order they are to be sent, or why there are none.
//!
//! What to keep between slots: one [`AlertInstance`] a label set, one [`NotifiedState`] an instance and receiver, one [`AlertGroup`] a
//! receiver and group key. All are plain data of public fields, so they may be kept as columns; a restart in between
//! changes nothing.
//!
//! From a decision to a receiver: [`snooze::in_force`] and [`Inhibitor`] give a decision its surroundings, [`Route`] names
//! receivers by labels, [`AlertGroup::apply`] turns members' decisions into notifications under a dedup key, [`outbox::plan`]
//! says what may be cancelled, [`channel::Client`] sends, and [`retry::disposition`] says what an answer means.
//!
//! Invariants:
//! - A held observation changes nothing but the reason why it is held.
//! - Nothing is notified that does not fire; what was told to a receiver is resolved there, whatever else holds.
//! - A slot is applied once: an older or equal slot changes nothing.

pub mod channel;
mod condition;
mod decision;
pub mod group;
pub mod inhibition;
mod instance;
pub mod labels;
pub mod matcher;
pub mod notification;
pub mod outbox;
pub mod retry;
pub mod route;
mod secret;
pub mod snooze;
mod timing;

pub use condition::{ConditionTransition, close, step};
pub use decision::{
    InstanceNotify, NotifiedState, NotifyDecision, NotifyKind, NotifyReason, QuietReason, SlotContext, decide,
};
pub use group::{AlertGroup, GroupBy, GroupNotify};
pub use inhibition::{Inhibition, Inhibitor};
pub use instance::{AlertCondition, AlertInstance, AlertResolution, ConditionObservation, HeldReason};
pub use labels::LabelSet;
pub use matcher::Matcher;
pub use notification::{Alert, AlertLinks, Notification};
pub use route::{Grouping, Route, RouteTarget};
pub use secret::ReceiverSecret;
pub use snooze::AlertSnooze;
pub use timing::Timing;
