//! The evaluator and the console of the demo, over the rules that ship.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use prometheus::Registry;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::database::DemoDatabase;
use crate::{
    config::{ConsoleConfig, FleetledgerConfig, LoadedConfig},
    setup::{
        console,
        evaluator::{self, EvaluatorConnectors, EvaluatorParts},
    },
};

/// Where the rules stand in a source tree.
const SOURCE_TREE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../queries");

const RUNBOOKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/runbooks");

/// A running evaluator and console.
pub(super) struct DemoAlerting {
    /// Address of the console.
    pub(super) console: String,
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
    ) -> anyhow::Result<Option<Self>> {
        let (Some((own, rules_login)), Some(rules)) = (database.evaluator(), folder(config)) else {
            return Ok(None);
        };
        let mut loaded = loaded.clone();
        loaded.config = config.clone();
        loaded.config.evaluate.rules = rules;
        // Somebody looks on for a minute: the running hour is rated every minute.
        loaded.config.cost.interval_seconds = 5;
        loaded.config.cost.partial_minutes = 1;
        super::cost::apply(&own).await?;
        let console = ConsoleConfig {
            listen: ([127, 0, 0, 1], 0).into(),
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
        let mut tasks = JoinSet::new();
        tasks.spawn(server.run(stop.clone()));
        tasks.spawn(evaluator::evaluate(parts, registry.clone(), stop.clone()));
        Ok(Some(Self {
            console: format!("http://{address}"),
            stop,
            tasks,
        }))
    }

    pub(super) async fn stop(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

/// The folder of the configuration, else that of the source tree.
fn folder(config: &FleetledgerConfig) -> Option<PathBuf> {
    let folders = [config.evaluate.rules.as_path(), Path::new(SOURCE_TREE)];
    folders
        .into_iter()
        .find(|folder| folder.is_dir())
        .map(Path::to_owned)
}
