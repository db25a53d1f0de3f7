//! What cost is kept by and what is kept of it: one list each, from which functions and views are expanded.
//!
//! In a file of `postgres/functions` or `postgres/views`, `{cost_dimensions: i.%}` stands for `i.namespace, i.team, …`:
//! the text behind the colon for each column, `%` its name and `%type` its type, with a comma between them. There are `cost_dimensions` (of
//! `ledger.cost_line`), `cost_namespace_dimensions` (those of them that days and months of namespaces keep) and
//! `cost_measures` (numbers that are added up). A line of a view file that is one of `{cost_dimension_lines: i}`,
//! `{cost_namespace_dimension_lines: d}` or `{cost_measure_lines: d}` stands for a documented line each.
//!
//! A new dimension is a line here, a migration that adds its column to `ledger.cost_line` (and to the tables of
//! namespaces), and the place in `functions/rate_lines.sql` that knows its value.

/// A column that cost is kept by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CostDimension {
    /// Name of the column.
    pub name: &'static str,
    /// Its type.
    pub sql_type: &'static str,
    /// True if days and months of namespaces are kept by it too.
    pub is_of_namespaces: bool,
    /// Its comment in views.
    pub comment: &'static str,
}

/// A number that is kept of cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CostMeasure {
    /// Name of the column, with its unit.
    pub name: &'static str,
    /// Its type.
    pub sql_type: &'static str,
}

const fn dimension(name: &'static str, is_of_namespaces: bool, comment: &'static str) -> CostDimension {
    CostDimension {
        name,
        sql_type: "text",
        is_of_namespaces,
        comment,
    }
}

/// What cost is kept by beside the cluster, in the order of the views.
pub const COST_DIMENSIONS: [CostDimension; 8] = [
    dimension(
        "namespace",
        true,
        "Namespace; __idle__ and __system__ for what was charged to nobody.",
    ),
    dimension(
        "team",
        true,
        "Owner as of each hour; __unallocated__ if none is known, __idle__ and __system__ as the namespace.",
    ),
    dimension(
        "owner_source",
        true,
        "Where the owner comes from: label, annotation, map, default, pod_label, none.",
    ),
    dimension(
        "workload_kind",
        false,
        "Kind of the top-level owner; NULL = a pod without one.",
    ),
    dimension(
        "workload",
        false,
        "Name of the top-level owner; NULL = a pod without one.",
    ),
    dimension(
        "container",
        false,
        "Container; pod-init for what a pod reserves beyond its containers.",
    ),
    dimension(
        "node_class",
        true,
        "Class of nodes by the price sheet; NULL = no price is known.",
    ),
    CostDimension {
        name: "labels",
        sql_type: "jsonb",
        is_of_namespaces: false,
        comment: "Labels of the pods that setting cost.rollup_labels names.",
    },
];

/// Time fits 64 bits in any table.
const fn whole(name: &'static str) -> CostMeasure {
    CostMeasure {
        name,
        sql_type: "bigint",
    }
}

/// Quantities by time do not, nor what they cost: bytes of one node may be the largest of 64 bits by themselves.
const fn quantity(name: &'static str) -> CostMeasure {
    CostMeasure {
        name,
        sql_type: "numeric",
    }
}

/// What is kept of cost and can be added up over hours, days, lines: columns of every table of cost by line or namespace.
pub const COST_MEASURES: [CostMeasure; 15] = [
    quantity("cpu_nanos"),
    quantity("memory_nanos"),
    quantity("gpu_nanos"),
    quantity("cpu_charged_core_us"),
    quantity("memory_charged_byte_seconds"),
    quantity("gpu_charged_card_us"),
    quantity("cpu_requested_core_us"),
    quantity("memory_requested_byte_seconds"),
    quantity("cpu_used_core_us"),
    quantity("memory_used_byte_seconds"),
    quantity("gpu_used_card_us"),
    whole("life_ms"),
    whole("usage_ms"),
    whole("unknown_ms"),
    whole("unpriced_ms"),
];

/// How views show the measures; `%` is the alias of the table.
const MEASURE_LINES: &str = include_str!("../../postgres/cost_measures.sql");

/// Puts columns in place of the placeholders above.
pub(super) fn expand(text: &str) -> String {
    let dimensions = || COST_DIMENSIONS.iter();
    let of_namespaces = || dimensions().filter(|one| one.is_of_namespaces);
    let measures = COST_MEASURES.iter().map(|one| (one.name, one.sql_type));
    let text = replace(text, "cost_dimensions", |item| {
        list(dimensions().map(|one| (one.name, one.sql_type)), item)
    });
    let text = replace(&text, "cost_namespace_dimensions", |item| {
        list(of_namespaces().map(|one| (one.name, one.sql_type)), item)
    });
    let text = replace(&text, "cost_measures", |item| list(measures.clone(), item));
    let text = replace(&text, "cost_dimension_lines", |alias| lines(dimensions(), alias));
    let text = replace(&text, "cost_namespace_dimension_lines", |alias| {
        lines(of_namespaces(), alias)
    });
    replace(&text, "cost_measure_lines", |alias| {
        MEASURE_LINES.trim().replace('%', alias)
    })
}

/// `item` for each column, its name in place of `%` and its type in place of `%type`.
fn list<'c>(columns: impl Iterator<Item = (&'c str, &'c str)>, item: &str) -> String {
    let items = columns.map(|(name, sql_type)| item.replace("%type", sql_type).replace('%', name));
    items.collect::<Vec<_>>().join(", ")
}

/// A line of a view file for each dimension, with its comment.
fn lines<'c>(dimensions: impl Iterator<Item = &'c CostDimension>, alias: &str) -> String {
    let lines = dimensions.map(|one| format!("{alias}.{}, -- {}", one.name, one.comment));
    lines.collect::<Vec<_>>().join("\n    ")
}

/// Puts `of(argument)` in place of every `{name: argument}`.
fn replace(text: &str, name: &str, of: impl Fn(&str) -> String) -> String {
    let begin = format!("{{{name}: ");
    let mut replaced = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(&begin) {
        let Some((argument, after)) = after.split_once('}') else {
            break;
        };
        replaced.push_str(before);
        replaced.push_str(&of(argument));
        rest = after;
    }
    replaced + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::file::{FUNCTION_FILES, VIEW_FILES};

    #[test]
    fn a_placeholder_becomes_a_list_of_columns() {
        assert_eq!(
            expand("select {cost_namespace_dimensions: sum(d.%)} from {cluster}"),
            "select sum(d.namespace), sum(d.team), sum(d.owner_source), sum(d.node_class) from {cluster}"
        );
        let lines = expand("    {cost_dimension_lines: i}\n");
        assert_eq!(lines.lines().count(), COST_DIMENSIONS.len());
        assert!(lines.starts_with("    i.namespace, -- Namespace;") && lines.contains("\n    i.labels, -- "));
    }

    #[test]
    fn no_file_has_a_placeholder_that_is_none() {
        for file in FUNCTION_FILES.iter().chain(VIEW_FILES) {
            assert!(!expand(file.text).contains("{cost_"), "{}", file.name);
        }
    }
}
