//! One thing that is wrong with a file.

use std::{fmt, path::Path};

/// One thing that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionFault {
    /// File.
    pub file: String,
    /// Line, from 1; 0 where it is the file as a whole.
    pub line: usize,
    /// Key; empty where it is the file as a whole.
    pub key: String,
    /// What is wrong.
    pub what: String,
}

impl DefinitionFault {
    pub(super) fn of_file(path: &Path, what: String) -> Self {
        Self {
            file: path.display().to_string(),
            line: 0,
            key: String::new(),
            what,
        }
    }
}

impl fmt::Display for DefinitionFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(formatter, "{}: ", self.file)?,
            line => write!(formatter, "{}:{line}: ", self.file)?,
        }
        if !self.key.is_empty() {
            write!(formatter, "{}: ", self.key)?;
        }
        formatter.write_str(&self.what)
    }
}
