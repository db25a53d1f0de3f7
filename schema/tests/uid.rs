//! A uid is looked up by an index whoever asks, and however a client sends it. Row-level security stands below the views: what
//! is not leakproof there is asked of rows that passed the policy, and no index can serve it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

mod server;

use fleetledger_local::postgres::LocalPostgres;
use fleetledger_schema::{object_uid::ObjectUid, postgres::PostgresConnector};
use tokio_postgres::{Client, error::SqlState, types::ToSql};

/// Two teams; see the test of teams.
const FLEET: &str = include_str!("team/fleet.sql");

/// Enough of everything that nobody would read all of it for one row. The red team owns every second row.
const CROWD: &str = "
do $$
declare
    one text;
begin
    foreach one in array array['workload', 'pod', 'container', 'workload_history', 'pod_history', 'container_history', 'node'] loop
        execute format(
            'insert into ledger.%1$I select r.* from ledger.%1$I as o
             cross join generate_series(1, 4000) as n
             cross join lateral jsonb_populate_record(null::ledger.%1$I, to_jsonb(o) || jsonb_build_object(''uid'', md5(o.uid::text || n)::uuid)) as r',
            one
        );
    end loop;
end
$$;
analyze ledger.workload, ledger.pod, ledger.container, ledger.workload_history, ledger.pod_history, ledger.container_history, ledger.node";

struct CrowdedFleet {
    _server: LocalPostgres,
    owner: Client,
    connector: PostgresConnector,
}

impl CrowdedFleet {
    async fn start() -> Self {
        let (server, connector) = server::migrated().await;
        let owner = connector.connect("owner").await.unwrap();
        owner.batch_execute(FLEET).await.unwrap();
        owner.batch_execute(CROWD).await.unwrap();
        owner
            .execute("select ledger.team_grant('red')", &[])
            .await
            .unwrap();
        Self {
            _server: server,
            owner,
            connector,
        }
    }

    async fn login(&self, role: &str) -> Client {
        let mut config = self.connector.config().clone();
        config.user(role);
        PostgresConnector::new(config, None).connect("uid").await.unwrap()
    }
}

async fn plan(client: &Client, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> String {
    let rows = client
        .query(&format!("explain (costs off) {sql}"), parameters)
        .await
        .unwrap();
    let lines: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    lines.join("\n")
}

/// No table of `relation` is read whole, and the uid is looked up in an index.
fn assert_looked_up(plan: &str, relation: &str, what: &str) {
    // Days that are all but empty may be read as they are.
    let table = relation.trim_end_matches("_history");
    let crowded = [table.to_owned(), format!("{table}_history_old")];
    let mut read_whole = plan.lines().filter_map(|line| line.split_once("Seq Scan on "));
    let reads_all = read_whole.any(|(_, of)| crowded.iter().any(|table| of.split(' ').next() == Some(table)));
    let by_index = plan
        .lines()
        .any(|line| line.contains("Index Cond: ") && line.contains("uid = "));
    assert!(!reads_all && by_index, "{what}:\n{plan}");
}

#[tokio::test]
async fn a_uid_is_looked_up_by_an_index_below_row_level_security() {
    let fleet = CrowdedFleet::start().await;
    let red: ObjectUid = fleet
        .owner
        .query_one("select md5('pod-red')::uuid", &[])
        .await
        .unwrap()
        .get(0);
    let text = red.to_string();
    let of_team = ["pod", "container", "pod_history", "container_history"];
    let of_reader = [
        "pod",
        "container",
        "pod_history",
        "container_history",
        "node",
        "workload",
    ];
    for (role, views) in [
        ("fleetledger_reader", &of_reader[..]),
        ("fleetledger_team_red", &of_team[..]),
    ] {
        let client = fleet.login(role).await;
        for mode in ["auto", "force_generic_plan"] {
            client
                .batch_execute(&format!("set plan_cache_mode = {mode}"))
                .await
                .unwrap();
            for view in views {
                let asked = format!("select * from fleet.{view} where uid = ");
                let what = |how: &str| format!("{role}, {view}, {how}, {mode}");
                for literal in [format!("'{text}'"), format!("fleet.uid('{text}')")] {
                    let found = plan(&client, &format!("{asked}{literal}"), &[]).await;
                    assert_looked_up(&found, view, &what(&literal));
                }
                let found = plan(&client, &format!("{asked}$1"), &[&red]).await;
                assert_looked_up(&found, view, &what("a uuid"));
                let found = plan(&client, &format!("{asked}$1::text::uuid"), &[&text]).await;
                assert_looked_up(&found, view, &what("a text that is cast"));
                let found = plan(&client, &format!("{asked}fleet.uid($1)"), &[&text]).await;
                assert_looked_up(&found, view, &what("a text in fleet.uid"));
                let prepared = format!("prepare asked (uuid) as {asked}$1");
                client.batch_execute(&prepared).await.unwrap();
                let found = plan(&client, &format!("execute asked ('{text}')"), &[]).await;
                assert_looked_up(&found, view, &what("a prepared statement"));
                client.batch_execute("deallocate asked").await.unwrap();
            }
        }
        let rows = client
            .query("select pod from fleet.pod where uid = $1", &[&red])
            .await;
        assert_eq!(rows.unwrap()[0].get::<_, String>(0), "pod-red");
    }
}

/// Why the column is no text: that of a uuid is made by a function that is not leakproof.
#[tokio::test]
async fn the_text_of_a_uid_is_not_looked_up_by_an_index() {
    let fleet = CrowdedFleet::start().await;
    let red = fleet.login("fleetledger_team_red").await;
    let found = plan(&red, "select pod from fleet.pod where uid::text = 'x'", &[]).await;
    assert!(
        !found
            .lines()
            .any(|line| line.contains("Index Cond: ") && line.contains("uid = ")),
        "{found}"
    );
}

#[tokio::test]
async fn sql_makes_the_uuid_of_a_uid_that_rust_makes_and_says_how_to_ask_for_others() {
    let (_server, connector) = server::migrated().await;
    let client = connector.connect("uid").await.unwrap();
    for text in [
        "00000000-0000-0000-0000-000000000000",
        "9e1f0a2c-7e3c-4f0a-9a58-0123456789ab",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
    ] {
        let row = client
            .query_one("select fleet.uid($1), fleet.uid($1)::text", &[&text])
            .await;
        let row = row.unwrap();
        assert_eq!(row.get::<_, ObjectUid>(0), ObjectUid::of(text));
        assert_eq!(row.get::<_, String>(1), text);
        assert_eq!(ObjectUid::of(text).to_string(), text);
    }
    for text in [
        "web",
        "9E1F0A2C-7E3C-4F0A-9A58-0123456789AB",
        "9e1f0a2c7e3c4f0a9a580123456789ab",
        "",
    ] {
        let error = client
            .query_one("select fleet.uid($1)", &[&text])
            .await
            .unwrap_err();
        let error = error.as_db_error().unwrap();
        assert_eq!(*error.code(), SqlState::INVALID_TEXT_REPRESENTATION);
        assert!(
            error
                .hint()
                .unwrap()
                .contains(&format!("where uid_text = '{text}'")),
            "{error:?}"
        );
    }
}
