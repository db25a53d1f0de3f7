//! Whether a role is alive and ready, as HTTP probes ask.

use std::sync::Arc;

/// A question to a role: `Err` says what is wrong.
pub type Answer = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// The two questions of one role.
#[derive(Clone)]
pub struct Probe {
    /// Name of the role, in the answers.
    pub role: &'static str,
    /// Whether the process is worth keeping.
    pub live: Answer,
    /// Whether it does its work.
    pub ready: Answer,
}

impl Probe {
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
pub(super) fn ask(probes: &[Probe], question: impl Fn(&Probe) -> &Answer) -> (bool, String) {
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
