//! What nobody was charged: shared by those who were, or shown as far as it belongs to what a filter lets pass.

use std::collections::BTreeMap;

use super::{
    dimension::AllocationDimension,
    filter::{CostFilter, DimensionValue, FilterVerdict},
    share::{AllocationRow, RESOURCES, weight},
};
use crate::money::{CurrencyNanos, part_of, split};

/// Rows of one cluster and class of nodes, and of one node where nodes are told apart: what they left idle is theirs.
#[derive(Default)]
struct IdlePool {
    /// Places of idle and system rows.
    nobodys: Vec<usize>,
    /// Places of all others.
    somebodys: Vec<usize>,
}

/// Idle and system of a cluster and class of nodes go to those who were charged there, resource by resource; of a
/// resource that nobody was charged, they stay.
pub(super) fn share_idle(rows: &mut Vec<AllocationRow>) {
    for pool in pools(rows) {
        for resource in 0..RESOURCES {
            let weights = weights(rows, &pool.somebodys, resource);
            if weights.iter().all(|weight| *weight == 0) {
                continue;
            }
            let amount: CurrencyNanos = pool.nobodys.iter().map(|place| own(rows, *place, resource)).sum();
            for (place, part) in pool.somebodys.iter().zip(split(amount, &weights)) {
                if let Some(idle) = rows.get_mut(*place).and_then(|row| row.idle.get_mut(resource)) {
                    *idle += part;
                }
            }
            for place in &pool.nobodys {
                if let Some(own) = rows.get_mut(*place).and_then(|row| row.own.get_mut(resource)) {
                    *own = 0;
                }
            }
        }
    }
    rows.retain(|row| !row.is_nobodys() || row.total() != 0);
}

/// Limits idle and system rows to what belongs to what passes: all of it where the filter speaks of machines (datacenter,
/// cluster, node, class of nodes) and lets them pass; where it speaks of what runs on them, the part that those who pass
/// would be given if idle were shared. So the total with a filter is the same, idle shared or apart.
pub(super) fn limit_idle(rows: &mut [AllocationRow], filter: &CostFilter) {
    for pool in pools(rows) {
        let passes: Vec<bool> = pool
            .somebodys
            .iter()
            .map(|place| {
                rows.get(*place)
                    .is_some_and(|row| filter.passes(&|dimension| row.name(dimension)))
            })
            .collect();
        for place in &pool.nobodys {
            let verdict = rows.get(*place).map(|row| verdict(row, filter));
            match verdict {
                None | Some(FilterVerdict::Passes) => {}
                Some(FilterVerdict::Fails) => limit_row(rows, *place, &[], &[]),
                Some(FilterVerdict::Depends) => limit_row(rows, *place, &pool.somebodys, &passes),
            }
        }
    }
}

/// What the filter says of a row of nobody's: it has a place, and of what runs there no more than its name.
fn verdict(row: &AllocationRow, filter: &CostFilter) -> FilterVerdict {
    filter.verdict(&|dimension| match dimension {
        AllocationDimension::Datacenter
        | AllocationDimension::Cluster
        | AllocationDimension::Node
        | AllocationDimension::NodeClass => DimensionValue::Own(row.name(dimension)),
        _ => DimensionValue::Nobodys(row.name(&AllocationDimension::Namespace)),
    })
}

/// Leaves of the row at `place` the part that falls to those of `somebodys` that pass.
fn limit_row(rows: &mut [AllocationRow], place: usize, somebodys: &[usize], passes: &[bool]) {
    let Some(mut limited) = rows.get(place).cloned() else {
        return;
    };
    let mut all = vec![0_u128; somebodys.len()];
    for resource in 0..RESOURCES {
        let weights = weights(rows, somebodys, resource);
        for (sum, weight) in all.iter_mut().zip(&weights) {
            *sum = sum.saturating_add(*weight);
        }
        let passing = |parts: Vec<CurrencyNanos>| -> CurrencyNanos {
            let parts = parts.into_iter().zip(passes);
            parts.filter(|(_, passes)| **passes).map(|(part, _)| part).sum()
        };
        if let Some(own) = limited.own.get_mut(resource) {
            *own = passing(split(*own, &weights));
        }
        let amounts = &mut limited.amounts;
        for amounts in [&mut amounts.charged, &mut amounts.requested, &mut amounts.used] {
            if let Some(amount) = amounts.get_mut(resource) {
                *amount = part(*amount, &weights, passes);
            }
        }
    }
    let adjustment = split(limited.adjustment, &all).into_iter().zip(passes);
    limited.adjustment = adjustment
        .filter(|(_, passes)| **passes)
        .map(|(part, _)| part)
        .sum();
    if let Some(row) = rows.get_mut(place) {
        *row = limited;
    }
}

/// The part of an amount that falls to the weights that pass, rounded down.
fn part(amount: i128, weights: &[u128], passes: &[bool]) -> i128 {
    let sum = |weights: &mut dyn Iterator<Item = u128>| weights.fold(0, u128::saturating_add);
    let whole = sum(&mut weights.iter().copied());
    let passing = weights.iter().zip(passes).filter(|(_, passes)| **passes);
    let passing = sum(&mut passing.map(|(weight, _)| *weight));
    if whole == 0 {
        return 0;
    }
    let (part, _) = part_of(amount.unsigned_abs(), passing, whole);
    i128::try_from(part).unwrap_or(i128::MAX) * amount.signum()
}

fn pools(rows: &[AllocationRow]) -> Vec<IdlePool> {
    let mut pools: BTreeMap<[&str; 4], IdlePool> = BTreeMap::new();
    for (place, row) in rows.iter().enumerate() {
        let key = [
            row.name(&AllocationDimension::Datacenter),
            row.name(&AllocationDimension::Cluster),
            row.name(&AllocationDimension::NodeClass),
            row.name(&AllocationDimension::Node),
        ];
        let pool = pools.entry(key).or_default();
        match row.is_nobodys() {
            true => pool.nobodys.push(place),
            false => pool.somebodys.push(place),
        }
    }
    pools.into_values().collect()
}

fn own(rows: &[AllocationRow], place: usize, resource: usize) -> CurrencyNanos {
    let own = rows.get(place).and_then(|row| row.own.get(resource));
    own.copied().unwrap_or(0)
}

fn weights(rows: &[AllocationRow], places: &[usize], resource: usize) -> Vec<u128> {
    places
        .iter()
        .map(|place| weight(own(rows, *place, resource)))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::allocation::{
        question::SharingOptions,
        share::{IDLE, SYSTEM, share},
    };

    fn row(cluster: &str, namespace: &str, own: [CurrencyNanos; 3]) -> AllocationRow {
        let names = [
            (AllocationDimension::Datacenter, "dfw".to_owned()),
            (AllocationDimension::Cluster, cluster.to_owned()),
            (AllocationDimension::Namespace, namespace.to_owned()),
        ];
        let mut row = AllocationRow {
            names: names.into(),
            own,
            ..AllocationRow::default()
        };
        row.amounts.charged = own.map(|nanos| nanos * 10);
        row
    }

    fn fleet() -> Vec<AllocationRow> {
        vec![
            row("a", "shop", [30, 10, 0]),
            row("a", "data", [10, 30, 0]),
            row("a", IDLE, [80, 40, 7]),
            row("b", "shop", [5, 5, 0]),
            row("b", IDLE, [20, 20, 0]),
            row("b", SYSTEM, [2, 0, 0]),
            row("c", IDLE, [9, 9, 0]),
        ]
    }

    fn limited(filter: &str) -> Vec<(String, [CurrencyNanos; 3], i128)> {
        let mut rows = fleet();
        limit_idle(&mut rows, &CostFilter::parse(filter).unwrap());
        let nobodys = rows.iter().filter(|row| row.is_nobodys() && !row.is_nothing());
        let named = nobodys.map(|row| {
            let name = |dimension| row.name(&dimension).to_owned();
            let name = name(AllocationDimension::Cluster) + &name(AllocationDimension::Namespace);
            (name, row.own, row.amounts.charged[0])
        });
        named.collect()
    }

    #[test]
    fn a_filter_of_machines_takes_all_that_they_left_idle() {
        assert_eq!(
            limited(r#"cluster:"b""#),
            [
                ("b__idle__".to_owned(), [20, 20, 0], 200),
                ("b__system__".to_owned(), [2, 0, 0], 20)
            ]
        );
        assert_eq!(
            limited(r#"cluster:"c""#),
            [("c__idle__".to_owned(), [9, 9, 0], 90)]
        );
        assert_eq!(
            limited(r#"cluster!:"a","b""#),
            [("c__idle__".to_owned(), [9, 9, 0], 90)]
        );
    }

    #[test]
    fn a_filter_of_what_runs_takes_the_idle_that_would_be_shared_with_it() {
        assert_eq!(
            limited(r#"namespace:"shop""#),
            [
                ("a__idle__".to_owned(), [60, 10, 0], 600),
                ("b__idle__".to_owned(), [20, 20, 0], 200),
                ("b__system__".to_owned(), [2, 0, 0], 20)
            ]
        );
        assert_eq!(
            limited(r#"namespace:"shop"+cluster:"a""#),
            [("a__idle__".to_owned(), [60, 10, 0], 600)]
        );
        assert_eq!(
            limited(r#"namespace!:"shop""#),
            [("a__idle__".to_owned(), [20, 30, 0], 200)]
        );
        assert_eq!(limited(r#"namespace:"shop"|cluster:"a","c""#).len(), 4);
        assert_eq!(limited(r#"namespace:"none""#), []);
        assert_eq!(limited(r#"namespace:"__idle__""#).len(), 3);
        assert_eq!(
            limited(r#"namespace!:"__idle__""#),
            [("b__system__".to_owned(), [2, 0, 0], 20)]
        );
    }

    proptest! {
        #[test]
        fn what_passes_a_filter_costs_the_same_with_idle_shared_or_apart(
            own in prop::collection::vec((0_usize..3, 0_usize..6, [1_i128..1_000_000, 1_i128..1_000_000, 1_i128..1_000_000]), 1..40),
            filter in prop::sample::select(vec![
                r#"namespace:"n0""#, r#"namespace!:"n0""#, r#"cluster:"a""#, r#"cluster:"a"+namespace:"n1""#,
                r#"cluster:"a"|namespace:"n1""#, r#"datacenter!:"dfw""#, r#"namespace:"n1","n2""#,
            ]),
        ) {
            let names = ["n0", "n1", "n2", "n3", IDLE, SYSTEM];
            // Whoever is in a cluster was charged of everything: nothing stays with nobody.
            let mut fleet: Vec<AllocationRow> = ["a", "b", "c"].map(|cluster| row(cluster, "n3", [1, 1, 1])).into();
            fleet.extend(own.iter().map(|(cluster, name, own)| row(["a", "b", "c"][*cluster], names[*name], *own)));
            let filter = CostFilter::parse(filter).unwrap();
            let total = |idle| {
                let mut rows = fleet.clone();
                let how = SharingOptions { idle, ..SharingOptions::default() };
                share(&mut rows, &how, Some(&filter), |_| String::new());
                rows.iter().map(AllocationRow::total).sum::<CurrencyNanos>()
            };
            // Idle is split row by row where it stays apart: a billionth each.
            prop_assert!((total(true) - total(false)).abs() <= 3 * fleet.len() as i128, "{} {}", total(true), total(false));
        }
    }
}
