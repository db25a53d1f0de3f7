//! The environment as a layer over the file: `FLEETLEDGER__SECTION__KEY`.

use std::collections::BTreeMap;

use config::{Map, Source, Value, ValueKind};

use super::{
    ConfigError,
    key::{self, KeyShape},
};

const PREFIX: &str = "FLEETLEDGER__";

/// The variables of this process that are ours.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment as configuration"
)]
pub(super) fn ours() -> BTreeMap<String, String> {
    std::env::vars()
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect()
}

/// Whether a variable of this process is set and not empty.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment as configuration"
)]
pub(crate) fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

/// Dotted name of the key a variable stands for.
pub(super) fn key_of(variable: &str) -> String {
    variable
        .trim_start_matches(PREFIX)
        .to_lowercase()
        .replace("__", ".")
}

/// Variables whose keys are known, each with its value as the key wants it.
#[derive(Debug, Clone)]
pub(super) struct EnvironmentLayer(Map<String, Value>);

impl EnvironmentLayer {
    /// Reads the variables.
    ///
    /// # Errors
    /// [`ConfigError::UnknownKey`] names the variable.
    pub(super) fn new(variables: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let known = key::by_name();
        let mut values = Map::new();
        for (variable, text) in variables {
            let name = key_of(variable);
            let place = format!("environment variable {variable}");
            let Some(found) = known.get(&name) else {
                let nearest = key::nearest(&name);
                return Err(ConfigError::UnknownKey {
                    key: name,
                    place,
                    nearest,
                });
            };
            let kind = match found.shape {
                KeyShape::Section | KeyShape::Sections | KeyShape::Map => {
                    let why =
                        "is a section; set one of its keys, or write the section in the file".to_owned();
                    return Err(ConfigError::Value {
                        key: name,
                        place,
                        why,
                    });
                }
                KeyShape::List => list(&place, text),
                // The reader turns text into numbers and booleans where the key wants them.
                KeyShape::Text | KeyShape::Boolean | KeyShape::Integer | KeyShape::Number => {
                    ValueKind::String(text.clone())
                }
            };
            values.insert(name, Value::new(Some(&place), kind));
        }
        Ok(Self(values))
    }
}

fn list(place: &String, text: &str) -> ValueKind {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    ValueKind::Array(parts.map(|part| Value::new(Some(place), part)).collect())
}

impl Source for EnvironmentLayer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self.0.clone())
    }
}
