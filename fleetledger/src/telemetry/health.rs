//! Whether a role is alive and ready, as HTTP probes ask.

use std::sync::Arc;

/// A question to a role: `Err` says what is wrong.
pub type ProbeCheck = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// The two questions of one role.
#[derive(Clone)]
pub struct RoleProbe {
    /// Name of the role, in the answers.
    pub role: &'static str,
    /// Whether the process is worth keeping.
    pub live: ProbeCheck,
    /// Whether it does its work.
    pub ready: ProbeCheck,
}

impl RoleProbe {
    /// A probe of `role`.
    pub fn new(
        role: &'static str,
        live: impl Fn() -> Result<(), String> + Send + Sync + 'static,
        ready: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        Self {
            role,
            live: Arc::new(live),
            ready: Arc::new(ready),
        }
    }
}

/// All roles' answers as text, and whether all are well.
pub(super) fn ask(probes: &[RoleProbe], question: impl Fn(&RoleProbe) -> &ProbeCheck) -> (bool, String) {
    let mut well = true;
    let mut text = String::new();
    for probe in probes {
        let line = match question(probe)() {
            Ok(()) => format!("{}: ok\n", probe.role),
            Err(why) => {
                well = false;
                format!("{}: {why}\n", probe.role)
            }
        };
        text.push_str(&line);
    }
    (well, text)
}
