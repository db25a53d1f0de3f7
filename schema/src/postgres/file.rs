//! The SQL that the crate carries: `postgres/migrations`, `postgres/functions` and `postgres/views`, listed by `build.rs`.

/// One SQL file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SqlFile {
    /// File name, such as `0001_ledger.sql`.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

impl SqlFile {
    /// Its name without the ending: of a function's file the function.
    #[must_use]
    pub fn stem(&self) -> &'static str {
        self.name.strip_suffix(".sql").unwrap_or(self.name)
    }
}

include!(concat!(env!("OUT_DIR"), "/sql_files.rs"));
