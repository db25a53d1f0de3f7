//! The way of a record, from Kafka to PostgreSQL:
//!
//! 1. **poll** – one thread polls one consumer and copies records out (`consumer`); partitions come with offsets that
//!    were claimed in PostgreSQL (`rebalance`, `claim`). A full buffer stops it (`buffer`).
//! 2. **decode** – each partition belongs to one lane, which takes its records in log order (`lane`): what is it, is
//!    it newer than what its log has shown, does its body stand already (`examine`, `decode`, `shard`)?
//! 3. **batch** – what changed becomes versions of objects (`admit`, `control`, `chain`), sealed into COPY streams
//!    (`batch`, `encode`, `copy`).
//! 4. **copy** and **merge** – the lane's writer moves the fence, copies into the stage, closes and opens versions,
//!    writes the books (`writer`, `fence`, `stage`, `books`).
//! 5. **commit** – and only then is the cache published, the buffer freed, the group told.
//!
//! What fails goes through `errors`: again with the same bytes, built anew, put aside, or halted.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant as Moment},
};

use fleetledger_schema::postgres::Connector;
use rdkafka::{ClientConfig, consumer::BaseConsumer};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    IngestError, Settings,
    buffer::Budget,
    consumer::{Ended, Poller, client_config},
    health::Health,
    lane::{Lane, LaneMessage},
    maintenance::{self, Maintenance},
    memory::Memory,
    metrics::Metrics,
    quarantine::Windows,
    reader::{Backoff, Reader},
    rebalance::Shared,
    topics::Topics,
    writer::Writer,
};

/// A consumer that had to be made again within this time after the last one ends the process.
const RECREATE_AFTER: Duration = Duration::from_secs(600);
/// How often stalls are looked for.
const LOOK_FOR_STALLS: Duration = Duration::from_secs(5);
/// Tasks get this long to end.
const STOP_WITHIN: Duration = Duration::from_secs(15);

/// Reads the topics into PostgreSQL until `shutdown`.
///
/// `kafka` holds servers and TLS; everything the guarantees rest on is set here. `health` is updated all the while.
///
/// # Errors
/// [`IngestError`] if it cannot start, or cannot go on and should be started again.
pub async fn run(
    settings: Settings,
    kafka: ClientConfig,
    postgres: Connector,
    registry: &prometheus::Registry,
    health: Health,
    shutdown: CancellationToken,
) -> Result<(), IngestError> {
    settings.check()?;
    let metrics =
        Metrics::new(registry).map_err(|error| IngestError::NotFound(format!("metrics: {error}")))?;
    let owner: Arc<str> = instance_id(&settings).into();
    let config = client_config(&kafka, &settings, &owner);
    let topics = Arc::new(find_topics(&settings, &config, &shutdown).await?);
    health.set_topics(topics.names().into_iter().map(str::to_owned).collect());
    prepare(&settings, &topics, &postgres, &shutdown).await?;
    let stop = shutdown.child_token();
    let _stop_on_return = stop.clone().drop_guard();
    let budget = Arc::new(Budget::new(settings.buffer_bytes));
    let settings = Arc::new(settings);
    let (commands, obeyed) = crossbeam_channel::unbounded();
    let mut tasks = JoinSet::new();
    let mut inboxes = Vec::new();
    for number in 0..settings.lanes {
        let (inbox, messages) = mpsc::unbounded_channel::<LaneMessage>();
        let (batches, sealed) = mpsc::channel(1);
        let (resolved, outcomes) = mpsc::channel(1);
        let reader_name = format!("fleetledger ingest lane {number} reader");
        let reader = Reader::new(
            postgres.clone(),
            reader_name,
            health.clone(),
            metrics.clone(),
            stop.clone(),
        );
        let memory = Memory::new(settings.clone(), topics.clone(), reader);
        let windows = Windows::new(&settings);
        let lane = Lane::new(
            number.to_string(),
            memory,
            messages,
            commands.clone(),
            budget.clone(),
            batches,
            outcomes,
            windows,
        );
        let writer = Writer::new(
            postgres.clone(),
            format!("fleetledger ingest lane {number}"),
            owner.clone(),
            settings.clone(),
            topics.clone(),
            health.clone(),
            metrics.clone(),
            stop.clone(),
        );
        tasks.spawn(lane.run());
        tasks.spawn(writer.run(sealed, resolved));
        inboxes.push(inbox);
    }
    let maintenance = Maintenance::new(
        settings.clone(),
        topics.clone(),
        postgres.clone(),
        health.clone(),
        metrics.clone(),
        stop.clone(),
    );
    tasks.spawn(maintenance.run());
    let shared = Arc::new(Shared {
        settings: settings.clone(),
        topics,
        connector: postgres,
        owner,
        lanes: inboxes,
        health: health.clone(),
        metrics,
        runtime: tokio::runtime::Handle::current(),
        shutdown: stop.clone(),
        owned: Mutex::default(),
        halted: Mutex::default(),
        waiting: Mutex::default(),
        fatal: Mutex::default(),
    });
    let result = keep_polling(&shared, &budget, &obeyed, &config, &mut tasks).await;
    stop.cancel();
    drop(shared);
    let ended = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_WITHIN, ended).await.is_err() {
        tracing::warn!("tasks did not end in time");
    }
    result
}

/// Runs the poll thread; makes a new consumer once when one is stuck.
async fn keep_polling(
    shared: &Arc<Shared>,
    budget: &Arc<Budget>,
    commands: &crossbeam_channel::Receiver<crate::lane::Command>,
    config: &ClientConfig,
    tasks: &mut JoinSet<()>,
) -> Result<(), IngestError> {
    let mut recreated_at: Option<Moment> = None;
    let stall = Duration::from_secs(shared.settings.stall_seconds);
    loop {
        let restart = Arc::new(AtomicBool::new(false));
        let mut ended = start_poll_thread(shared, budget, commands, config, &restart)?;
        let mut stalled = String::new();
        let reason = loop {
            tokio::select! {
                ended = &mut ended => break ended.unwrap_or(Ended::Failed(IngestError::Ended("the poll thread"))),
                Some(_) = tasks.join_next(), if !shared.shutdown.is_cancelled() => {
                    if !shared.shutdown.is_cancelled() {
                        shared.shutdown.cancel();
                        return Err(IngestError::Ended("a lane"));
                    }
                }
                () = tokio::time::sleep(LOOK_FOR_STALLS) => {
                    if let Some(partition) = shared.health.stalled(stall) {
                        tracing::error!(%partition, "partition is behind and lands nothing");
                        stalled = partition;
                        restart.store(true, Ordering::Relaxed);
                    }
                }
            }
        };
        match reason {
            Ended::Stopped => return Ok(()),
            Ended::Failed(error) => return Err(error),
            Ended::Recreate(why) => {
                tracing::error!(%why, "making a new consumer");
                if recreated_at.is_some_and(|at| at.elapsed() < RECREATE_AFTER) {
                    return Err(IngestError::Stalled(stalled, stall.as_secs()));
                }
                recreated_at = Some(Moment::now());
            }
        }
    }
}

fn start_poll_thread(
    shared: &Arc<Shared>,
    budget: &Arc<Budget>,
    commands: &crossbeam_channel::Receiver<crate::lane::Command>,
    config: &ClientConfig,
    restart: &Arc<AtomicBool>,
) -> Result<oneshot::Receiver<Ended>, IngestError> {
    let (tell, ended) = oneshot::channel();
    let mut poller = Poller::new(shared.clone(), budget.clone(), commands.clone());
    let (config, restart) = (config.clone(), restart.clone());
    std::thread::Builder::new()
        .name("ingest-poll".to_owned())
        .spawn(move || {
            let _ = tell.send(poller.run(&config, &restart));
        })
        .map_err(|_| IngestError::Ended("the poll thread"))?;
    Ok(ended)
}

async fn find_topics(
    settings: &Settings,
    config: &ClientConfig,
    shutdown: &CancellationToken,
) -> Result<Topics, IngestError> {
    let wait = Duration::from_secs(settings.topic_wait_seconds);
    let mut topics = Topics::named_by(settings);
    let (config, shutdown) = (config.clone(), shutdown.clone());
    let found = tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = config.create().map_err(|source| IngestError::Kafka {
            action: "make a consumer".to_owned(),
            source,
        })?;
        topics.wait(&consumer, wait, &shutdown).map(|()| topics)
    });
    found
        .await
        .map_err(|_| IngestError::Ended("the search for topics"))?
}

/// What must stand before the first record: topics, schemas, partitions. Waits for a database that is away.
async fn prepare(
    settings: &Settings,
    topics: &Topics,
    postgres: &Connector,
    shutdown: &CancellationToken,
) -> Result<(), IngestError> {
    let mut backoff = Backoff::default();
    loop {
        let failure = match maintenance::prepare(settings, topics, postgres).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if !failure.is_transient() {
            return Err(failure);
        }
        tracing::warn!(error = %failure, "postgresql is not ready; trying again");
        if backoff.wait(shutdown).await.is_err() {
            return Ok(());
        }
    }
}

fn instance_id(settings: &Settings) -> String {
    if settings.instance_id.is_empty() {
        format!("ingest-{:08x}", rand::random::<u32>())
    } else {
        settings.instance_id.clone()
    }
}
