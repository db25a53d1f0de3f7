//! What the server makes of a query: the functions, operators, casts, types and relations that it resolved, by number.
//!
//! The check of words ([`crate::statement`]) sees names as they are written, for the author's sake. A name can be written
//! in many ways, an operator or a cast has none, and a view hides what it calls. So the server parses the query as the
//! body of a function that lasts for a moment, and every number in its tree is looked up in the catalogue. Nothing of the
//! query runs: the tree is what stands before planning, which would run immutable functions.

use std::sync::Arc;

use deadpool_postgres::{Object, Transaction};
use tokio_postgres::{Row, error::SqlState, types::Type};

use crate::{
    query::StoredQuery,
    refusal::QueryRefusal,
    run::{RunError, explain},
    statement::{forbidden_function, reads_the_clock},
};

/// Names resolve as they do when the query runs, and parsing has its time.
const SETTINGS_TEMPLATE: &str = "set local search_path = fleet; set local statement_timeout = {timeout_ms}";

/// Makes the function: `{types}` of parameters, and the query.
const PARSE_TEMPLATE: &str =
    "create function pg_temp.resolved({types}) returns void begin atomic {sql}\n; end";

/// Everything that the tree names: what it is, its name, its volatility, its number of arguments, and whether it is
/// PostgreSQL's own or ours. Views that are not ours are looked through.
const LIST_RESOLVED_TEMPLATE: &str = r"
    with recursive ours as (
        select n.oid, n.nspowner from pg_catalog.pg_namespace as n where n.nspname in ('fleet', 'fleet_asof')
    ),
    tree (body) as (
        select p.prosqlbody::text from pg_catalog.pg_proc as p where p.oid = 'pg_temp.resolved'::regproc
        union
        select r.ev_action::text
        from tree as t
        cross join lateral regexp_matches(t.body, ':relid (\d+)', 'g') as m (n)
        join pg_catalog.pg_class as c on c.oid = m.n[1]::oid
        join pg_catalog.pg_rewrite as r on r.ev_class = c.oid
        where not exists (select from ours as o where o.oid = c.relnamespace and o.nspowner = c.relowner)
    ),
    numbers (what, number) as (
        select distinct
            case
                when m.n[1] = 'relid' then 'relation'
                when m.n[1] ~ '^(funcid|opfuncid|aggfnoid|winfnoid|tsmhandler)$' then 'function'
                when m.n[1] ~ '^(opno|eqop|sortop)$' then 'operator'
                when m.n[1] ~ 'type(id)?$' then 'type'
            end,
            m.n[2]::oid
        from tree as t
        cross join lateral regexp_matches(t.body, ':(\w+) (\d+)', 'g') as m (n)
        where m.n[1] ~ '^(relid|funcid|opfuncid|aggfnoid|winfnoid|tsmhandler|opno|eqop|sortop|\w*type(id)?)$'
        union
        select 'operator', o.number::oid
        from tree as t
        cross join lateral regexp_matches(t.body, ':opnos \(o ([\d ]+)\)', 'g') as m (n)
        cross join lateral regexp_split_to_table(m.n[1], ' ') as o (number)
    ),
    functions (written, number) as (
        select 'function', n.number from numbers as n where n.what = 'function'
        union
        select 'operator ' || o.oprname, o.oprcode::oid
        from numbers as n join pg_catalog.pg_operator as o on o.oid = n.number where n.what = 'operator'
    )
    select f.written, p.oid::regprocedure::text, p.proname::text, p.provolatile::text, p.pronargs::integer,
        p.pronamespace = 'pg_catalog'::regnamespace,
        exists (select from ours as o where o.oid = p.pronamespace and o.nspowner = p.proowner)
    from functions as f join pg_catalog.pg_proc as p on p.oid = f.number
    union all
    select 'type', format_type(t.oid, null), t.typname::text, 'i', 0,
        t.typnamespace = 'pg_catalog'::regnamespace,
        exists (
            select from pg_catalog.pg_namespace as o
            where o.oid = t.typnamespace and o.nspname in ('fleet', 'fleet_asof', 'ledger') and o.nspowner = t.typowner
        )
    from numbers as n join pg_catalog.pg_type as t on t.oid = n.number where n.what = 'type'
    union all
    select 'relation', c.oid::regclass::text, c.relname::text, 'i', 0, false,
        c.relkind = 'v' and exists (select from ours as o where o.oid = c.relnamespace and o.nspowner = c.relowner)
    from numbers as n join pg_catalog.pg_class as c on c.oid = n.number where n.what = 'relation'
    union all
    select 'clock', 'current_timestamp and the like', 'clock', 's', 0, true, false
    where exists (select from tree as t where t.body ~ 'SQLVALUEFUNCTION :op [0-8] ')
    order by 1, 2";

/// One thing that a query calls or reads, as the server resolved it.
struct ResolvedReference {
    /// What it is: `function`, `operator +`, `type`, `relation`, `clock`.
    what: String,
    signature: String,
    name: String,
    is_volatile: bool,
    arguments: i32,
    /// PostgreSQL's own.
    is_builtin: bool,
    /// In `fleet` or `fleet_asof`, and their owner's.
    is_ours: bool,
}

/// What is wrong with each query; nothing of one that the server cannot parse, whose error others tell.
///
/// # Errors
/// The database cannot be asked.
pub(super) async fn check(
    client: &mut Object,
    queries: &[Arc<StoredQuery>],
) -> Result<Vec<Vec<QueryRefusal>>, RunError> {
    let unavailable = |error: tokio_postgres::Error| RunError::Unavailable(crate::run::chain(&error));
    let mut transaction = client.transaction().await.map_err(unavailable)?;
    let mut found = Vec::with_capacity(queries.len());
    for query in queries {
        let savepoint = transaction.savepoint("resolved").await.map_err(unavailable)?;
        let listed = list(&savepoint, query).await;
        savepoint.rollback().await.map_err(unavailable)?;
        found.push(match listed {
            Ok(references) => references.iter().filter_map(|one| refuse(query, one)).collect(),
            Err(error) if has_no_way_to_parse(&error) => {
                tracing::warn!(
                    query = %query.id,
                    error = %error,
                    "the functions that queries call were checked by name only, because their user may not \
                     create temporary objects or the server is a standby; run rules as fleetledger_rules"
                );
                Vec::new()
            }
            Err(error) => match explain(query, "", &error) {
                RunError::Refused(refusal) => vec![refusal],
                other => return Err(other),
            },
        });
    }
    transaction.rollback().await.map_err(unavailable)?;
    Ok(found)
}

/// The user has no temporary objects, or the server is a standby.
fn has_no_way_to_parse(error: &tokio_postgres::Error) -> bool {
    let codes = [
        SqlState::INSUFFICIENT_PRIVILEGE,
        SqlState::READ_ONLY_SQL_TRANSACTION,
    ];
    error.code().is_some_and(|code| codes.contains(code))
}

async fn list(
    transaction: &Transaction<'_>,
    query: &StoredQuery,
) -> Result<Vec<ResolvedReference>, tokio_postgres::Error> {
    let settings = SETTINGS_TEMPLATE.replace("{timeout_ms}", &query.timeout.as_ms().to_string());
    transaction.batch_execute(&settings).await?;
    let Ok(statement) = transaction.prepare(&query.sql).await else {
        return Ok(Vec::new());
    };
    let types: Vec<String> = statement.params().iter().map(type_name).collect();
    let parse = PARSE_TEMPLATE
        .replace("{types}", &types.join(", "))
        .replace("{sql}", &query.sql);
    transaction.batch_execute(&parse).await?;
    let rows = transaction.query(LIST_RESOLVED_TEMPLATE, &[]).await?;
    rows.iter().map(ResolvedReference::read).collect()
}

fn type_name(parameter: &Type) -> String {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    format!("{}.{}", quoted(parameter.schema()), quoted(parameter.name()))
}

impl ResolvedReference {
    fn read(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            what: row.try_get(0)?,
            signature: row.try_get(1)?,
            name: row.try_get(2)?,
            is_volatile: row.try_get::<_, String>(3)? == "v",
            arguments: row.try_get(4)?,
            is_builtin: row.try_get(5)?,
            is_ours: row.try_get(6)?,
        })
    }
}

/// Why a query may not use it; `None` where it may.
fn refuse(query: &StoredQuery, found: &ResolvedReference) -> Option<QueryRefusal> {
    let (what, remedy) = if found.is_ours {
        return None;
    } else if !found.is_builtin {
        (
            format!(
                "it uses {} `{}`, which is neither PostgreSQL's own nor of schema fleet",
                found.what, found.signature
            ),
            "an object defined elsewhere may do anything, whatever its name; write out what it does, or \
             request a view",
        )
    } else if found.what == "clock" || reads_the_clock(&found.name, found.arguments) {
        (
            format!("it calls `{}`, which reads the clock", found.signature),
            crate::statement::ASK_AS_OF,
        )
    } else if found.is_volatile || (found.what != "type" && forbidden_function(&found.name)) {
        (
            format!(
                "it calls `{}`, which is not allowed in stored SQL",
                found.signature
            ),
            "stored SQL may only read, and must return the same result whenever it is run for the same \
             instant",
        )
    } else {
        return None;
    };
    Some(query.refusal("", what).fix(remedy))
}
