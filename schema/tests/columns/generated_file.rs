//! A file that a test writes.

use std::path::PathBuf;

use crate::RELEASED_VERSION;

/// How to write generated files anew.
const COMMAND: &str = "cargo test -p fleetledger-schema --test columns";

/// Longest line of Rust, as rustfmt.toml says.
const MAX_WIDTH: usize = 110;

/// A file within `schema/` and what it should hold.
pub(crate) struct GeneratedFile {
    path: String,
    text: String,
    /// Reader version it belongs to, if it must stay as it was released.
    version: Option<i16>,
}

impl GeneratedFile {
    /// Rust made from `source`.
    pub(crate) fn rust(path: &str, source: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: format!("// Generated from {source} by `{COMMAND}`; do not edit.\n\n{text}"),
            version: None,
        }
    }

    /// SQL made from `source`.
    pub(crate) fn sql(path: &str, source: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: format!("-- Generated from {source} by `{COMMAND}`; do not edit.\n\n{text}"),
            version: None,
        }
    }

    /// Data, without a head.
    pub(crate) fn data(path: &str, text: String) -> Self {
        Self {
            path: path.to_owned(),
            text,
            version: None,
        }
    }

    /// The same as part of what reader version `version` released.
    pub(crate) fn of_version(mut self, version: i16) -> Self {
        self.version = Some(version);
        self
    }

    /// Writes the file if it is not current; returns its path then.
    pub(crate) fn write(&self) -> Option<String> {
        let path = full_path(&self.path);
        let current = std::fs::read_to_string(&path).unwrap_or_default();
        if current == self.text {
            return None;
        }
        let is_released = self.version.is_some_and(|version| version <= RELEASED_VERSION);
        assert!(
            current.is_empty() || !is_released,
            "schema/{} was released with reader version {RELEASED_VERSION} and must not change: give a new column \
             \"since\": {} (see schema/avro/README.md)",
            self.path,
            RELEASED_VERSION + 1
        );
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).unwrap();
        }
        std::fs::write(&path, &self.text).unwrap();
        Some(format!("schema/{}", self.path))
    }
}

/// A path within `schema/`.
pub(crate) fn full_path(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// `use` of names of a module, sorted, as rustfmt writes it.
pub(crate) fn use_tree(module: &str, names: &[String]) -> String {
    if let [name] = names {
        return format!("use {module}::{name};");
    }
    let line = format!("use {module}::{{{}}};", names.join(", "));
    if line.len() <= MAX_WIDTH && !names.iter().any(|name| name.contains('{')) {
        return line;
    }
    let mut lines: Vec<String> = Vec::new();
    let mut after_name = false;
    for name in names {
        let is_name = !name.contains("::");
        match lines.last_mut() {
            // Names share a line, paths have one each.
            Some(last) if is_name && after_name => last.push_str(&format!(" {name},")),
            _ => lines.push(format!("    {name},")),
        }
        after_name = is_name;
    }
    format!("use {module}::{{\n{}\n}};", lines.join("\n"))
}
