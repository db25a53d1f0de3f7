use super::*;

fn refusals(sql: &str) -> Vec<String> {
    match check(Path::new("a.sql"), sql, 5, &[]) {
        Ok(_) => Vec::new(),
        Err(refusals) => refusals.iter().map(ToString::to_string).collect(),
    }
}

#[track_caller]
fn refused(sql: &str, begin: &str) {
    let refusals = refusals(sql);
    assert!(
        refusals.iter().any(|refusal| refusal.starts_with(begin)),
        "{sql}: {refusals:#?}"
    );
}

#[track_caller]
fn allowed(sql: &str) {
    assert_eq!(refusals(sql), Vec::<String>::new(), "{sql}");
}

#[test]
fn one_select_over_bare_names_is_allowed() {
    allowed("select n.node, p.pod from node as n, pod as p where n.node = p.node;");
    allowed(
        "with old as (select * from pod where created_at < as_of() - interval '1 day') select * from old -- all\n",
    );
    allowed("(select 1) union all (select 2)");
    allowed("select extract(epoch from n.created_at), substring(n.node from 1 for 3) from node as n");
    allowed(
        "select count(*) filter (where p.phase is distinct from p.reason) from pod as p group by p.node, p.cluster",
    );
    allowed(
        "select p.pod from (pod as p join node as n on p.node = n.node), lateral jsonb_each(p.labels) as l",
    );
    allowed("select x.a from (values (1, 2)) as x (a, b)");
    allowed(
        "select 'insert into ledger.pod; now()' as text, $$ now() $$ as other, age(as_of(), created_at) from pod",
    );
    allowed("select pg_size_pretty(memory_capacity_bytes) from node -- now() /* ledger.x */");
    allowed("select date_trunc('hour', as_of()) as now, labels ->> 'update' as \"update\" from node");
}

#[test]
fn clocks_are_refused_by_line_and_column() {
    refused(
        "select\n    now()",
        "a.sql:6:5: `now()` reads the clock; use as_of()",
    );
    refused("select NOW ( )", "a.sql:5:8: `now()` reads the clock");
    refused(
        "select current_timestamp",
        "a.sql:5:8: `current_timestamp` reads the clock",
    );
    refused("select clock_timestamp(), 1", "a.sql:5:8: `clock_timestamp()`");
    refused("select current_date - 1", "a.sql:5:8: `current_date`");
    refused("select localtime", "a.sql:5:8: `localtime`");
    refused("select age(created_at) from pod", "a.sql:5:8: `age(…)`");
    refused(
        "select * from pod where created_at > 'yesterday'",
        "a.sql:5:38: PostgreSQL replaces 'yesterday'",
    );
    refused(
        "select 'Now'::timestamptz",
        "a.sql:5:8: PostgreSQL replaces 'Now'",
    );
}

#[test]
fn qualified_names_and_the_private_schema_are_refused() {
    refused(
        "select * from ledger.pod",
        "a.sql:5:15: `ledger.pod`: schema ledger is private",
    );
    refused(
        "select * from \"ledger\".pod",
        "a.sql:5:15: `ledger.pod`: schema ledger",
    );
    refused(
        "select * from fleet.pod",
        "a.sql:5:15: `fleet.pod` is a qualified name",
    );
    refused(
        "select * from pod, fleet_asof.node",
        "a.sql:5:20: `fleet_asof.node`",
    );
    refused(
        "select * from pod join mine.node on true",
        "a.sql:5:24: `mine.…` is a qualified name",
    );
    refused("select * from pod as p, mine.node", "a.sql:5:25: `mine.…`");
    refused("select * from (mine.node cross join pod)", "a.sql:5:16: `mine.…`");
    refused(
        "select pg_catalog.now()",
        "a.sql:5:8: `pg_catalog.now` is a qualified name",
    );
    refused("select mine.f(1)", "a.sql:5:8: `mine.f` is a qualified name");
    refused("select 1::pg_catalog.text", "a.sql:5:11: `pg_catalog.text`");
    refused(
        "select (select max(x.a) from mine.x as x)",
        "a.sql:5:30: `mine.…`",
    );
}

#[test]
fn anything_but_one_select_is_refused() {
    refused("", "a.sql:5:1: there is no SQL");
    refused("-- nothing\n", "a.sql:5:1: there is no SQL");
    refused(
        "update pod set node = ''",
        "a.sql:5:1: `update` does not begin a SELECT",
    );
    refused("values (1)", "a.sql:5:1: `values` does not begin");
    refused("table pod", "a.sql:5:1: `table` does not begin");
    refused("explain select 1", "a.sql:5:1: `explain` does not begin");
    refused("select 1;\nselect 2", "a.sql:6:1: a second statement begins here");
    refused("select 1; set role fleetledger", "a.sql:5:11: a second statement");
    refused(
        "with x as (delete from pod returning *) select * from x",
        "a.sql:5:12: `delete`",
    );
    refused(
        "with x as (insert into pod select 1) select 1",
        "a.sql:5:12: `insert`",
    );
    refused("select * into copy from pod", "a.sql:5:10: `into`");
    refused("select * from pod for update", "a.sql:5:23: `update`");
    refused("select 1 \\gset", "a.sql:5:10: a psql command");
    refused("select 'open", "a.sql:5:8: the SQL cannot be read");
    refused("select 1 /* open", "a.sql:5:");
}

#[test]
fn what_changes_waits_locks_or_reaches_out_is_refused() {
    for call in [
        "set_config('fleet.as_of', '', true)",
        "pg_sleep(1)",
        "pg_sleep_for('1s')",
        "pg_advisory_lock(1)",
        "pg_try_advisory_xact_lock(1)",
        "dblink('host=x', 'select 1')",
        "dblink_exec('drop')",
        "lo_import('/etc/passwd')",
        "lo_get(1)",
        "nextval('s')",
        "pg_read_file('x')",
        "pg_terminate_backend(1)",
        "pg_notify('a', 'b')",
        "query_to_xml('select now()', true, true, '')",
        "random()",
        "\"set_config\"('a', 'b', true)",
    ] {
        refused(&format!("select {call}"), "a.sql:5:8: `");
    }
    refused(
        "select * from pg_stat_activity",
        "a.sql:5:15: `pg_stat_activity` is about the server",
    );
}

#[test]
fn parameters_keep_every_character_in_its_place() {
    let sql = "select :'team', 1 -- :'no'\nwhere a > :'days'::integer and b = :'team'; -- end";
    let checked = check(Path::new("a.sql"), sql, 5, &["days", "team"]).unwrap();
    assert_eq!(
        checked,
        "select $2     , 1 -- :'no'\nwhere a > $1     ::integer and b = $2     "
    );
    let wrong = |sql: &str| check(Path::new("a.sql"), sql, 5, &["days"]).unwrap_err()[0].to_string();
    assert!(wrong("select :'day', :'days'").starts_with("a.sql:5:8: parameter `day` is not declared"));
    assert!(wrong("select :days, :'days'").starts_with("a.sql:5:8: `:days` is not quoted"));
    assert!(wrong("select $1, :'days'").starts_with("a.sql:5:8: `$1` has no value"));
    assert!(wrong("select 1").starts_with("a.sql:5:1: parameter `days` is declared but not used"));
}
