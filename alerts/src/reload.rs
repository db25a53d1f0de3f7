//! Rules that change while they are in use: a new set is taken up whole, and one that cannot be used is not.

use std::sync::Arc;

use fleetledger_queries::live::CurrentQueries;
use tokio::{sync::watch, task::JoinSet};

use crate::{errors::AlertsError, health::EvaluatorHealth, rules::RuleSet};

/// Follows a folder of queries; `health` tells of files that are refused, whose former rules go on.
///
/// # Errors
/// [`AlertsError::Rules`] if the current state now cannot be used.
pub fn follow(
    mut current: watch::Receiver<CurrentQueries>,
    health: &EvaluatorHealth,
    tasks: &mut JoinSet<()>,
) -> Result<watch::Receiver<Arc<RuleSet>>, AlertsError> {
    let first = current.borrow_and_update().clone();
    report_refused_files(&first, health);
    let (send, rules) = watch::channel(Arc::new(RuleSet::new((*first.catalogue).clone())?));
    let health = health.clone();
    tasks.spawn(async move {
        while current.changed().await.is_ok() {
            let now = current.borrow_and_update().clone();
            report_refused_files(&now, &health);
            match RuleSet::new((*now.catalogue).clone()) {
                Ok(rules) if rules.sha256 == send.borrow().sha256 => {}
                Ok(rules) => {
                    tracing::info!(
                        rules = rules.rules().len(),
                        "the rules have changed; the new ones are in force"
                    );
                    if send.send(Arc::new(rules)).is_err() {
                        return;
                    }
                }
                Err(error) => health.refuse_set(error.to_string()),
            }
        }
    });
    Ok(rules)
}

fn report_refused_files(current: &CurrentQueries, health: &EvaluatorHealth) {
    for file in &current.refused {
        tracing::warn!(
            refused = file.reason(),
            "a rule file is refused; its previous version stays in force"
        );
    }
    health.set_refused_files(current.refused.clone());
}
