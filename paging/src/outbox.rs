//! What a new notification does to those of the same stream that still wait, so that nobody is told what is over.
//!
//! A stream is one receiver's group ([`crate::group::stream_id`]) over all its incarnations: it is delivered first in,
//! first out, because the resolve of an old key goes before the trigger of the new one.

use crate::decision::NotifyKind;

/// A notification that is not delivered yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitingNotification {
    /// Its identity.
    pub id: i64,
    /// What it says.
    pub kind: NotifyKind,
    /// Somebody tried to send it: the receiver may have seen it.
    pub attempted: bool,
}

/// What becomes of the new notification and of those that wait.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OutboxPlan {
    /// Whether the new one is put at the end of its stream.
    pub enqueue: bool,
    /// The one that waits and takes the new one's content in its place, keeping its due time.
    pub replace: Option<i64>,
    /// Those that are not sent any more.
    pub cancel: Vec<i64>,
    /// The receiver never saw this incarnation fire: [`crate::Told::cancel`] is to be called for the members whose
    /// resolve this is.
    pub unseen: bool,
}

/// Plans a new notification of one incarnation. `waiting` are those of the same incarnation that are not delivered, in
/// order; `seen` says that a trigger of it was delivered, or given up after attempts that may have arrived (one that the
/// receiver rejected was not seen).
#[must_use]
pub fn plan(new: NotifyKind, waiting: &[WaitingNotification], seen: bool) -> OutboxPlan {
    let untried = |kind: NotifyKind| {
        let found = waiting.iter().filter(move |one| one.kind == kind);
        found.filter(|one| !one.attempted).map(|one| one.id)
    };
    let seen = seen
        || waiting
            .iter()
            .any(|one| one.kind == NotifyKind::Trigger && one.attempted);
    match new {
        NotifyKind::Trigger => {
            // Behind a resolve or an acknowledgement the order matters: only the last one can take its place.
            let last = waiting.last().filter(|one| one.kind == NotifyKind::Trigger);
            let replace = last.filter(|one| !one.attempted).map(|one| one.id);
            OutboxPlan {
                enqueue: replace.is_none(),
                replace,
                ..OutboxPlan::default()
            }
        }
        NotifyKind::Acknowledge => OutboxPlan {
            enqueue: true,
            ..OutboxPlan::default()
        },
        NotifyKind::Resolve => OutboxPlan {
            enqueue: seen,
            replace: None,
            cancel: untried(NotifyKind::Trigger)
                .chain(untried(NotifyKind::Acknowledge))
                .collect(),
            unseen: !seen,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use NotifyKind::{Acknowledge, Resolve, Trigger};

    fn waiting(id: i64, kind: NotifyKind, attempted: bool) -> WaitingNotification {
        WaitingNotification { id, kind, attempted }
    }

    #[test]
    fn trigger_never_attempted_and_resolve_are_both_cancelled() {
        let queue = [waiting(1, Trigger, false), waiting(2, Acknowledge, false)];
        let expected = OutboxPlan {
            cancel: vec![1, 2],
            unseen: true,
            ..OutboxPlan::default()
        };
        assert_eq!(plan(Resolve, &queue, false), expected);
    }

    #[test]
    fn resolve_follows_a_trigger_that_was_attempted_or_delivered() {
        let attempted = plan(Resolve, &[waiting(1, Trigger, true)], false);
        assert!(attempted.enqueue && attempted.cancel.is_empty() && !attempted.unseen);
        let delivered = plan(Resolve, &[], true);
        assert!(delivered.enqueue && !delivered.unseen);
    }

    #[test]
    fn a_repeat_that_waits_is_not_sent_before_the_resolve() {
        let queue = [waiting(2, Trigger, false)];
        let expected = OutboxPlan {
            enqueue: true,
            cancel: vec![2],
            ..OutboxPlan::default()
        };
        assert_eq!(plan(Resolve, &queue, true), expected);
    }

    #[test]
    fn a_trigger_takes_the_place_of_one_that_waits_untried() {
        assert_eq!(
            plan(Trigger, &[waiting(1, Trigger, false)], false).replace,
            Some(1)
        );
        assert!(plan(Trigger, &[waiting(1, Trigger, true)], false).enqueue);
        let behind = [waiting(1, Trigger, false), waiting(2, Acknowledge, false)];
        assert!(plan(Trigger, &behind, false).enqueue);
    }
}
