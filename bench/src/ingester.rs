//! The shipped ingester, as a process of its own.

use std::{fmt::Write as _, path::Path, time::Duration};

use anyhow::Context as _;
use fleetledger_local::process::{ServerLaunch, SupervisedServer};
use tempfile::TempDir;

use crate::{
    parts::{BenchLedger, until},
    usage,
};

/// A running `fleetledger` role. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct BenchProcess {
    process: SupervisedServer,
    _folder: TempDir,
}

/// What deploy/ starts an emitter with.
fn environment(arguments: &[&str]) -> Vec<(String, String)> {
    let emits = arguments.first() == Some(&"emit");
    let purge = emits.then(|| ("MIMALLOC_PURGE_DELAY".to_owned(), "0".to_owned()));
    purge.into_iter().collect()
}

impl BenchProcess {
    /// Starts `fleetledger <arguments>` with this configuration.
    pub(crate) fn start(program: &Path, arguments: &[&str], toml: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("fleetledger.toml");
        std::fs::write(&config, toml)?;
        let mut command = vec![
            program.display().to_string(),
            "--config".to_owned(),
            config.display().to_string(),
        ];
        command.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        let process = SupervisedServer::start(&ServerLaunch {
            part: format!("fleetledger {}", arguments.join(" ")),
            command,
            environment: environment(arguments),
            log: folder.path().join("log"),
            last_signal: "KILL",
        })?;
        Ok(Self {
            process,
            _folder: folder,
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Stops it where it is; it keeps all it has in memory.
    pub(crate) fn freeze(&mut self) -> anyhow::Result<()> {
        self.process.signal("STOP");
        usage::await_state(self.pid(), 'T')
    }

    /// Lets it go on.
    pub(crate) fn thaw(&mut self) {
        self.process.signal("CONT");
    }

    /// Asks an emitter for a sweep.
    pub(crate) fn ask_for_sweep(&mut self) {
        self.process.signal("USR1");
    }

    /// SIGKILL, and waits for its end.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        Ok(self.process.stop("KILL", Duration::from_secs(30)).await?)
    }

    /// What it has logged, where it has ended.
    pub(crate) fn check_alive(&mut self) -> anyhow::Result<()> {
        match self.process.exited() {
            None => Ok(()),
            Some(status) => anyhow::bail!("fleetledger ended ({status}): {}", self.process.logged()),
        }
    }
}

/// Configuration of an ingester of the topics under `prefix`; `more` goes into its own section.
pub(crate) fn configuration(
    bootstrap_servers: &str,
    ledger: &BenchLedger,
    prefix: &str,
    more: &str,
) -> String {
    let mut toml = String::new();
    // It is stopped for longer than a group waits for its members.
    let _ = write!(
        toml,
        "[kafka]\nbootstrap_servers = \"{bootstrap_servers}\"\n\
         properties = {{ \"session.timeout.ms\" = \"120000\" }}\n\
         [postgres]\nurl = \"{}\"\ntls = \"off\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
         [log]\nfilter = \"warn\"\n\
         [ingest]\ntopic_prefix = \"{prefix}\"\ngroup_id = \"{prefix}\"\n{more}\n",
        ledger.ingester_url
    );
    toml
}

/// Waits until all of a topic up to `ends` has landed.
pub(crate) async fn await_landed(
    ledger: &BenchLedger,
    topic: &str,
    ends: &[i64],
    limit: Duration,
) -> anyhow::Result<()> {
    let partitions: Vec<i32> = (0..).take(ends.len()).collect();
    let statement = "select count(*) from unnest($2::integer[], $3::bigint[]) as w (partition, until)
        left join ledger.ingest_partition as p on p.topic = $1 and p.partition = w.partition
        where coalesce(p.next_offset, 0) < w.until";
    let statement = ledger.client.prepare(statement).await?;
    until(&format!("{topic} lands"), limit, async || {
        let row = ledger
            .client
            .query_one(&statement, &[&topic, &partitions, &ends])
            .await;
        Ok(row
            .context("look how far the ingester is")?
            .try_get::<_, i64>(0)?
            == 0)
    })
    .await
}
