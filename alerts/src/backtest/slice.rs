//! The part of history that a few hours of slots can see, in temporary tables.
//!
//! At each slot an as-of view looks for the versions that held then among all closed ones. Looked for once for many
//! slots, and copied, they are few: the rule then runs on temporary views of the same names over what stands and the copy.
//! Views `*_history` stay as they are: a rule may look back further than its slots.

use jiff::Timestamp;
use tokio_postgres::Client;

/// Tables whose closed versions are copied.
const TABLES: [&str; 7] = [
    "node",
    "pod",
    "container",
    "namespace",
    "workload",
    "watchdog",
    "namespace_team",
];

/// Temporary views in place of those of `fleet_asof`, whose schema every rule's bare names then miss.
const VIEWS: &str = r"
select format('create temp view %I as %s', c.relname, regexp_replace(regexp_replace(
    pg_get_viewdef(c.oid),
    'ledger\.(node|pod|container|namespace|workload|watchdog|namespace_team)_history\y', 'pg_temp.\1_slice as \1_history', 'g'),
    'fleet_asof\.(\w+)\y(?!\()', 'pg_temp.\1', 'g'))
from pg_class as c
where c.relnamespace = 'fleet_asof'::regnamespace and c.relkind = 'v' and c.relname not like '%\_history'
order by c.oid";

/// Makes the tables and views of a session; false if its login may not read the ledger's tables by name.
pub(super) async fn prepare(client: &Client) -> Result<bool, tokio_postgres::Error> {
    let allowed = "select has_schema_privilege('ledger', 'usage') and has_database_privilege(current_database(), 'temporary')";
    if !client.query_one(allowed, &[]).await?.get::<_, bool>(0) {
        return Ok(false);
    }
    let mut script = String::from("set search_path = pg_catalog;\n");
    for table in TABLES {
        script += &format!("create temp table {table}_slice (like ledger.{table}_history);\n");
    }
    client.batch_execute(&script).await?;
    for row in client.query(VIEWS, &[]).await? {
        client.batch_execute(row.get(0)).await?;
    }
    client.batch_execute("set search_path = fleet_asof").await?;
    Ok(true)
}

/// The tables that a planned statement reads copies of.
pub(super) async fn used(
    client: &Client,
    statement: &str,
) -> Result<Vec<&'static str>, tokio_postgres::Error> {
    let plan = client
        .simple_query(&format!("explain execute {statement}"))
        .await?;
    let plan: String = plan
        .iter()
        .filter_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        })
        .collect::<Vec<_>>()
        .join("\n");
    Ok(TABLES
        .into_iter()
        .filter(|table| plan.contains(&format!("{table}_slice")))
        .collect())
}

/// Copies what held at any instant from `from` to `to`.
pub(super) async fn fill(
    client: &Client,
    tables: &[&str],
    from: Timestamp,
    to: Timestamp,
) -> Result<(), tokio_postgres::Error> {
    let mut script = String::from(
        "set default_transaction_read_only = off; begin read write; set local statement_timeout = 0;\n",
    );
    for table in tables {
        script += &format!(
            "truncate pg_temp.{table}_slice;
             insert into pg_temp.{table}_slice
             select * from ledger.{table}_history where valid_to > '{from}' and valid_from <= '{to}';\n"
        );
    }
    script += "commit; set default_transaction_read_only = on";
    client.batch_execute(&script).await
}
