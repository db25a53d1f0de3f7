//! The wall between teams: what a team's role sees, and that nothing it may do gets it further.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

mod server;

use fleetledger_local::postgres::LocalPostgres;
use fleetledger_schema::postgres::PostgresConnector;
use tokio_postgres::{Client, SimpleQueryMessage, error::SqlState};

/// Two teams, red and blue: a namespace, workload, pod and container of each, now and before; one namespace that was
/// red's until February and is blue's since; alerts, samples, budgets and cost of both.
const FLEET: &str = include_str!("team/fleet.sql");

struct TeamIsolationFixture {
    _server: LocalPostgres,
    owner: Client,
    connector: PostgresConnector,
}

async fn isolation_fixture() -> TeamIsolationFixture {
    let (server, connector) = server::migrated().await;
    let owner = connector.connect("owner").await.unwrap();
    owner.batch_execute(FLEET).await.unwrap();
    for team in ["red", "blue"] {
        let row = owner.query_one("select ledger.team_grant($1)", &[&team]).await;
        assert_eq!(
            row.unwrap().get::<_, String>(0),
            format!("fleetledger_team_{team}")
        );
    }
    TeamIsolationFixture {
        _server: server,
        owner,
        connector,
    }
}

impl TeamIsolationFixture {
    async fn login(&self, role: &str) -> Client {
        let mut config = self.connector.config().clone();
        config.user(role);
        PostgresConnector::new(config, None)
            .connect("team")
            .await
            .unwrap()
    }
}

/// All that a query gives, as one text.
async fn query_text(client: &Client, sql: &str) -> Result<String, tokio_postgres::Error> {
    let messages = client.simple_query(sql).await?;
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            let cells = (0..row.len()).map(|column| row.get(column).unwrap_or("-"));
            Some(cells.collect::<Vec<_>>().join(" "))
        }
        _ => None,
    });
    Ok(rows.collect::<Vec<_>>().join("\n"))
}

/// Relations and functions of the public schemas that anybody can name: a query of each.
async fn everything(owner: &Client) -> Vec<String> {
    let rows = owner
        .query(
            "select format('select x::text from %I.%I as x', n.nspname, c.relname)
             from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
             where n.nspname in ('fleet', 'fleet_asof') and c.relkind in ('r', 'p', 'v', 'm', 'f')
             union all
             select format(
                 'select x::text from %I.%I(%s) as x', n.nspname, p.proname,
                 (select string_agg(case t when 'timestamptz'::regtype then format('timestamptz %L', case i when 1 then '2026-01-01' else '2026-04-01' end)
                     when 'float8'::regtype then '3600' when 'int4'::regtype then '3600' when 'text'::regtype then quote_literal(md5('pod-blue')::uuid)
                     when 'uuid'::regtype then format('uuid %L', md5('pod-blue')::uuid)
                     else format('null::%s', t::regtype) end, ', ' order by i)
                  from unnest(p.proargtypes::oid[]) with ordinality as a (t, i))
             )
             from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
             where n.nspname in ('fleet', 'fleet_asof')
             order by 1",
            &[],
        )
        .await
        .unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn a_team_sees_its_own_rows_and_none_of_another() {
    let wall = isolation_fixture().await;
    let red = wall.login("fleetledger_team_red").await;
    for (sql, expected) in [
        ("select namespace, team from namespace order by 1", "ns-red red"),
        ("select pod, team from pod", "pod-red red"),
        ("select container, pod from container", "app pod-red"),
        ("select workload, team from workload", "web-red red"),
        ("select alertname, team from alert", "Red red"),
        ("select distinct alertname from alert_history", "Red"),
        (
            "select alertname, team from alert_episodes('2026-01-01', '2026-04-01')",
            "Red red",
        ),
        (
            "select namespace, team, pods from namespace_sample",
            "ns-red red 1",
        ),
        ("select team, sum(cost)::int from cost_daily group by 1", "red 3"),
        (
            "select team, workload, cost::int from cost_lines('2026-01-01', '2026-04-01')",
            "red web-red 3",
        ),
        (
            "select team, cost::int from cost_by_team('2026-03-01 00:00Z', '2026-03-02 00:00Z')",
            "red 3",
        ),
        ("select team, budget::int from team_budget", "red 100"),
        // What stood while a namespace that is blue's now was red's.
        (
            "select distinct pod from pod_history order by 1",
            "pod-moved\npod-red",
        ),
        (
            "select pod, team from pod_at('2026-01-15') order by 1",
            "pod-moved red\npod-red red",
        ),
        (
            "set fleet.as_of = '2026-01-15'; select pod, team from fleet_asof.pod order by 1",
            "pod-moved red\npod-red red",
        ),
        (
            "set fleet.as_of = '2026-03-15'; select pod, team from fleet_asof.pod order by 1",
            "pod-red red",
        ),
    ] {
        assert_eq!(query_text(&red, sql).await.unwrap(), expected, "{sql}");
    }
    let blue = wall.login("fleetledger_team_blue").await;
    assert_eq!(
        query_text(&blue, "select pod from pod order by 1").await.unwrap(),
        "pod-blue\npod-moved"
    );
    // And who is no team sees what they saw before.
    let reader = wall.login("fleetledger_reader").await;
    assert_eq!(
        query_text(&reader, "select count(*) from pod").await.unwrap(),
        "3"
    );
    let ingester = wall.login("fleetledger_ingest").await;
    assert_eq!(
        query_text(&ingester, "select count(*) from ledger.pod")
            .await
            .unwrap(),
        "3"
    );
}

#[tokio::test]
async fn no_view_and_no_function_shows_a_team_another() {
    let wall = isolation_fixture().await;
    let red = wall.login("fleetledger_team_red").await;
    let (mut answered, mut refused) = (0, 0);
    let all = everything(&wall.owner).await;
    assert!(all.len() > 100, "{}", all.len());
    for sql in all {
        for setting in [
            "",
            "set fleet.as_of = '2026-03-15'; ",
            "set fleet.as_of = '2026-01-15'; ",
        ] {
            let asked = query_text(&red, &format!("{setting}{sql}")).await;
            red.batch_execute("reset all").await.unwrap();
            match asked {
                Ok(text) => {
                    assert!(!text.contains("blue"), "{setting}{sql}: {text}");
                    answered += 1;
                }
                Err(error) => {
                    assert_eq!(
                        error.code(),
                        Some(&SqlState::INSUFFICIENT_PRIVILEGE),
                        "{setting}{sql}: {error:?}"
                    );
                    refused += 1;
                }
            }
        }
    }
    assert!(answered > 100 && refused > 50, "{answered} {refused}");
}

#[tokio::test]
async fn a_team_cannot_lift_its_limits() {
    let wall = isolation_fixture().await;
    let red = wall.login("fleetledger_team_red").await;
    for refused in [
        "select * from ledger.pod",
        "select * from ledger.team_role",
        "insert into ledger.team_role values ('fleetledger_team_red', 'blue')",
        "set role fleetledger_reader",
        "set role fleetledger_team_blue",
        "set session authorization fleetledger_reader",
        "grant fleetledger_team_blue to fleetledger_team_red",
        "grant fleetledger_select to fleetledger_team_red",
        "alter role fleetledger_team_red bypassrls",
        "alter role fleetledger_team_red connection limit -1",
        "alter table ledger.pod disable row level security",
        "drop policy team on ledger.pod",
        "select ledger.team_grant('blue')",
        "create view fleet.mine as select 1 as x",
        "create function fleet.mine() returns integer language sql return 1",
        "create table public.mine ()",
        "delete from fleet.pod",
        "select * from fleet.node",
        "select * from fleet.dead_letter",
        "select * from fleet.price",
        "select * from fleet.cost_node_daily",
        "select pg_read_file('postgresql.conf')",
        "copy (select 1) to program 'true'",
    ] {
        assert!(red.batch_execute(refused).await.is_err(), "{refused}");
    }
    // Without row-level security a query fails; it does not see more.
    red.batch_execute("set row_security = off").await.unwrap();
    let asked = query_text(&red, "select pod from pod").await;
    assert_eq!(asked.unwrap_err().code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE));
    red.batch_execute("reset all").await.unwrap();
    // Teams have no temporary tables, and so no functions of their own; where somebody gives them some, it gets them no further.
    let made = red.batch_execute("create temp table seen (pod text)").await;
    assert_eq!(made.unwrap_err().code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE));
    let gift = "grant temporary on database postgres to fleetledger_team_red";
    wall.owner.batch_execute(gift).await.unwrap();
    // A function that tells what it is called with runs on rows that passed the policy, however cheap it says it is.
    red.batch_execute(
        "create temp table seen (pod text);
         create function pg_temp.peek(pod text) returns boolean language plpgsql cost 0.0000001 as
             'begin raise notice ''%'', pod; if pod = ''pod-blue'' then raise exception ''leaked''; end if; return true; end'",
    )
    .await
    .unwrap();
    assert_eq!(
        query_text(&red, "select pod from pod where pg_temp.peek(pod)")
            .await
            .unwrap(),
        "pod-red"
    );
    let divide = "select pod from pod where 1 / (case when pod = 'pod-blue' then 0 else 1 end) = 1";
    assert_eq!(query_text(&red, divide).await.unwrap(), "pod-red");
    let sampled = "select count(*) from pg_stats where tablename = 'pod'";
    assert_eq!(query_text(&red, sampled).await.unwrap(), "0");
}

#[tokio::test]
async fn what_a_team_may_read_has_a_policy_or_names_nobody() {
    let wall = isolation_fixture().await;
    let bare = query_text(
        &wall.owner,
        "select c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
         where n.nspname = 'ledger' and c.relkind in ('r', 'p') and not c.relispartition and not c.relrowsecurity
           and has_any_column_privilege('fleetledger_team', c.oid, 'select')
         order by 1",
    );
    assert_eq!(
        bare.await.unwrap(),
        "cluster\ncost_day\ncost_hour\ncost_month\nprice_sheet"
    );
    let not_its_callers = query_text(
        &wall.owner,
        "select c.oid::regclass::text from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
         where n.nspname in ('ledger', 'fleet', 'fleet_asof') and c.relkind in ('v', 'm')
           and not coalesce('security_invoker=true' = any (c.reloptions), false)
         union all
         select p.oid::regprocedure::text from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
         where n.nspname in ('fleet', 'fleet_asof') and p.prosecdef",
    );
    assert_eq!(not_its_callers.await.unwrap(), "");
    let partitions = query_text(
        &wall.owner,
        "select count(*) from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
         where n.nspname = 'ledger' and c.relispartition and has_any_column_privilege('fleetledger_team', c.oid, 'select')",
    );
    assert_eq!(partitions.await.unwrap(), "0");
    let writes = query_text(
        &wall.owner,
        "select c.oid::regclass::text from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
         where n.nspname in ('ledger', 'fleet', 'fleet_asof') and c.relkind in ('r', 'p', 'v')
           and has_table_privilege('fleetledger_team_red', c.oid, 'insert, update, delete, truncate, references, trigger')",
    );
    assert_eq!(writes.await.unwrap(), "");
    assert_eq!(
        query_text(
            &wall.owner,
            "select has_schema_privilege('fleetledger_team_red', 'ledger', 'usage, create')"
        )
        .await
        .unwrap(),
        "f"
    );
}

#[tokio::test]
async fn roles_of_teams_are_granted_twice_revoked_and_refused() {
    let wall = isolation_fixture().await;
    let again = wall.owner.query_one("select ledger.team_grant('red')", &[]).await;
    assert_eq!(again.unwrap().get::<_, String>(0), "fleetledger_team_red");
    for (sql, why) in [
        ("select ledger.team_grant('')", "is not the name of a team"),
        (
            "select ledger.team_grant('__idle__')",
            "is not the name of a team",
        ),
        ("select ledger.team_grant(repeat('a', 47))", "46 bytes"),
        (
            "create role fleetledger_team_green login; grant fleetledger_reader to fleetledger_team_green;
             select ledger.team_grant('green')",
            "has privileges that a team may not have: fleetledger_reader, fleetledger_select",
        ),
        (
            "create role fleetledger_team_grey login bypassrls; select ledger.team_grant('grey')",
            "has privileges that a team may not have: bypassrls",
        ),
    ] {
        let error = wall.owner.batch_execute(sql).await.unwrap_err();
        let text = error.as_db_error().unwrap().message().to_owned();
        assert!(text.contains(why), "{sql}: {text}");
    }
    // A quote in a team's name is a quote.
    let odd = wall
        .owner
        .query_one("select ledger.team_grant('o''brien\"s')", &[])
        .await;
    assert_eq!(odd.unwrap().get::<_, String>(0), "fleetledger_team_o'brien\"s");
    let odd = wall.login("fleetledger_team_o'brien\"s").await;
    assert_eq!(query_text(&odd, "select count(*) from pod").await.unwrap(), "0");

    let red = wall.login("fleetledger_team_red").await;
    assert_eq!(query_text(&red, "select count(*) from pod").await.unwrap(), "1");
    let revoked = wall
        .owner
        .query_one("select ledger.team_revoke('red')", &[])
        .await;
    assert_eq!(revoked.unwrap().get::<_, i32>(0), 1);
    assert_ne!(
        query_text(&red, "select count(*) from pod")
            .await
            .unwrap_or_default(),
        "1"
    );
}
