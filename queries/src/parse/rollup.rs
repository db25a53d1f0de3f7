//! The keys of a rollup.

use super::{freshness::read_kinds, is_name, read_schedule};
use crate::{
    front_matter::FrontMatter,
    period::Period,
    rollup::{RollupRule, RollupTable},
};

pub(super) fn read_rollup(folder: &str, front: &mut FrontMatter<'_>) -> Option<RollupRule> {
    let rollup = front.required_text("rollup");
    if let Some(name) = &rollup
        && !is_name(name)
    {
        front.refuse(
            "rollup",
            format!("`{name}` is not a valid name"),
            "write letters, digits and _",
        );
    }
    let schedule = read_schedule(folder, front, false);
    let window = front.period_within(
        "window",
        Period::from_hours(1),
        Period::from_mins(1)..=Period::from_days(1),
    );
    let into = match front.text("into").as_deref() {
        None | Some("user_rollup") => RollupTable::User,
        Some(table) if table.starts_with("rollup_") && table != "rollup_window" && is_name(table) => {
            RollupTable::Own(table.to_owned())
        }
        Some(table) => {
            let what = format!("rows cannot go into `{table}`");
            front.refuse(
                "into",
                what,
                "write user_rollup, or a table rollup_… that a migration created",
            );
            RollupTable::User
        }
    };
    let dimensions = front.names("columns.dimensions");
    let values = front.names("columns.values");
    if values.is_empty() {
        front.refuse("columns", "`columns.values` is missing", "name the numbers");
    }
    if let Some(column) = dimensions.iter().find(|column| values.contains(column)) {
        front.refuse(
            "columns.dimensions",
            format!("the value `{column}` is a dimension"),
            "name it in one place",
        );
    }
    let lateness = front.period_within(
        "lateness",
        Period::from_days(7),
        Period::ZERO..=Period::from_days(90),
    );
    let history = front.period_within(
        "history",
        Period::from_days(1),
        Period::ZERO..=Period::from_days(400),
    );
    let kinds = read_kinds(front, "kinds");
    Some(RollupRule {
        rollup: rollup?,
        schedule,
        window,
        into,
        dimensions,
        values,
        lateness,
        history,
        kinds,
    })
}
