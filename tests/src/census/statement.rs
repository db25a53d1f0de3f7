//! SQL in Rust sources: which literals are statements, whether a constant names them, and what the server receives.

use super::{SourceFile, SourcePlace, SourceToken, TokenKind, tokens};

/// An SQL text that a constant holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedStatement {
    /// The constant.
    pub name: String,
    /// Where its literal begins, and the text as the program has it: escapes are resolved.
    pub place: SourcePlace,
}

/// SQL statements in product sources: those that a constant names, and those that stand in the middle of code.
#[derive(Debug, Clone, Default)]
pub struct SqlLiterals {
    /// Constants.
    pub named: Vec<NamedStatement>,
    /// Literals within functions.
    pub inline: Vec<SourcePlace>,
}

/// Finds string literals that begin as an SQL statement does.
#[must_use]
pub fn sql_literals(files: &[SourceFile]) -> SqlLiterals {
    let mut found = SqlLiterals::default();
    for file in files.iter().filter(|file| file.is_product()) {
        // Unit tests end a file.
        let text = file
            .text
            .split("#[cfg(test)]\nmod tests {")
            .next()
            .unwrap_or_default();
        let all: Vec<SourceToken<'_>> = tokens(text)
            .into_iter()
            .filter(|token| token.kind != TokenKind::Comment)
            .collect();
        let mut constant = ConstantItem::default();
        for (at, token) in all.iter().enumerate() {
            constant.pass(&all, at);
            let written = match token.kind {
                TokenKind::Text => unescaped(token.text),
                TokenKind::RawText => token.text.to_owned(),
                _ => continue,
            };
            if !is_statement(&written) {
                continue;
            }
            let place = SourcePlace {
                path: file.path.clone(),
                line: token.line,
                text: written,
            };
            match constant.name {
                Some(name) => found.named.push(NamedStatement {
                    name: name.to_owned(),
                    place,
                }),
                None => found.inline.push(place),
            }
        }
    }
    found
}

/// The constant in whose definition a walk through tokens is.
#[derive(Debug, Default)]
struct ConstantItem<'a> {
    name: Option<&'a str>,
    /// Brackets that are open since it began: a `;` within them, as in `[T; 3]`, does not end it.
    depth: usize,
}

impl<'a> ConstantItem<'a> {
    fn pass(&mut self, all: &[SourceToken<'a>], at: usize) {
        let text = |at: usize| all.get(at).map_or("", |token| token.text);
        if all[at].kind == TokenKind::Word && matches!(text(at), "const" | "static") && self.name.is_none() {
            // Neither `const fn`, `&'static str` nor `<const N: usize>`.
            let is_item = text(at + 2) == ":" && !matches!(text(at.wrapping_sub(1)), "<" | "," | "'");
            self.name = is_item.then(|| text(at + 1));
            self.depth = 0;
        }
        if all[at].kind != TokenKind::Mark {
            return;
        }
        match text(at) {
            "(" | "[" | "{" => self.depth += 1,
            ")" | "]" | "}" => self.depth = self.depth.saturating_sub(1),
            ";" if self.depth == 0 => self.name = None,
            _ => {}
        }
    }
}

/// True for SQL and for the beginning of SQL; false for messages, which begin with the same verbs.
fn is_statement(text: &str) -> bool {
    const OBJECTS: &[&str] = &[
        "database",
        "extension",
        "function",
        "index",
        "or",
        "policy",
        "publication",
        "role",
        "schema",
        "table",
        "temp",
        "type",
        "unique",
        "user",
        "view",
    ];
    let words: Vec<&str> = text.split_whitespace().collect();
    let [first, second, ..] = words[..] else {
        return false;
    };
    let has = |word: &str| words.contains(&word);
    match first {
        "select" => has("from") || text.contains('('),
        "with" => text.contains(" as (") || text.contains(" as materialized ("),
        "insert" | "merge" => second == "into",
        "delete" => second == "from",
        "update" => has("set"),
        "copy" => has("from") || has("to"),
        "create" | "drop" | "alter" => OBJECTS.contains(&second),
        "set" => matches!(second, "local" | "session") || text.contains('='),
        "lock" => second == "table",
        "truncate" | "analyze" => second.contains('.') || second == "table",
        "explain" => second.starts_with('(') || words.len() > 2,
        "call" => text.contains('('),
        _ => false,
    }
}

/// What a literal with these escapes holds.
fn unescaped(literal: &str) -> String {
    let mut text = String::with_capacity(literal.len());
    let mut letters = literal.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            text.push(letter);
            continue;
        }
        match letters.next() {
            Some('n') => text.push('\n'),
            Some('r') => text.push('\r'),
            Some('t') => text.push('\t'),
            Some('0') => text.push('\0'),
            // A line that is continued loses its break and the white space that the next begins with.
            Some('\n') => while letters.next_if(|next| next.is_whitespace()).is_some() {},
            Some(other) => text.push(other),
            None => {}
        }
    }
    text
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
    fn sql_is_named_or_inline() {
        let text = "const READ: &str =\n    \"select 1 from a\";\nfn f() { ask(\"update a set b = 1\"); say(\"select\"); }";
        let found = sql_literals(&[rust("a/src/a.rs", text), rust("a/tests/b.rs", text)]);
        assert_eq!((found.named.len(), found.inline.len()), (1, 1));
        assert_eq!(found.named[0].name, "READ");
    }

    #[test]
    fn all_of_a_constant_is_named_and_nothing_after_it() {
        let text = "const A: [&str; 2] = [\"select 1 from a\", B { c: \"select 2 from a\" }];
            fn f<const N: usize>(x: &'static str) { say(\"select 3 from a\"); }";
        let found = sql_literals(&[rust("a/src/a.rs", text)]);
        assert_eq!((found.named.len(), found.inline.len()), (2, 1));
        assert_eq!(found.named[1].name, "A");
    }

    #[test]
    fn the_text_is_what_the_program_has() {
        let text = r##"const A: &str = "select \"b\"\n \
            from c"; static D: &str = r#"select "\n" from e"#;"##;
        let found = sql_literals(&[rust("a/src/a.rs", text)]).named;
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|one| (one.name.as_str(), one.place.text.as_str()))
            .collect();
        assert_eq!(
            found,
            [("A", "select \"b\"\n from c"), ("D", "select \"\\n\" from e")]
        );
    }

    #[test]
    fn messages_are_no_statements() {
        for message in [
            "create schemas and roles",
            "set the lock timeout",
            "select it, and name it here",
            "with a query_offset it may read views as of an instant",
            "lock a rule",
            "update the ledger",
        ] {
            assert!(!is_statement(message), "{message}");
        }
        for statement in [
            "select ledger.ensure_partitions()",
            "with a as (select 1) select * from a",
            "set local lock_timeout = 1",
            "analyze ledger.pod",
        ] {
            assert!(is_statement(statement), "{statement}");
        }
    }
}
