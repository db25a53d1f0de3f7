//! The reference of keys in docs/writing-a-rule.md is made of the table the parser reads by.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::fmt::Write;

use fleetledger_queries::key::KEYS;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/writing-a-rule.md");
const MARK: &str = "<!-- keys: made by `cargo test -p fleetledger-queries --test reference` -->\n";

fn reference() -> String {
    let mut text =
        String::from("\n| key | of | holds | default | meaning |\n| --- | --- | --- | --- | --- |\n");
    for key in KEYS {
        let kinds = match key.kinds.len() {
            4 => "all".to_owned(),
            _ => key.kinds.join(", "),
        };
        let default = match key.default {
            "–" => "required".to_owned(),
            default => default.to_owned(),
        };
        writeln!(
            text,
            "| `{}` | {kinds} | {} | {default} | {} |",
            key.name, key.holds, key.meaning
        )
        .unwrap();
    }
    text
}

/// Writes the page anew and fails if it was not current.
#[test]
fn all_keys_are_documented_as_the_parser_reads_them() {
    let page = std::fs::read_to_string(PATH).unwrap();
    let head = page.split(MARK).next().unwrap();
    assert_ne!(head, page, "the mark is gone");
    let current = format!("{head}{MARK}{}", reference());
    if page != current {
        std::fs::write(PATH, &current).unwrap();
    }
    assert_eq!(
        page, current,
        "docs/writing-a-rule.md was not current and has been written anew"
    );
}
