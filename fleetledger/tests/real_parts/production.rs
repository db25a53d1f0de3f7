//! The path to production, as docs/quick-start.md has it: every command of it typed in an empty home, with a PostgreSQL, a
//! Kafka, an API server and a kubectl that nobody here wrote.

use std::{
    io::Write as _,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use fleetledger_local::{
    kafka::LocalKafka, kube_apiserver::KubeApiserver, kubectl, ports, postgres::LocalPostgres,
    skip::unless_available,
};

use crate::{
    page::{self, PagePart, PageReader, PageStep},
    process::{DEADLINE, wait_for},
    support,
};

const PAGE: &str = "docs/quick-start.md";
const TREE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// What runs while the reader goes on.
struct RoleInBackground {
    child: Child,
    what: String,
}

impl RoleInBackground {
    fn stop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        let pid = self.child.id().to_string();
        let _ = std::process::Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.child.wait();
    }
}

impl Drop for RoleInBackground {
    fn drop(&mut self) {
        self.stop();
    }
}

struct ProductionWalk {
    reader: PageReader,
    running: Vec<RoleInBackground>,
    commands: usize,
    // They end after what talks to them.
    postgres: LocalPostgres,
    kafka: LocalKafka,
    _cluster: KubeApiserver,
}

/// The example with what is another one here: addresses, and that this machine needs neither password nor TLS.
fn configuration(example: String, kafka: &LocalKafka, postgres: &LocalPostgres) -> String {
    let replaced = [
        (
            "\"kafka-1.example.com:9093,kafka-2.example.com:9093,kafka-3.example.com:9093\"",
            format!("\"{}\"", kafka.bootstrap_servers()),
        ),
        ("replication_factor = 3", "replication_factor = 1".to_owned()),
        ("min_insync_replicas = 2", "min_insync_replicas = 1".to_owned()),
        ("\"ledger.example.com\"", "\"127.0.0.1\"".to_owned()),
        ("# port = 5432", format!("port = {}", postgres.port())),
        (
            "password = \"file:/etc/fleetledger/secrets/postgres-password\"\n",
            "tls = \"off\"\n".to_owned(),
        ),
        ("# datacenter = \"dfw\"", "datacenter = \"dfw\"".to_owned()),
        ("# cluster = \"prod-1\"", "cluster = \"prod-1\"".to_owned()),
        (
            "# kubeconfig = \"/etc/fleetledger/kubeconfig\"",
            "kubeconfig = \"kubeconfig\"".to_owned(),
        ),
    ];
    replaced.iter().fold(example, |text, (from, to)| {
        assert!(text.contains(from), "the example has no {from}");
        text.replacen(from, to, 1)
    })
}

impl ProductionWalk {
    async fn new(test: &str) -> Option<Self> {
        let cache = support::cache();
        let (kafka, postgres, cluster, kubectl) = tokio::join!(
            LocalKafka::builder().start(&cache),
            LocalPostgres::builder().temporary().start(&cache),
            KubeApiserver::builder().start(&cache),
            kubectl::folder(&cache),
        );
        let kafka = unless_available(test, kafka).unwrap()?;
        let postgres = unless_available(test, postgres).unwrap()?;
        let cluster = unless_available(test, cluster).unwrap()?;
        let kubectl = unless_available(test, kubectl).unwrap()?;
        let program = std::path::Path::new(env!("CARGO_BIN_EXE_fleetledger"));
        let psql = postgres.program("psql").unwrap();
        let console_port = ports::free_port().unwrap();
        // What a reader has at hand: programs, a kubeconfig, and a name that leads to the server.
        let reader = PageReader::new(&format!(
            "export PATH=\"{}:{}:{}:$PATH\" KUBECONFIG=kubeconfig PGHOSTADDR=127.0.0.1 PGPORT={} \
             FLEETLEDGER__CONSOLE__LISTEN=127.0.0.1:{console_port} FLEETLEDGER__LOG__FORMAT=text",
            program.parent().unwrap().display(),
            psql.parent().unwrap().display(),
            kubectl.display(),
            postgres.port(),
        ));
        reader.writes("kubeconfig", &cluster.kubeconfig_yaml());
        for folder in ["deploy", "queries"] {
            std::os::unix::fs::symlink(format!("{TREE}/{folder}"), reader.folder.path().join(folder))
                .unwrap();
        }
        // Here the superuser has the name that the page gives to the ledger's owner.
        for (user, sql) in [
            ("fleetledger", "create role postgres superuser login"),
            ("postgres", "alter role fleetledger rename to administrator"),
        ] {
            let (code, said) = reader.types(&format!("psql -U {user} -d postgres -c '{sql}'"));
            assert_eq!(code, 0, "{said}");
        }
        Some(Self {
            reader,
            running: Vec::new(),
            commands: 0,
            postgres,
            kafka,
            _cluster: cluster,
        })
    }

    fn walk(&mut self, text: &str) {
        for part in page::parts(text) {
            match part {
                PagePart::File { path, text } => self.reader.writes(&path, &text),
                PagePart::Step(step) => {
                    self.step(&step);
                    self.commands += 1;
                }
            }
        }
    }

    fn step(&mut self, step: &PageStep) {
        let words: Vec<&str> = step.command.split_whitespace().collect();
        match words.as_slice() {
            // A session with psql: what is typed there begins with its prompt.
            ["psql", ..] => self.ask(step),
            [
                "fleetledger",
                "--config",
                file,
                role @ ("ingest" | "emit" | "evaluate" | "console"),
            ] => {
                self.start(file, role);
            }
            // "Set the addresses in it."
            ["fleetledger", "config", "init"] => {
                self.reader.takes(PAGE, step);
                let file = self.reader.folder.path().join("fleetledger.toml");
                let example = std::fs::read_to_string(file).unwrap();
                let edited = configuration(example, &self.kafka, &self.postgres);
                self.reader.writes("fleetledger.toml", &edited);
            }
            // Only one may speak for a cluster: the emitter that the page started before makes way for the dump.
            ["mkdir", "dump"] => {
                self.running.retain_mut(|role| {
                    let stays = role.what != "emit";
                    if !stays {
                        role.stop();
                    }
                    stays
                });
                self.reader.takes(PAGE, step);
            }
            _ => self.reader.takes(PAGE, step),
        }
    }

    fn start(&mut self, file: &str, role: &str) {
        let port = ports::free_port().unwrap();
        let user = match role {
            "ingest" => "FLEETLEDGER__POSTGRES__USER=fleetledger_ingest ",
            _ => "",
        };
        let command = format!(
            "FLEETLEDGER__HTTP__LISTEN=127.0.0.1:{port} {user}exec fleetledger --config {file} {role} 2> {role}.log"
        );
        let child = self
            .reader
            .command(&command)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let what = role.to_owned();
        self.running.push(RoleInBackground { child, what });
        wait_for(port, "/readyz", "200 OK");
    }

    fn ask(&self, step: &PageStep) {
        let begun = Instant::now();
        for question in step
            .output
            .iter()
            .filter_map(|line| line.trim_start().strip_prefix("fleetledger=> "))
        {
            loop {
                let mut child = self
                    .reader
                    .command(&format!("{} -v ON_ERROR_STOP=1 -At", step.command))
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap();
                child
                    .stdin
                    .take()
                    .unwrap()
                    .write_all(question.as_bytes())
                    .unwrap();
                let output = child.wait_with_output().unwrap();
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(
                    output.status.success(),
                    "{PAGE}:{}: {question}: {said}",
                    step.line
                );
                // Whether a namespace of that name has pods is the reader's matter; clusters there must be.
                let rows = String::from_utf8_lossy(&output.stdout).lines().count();
                if rows > 0 || !question.contains("from cluster") {
                    break;
                }
                assert!(begun.elapsed() < DEADLINE, "{question} has no rows");
                std::thread::sleep(Duration::from_millis(500));
            }
        }
    }

    /// What an administrator types in psql.
    fn administrator(&self, sql: &str) {
        let (code, said) = self.reader.types(&format!(
            "psql -U postgres -d postgres -v ON_ERROR_STOP=1 -c {}",
            quoted(sql)
        ));
        assert_eq!(code, 0, "{sql}: {said}");
    }
}

/// As one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[tokio::test(flavor = "multi_thread")]
async fn path_to_production_is_walked_as_written() {
    let Some(mut walk) = ProductionWalk::new("path_to_production_is_walked_as_written").await else {
        return;
    };
    let text = page::read(PAGE);
    let production = page::section(&text, "## With your clusters");
    // Statements of an administrator stand between commands: the page is walked from one to the next.
    let (mut statements, mut pieces) = (0, production.split("```sql\n"));
    walk.walk(pieces.next().unwrap());
    for piece in pieces {
        let (sql, rest) = piece.split_once("```").unwrap();
        for statement in sql
            .split_inclusive(';')
            .map(str::trim)
            .filter(|one| !one.is_empty())
        {
            walk.administrator(statement);
            statements += 1;
        }
        walk.walk(rest);
    }
    assert_eq!(statements, 4);
    println!("{} commands of {PAGE}, with real parts", walk.commands);
    assert!(walk.commands >= 16, "{}", walk.commands);
}
