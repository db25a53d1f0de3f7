//! Words that a stored query may not use, and why they are grouped so.

/// Words that read a clock without parentheses.
pub(super) const CLOCK_WORDS: &[&str] = &[
    "current_timestamp",
    "current_time",
    "current_date",
    "localtime",
    "localtimestamp",
];
/// Functions that read a clock.
pub(super) const CLOCK_FUNCTIONS: &[&str] = &[
    "now",
    "transaction_timestamp",
    "statement_timestamp",
    "clock_timestamp",
    "timeofday",
];
/// Texts that become the clock where an instant is expected.
pub(super) const CLOCK_TEXTS: &[&str] = &["now", "today", "tomorrow", "yesterday"];
/// Words that begin a change, or put rows somewhere.
pub(super) const CHANGES: &[&str] = &["insert", "update", "delete", "merge", "into", "truncate"];
/// Schemas whose qualified names are met most often.
pub(super) const SCHEMAS: &[&str] = &[
    "fleet",
    "fleet_asof",
    "ledger",
    "public",
    "pg_catalog",
    "information_schema",
    "pg_temp",
];
/// Functions that change something, run SQL of their own, or answer differently each time.
pub(super) const FUNCTIONS: &[&str] = &[
    "set_config",
    "nextval",
    "setval",
    "currval",
    "lastval",
    "setseed",
    "random",
    "gen_random_uuid",
    "txid_current",
    "ts_stat",
    "ts_rewrite",
    "connectby",
];
/// Functions of server and large objects, other servers, SQL as text; by how they begin.
pub(super) const FUNCTION_FAMILIES: &[&str] = &[
    "dblink",
    "lo_",
    "loread",
    "lowrite",
    "crosstab",
    "query_to_xml",
    "cursor_to_xml",
    "table_to_xml",
    "schema_to_xml",
    "database_to_xml",
];
/// What may be used of all that begins with `pg_`.
pub(super) const HARMLESS: &[&str] = &["pg_size_pretty", "pg_typeof"];
/// What to write in place of a clock.
pub(crate) const ASK_AS_OF: &str =
    "use as_of(): then the same text runs live, in tests and as of any past instant";
