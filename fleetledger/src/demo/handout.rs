//! What the demo lays into its folder for whoever works with it: a configuration for every command, the rules to change, and
//! the questions.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use toml::{Table, Value, toml};

use super::{folder::DemoFolder, questions, receiver::RECEIVER};

/// Name of the configuration within the folder.
const CONFIG: &str = "demo.toml";
const QUESTIONS: &str = "questions.sql";
const RULES: &str = "rules";

/// Rules and runbooks of a source tree.
const SHIPPED_RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../queries");

/// Where a running demo is reached.
pub(super) struct DemoAddresses<'a> {
    /// `host:port`.
    pub(super) kafka: &'a str,
    /// As a user who may do everything.
    pub(super) postgres: &'a str,
    /// Keys beside it: TLS, and where the password stands.
    pub(super) postgres_access: &'a [(&'static str, String)],
    /// `http://host:port`.
    pub(super) console: Option<&'a str>,
    /// Reference to the address of the demo's own receiver.
    pub(super) receiver: Option<String>,
}

/// What lies in the folder.
pub(super) struct DemoHandout {
    /// The configuration.
    pub(super) config: PathBuf,
    /// The questions.
    pub(super) questions: PathBuf,
    /// The rules that the demo follows, where there are any.
    pub(super) rules: Option<PathBuf>,
    /// What its own receiver was notified of.
    pub(super) notifications: Option<PathBuf>,
}

/// Copies the shipped rules that are not there yet; `None` where there are none to copy. A file that somebody changed stays as
/// it is.
pub(super) fn copy_rules(folder: &DemoFolder) -> anyhow::Result<Option<PathBuf>> {
    let shipped = Path::new(SHIPPED_RULES);
    if !shipped.is_dir() {
        return Ok(None);
    }
    let rules = folder.join(RULES);
    copy_missing(shipped, &rules)?;
    Ok(Some(rules))
}

fn copy_missing(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to).with_context(|| format!("create {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("read {}", from.display()))? {
        let entry = entry.with_context(|| format!("read {}", from.display()))?;
        let (source, copy) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            // The crate that runs the rules lies beside them.
            if !["src", "tests"].iter().any(|name| entry.file_name() == *name) {
                copy_missing(&source, &copy)?;
            }
        } else if is_rule(&source) && !copy.exists() {
            fs::copy(&source, &copy)
                .with_context(|| format!("write {} like {}", copy.display(), source.display()))?;
        }
    }
    Ok(())
}

/// A query, or its test.
fn is_rule(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "sql" || extension == "yaml")
}

/// Writes the configuration with which every command reaches this demo; the old one is replaced.
pub(super) fn write_config(
    folder: &DemoFolder,
    addresses: &DemoAddresses<'_>,
    rules: Option<&Path>,
    runbooks: &Path,
) -> anyhow::Result<PathBuf> {
    let mut config = toml! {
        [topics]
        replication_factor = 1
        min_insync_replicas = 1
    };
    let mut set = |section: &str, key: &str, value: &str| {
        let table = config
            .entry(section)
            .or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(table) = table {
            table.insert(key.to_owned(), Value::String(value.to_owned()));
        }
    };
    set("kafka", "bootstrap_servers", addresses.kafka);
    set("postgres", "url", addresses.postgres);
    for (key, value) in addresses.postgres_access {
        set("postgres", key, value);
    }
    set("demo", "directory", &folder.join("").display().to_string());
    set("console", "runbooks", &runbooks.display().to_string());
    if let Some(console) = addresses.console {
        let listen = console.trim_start_matches("http://");
        set("console", "listen", listen);
        set("evaluate", "console_url", console);
    }
    if let Some(rules) = rules {
        set("evaluate", "rules", &rules.display().to_string());
    }
    if let Some(secret_url) = &addresses.receiver {
        let mut own = toml! { kind = "webhook" };
        own.insert("secret_url".to_owned(), Value::String(secret_url.clone()));
        let receivers = Table::from_iter([(RECEIVER.to_owned(), Value::Table(own))]);
        config.insert("receivers".to_owned(), Value::Table(receivers));
        let routes = Table::from_iter([(
            "receivers".to_owned(),
            Value::Array(vec![Value::String(RECEIVER.to_owned())]),
        )]);
        config.insert("routes".to_owned(), Value::Table(routes));
    }
    let text = format!(
        "# Written by `fleetledger demo` at each start. With it, every command works on the demo.\n#   \
         export FLEETLEDGER_CONFIG={}\n\n{config}",
        folder.join(CONFIG).display()
    );
    write(&folder.join(CONFIG), &text)
}

/// Writes the questions that the demo prints, to be run by `\i` of psql when they have scrolled away.
pub(super) fn write_questions(folder: &DemoFolder) -> anyhow::Result<PathBuf> {
    let questions = questions::QUESTIONS.map(|question| format!("-- {}\n{}\n", question.asks, question.sql));
    write(&folder.join(QUESTIONS), &questions.join("\n"))
}

fn write(file: &Path, text: &str) -> anyhow::Result<PathBuf> {
    fs::write(file, text).with_context(|| format!("write {}", file.display()))?;
    Ok(file.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn rules_are_copied_once_and_what_somebody_changed_stays() {
        let place = tempfile::tempdir().unwrap();
        let folder = DemoFolder::open(place.path(), false).unwrap();
        let rules = copy_rules(&folder).unwrap().unwrap();
        let one = rules.join("alerts/node-not-ready.sql");
        assert!(one.is_file() && rules.join("alerts/node-not-ready.test.yaml").is_file());
        assert!(!rules.join("src").exists());
        fs::write(&one, "changed").unwrap();
        fs::remove_file(rules.join("alerts/node-flapping.sql")).unwrap();
        copy_rules(&folder).unwrap();
        assert_eq!(fs::read_to_string(&one).unwrap(), "changed");
        assert!(rules.join("alerts/node-flapping.sql").is_file());
    }

    #[test]
    fn the_configuration_is_one_that_commands_take() {
        let place = tempfile::tempdir().unwrap();
        let folder = DemoFolder::open(place.path(), false).unwrap();
        let addresses = DemoAddresses {
            kafka: "127.0.0.1:9092",
            postgres: "postgres://fleetledger@127.0.0.1:5432/fleetledger",
            postgres_access: &[("tls", "off".to_owned())],
            console: Some("http://127.0.0.1:9660"),
            receiver: Some("file:/tmp/receiver.url".to_owned()),
        };
        let rules = folder.join("rules");
        let file = write_config(&folder, &addresses, Some(&rules), Path::new("/books")).unwrap();
        let loaded = config::load(Some(&file)).unwrap();
        assert_eq!(loaded.config.kafka.bootstrap_servers, "127.0.0.1:9092");
        assert_eq!(loaded.config.console.url(), "http://127.0.0.1:9660");
        assert_eq!(loaded.config.evaluate.rules, rules);
        assert_eq!(loaded.config.routes.receivers, [RECEIVER]);
        assert!(loaded.config.receivers.contains_key(RECEIVER));
        loaded.config.check().unwrap();
    }
}
