//! The map of owners, and what teams have set.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use toml::{Spanned, value::Datetime};
use utoipa::ToSchema;

use super::{
    DefinitionFault,
    place::{DefinitionText, TomlNumber},
};

/// An entry of the map of owners. It counts where neither a label nor an annotation of the namespace names its owner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OwnerEntry {
    /// Datacenter; `None` = any.
    pub datacenter: Option<String>,
    /// Cluster; `None` = any.
    pub cluster: Option<String>,
    /// Namespace, `*` stands for anything; `None` = every namespace that no other entry matches.
    pub namespace: Option<String>,
    /// Who owns it.
    pub team: String,
    /// Since when.
    #[schema(value_type = String)]
    pub valid_from: Timestamp,
    /// Until when, exclusive.
    #[schema(value_type = Option<String>)]
    pub valid_to: Option<Timestamp>,
}

/// What a team has set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TeamSettings {
    /// The team.
    pub team: String,
    /// What it may cost in a calendar month, as decimal text.
    pub budget_per_month: Option<String>,
    /// Label of pods in its namespaces that may name another owner.
    pub allow_label_owner: Option<String>,
    /// Since when.
    #[schema(value_type = String)]
    pub valid_from: Timestamp,
    /// Until when, exclusive.
    #[schema(value_type = Option<String>)]
    pub valid_to: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OwnerText {
    datacenter: Option<String>,
    cluster: Option<String>,
    namespace: Spanned<String>,
    team: Spanned<String>,
    valid_from: Spanned<Datetime>,
    valid_to: Option<Spanned<Datetime>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DefaultText {
    datacenter: Option<String>,
    cluster: Option<String>,
    team: Spanned<String>,
    valid_from: Spanned<Datetime>,
    valid_to: Option<Spanned<Datetime>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TeamText {
    team: Spanned<String>,
    budget_per_month: Option<Spanned<TomlNumber>>,
    allow_label_owner: Option<Spanned<String>>,
    valid_from: Spanned<Datetime>,
    valid_to: Option<Spanned<Datetime>>,
}

pub(super) fn read(
    entry: Spanned<OwnerText>,
    text: &DefinitionText<'_>,
    faults: &mut Vec<DefinitionFault>,
) -> Option<OwnerEntry> {
    let before = faults.len();
    let entry = entry.into_inner();
    let namespace = text.name("namespace", &entry.namespace, faults);
    let team = team_name(&entry.team, text, faults);
    let (valid_from, valid_to) = text.dates(&entry.valid_from, entry.valid_to.as_ref(), faults);
    (faults.len() == before).then_some(OwnerEntry {
        datacenter: entry.datacenter,
        cluster: entry.cluster,
        namespace: Some(namespace),
        team,
        valid_from,
        valid_to,
    })
}

pub(super) fn read_default(
    entry: Spanned<DefaultText>,
    text: &DefinitionText<'_>,
    faults: &mut Vec<DefinitionFault>,
) -> Option<OwnerEntry> {
    let before = faults.len();
    let entry = entry.into_inner();
    let team = team_name(&entry.team, text, faults);
    let (valid_from, valid_to) = text.dates(&entry.valid_from, entry.valid_to.as_ref(), faults);
    (faults.len() == before).then_some(OwnerEntry {
        datacenter: entry.datacenter,
        cluster: entry.cluster,
        namespace: None,
        team,
        valid_from,
        valid_to,
    })
}

pub(super) fn read_team(
    entry: Spanned<TeamText>,
    text: &DefinitionText<'_>,
    faults: &mut Vec<DefinitionFault>,
) -> Option<TeamSettings> {
    let before = faults.len();
    let entry = entry.into_inner();
    let team = team_name(&entry.team, text, faults);
    let budget = entry.budget_per_month.as_ref();
    let budget_per_month = budget.map(|budget| text.price("budget_per_month", budget, faults));
    let label = entry.allow_label_owner.as_ref();
    let allow_label_owner = label.map(|label| text.name("allow_label_owner", label, faults));
    let (valid_from, valid_to) = text.dates(&entry.valid_from, entry.valid_to.as_ref(), faults);
    (faults.len() == before).then_some(TeamSettings {
        team,
        budget_per_month,
        allow_label_owner,
        valid_from,
        valid_to,
    })
}

/// A team's name; those with two lines before and behind are ours.
fn team_name(team: &Spanned<String>, text: &DefinitionText<'_>, faults: &mut Vec<DefinitionFault>) -> String {
    if team.get_ref().starts_with("__") {
        let what = format!(
            "`{}` begins with __, which is reserved for names such as __idle__",
            team.get_ref()
        );
        faults.push(text.fault(text.line(&team.span()), "team", what));
    }
    text.name("team", team, faults)
}
