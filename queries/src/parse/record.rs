//! The keys of a metric.

use super::{alert::check_label_name, freshness::read_freshness, is_name, read_schedule};
use crate::{
    front_matter::FrontMatter,
    period::Period,
    record::{MetricType, RecordRule, RecordValues},
};

pub(super) fn read_record(folder: &str, front: &mut FrontMatter<'_>) -> Option<RecordRule> {
    let record = front.required_text("record");
    if let Some(name) = &record
        && (!is_name(name) || name.starts_with("fleetledger_"))
    {
        let remedy = "write letters, digits and _, such as fleet_pods; names that begin with fleetledger_ \
             are reserved";
        front.refuse(
            "record",
            format!("`{name}` cannot be the name of a metric"),
            remedy,
        );
    }
    let schedule = read_schedule(folder, front, true);
    let types = [("gauge", MetricType::Gauge), ("counter", MetricType::Counter)];
    let metric_type = front.choice("type", &types).unwrap_or_default();
    let help = front.required_text("help");
    let (one, several) = (front.text("columns.value"), front.names("columns.values"));
    let values = match (one, several.is_empty()) {
        (Some(column), true) => Some(RecordValues::One(column)),
        (None, false) => Some(RecordValues::Several(several)),
        _ => {
            front.refuse(
                "columns",
                "not exactly one of `columns.value`, `columns.values`",
                "name the numbers",
            );
            None
        }
    };
    let labels = front.names("columns.labels");
    for label in &labels {
        check_label_name(front, "columns.labels", label);
        if values
            .as_ref()
            .is_some_and(|values| values.columns().contains(label))
        {
            front.refuse(
                "columns.labels",
                format!("the value `{label}` is a label"),
                "remove it from the labels",
            );
        }
    }
    let staleness = front.period_within(
        "staleness",
        Period::from_mins(5),
        Period::from_secs(1)..=Period::from_days(1),
    );
    if staleness < schedule.interval {
        front.refuse(
            "staleness",
            "`staleness` is shorter than the interval",
            "series would appear and disappear",
        );
    }
    let freshness = read_freshness(front, None);
    Some(RecordRule {
        record: record?,
        schedule,
        metric_type,
        help: help?,
        values: values?,
        labels,
        staleness,
        freshness,
    })
}
