//! The evaluator and the console of the demo, over the rules that ship.

use std::path::PathBuf;

use anyhow::Context as _;
use prometheus::Registry;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{database::DemoDatabase, folder::DemoFolder, handout::copy_rules, receiver::DemoReceiver};
use crate::{
    config::{ConsoleConfig, FleetledgerConfig, LoadedConfig},
    setup::{
        console,
        evaluator::{self, EvaluatorConnectors, EvaluatorParts},
    },
};

/// Keeps the console's address over restarts, so that a page that is open goes on.
const PORT_FILE: &str = "console.port";

/// Where the runbooks stand in a source tree.
pub(super) const RUNBOOKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/runbooks");

/// A running evaluator and console.
pub(super) struct DemoAlerting {
    /// Address of the console.
    pub(super) console: String,
    /// The folder that it follows.
    pub(super) rules: PathBuf,
    stop: CancellationToken,
    tasks: JoinSet<anyhow::Result<()>>,
}

impl DemoAlerting {
    /// Starts both; `None` on a database of the user's own, where nobody may log in as the reader, or without rules.
    pub(super) async fn start(
        loaded: &LoadedConfig,
        config: &FleetledgerConfig,
        database: &DemoDatabase,
        registry: &Registry,
        folder: &DemoFolder,
        receiver: Option<&DemoReceiver>,
    ) -> anyhow::Result<Option<Self>> {
        let Some((own, rules_login)) = database.evaluator() else {
            return Ok(None);
        };
        let Some(rules) = rules(config, folder)? else {
            return Ok(None);
        };
        let mut loaded = loaded.clone();
        loaded.config = config.clone();
        loaded.config.evaluate.rules.clone_from(&rules);
        // Somebody looks on for a minute: the running hour is rated every minute.
        loaded.config.cost.interval_seconds = 5;
        loaded.config.cost.partial_minutes = 1;
        if let Some(receiver) = receiver {
            receiver.enter(&mut loaded.config);
        }
        super::cost::apply(&own).await?;
        let console = ConsoleConfig {
            listen: ([127, 0, 0, 1], folder.free_port(PORT_FILE)?).into(),
            runbooks: RUNBOOKS.into(),
            ..ConsoleConfig::default()
        };
        let stop = CancellationToken::new();
        let parts = EvaluatorParts::new(
            &loaded,
            &EvaluatorConnectors {
                own,
                rules: rules_login,
            },
            "demo",
            registry,
            stop.clone(),
        )
        .await?;
        let server = console::bind(&loaded, &console, &parts, registry).await?;
        let address = server.address().context("read the console's address")?;
        folder.keep_port(PORT_FILE, address.port())?;
        let mut tasks = JoinSet::new();
        tasks.spawn(server.run(stop.clone()));
        tasks.spawn(evaluator::evaluate(parts, registry.clone(), stop.clone()));
        Ok(Some(Self {
            console: format!("http://{address}"),
            rules,
            stop,
            tasks,
        }))
    }

    pub(super) async fn stop(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

/// The folder of the configuration, else a copy of the rules that ship.
fn rules(config: &FleetledgerConfig, folder: &DemoFolder) -> anyhow::Result<Option<PathBuf>> {
    let configured = &config.evaluate.rules;
    match configured.is_dir() {
        true => Ok(Some(configured.clone())),
        false => copy_rules(folder),
    }
}
