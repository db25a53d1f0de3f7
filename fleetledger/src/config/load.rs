//! From file and environment to a checked [`FleetledgerConfig`].

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use config::{File, FileFormat};

use super::{
    ConfigError, ConfigFault, FleetledgerConfig, environment,
    key::{self, ANY_NAME, KeyShape},
};

/// Where the file stands when nobody names another; it may be missing.
const DEFAULT_FILE: &str = "/etc/fleetledger/fleetledger.toml";

/// A configuration and where it came from.
#[derive(Debug, Clone, Default)]
pub struct LoadedConfig {
    /// What is set.
    pub config: FleetledgerConfig,
    /// The file that was read, if any.
    pub file: Option<PathBuf>,
    variables: BTreeMap<String, String>,
}

/// Reads `file` (or the default one, if it is there) and this process's environment.
///
/// # Errors
/// See [`ConfigError`]; nothing has been opened but the file.
pub fn load(file: Option<&Path>) -> Result<LoadedConfig, ConfigError> {
    let default = Path::new(DEFAULT_FILE);
    let file = file.or(default.exists().then_some(default));
    load_with(file, &environment::ours())
}

/// Reads `file` and these variables in place of the environment.
///
/// # Errors
/// See [`ConfigError`].
pub fn load_with(
    file: Option<&Path>,
    variables: &BTreeMap<String, String>,
) -> Result<LoadedConfig, ConfigError> {
    let mut builder = config::Config::builder();
    if let Some(path) = file {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            file: path.to_owned(),
            source,
        })?;
        check_file(path, &text)?;
        // Read again by path, so that the reader's messages name the file.
        builder = builder.add_source(File::from(path.to_owned()).format(FileFormat::Toml));
    }
    let layered = builder
        .add_source(environment::EnvironmentLayer::new(variables)?)
        .build();
    let config = layered.and_then(config::Config::try_deserialize::<FleetledgerConfig>);
    let config = config.map_err(|error| ConfigError::Type(describe(&error)))?;
    let loaded = LoadedConfig {
        config,
        file: file.map(Path::to_owned),
        variables: variables.clone(),
    };
    loaded.config.check().map_err(|fault| loaded.explain(fault))?;
    Ok(loaded)
}

/// What is wrong with a type. What was found is named by its type alone: a password of digits is a number.
fn describe(error: &config::ConfigError) -> String {
    match error {
        config::ConfigError::Type {
            origin,
            unexpected,
            expected,
            key,
        } => {
            let shown = unexpected.to_string();
            let found = shown.split(['`', '"']).next().unwrap_or_default().trim();
            let key = key
                .as_ref()
                .map_or(String::new(), |key| format!(" for key `{key}`"));
            let origin = origin
                .as_ref()
                .map_or(String::new(), |origin| format!(" in {origin}"));
            format!("invalid type: {found}, expected {expected}{key}{origin}")
        }
        config::ConfigError::At { error, origin, key } => {
            let key = key
                .as_ref()
                .map_or(String::new(), |key| format!(" for key `{key}`"));
            let origin = origin
                .as_ref()
                .map_or(String::new(), |origin| format!(" in {origin}"));
            format!("{}{key}{origin}", describe(error))
        }
        error => error.to_string(),
    }
}

impl LoadedConfig {
    /// Names the place of the key that is at fault.
    #[must_use]
    pub fn explain(&self, fault: ConfigFault) -> ConfigError {
        let variable = self
            .variables
            .keys()
            .find(|variable| environment::key_of(variable) == fault.key);
        let place = match (variable, &self.file) {
            (Some(variable), _) => format!("environment variable {variable}"),
            (None, Some(file)) => file.display().to_string(),
            (None, None) => format!("the defaults ({DEFAULT_FILE} not found, and no --config given)"),
        };
        ConfigError::Value {
            key: fault.key,
            place,
            why: fault.why,
        }
    }
}

/// Syntax and names of the keys, before any value is looked at.
fn check_file(path: &Path, text: &str) -> Result<(), ConfigError> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let before = error
            .span()
            .and_then(|span| text.get(..span.start))
            .unwrap_or_default();
        ConfigError::Syntax {
            file: path.to_owned(),
            line: before.matches('\n').count() + 1,
            message: error.message().to_owned(),
        }
    })?;
    let known = key::by_name();
    check_table(path, "", &table, &known)
}

fn check_table(
    path: &Path,
    prefix: &str,
    table: &toml::Table,
    known: &BTreeMap<String, key::ConfigKey>,
) -> Result<(), ConfigError> {
    for (name, value) in table {
        let full = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}.{name}")
        };
        let Some(found) = known.get(&full) else {
            let nearest = key::nearest(&full);
            return Err(ConfigError::UnknownKey {
                key: full,
                place: path.display().to_string(),
                nearest,
            });
        };
        match (found.shape, value) {
            (KeyShape::Section, toml::Value::Table(inner)) => check_table(path, &full, inner, known)?,
            (KeyShape::Sections, toml::Value::Table(named)) => {
                for inner in named.values().filter_map(toml::Value::as_table) {
                    check_table(path, &format!("{full}.{ANY_NAME}"), inner, known)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, variables: &[(&str, &str)]) -> Result<LoadedConfig, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("fleetledger.toml");
        std::fs::write(&file, text).unwrap();
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        load_with(Some(&file), &variables.collect())
    }

    fn refused(text: &str, variables: &[(&str, &str)]) -> String {
        read(text, variables).unwrap_err().to_string()
    }

    #[test]
    fn environment_wins_over_the_file_and_takes_its_keys_types() {
        let loaded = read(
            "[postgres]\nport = 1\nhost = \"a\"\n",
            &[
                ("FLEETLEDGER__POSTGRES__PORT", "5433"),
                ("FLEETLEDGER__EMIT__LABELS", "app, team"),
                ("FLEETLEDGER__EMIT__STREAMING_LISTS", "false"),
                ("FLEETLEDGER__KAFKA__TLS__CA", "/etc/hostname"),
            ],
        );
        let config = loaded.unwrap().config;
        assert_eq!((config.postgres.port, config.postgres.host.as_str()), (5433, "a"));
        assert_eq!(config.emit.labels, ["app", "team"]);
        assert!(!config.emit.streaming_lists);
        assert_eq!(config.kafka.tls.unwrap().ca, Some("/etc/hostname".into()));
    }

    #[test]
    fn a_secret_of_the_wrong_type_is_not_shown() {
        for value in ["31337", "31337.5", "[\"31337\"]", "{a = 31337}"] {
            let message = refused(&format!("[postgres]\npassword = {value}\n"), &[]);
            assert!(
                message.contains("postgres.password") && !message.contains("31337"),
                "{value}: {message}"
            );
        }
    }

    #[test]
    fn unknown_key_names_key_file_and_nearest() {
        let message = refused("[kafka]\nbootstrap_server = \"a:1\"\n", &[]);
        assert!(message.contains("kafka.bootstrap_server in /"), "{message}");
        assert!(
            message.contains("nearest known key is kafka.bootstrap_servers"),
            "{message}"
        );
        let message = refused("", &[("FLEETLEDGER__KAFKA__BOOTSTRAP", "a:1")]);
        assert!(
            message.contains("environment variable FLEETLEDGER__KAFKA__BOOTSTRAP;"),
            "{message}"
        );
    }

    #[test]
    fn value_of_the_wrong_type_names_key_and_place() {
        let message = refused("[postgres]\nport = \"many\"\n", &[]);
        assert!(
            message.contains("postgres.port") && message.contains("fleetledger.toml"),
            "{message}"
        );
        let message = refused("", &[("FLEETLEDGER__POSTGRES__PORT", "many")]);
        assert!(message.contains("FLEETLEDGER__POSTGRES__PORT"), "{message}");
    }

    #[test]
    fn broken_toml_names_file_and_line() {
        let message = refused("[kafka]\n\nbootstrap_servers = \n", &[]);
        assert!(message.contains("fleetledger.toml: line 3"), "{message}");
    }

    #[test]
    fn secret_written_out_names_the_key_and_not_the_secret() {
        let message = refused("[postgres]\npassword = \"hunter2\"\n", &[]);
        assert!(message.contains("postgres.password in /"), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }

    #[test]
    fn librdkafka_properties_keep_their_dots() {
        let loaded = read("[kafka.properties]\n\"socket.timeout.ms\" = 5000\n", &[]).unwrap();
        assert_eq!(
            loaded
                .config
                .kafka
                .properties
                .get("socket.timeout.ms")
                .map(String::as_str),
            Some("5000")
        );
    }
}
