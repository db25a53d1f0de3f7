//! Cost: what no object of the ledger can match costs nobody anything, silently.

use fleetledger_cost::unmatched;

use super::{CheckVerdict, DoctorObservations};

/// Every class of the price sheets in force, and every label that cost is kept by, has something in the ledger.
pub(super) async fn matched(scene: &DoctorObservations) -> CheckVerdict {
    let postgres = match scene.postgres.get("postgres") {
        Ok(postgres) => postgres,
        Err(skipped) => return skipped,
    };
    match unmatched::of_ledger(&postgres.client).await {
        Err(_) => CheckVerdict::skipped("see postgres-migrated"),
        // A pool that is scaled to nothing has no node, and some resources have no price: that is named, and no fault.
        Ok(found) if found.unsent.is_empty() => match found.into_sentences() {
            sentences if sentences.is_empty() => CheckVerdict::well("every class and every label"),
            sentences => CheckVerdict::well(sentences.join("; ")),
        },
        Ok(found) => CheckVerdict::broken(
            found.into_sentences().join("; "),
            "add the labels to emit.labels of the emitters, or remove them from the price sheets \
             (fleetledger cost apply) and from cost.rollup_labels (fleetledger migrate)",
        ),
    }
}
