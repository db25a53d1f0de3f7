//! One file a subcommand. Each reads the configuration first: what it refuses is refused before anything opens.

mod alerts;
mod audit;
mod central;
mod clusters;
mod configuration;
pub(crate) mod console;
mod cost;
mod dead_letters;
mod doctor;
mod emit;
pub(crate) mod evaluate;
mod ingest;
mod migrate;
mod role;
mod rules;
mod sql;
pub mod status;
mod table;
mod teams;
mod topics;

pub(crate) use clusters::find as find_cluster;
pub(crate) use migrate::store_settings;
pub(crate) use table::count;

use anyhow::Context as _;
use fleetledger_ingest::ResumeFrom;
use fleetledger_schema::postgres::Connector;
use tokio_postgres::Client;

use crate::{
    cli::{Cli, Command, IngestRepair},
    config::{self, Loaded},
    connect::{self, HopError},
    demo,
    exit::Exit,
    telemetry,
};

/// Runs what the command line asks for.
///
/// # Errors
/// What failed; [`Exit::of`] tells the exit code.
pub async fn run(cli: Cli) -> anyhow::Result<Exit> {
    let loaded = match (config::load(cli.config.as_deref()), &cli.command) {
        (Ok(loaded), _) => loaded,
        // A broken configuration is one of the set-ups doctor tells about, and none to the reference.
        (Err(error), Command::Doctor(args)) => return doctor::refused(args, &error),
        (Err(_), Command::Config(crate::cli::ConfigCommand::Reference)) => Loaded::default(),
        (Err(error), _) => return Err(error.into()),
    };
    let mut log = loaded.config.log.clone();
    if matches!(cli.command, Command::Demo(_)) && log == config::Log::default() {
        // Its screen shows what goes on; the log is for what goes wrong.
        log.filter = "warn".to_owned();
    }
    telemetry::log::start(&log, cli.log_format).context("start logging")?;
    match cli.command {
        Command::Demo(args) => demo::run(&loaded, &args).await,
        Command::Emit(args) => emit::run(&loaded, &args).await,
        Command::Ingest(args) => match args.repair {
            None => ingest::run(&loaded).await,
            Some(IngestRepair::Resume {
                topic,
                partition,
                from_start,
            }) => {
                let from = if from_start {
                    ResumeFrom::Start
                } else {
                    ResumeFrom::Stored
                };
                ingest::resume(&loaded, &topic, partition, from).await
            }
            Some(IngestRepair::Release { number }) => ingest::release(&loaded, number).await,
        },
        Command::Evaluate => Box::pin(evaluate::run(&loaded)).await,
        Command::Console => Box::pin(console::run(&loaded)).await,
        Command::Central => Box::pin(central::run(&loaded)).await,
        Command::Cost(args) => Box::pin(cost::run(&args)).await,
        Command::Alerts(args) => Box::pin(alerts::run(&args)).await,
        Command::Migrate => migrate::run(&loaded).await,
        Command::Doctor(args) => doctor::run(&loaded, &args).await,
        Command::Status(args) => status::run(&loaded, args.json).await,
        Command::Audit(args) => audit::run(&loaded, &args).await,
        Command::Clusters(command) => clusters::run(&loaded, command).await,
        Command::Teams(command) => teams::run(&loaded, command).await,
        Command::DeadLetters(command) => dead_letters::run(&loaded, command).await,
        Command::Topics(crate::cli::TopicsCommand::Create) => topics::create(&loaded).await,
        Command::Sql(args) => sql::run(&loaded, &args),
        Command::Report(args) => rules::report(&args).await,
        Command::Rules(command) => rules::run(&loaded, command).await,
        Command::Config(command) => configuration::run(&loaded, &command),
    }
}

/// The database of this configuration, connected.
async fn database(loaded: &Loaded, application_name: &str) -> anyhow::Result<(Connector, Client)> {
    let postgres = &loaded.config.postgres;
    let connector = connect::postgres::connector(postgres)?;
    let client = connect::postgres::connect(postgres, &connector, application_name).await?;
    require_current(&connector, &client).await?;
    Ok((connector, client))
}

/// Refuses a database that is not at this version, and says what to do.
pub(crate) async fn require_current(connector: &Connector, client: &Client) -> anyhow::Result<()> {
    use fleetledger_schema::postgres::Standing;
    let hop = format!("postgres {}", connector.target());
    let standing = fleetledger_schema::postgres::standing(client)
        .await
        .context("read the database's version")?;
    let (why, fix) = match standing {
        Standing::Current => return Ok(()),
        Standing::Empty => ("it holds no ledger".to_owned(), "run: fleetledger migrate"),
        Standing::Behind { missing } => (
            format!("it lacks {}", missing.join(", ")),
            "run: fleetledger migrate",
        ),
        Standing::Edited(name) => (
            format!("migration {name} was edited after it had been applied"),
            "use the release that applied it, or restore the migration's text",
        ),
        Standing::Ahead(name) => (
            format!("it has migration {name}, which this version does not know"),
            "run the newer fleetledger that migrated it",
        ),
    };
    Err(HopError::setup(hop, why, fix).into())
}

/// Prints a document as JSON.
pub(crate) fn print_json(document: &serde_json::Value) {
    println!("{document:#}");
}
