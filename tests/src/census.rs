//! What the sources look like from outside: how things are named, how long they are, where SQL stands.
//!
//! `make measure` prints these figures; `tests/tidy.rs` holds some of them to a bound. Sources are read as text:
//! nothing is compiled, so any checkout can be measured.

mod statement;
mod token;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

pub use statement::{NamedStatement, SqlLiterals, sql_literals};
pub use token::{SourceToken, TokenKind, tokens};

/// Names that say nothing to somebody who knows the field and not this code, and what to say instead (docs/glossary.md).
pub const DIALECT_WORDS: &[(&str, &str)] = &[
    ("reign", "leadership term"),
    ("court", "instance evaluation"),
    ("ruling", "decision"),
    ("telling", "notification"),
    ("told", "notified"),
    ("grave", "dead letter"),
    ("bury", "dead-letter"),
    ("buried", "dead-lettered"),
    ("seam", "hook"),
    ("books", "bookkeeping"),
    ("stands", "current"),
    ("standing", "current, status"),
    ("centre", "central site"),
    ("millis", "ms for time; millicores and gpu_millis are thousandths"),
];

/// A tracked text file.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Path below the root, with `/`.
    pub path: String,
    /// What it holds.
    pub text: String,
}

impl SourceFile {
    fn is_rust(&self) -> bool {
        Path::new(&self.path)
            .extension()
            .is_some_and(|extension| extension == "rs")
    }

    /// True for what a product binary is made of: no tests, benchmarks or examples.
    fn is_product(&self) -> bool {
        let room = self.path.split('/').next().unwrap_or_default();
        self.is_rust()
            && self.path.contains("/src/")
            && !["tests", "bench", "local"].contains(&room)
            && !self.path.ends_with("/tests.rs")
    }
}

/// Text files that git tracks, or would track, below `root`.
///
/// # Panics
/// If git does not answer.
#[must_use]
pub fn source_files(root: &Path) -> Vec<SourceFile> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .expect("git runs");
    assert!(listed.status.success(), "git ls-files in {}", root.display());
    let names = String::from_utf8(listed.stdout).expect("paths are UTF-8");
    let read = |name: &str| {
        let path: PathBuf = root.join(name);
        let text = fs::read_to_string(path).ok()?;
        Some(SourceFile {
            path: name.to_owned(),
            text,
        })
    };
    names.lines().filter_map(read).collect()
}

/// A struct, enum, trait, union or type alias that a file defines.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TypeDefinition {
    /// Its name.
    pub name: String,
    /// The file, below the root.
    pub path: String,
}

/// Every type that Rust sources define, tests included, aliases within implementations left out.
#[must_use]
pub fn type_definitions(files: &[SourceFile]) -> Vec<TypeDefinition> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let all = code(&file.text);
        for pair in all.windows(2) {
            let [keyword, name] = pair else { continue };
            let defines = match keyword.text {
                "struct" | "enum" | "trait" | "union" => true,
                "type" => keyword.column == 0 || is_public_alias(&file.text, keyword.line),
                _ => false,
            };
            if defines && name.text.starts_with(|c: char| c.is_ascii_uppercase()) {
                found.push(TypeDefinition {
                    name: name.text.to_owned(),
                    path: file.path.clone(),
                });
            }
        }
    }
    found.sort();
    found
}

fn is_public_alias(text: &str, line: usize) -> bool {
    let line = text.lines().nth(line - 1).unwrap_or_default();
    line.starts_with("pub")
}

fn code(text: &str) -> Vec<SourceToken<'_>> {
    let mut all = tokens(text);
    all.retain(|token| matches!(token.kind, TokenKind::Word | TokenKind::Mark));
    all
}

/// Words of a name in camel or snake case, in lower case.
#[must_use]
pub fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let letters: Vec<char> = name.chars().collect();
    for (at, letter) in letters.iter().copied().enumerate() {
        if letter == '_' {
            words.push(String::new());
            continue;
        }
        let after_small = at > 0 && !letters[at - 1].is_uppercase();
        let before_small = letters.get(at + 1).is_some_and(|next| next.is_lowercase());
        if words.is_empty() || (letter.is_uppercase() && (after_small || before_small)) {
            words.push(String::new());
        }
        words
            .last_mut()
            .expect("one was pushed")
            .extend(letter.to_lowercase());
    }
    words.retain(|word| !word.is_empty());
    words
}

/// How types are named.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NameShares {
    /// Types.
    pub types: usize,
    /// Share whose name is one word, 0 to 1.
    pub one_word: f64,
    /// Share whose name another file's type has too, 0 to 1.
    pub shared: f64,
}

/// Shares of one-word names and of names that several files define.
#[must_use]
pub fn name_shares(types: &[TypeDefinition]) -> NameShares {
    let mut paths: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for one in types {
        paths.entry(&one.name).or_default().insert(&one.path);
    }
    let share = |count: usize| count as f64 / types.len().max(1) as f64;
    let one_word = types.iter().filter(|one| words(&one.name).len() == 1);
    let shared = types.iter().filter(|one| paths[one.name.as_str()].len() > 1);
    NameShares {
        types: types.len(),
        one_word: share(one_word.count()),
        shared: share(shared.count()),
    }
}

/// A place in a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourcePlace {
    /// The file, below the root.
    pub path: String,
    /// Line, from 1.
    pub line: usize,
    /// What stands there.
    pub text: String,
}

/// Identifiers of Rust sources, and file names, that hold one of [`DIALECT_WORDS`].
#[must_use]
pub fn dialect_identifiers(files: &[SourceFile]) -> Vec<SourcePlace> {
    let is_dialect = |name: &str| {
        let words = words(name);
        let is_thousandths = words.iter().any(|word| word == "gpu");
        words.iter().any(|word| {
            DIALECT_WORDS.iter().any(|(banned, _)| word == banned) && !(word == "millis" && is_thousandths)
        })
    };
    // What std and our dependencies call their own.
    let foreign = [
        "as_millis",
        "from_millis",
        "subsec_millis",
        "to_millis",
        "as_millis_f64",
        "is_standing",
    ];
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let stem = Path::new(&file.path).file_stem().and_then(|stem| stem.to_str());
        if let Some(stem) = stem.filter(|stem| is_dialect(stem)) {
            found.push(SourcePlace {
                path: file.path.clone(),
                line: 0,
                text: stem.to_owned(),
            });
        }
        for token in code(&file.text) {
            if token.kind == TokenKind::Word && is_dialect(token.text) && !foreign.contains(&token.text) {
                found.push(SourcePlace {
                    path: file.path.clone(),
                    line: token.line,
                    text: token.text.to_owned(),
                });
            }
        }
    }
    found
}

/// Functions with their length in lines, longest first.
#[must_use]
pub fn function_lengths(files: &[SourceFile]) -> Vec<(usize, SourcePlace)> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let lines: Vec<&str> = file.text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let code = line.trim_start();
            let indent = line.len() - code.len();
            let is_function = code.starts_with("fn ") || code.contains(" fn ") && !code.starts_with("//");
            if !is_function || code.ends_with(';') {
                continue;
            }
            // Formatted code closes a function with a brace at the indentation it began with.
            let end = lines[at..].iter().position(|other| {
                other.starts_with('}') && indent == 0
                    || other.len() > indent
                        && other.as_bytes()[..indent].iter().all(|byte| *byte == b' ')
                        && other[indent..].starts_with('}')
            });
            if let Some(end) = end {
                let place = SourcePlace {
                    path: file.path.clone(),
                    line: at + 1,
                    text: code.to_owned(),
                };
                found.push((end + 1, place));
            }
        }
    }
    found.sort_by_key(|(lines, place)| (std::cmp::Reverse(*lines), place.path.clone()));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rust(path: &str, text: &str) -> SourceFile {
        SourceFile {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn names_are_cut_into_words() {
        for (name, expected) in [
            ("Standing", "standing"),
            ("RuleLock", "rule lock"),
            ("HTTPServer", "http server"),
            ("valid_from_ms", "valid from ms"),
            ("Xxh3", "xxh3"),
            ("SHARED", "shared"),
        ] {
            assert_eq!(words(name).join(" "), expected, "{name}");
        }
    }

    #[test]
    fn types_are_counted_once_a_file_and_shared_between_files() {
        let files = [
            rust(
                "a/src/a.rs",
                "pub struct Known;\n// struct Comment;\nenum RuleLock { A }\n",
            ),
            rust(
                "b/src/b.rs",
                "struct Known { at: &'static str }\nimpl T for X {\n    type Out = u8;\n}\ntype Pair = (u8, u8);\n",
            ),
        ];
        let shares = name_shares(&type_definitions(&files));
        assert_eq!(shares.types, 4);
        assert!((shares.one_word - 0.75).abs() < 1e-9 && (shares.shared - 0.5).abs() < 1e-9);
    }

    #[test]
    fn dialect_is_found_in_code_and_neither_in_text_nor_in_comments() {
        let files = [rust(
            "a/src/books.rs",
            "// the reign\nlet reign_began = \"reign\"; gpu_millis; wait_millis; d.as_millis();",
        )];
        let found: Vec<String> = dialect_identifiers(&files)
            .into_iter()
            .map(|place| place.text)
            .collect();
        assert_eq!(found, ["books", "reign_began", "wait_millis"]);
    }

    #[test]
    fn a_function_is_as_long_as_its_lines() {
        let text = "impl A {\n    fn short() {\n        if x {\n        }\n    }\n}\nfn long(\n    a: u8,\n) {\n    b();\n}\n";
        let lengths: Vec<usize> = function_lengths(&[rust("a/src/a.rs", text)])
            .iter()
            .map(|(lines, _)| *lines)
            .collect();
        assert_eq!(lengths, [5, 4]);
    }
}
