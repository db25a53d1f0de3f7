//! One file a subcommand. Each reads the configuration first: what it refuses is refused before anything opens.

mod alerts;
mod as_of_session;
mod audit;
mod central;
mod clusters;
mod completions;
mod config_init;
mod configuration;
mod console;
mod cost;
mod dead_letters;
mod doctor;
mod emit;
mod emit_dump;
mod evaluate;
mod ingest;
mod migrate;
mod role;
mod rules;
mod sql;
pub mod status;
mod teams;
mod topics;
mod version;

use anyhow::Context as _;
use fleetledger_ingest::ResumeFrom;

use crate::{
    cli::{Cli, CliCommand, ConfigCommand, IngestRepair},
    config::{self, LoadedConfig},
    demo,
    exit::ExitReason,
    output::{self, color},
    telemetry,
};

/// Runs what the command line asks for.
///
/// # Errors
/// What failed; [`ExitReason::of`] tells the exit code.
pub async fn run(cli: Cli) -> anyhow::Result<ExitReason> {
    let loaded = match (config::load(cli.config.as_deref()), &cli.command) {
        (Ok(loaded), _) => loaded,
        // A broken configuration is one of the set-ups doctor tells about, and none to the reference.
        (Err(error), CliCommand::Doctor(args)) => return doctor::refused(args, &error),
        (
            Err(_),
            CliCommand::Config(ConfigCommand::Reference | ConfigCommand::Init { .. })
            | CliCommand::Version(_)
            | CliCommand::Completions { .. }
            | CliCommand::ManPages { .. },
        ) => LoadedConfig::default(),
        (Err(error), _) => return Err(error.into()),
    };
    color::choose(cli.color);
    let mut log = loaded.config.log.clone();
    if matches!(cli.command, CliCommand::Demo(_)) && log == config::LogConfig::default() {
        // Its screen shows what goes on; the log is for what goes wrong.
        log.filter = "warn".to_owned();
    }
    telemetry::log::start(&log, cli.log_format).context("start logging")?;
    if cli.local_time {
        output::use_local_time();
    }
    match cli.command {
        CliCommand::Demo(args) => demo::run(&loaded, &args).await,
        CliCommand::Emit(args) => emit::run(&loaded, &args).await,
        CliCommand::Ingest(args) => match args.repair {
            None => Box::pin(ingest::run(&loaded)).await,
            Some(IngestRepair::Resume {
                topic: Some(topic),
                partition: Some(partition),
                from_start,
                ..
            }) => {
                let from = if from_start {
                    ResumeFrom::Start
                } else {
                    ResumeFrom::Stored
                };
                ingest::resume(&loaded, &topic, partition, from).await
            }
            Some(IngestRepair::Resume { .. }) => ingest::resume_all(&loaded).await,
            Some(IngestRepair::Release { number }) => ingest::release(&loaded, number).await,
        },
        CliCommand::Evaluate => Box::pin(evaluate::run(&loaded)).await,
        CliCommand::Console => Box::pin(console::run(&loaded)).await,
        CliCommand::Central => Box::pin(central::run(&loaded)).await,
        CliCommand::Cost(args) => Box::pin(cost::run(&loaded, &args)).await,
        CliCommand::Alerts(args) => Box::pin(alerts::run(&loaded, &args)).await,
        CliCommand::Migrate => migrate::run(&loaded).await,
        CliCommand::Doctor(args) => doctor::run(&loaded, &args).await,
        CliCommand::Status(args) => status::run(&loaded, &args).await,
        CliCommand::Audit(args) => audit::run(&loaded, &args).await,
        CliCommand::Clusters(command) => clusters::run(&loaded, command).await,
        CliCommand::Teams(command) => teams::run(&loaded, command).await,
        CliCommand::DeadLetters(command) => dead_letters::run(&loaded, command).await,
        CliCommand::Topics(command) => topics::run(&loaded, &command).await,
        CliCommand::Sql(args) => sql::run(&loaded, &args).await,
        CliCommand::Report(args) => rules::report(&loaded, &args).await,
        CliCommand::Rules(command) => rules::run(&loaded, command).await,
        CliCommand::Config(command) => configuration::run(&loaded, &command),
        CliCommand::Version(args) => version::run(args.format()),
        CliCommand::Completions { shell } => Ok(completions::print(shell)),
        CliCommand::ManPages { folder } => completions::write_man_pages(&folder),
    }
}
