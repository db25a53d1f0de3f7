//! What a test tells even when it passes.

use std::{
    fs::File,
    io::{Write, stdout},
    path::PathBuf,
    sync::Mutex,
};

/// Prints one line. The test runner keeps back what `println!` says in a test that passes, but not this.
pub fn print_line(line: &str) {
    let _ = writeln!(stdout().lock(), "{line}");
}

/// A report that is told line by line and kept as a file, if there is one.
#[derive(Debug, Default)]
pub struct TestRunReport {
    file: Option<Mutex<File>>,
}

impl TestRunReport {
    /// A report in `FLEETLEDGER_REPORT_DIR`, where `make soak` has set it.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let folder = environment("FLEETLEDGER_REPORT_DIR").map(PathBuf::from);
        let file = folder.map(|folder| {
            std::fs::create_dir_all(&folder).unwrap();
            Mutex::new(File::create(folder.join(format!("{name}.txt"))).unwrap())
        });
        Self { file }
    }

    /// Tells a line and keeps it.
    pub fn line(&self, line: &str) {
        print_line(line);
        if let Some(file) = &self.file {
            writeln!(file.lock().unwrap(), "{line}").unwrap();
        }
    }
}

/// What the caller of the test runner asks for.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the test runner speaks to tests through the environment"
)]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A number that the caller asks for, else `otherwise`.
#[must_use]
pub fn number_from_environment(name: &str, otherwise: u64) -> u64 {
    environment(name).map_or(otherwise, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is {text}, which is no number"))
    })
}
