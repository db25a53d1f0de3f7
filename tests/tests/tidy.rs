//! What the house promises about itself: rooms, dependencies, links, words.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test may fail it"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use fleetledger_tests::census::{
    DIALECT_WORDS, dialect_identifiers, name_shares, source_files, type_definitions,
};
use serde_json::Value;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// Files that git keeps, or would keep.
fn files() -> Vec<PathBuf> {
    let root = repository();
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(&root)
        .output();
    let names: Vec<PathBuf> = match listed {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8(output.stdout).unwrap();
            text.lines()
                .map(|name| root.join(name))
                .filter(|path| path.is_file())
                .collect()
        }
        _ => panic!("git ls-files in {}", root.display()),
    };
    assert!(names.len() > 50, "{} files", names.len());
    names
}

fn relative(path: &Path) -> String {
    path.strip_prefix(repository())
        .unwrap_or(path)
        .display()
        .to_string()
}

/// Packages of the workspace, as cargo describes them.
fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(repository())
        .output();
    let metadata: Value = serde_json::from_slice(&output.unwrap().stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// Packages of the workspace and the packages of it they depend on.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let room = |package: &Value| room_of(package["name"].as_str().unwrap());
    packages()
        .iter()
        .map(|package| {
            let all = package["dependencies"].as_array().unwrap().iter();
            let ours = all.filter(|one| one["path"].is_string() && one["kind"].is_null());
            (room(package), ours.map(room).collect())
        })
        .collect()
}

fn room_of(package: &str) -> String {
    package.strip_prefix("fleetledger-").unwrap_or(package).to_owned()
}

#[test]
fn rooms_and_their_dependencies_are_those_of_the_architecture() {
    let text = fs::read_to_string(repository().join("ARCHITECTURE.md")).unwrap();
    let (_, after) = text
        .split_once("\n| room ")
        .expect("ARCHITECTURE.md has the table of rooms");
    let rows = after.lines().skip(2).take_while(|line| line.starts_with('|'));
    let documented: BTreeMap<String, BTreeSet<String>> = rows
        .map(|row| {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            let room = cells[0].trim_matches(|c| c == '`' || c == '/').to_owned();
            let uses = cells[2].split(',').map(str::trim).filter(|name| *name != "–");
            (room, uses.map(str::to_owned).collect())
        })
        .collect();
    assert_eq!(
        documented,
        dependencies(),
        "left: ARCHITECTURE.md, right: cargo metadata"
    );
    for room in documented.keys() {
        assert!(repository().join(room).join("src").is_dir(), "{room}/src");
        let grab_bags = ["common", "core", "helpers", "shared", "types", "util", "utils"];
        assert!(
            !grab_bags.contains(&room.as_str()),
            "{room} says nothing about what lives there"
        );
    }
    for (room, uses) in &documented {
        assert!(
            room == "tests" || !uses.contains("fleetledger"),
            "{room} depends on the binary"
        );
        assert!(!uses.contains("tests"), "{room} depends on tests");
    }
}

#[test]
fn every_link_in_markdown_resolves() {
    let mut links = 0;
    for file in files()
        .iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "md"))
    {
        let text = fs::read_to_string(file).unwrap();
        for target in targets(&text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            links += 1;
            let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let aim = if path.is_empty() {
                file.clone()
            } else {
                file.parent().unwrap().join(path)
            };
            assert!(aim.exists(), "{}: {target} does not exist", relative(file));
            if !anchor.is_empty() && aim.extension().is_some_and(|extension| extension == "md") {
                let anchors = anchors(&fs::read_to_string(&aim).unwrap());
                assert!(
                    anchors.contains(anchor),
                    "{}: {} has no heading #{anchor}",
                    relative(file),
                    relative(&aim)
                );
            }
        }
    }
    println!("{links} links resolve");
    assert!(links > 0);
}

/// Targets of `[text](target)` outside of code.
fn targets(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(text) {
        for part in line.split("](").skip(1) {
            if let Some((target, _)) = part.split_once(')') {
                found.push(target.split(' ').next().unwrap_or_default().to_owned());
            }
        }
    }
    found
}

/// Lines that stand in no fenced block.
fn prose(text: &str) -> Vec<&str> {
    let mut fenced = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            lines.push(line);
        }
    }
    lines
}

/// Anchors that headings get: lower case, spaces to dashes, everything but letters, digits, dashes and underscores gone.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).into_iter().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let kept = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = kept
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect::<String>()
    };
    let declared = text
        .split("<a id=\"")
        .skip(1)
        .filter_map(|rest| rest.split_once('"'))
        .map(|(id, _)| id.to_owned());
    headings.map(anchor).chain(declared).collect()
}

#[test]
fn no_test_is_ignored_and_no_file_is_a_hall() {
    for file in files()
        .iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "rs"))
    {
        let text = fs::read_to_string(file).unwrap();
        let lines = text.lines().count();
        assert!(
            lines <= 900,
            "{} has {lines} lines; split it by what its parts are about",
            relative(file)
        );
        assert!(
            !text.contains(concat!("#[ign", "ore")),
            "{} ignores a test",
            relative(file)
        );
        for stem in ["common", "helpers", "misc", "util", "utils"] {
            assert!(
                file.file_stem().unwrap() != stem,
                "{} says nothing about what lives there",
                relative(file)
            );
        }
    }
}

#[test]
fn house_words_are_used() {
    // What we say, and what we do not.
    let words = [
        ("data centres are written", "datacentre"),
        ("it is PostgreSQL", "PostGres"),
        ("it is allow-listed", "whitelist"),
        ("it is refused", "blacklist"),
    ];
    for file in files() {
        let Ok(text) = fs::read_to_string(&file) else {
            continue;
        };
        if file.ends_with("tests/tests/tidy.rs") || file.ends_with("Cargo.lock") || file.ends_with("go.sum") {
            continue;
        }
        for (instead, word) in words {
            let allowed = word == "datacentre"
                && text.matches(word).count() == text.matches(&format!("\"{word}\"")).count();
            assert!(
                !text.contains(word) || allowed,
                "{} says {word}: {instead}",
                relative(&file)
            );
        }
    }
}

#[test]
fn types_say_what_they_hold() {
    let shares = name_shares(&type_definitions(&source_files(&repository())));
    println!("{shares:?}");
    assert!(
        shares.one_word < 0.30,
        "{:.1} % of type names are one word; name what a type holds, as in RuleLock",
        shares.one_word * 100.0
    );
    assert!(
        shares.shared < 0.15,
        "{:.1} % of types share their name with another file's",
        shares.shared * 100.0
    );
}

#[test]
fn names_use_the_words_of_the_glossary() {
    let found = dialect_identifiers(&source_files(&repository()));
    let places: Vec<String> = found
        .iter()
        .map(|place| format!("{}:{} {}", place.path, place.line, place.text))
        .collect();
    assert!(
        places.is_empty(),
        "{} names; docs/glossary.md has the words to use:\n{}",
        places.len(),
        places.join("\n")
    );
    let glossary = fs::read_to_string(repository().join("docs/glossary.md")).unwrap();
    for (word, _) in DIALECT_WORDS {
        assert!(
            glossary.contains(word),
            "docs/glossary.md names no other word for {word}"
        );
    }
}

#[test]
fn the_model_of_queries_imports_nothing_that_runs_them() {
    let model = [
        "alert",
        "catalogue",
        "freshness",
        "front_matter",
        "key",
        "near_names",
        "parse",
        "period",
        "query",
        "record",
        "refusal",
        "report",
        "rollup",
        "statement",
        "template",
    ];
    let execution = [
        "cell",
        "connection",
        "cycle",
        "filler",
        "http_failure",
        "live",
        "metrics",
        "prepare",
        "recorder",
        "renewed_connect",
        "report_run",
        "rows",
        "run",
        "sources",
    ];
    let folder = repository().join("queries/src");
    let mut modules = BTreeSet::new();
    for file in files().iter().filter(|file| file.starts_with(&folder)) {
        let below = relative(file).replace("queries/src/", "");
        let module = below.split(['/', '.']).next().unwrap_or_default().to_owned();
        if model.contains(&module.as_str()) && !below.ends_with("tests.rs") {
            let text = fs::read_to_string(file).unwrap();
            let (text, _) = text.split_once("#[cfg(test)]").unwrap_or((&text, ""));
            let imports = text.split("use crate::").skip(1);
            for import in imports.filter_map(|rest| rest.split_once(';')) {
                let names = import.0.split(|c: char| !c.is_alphanumeric() && c != '_');
                for name in names {
                    assert!(!execution.contains(&name), "{} imports {name}", relative(file));
                }
            }
        }
        modules.insert(module);
    }
    modules.remove("lib");
    let known: BTreeSet<String> = model
        .iter()
        .chain(&execution)
        .map(|name| (*name).to_owned())
        .collect();
    assert_eq!(modules, known, "left: queries/src, right: this test");
}
