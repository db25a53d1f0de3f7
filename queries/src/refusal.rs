//! What is wrong with a file, and where.

use std::{fmt, path::PathBuf};

/// One thing that is wrong with one file: the place, what is wrong, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryRefusal {
    /// The file.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1, where it is known.
    pub column: Option<u32>,
    /// What is wrong.
    pub what: String,
    /// What to do; empty where the words before say it.
    pub remedy: String,
}

/// A place within a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FilePosition {
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1, where it is known.
    pub column: Option<u32>,
}

impl FilePosition {
    /// A whole line.
    #[must_use]
    pub const fn line(line: u32) -> Self {
        Self { line, column: None }
    }

    /// A character.
    #[must_use]
    pub const fn at(line: u32, column: u32) -> Self {
        Self {
            line,
            column: Some(column),
        }
    }
}

impl QueryRefusal {
    /// Something wrong at one place, without a remedy.
    #[must_use]
    pub fn new(file: impl Into<PathBuf>, place: FilePosition, what: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            line: place.line,
            column: place.column,
            what: what.into(),
            remedy: String::new(),
        }
    }

    /// The same, with what to do.
    #[must_use]
    pub fn fix(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }
}

impl fmt::Display for QueryRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)?;
        if let Some(column) = self.column {
            write!(f, ":{column}")?;
        }
        write!(f, ": {}", self.what)?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        Ok(())
    }
}

impl std::error::Error for QueryRefusal {}
