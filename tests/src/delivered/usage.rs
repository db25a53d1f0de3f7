//! Windows of usage, folded from the log by a reading of its own: without the codec, by the order of the fields in the
//! schema, and by minutes in a set instead of bits.

use std::collections::{BTreeMap, HashSet};

use fleetledger_schema::object_uid::ObjectUid;
use serde_json::Value;

use super::long;
use crate::database::LedgerDatabase;

const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;
/// Columns that are added up, in the order of the schema; then those of which the highest is kept.
const SUMS: [&str; 5] = [
    "covered_ms",
    "cpu_core_us",
    "memory_byte_seconds",
    "cpu_charged_core_us",
    "memory_charged_byte_seconds",
];
const HIGHEST: [&str; 2] = ["cpu_max_millicores", "memory_max_bytes"];

/// Cluster uid, hour in microseconds, pod uid, container.
type FoldedHourKey = (String, i64, String, String);

/// What was used of a container in an hour.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct FoldedHour {
    amounts: [i64; 7],
    gpu_covered_ms: i64,
    gpu_used_card_us: Option<i64>,
}

/// The hours of every container, as the log has them.
#[derive(Debug, Clone, Default)]
pub struct FoldedHours {
    hours: BTreeMap<FoldedHourKey, FoldedHour>,
    minutes: HashSet<(String, String, i64)>,
}

impl FoldedHours {
    /// Folds the body of a window; false if one of its minutes was folded before.
    pub(super) fn fold(&mut self, cluster_uid: &str, body: &[u8]) -> bool {
        let mut rest = body;
        let node = text(&mut rest);
        text(&mut rest);
        let (start, end) = (long(&mut rest), long(&mut rest));
        text(&mut rest);
        let minutes: Vec<_> = (start..end)
            .step_by(MINUTE as usize)
            .map(|minute| (cluster_uid.to_owned(), node.clone(), minute))
            .collect();
        if minutes.iter().any(|minute| self.minutes.contains(minute)) {
            return false;
        }
        self.minutes.extend(minutes);
        loop {
            let count = long(&mut rest);
            if count == 0 {
                return true;
            }
            for _ in 0..count {
                self.add(cluster_uid, start - start.rem_euclid(HOUR), &mut rest);
            }
        }
    }

    fn add(&mut self, cluster_uid: &str, hour: i64, rest: &mut &[u8]) {
        let uid = ObjectUid::of(&text(rest)).to_string();
        let (_namespace, _pod) = (text(rest), text(rest));
        let key = (cluster_uid.to_owned(), hour, uid, text(rest));
        let of = self.hours.entry(key).or_default();
        for (number, amount) in of.amounts.iter_mut().enumerate() {
            let more = long(rest);
            *amount = if number < SUMS.len() {
                *amount + more
            } else {
                more.max(*amount)
            };
        }
        for _request in 0..2 {
            optional(rest);
        }
        of.gpu_covered_ms += long(rest);
        if let Some(used) = optional(rest) {
            of.gpu_used_card_us = Some(of.gpu_used_card_us.unwrap_or(0) + used);
        }
    }

    /// Number of hours of containers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hours.len()
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hours.is_empty()
    }

    /// Every hour of every container stands as the log has it, and no other.
    pub(super) async fn judge(&self, database: &LedgerDatabase, faults: &mut Vec<String>) {
        let query = "select l.cluster_uid, (extract(epoch from u.hour_at) * 1000000)::bigint as hour, u.*
            from ledger.usage_hourly as u join ledger.cluster as l using (cluster_id)";
        let mut wanted = self.hours.clone();
        for row in database.rows(query, &[]).await {
            let text = |column: &str| row[column].as_str().unwrap().to_owned();
            let number = |column: &str| row[column].as_i64().unwrap();
            let key = (
                text("cluster_uid"),
                number("hour"),
                text("pod_uid"),
                text("container"),
            );
            let mut amounts = [0; 7];
            for (amount, column) in amounts.iter_mut().zip(SUMS.iter().chain(&HIGHEST)) {
                *amount = number(column);
            }
            let found = FoldedHour {
                amounts,
                gpu_covered_ms: number("gpu_covered_ms"),
                gpu_used_card_us: row["gpu_used_card_us"].as_i64(),
            };
            match wanted.remove(&key) {
                Some(hour) if hour == found => {}
                other => faults.push(format!("{key:?} stands as {found:?}, the log says {other:?}")),
            }
        }
        faults.extend(
            wanted
                .keys()
                .map(|key| format!("{key:?} is in the log and does not stand")),
        );
        let minutes = "select coalesce(sum(bit_count(minutes::bit(60))), 0)::bigint as minutes from ledger.usage_window";
        let row: Value = database.row(minutes).await;
        if row["minutes"].as_i64() != i64::try_from(self.minutes.len()).ok() {
            faults.push(format!("{row} are marked, the log has {}", self.minutes.len()));
        }
    }
}

fn text(rest: &mut &[u8]) -> String {
    let length = usize::try_from(long(rest)).unwrap();
    let (text, after) = rest.split_at(length);
    *rest = after;
    String::from_utf8(text.to_vec()).unwrap()
}

fn optional(rest: &mut &[u8]) -> Option<i64> {
    (long(rest) == 1).then(|| long(rest))
}
