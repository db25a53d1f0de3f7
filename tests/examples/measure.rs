//! `make measure`: figures of how the sources are written, for this checkout or for the folder that is given.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a tool for developers may fail"
)]

use std::{collections::BTreeMap, path::PathBuf};

use fleetledger_tests::census::{
    SourceFile, dialect_identifiers, function_lengths, name_shares, source_files, sql_literals,
    type_definitions,
};

/// A function longer than this does not fit a screen.
const SCREEN_LINES: usize = 60;
/// What a line of a generated file says.
const GENERATED_MARK: &str = "Generated";

fn main() {
    let root = std::env::args_os().nth(1).map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".."),
        PathBuf::from,
    );
    let files = source_files(&root);
    names(&files);
    lengths(&files);
    sql(&files);
    columns(&files, "priority_class", "a pod column (priority_class)");
    columns(&files, "node_class", "a cost dimension (node_class)");
    functions_in_migrations(&files);
    lines_by_room(&files);
}

fn names(files: &[SourceFile]) {
    let types = type_definitions(files);
    let shares = name_shares(&types);
    println!(
        "types {}: one word {:.1} %, shared with another file {:.1} %",
        shares.types,
        shares.one_word * 100.0,
        shares.shared * 100.0
    );
    let mut files_of: BTreeMap<&str, usize> = BTreeMap::new();
    for one in &types {
        *files_of.entry(&one.name).or_default() += 1;
    }
    let mut most: Vec<_> = files_of.into_iter().filter(|(_, count)| *count > 1).collect();
    most.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
    let most: Vec<String> = most
        .iter()
        .take(10)
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    println!("  defined most often: {}", most.join(", "));
    println!("identifiers in dialect: {}", dialect_identifiers(files).len());
}

fn lengths(files: &[SourceFile]) {
    let rust: Vec<&SourceFile> = files.iter().filter(|file| file.path.ends_with(".rs")).collect();
    let mut lines: Vec<(usize, &str)> = rust
        .iter()
        .map(|file| (file.text.lines().count(), file.path.as_str()))
        .collect();
    lines.sort_by_key(|(lines, path)| (std::cmp::Reverse(*lines), *path));
    let total: usize = lines.iter().map(|(lines, _)| lines).sum();
    println!(
        "rust: {} files, {total} lines, longest {} ({}), {} above 400",
        lines.len(),
        lines[0].0,
        lines[0].1,
        lines.iter().filter(|(lines, _)| *lines > 400).count()
    );
    let functions = function_lengths(files);
    let long = functions
        .iter()
        .filter(|(lines, _)| *lines > SCREEN_LINES)
        .count();
    println!(
        "functions {}: {:.1} % above {SCREEN_LINES} lines, longest {} ({})",
        functions.len(),
        long as f64 * 100.0 / functions.len() as f64,
        functions[0].0,
        functions[0].1.path
    );
}

fn sql(files: &[SourceFile]) {
    let found = sql_literals(files);
    println!(
        "SQL statements in Rust: {} named constants, {} within functions",
        found.named.len(),
        found.inline.len()
    );
}

/// Files that name a column: by hand, and generated.
fn columns(files: &[SourceFile], column: &str, what: &str) {
    let is_source = |file: &&SourceFile| {
        let ending = file.path.rsplit('.').next().unwrap_or_default();
        ["rs", "sql", "avsc"].contains(&ending) && !file.path.contains("testdata")
    };
    let (generated, by_hand): (Vec<_>, Vec<_>) = files
        .iter()
        .filter(is_source)
        .filter(|file| file.text.contains(column))
        .partition(|file| {
            file.text
                .lines()
                .take(3)
                .any(|line| line.contains(GENERATED_MARK))
        });
    let times: usize = by_hand.iter().map(|file| file.text.matches(column).count()).sum();
    println!(
        "{what}: {times} times by hand in {} files, {} generated files",
        by_hand.len(),
        generated.len()
    );
}

/// Lines of SQL functions that migrations hold, and of those that a later one replaces.
fn functions_in_migrations(files: &[SourceFile]) {
    let mut bodies: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for file in files
        .iter()
        .filter(|file| file.path.starts_with("schema/postgres/migrations/"))
    {
        let mut lines = file.text.lines();
        while let Some(line) = lines.next() {
            let Some((_, name)) = line
                .split_once("function ledger.")
                .filter(|_| line.starts_with("create "))
            else {
                continue;
            };
            let name = name.split('(').next().unwrap_or_default().to_owned();
            let quote = |line: &str| line.contains("$$") || line.trim() == "end;";
            let mut length = 1;
            let mut opened = line.matches("$$").count() == 1;
            for line in lines.by_ref() {
                length += 1;
                if line.matches("$$").count() == 2 || (opened && quote(line)) {
                    break;
                }
                opened |= line.contains("$$");
            }
            bodies.entry(name).or_default().push(length);
        }
    }
    let all: usize = bodies.values().flatten().sum();
    let replaced: usize = bodies
        .values()
        .flat_map(|lengths| lengths.iter().rev().skip(1))
        .sum();
    println!("functions in migrations: {all} lines, {replaced} of them replaced later");
}

fn lines_by_room(files: &[SourceFile]) {
    let mut rooms: BTreeMap<&str, usize> = BTreeMap::new();
    for file in files
        .iter()
        .filter(|file| file.path.ends_with(".rs") && file.path.contains("/src/"))
    {
        let room = file.path.split('/').next().unwrap_or_default();
        *rooms.entry(room).or_default() += file.text.lines().count();
    }
    let rooms: Vec<String> = rooms
        .iter()
        .map(|(room, lines)| format!("{room} {lines}"))
        .collect();
    println!("lines below src: {}", rooms.join(", "));
    let trials: usize = files
        .iter()
        .filter(|file| {
            file.path.starts_with("alerts/src/test/") || file.path.starts_with("alerts/src/backtest")
        })
        .map(|file| file.text.lines().count())
        .sum();
    println!("tests of rules and backtests within alerts: {trials} lines");
}
