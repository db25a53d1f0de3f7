//! COPY of flat rows into a logged table with a primary key: what a loader without any promise reaches.

use anyhow::Context as _;
use bytes::Bytes;
use futures::SinkExt as _;
use tokio_postgres::Client;

use crate::{
    flat,
    parts::{LapClock, LapTime},
};

/// Makes the table. Each snapshot is a row of its own, so that history is kept here too: a pod's revision has
/// another `started_at`.
pub(crate) async fn create(client: &Client) -> anyhow::Result<()> {
    client
        .batch_execute(&flat::table("snapshot", "cluster_uid, uid, started_at"))
        .await?;
    Ok(())
}

/// Copies rows that are encoded already; `database` is counted with this process.
pub(crate) async fn lap(client: &Client, chunks: Vec<Bytes>, database: u32) -> anyhow::Result<LapTime> {
    let statement = client.prepare("copy snapshot from stdin (format binary)").await?;
    let clock = LapClock::start(vec![database, std::process::id()])?;
    let sink = client.copy_in(&statement).await?;
    let mut sink = std::pin::pin!(sink);
    for chunk in chunks {
        sink.send(chunk).await.context("copy")?;
    }
    sink.finish().await.context("copy")?;
    clock.stop()
}
