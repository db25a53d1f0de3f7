//! A made-up fleet in a database of its own.

use fleetledger_cost::{definitions::CostDefinitions, store};
use fleetledger_local::postgres::PostgresTemplate;
use fleetledger_schema::postgres::{PostgresConnector, migrate};
use tokio_postgres::Client;

/// Prices of a core, a GiB and a card for an hour, in a currency unit: 3.6 of them a core-second is a nano.
pub(crate) const PRICES: &str = "
[[sheet]]
sheet = 'all'
valid_from = 2025-01-01
currency = 'USD'
[[sheet.class]]
class = 'all'
price_per_core_hour = 0.03
price_per_gib_hour = 0.004
price_per_gpu_hour = 2
";

pub(crate) struct RatingFixture {
    url: String,
    pub(crate) client: Client,
}

/// Migrates the database that each test copies.
async fn prepare(url: String) -> Result<(), String> {
    let connector = PostgresConnector::new(url.parse().unwrap(), None);
    migrate(&connector, |_| {})
        .await
        .map_err(|error| format!("{error:?}"))?;
    let client = connector
        .connect("test")
        .await
        .map_err(|error| error.to_string())?;
    let label = "insert into ledger.setting (name, value) values ('owners.namespace_label', 'team')";
    for statement in [include_str!("fleet.sql"), label] {
        let done = client.batch_execute(statement).await;
        done.map_err(|error| format!("{statement}: {error:?}"))?;
    }
    Ok(())
}

impl RatingFixture {
    /// With the prices above.
    pub(crate) async fn new() -> Self {
        Self::with(PRICES).await
    }

    /// With these files.
    pub(crate) async fn with(book: &str) -> Self {
        let template = PostgresTemplate::of_process(prepare).await.unwrap();
        let url = template.database().await.unwrap();
        let client = PostgresConnector::new(url.parse().unwrap(), None);
        let client = client.connect("test").await.unwrap();
        let mut fleet = Self { url, client };
        fleet.apply(book).await;
        fleet
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn connector(&self, user: &str) -> PostgresConnector {
        let mut config: tokio_postgres::Config = self.url.parse().unwrap();
        config.user(user);
        PostgresConnector::new(config, None)
    }

    /// Makes files stand.
    pub(crate) async fn apply(&mut self, book: &str) -> store::DefinitionChanges {
        let book = CostDefinitions::parse(&[("test.toml", book)]).unwrap();
        store::apply(&mut self.client, &book, "test").await.unwrap()
    }

    pub(crate) async fn run(&self, sql: &str) {
        let done = self.client.batch_execute(sql).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    /// Rates the hours from one to another, and their days, and checks that all of it adds up.
    pub(crate) async fn rate(&self, from: &str, hours: u32) {
        self.run(&format!(
            "select ledger.cost_fill(h, 'rerate', '2100-01-01') from
                generate_series('{from}'::timestamptz, '{from}'::timestamptz + interval '{} hours', '1 hour') as h;
             select ledger.cost_fill_day(d) from
                generate_series(date_trunc('day', '{from}'::timestamptz), '{from}'::timestamptz + interval '{} hours', '1 day') as d",
            hours - 1,
            hours - 1
        ))
        .await;
        self.adds_up().await;
    }

    /// The same of a closed month: nothing but adjustments may change.
    pub(crate) async fn rate_closed(&self, from: &str, hours: u32) {
        self.rate(from, hours).await;
    }

    /// What nodes cost = allocated + idle + system = what is booked, in every hour and day, to the nano.
    pub(crate) async fn adds_up(&self) {
        let nodes = "select count(*) from ledger.cost_node_hourly
            where cpu_cost_nanos <> cpu_allocated_nanos + cpu_idle_nanos + cpu_system_nanos
               or memory_cost_nanos <> memory_allocated_nanos + memory_idle_nanos + memory_system_nanos
               or gpu_cost_nanos <> gpu_allocated_nanos + gpu_idle_nanos + gpu_system_nanos";
        assert_eq!(self.number(nodes).await, 0, "nodes that do not add up");
        let lines = "select abs(coalesce((select sum(cpu_nanos + memory_nanos + gpu_nanos) from ledger.cost_hourly), 0)
            - coalesce((select sum(cpu_cost_nanos + memory_cost_nanos + gpu_cost_nanos) from ledger.cost_node_hourly), 0))::bigint";
        assert_eq!(self.number(lines).await, 0, "nanos between nodes and lines");
        let checks = "select count(*) from fleet.cost_balance where not balanced or difference <> 0";
        assert_eq!(self.number(checks).await, 0, "hours and days out of balance");
    }

    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let row = self.client.query_one(sql, &[]).await;
        row.unwrap_or_else(|error| panic!("{sql}: {error:?}")).get(0)
    }

    /// The one text of a query.
    pub(crate) async fn text(&self, sql: &str) -> String {
        let row = self.client.query_one(&format!("select ({sql})::text"), &[]).await;
        let text: Option<String> = row.unwrap_or_else(|error| panic!("{sql}: {error:?}")).get(0);
        text.unwrap_or_else(|| "NULL".to_owned())
    }

    /// Rows of a query, their columns with spaces between them.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<String> {
        let rows = self.client.simple_query(sql).await;
        let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let show = |message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => {
                let cells = (0..row.len()).map(|place| row.get(place).unwrap_or("NULL").to_owned());
                Some(cells.collect::<Vec<_>>().join(" "))
            }
            _ => None,
        };
        rows.into_iter().filter_map(show).collect()
    }
}
