//! `fleetledger demo`: three simulated datacenters, a broker, the ingester and a PostgreSQL in one process.
//!
//! The way of a record is the real one; only the objects and, by default, the broker are not. With `--for` it
//! runs unattended and [`check`]s itself: what was emitted against the current state.

mod alerting;
mod broker;
mod check;
mod cost;
mod database;
mod fleet;
mod folder;
mod handout;
mod history;
mod keyboard;
mod plan;
mod poison;
pub mod questions;
mod receiver;
mod screen;

use std::{path::Path, time::Duration};

use anyhow::{Context as _, bail};
use fleetledger_emit::{ObjectSource, SimulateSettings, simulate::STORY_CYCLE_SECONDS};
use prometheus::Registry;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::{
    alerting::DemoAlerting,
    broker::DemoBroker,
    database::DemoDatabase,
    fleet::DemoFleet,
    folder::DemoFolder,
    handout::{DemoAddresses, DemoHandout, write_config, write_questions},
    keyboard::EnterKey,
    poison::PoisonInjector,
    receiver::DemoReceiver,
    screen::DemoScreen,
};
use crate::{
    cli::{DemoArgs, DemoSize},
    config::{HttpConfig, LoadedConfig},
    exit::ExitReason,
    shutdown::StopSignals,
    telemetry::{self, RoleProbe},
    topics,
};

/// How long the ingester may take to land what the emitters sent last.
const DRAIN: Duration = Duration::from_secs(60);
/// The same after Ctrl-C: what has not landed is sent again at the next start.
const DRAIN_INTERRUPTED: Duration = Duration::from_secs(5);
/// When poison is put in at the latest, where the demo runs unattended.
const POISON_AFTER: Duration = Duration::from_secs(20);
/// What is played before a new demo that somebody watches: of a large one less, which takes as long.
const HISTORY: Duration = Duration::from_secs(2 * 3600);
const HISTORY_OF_MEDIUM: Duration = Duration::from_secs(1800);
/// Seconds of the story's cycle during which a stranger sends under a cluster's name, and is found out at the end of them.
const STRANGER_SECONDS: std::ops::Range<u64> = 360..1_200;
/// Time between two lines on the screen.
const TICK: Duration = Duration::from_secs(2);

/// Runs the demo until Ctrl-C, or for the time that was asked for.
///
/// # Errors
/// A part that could not be started, or that ended by itself.
pub async fn run(loaded: &LoadedConfig, args: &DemoArgs) -> anyhow::Result<ExitReason> {
    let mut signals = StopSignals::listen()?;
    let started = tokio::select! {
        started = Box::pin(RunningDemo::start(loaded, args)) => started,
        signal = signals.arrived() => bail!("{signal} while starting"),
    };
    let mut demo = started?;
    let ended = demo.attend(&mut signals, args.run_for).await;
    let exit = match ended {
        Ok(interrupted) => demo.finish(interrupted, args.run_for.is_some()).await,
        Err(error) => Err(error),
    };
    let stopped = demo.stop().await;
    exit.and_then(|exit| stopped.map(|()| exit))
}

/// How much of the past is played.
fn past(args: &DemoArgs) -> Duration {
    match (args.history, args.run_for) {
        (Some(asked), _) => asked,
        (None, None) => match args.size {
            DemoSize::Small => HISTORY,
            DemoSize::Medium => HISTORY_OF_MEDIUM,
        },
        (None, Some(_)) => Duration::ZERO,
    }
}

/// The next line of the demo's own receiver; never where there is none.
async fn next_line(receiver: &mut Option<DemoReceiver>) -> Option<String> {
    match receiver {
        Some(receiver) => receiver.lines.recv().await,
        None => std::future::pending().await,
    }
}

struct RunningDemo {
    broker: DemoBroker,
    database: DemoDatabase,
    fleet: DemoFleet,
    alerting: Option<DemoAlerting>,
    receiver: Option<DemoReceiver>,
    poison: PoisonInjector,
    is_stranger_there: bool,
    screen: DemoScreen,
    http: CancellationToken,
    server: tokio::task::JoinSet<anyhow::Result<()>>,
    // Last: the lock on the folder goes when everything else has ended.
    _folder: DemoFolder,
}

impl RunningDemo {
    async fn start(loaded: &LoadedConfig, args: &DemoArgs) -> anyhow::Result<Self> {
        let directory = loaded
            .config
            .demo
            .directory
            .clone()
            .unwrap_or_else(crate::config::places::demo_directory);
        let folder = DemoFolder::open(&directory, args.fresh)?;
        println!("data in {}", directory.display());
        let database = DemoDatabase::start(&folder, &loaded.config, args.postgres.as_deref()).await?;
        let broker = DemoBroker::start(&folder, &loaded.config, args.kafka.as_deref()).await?;
        let config = plan::config(&loaded.config, &broker)?;
        database.prepare(&config, broker.is_new_each_time()).await?;
        broker.create_topics(&config).await?;

        let registry = Registry::new();
        let mut fleet = DemoFleet::start(&config, &broker, database.ingest.clone(), &registry)?;
        let clusters = plan::clusters(&config, args.size);
        let span = past(args);
        let sources =
            if !span.is_zero() && broker.is_ours() && database.is_ours() && database.is_empty().await? {
                let partitions = topics::names(&config).len() * usize::try_from(config.topics.partitions)?;
                history::play_and_land(clusters.clone(), &broker, &database, partitions, span).await?
            } else {
                let simulated =
                    |(_, simulate): &(_, SimulateSettings)| ObjectSource::Simulate(simulate.clone());
                clusters.iter().map(simulated).collect()
            };
        let since = database.now().await?;
        let settings = clusters.into_iter().map(|(settings, _)| settings);
        fleet.emit(settings.zip(sources).collect(), &broker, &registry)?;
        let receiver = DemoReceiver::start(&config, &folder).await?;
        let alerting =
            DemoAlerting::start(loaded, &config, &database, &registry, &folder, receiver.as_ref()).await?;
        let probe = {
            let (live, ready) = (fleet.health(), fleet.health());
            RoleProbe::new("demo", move || live.live(), move || ready.ready())
        };
        let listen = HttpConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            ..HttpConfig::default()
        };
        let http = telemetry::http::BoundServer::bind(&listen, registry, vec![probe]).await?;
        let address = http.address()?;
        let stop = CancellationToken::new();
        let mut server = tokio::task::JoinSet::new();
        server.spawn(http.run(stop.clone()));

        let screen = DemoScreen::new(database.watch().await?, since, args.run_for);
        let addresses = DemoAddresses {
            kafka: broker.bootstrap_servers(),
            postgres: &database.owner_url,
            postgres_access: &database.access_keys,
            console: alerting.as_ref().map(|alerting| alerting.console.as_str()),
            receiver: receiver.as_ref().map(DemoReceiver::secret_url),
        };
        let rules = alerting.as_ref().map(|alerting| alerting.rules.as_path());
        let handout = DemoHandout {
            config: write_config(&folder, &addresses, rules, alerting::RUNBOOKS.as_ref())?,
            questions: write_questions(&folder)?,
            rules: rules.map(Path::to_owned),
            notifications: receiver.as_ref().map(|receiver| receiver.log.clone()),
        };
        screen.welcome(
            &database.reader_url,
            &broker,
            &format!("http://{address}/metrics"),
            addresses.console,
            &handout,
        );
        let poison = PoisonInjector::new(&broker, &config);
        Ok(Self {
            broker,
            database,
            fleet,
            alerting,
            receiver,
            poison,
            is_stranger_there: false,
            screen,
            http: stop,
            server,
            _folder: folder,
        })
    }

    /// Watches until the time is over (false) or a signal comes (true).
    async fn attend(&mut self, signals: &mut StopSignals, run_for: Option<Duration>) -> anyhow::Result<bool> {
        let begun = Instant::now();
        let mut tick = tokio::time::interval(TICK);
        let mut enter = EnterKey::listen(run_for.is_none());
        loop {
            tokio::select! {
                _ = signals.arrived() => {
                    println!("\nstopping; the data is kept, and the next demo continues with it");
                    return Ok(true);
                }
                ended = self.fleet.ended_early() => return Err(ended),
                _ = tick.tick() => self.screen.show().await?,
                Some(line) = next_line(&mut self.receiver) => self.screen.print(&line),
                Some(()) = enter.pressed() => self.screen.ask(),
            }
            self.go_on_with_the_stranger(begun.elapsed()).await?;
            let Some(run_for) = run_for else { continue };
            if begun.elapsed() >= (run_for / 3).min(POISON_AFTER) && !self.poison.was_injected() {
                // Only into a running stream, so that its neighbours' landing means something.
                self.poison.inject(&self.fleet.sources()).await?;
            }
            if begun.elapsed() >= run_for {
                return Ok(false);
            }
        }
    }

    /// The part of the story that happens in the pipeline: someone sends under the name of a cluster.
    async fn go_on_with_the_stranger(&mut self, elapsed: Duration) -> anyhow::Result<()> {
        let second = elapsed.as_secs() % STORY_CYCLE_SECONDS.unsigned_abs();
        match (STRANGER_SECONDS.contains(&second), self.is_stranger_there) {
            (true, false) => self.poison.send_strange(&self.fleet.sources()).await?,
            (false, true) => {
                self.poison
                    .settle_strange(&self.database.connect().await?)
                    .await?
            }
            _ => return Ok(()),
        }
        self.is_stranger_there = !self.is_stranger_there;
        Ok(())
    }

    /// Emitters first, so that nothing new comes; then the ingester, once it has landed everything.
    async fn finish(&mut self, interrupted: bool, unattended: bool) -> anyhow::Result<ExitReason> {
        let sent = self.fleet.stop_emitters().await?;
        let deadline = if interrupted { DRAIN_INTERRUPTED } else { DRAIN };
        let drained = self.database.await_drained(&self.broker, deadline).await?;
        self.fleet.stop_ingester().await?;
        if interrupted || !unattended {
            return Ok(ExitReason::Done);
        }
        if !drained {
            println!(
                "\nFAILED: {} s after the last record was sent, some records have still not landed",
                deadline.as_secs()
            );
            return Ok(ExitReason::Red);
        }
        if self.is_stranger_there {
            self.poison
                .settle_strange(&self.database.connect().await?)
                .await?;
        }
        let report = check::check(&self.database, self.screen.since(), &sent, &self.poison).await?;
        print!("\n{report}");
        Ok(if report.differences.is_empty() {
            ExitReason::Done
        } else {
            ExitReason::Red
        })
    }

    async fn stop(mut self) -> anyhow::Result<()> {
        self.http.cancel();
        let _ = tokio::time::timeout(Duration::from_secs(1), self.server.join_next()).await;
        if let Some(alerting) = self.alerting {
            alerting.stop().await;
        }
        if let Some(receiver) = self.receiver {
            receiver.stop().await;
        }
        self.fleet.abort().await;
        self.broker.stop().await?;
        self.database.stop().await.context("stop PostgreSQL")
    }
}
