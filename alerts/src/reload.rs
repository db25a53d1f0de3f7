//! Rules that change while they are in use: a new set is taken up whole, and one that cannot be used is not.

use std::sync::Arc;

use fleetledger_queries::live::Standing;
use tokio::{sync::watch, task::JoinSet};

use crate::{errors::AlertsError, health::Health, rules::RuleSet};

/// Follows a folder of queries; `health` tells of files that are refused, whose former rules go on.
///
/// # Errors
/// [`AlertsError::Rules`] if what stands now cannot be used.
pub fn follow(
    mut standing: watch::Receiver<Standing>,
    health: &Health,
    tasks: &mut JoinSet<()>,
) -> Result<watch::Receiver<Arc<RuleSet>>, AlertsError> {
    let first = standing.borrow_and_update().clone();
    tell(&first, health);
    let (send, rules) = watch::channel(Arc::new(RuleSet::new((*first.catalogue).clone())?));
    let health = health.clone();
    tasks.spawn(async move {
        while standing.changed().await.is_ok() {
            let now = standing.borrow_and_update().clone();
            tell(&now, &health);
            match RuleSet::new((*now.catalogue).clone()) {
                Ok(rules) if rules.sha256 == send.borrow().sha256 => {}
                Ok(rules) => {
                    tracing::info!(rules = rules.rules().len(), "other rules are in force");
                    if send.send(Arc::new(rules)).is_err() {
                        return;
                    }
                }
                Err(error) => health.refused(Some(error.to_string())),
            }
        }
    });
    Ok(rules)
}

fn tell(standing: &Standing, health: &Health) {
    let lines = standing
        .refused
        .iter()
        .flat_map(|file| &file.refusals)
        .map(ToString::to_string);
    let lines: Vec<String> = lines.collect();
    for line in &lines {
        tracing::warn!(
            refused = line,
            "a file of the rules is refused; what it would replace goes on"
        );
    }
    health.refused((!lines.is_empty()).then(|| lines.join("; ")));
}
