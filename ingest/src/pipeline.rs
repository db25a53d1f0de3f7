//! The way of a record, from Kafka to PostgreSQL:
//!
//! 1. **poll** – a thread for pods and one for the rest each poll a consumer (`intake`) and copy records out
//!    (`consumer`); partitions come with offsets that were claimed in PostgreSQL (`rebalance`, `claim`). A full buffer
//!    stops them (`buffer`).
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
    sync::{Arc, Mutex},
    time::Duration,
};

use fleetledger_schema::{postgres::PostgresConnector, renewable::Renewable};
use rdkafka::{ClientConfig, consumer::BaseConsumer};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    IngestError, IngestSettings,
    buffer::BufferBudget,
    consumer::client_config,
    database_watch,
    health::IngestHealth,
    identity_keys::IdentityKeys,
    intake::{ConsumerIntake, SupervisedConsumer, consume, intakes},
    lane::{Lane, LaneMessage, PollCommand, PollCommands},
    maintenance::{self, MaintenanceTask},
    memory::LaneMemory,
    metrics::IngestMetrics,
    quarantine::QuarantineWindows,
    reader::{LaneReader, ReconnectBackoff},
    rebalance::SharedPollState,
    topics::IngestTopics,
    writer::LaneWriter,
};

/// Tasks get this long to end.
const STOP_WITHIN: Duration = Duration::from_secs(15);

/// Reads the topics into PostgreSQL until `shutdown`.
///
/// `kafka` holds servers and TLS, read anew when files of it change; everything the guarantees rest on is set here. `health` is updated all the while.
///
/// # Errors
/// [`IngestError`] if it cannot start, or cannot go on and should be started again.
pub async fn run(
    settings: IngestSettings,
    kafka: impl Into<Renewable<ClientConfig>>,
    postgres: PostgresConnector,
    registry: &prometheus::Registry,
    health: IngestHealth,
    shutdown: CancellationToken,
) -> Result<(), IngestError> {
    settings.check()?;
    let keys = Arc::new(IdentityKeys::read(&settings)?);
    let metrics =
        IngestMetrics::new(registry).map_err(|error| IngestError::NotFound(format!("metrics: {error}")))?;
    let owner: Arc<str> = instance_id(&settings).into();
    let kafka = kafka.into();
    let config = client_config(&kafka.newest(), &settings, (&settings.group_id, &owner), 1);
    let topics = Arc::new(find_topics(&settings, &config, &health, &shutdown).await?);
    let intakes = intakes(&settings, &topics, &owner);
    let names = topics.names().into_iter().map(str::to_owned).collect();
    health.set_topics(names, intakes.len());
    prepare(&settings, &topics, &postgres, &health, &shutdown).await?;
    let stop = shutdown.child_token();
    let _stop_on_return = stop.clone().drop_guard();
    let budget = Arc::new(BufferBudget::new(settings.buffer_bytes));
    let settings = Arc::new(settings);
    let (commands, obeyed) = PollCommands::to(intakes.len());
    let mut tasks = JoinSet::new();
    let mut inboxes = Vec::new();
    tasks.spawn(keys.clone().follow(stop.clone()));
    for number in 0..settings.lanes {
        let (inbox, messages) = mpsc::unbounded_channel::<LaneMessage>();
        let (batches, sealed) = mpsc::channel(1);
        let (resolved, outcomes) = mpsc::channel(1);
        let reader_name = format!("fleetledger-ingest-lane-{number}-reader");
        let reader = LaneReader::new(
            postgres.clone(),
            reader_name,
            health.clone(),
            metrics.clone(),
            stop.clone(),
        );
        let memory = LaneMemory::new(settings.clone(), topics.clone(), keys.clone(), reader);
        let windows = QuarantineWindows::new(&settings);
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
        let writer = LaneWriter::new(
            postgres.clone(),
            number,
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
    let maintenance = MaintenanceTask::new(
        settings.clone(),
        topics.clone(),
        postgres.clone(),
        metrics.clone(),
        stop.clone(),
    );
    tasks.spawn(maintenance.run());
    tasks.spawn(database_watch::run(
        postgres.clone(),
        health.postgres.clone(),
        stop.clone(),
    ));
    let share = intakes.len();
    let consumption =
        |(intake, commands): (ConsumerIntake, crossbeam_channel::Receiver<PollCommand>)| SupervisedConsumer {
            kafka: kafka.clone(),
            share,
            shared: Arc::new(SharedPollState {
                intake,
                settings: settings.clone(),
                topics: topics.clone(),
                connector: postgres.clone(),
                owner: owner.clone(),
                lanes: inboxes.clone(),
                health: health.clone(),
                metrics: metrics.clone(),
                runtime: tokio::runtime::Handle::current(),
                shutdown: stop.clone(),
                owned: Mutex::default(),
                halted: Mutex::default(),
                started: Mutex::default(),
                unreadable: Mutex::default(),
                broker_fault: Mutex::default(),
                waiting: Mutex::default(),
                fatal: Mutex::default(),
            }),
            budget: budget.clone(),
            commands,
        };
    let consumptions = intakes.into_iter().zip(obeyed).map(consumption).collect();
    let result = consume(consumptions, &mut tasks, &stop).await;
    stop.cancel();
    let ended = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_WITHIN, ended).await.is_err() {
        tracing::warn!("tasks did not stop in time");
    }
    result
}

async fn find_topics(
    settings: &IngestSettings,
    config: &ClientConfig,
    health: &IngestHealth,
    shutdown: &CancellationToken,
) -> Result<IngestTopics, IngestError> {
    let wait = Duration::from_secs(settings.topic_wait_seconds);
    let mut topics = IngestTopics::named_by(settings);
    let (config, kafka, shutdown) = (config.clone(), health.kafka.clone(), shutdown.clone());
    let found = tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = config.create().map_err(|source| IngestError::Kafka {
            action: "create a consumer".to_owned(),
            source,
        })?;
        topics.wait(&consumer, wait, &kafka, &shutdown).map(|()| topics)
    });
    found
        .await
        .map_err(|_| IngestError::Ended("the search for topics"))?
}

/// What must stand before the first record: topics, schemas, partitions. Waits for a database that is away.
async fn prepare(
    settings: &IngestSettings,
    topics: &IngestTopics,
    postgres: &PostgresConnector,
    health: &IngestHealth,
    shutdown: &CancellationToken,
) -> Result<(), IngestError> {
    const START: &str = "start";
    let mut backoff = ReconnectBackoff::default();
    loop {
        let failure = match maintenance::prepare(settings, topics, postgres).await {
            Ok(()) => {
                health.postgres.answered(START);
                return Ok(());
            }
            Err(error) => error,
        };
        if !failure.is_transient() {
            return Err(failure);
        }
        health.postgres.failed(START, &failure.explain());
        if backoff.wait(shutdown).await.is_err() {
            return Ok(());
        }
    }
}

fn instance_id(settings: &IngestSettings) -> String {
    if settings.instance_id.is_empty() {
        format!("ingest-{:08x}", rand::random::<u32>())
    } else {
        settings.instance_id.clone()
    }
}
