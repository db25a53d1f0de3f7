//! Which sources a query depends on.

use crate::{
    freshness::{FreshnessRequirement, KINDS, SOURCE_COLUMNS},
    front_matter::FrontMatter,
    period::Period,
};

pub(super) fn read_freshness(
    front: &mut FrontMatter<'_>,
    default: Option<FreshnessRequirement>,
) -> Option<FreshnessRequirement> {
    if !front.has("freshness") {
        return default;
    }
    if front.is_text("freshness", "none") {
        return None;
    }
    let mut by = front.names("freshness.by");
    if by.is_empty() {
        by = SOURCE_COLUMNS.map(str::to_owned).to_vec();
    }
    if let Some(column) = by
        .iter()
        .find(|column| !SOURCE_COLUMNS.contains(&column.as_str()))
    {
        front.refuse(
            "freshness.by",
            format!("view freshness has no source column `{column}`"),
            "name datacenter and cluster",
        );
    }
    let bounds = Period::from_mins(1)..=Period::from_days(1);
    let max_age = front.period_within("freshness.max_age", Period::from_mins(5), bounds);
    let kinds = read_kinds(front, "freshness.kinds");
    Some(FreshnessRequirement { by, max_age, kinds })
}

pub(super) fn read_kinds(front: &mut FrontMatter<'_>, key: &str) -> Vec<String> {
    let kinds = front.names(key);
    if let Some(kind) = kinds.iter().find(|kind| !KINDS.contains(&kind.as_str())) {
        front.refuse(
            key,
            format!("kind `{kind}` not found"),
            format!("write some of {}", KINDS.join(", ")),
        );
    }
    kinds
}
