//! How shared cost is shown where nothing else is asked for.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use toml::{Spanned, value::Datetime};
use utoipa::ToSchema;

use super::{DefinitionFault, place::DefinitionText};

/// How shared cost is shown. It changes no stored number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SharingPolicy {
    /// Namespaces whose cost all others share.
    pub namespaces: Vec<String>,
    /// By what they share it.
    pub spread: SpreadMethod,
    /// What becomes of idle.
    pub idle: IdleTreatment,
    /// Since when.
    #[schema(value_type = String)]
    pub valid_from: Timestamp,
    /// Until when, exclusive.
    #[schema(value_type = Option<String>)]
    pub valid_to: Option<Timestamp>,
}

/// By what shared cost is spread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SpreadMethod {
    /// Each gets the same.
    Even,
    /// By own cost, before idle is added.
    #[default]
    Weighted,
}

impl SpreadMethod {
    /// As the database has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Even => "even",
            Self::Weighted => "weighted",
        }
    }
}

/// What becomes of idle.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum IdleTreatment {
    /// A row of its own.
    #[default]
    Apart,
    /// Each gets its part, resource by resource.
    Shared,
}

impl IdleTreatment {
    /// As the database has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apart => "apart",
            Self::Shared => "shared",
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SharingText {
    #[serde(default)]
    namespaces: Vec<String>,
    #[serde(default)]
    spread: SpreadMethod,
    #[serde(default)]
    idle: IdleTreatment,
    valid_from: Spanned<Datetime>,
    valid_to: Option<Spanned<Datetime>>,
}

pub(super) fn read(
    entry: Spanned<SharingText>,
    text: &DefinitionText<'_>,
    faults: &mut Vec<DefinitionFault>,
) -> Option<SharingPolicy> {
    let before = faults.len();
    let entry = entry.into_inner();
    let (valid_from, valid_to) = text.dates(&entry.valid_from, entry.valid_to.as_ref(), faults);
    (faults.len() == before).then_some(SharingPolicy {
        namespaces: entry.namespaces,
        spread: entry.spread,
        idle: entry.idle,
        valid_from,
        valid_to,
    })
}
