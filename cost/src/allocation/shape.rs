//! Answers in OpenCost's shape, as JSON and CSV.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    naming::SharedNames,
    question::AllocationQuery,
    share::{self, AllocationRow},
    window::{CostWindow, text},
};
use crate::money::CurrencyNanos;

/// An answer: one set for each step.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AllocationResponse {
    /// 200.
    pub code: u16,
    /// One set for each step, by name.
    pub data: Vec<BTreeMap<String, CostAllocation>>,
    /// Currency of all amounts; null where no price sheet stands.
    pub currency: Option<String>,
}

/// What one name was allocated within a window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CostAllocation {
    /// Values it was grouped by, with / between them.
    pub name: String,
    /// What all of it has in common, by dimension.
    pub properties: BTreeMap<String, String>,
    /// The window.
    pub window: AllocationSpan,
    /// When the first of what it sums began within the window: pods, or the nodes of what is idle.
    pub start: String,
    /// When the last of it ended within the window.
    pub end: String,
    /// From start to end, in minutes; averages are over this time.
    pub minutes: f64,
    /// Cores charged, on average.
    pub cpu_cores: f64,
    /// Cores requested, on average.
    pub cpu_core_request_average: f64,
    /// Cores used, on average over the time with usage; null = not seen.
    pub cpu_core_usage_average: Option<f64>,
    /// Core-hours charged.
    pub cpu_core_hours: f64,
    /// Cost of CPU.
    pub cpu_cost: f64,
    /// Idle CPU it was given; in cpuCost.
    pub cpu_cost_idle: f64,
    /// Usage by request where usage was seen.
    pub cpu_efficiency: Option<f64>,
    /// Cards charged, on average.
    pub gpu_count: f64,
    /// Card-hours charged.
    pub gpu_hours: f64,
    /// Cost of GPUs.
    pub gpu_cost: f64,
    /// Idle GPUs it was given; in gpuCost.
    pub gpu_cost_idle: f64,
    /// Bytes of memory charged, on average.
    pub ram_bytes: f64,
    /// Bytes requested, on average.
    pub ram_byte_request_average: f64,
    /// Bytes used, on average over the time with usage; null = not seen.
    pub ram_byte_usage_average: Option<f64>,
    /// Byte-hours charged.
    pub ram_byte_hours: f64,
    /// Cost of memory.
    pub ram_cost: f64,
    /// Idle memory it was given; in ramCost.
    pub ram_cost_idle: f64,
    /// Usage by request where usage was seen.
    pub ram_efficiency: Option<f64>,
    /// Cost of shared namespaces it was given.
    pub shared_cost: f64,
    /// Always 0: compute only.
    pub external_cost: f64,
    /// Booked in this window for closed months; not in totalCost.
    pub adjustment_cost: f64,
    /// cpuCost + gpuCost + ramCost + sharedCost.
    pub total_cost: f64,
    /// Usage by request of CPU and memory, by their cost.
    pub total_efficiency: Option<f64>,
}

/// A window of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AllocationSpan {
    /// Begin.
    pub start: String,
    /// End, exclusive.
    pub end: String,
}

/// Rows of a step as a set: shared, then filtered, then summed.
#[must_use]
pub fn set(
    question: &AllocationQuery,
    names: &SharedNames,
    window: CostWindow,
    mut rows: Vec<AllocationRow>,
) -> BTreeMap<String, CostAllocation> {
    let named = |row: &AllocationRow| names.name(question, row);
    share::share(&mut rows, &question.share, question.filter.as_ref(), named);
    let is_shown = |row: &AllocationRow| !row.is_nobodys() || question.include_idle || question.share.idle;
    let sums = share::sum(&rows, |row| is_shown(row).then(|| named(row)));
    sums.into_iter()
        .map(|(name, row)| (name.clone(), allocation(name, window, &row)))
        .collect()
}

fn allocation(name: String, window: CostWindow, row: &AllocationRow) -> CostAllocation {
    let lived = row.lived.unwrap_or(window);
    let lived = CostWindow {
        from: lived.from.clamp(window.from, window.to),
        to: lived.to.clamp(window.from, window.to),
    };
    let hours = lived.length().as_secs_f64() / 3_600.0;
    let per_hour = |amount: f64| ratio(amount, hours).unwrap_or_default();
    let amounts = &row.amounts;
    let covered = ratio(amounts.usage_ms as f64, amounts.life_ms as f64);
    let [cpu, ram, gpu] = row.own;
    let [cpu_idle, ram_idle, gpu_idle] = row.idle;
    let [cpu_charged, ram_charged, gpu_charged] = amounts.charged.map(|amount| amount as f64);
    let [cpu_requested, ram_requested, _] = amounts.requested.map(|amount| amount as f64);
    let [cpu_used, ram_used, _] = amounts.used.map(|amount| amount as f64);
    // Usage is known for part of the time: what was requested in that part is compared with it.
    let seen = covered.filter(|covered| *covered > 0.0);
    let efficiency = |used: f64, requested: f64| seen.and_then(|covered| ratio(used, requested * covered));
    let average = |used: f64| seen.map(|covered| per_hour(used / covered / 3_600.0));
    let (cpu_efficiency, ram_efficiency) = (
        efficiency(cpu_used, cpu_requested),
        efficiency(ram_used, ram_requested),
    );
    let total_efficiency = match (cpu_efficiency, ram_efficiency) {
        (Some(of_cpu), Some(of_ram)) => ratio(of_cpu * cpu as f64 + of_ram * ram as f64, (cpu + ram) as f64),
        (one, other) => one.or(other),
    };
    let properties = row.names.iter().filter(|(_, value)| !value.is_empty());
    CostAllocation {
        properties: properties
            .map(|(name, value)| (name.to_string(), value.clone()))
            .collect(),
        window: AllocationSpan {
            start: text(window.from),
            end: text(window.to),
        },
        start: text(lived.from),
        end: text(lived.to),
        minutes: hours * 60.0,
        cpu_cores: per_hour(cpu_charged / 3.6e9),
        cpu_core_request_average: per_hour(cpu_requested / 3.6e9),
        cpu_core_usage_average: average(cpu_used / 1e6),
        cpu_core_hours: cpu_charged / 3.6e9,
        cpu_cost: money(cpu + cpu_idle),
        cpu_cost_idle: money(cpu_idle),
        cpu_efficiency,
        gpu_count: per_hour(gpu_charged / 3.6e9),
        gpu_hours: gpu_charged / 3.6e9,
        gpu_cost: money(gpu + gpu_idle),
        gpu_cost_idle: money(gpu_idle),
        ram_bytes: per_hour(ram_charged / 3_600.0),
        ram_byte_request_average: per_hour(ram_requested / 3_600.0),
        ram_byte_usage_average: average(ram_used),
        ram_byte_hours: ram_charged / 3_600.0,
        ram_cost: money(ram + ram_idle),
        ram_cost_idle: money(ram_idle),
        ram_efficiency,
        shared_cost: money(row.shared),
        external_cost: 0.0,
        adjustment_cost: money(row.adjustment),
        total_cost: money(row.total()),
        total_efficiency,
        name,
    }
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then_some(part / whole)
}

/// Billionths as an amount; exact up to nine million of the currency, and rounded to 15 digits beyond.
fn money(nanos: CurrencyNanos) -> f64 {
    nanos as f64 / 1e9
}

/// Fields of an allocation that its CSV holds, before the currency.
pub const COLUMNS: [&str; 19] = [
    "name",
    "start",
    "end",
    "minutes",
    "cpuCoreHours",
    "cpuCost",
    "cpuCostIdle",
    "cpuEfficiency",
    "gpuHours",
    "gpuCost",
    "gpuCostIdle",
    "ramByteHours",
    "ramCost",
    "ramCostIdle",
    "ramEfficiency",
    "sharedCost",
    "adjustmentCost",
    "totalCost",
    "totalEfficiency",
];

impl AllocationResponse {
    /// As CSV: a line for each name of each set.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut text = COLUMNS.join(",") + ",currency\r\n";
        for one in self.data.iter().flat_map(BTreeMap::values) {
            let json = serde_json::to_value(one).unwrap_or_default();
            let cells = COLUMNS.iter().map(|column| match json.get(column) {
                Some(serde_json::Value::String(value)) => quoted(value),
                Some(serde_json::Value::Number(value)) => value.to_string(),
                _ => String::new(),
            });
            text.push_str(&cells.collect::<Vec<_>>().join(","));
            text.push(',');
            text.push_str(self.currency.as_deref().unwrap_or_default());
            text.push_str("\r\n");
        }
        text
    }
}

/// A cell that no spreadsheet takes for a formula, and no reader for two.
fn quoted(value: &str) -> String {
    let guarded = match value.starts_with(['=', '+', '-', '@']) {
        true => format!("'{value}"),
        false => value.to_owned(),
    };
    match guarded.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", guarded.replace('"', "\"\"")),
        false => guarded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allocation::{AllocationParameters, dimension::AllocationDimension, share::IDLE};

    fn question(filter: Option<&str>, idle: bool) -> AllocationQuery {
        let parameters = AllocationParameters {
            window: "2026-03-01T00:00:00Z,2026-03-01T02:00:00Z".to_owned(),
            include_idle: Some(idle),
            filter: filter.map(str::to_owned),
            share_namespaces: Some("kube-system".to_owned()),
            ..AllocationParameters::default()
        };
        parameters
            .read(
                "2026-03-11T14:25:00Z".parse().unwrap(),
                &crate::allocation::question::SharingOptions::default(),
            )
            .unwrap()
    }

    fn rows() -> Vec<AllocationRow> {
        let row = |namespace: &str, own| {
            let names = [
                (AllocationDimension::Namespace, namespace.to_owned()),
                (AllocationDimension::Cluster, "a".to_owned()),
            ];
            let mut row = AllocationRow {
                names: names.into(),
                own,
                ..AllocationRow::default()
            };
            row.amounts.charged = [7_200_000_000, 7_200 << 30, 0];
            row.amounts.requested = [7_200_000_000, 7_200 << 30, 0];
            row.amounts.used = [1_800_000_000, 1_800 << 30, 0];
            (row.amounts.life_ms, row.amounts.usage_ms) = (7_200_000, 3_600_000);
            row
        };
        vec![
            row("shop", [3_000_000_000, 1_000_000_000, 0]),
            row("data", [1_000_000_000, 3_000_000_000, 0]),
            row("kube-system", [2_000_000_000, 0, 0]),
            row(IDLE, [5_000_000_000, 0, 0]),
        ]
    }

    #[test]
    fn what_a_filter_leaves_out_keeps_its_share() {
        let question = question(Some(r#"namespace:"shop""#), false);
        let set = set(&question, &SharedNames::default(), question.window, rows());
        assert_eq!(set.len(), 1);
        let shop = &set["shop"];
        assert_eq!((shop.shared_cost, shop.total_cost), (1.0, 5.0));
        assert_eq!(
            (shop.cpu_cores, shop.cpu_core_hours, shop.cpu_efficiency),
            (1.0, 2.0, Some(0.5))
        );
        assert_eq!(shop.cpu_core_usage_average, Some(0.5));
        assert_eq!(shop.ram_bytes, f64::from(1 << 30));
        assert_eq!(shop.properties["cluster"], "a");
    }

    #[test]
    fn totals_with_idle_are_what_the_nodes_cost() {
        let question = question(None, true);
        let set = set(&question, &SharedNames::default(), question.window, rows());
        let total: f64 = set.values().map(|one| one.total_cost).sum();
        assert_eq!(total, 15.0);
        assert_eq!(
            set.keys().map(String::as_str).collect::<Vec<_>>(),
            ["__idle__", "data", "shop"]
        );
        let answer = AllocationResponse {
            code: 200,
            data: vec![set],
            currency: Some("USD".to_owned()),
        };
        let csv = answer.csv();
        assert_eq!(csv.lines().count(), 4);
        assert!(
            csv.contains("shop,2026-03-01T00:00:00Z,2026-03-01T02:00:00Z,120.0,2.0,3.0,"),
            "{csv}"
        );
    }

    #[test]
    fn a_name_is_one_cell_and_no_formula() {
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(quoted("=1+1"), "'=1+1");
    }
}
