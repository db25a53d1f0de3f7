//! Sharing: idle by those who left it, namespaces by those they serve. What is shared moves and nothing is lost: sums
//! before and after are equal to the nano.

use std::collections::{BTreeMap, btree_map::Entry};

use super::{
    dimension::AllocationDimension, filter::CostFilter, idle, question::SharingOptions, window::CostWindow,
};
use crate::{
    definitions::SpreadMethod,
    money::{CurrencyNanos, split},
};

/// Namespace of what could have been requested and was not.
pub const IDLE: &str = "__idle__";
/// Namespace of what nodes keep for themselves.
pub const SYSTEM: &str = "__system__";

/// Resources, in the order of arrays here: cpu, memory, gpu.
pub const RESOURCES: usize = 3;

/// A row of rated cost.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AllocationRow {
    /// Values of the dimensions it was read by.
    pub names: BTreeMap<AllocationDimension, String>,
    /// Own cost of cpu, memory, gpu.
    pub own: [CurrencyNanos; RESOURCES],
    /// Shared idle and system, by resource.
    pub idle: [CurrencyNanos; RESOURCES],
    /// Cost of shared namespaces.
    pub shared: CurrencyNanos,
    /// Booked for closed months.
    pub adjustment: CurrencyNanos,
    /// Everything else that is summed.
    pub amounts: AllocationAmounts,
    /// From when to when what it is charged for lived, or the nodes of what is idle; `None` = adjustments alone.
    pub lived: Option<CostWindow>,
}

/// Sums of what was charged, requested and used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AllocationAmounts {
    /// Charged: core-microseconds, byte-seconds, card-microseconds.
    pub charged: [i128; RESOURCES],
    /// Requested, likewise; of GPUs what is charged.
    pub requested: [i128; RESOURCES],
    /// Used, likewise; of GPUs 0.
    pub used: [i128; RESOURCES],
    /// Time charged, in container-milliseconds.
    pub life_ms: i128,
    /// Part of it with usage.
    pub usage_ms: i128,
}

impl AllocationRow {
    /// Value of a dimension; empty where there is none.
    #[must_use]
    pub fn name(&self, dimension: &AllocationDimension) -> &str {
        self.names.get(dimension).map_or("", String::as_str)
    }

    /// True for idle and system.
    #[must_use]
    pub fn is_nobodys(&self) -> bool {
        matches!(self.name(&AllocationDimension::Namespace), IDLE | SYSTEM)
    }

    /// Own cost.
    #[must_use]
    pub fn own_total(&self) -> CurrencyNanos {
        self.own.iter().sum()
    }

    /// All of it.
    #[must_use]
    pub fn total(&self) -> CurrencyNanos {
        self.own_total() + self.idle.iter().sum::<CurrencyNanos>() + self.shared
    }

    /// True if it neither costs nor counts anything.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.total() == 0 && self.adjustment == 0 && self.amounts == AllocationAmounts::default()
    }

    /// Adds what another row has; its names are dropped.
    pub fn add(&mut self, other: &Self) {
        for place in 0..RESOURCES {
            let pairs = [(&mut self.own, &other.own), (&mut self.idle, &other.idle)];
            for (mine, theirs) in pairs {
                if let (Some(mine), Some(theirs)) = (mine.get_mut(place), theirs.get(place)) {
                    *mine += theirs;
                }
            }
            let amounts = [
                (&mut self.amounts.charged, &other.amounts.charged),
                (&mut self.amounts.requested, &other.amounts.requested),
                (&mut self.amounts.used, &other.amounts.used),
            ];
            for (mine, theirs) in amounts {
                if let (Some(mine), Some(theirs)) = (mine.get_mut(place), theirs.get(place)) {
                    *mine += theirs;
                }
            }
        }
        self.shared += other.shared;
        self.adjustment += other.adjustment;
        self.amounts.life_ms += other.amounts.life_ms;
        self.amounts.usage_ms += other.amounts.usage_ms;
        self.lived = match (self.lived, other.lived) {
            (Some(mine), Some(theirs)) => Some(CostWindow {
                from: mine.from.min(theirs.from),
                to: mine.to.max(theirs.to),
            }),
            (one, other) => one.or(other),
        };
    }
}

/// Shares among rows, then leaves out what does not pass the filter. Weights are own costs, before anything is added;
/// `key` tells what an even share goes to.
pub fn share(
    rows: &mut Vec<AllocationRow>,
    how: &SharingOptions,
    filter: Option<&CostFilter>,
    key: impl Fn(&AllocationRow) -> String,
) {
    if how.idle {
        idle::share_idle(rows);
    }
    // Before namespaces are shared: the weights of idle are those of all who were charged.
    if let Some(filter) = filter {
        idle::limit_idle(rows, filter);
    }
    if !how.namespaces.is_empty() {
        share_namespaces(rows, how, key);
    }
    rows.retain(|row| match row.is_nobodys() {
        true => !row.is_nothing(),
        false => filter.is_none_or(|filter| filter.passes(&|dimension| row.name(dimension))),
    });
}

/// What a row weighs where something is shared: what it costs, and nothing if that is below zero.
pub(super) fn weight(nanos: CurrencyNanos) -> u128 {
    u128::try_from(nanos).unwrap_or(0)
}

/// Cost of shared namespaces, their share of idle with it, goes to all others.
fn share_namespaces(
    rows: &mut Vec<AllocationRow>,
    how: &SharingOptions,
    key: impl Fn(&AllocationRow) -> String,
) {
    let is_shared = |row: &AllocationRow| how.namespaces.contains(row.name(&AllocationDimension::Namespace));
    // Own costs are those before idle was added.
    let own: Vec<u128> = rows.iter().map(|row| weight(row.own_total())).collect();
    let takers: Vec<usize> = (0..rows.len())
        .filter(|place| {
            rows.get(*place)
                .is_some_and(|row| !is_shared(row) && !row.is_nobodys())
        })
        .collect();
    let amount: CurrencyNanos = rows
        .iter()
        .filter(|row| is_shared(row))
        .map(AllocationRow::total)
        .sum();
    let weight_of = |place: usize| own.get(place).copied().unwrap_or(0);
    let parts: Vec<(usize, CurrencyNanos)> = match how.spread {
        SpreadMethod::Weighted => {
            let weights: Vec<u128> = takers.iter().map(|place| weight_of(*place)).collect();
            takers.iter().copied().zip(split(amount, &weights)).collect()
        }
        SpreadMethod::Even => {
            let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
            for place in &takers {
                if let Some(row) = rows.get(*place) {
                    groups.entry(key(row)).or_default().push(*place);
                }
            }
            let each = split(amount, &vec![1; groups.len()]);
            let within = |(members, part): (&Vec<usize>, CurrencyNanos)| {
                let mut weights: Vec<u128> = members.iter().map(|place| weight_of(*place)).collect();
                if weights.iter().all(|weight| *weight == 0) {
                    weights.fill(1);
                }
                members
                    .iter()
                    .copied()
                    .zip(split(part, &weights))
                    .collect::<Vec<_>>()
            };
            groups.values().zip(each).flat_map(within).collect()
        }
    };
    // Nobody to take it: it stays where it is.
    if parts.iter().map(|(_, part)| part).sum::<CurrencyNanos>() != amount {
        return;
    }
    for (place, part) in parts {
        if let Some(row) = rows.get_mut(place) {
            row.shared += part;
        }
    }
    rows.retain(|row| !is_shared(row));
}

/// Sums rows by what is asked for; `None` as a key leaves a row out.
pub fn sum(
    rows: &[AllocationRow],
    key: impl Fn(&AllocationRow) -> Option<String>,
) -> BTreeMap<String, AllocationRow> {
    let mut sums: BTreeMap<String, AllocationRow> = BTreeMap::new();
    for row in rows {
        let Some(key) = key(row) else { continue };
        match sums.entry(key) {
            Entry::Vacant(place) => {
                place.insert(row.clone());
            }
            Entry::Occupied(mut sum) => {
                let sum = sum.get_mut();
                sum.add(row);
                // What all rows of a sum have in common is a property of it.
                sum.names.retain(|name, value| row.name(name) == value);
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(namespace: &str, own: [CurrencyNanos; 3]) -> AllocationRow {
        let names = [
            (AllocationDimension::Namespace, namespace.to_owned()),
            (AllocationDimension::Cluster, "a".to_owned()),
        ];
        AllocationRow {
            names: names.into(),
            own,
            ..AllocationRow::default()
        }
    }

    fn by_namespace(row: &AllocationRow) -> String {
        row.name(&AllocationDimension::Namespace).to_owned()
    }

    fn total(rows: &[AllocationRow]) -> CurrencyNanos {
        rows.iter().map(AllocationRow::total).sum()
    }

    #[test]
    fn idle_is_shared_by_resource_and_the_gpus_of_nobody_stay_idle() {
        let mut rows = vec![
            row("a", [30, 10, 0]),
            row("b", [10, 30, 0]),
            row(IDLE, [40, 40, 7]),
        ];
        let how = SharingOptions {
            idle: true,
            ..SharingOptions::default()
        };
        share(&mut rows, &how, None, by_namespace);
        assert_eq!(rows[0].idle, [30, 10, 0]);
        assert_eq!(rows[1].idle, [10, 30, 0]);
        assert_eq!((rows[2].own, total(&rows)), ([0, 0, 7], 167));
    }

    #[test]
    fn shared_namespaces_are_spread_even_or_by_own_cost() {
        let spread = |spread| {
            let mut rows = vec![
                row("a", [90, 0, 0]),
                row("b", [10, 0, 0]),
                row("kube-system", [20, 0, 0]),
            ];
            let how = SharingOptions {
                namespaces: ["kube-system".to_owned()].into(),
                spread,
                idle: false,
            };
            share(&mut rows, &how, None, by_namespace);
            assert_eq!(rows.len(), 2);
            (rows[0].shared, rows[1].shared)
        };
        assert_eq!(spread(SpreadMethod::Weighted), (18, 2));
        assert_eq!(spread(SpreadMethod::Even), (10, 10));
    }

    #[test]
    fn weights_are_those_before_idle_is_added() {
        let mut rows = vec![
            row("a", [50, 0, 0]),
            row("b", [0, 50, 0]),
            row("s", [0, 10, 0]),
            row(IDLE, [100, 0, 0]),
        ];
        let how = SharingOptions {
            idle: true,
            namespaces: ["s".to_owned()].into(),
            spread: SpreadMethod::Weighted,
        };
        share(&mut rows, &how, None, by_namespace);
        assert_eq!((rows[0].shared, rows[1].shared, total(&rows)), (5, 5, 210));
    }

    proptest! {
        #[test]
        fn sharing_loses_nothing(
            own in prop::collection::vec((0_usize..6, 0_usize..3, [0_i128..1_000_000_000, 0..1_000_000_000, 0..1_000_000_000]), 1..60),
            idle in any::<bool>(), even in any::<bool>(), shared in prop::collection::btree_set(0_usize..4, 0..3),
        ) {
            let names = ["n0", "n1", "n2", "n3", IDLE, SYSTEM];
            let mut rows: Vec<AllocationRow> = own.iter().map(|(name, class, own)| {
                let mut row = row(names[*name], *own);
                row.names.insert(AllocationDimension::NodeClass, format!("c{class}"));
                row
            }).collect();
            let before = total(&rows);
            let namespaces = shared.iter().map(|place| names[*place].to_owned()).collect();
            let how = SharingOptions { idle, namespaces, spread: if even { SpreadMethod::Even } else { SpreadMethod::Weighted } };
            share(&mut rows, &how, None, by_namespace);
            prop_assert_eq!(total(&rows), before);
        }
    }
}
