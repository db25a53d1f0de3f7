//! What alerting and watchdogs share, without PostgreSQL: states, decisions, dedup keys, channels, retry maths.
//!
//! All of it is pure: no clock, no I/O, no random numbers of its own. Instants are passed in, and all
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
//! What to keep between slots: one [`Instance`] a label set, one [`Told`] an instance and receiver. Both are plain data
//! of public fields, so they may be kept as columns; a restart in between changes nothing.
//!
//! Invariants:
//! - A held observation changes nothing but the reason why it is held.
//! - Nothing is notified that does not fire; what was told to a receiver is resolved there, whatever else holds.
//! - A slot is applied once: an older or equal slot changes nothing.

mod condition;
mod decision;
mod instance;
mod labels;
mod timing;

pub use condition::{Transition, close, step};
pub use decision::{Decision, Notify, NotifyKind, NotifyReason, Quiet, Surroundings, Told, decide};
pub use instance::{Condition, Held, Instance, Observation, Resolution};
pub use labels::Labels;
pub use timing::Timing;
