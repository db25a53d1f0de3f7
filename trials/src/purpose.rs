//! Whether a test file shows what every rule has to show: that it fires, that it stays quiet, and where the boundary is.

use super::file::{TestCase, TestFile, TestPurpose};

/// What a test file lacks; nothing if it is complete.
#[must_use]
pub fn missing_purposes(file: &TestFile) -> Vec<String> {
    let mut lacks = Vec::new();
    for (purpose, wanted) in [
        (
            TestPurpose::Firing,
            "a test with `purpose: firing` that expects a firing alert",
        ),
        (
            TestPurpose::Quiet,
            "a test with `purpose: quiet` that has rows and expects no alert",
        ),
        (
            TestPurpose::Boundary,
            "a test with `purpose: boundary` that expects an alert at one time and none at another",
        ),
    ] {
        let has_one = file
            .tests
            .iter()
            .any(|case| case.purpose == Some(purpose) && shows(case, purpose));
        if !has_one {
            lacks.push(wanted.to_owned());
        }
    }
    lacks
}

fn shows(case: &TestCase, purpose: TestPurpose) -> bool {
    let checks = || case.alert_rule_test.iter();
    let alerts = || checks().flat_map(|check| &check.exp_alerts);
    match purpose {
        TestPurpose::Firing => alerts().any(|alert| alert.exp_state == "firing"),
        TestPurpose::Quiet => {
            !case.input_rows.is_empty() && checks().next().is_some() && alerts().next().is_none()
        }
        // An alert and its absence, at two instants or beside rows that give none.
        TestPurpose::Boundary => {
            alerts().next().is_some()
                && (checks().any(|check| check.exp_alerts.is_empty()) || case.input_rows.len() > 1)
        }
    }
}
