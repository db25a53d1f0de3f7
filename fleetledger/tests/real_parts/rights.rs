//! Which user may run which command: the table of docs/quick-start.md, row by row on a real server.

use std::process::Stdio;

use fleetledger_local::postgres::LocalPostgres;

use crate::{
    page,
    support::{BinaryFixture, client, postgres},
};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/quick-start.md");
/// The owner is no superuser: one that the page has an administrator make.
const USERS: [&str; 4] = [
    "fleetledger_reader",
    "fleetledger_ingest",
    "fleetledger_evaluate",
    "keeper",
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

/// What the page has an administrator type before and after `migrate`, of other names than this server's superuser has.
fn administrators_sql() -> [String; 2] {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let blocks = page::section(&page, "## With your clusters")
        .split("```sql\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap());
    let renamed = blocks.map(|block| {
        block
            .replace("role fleetledger login", "role keeper login")
            .replace("temp_file_limit to fleetledger", "temp_file_limit to keeper")
            .replace(
                "database fleetledger owner fleetledger",
                "database ledger owner keeper",
            )
    });
    renamed.collect::<Vec<_>>().try_into().unwrap()
}

fn section(server: &LocalPostgres, user: &str) -> String {
    format!(
        "[postgres]\nurl = \"postgres://{user}@127.0.0.1:{}/ledger\"\ntls = \"off\"\n",
        server.port()
    )
}

#[tokio::test]
async fn users_may_do_what_the_quick_start_says_and_learn_which_right_is_missing() {
    let server = postgres().await;
    let admin = client(&server.url()).await;
    let [before, after] = administrators_sql();
    for statement in before.split_inclusive(';').filter(|one| !one.trim().is_empty()) {
        admin.batch_execute(statement).await.unwrap();
    }
    let owner = BinaryFixture::new(&section(&server, "keeper"));
    let (code, said) = owner.run_to_text(&["migrate"]);
    assert_eq!(code, 0, "{said}");
    admin.batch_execute(&after).await.unwrap();
    let rows = table();
    assert!(rows.len() >= 11, "{rows:?}");
    let mut wrong = Vec::new();
    for (command, allowed) in &rows {
        for (user, allowed) in USERS.iter().zip(allowed) {
            let setup = BinaryFixture::new(&section(&server, user));
            let words: Vec<&str> = command.split(' ').collect();
            let output = setup
                .command()
                .args(&words)
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let is_explained = said.contains("which user each command takes");
            // `status`, `doctor` and `audit` end with 1 where something is red.
            let is_right = match (output.status.code(), *allowed) {
                (Some(0), true) => true,
                (Some(1), true) => !is_explained,
                (Some(1), false) => words[0] == "doctor",
                (Some(4), false) => is_explained,
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
