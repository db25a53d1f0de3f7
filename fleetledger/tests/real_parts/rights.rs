//! Which user may run which command: the table of docs/quick-start.md, row by row on a real server.

use std::process::Stdio;

use crate::support::{BinaryFixture, client, migrated, postgres};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/quick-start.md");
const USERS: [&str; 4] = [
    "fleetledger_reader",
    "fleetledger_ingest",
    "fleetledger_evaluate",
    "fleetledger",
];

/// Commands of the table, each with whether each user may run it.
fn table() -> Vec<(String, Vec<bool>)> {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (_, after) = page.split_once("| command | `fleetledger_reader` |").unwrap();
    let rows = after.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let mut cells = row.trim_matches('|').split('|').map(str::trim);
        let command = cells.next().unwrap().trim_matches('`').to_owned();
        (command, cells.map(|cell| cell == "yes").collect())
    })
    .collect()
}

#[tokio::test]
async fn users_may_do_what_the_quick_start_says_and_are_told_what_they_lack() {
    let server = postgres().await;
    migrated(&server, "ledger").await;
    let admin = client(&server.url_of("ledger")).await;
    for role in &USERS[..3] {
        admin
            .batch_execute(&format!("alter role {role} login"))
            .await
            .unwrap();
    }
    let rows = table();
    assert!(rows.len() >= 11, "{rows:?}");
    let mut wrong = Vec::new();
    for (command, allowed) in &rows {
        for (user, allowed) in USERS.iter().zip(allowed) {
            let setup = BinaryFixture::new(&format!(
                "[postgres]\nurl = \"postgres://{user}@127.0.0.1:{}/ledger\"\ntls = \"off\"\n",
                server.port()
            ));
            let words: Vec<&str> = command.split(' ').collect();
            let output = setup
                .command()
                .args(&words)
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let is_told = said.contains("which user each command takes");
            // `status`, `doctor` and `audit` end with 1 where something is red.
            let is_right = match (output.status.code(), *allowed) {
                (Some(0), true) => true,
                (Some(1), true) => !is_told,
                (Some(1), false) => words[0] == "doctor",
                (Some(4), false) => is_told,
                _ => false,
            };
            if !is_right {
                wrong.push(format!("{command} as {user}: {:?}: {said}", output.status.code()));
            }
        }
    }
    println!("{} commands as {} users", rows.len(), USERS.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
