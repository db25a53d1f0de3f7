//! Stage tables and the statements that merge them, made from the column lists of [`fleetledger_schema::row`].
//!
//! A stage holds every version of a batch, numbered by `step` within its object. `from_at` is when the version
//! began by its own clocks; its real begin is at least `base + step µs`, where `base` is the begin of the version
//! that stands (or the end of the object's last life), so that intervals never overlap. The plan table holds,
//! for each object of the batch, the current state: found once, used by every statement after it.

use std::sync::LazyLock;

use fleetledger_schema::{
    kind::RecordKind,
    row::{self, LedgerTable},
};

use crate::safeguard::Safeguard;

/// One table's stage.
#[derive(Debug)]
pub(crate) struct StageTable {
    pub(crate) table: &'static LedgerTable,
    /// Name of the stage table.
    pub(crate) name: String,
    /// Makes the session's stage table.
    pub(crate) create: String,
    /// Makes the session's plan table.
    pub(crate) create_plan: String,
    pub(crate) copy: String,
    /// How a batch with one version of each object is merged.
    pub(crate) single: MergeSteps,
    /// How a batch with several versions of an object is merged, with a plan.
    pub(crate) planned: MergeSteps,
    /// Fills the plan; returns how many objects stand, and how many do not.
    pub(crate) plan: String,
    /// Versions that began and ended within the batch go to history; needs the plan.
    pub(crate) between: String,
    /// Objects that ended: `$1` clusters, `$2` uids, `$3` instants, `$4` reasons.
    pub(crate) end: String,
    /// What is known of one object: `$1` cluster, `$2` uid, `$3` kind; not for containers.
    pub(crate) object_state: String,
    /// Containers their pod no longer has; only for the container table.
    pub(crate) vanish: Option<String>,
}

/// The statements of a merge.
#[derive(Debug)]
pub(crate) struct MergeSteps {
    /// Versions that stand and end go to history.
    pub(crate) close: String,
    /// Newest versions of current objects.
    pub(crate) update: String,
    /// Newest versions of objects that do not.
    pub(crate) insert: String,
}

/// No version ends later than clocks may run ahead; said so that the partitions of days to come are not looked into.
const ENDED: &str = "h.valid_to < now() + interval '1 hour'";

/// Columns of the pod's resolved owner, which a record that could not resolve it leaves as they are.
const OWNER_COLUMNS: &[&str] = &["workload_kind", "workload", "workload_uid", "workload_uid_text"];

struct StageTables {
    kinds: Vec<(RecordKind, StageTable)>,
    container: StageTable,
}

static STAGES: LazyLock<StageTables> = LazyLock::new(|| StageTables {
    kinds: RecordKind::ALL
        .into_iter()
        .map(|kind| (kind, StageTable::of(row::table(kind))))
        .collect(),
    container: StageTable::of(row::container_table()),
});

/// Stage of a kind.
pub(crate) fn of_kind(kind: RecordKind) -> &'static StageTable {
    let found = STAGES.kinds.iter().find(|(of, _)| *of == kind);
    // Every kind is in the list; a missing one would be the container's, which no record is of.
    found.map_or(&STAGES.container, |(_, stage)| stage)
}

/// Stage of containers.
pub(crate) fn of_containers() -> &'static StageTable {
    &STAGES.container
}

/// Every stage.
pub(crate) fn all() -> impl Iterator<Item = &'static StageTable> {
    STAGES
        .kinds
        .iter()
        .map(|(_, stage)| stage)
        .chain([&STAGES.container])
}

/// Columns a stage has after the record's own: name and type.
pub(crate) fn meta_columns(table: &LedgerTable) -> Vec<(&'static str, &'static str)> {
    let kept = table
        .meta
        .iter()
        .filter(|name| !matches!(**name, "valid_from" | "landed_at"));
    kept.map(|name| (*name, meta_type(name))).collect()
}

/// Columns that say how a version is merged.
const STEERING: &[(&str, &str)] = &[
    ("from_at", "timestamptz not null"),
    ("next_from_at", "timestamptz"),
    ("step", "integer not null"),
    ("steps", "integer not null"),
    ("forced", "boolean not null"),
    ("keeps_owner", "boolean not null"),
    ("compare", "text[]"),
    ("known_hash_hi", "bigint"),
    ("known_hash_lo", "bigint"),
];

/// Number of fields of a stage's row.
pub(crate) fn width(table: &LedgerTable) -> usize {
    1 + table.columns.len() + meta_columns(table).len() + STEERING.len()
}

fn meta_type(name: &str) -> &'static str {
    match name {
        "reader_version" => "smallint",
        "unknown" => "jsonb",
        "valid_from" | "observed_at" | "landed_at" => "timestamptz",
        _ => "bigint",
    }
}

impl StageTable {
    fn of(table: &'static LedgerTable) -> Self {
        let sql = StageSql::of(table);
        Self {
            table,
            name: format!("stage_{}", table.name),
            create: sql.create(),
            create_plan: sql.create_plan(),
            copy: sql.copy(),
            single: sql.single(),
            planned: MergeSteps {
                close: sql.close(),
                update: sql.update(),
                insert: sql.insert(),
            },
            plan: sql.plan(),
            between: sql.between(),
            end: sql.end(),
            object_state: sql.object_state(),
            vanish: (table.name == "container").then(|| sql.vanish()),
        }
    }
}

struct StageSql {
    table: &'static LedgerTable,
    name: &'static str,
    is_pod: bool,
}

impl StageSql {
    fn of(table: &'static LedgerTable) -> Self {
        Self {
            table,
            name: table.name,
            is_pod: table.columns.iter().any(|column| column.name == "workload_uid"),
        }
    }

    /// `a.cluster_id = b.cluster_id and a.uid = b.uid …`
    fn key_join(&self, left: &str, right: &str) -> String {
        let keys = ["cluster_id"].iter().chain(self.table.key);
        let pairs: Vec<String> = keys.map(|key| format!("{left}.{key} = {right}.{key}")).collect();
        pairs.join(" and ")
    }

    /// The rows of `table` with the keys of the stage's row, looked for row by row. With `offset 0` no planner turns that
    /// round and reads the stage, which has no index, for each row of `table`.
    fn beside(&self, table: &str, alias: &str) -> String {
        format!(
            "lateral (select {alias}.* from {table} as {alias} where {keys} offset 0) as {alias} on true",
            keys = self.key_join(alias, "s")
        )
    }

    fn plan_beside(&self) -> String {
        self.beside(&format!("plan_{}", self.name), "pl")
    }

    fn current_beside(&self) -> String {
        self.beside(&format!("ledger.{}", self.name), "p")
    }

    fn keys(&self, alias: &str) -> String {
        let keys = ["cluster_id"].iter().chain(self.table.key);
        keys.map(|key| format!("{alias}{key}"))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// All columns of the current table, each made by `value`.
    fn columns(&self, value: impl Fn(&str) -> String) -> String {
        let own = self.table.columns.iter().map(|column| column.name);
        let names = ["cluster_id"]
            .into_iter()
            .chain(own)
            .chain(self.table.meta.iter().copied());
        names.map(value).collect::<Vec<_>>().join(", ")
    }

    fn create(&self) -> String {
        let mut columns = vec!["cluster_id integer not null".to_owned()];
        for column in self.table.columns {
            let null = if column.not_null { " not null" } else { "" };
            columns.push(format!(
                "\"{}\" {}{null}",
                column.name,
                column.column_type.sql_name()
            ));
        }
        columns.extend(
            meta_columns(self.table)
                .iter()
                .map(|(name, kind)| format!("{name} {kind}")),
        );
        columns.extend(STEERING.iter().map(|(name, kind)| format!("{name} {kind}")));
        format!(
            "create temp table stage_{name} ({columns}) on commit delete rows",
            name = self.name,
            columns = columns.join(", "),
        )
    }

    fn create_plan(&self) -> String {
        let mut plan = vec!["cluster_id integer".to_owned()];
        let keys = self
            .table
            .columns
            .iter()
            .filter(|column| self.table.key.contains(&column.name));
        plan.extend(keys.map(|key| format!("{} {}", key.name, key.column_type.sql_name())));
        format!(
            "create temp table plan_{name} ({plan}, has_current boolean, same boolean, base timestamptz, primary key ({keys})) on commit delete rows",
            name = self.name,
            plan = plan.join(", "),
            keys = self.keys(""),
        )
    }

    fn copy(&self) -> String {
        let own = self
            .table
            .columns
            .iter()
            .map(|column| format!("\"{}\"", column.name));
        let meta = meta_columns(self.table);
        let rest = meta.iter().chain(STEERING).map(|(name, _)| (*name).to_owned());
        let columns: Vec<String> = ["cluster_id".to_owned()]
            .into_iter()
            .chain(own)
            .chain(rest)
            .collect();
        format!(
            "copy stage_{} ({}) from stdin (format binary)",
            self.name,
            columns.join(", ")
        )
    }

    /// Is the current state equal to the batch's first version? By the hash of its own columns. Where an older reader wrote the
    /// row, by the hash that reader would give the version: a column that the reader has learnt since makes no version, and
    /// an upgrade compares two numbers a row. Where writers are not the same either, by the columns both know, none if the
    /// ingester has found it equal already.
    fn same(&self) -> String {
        if !Safeguard::AntiJoin.is_enabled() {
            return "false".to_owned();
        }
        let mut versions = vec!["p.reader_version <> s.reader_version"];
        if self.table.meta.contains(&"writer_schema") {
            versions.push("p.writer_schema <> s.writer_schema");
        }
        let mut same = format!(
            "((p.row_hash_hi = s.row_hash_hi and p.row_hash_lo = s.row_hash_lo)
            or (s.known_hash_hi is not null and p.reader_version < s.reader_version
                and p.row_hash_hi = s.known_hash_hi and p.row_hash_lo = s.known_hash_lo)
            or (s.compare is not null and (s.compare = '{{}}' or ({versions}) and (
                select coalesce(bool_and(a.j -> c.name is not distinct from b.j -> c.name), true)
                from (select to_jsonb(p) as j offset 0) as a, (select to_jsonb(s) as j offset 0) as b, unnest(s.compare) as c (name)))))",
            versions = versions.join(" or ")
        );
        if self.is_pod {
            // An owner that becomes known was so all along; one that changes makes a version.
            same.push_str(
                "
            and (s.keeps_owner or p.workload_uid is null or (not p.owner_resolved and p.workload_uid is not distinct from p.owner_uid)
                or (p.workload_kind, p.workload, p.workload_uid) is not distinct from (s.workload_kind, s.workload, s.workload_uid))",
            );
        }
        format!("({same})")
    }

    fn plan(&self) -> String {
        format!(
            "with planned as (
insert into plan_{name} ({keys}, has_current, same, base)
select {s_keys}, p.uid is not null, p.uid is not null and {same}, coalesce(p.valid_from, h.ended_at - interval '1 microsecond')
from stage_{name} as s
left join ledger.{name} as p on {s_p}
left join lateral (
    select max(h.valid_to) as ended_at from ledger.{name}_history as h
    where p.uid is null and {h_s} and h.valid_to > s.from_at and {ENDED}
) as h on true
where s.step = 1
returning has_current)
select count(*) filter (where has_current), count(*) filter (where not has_current) from planned",
            name = self.name,
            keys = self.keys(""),
            s_keys = self.keys("s."),
            same = self.same(),
            s_p = self.key_join("p", "s"),
            h_s = self.key_join("h", "s"),
        )
    }

    fn close(&self) -> String {
        format!(
            "insert into ledger.{name}_history ({columns}, valid_to, closed_reason)
select {values},
    case when pl.same then greatest(s.next_from_at, pl.base + interval '2 microseconds')
    else greatest(s.from_at, pl.base + interval '1 microsecond') end,
    'changed'
from stage_{name} as s
join {planned}
join {current}
where s.step = 1 and pl.has_current and (not pl.same or s.steps > 1)
order by {keys}",
            name = self.name,
            columns = self.columns(quoted),
            values = self.columns(|column| format!("p.{}", quoted(column))),
            planned = self.plan_beside(),
            current = self.current_beside(),
            keys = self.keys("s."),
        )
    }

    fn between(&self) -> String {
        let current = if self.is_pod {
            format!("left join {}", self.current_beside())
        } else {
            String::new()
        };
        format!(
            "insert into ledger.{name}_history ({columns}, valid_to, closed_reason)
select {values},
    greatest(s.next_from_at, pl.base + (s.step + 1) * interval '1 microsecond'), 'changed'
from stage_{name} as s
join {planned}
{current}
where s.step < s.steps and not (s.step = 1 and pl.same)
order by {keys}, s.step",
            name = self.name,
            columns = self.columns(quoted),
            values = self.columns(|column| self.staged_value(column)),
            planned = self.plan_beside(),
            keys = self.keys("s."),
        )
    }

    /// The staged value of a column of the current table.
    fn staged_value(&self, column: &str) -> String {
        match column {
            "valid_from" => "greatest(s.from_at, pl.base + s.step * interval '1 microsecond')".to_owned(),
            "landed_at" => "now()".to_owned(),
            owner if self.is_pod && OWNER_COLUMNS.contains(&owner) => format!(
                "case when s.keeps_owner and p.workload_uid is not null and (p.owner_resolved or p.workload_uid is distinct from p.owner_uid)
        then p.{owner} else s.{owner} end"
            ),
            column => format!("s.{}", quoted(column)),
        }
    }

    /// Needs neither plan nor sort: the stage is in the order of the keys, and the current state is found beside it. Each
    /// statement may follow the others in any order: what one has written is the same to the next.
    fn single(&self) -> MergeSteps {
        let begins = |column: &str| match column {
            "valid_from" => "greatest(s.from_at, p.valid_from + interval '1 microsecond')".to_owned(),
            column => self.staged_value(column),
        };
        let close = format!(
            "insert into ledger.{name}_history ({columns}, valid_to, closed_reason)
select {values}, {begin}, 'changed'
from stage_{name} as s
join {current}
where not {same}",
            name = self.name,
            columns = self.columns(quoted),
            values = self.columns(|column| format!("p.{}", quoted(column))),
            begin = begins("valid_from"),
            current = self.current_beside(),
            same = self.same(),
        );
        let update = format!(
            "update ledger.{name} as p set {sets}
from stage_{name} as s
where {p_s} and not ({unchanged})",
            name = self.name,
            sets = self.sets(&self.same(), begins),
            p_s = self.key_join("p", "s"),
            unchanged = self.unchanged(&self.same()),
        );
        let insert = format!(
            "insert into ledger.{name} ({columns})
select {values}
from stage_{name} as s
left join lateral (
    select max(h.valid_to) as ended_at from ledger.{name}_history as h where {h_s} and h.valid_to > s.from_at and {ENDED}
) as h on true
where not exists (select from ledger.{name} as p where {p_s})",
            name = self.name,
            columns = self.columns(quoted),
            values = self.columns(|column| match column {
                "valid_from" => "greatest(s.from_at, h.ended_at)".to_owned(),
                // Nothing stands whose owner could be kept.
                owner if OWNER_COLUMNS.contains(&owner) => format!("s.{owner}"),
                column => self.staged_value(column),
            }),
            h_s = self.key_join("h", "s"),
            p_s = self.key_join("p", "s"),
        );
        MergeSteps {
            close,
            update,
            insert,
        }
    }

    /// Assignments of an update; `same` says whether the current version goes on, `value` what a column becomes
    /// where it does not.
    fn sets(&self, same: &str, value: impl Fn(&str) -> String) -> String {
        let own = self.table.columns.iter().map(|column| column.name);
        let keys: Vec<&str> = ["cluster_id"].iter().chain(self.table.key).copied().collect();
        let names = own
            .chain(self.table.meta.iter().copied())
            .filter(|name| !keys.contains(name));
        let sets: Vec<String> = names
            .map(|column| {
                let value = value(column);
                // A version keeps its begin while it is the same.
                match column {
                    "valid_from" | "observed_at" | "landed_at" => {
                        format!("{column} = case when {same} then p.{column} else {value} end")
                    }
                    column => format!("{} = {value}", quoted(column)),
                }
            })
            .collect();
        sets.join(", ")
    }

    /// What equals the row in everything is left alone: it would only dirty the page.
    fn unchanged(&self, same: &str) -> String {
        let hashes = if self.table.meta.contains(&"writer_schema") {
            "p.body_hash_hi is not distinct from s.body_hash_hi and p.body_hash_lo is not distinct from s.body_hash_lo
    and p.writer_schema = s.writer_schema"
        } else {
            "p.row_hash_hi = s.row_hash_hi and p.row_hash_lo = s.row_hash_lo"
        };
        format!("{same} and not s.forced and {hashes} and p.reader_version = s.reader_version")
    }

    fn update(&self) -> String {
        let same = "(pl.same and s.steps = 1)";
        format!(
            "update ledger.{name} as p set {sets}
from stage_{name} as s
join {planned}
where s.step = s.steps and pl.has_current and {p_s} and not ({unchanged})",
            name = self.name,
            sets = self.sets(same, |column| self.staged_value(column)),
            planned = self.plan_beside(),
            p_s = self.key_join("p", "s"),
            unchanged = self.unchanged(same),
        )
    }

    fn insert(&self) -> String {
        format!(
            "insert into ledger.{name} ({columns})
select {values}
from stage_{name} as s
join {planned}
where s.step = s.steps and not pl.has_current
order by {keys}",
            name = self.name,
            columns = self.columns(quoted),
            values = self.columns(|column| match column {
                // Nothing stands whose owner could be kept.
                owner if OWNER_COLUMNS.contains(&owner) => format!("s.{owner}"),
                column => self.staged_value(column),
            }),
            planned = self.plan_beside(),
            keys = self.keys("s."),
        )
    }

    fn end(&self) -> String {
        format!(
            "with gone as (
    delete from ledger.{name} as p
    using unnest($1::integer[], $2::uuid[], $3::timestamptz[], $4::text[]) as e (cluster_id, uid, ended_at, reason)
    where p.cluster_id = e.cluster_id and p.uid = e.uid
    returning p.*, e.ended_at, e.reason as ended_reason
)
insert into ledger.{name}_history ({columns}, valid_to, closed_reason)
select {columns}, greatest(ended_at, valid_from + interval '1 microsecond'), ended_reason from gone
order by {keys}",
            name = self.name,
            columns = self.columns(quoted),
            keys = self.keys(""),
        )
    }

    fn object_state(&self) -> String {
        format!(
            "select p.writer_schema, p.reader_version,
    exists (select from ledger.{name}_history as h where h.cluster_id = $1 and h.uid = $2) as has_history,
    (select coalesce(k.dead_letter_id, 0) from ledger.dead_key as k where k.cluster_id = $1 and k.kind = $3::smallint and k.uid = $2) as dead_letter_id
from (select 1) as one
left join ledger.{name} as p on p.cluster_id = $1 and p.uid = $2",
            name = self.name
        )
    }

    /// Containers that stand and are not in the newest record of their pod.
    fn vanish(&self) -> String {
        format!(
            "with gone as (
    delete from ledger.container as c
    using stage_pod as s
    where s.step = s.steps and c.cluster_id = s.cluster_id and c.uid = s.uid
      and not exists (select from plan_container as pl where {pl_c})
    returning c.*, s.from_at as ended_at
)
insert into ledger.container_history ({columns}, valid_to, closed_reason)
select {columns}, greatest(ended_at, valid_from + interval '1 microsecond'), 'changed' from gone
order by {keys}",
            pl_c = self.key_join("pl", "c"),
            columns = self.columns(quoted),
            keys = self.keys(""),
        )
    }
}

fn quoted(column: &str) -> String {
    format!("\"{column}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_has_its_stage() {
        assert_eq!(all().count(), RecordKind::ALL.len() + 1);
        assert_eq!(of_kind(RecordKind::Pod).name, "stage_pod");
        assert!(of_containers().vanish.is_some());
    }
}
