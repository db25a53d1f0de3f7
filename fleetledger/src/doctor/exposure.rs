//! What others can read along, or take over.

use super::{CheckVerdict, DoctorObservations};
use crate::config::exposed;

/// Nothing travels readable beyond this machine, and every other end's certificate is checked. No fault: networks of
/// one's own exist.
pub(super) async fn ways(scene: &DoctorObservations) -> CheckVerdict {
    let found = exposed(&scene.config);
    if found.is_empty() {
        return CheckVerdict::well("none");
    }
    let why: Vec<String> = found
        .iter()
        .map(|way| format!("{}: {}", way.key, way.why))
        .collect();
    let fix: Vec<&str> = found.iter().map(|way| way.fix.as_str()).collect();
    CheckVerdict::Warned {
        why: why.join("; "),
        fix: fix.join("; "),
    }
}
