//! Every command of fleetledger that a page names, in a block or within a sentence, is one that the binary takes.

use std::path::{Path, PathBuf};

use clap::{CommandFactory as _, error::ErrorKind};
use fleetledger::cli::Cli;

use crate::page::{PagePart, parts};

const TREE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const PAGES: [&str; 6] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "dashboards/README.md",
    "deploy/grafana/README.md",
    "docs",
];

/// The words that a record's MAC begins with, which docs/security.md quotes.
const MAC_CONTEXT: &str = "fleetledger record mac 1";

/// Pages of these places, but for what was decided long ago.
fn pages() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut places: Vec<PathBuf> = PAGES.iter().map(|page| Path::new(TREE).join(page)).collect();
    while let Some(place) = places.pop() {
        if place.is_dir() && !place.ends_with("decisions") {
            places.extend(
                std::fs::read_dir(&place)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else if place.extension().is_some_and(|extension| extension == "md") {
            found.push(place);
        }
    }
    found
}

/// Words as a shell takes them, up to the end of the first command of a line.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for letter in command.chars() {
        match (quote, letter) {
            (Some(open), _) if open == letter => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(letter),
            (None, '"' | '\'') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, '|' | '>' | ';' | '&') => break,
            (None, '#') if word.is_none() => break,
            (None, _) if letter.is_whitespace() || letter == '\\' => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

/// Commands of a page, in blocks and in sentences.
fn commands(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for part in parts(text) {
        if let PagePart::Step(step) = part {
            found.extend(
                step.command
                    .split("&&")
                    .map(|one| one.trim().to_owned())
                    .filter(|one| one.starts_with("fleetledger ")),
            );
        }
    }
    let inline = text.split("```").step_by(2).flat_map(|prose| {
        // A piece of code may be broken over two lines.
        prose.split('`').skip(1).step_by(2)
    });
    let complete =
        inline.filter(|code| code.starts_with("fleetledger ") && !code.contains('…') && *code != MAC_CONTEXT);
    found.extend(complete.map(|code| code.split_whitespace().collect::<Vec<_>>().join(" ")));
    found
}

/// Whether a word is a place that the reader fills in, such as `PARTITION` or `DATACENTER/CLUSTER`.
fn is_placeholder(word: &str) -> bool {
    let letters: Vec<char> = word.chars().filter(char::is_ascii_alphabetic).collect();
    !letters.is_empty() && letters.iter().all(char::is_ascii_uppercase)
}

#[test]
fn every_command_that_a_page_names_is_one_that_the_binary_takes() {
    let (mut seen, mut wrong) = (0, Vec::new());
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for command in commands(&text) {
            let words = words(&command);
            seen += 1;
            let Err(error) = Cli::command().try_get_matches_from(&words) else {
                continue;
            };
            let is_fine = match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => true,
                // Something that is still to be filled in.
                ErrorKind::ValueValidation | ErrorKind::InvalidValue | ErrorKind::InvalidSubcommand => {
                    words.iter().any(|word| is_placeholder(word))
                }
                // A sentence names a command without what it is about: "`fleetledger clusters admit` admits a cluster".
                ErrorKind::MissingRequiredArgument | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                    words.len() <= 3
                }
                _ => false,
            };
            if !is_fine {
                let page = page.strip_prefix(TREE).unwrap_or(&page).display().to_string();
                wrong.push(format!("{page}: `{command}`: {}", error.kind()));
            }
        }
    }
    println!("{seen} commands of pages");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen >= 170, "{seen}");
}

#[test]
fn words_are_those_of_a_shell() {
    assert_eq!(
        words("fleetledger sql -- -c \"select 'a b'\" | less"),
        ["fleetledger", "sql", "--", "-c", "select 'a b'"]
    );
    assert!(is_placeholder("DATACENTER/CLUSTER") && !is_placeholder("NodeNotReady") && !is_placeholder("7"));
}
