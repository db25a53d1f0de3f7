//! What a team learns of others by asking how a query would be run, and what it does not: docs/security.md says so.

use std::collections::BTreeSet;

use fleetledger_tests::parts;
use serde_json::Value;
use tokio_postgres::Client;

use crate::login::team;

const FLEET: &str = include_str!("estimates/fleet.sql");
/// Letters of names, in order.
const LETTERS: &[u8] = b"-0123456789abcdefghijklmnopqrstuvwxyz";
/// Names that are looked for before it is believed.
const WANTED: usize = 5;

/// A team that asks, and how often it did.
struct CuriousTeam {
    client: Client,
    asked: u32,
}

impl CuriousTeam {
    /// How many rows of table `pod` the planner expects under a condition.
    async fn estimate(&mut self, condition: &str) -> f64 {
        self.asked += 1;
        let sql = format!("explain (format json) select 1 from pod where {condition}");
        let row = self.client.query_one(&sql, &[]).await.unwrap();
        largest(&row.get(0), "Plan Rows")
    }

    /// How many rows of it were passed over.
    async fn removed(&mut self, condition: &str) -> f64 {
        self.asked += 1;
        let sql = format!("explain (analyze, format json) select 1 from pod where {condition}");
        let row = self.client.query_one(&sql, &[]).await.unwrap();
        largest(&row.get(0), "Rows Removed by Filter")
    }

    /// Names of column `namespace` that begin so, letter by letter, until enough are found.
    async fn names(&mut self, found: &mut BTreeSet<String>) {
        let mut open = vec![String::new()];
        while let Some(prefix) = open.pop() {
            if found.len() >= WANTED {
                return;
            }
            if !prefix.is_empty() && self.estimate(&format!("namespace = '{prefix}'")).await > 30.0 {
                found.insert(prefix.clone());
            }
            for letter in LETTERS {
                let longer = format!("{prefix}{}", char::from(*letter));
                let range = format!("namespace >= '{longer}' and namespace < '{longer}~'");
                if self.estimate(&range).await > 30.0 {
                    open.push(longer);
                }
            }
        }
    }
}

/// The largest number of that name in a plan, over the nodes that read `ledger.pod`.
fn largest(plan: &Value, name: &str) -> f64 {
    match plan {
        Value::Array(items) => items.iter().map(|item| largest(item, name)).fold(0.0, f64::max),
        Value::Object(node) => {
            let own = match node.get("Relation Name").and_then(Value::as_str) {
                Some("pod") => node.get(name).and_then(Value::as_f64).unwrap_or(0.0),
                _ => 0.0,
            };
            node.values().map(|item| largest(item, name)).fold(own, f64::max)
        }
        _ => 0.0,
    }
}

#[tokio::test]
async fn row_estimates_tell_a_team_names_and_counts_and_no_document() {
    let Some(parts) = parts::shared("row_estimates_tell_a_team_names_and_counts_and_no_document").await
    else {
        return;
    };
    let database = parts.database().await;
    database.execute(FLEET).await;
    let mut red = CuriousTeam {
        client: team(&database, "red").await,
        asked: 0,
    };
    for table in ["pod", "namespace", "namespace_team"] {
        database.execute(&format!("vacuum analyze ledger.{table}")).await;
    }
    let others = database
        .rows(
            "select distinct namespace as name from ledger.pod where namespace <> 'ns-red'",
            &[],
        )
        .await;
    let others: BTreeSet<String> = others
        .iter()
        .map(|row| row["name"].as_str().unwrap().to_owned())
        .collect();

    // Documents, and columns that nobody keeps statistics of, say the same whatever is asked.
    let documents = [
        (
            "labels = jsonb_build_object('secret', md5('s1'))",
            "labels = '{\"secret\": \"no\"}'",
        ),
        (
            "labels @> jsonb_build_object('secret', md5('s1'))",
            "labels @> '{\"secret\": \"no\"}'",
        ),
        ("labels ->> 'secret' = md5('s1')", "labels ->> 'secret' = 'no'"),
        ("annotations = '{}'", "annotations = '{\"a\": 1}'"),
        (
            "conditions ->> 0 = '{\"type\": \"Ready\", \"status\": \"True\"}'",
            "conditions ->> 0 = 'x'",
        ),
    ];
    let mut leaks = Vec::new();
    for (there, nowhere) in documents {
        let (there_rows, nowhere_rows) = (red.estimate(there).await, red.estimate(nowhere).await);
        if (there_rows - nowhere_rows).abs() > f64::EPSILON {
            leaks.push(format!("{there}: {there_rows}, {nowhere}: {nowhere_rows}"));
        }
    }
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
    let documents_asked = red.asked;

    // Names can be found; could they not, docs/security.md would say too much.
    let mut found = BTreeSet::new();
    red.names(&mut found).await;
    let known = found.iter().filter(|name| others.contains(*name)).count();
    let name = others.first().unwrap();
    let is = format!("namespace = '{name}'");
    let rows = database
        .number(&format!("select count(*) from ledger.pod where {is}"))
        .await;
    println!(
        "{documents_asked} questions about documents told nothing; {} questions found {known} namespaces of another team by row \
         estimates; {rows} pods of one are {} by estimate, and {} rows were passed over",
        red.asked - documents_asked,
        red.estimate(&is).await,
        red.removed(&is).await,
    );
    assert!(known >= WANTED - 1, "{found:?}");
}
