//! Prices of the demo: the examples that ship.

use anyhow::Context as _;
use fleetledger_cost::{definitions::CostDefinitions, store};
use fleetledger_schema::postgres::PostgresConnector;

/// Machines that are rented, who owns what, and how shared cost is shown.
const FILES: [(&str, &str); 3] = [
    ("cloud.toml", include_str!("../../../deploy/cost/cloud.toml")),
    ("owners.toml", include_str!("../../../deploy/cost/owners.toml")),
    ("sharing.toml", include_str!("../../../deploy/cost/sharing.toml")),
];

/// Makes them stand; twice changes nothing.
pub(super) async fn apply(own: &PostgresConnector) -> anyhow::Result<()> {
    let book = CostDefinitions::parse(&FILES).context("read the example's prices")?;
    let mut client = own
        .connect("fleetledger-demo")
        .await
        .context("connect to apply prices")?;
    store::apply(&mut client, &book, "demo")
        .await
        .context("apply the example's prices")?;
    Ok(())
}
