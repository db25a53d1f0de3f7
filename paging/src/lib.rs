//! What alerting and watchdogs share, without PostgreSQL: states, decisions, dedup keys, channels, retry maths.
//!
//! Everything but [`channel`] is pure: no clock, no I/O, no random numbers of its own. Instants are passed in, and all
//! comparisons are made between slots (the instants a rule is evaluated at), with `>=`.
//!
//! One evaluation of one instance at a slot is two steps on two axes:
//!
//! 1. **Condition** — [`step`]`(&mut Instance, &Timing, slot, Observation)` moves inactive → pending → firing →
//!    (recovering) → resolved and returns the [`Transition`]s, which become events. [`close`] ends an instance whose rule
//!    or target is gone.
//! 2. **Who was told** — [`decide`]`(&mut Instance, &mut Told, &Timing, slot, &Surroundings)` is asked once for each
//!    receiver after the step, and answers with [`Notify`]s in the order they are to be sent, or why there are none.
//!
//! What to keep between slots: one [`Instance`] a label set, one [`Told`] an instance and receiver, one [`Group`] a
//! receiver and group key. All are plain data of public fields, so they may be kept as columns; a restart in between
//! changes nothing.
//!
//! From a decision to a receiver: [`snooze::in_force`] and [`Inhibitor`] give a decision its surroundings, [`Route`] names
//! receivers by labels, [`Group::apply`] turns members' decisions into notifications under a dedup key, [`outbox::plan`]
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

pub use condition::{Transition, close, step};
pub use decision::{Decision, Notify, NotifyKind, NotifyReason, Quiet, Surroundings, Told, decide};
pub use group::{Group, GroupBy, GroupNotify};
pub use inhibition::{Inhibition, Inhibitor};
pub use instance::{Condition, Held, Instance, Observation, Resolution};
pub use labels::Labels;
pub use matcher::Matcher;
pub use notification::{Alert, Links, Notification};
pub use route::{Grouping, Route, Routed};
pub use secret::Secret;
pub use snooze::Snooze;
pub use timing::Timing;
