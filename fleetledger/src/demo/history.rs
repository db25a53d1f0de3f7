//! The hours before a demo begins: played quickly, through the same broker and ingester, so that there is a past to ask about.

use std::time::Duration;

use anyhow::Context as _;
use fleetledger_emit::{EmitSettings, ObjectSource, SimulateSettings, simulate::HistoryWriter};
use fleetledger_schema::instant::Instant;
use rdkafka::ClientConfig;
use tokio::task::JoinSet;
use tokio_postgres::Client;

use super::{broker::DemoBroker, database::DemoDatabase};

/// How long landing all of it may take.
const DRAIN: Duration = Duration::from_secs(300);
/// So much slower do changes come in the past than before the eyes of whoever watches.
const CALMER: f64 = 20.0;
/// Windows and readings of usage of the past are as those of a real fleet.
const WINDOW_MINUTES: u32 = 5;
const READING_SECONDS: u64 = 60;
/// How close to now the past comes before the present takes over.
const NEAR_MICROS: i64 = 2_000_000;

/// Days of history have partitions of their own.
const MAKE_PARTITIONS: &str = "select ledger.ensure_partitions(($1::timestamptz at time zone 'UTC')::date - 1, (now() at time zone 'UTC')::date + 1)";

/// Clusters have been known since their past began.
const SET_FIRST_SEEN: &str = "update ledger.cluster set first_seen_at = $1 where first_seen_at > $1";

/// So have the owners of their namespaces.
const SET_OWNED_SINCE: &str = "update ledger.namespace_team set valid_from = $1 where valid_from > $1";

/// Up to when each kind was known, minute by minute: the ingester writes down when it learnt of it, which was just now.
const FILL_FRESHNESS: &str = "
    insert into ledger.freshness_history as h (cluster_id, kind, minute_at, observed_at)
    select f.cluster_id, f.kind, m.minute_at, m.minute_at + interval '1 minute'
    from ledger.freshness as f
    cross join generate_series(date_trunc('minute', $1::timestamptz), now() - interval '1 minute', interval '1 minute') as m (minute_at)
    on conflict (cluster_id, kind, minute_at) do update set observed_at = greatest(h.observed_at, excluded.observed_at)";

/// Plays every cluster from `from` on until now; returns the clusters as they are then.
async fn play(
    clusters: Vec<(EmitSettings, SimulateSettings)>,
    kafka: &ClientConfig,
    from: Instant,
) -> anyhow::Result<Vec<ObjectSource>> {
    let mut players = JoinSet::new();
    for (index, (settings, simulate)) in clusters.into_iter().enumerate() {
        let kafka = kafka.clone();
        players.spawn(async move {
            let datacenter = settings.datacenter.clone();
            let source = play_cluster(settings, simulate, &kafka, from).await;
            source
                .map(|source| (index, source))
                .with_context(|| format!("play the past of {datacenter}"))
        });
    }
    let mut sources = Vec::new();
    while let Some(played) = players.join_next().await {
        sources.push(played.context("join a player of the past")??);
    }
    sources.sort_by_key(|(index, _)| *index);
    Ok(sources.into_iter().map(|(_, source)| source).collect())
}

async fn play_cluster(
    mut settings: EmitSettings,
    mut simulate: SimulateSettings,
    kafka: &ClientConfig,
    from: Instant,
) -> anyhow::Result<ObjectSource> {
    settings.usage.window_minutes = WINDOW_MINUTES;
    settings.usage.interval_seconds = READING_SECONDS;
    let pace = simulate.changes_per_second;
    simulate.changes_per_second = pace / CALMER;
    let mut writer = HistoryWriter::begin(&settings, &simulate, kafka, from).await?;
    loop {
        let now = Instant::now();
        if now.micros_since(writer.at()) < NEAR_MICROS {
            return Ok(writer.finish(pace).await?);
        }
        writer.advance(now).await?;
    }
}

/// Makes room for the past.
async fn make_room(client: &Client, from: Instant) -> anyhow::Result<()> {
    client
        .execute(MAKE_PARTITIONS, &[&from])
        .await
        .context("make partitions for the past")?;
    Ok(())
}

/// Lets the ledger have known of it all along.
async fn backdate(client: &Client, from: Instant) -> anyhow::Result<()> {
    for statement in [SET_FIRST_SEEN, SET_OWNED_SINCE, FILL_FRESHNESS] {
        client
            .execute(statement, &[&from])
            .await
            .context("write down since when clusters are known")?;
    }
    Ok(())
}

/// Plays the past of the demo's clusters, and waits until it has landed.
pub(super) async fn play_and_land(
    clusters: Vec<(EmitSettings, SimulateSettings)>,
    broker: &DemoBroker,
    database: &DemoDatabase,
    partitions: usize,
    span: Duration,
) -> anyhow::Result<Vec<ObjectSource>> {
    let began = std::time::Instant::now();
    let micros = i64::try_from(span.as_micros()).context("the past is too long")?;
    let from = Instant::now().plus_micros(-micros);
    let client = database.connect().await?;
    make_room(&client, from).await?;
    println!("playing {} minutes of history", span.as_secs() / 60);
    let sources = play(clusters, &broker.client_config()?, from).await?;
    if !database.await_landed(broker, partitions, DRAIN).await? {
        anyhow::bail!(
            "the past has not landed within {} s; fleetledger demo --history 0s begins without one",
            DRAIN.as_secs()
        );
    }
    backdate(&client, from).await?;
    println!("played in {} s", began.elapsed().as_secs());
    Ok(sources)
}
