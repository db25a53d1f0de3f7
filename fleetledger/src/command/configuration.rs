//! `fleetledger config check|reference|init`.

use anyhow::Context as _;
use serde_json::{Map, Value};

use super::config_init;
use crate::{
    cli::{ConfigCommand, OutputFormat},
    config::{LoadedConfig, exposed, reference, shown},
    exit::ExitReason,
    output::{OutputColumn, OutputTable, print_answer, print_text},
};

pub(super) fn run(loaded: &LoadedConfig, command: &ConfigCommand) -> anyhow::Result<ExitReason> {
    match command {
        ConfigCommand::Reference => print_text(&reference::markdown())?,
        ConfigCommand::Check(args) => check(loaded, args.format())?,
        ConfigCommand::Init { role, to } => return config_init::run(*role, to),
    }
    Ok(ExitReason::Done)
}

/// The configuration on standard output, what may be said of it on standard error.
fn check(loaded: &LoadedConfig, format: OutputFormat) -> anyhow::Result<()> {
    let text = shown(&loaded.config).context("write the configuration as TOML")?;
    let document: Value = toml::from_str(&text).context("read the configuration's keys")?;
    let rows = || {
        let mut rows = Vec::new();
        keys("", &document, &mut rows);
        let columns = ["key", "value"].map(OutputColumn::new).to_vec();
        Ok(OutputTable::new(columns, rows))
    };
    print_answer(format, |_| text.clone(), || &document, rows)?;
    let place = loaded
        .file
        .as_ref()
        .map_or("no file".to_owned(), |file| file.display().to_string());
    for way in exposed(&loaded.config) {
        eprintln!("warning: {}: {}; {}", way.key, way.why, way.fix);
    }
    eprintln!("configuration can be used ({place})");
    Ok(())
}

/// Every key by its whole name, such as `kafka.bootstrap_servers`.
fn keys(before: &str, value: &Value, rows: &mut Vec<Map<String, Value>>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let name = match before.is_empty() {
                    true => name.clone(),
                    false => format!("{before}.{name}"),
                };
                keys(&name, member, rows);
            }
        }
        other => rows.push(Map::from_iter([
            ("key".to_owned(), before.into()),
            ("value".to_owned(), other.clone()),
        ])),
    }
}
