//! The command line; [`examples`] holds those that `--help` and the man pages show.

pub mod examples;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::LogFormat;

/// Keeps the books of a Kubernetes fleet: every node, pod, container, workload, namespace and watchdog of every
/// datacenter as rows of one PostgreSQL, with their whole history.
#[derive(Debug, Parser)]
#[command(
    version = crate::build_info::VERSION_LINE,
    about,
    after_help = "\
Exit codes: 0 done; 1 something is red or differs; 2 wrong arguments; 3 configuration refused, nothing was opened;
4 Kafka, PostgreSQL or the API server cannot be used; 5 failed otherwise; 9 shutdown deadline passed."
)]
pub struct Cli {
    /// Configuration file (TOML); /etc/fleetledger/fleetledger.toml if it is there.
    #[arg(long, global = true, env = "FLEETLEDGER_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How log lines look; wins over log.format.
    #[arg(long, global = true, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Show instants in this machine's time zone in place of UTC.
    #[arg(long, global = true)]
    pub local_time: bool,
    /// Colours: on a terminal, unless NO_COLOR is set; or always, or never.
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t)]
    pub color: ColorChoice,
    /// What to do.
    #[command(subcommand)]
    pub command: CliCommand,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// Where standard output is a terminal and NO_COLOR is not set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum CliCommand {
    /// Three simulated datacenters, a broker and a PostgreSQL on this machine, with questions to paste into psql.
    Demo(DemoArgs),
    /// The emitter of one Kubernetes cluster: API server to Kafka.
    Emit(EmitArgs),
    /// The ingester (Kafka to PostgreSQL), or a repair of it.
    Ingest(IngestArgs),
    /// The evaluator: stored SQL to alerts and metrics, and alerts to their receivers.
    Evaluate,
    /// The console: HTTP API of alerts, snoozes and rules.
    Console,
    /// Ingester, evaluator and console in one process.
    Central,
    /// Alerts: what fires, and who is told; asks the console.
    Alerts(AlertsArgs),
    /// Cost by team, namespace, workload and so on; asks the console.
    Cost(CostArgs),
    /// Brings the database to this version; safe to repeat.
    Migrate,
    /// Looks for broken set-ups and says how to fix each; changes nothing.
    Doctor(DoctorArgs),
    /// Clusters with freshness and balance, lag, dead letters, quarantines, gaps, halted partitions; exit code 1 if anything is red.
    Status(StatusArgs),
    /// Encodes every row again and compares it with its content hash; an altered row is marked, and healed by the next sweep.
    Audit(OutputArgs),
    /// The clusters the ledger knows.
    #[command(subcommand)]
    Clusters(ClustersCommand),
    /// Roles that see one team's rows.
    #[command(subcommand)]
    Teams(TeamsCommand),
    /// Records that could not land.
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
    /// Kafka topics.
    #[command(subcommand)]
    Topics(TopicsCommand),
    /// The stored SQL: alerts, metrics, rollups, reports.
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Asks a saved query, with parameters.
    Report(ReportArgs),
    /// Opens psql on the ledger, as the reader, or runs one statement with `-c`.
    Sql(SqlArgs),
    /// The configuration itself.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Prints version, commit and date of this build.
    Version(OutputArgs),
    /// Prints what a shell needs to complete this command line: `source <(fleetledger completions bash)`.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Writes a man page for each command into a folder: `fleetledger man-pages /usr/local/share/man/man1`.
    ManPages {
        /// The folder, which must be there.
        folder: PathBuf,
    },
}

/// Options of `demo`.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Run this long without anybody watching (such as 60s or 5m), put in a few poison records, check everything, and exit.
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    pub run_for: Option<std::time::Duration>,
    /// `apache` starts a real Apache Kafka on this machine (Java), `HOST:PORT` uses yours; otherwise an in-memory broker.
    #[arg(long, value_name = "apache|HOST:PORT")]
    pub kafka: Option<String>,
    /// Use this database in place of one started here: `postgres://user@host/database`.
    #[arg(long, value_name = "URL")]
    pub postgres: Option<String>,
    /// How much of the past is played quickly before it begins (such as 2h), so that there is history to ask about: 2h for new
    /// data that somebody watches (30m of a medium fleet), and none with `--for`. `0s` plays none; where there are data, nothing is played.
    #[arg(long, value_name = "DURATION", value_parser = parse_past)]
    pub history: Option<std::time::Duration>,
    /// How large the simulated fleet is.
    #[arg(long, value_enum, default_value_t = DemoSize::Small)]
    pub size: DemoSize,
    /// Go on with the data of the last run (the default).
    #[arg(long, conflicts_with = "fresh")]
    pub keep: bool,
    /// Throw the data of the last run away first.
    #[arg(long)]
    pub fresh: bool,
}

/// How large the simulated fleet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DemoSize {
    /// About 30 nodes and 500 pods a datacenter.
    Small,
    /// About 150 nodes and 3,000 pods a datacenter.
    Medium,
}

/// Options of `emit`.
#[derive(Debug, Clone, Args)]
pub struct EmitArgs {
    /// Where the objects come from.
    #[arg(long, value_enum, default_value_t = EmitSource::Watch)]
    pub source: EmitSource,
    /// Folder of the dump, with all folders below it; or one file.
    #[arg(long, value_name = "DIR", required_if_eq("source", "dump"))]
    pub directory: Option<PathBuf>,
    /// Uid of the cluster's namespace kube-system, for a dump that does not hold it.
    #[arg(long, value_name = "UID", requires = "directory")]
    pub cluster_uid: Option<String>,
    /// The dump names every object of each resource in it, in all namespaces: what it does not name is closed.
    #[arg(long, requires = "directory")]
    pub complete: bool,
    /// How it is written what of a dump was sent.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Where an emitter's objects come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EmitSource {
    /// A live API server; see section [kubernetes].
    Watch,
    /// Files of `kubectl get … -o json` or a must-gather, sent once.
    Dump,
    /// A simulated fleet; see section [simulate].
    Simulate,
}

/// Options of `ingest`.
#[derive(Debug, Clone, Args)]
pub struct IngestArgs {
    /// A repair in place of running.
    #[command(subcommand)]
    pub repair: Option<IngestRepair>,
}

/// Repairs of the ingester.
#[derive(Debug, Clone, Subcommand)]
pub enum IngestRepair {
    /// Lets a halted partition go on, after its fault was repaired.
    Resume {
        /// Topic.
        #[arg(required_unless_present = "all", requires = "partition")]
        topic: Option<String>,
        /// Partition.
        partition: Option<i32>,
        /// Every halted partition, each from where it stopped.
        #[arg(long, conflicts_with_all = ["topic", "partition", "from_start"])]
        all: bool,
        /// Begin at the topic's first record: for a topic that was made again or cut off.
        #[arg(long)]
        from_start: bool,
    },
    /// Ends a quarantine, after its source was repaired; what was put aside waits for `dead-letters replay`.
    Release {
        /// Its number, as `select * from fleet.quarantine` shows it.
        number: i64,
    },
}

/// Options of `doctor`.
#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    /// How the answer is written.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Check only this hop.
    #[arg(long, value_enum)]
    pub only: Option<DoctorHop>,
    /// List the checks and run none.
    #[arg(long)]
    pub list: bool,
}

/// A part of the way that doctor checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DoctorHop {
    /// File, environment, disk.
    Machine,
    /// Brokers and topics.
    Kafka,
    /// The central database.
    Postgres,
    /// Rules, receivers and the console's tokens.
    Evaluate,
    /// The API server of the emitter's cluster.
    Kubernetes,
}

/// How an answer is written: the same data in each format.
#[derive(Debug, Clone, Default, Args)]
pub struct OutputArgs {
    /// Output format: text for people, or data for programs, whose fields have the names of SQL columns.
    #[arg(short = 'o', long, global = true, value_enum, value_name = "FORMAT")]
    output: Option<OutputFormat>,
    /// The same as `-o json`.
    #[arg(long, global = true, conflicts_with = "output")]
    json: bool,
}

impl OutputArgs {
    /// Whether a format was asked for.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.json || self.output.is_some()
    }

    /// The format that was asked for; a table by default.
    #[must_use]
    pub fn format(&self) -> OutputFormat {
        match self.output {
            Some(format) => format,
            None if self.json => OutputFormat::Json,
            None => OutputFormat::Table,
        }
    }
}

/// Format of an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// Text for people.
    #[default]
    Table,
    /// The same, with columns that the table leaves out and nothing cut off.
    Wide,
    /// One JSON document.
    Json,
    /// The same document as YAML.
    Yaml,
    /// A head and a line per row, as RFC 4180 says.
    Csv,
}

/// Options of `status`.
#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    /// How the answer is written; as CSV a line per cluster.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Look again every so many seconds (5 where none are given), in place on a terminal, until Ctrl-C.
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        default_missing_value = "5",
        value_parser = clap::value_parser!(u64).range(1..=3600)
    )]
    pub watch: Option<u64>,
}

/// What to do with clusters. A cluster is named by its uid, or by datacenter/cluster where that is unambiguous.
#[derive(Debug, Clone, Subcommand)]
pub enum ClustersCommand {
    /// All of them.
    #[command(visible_alias = "ls")]
    List(OutputArgs),
    /// Accepts a new name for a cluster; the emitter with that name goes on with its history.
    Rename {
        /// Cluster uid, or datacenter/cluster.
        cluster: String,
        /// New name, as datacenter/cluster.
        new_name: String,
    },
    /// Says that a cluster is gone for good: its rows are closed and it is no longer stale.
    Retire {
        /// Cluster uid, or datacenter/cluster.
        cluster: String,
    },
    /// Admits a cluster: it may send whatever the limits, and nobody else may take its uid.
    Admit {
        /// Its name, as datacenter/cluster.
        cluster: String,
        /// Uid of its kube-system namespace; where it is not given, the one under which the cluster is known or was refused.
        cluster_uid: Option<String>,
    },
    /// Forgets clusters that were taken in by mistake: their rows are closed, they are hidden, and refused until admitted.
    Forget {
        /// Cluster uids, or datacenter/cluster.
        #[arg(required = true)]
        clusters: Vec<String>,
    },
    /// Forgets the epoch of a cluster's emitter: its next record is taken, whatever its epoch.
    ResetEpoch {
        /// Cluster uid, or datacenter/cluster.
        cluster: String,
    },
}

/// What to do with roles of teams. They are made by the owner of the database, who may create roles.
#[derive(Debug, Clone, Subcommand)]
pub enum TeamsCommand {
    /// All of them.
    #[command(visible_alias = "ls")]
    List(OutputArgs),
    /// Makes a role that sees the rows of one team and no others, in SQL and in Grafana.
    Grant {
        /// Team, as its namespaces name it.
        team: String,
    },
    /// Drops the role of a team.
    Revoke {
        /// Team.
        team: String,
    },
}

/// What to do with dead letters.
#[derive(Debug, Clone, Subcommand)]
pub enum DeadLettersCommand {
    /// How many there are, by reason, cluster and topic.
    #[command(visible_alias = "ls")]
    List(OutputArgs),
    /// One of them: headers, key, value decoded where possible, else in hex.
    Show {
        /// Its number.
        number: i64,
        /// How the answer is written.
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Tries them again: lands what a fix made valid; never overwrites a newer version nor resurrects what was deleted later.
    Replay {
        /// Only this reason.
        #[arg(long)]
        reason: Option<String>,
        /// Only this cluster (uid, or datacenter/cluster).
        #[arg(long)]
        cluster: Option<String>,
        /// Say what would happen and change nothing.
        #[arg(long)]
        dry_run: bool,
        /// How the answer is written.
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// What to do with topics.
#[derive(Debug, Clone, Subcommand)]
pub enum TopicsCommand {
    /// The topics of this configuration, and whether Kafka has them.
    #[command(visible_alias = "ls")]
    List(OutputArgs),
    /// Creates the topics that are missing, compacted, as section [topics] says; touches none that exists.
    Create(OutputArgs),
}

/// What to do with stored SQL.
#[derive(Debug, Clone, Subcommand)]
pub enum RulesCommand {
    /// Reads every file, and prepares and explains it on a real PostgreSQL; says what is wrong by file and line.
    Check(RulesCheckArgs),
    /// What a folder holds and what of it is refused, or what the evaluator runs; exit code 1 if anything is refused.
    #[command(visible_alias = "ls")]
    List(RulesListArgs),
    /// Writes the files of a new query, to be edited.
    New(RulesNewArgs),
    /// Runs the tests of rules on a throw-away database; exit code 1 if one fails.
    Test(RulesTestArgs),
    /// Plays an alert over history and says how often it would have paged.
    Backtest(RulesBacktestArgs),
    /// Fills windows of a rollup again, whatever stands: after its file has changed.
    Rebuild(RulesRebuildArgs),
    /// Runs one file once, and shows its rows.
    Run(RulesRunArgs),
}

/// Options of `rules rebuild`.
#[derive(Debug, Clone, Args)]
pub struct RulesRebuildArgs {
    /// The rollup's file.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Windows from the one that holds this instant, such as 2026-11-01T00:00:00Z, or 2h for two hours ago.
    #[arg(long, value_name = "INSTANT", value_parser = parse_instant)]
    pub from: jiff::Timestamp,
    /// Windows that begin before this instant; one that is not over is left out.
    #[arg(long, value_name = "INSTANT", value_parser = parse_instant)]
    pub to: jiff::Timestamp,
}

/// Options of `rules run`.
#[derive(Debug, Clone, Args)]
pub struct RulesRunArgs {
    /// The file.
    pub file: PathBuf,
    /// How it is asked.
    #[command(flatten)]
    pub ask: AskArgs,
}

/// Options of `report`.
#[derive(Debug, Clone, Args)]
pub struct ReportArgs {
    /// Its file name without `.sql`; without one the reports there are.
    pub name: Option<String>,
    /// Folder of queries, with --postgres.
    #[arg(long, value_name = "DIR", default_value = "queries")]
    pub path: PathBuf,
    /// How it is asked.
    #[command(flatten)]
    pub ask: AskArgs,
}

/// Options of `sql`.
#[derive(Debug, Clone, Args)]
pub struct SqlArgs {
    /// Ask about the fleet as of this instant, such as `'2026-11-17 14:00+00'`, in place of now.
    #[arg(long, value_name = "INSTANT")]
    pub as_of: Option<String>,
    /// Run one statement and print its rows, without psql.
    #[arg(short = 'c', long, value_name = "SQL", conflicts_with = "psql")]
    pub command: Option<String>,
    /// How the rows of `-c` are written.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Arguments of psql, after `--`, such as `-- --csv -f question.sql`.
    #[arg(last = true, value_name = "PSQL")]
    pub psql: Vec<String>,
}

/// How a query is asked: through the console, or with --postgres without it.
#[derive(Debug, Clone, Args)]
pub struct AskArgs {
    /// The console.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Ask this database in place of the console, as a reader: `postgres://fleetledger_reader@host/database`, with sslmode,
    /// sslrootcert, sslcert and sslkey as psql knows them.
    #[arg(long, value_name = "URL")]
    pub postgres: Option<String>,
    /// Value of a parameter; may be given several times.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_pair)]
    pub param: Vec<(String, String)>,
    /// Ask as of this instant (RFC 3339) in place of now.
    #[arg(long, value_name = "INSTANT")]
    pub as_of: Option<String>,
}

/// Options of `rules check`.
#[derive(Debug, Clone, Args)]
pub struct RulesCheckArgs {
    /// Folder of queries, or one file.
    #[arg(default_value = "queries")]
    pub path: PathBuf,
    /// Check on this migrated database in place of a throw-away one: `postgres://fleetledger_reader@host/database`, with sslmode,
    /// sslrootcert, sslcert and sslkey as psql knows them.
    #[arg(long, value_name = "URL")]
    pub postgres: Option<String>,
    /// Folder of runbooks; docs/runbooks beside the folder of queries.
    #[arg(long, value_name = "DIR")]
    pub runbooks: Option<PathBuf>,
    /// How the answer is written.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Options of `rules list`.
#[derive(Debug, Clone, Args)]
pub struct RulesListArgs {
    /// Folder of queries, or one file.
    #[arg(default_value = "queries")]
    pub path: PathBuf,
    /// What the evaluator runs, and which files it refuses, in place of what the folder holds; asks the console.
    #[arg(long, conflicts_with = "path")]
    pub running: bool,
    /// The console.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Options of `rules new`.
#[derive(Debug, Clone, Args)]
pub struct RulesNewArgs {
    /// Its name: lowercase words with hyphens, the symptom it is about.
    pub name: String,
    /// What it is to be.
    #[arg(long, value_enum, default_value_t = NewQueryKind::Alert)]
    pub kind: NewQueryKind,
    /// Folder of queries.
    #[arg(long, value_name = "DIR", default_value = "queries")]
    pub path: PathBuf,
    /// Folder of runbooks; docs/runbooks beside the folder of queries.
    #[arg(long, value_name = "DIR")]
    pub runbooks: Option<PathBuf>,
}

/// What a new query is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NewQueryKind {
    /// An alert, with its test and its runbook.
    Alert,
    /// A metric.
    Record,
    /// A rollup.
    Rollup,
    /// A report.
    Report,
}

/// Options of `rules test`.
#[derive(Debug, Clone, Args)]
pub struct RulesTestArgs {
    /// A folder, a rule, or a test file.
    #[arg(default_value = "queries", value_name = "PATH")]
    pub path: PathBuf,
    /// Change each comparison, threshold and wait of each rule as well, one at a time, and say which change no test notices.
    #[arg(long)]
    pub mutate: bool,
    /// How the answer is written.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Options of `rules backtest`.
#[derive(Debug, Clone, Args)]
pub struct RulesBacktestArgs {
    /// The rule.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// First instant, such as 2026-11-01T00:00:00Z, or 2h for two hours ago.
    #[arg(long, value_name = "INSTANT", value_parser = parse_instant)]
    pub from: jiff::Timestamp,
    /// End, exclusive.
    #[arg(long, value_name = "INSTANT", value_parser = parse_instant)]
    pub to: jiff::Timestamp,
    /// Use this database in place of the configured one: `postgres://user@host/database?sslmode=verify-full&sslrootcert=FILE`.
    #[arg(long, value_name = "URL")]
    pub postgres: Option<String>,
    /// How many connections ask at once.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub connections: usize,
    /// How the answer is written; as CSV a line per episode.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What to do with the configuration.
#[derive(Debug, Clone, Subcommand)]
pub enum ConfigCommand {
    /// Says whether it can be used, and prints it as it counts; opens no connection.
    #[command(visible_alias = "show")]
    Check(OutputArgs),
    /// Prints the reference of all keys as Markdown.
    Reference,
    /// Writes an example configuration with comments: of one role, or of all of them.
    Init {
        /// The role it is for; all roles where none is given.
        #[arg(value_enum)]
        role: Option<ConfigRole>,
        /// The file, which must not be there yet; `-` is standard output.
        #[arg(long, value_name = "FILE", default_value = "fleetledger.toml")]
        to: PathBuf,
    },
}

/// A role that has an example configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ConfigRole {
    /// The emitter of one cluster.
    Emit,
    /// The ingester.
    Ingest,
    /// The evaluator.
    Evaluate,
    /// The console.
    Console,
    /// Ingester, evaluator and console in one process.
    Central,
}

/// `name=value`.
fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

/// How the console is reached.
#[derive(Debug, Clone, Args)]
pub struct ServerArgs {
    /// Address of the console; where it is not given, the one at which the console of the configuration listens, which is
    /// http://127.0.0.1:9660 by default.
    #[arg(long, global = true, env = "FLEETLEDGER_SERVER", value_name = "URL")]
    pub server: Option<String>,
    /// Where the token stands: `file:/path` or `env:NAME`.
    #[arg(long, global = true, env = "FLEETLEDGER_TOKEN", value_name = "REFERENCE")]
    pub token: Option<String>,
    /// PEM file of the authorities that sign the console's certificate; the system's if not given.
    #[arg(long, global = true, env = "FLEETLEDGER_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// How the answer is written.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Options of `cost`.
#[derive(Debug, Clone, Args)]
pub struct CostArgs {
    /// The console.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Window: 7d, 24h, today, lastmonth, or two instants with a comma between them.
    #[arg(long, default_value = "7d")]
    pub window: String,
    /// What to group by, with commas: team, namespace, cluster, datacenter, controller, container, pod, node, label:NAME …
    #[arg(long, default_value = "team")]
    pub by: String,
    /// Length of each period, such as 1d; the window where it is not given.
    #[arg(long)]
    pub step: Option<String>,
    /// Condition, such as 'namespace:"a"+cluster:"b"'.
    #[arg(long)]
    pub filter: Option<String>,
    /// Idle, system and shared namespaces as the file of sharing says.
    #[arg(long)]
    pub shared: bool,
    /// What else to do.
    #[command(subcommand)]
    pub command: Option<CostCommand>,
}

/// What `cost` does but show cost.
#[derive(Debug, Clone, Subcommand)]
pub enum CostCommand {
    /// Says what is wrong with price sheets, owners and sharing, and, where the console answers, which classes and labels
    /// nothing in the ledger matches. Changes nothing.
    Check {
        /// A folder of .toml files, or one file.
        #[arg(default_value = "/etc/fleetledger/cost", value_name = "PATH")]
        path: PathBuf,
    },
    /// Makes price sheets, owners and sharing stand.
    Apply {
        /// A folder of .toml files, or one file.
        #[arg(default_value = "/etc/fleetledger/cost", value_name = "PATH")]
        path: PathBuf,
    },
    /// Closes a month: its rows no longer change, and what comes later is a dated adjustment.
    Close {
        /// The month, such as 2026-04.
        month: String,
    },
    /// Rates a range of hours again, by the prices and owners that stand.
    Rerate {
        /// Begin, such as 2026-04-01T00:00:00Z, or 2h for two hours ago.
        #[arg(long, value_name = "INSTANT", value_parser = parse_instant)]
        from: jiff::Timestamp,
        /// End, exclusive.
        #[arg(long, value_name = "INSTANT", value_parser = parse_instant)]
        to: jiff::Timestamp,
    },
}

/// Options of `alerts`.
#[derive(Debug, Clone, Args)]
pub struct AlertsArgs {
    /// The console.
    #[command(flatten)]
    pub server: ServerArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: AlertsCommand,
}

/// What to do with alerts. An alert is named by its name and by label matchers, such as
/// `NodeNotReporting cluster=a node=~"n[12]"`.
#[derive(Debug, Clone, Subcommand)]
pub enum AlertsCommand {
    /// Those that are pending, firing or recovering.
    #[command(visible_alias = "ls")]
    List {
        /// Name of the alert, and label matchers.
        which: Vec<String>,
        /// Only those in this condition: pending, firing, recovering or resolved.
        #[arg(long)]
        condition: Option<String>,
    },
    /// One alert with its rule and its history.
    Show {
        /// Name of the alert, and label matchers; they must meet one alert.
        #[arg(required = true)]
        which: Vec<String>,
    },
    /// Says nothing of these alerts for a while; what still fires then is told again.
    Snooze {
        /// Name of the alert, and label matchers.
        #[arg(required = true)]
        which: Vec<String>,
        /// For how long: 90s, 30m, 2h or 7d; 30 days at most.
        #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
        length: std::time::Duration,
        /// Why.
        #[arg(long)]
        reason: String,
        /// When it begins, in RFC 3339: a planned silence, which lasts to its end.
        #[arg(long)]
        from: Option<String>,
    },
    /// Snoozes that have not ended.
    Snoozes,
    /// Ends a snooze now.
    Unsnooze {
        /// Its number.
        number: i64,
    },
    /// Says that somebody takes care of these alerts: they are not repeated.
    Ack {
        /// Name of the alert, and label matchers.
        #[arg(required = true)]
        which: Vec<String>,
        /// What to tell others.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Sends a drill to a receiver, or to all of them.
    Drill {
        /// Name of the receiver.
        receiver: Option<String>,
    },
}

/// `90`, `90s`, `5m` or `2h`.
fn parse_duration(text: &str) -> Result<std::time::Duration, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let factor = match text.get(digits.len()..) {
        Some("" | "s") => 1,
        Some("m") => 60,
        Some("h") => 3600,
        Some("d") => 86_400,
        _ => return Err("write such as 60s, 5m or 2h".to_owned()),
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| "write such as 60s, 5m or 2h".to_owned())?;
    match number.checked_mul(factor) {
        Some(seconds) if seconds > 0 => Ok(std::time::Duration::from_secs(seconds)),
        _ => Err("must be more than nothing".to_owned()),
    }
}

/// A length of time, or none.
fn parse_past(text: &str) -> Result<std::time::Duration, String> {
    match text {
        "0" | "0s" => Ok(std::time::Duration::ZERO),
        text => parse_duration(text),
    }
}

/// An instant in RFC 3339; `now`; or a length of time before now, such as `2h`.
fn parse_instant(text: &str) -> Result<jiff::Timestamp, String> {
    instant_before(text, fleetledger_schema::instant::Instant::now())
}

fn instant_before(text: &str, now: fleetledger_schema::instant::Instant) -> Result<jiff::Timestamp, String> {
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Ok(instant);
    }
    let why = "write such as 2026-11-01T00:00:00Z, now, or 2h for two hours ago";
    let length = match text {
        "now" => std::time::Duration::ZERO,
        _ => parse_duration(text).map_err(|_| why.to_owned())?,
    };
    let now = now.to_timestamp().ok_or(why)?;
    now.checked_sub(length).map_err(|_| why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_are_read_with_their_unit() {
        assert_eq!(parse_duration("60s"), Ok(std::time::Duration::from_secs(60)));
        assert_eq!(parse_duration("5m"), Ok(std::time::Duration::from_secs(300)));
        assert!(parse_duration("soon").is_err() && parse_duration("0").is_err());
    }

    #[test]
    fn instants_are_absolute_or_an_age() {
        let now = fleetledger_schema::instant::Instant::parse("2026-01-31T14:00:00Z").unwrap();
        let read = |text: &str| instant_before(text, now).map(|instant| instant.to_string());
        assert_eq!(read("2h").unwrap(), "2026-01-31T12:00:00Z");
        assert_eq!(read("now").unwrap(), "2026-01-31T14:00:00Z");
        assert_eq!(read("2026-01-01T00:00:00+01:00").unwrap(), "2025-12-31T23:00:00Z");
        assert!(read("yesterday").unwrap_err().contains("2h for two hours ago"));
    }
}
