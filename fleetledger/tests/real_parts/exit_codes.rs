//! Every command ends with the code that `--help` names: what a script or a unit can tell apart.

use std::process::{Command, Stdio};

use fleetledger::cli::examples;
use fleetledger_local::ports;

use crate::support::BinaryFixture;

const USAGE: i32 = 2;
const CONFIGURATION: i32 = 3;
const UNREACHABLE: i32 = 4;

/// Each command as it is typed, and how it ends where nothing that it needs can be reached. `FILE` is a report.
const COMMANDS: &[(&str, i32)] = &[
    // Outside a cluster there is no service account.
    ("emit", UNREACHABLE),
    ("console", UNREACHABLE),
    ("alerts list", UNREACHABLE),
    ("alerts show A", UNREACHABLE),
    ("alerts snooze A --for 1h --reason r", UNREACHABLE),
    ("alerts snoozes", UNREACHABLE),
    ("alerts unsnooze 1", UNREACHABLE),
    ("alerts ack A", UNREACHABLE),
    ("alerts drill", UNREACHABLE),
    ("cost", UNREACHABLE),
    ("cost close 2026-01", UNREACHABLE),
    ("cost rerate --from 2h --to now", UNREACHABLE),
    ("migrate", UNREACHABLE),
    // It looks for what is red, and that is.
    ("doctor --only postgres", 1),
    ("status", UNREACHABLE),
    ("audit", UNREACHABLE),
    ("clusters list", UNREACHABLE),
    ("clusters ls", UNREACHABLE),
    ("clusters rename a/b a/c", UNREACHABLE),
    ("clusters retire a/b", UNREACHABLE),
    ("clusters admit a/b", UNREACHABLE),
    ("clusters forget a/b", UNREACHABLE),
    ("clusters reset-epoch a/b", UNREACHABLE),
    ("teams list", UNREACHABLE),
    ("teams grant a", UNREACHABLE),
    ("teams revoke a", UNREACHABLE),
    ("dead-letters list", UNREACHABLE),
    ("dead-letters show 1", UNREACHABLE),
    ("dead-letters replay", UNREACHABLE),
    ("topics list", UNREACHABLE),
    ("topics create", UNREACHABLE),
    ("rules run FILE", UNREACHABLE),
    (
        "rules run FILE --postgres postgres://u@127.0.0.1:PORT/x",
        UNREACHABLE,
    ),
    (
        "rules check FILE --postgres postgres://u@127.0.0.1:PORT/x",
        UNREACHABLE,
    ),
    ("rules list --running", UNREACHABLE),
    ("report a", UNREACHABLE),
    ("ingest resume --all", UNREACHABLE),
    ("ingest release 1", UNREACHABLE),
];

/// Commands that need nothing that could be unreachable, start parts of their own, or wait for what is away.
const OTHERS: &[&str] = &[
    "demo",
    // They wait, and page.
    "evaluate",
    "central",
    "completions",
    "man-pages",
    "config check",
    "config reference",
    "config init",
    "version",
    "cost check",
    "cost apply",
    "rules new",
    "rules test",
    "rules backtest",
    "rules rebuild",
    "sql",
];

fn leaves(command: &clap::Command, before: &str, found: &mut Vec<String>) {
    let below: Vec<_> = command
        .get_subcommands()
        .filter(|one| one.get_name() != "help")
        .collect();
    if below.is_empty() {
        found.push(before.trim().to_owned());
    }
    for one in below {
        leaves(one, &format!("{before} {}", one.get_name()), found);
    }
}

fn code(fixture: &BinaryFixture, arguments: &[&str]) -> (i32, String) {
    let mut command: Command = fixture.command();
    let output = command.args(arguments).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap_or(-1), said)
}

#[test]
fn every_command_ends_with_the_code_that_help_names() {
    let mut all = Vec::new();
    leaves(&examples::command(), "", &mut all);
    let known = |leaf: &String| {
        COMMANDS.iter().any(|(line, _)| line.starts_with(leaf.as_str())) || OTHERS.contains(&leaf.as_str())
    };
    let unknown: Vec<_> = all.iter().filter(|leaf| !known(leaf)).collect();
    assert!(unknown.is_empty(), "say how these end: {unknown:?}");

    let port = ports::free_port().unwrap().to_string();
    let away = BinaryFixture::new(&format!(
        "[kafka]\nbootstrap_servers = \"127.0.0.1:{port}\"\n[postgres]\nurl = \"postgres://u@127.0.0.1:{port}/x\"\ntls = \"off\"\n\
         [console]\nlisten = \"127.0.0.1:{port}\"\n[emit]\ndatacenter = \"dfw\"\ncluster = \"prod-1\"\n"
    ));
    let file = away.folder.path().join("a.sql").display().to_string();
    std::fs::write(
        &file,
        "/*---\nreport: A\ndescription: a\n---*/\nselect 1 as one\n",
    )
    .unwrap();
    let refused = BinaryFixture::new("[kafka]\nnose = 1\n");
    let mut wrong = Vec::new();
    for (line, wanted) in COMMANDS {
        let line = line.replace("FILE", &file).replace("PORT", &port);
        let words: Vec<&str> = line.split(' ').collect();
        let mut expect = |what: &str, fixture: &BinaryFixture, words: &[&str], wanted: i32| {
            let (ended, said) = code(fixture, words);
            if ended != wanted {
                wrong.push(format!(
                    "{what}: {line} ended with {ended} in place of {wanted}: {said}"
                ));
            }
        };
        expect("unreachable", &away, &words, *wanted);
        if *wanted == UNREACHABLE {
            expect("configuration", &refused, &words, CONFIGURATION);
        }
        expect("usage", &away, &[&words[..], &["--nose"]].concat(), USAGE);
    }
    println!("{} commands, {} of them wrong", COMMANDS.len(), wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn completions_and_man_pages_are_those_of_the_command_line() {
    let fixture = BinaryFixture::new("");
    for shell in ["bash", "zsh", "fish"] {
        let (code, said) = fixture.run_to_text(&["completions", shell]);
        assert!(code == 0 && said.contains("dead-letters"), "{shell}: {said}");
    }
    let checked = Command::new("bash")
        .arg("-c")
        .arg("source <(\"$0\" completions bash) && complete -p fleetledger")
        .arg(env!("CARGO_BIN_EXE_fleetledger"))
        .output()
        .unwrap();
    assert!(checked.status.success(), "{checked:?}");

    let folder = fixture.folder.path().to_str().unwrap();
    let (code, said) = fixture.run_to_text(&["man-pages", folder]);
    assert!(code == 0 && said.contains("man pages"), "{said}");
    let page = std::fs::read_to_string(fixture.folder.path().join("fleetledger-rules-test.1")).unwrap();
    assert!(
        page.contains("fleetledger\\-rules\\-test")
            && page.contains("mutate")
            && page.contains("The tests of every rule"),
        "{page}"
    );
}
