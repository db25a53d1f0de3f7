//! The demo runs, checks itself, goes on with its data, and its ten questions are answered.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use fleetledger::demo::questions::QUESTIONS;

use crate::support::{self, BinaryFixture};

/// A folder that PostgreSQL's user can enter, removed at the end.
struct PostgresFolder(PathBuf);

impl PostgresFolder {
    fn new(name: &str) -> Self {
        let folder = support::cache()
            .data_root()
            .join(format!("demo-test-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn text(&self) -> String {
        self.0.display().to_string()
    }
}

impl Drop for PostgresFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn every_question_is_one_the_reader_may_ask() {
    let server = support::postgres().await;
    support::migrated(&server, "ledger").await;
    let admin = support::client(&server.url_of("ledger")).await;
    admin
        .batch_execute("alter role fleetledger_reader login")
        .await
        .unwrap();
    let url = server
        .url_of("ledger")
        .replace("fleetledger@", "fleetledger_reader@");
    let reader = support::client(&url).await;
    for question in QUESTIONS {
        let answered = reader.batch_execute(question.sql).await;
        answered.unwrap_or_else(|error| panic!("{}: {error:?}", question.asks));
    }
}

/// A demo that runs; a test that fails takes it along.
struct DemoProcess(Child);

impl Drop for DemoProcess {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            let _ = Command::new("kill")
                .args(["-INT", &self.0.id().to_string()])
                .status();
            let _ = self.0.wait();
        }
    }
}

/// Starts `demo`, and reads what it prints until it shows its first figures of three fresh clusters.
fn start_and_wait(setup: &BinaryFixture) -> (DemoProcess, BufReader<std::process::ChildStdout>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_fleetledger"))
        .args(["--config", &setup.file().display().to_string(), "demo"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let child = DemoProcess(child);
    let (mut line, mut seen) = (String::new(), String::new());
    while lines.read_line(&mut line).unwrap() > 0 {
        seen.push_str(&line);
        // After the first tick: fresh now, not left over from the last run.
        if line.contains("clusters 3 fresh") && !line.starts_with("00:00") {
            return (child, lines);
        }
        line.clear();
    }
    panic!("demo ended: {seen}");
}

#[tokio::test]
async fn demo_checks_itself_and_goes_on_with_its_data() {
    let folder = PostgresFolder::new("whole");
    let setup = BinaryFixture::new(&format!("[demo]\ndirectory = \"{}\"\n", folder.text()));
    let (code, output) = setup.run_to_text(&["demo", "--for", "15s", "--fresh"]);
    assert!(
        code == 0 && output.contains("the ledger equals what was emitted"),
        "{code} {output}"
    );
    assert!(
        output.contains("4 poison records injected, all of them dead letters"),
        "{output}"
    );

    let (mut child, mut lines) = start_and_wait(&setup);
    let port = std::fs::read_to_string(folder.0.join("postgres.port")).unwrap();
    let url = |role: &str| format!("postgres://{role}@127.0.0.1:{}/fleetledger", port.trim());
    let reader = support::client(&url("fleetledger_reader")).await;
    for question in [0, 4, 9].map(|index: usize| QUESTIONS[index]) {
        let sql = question.sql.trim_end_matches(';');
        assert!(
            !reader.query(sql, &[]).await.unwrap().is_empty(),
            "{} has no answer",
            question.asks
        );
    }
    let asking = BinaryFixture::new(&format!(
        "[postgres]\nurl = \"{}\"\ntls = \"off\"\n",
        url("fleetledger")
    ));
    let (code, said) = asking.run_to_text(&["status"]);
    assert!(
        code == 0 && said.contains("OK     nothing is red") && said.contains("dfw/prod-1"),
        "{code} {said}"
    );
    let (code, said) = asking.run_to_text(&["clusters", "list"]);
    assert!(code == 0 && said.matches("prod-1").count() == 3, "{code} {said}");
    let (code, said) = asking.run_to_text(&["audit"]);
    assert!(code == 0 && said.contains("0 differ now"), "{code} {said}");
    let (code, said) = asking.run_to_text(&["migrate"]);
    assert!(code == 0 && said.contains("nothing to do"), "{code} {said}");
    let (code, said) = setup.run_to_text(&["demo", "--for", "5s"]);
    assert!(code == 5 && said.contains("another demo runs"), "{code} {said}");

    Command::new("kill")
        .args(["-INT", &child.0.id().to_string()])
        .status()
        .unwrap();
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut lines, &mut rest).unwrap();
    let ended = child.0.wait().unwrap();
    assert!(
        ended.success() && rest.contains("the data is kept"),
        "{ended:?} {rest}"
    );
}
