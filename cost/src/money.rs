//! Money as integers of billionths, and the rules by which a node's cost is split. Pure: no I/O, no clock.
//!
//! The hourly rating runs the same rules in SQL (`schema/postgres/functions/rate.sql`); a test compares them.

/// Billionths of the currency. A node of the largest quantity that Kubernetes knows costs 10^23 of them an hour.
pub type CurrencyNanos = i128;

/// The largest amount that is worked with, 3·10^32: sums of a hundred thousand of them are far from the end of 128 bits.
pub const LARGEST_AMOUNT: i128 = 1 << 108;

/// Hours of the month of 365 / 12 days that `month_basis = "730h"` means.
pub const MONTH_HOURS: f64 = 730.0;

/// Splits an amount in proportion to weights: each part is rounded down, then the parts with the largest remainders get
/// one more each, the first of equals first. The parts sum to the amount, to the nano.
///
/// Without any weight nobody gets anything: the caller keeps the amount.
#[must_use]
pub fn split(amount: CurrencyNanos, weights: &[u128]) -> Vec<CurrencyNanos> {
    let whole = weights
        .iter()
        .fold(0_u128, |sum, weight| sum.saturating_add(*weight));
    if whole == 0 {
        return vec![0; weights.len()];
    }
    let size = amount.unsigned_abs();
    let mut parts: Vec<(u128, u128)> = weights
        .iter()
        .map(|weight| part_of(size, *weight, whole))
        .collect();
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by_key(|place| (std::cmp::Reverse(parts.get(*place).map(|part| part.1)), *place));
    let given: u128 = parts.iter().map(|part| part.0).sum();
    // Fewer than there are parts with a remainder: each remainder is less than the whole.
    let left = usize::try_from(size - given).unwrap_or(usize::MAX);
    for place in order.into_iter().take(left) {
        if let Some(part) = parts.get_mut(place) {
            part.0 += 1;
        }
    }
    let sign = amount.signum();
    parts
        .into_iter()
        .map(|(part, _)| i128::try_from(part).unwrap_or(i128::MAX) * sign)
        .collect()
}

/// `amount * weight / whole` and what remains, for a weight that is no larger than the whole, and a whole below 2^127. The
/// product may go beyond 128 bits: then it is divided bit by bit, as on paper.
#[must_use]
pub fn part_of(amount: u128, weight: u128, whole: u128) -> (u128, u128) {
    if let Some(product) = amount.checked_mul(weight) {
        return (product / whole, product % whole);
    }
    let (mut part, mut remainder) = (0_u128, 0_u128);
    let carry = |addend: u128, remainder: u128| {
        let sum = remainder + addend;
        if sum >= whole { (1, sum - whole) } else { (0, sum) }
    };
    for bit in (0..u128::BITS).rev() {
        let (doubled, rest) = carry(remainder, remainder);
        let addend = if amount >> bit & 1 == 1 { weight } else { 0 };
        let (added, rest) = carry(addend, rest);
        part = (part << 1) + doubled + added;
        remainder = rest;
    }
    (part, remainder)
}

/// What is charged: the larger of request and usage where usage was seen, else the request. `None` = neither is known,
/// which costs nothing and is flagged, because unknown is not zero.
#[must_use]
pub fn charged(request: Option<u64>, usage: Option<u64>) -> Option<u64> {
    match (request, usage) {
        (Some(request), Some(usage)) => Some(request.max(usage)),
        (one, other) => one.or(other),
    }
}

/// A resource of a node over a stretch of time: amounts in one unit, such as core-microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResourceAmounts {
    /// What the machine has.
    pub capacity: u64,
    /// What pods may request of it.
    pub allocatable: u64,
    /// What pods are charged, all together.
    pub charged: u64,
}

/// What of a capacity, or of its cost, went where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CapacityShares<T> {
    /// To pods.
    pub allocated: T,
    /// To nobody, though pods could have had it.
    pub idle: T,
    /// To the node itself.
    pub system: T,
}

impl ResourceAmounts {
    /// Allocated, idle and system, each by its own rule. They sum to the capacity.
    #[must_use]
    pub fn amounts(&self) -> CapacityShares<u64> {
        let allocated = self.charged.min(self.capacity);
        let idle = self.allocatable.min(self.capacity).saturating_sub(allocated);
        let system = self.capacity - allocated - idle;
        CapacityShares {
            allocated,
            idle,
            system,
        }
    }

    /// The same of what the capacity costs.
    #[must_use]
    pub fn costs(&self, cost: CurrencyNanos) -> CapacityShares<CurrencyNanos> {
        let CapacityShares {
            allocated,
            idle,
            system,
        } = self.amounts();
        match split(cost, &[allocated, idle, system].map(u128::from)).as_slice() {
            [allocated, idle, system] => CapacityShares {
                allocated: *allocated,
                idle: *idle,
                system: *system,
            },
            _ => CapacityShares {
                allocated: 0,
                idle: 0,
                system: 0,
            },
        }
    }

    /// min(1, capacity / charged): below 1 where the node is overcommitted.
    #[must_use]
    pub fn k(&self) -> f64 {
        if self.charged <= self.capacity {
            return 1.0;
        }
        self.capacity as f64 / self.charged as f64
    }
}

/// What a node has, in the units of its price.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NodeSize {
    /// Cores.
    pub cores: f64,
    /// Memory in GiB.
    pub gib: f64,
    /// GPU cards.
    pub gpus: f64,
}

/// The price of a whole node, and how it is split over what the node has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NodePrice {
    /// Price of the node.
    pub node: f64,
    /// What a core costs, in GiB of memory.
    pub cpu_to_ram: f64,
    /// What a card costs, in GiB of memory.
    pub gpu_to_ram: f64,
}

/// Prices of one core, one GiB and one card.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UnitPrices {
    /// Of a core.
    pub core: f64,
    /// Of a GiB of memory.
    pub gib: f64,
    /// Of a GPU card.
    pub gpu: f64,
}

impl NodePrice {
    /// `ram = node / (cores·a + gib + gpus·g)`, `cpu = ram·a`, `gpu = ram·g`; `None` for a node that has nothing.
    #[must_use]
    pub fn over(&self, size: NodeSize) -> Option<UnitPrices> {
        let weight = size.cores * self.cpu_to_ram + size.gib + size.gpus * self.gpu_to_ram;
        let gib = (weight > 0.0).then(|| self.node / weight)?;
        Some(UnitPrices {
            core: gib * self.cpu_to_ram,
            gib,
            gpu: gib * self.gpu_to_ram,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Thousandths of a core.
    fn stretch(charged: u64) -> ResourceAmounts {
        ResourceAmounts {
            capacity: 4000,
            allocatable: 3800,
            charged,
        }
    }

    #[test]
    fn charged_is_the_larger_of_request_and_usage_where_usage_was_seen() {
        let vectors = [
            (Some(1000), Some(10), Some(1000)),
            (Some(1000), Some(2200), Some(2200)),
            (Some(0), Some(10), Some(10)),
            (Some(1000), None, Some(1000)),
            (None, Some(10), Some(10)),
            (None, None, None),
        ];
        for (request, usage, expected) in vectors {
            assert_eq!(charged(request, usage), expected, "{request:?} {usage:?}");
        }
        assert_eq!(charged(None, None).unwrap_or(0), 0);
    }

    #[test]
    fn a_node_of_4_cores_is_split_below_between_and_beyond() {
        let amounts = |charged| {
            let CapacityShares {
                allocated,
                idle,
                system,
            } = stretch(charged).amounts();
            (allocated, idle, system)
        };
        assert_eq!(amounts(3700), (3700, 100, 200));
        assert_eq!(amounts(3950), (3950, 0, 50));
        assert_eq!(amounts(4400), (4000, 0, 0));
        assert_eq!(stretch(3700).k(), 1.0);
        assert_eq!(stretch(3950).k(), 1.0);
        assert!((stretch(4400).k() - 0.909_090_909).abs() < 1e-9);
    }

    #[test]
    fn monthly_prices_on_730_hours() {
        let hourly = |monthly: f64| (monthly / MONTH_HOURS * 1e6).round() / 1e6;
        assert_eq!(hourly(20.0), 0.027_397);
        assert_eq!(hourly(4.0), 0.005_479);
        assert_eq!(hourly(500.0 * 2.0), 1.369_863);
    }

    #[test]
    fn a_node_price_is_split_over_what_the_node_has() {
        let price = NodePrice {
            node: 12_000.0,
            cpu_to_ram: 4.0,
            gpu_to_ram: 100.0,
        };
        let size = NodeSize {
            cores: 64.0,
            gib: 256.0,
            gpus: 8.0,
        };
        let unit = price.over(size).unwrap();
        let sum = unit.core * size.cores + unit.gib * size.gib + unit.gpu * size.gpus;
        assert!((sum - price.node).abs() < 1e-6);
        assert!((unit.core / unit.gib - 4.0).abs() < 1e-9 && (unit.gpu / unit.gib - 100.0).abs() < 1e-9);
        let nothing = NodeSize {
            cores: 0.0,
            gib: 0.0,
            gpus: 0.0,
        };
        assert_eq!(price.over(nothing), None);
    }

    #[test]
    fn the_largest_remainders_get_what_is_left() {
        assert_eq!(split(10, &[1, 1, 1]), [4, 3, 3]);
        assert_eq!(split(100, &[333, 333, 334]), [33, 33, 34]);
        assert_eq!(split(-10, &[1, 1, 1]), [-4, -3, -3]);
        assert_eq!(split(7, &[0, 0]), [0, 0]);
        assert_eq!(split(0, &[5, 6]), [0, 0]);
    }

    #[test]
    fn a_product_beyond_128_bits_is_divided_exactly() {
        let (amount, weight, whole) = (10_u128.pow(31) + 7, 10_u128.pow(30) + 1, 3 * 10_u128.pow(30) + 3);
        assert_eq!(
            part_of(amount, weight, whole),
            ((10_u128.pow(31) + 7) / 3, whole / 3 * 2)
        );
        assert_eq!(part_of(amount, whole, whole), (amount, 0));
        assert_eq!(part_of(u128::MAX, 0, whole), (0, 0));
    }

    proptest! {
        #[test]
        fn parts_sum_to_the_whole(
            amount in prop_oneof![-1_000_000_000_000_i128..1_000_000_000_000, -LARGEST_AMOUNT..LARGEST_AMOUNT],
            weights in prop::collection::vec(prop_oneof![0_u128..10_000_000_000_000_000, 0..LARGEST_AMOUNT.unsigned_abs()], 1..60),
        ) {
            let parts = split(amount, &weights);
            let sum: i128 = parts.iter().sum();
            prop_assert_eq!(sum, if weights.iter().all(|weight| *weight == 0) { 0 } else { amount });
            for (part, weight) in parts.iter().zip(&weights) {
                let exact = amount as f64 * *weight as f64 / weights.iter().map(|w| *w as f64).sum::<f64>();
                prop_assert!(*weight > 0 || *part == 0);
                // A float knows 53 bits of what is exact.
                prop_assert!(!exact.is_finite() || (*part as f64 - exact).abs() < 1.001 + exact.abs() * 1e-13);
            }
        }

        #[test]
        fn a_node_costs_what_its_shares_cost(capacity in 1_u64..1_000_000_000_000, allocatable in 0_u64..1_000_000_000_000, charges in prop::collection::vec(0_u64..100_000_000_000, 0..40), cost in 0_i128..1_000_000_000_000) {
            let stretch = ResourceAmounts { capacity, allocatable, charged: charges.iter().sum() };
            let CapacityShares { allocated, idle, system } = stretch.costs(cost);
            prop_assert_eq!(allocated + idle + system, cost);
            prop_assert!(allocated >= 0 && idle >= 0 && system >= 0);
            let charges: Vec<u128> = charges.into_iter().map(u128::from).collect();
            let pods: i128 = split(allocated, &charges).iter().sum();
            prop_assert_eq!(pods, if stretch.charged == 0 { 0 } else { allocated });
        }

        #[test]
        fn splitting_a_life_at_any_instant_changes_no_total(charges in prop::collection::vec(1_u128..100_000_000_000, 1..20), at in 0_usize..20, part in 0.0_f64..1.0, cost in 0_i128..1_000_000_000_000) {
            let at = at % charges.len();
            let first = (charges[at] as f64 * part) as u128;
            let mut cut = charges.clone();
            cut[at] = first;
            cut.push(charges[at] - first);
            let (whole, parts) = (split(cost, &charges), split(cost, &cut));
            prop_assert_eq!(whole.iter().sum::<i128>(), parts.iter().sum::<i128>());
            // Nobody else's part moves by more than the rounding of one nano.
            for place in (0..charges.len()).filter(|place| *place != at) {
                prop_assert!((whole[place] - parts[place]).abs() <= 1);
            }
        }
    }
}
