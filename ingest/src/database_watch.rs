//! Whether PostgreSQL answers while nothing is to land: an ingester that has read everything does not ask it anything.

use std::time::Duration;

use fleetledger_schema::{part_watch::PartWatch, postgres::PostgresConnector};
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use crate::errors::DatabaseFailure;

/// How often it is asked.
const INTERVAL: Duration = Duration::from_secs(2);
/// How long it has for the answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Who asks.
const WHO: &str = "database watch";

/// Asks until `stop`, on a connection of its own.
pub(crate) async fn run(connector: PostgresConnector, postgres: PartWatch, stop: CancellationToken) {
    let mut client = None;
    loop {
        let answer = tokio::select! {
            () = stop.cancelled() => return,
            answer = tokio::time::timeout(ANSWER_WITHIN, ask(&connector, &mut client)) => answer,
        };
        match answer {
            Ok(Ok(())) => postgres.answered(WHO),
            Ok(Err(failure)) => {
                client = None;
                postgres.failed(WHO, &failure.explain());
            }
            Err(_) => {
                client = None;
                postgres.failed(WHO, &format!("no answer within {} s", ANSWER_WITHIN.as_secs()));
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

async fn ask(connector: &PostgresConnector, client: &mut Option<Client>) -> Result<(), DatabaseFailure> {
    if client.as_ref().is_none_or(Client::is_closed) {
        let connected = connector.connect("fleetledger-ingest-watch").await;
        *client = Some(connected.map_err(|error| DatabaseFailure::of(&error.source))?);
    }
    match client {
        Some(client) => Ok(client.batch_execute("").await?),
        None => Ok(()),
    }
}
