//! The real binary as a process, for what cannot be done to a task: SIGKILL.

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::Command,
    time::Duration,
};

use fleetledger_local::process::{ServerLaunch, SupervisedServer};
use fleetledger_schema::kind::RecordKind;
use tempfile::TempDir;

use crate::{
    deadline::{ensure, eventually},
    parts::PARTITIONS,
};

/// How long a process may take to end.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

/// A running `fleetledger`. Dropping it kills it.
#[derive(Debug)]
pub struct LedgerProcess {
    process: SupervisedServer,
    _folder: TempDir,
}

/// Configuration of an ingester of the topics under `prefix`. `more` goes into `[ingest]`.
#[must_use]
pub fn ingest_configuration(bootstrap_servers: &str, prefix: &str, database_url: &str, more: &str) -> String {
    format!(
        "[kafka]\nbootstrap_servers = \"{bootstrap_servers}\"\n[postgres]\nurl = \"{}\"\ntls = \"off\"\n\
         [http]\nlisten = \"127.0.0.1:0\"\n[ingest]\ntopic_prefix = \"{prefix}\"\ngroup_id = \"{prefix}-victims\"\n{more}\n",
        database_url,
    )
}

/// The line of `[ingest]` that names every partition under `prefix`: an ingester without a group begins at once.
#[must_use]
pub fn every_partition(prefix: &str) -> String {
    let topics = RecordKind::TOPICS
        .into_iter()
        .map(|kind| kind.topic(prefix, None));
    let named: Vec<String> = topics
        .flat_map(|topic| (0..PARTITIONS).map(move |partition| format!("\"{topic}:{partition}\"")))
        .collect();
    format!("partitions = [{}]", named.join(", "))
}

/// The binary that the same build made: `cargo test --workspace` does, `cargo test -p fleetledger-tests` does not.
#[must_use]
pub fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let binary = test
        .parent()
        .and_then(|deps| deps.parent())
        .unwrap()
        .join("fleetledger");
    let hint = "cargo build -p fleetledger --features fail-points";
    assert!(binary.is_file(), "{} is not built; run: {hint}", binary.display());
    binary
}

impl LedgerProcess {
    /// Starts `fleetledger <arguments>` with this configuration and these environment variables.
    #[must_use]
    pub fn start(arguments: &[&str], toml: &str, environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("fleetledger.toml");
        std::fs::write(&config, toml).unwrap();
        let mut command = vec![
            binary().display().to_string(),
            "--config".to_owned(),
            config.display().to_string(),
        ];
        command.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        let process = SupervisedServer::start(&ServerLaunch {
            part: format!("fleetledger {}", arguments.join(" ")),
            command,
            environment: environment
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            log: folder.path().join("log"),
            last_signal: "KILL",
        });
        Self {
            process: process.unwrap(),
            _folder: folder,
        }
    }

    /// SIGKILL, and waits for its end.
    pub async fn kill(&mut self) {
        self.process.stop("KILL", ENDS_WITHIN).await.unwrap();
    }

    /// SIGTERM, and waits for its end.
    pub async fn stop(&mut self) {
        self.process.stop("TERM", ENDS_WITHIN).await.unwrap();
    }

    /// Sends a signal, such as `STOP`.
    pub fn signal(&mut self, name: &str) {
        self.process.signal(name);
    }

    /// Memory that stands in RAM, in bytes; 0 once it has ended.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.pid()));
        let status = status.unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        kilobytes.map_or(0, |kilobytes| kilobytes.trim().parse::<u64>().unwrap() * 1024)
    }

    /// The sum over all labels of one of its counters or gauges, as `/metrics` shows it; 0 where nothing was counted yet.
    #[must_use]
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.page("/metrics");
        let samples = text.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let of = series.split('{').next()?;
            (of == name).then(|| value.parse::<f64>().unwrap())
        });
        samples.sum()
    }

    /// A page of its HTTP listener, with the headers.
    #[must_use]
    pub fn page(&self, path: &str) -> String {
        let log = self.log_text();
        let (_, after) = log.split_once("listen=").unwrap();
        let address = after.split_whitespace().next().unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(ENDS_WITHIN)).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    /// Waits until it has ended by itself; returns what it logged.
    pub async fn await_end(&mut self) -> String {
        eventually("the process ends by itself", ENDS_WITHIN, || {
            let ended = self.process.exited().is_some();
            let log = self.process.logged();
            async move { ensure(ended, || log) }
        })
        .await;
        self.process.logged()
    }

    /// True once it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.process.exited().is_some()
    }

    /// What it logged.
    #[must_use]
    pub fn log_text(&self) -> String {
        self.process.logged()
    }
}

/// Runs the binary to its end; exit code and all it printed.
#[must_use]
pub fn run(arguments: &[&str], toml: &str) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("fleetledger.toml");
    std::fs::write(&config, toml).unwrap();
    let output = Command::new(binary())
        .arg("--config")
        .arg(&config)
        .args(arguments)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr]
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .concat();
    (output.status.code(), text)
}
