//! The part of history that a rule's slots can see, in temporary tables.
//!
//! At each slot an as-of view looks for the versions that held then among all that stand and all that are closed.
//! Looked for once for many slots, and copied without the columns and rows that the rule never reads, they are few: the
//! rule then runs on temporary views of the same names over the copies, which know the instant from a table, where it is
//! looked up once a query and not once a row. Versions that stand are copied as ones that end
//! at infinity. Views `*_history` stay as they are: a rule may look back further than its slots.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tokio_postgres::{Client, Error, SimpleQueryMessage};

use super::scan::{ROW, SLICE, TableReads, read_plan};

/// Tables whose versions are copied, and what the copies are looked up by.
const TABLES: [(&str, &[&str]); 7] = [
    ("node", &["cluster_id, node"]),
    (
        "pod",
        &["cluster_id, uid", "cluster_id, node", "cluster_id, workload_uid"],
    ),
    ("container", &["cluster_id, uid"]),
    ("namespace", &[]),
    ("workload", &["cluster_id, uid"]),
    ("watchdog", &[]),
    ("namespace_team", &["cluster_id, namespace"]),
];

/// Temporary views in place of those of `fleet_asof`, whose schema every rule's bare names then miss.
const VIEWS: &str = r"
select format('create temp view %I as %s', c.relname, v.body), v.body ~ 'ledger\.(node|pod|container|namespace|workload|watchdog|namespace_team)\y'
from pg_class as c
cross join lateral (
    select regexp_replace(regexp_replace(regexp_replace(replace(regexp_replace(
        pg_get_viewdef(c.oid),
        -- The half of what stands is in the copy too; and without a union a row can be looked up by an index.
        'SELECT [^()]* FROM ledger\.\w+\s+WHERE \(\w+\.valid_from <= fleet_asof\.as_of\(\)\)\s+UNION ALL', '', 'g'),
        'fleet_asof.as_of()', '(select at from pg_temp.asked)'),
        'ledger\.(node|pod|container|namespace|workload|watchdog|namespace_team)_history\y', 'pg_temp.\1_slice as \1_history', 'g'),
        'ledger\.freshness_history\y', 'pg_temp.freshness_slice', 'g'),
        'fleet_asof\.(\w+)\y(?!\()', 'pg_temp.\1', 'g') as body
) as v
where c.relnamespace = 'fleet_asof'::regnamespace and c.relkind = 'v' and c.relname not like '%\_history'
order by c.oid";

/// The copies of one session.
pub(super) struct HistoryCopy {
    reads: BTreeMap<String, TableReads>,
    /// True if the rule reads view `freshness` or what rests on it.
    has_freshness: bool,
}

/// Makes the tables and views of a session; false if its login may not read the ledger's tables by name.
pub(super) async fn prepare(client: &Client) -> Result<bool, Error> {
    let allowed = "select has_schema_privilege('ledger', 'usage') and has_database_privilege(current_database(), 'temporary')";
    if !client.query_one(allowed, &[]).await?.get::<_, bool>(0) {
        return Ok(false);
    }
    let mut script = String::from(
        "set temp_buffers = '128MB'; set search_path = pg_catalog;
         create temp table asked (at timestamptz);
         create temp table stale_span (
             cluster_id integer, kind smallint, from_at timestamptz, after_at timestamptz, to_at timestamptz
         );
         create temp table freshness_slice as select * from ledger.freshness_history with no data;
         create index on freshness_slice (cluster_id, kind, minute_at);\n",
    );
    for (table, _) in TABLES {
        // None of their columns must be filled.
        script += &format!(
            "create temp table {table}_kept as select * from ledger.{table}_history with no data;
             create temp table {table}{SLICE} as select * from ledger.{table}_history with no data;\n"
        );
    }
    client.batch_execute(&script).await?;
    let views = client.query(VIEWS, &[]).await?;
    // The current state is in the copies; a view that reads it from elsewhere as well would show it twice.
    if views.iter().any(|view| view.get(1)) {
        client.batch_execute("set search_path = fleet_asof").await?;
        return Ok(false);
    }
    for view in &views {
        client.batch_execute(view.get(0)).await?;
    }
    client.batch_execute("set search_path = fleet_asof").await?;
    Ok(true)
}

impl HistoryCopy {
    /// What a prepared statement reads.
    pub(super) async fn of(client: &Client, statement: &str) -> Result<Self, Error> {
        let explain = format!("explain (verbose, costs off, format json) execute {statement}");
        let messages = client.simple_query(&explain).await?;
        let plan: String = messages
            .iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => row.get(0),
                _ => None,
            })
            .collect();
        // A plan that cannot be read names no table: then nothing is known of any, and all is copied.
        let mut reads = serde_json::from_str(&plan)
            .map(|plan| read_plan(&plan))
            .unwrap_or_else(|_| {
                TABLES
                    .map(|(table, _)| (table.to_owned(), TableReads::everything()))
                    .into()
            });
        let has_freshness = reads.remove("freshness").is_some();
        Ok(Self { reads, has_freshness })
    }

    /// Copies what held at any instant from `from` to `to`, once, for [`Self::slice`] to choose from.
    pub(super) async fn copy_range(
        &self,
        client: &Client,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<(), Error> {
        for (table, reads) in &self.reads {
            let condition = reads.condition();
            match self.copy(client, table, &condition, from, to).await {
                // Where all rows are looked at, one may fail a condition that the rule would not have asked of it.
                Err(error) if !condition.is_empty() && error.as_db_error().is_some() => {
                    client.batch_execute("rollback").await?;
                    self.copy(client, table, "", from, to).await?;
                }
                copied => copied?,
            }
        }
        Ok(())
    }

    async fn copy(
        &self,
        client: &Client,
        table: &str,
        condition: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<(), Error> {
        let condition = match condition {
            "" => String::new(),
            condition => format!("and ({condition})"),
        };
        let own = self.columns(client, table).await?;
        let of_row: Vec<String> = own.iter().map(|column| format!("{ROW}.{column}")).collect();
        let (own, of_row) = (own.join(", "), of_row.join(", "));
        let script = format!(
            "truncate pg_temp.{table}_kept, pg_temp.{table}{SLICE};
             insert into pg_temp.{table}_kept ({own}, valid_to)
             select {of_row}, 'infinity' from ledger.{table} as {ROW}
             where {ROW}.valid_from <= '{to}' {condition};
             insert into pg_temp.{table}_kept ({own}, valid_to)
             select {of_row}, {ROW}.valid_to from ledger.{table}_history as {ROW}
             where {ROW}.valid_to > '{from}' and {ROW}.valid_from <= '{to}' {condition};"
        );
        write(client, &script).await
    }

    /// Columns that are copied, without `valid_to`.
    async fn columns(&self, client: &Client, table: &str) -> Result<Vec<String>, Error> {
        let all = "
            select a.attname::text, quote_ident(a.attname) from pg_attribute as a
            where a.attrelid = format('ledger.%I', $1::text || '_history')::regclass and a.attnum > 0
              and not a.attisdropped and a.attname not in ('valid_to', 'closed_reason')
            order by a.attnum";
        let wanted = self.reads.get(table).and_then(|reads| reads.columns.as_ref());
        let rows = client.query(all, &[&table]).await?;
        let columns = rows.iter().filter_map(|row| {
            let name: String = row.get(0);
            let is_read = wanted.is_none_or(|wanted| name == "valid_from" || wanted.contains(&name));
            is_read.then(|| row.get(1))
        });
        Ok(columns.collect())
    }

    /// Says which instant is asked about.
    pub(super) fn set_instant(at: Timestamp) -> String {
        format!("update pg_temp.asked set at = '{at}';\n")
    }

    /// Chooses what held at any instant from `from` to `to`, for a round trip's slots.
    pub(super) async fn slice(&self, client: &Client, from: Timestamp, to: Timestamp) -> Result<(), Error> {
        let mut script = String::from("truncate pg_temp.asked; insert into pg_temp.asked values (null);\n");
        for (table, reads) in &self.reads {
            let (mut drops, mut makes) = (String::new(), String::new());
            for (number, columns) in indexes(table, reads).enumerate() {
                let name = format!("{table}{SLICE}_{number}");
                drops += &format!("drop index if exists pg_temp.{name};\n");
                makes += &format!("create index {name} on pg_temp.{table}{SLICE} ({columns});\n");
            }
            script += &format!(
                "truncate pg_temp.{table}{SLICE};
                 {drops}
                 insert into pg_temp.{table}{SLICE}
                 select * from pg_temp.{table}_kept where valid_to > '{from}' and valid_from <= '{to}';
                 {makes}
                 analyze pg_temp.{table}{SLICE};\n"
            );
        }
        if self.has_freshness {
            script += &format!(
                "truncate pg_temp.freshness_slice;
                 insert into pg_temp.freshness_slice {};
                 analyze pg_temp.freshness_slice;\n",
                freshness_between(from, to)
            );
        }
        write(client, &script).await
    }
}

/// What a copy is looked up by, as far as the rule reads those columns.
fn indexes(table: &str, reads: &TableReads) -> impl Iterator<Item = &'static str> {
    let all = TABLES.iter().find(|(name, _)| *name == table);
    let is_read = |columns: &str| {
        let read = reads.columns.as_ref();
        read.is_none_or(|read| columns.split(", ").all(|column| read.contains(column)))
    };
    let wanted: Vec<&'static str> = all
        .iter()
        .flat_map(|(_, indexes)| *indexes)
        .copied()
        .filter(|columns| is_read(columns))
        .collect();
    wanted.into_iter()
}

/// Finds when each source was stale between two instants, for [`stale_at`]: what view `freshness` says of each instant,
/// found for all at once.
pub(super) async fn find_stale(
    client: &Client,
    max_age_ms: u64,
    from: Timestamp,
    to: Timestamp,
) -> Result<(), Error> {
    // A row counts from its minute until the next one's; what was known at `from` is the newest row before it.
    let script = format!(
        "insert into pg_temp.stale_span
         select s.cluster_id, s.kind, s.minute_at, s.observed_at + interval '{max_age_ms} ms', s.to_at
         from (
             select h.cluster_id, h.kind, h.minute_at, h.observed_at,
                 lead(h.minute_at, 1, 'infinity') over (partition by h.cluster_id, h.kind order by h.minute_at) as to_at
             from ({}) as h
         ) as s
         where s.to_at > s.observed_at + interval '{max_age_ms} ms';
         analyze pg_temp.stale_span;",
        freshness_between(from, to)
    );
    write(client, &script).await
}

/// Which sources were stale at which of some instants (by their number). `kinds` restricts the kinds, as SQL.
pub(super) fn stale_at(instants: &[Timestamp], kinds: &str) -> String {
    let instants = instants.iter().enumerate();
    let instants: Vec<String> = instants
        .map(|(number, at)| format!("({number}, '{at}'::timestamptz)"))
        .collect();
    format!(
        "select a.number, l.datacenter, l.cluster
         from pg_temp.stale_span as s
         join ledger.freshness as f using (cluster_id, kind)
         join (values (1, 'node'), (2, 'pod'), (3, 'namespace'), (4, 'workload'), (5, 'watchdog'), (6, 'usage')) as k (number, kind)
             on k.number = s.kind
         join ledger.cluster as l on l.cluster_id = s.cluster_id
         join (values {}) as a (number, at) on a.at >= s.from_at and a.at > s.after_at and a.at < s.to_at
         where not coalesce(l.retired_at <= a.at, false)
           {kinds}
         group by a.number, l.datacenter, l.cluster",
        instants.join(", ")
    )
}

fn freshness_between(from: Timestamp, to: Timestamp) -> String {
    format!(
        "select h.* from ledger.freshness_history as h where h.minute_at > '{from}' and h.minute_at <= '{to}'
         union all
         select h.* from ledger.freshness as f
         cross join lateral (
             select * from ledger.freshness_history as h
             where h.cluster_id = f.cluster_id and h.kind = f.kind and h.minute_at <= '{from}'
             order by h.minute_at desc limit 1
         ) as h"
    )
}

async fn write(client: &Client, script: &str) -> Result<(), Error> {
    let script = format!(
        "set default_transaction_read_only = off; begin read write; set local statement_timeout = 0;
         {script} commit; set default_transaction_read_only = on"
    );
    client.batch_execute(&script).await
}
