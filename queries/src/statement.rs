//! What a stored query may say: one SELECT over bare view names that asks `as_of()`.
//!
//! This is for the author, and the first of several walls: queries also run in a READ ONLY transaction, on a
//! connection logged in as a role that has no USAGE on schema `ledger` and no way to another role. What the server makes of
//! the words is judged by [`crate::prepare`].

mod parameter;
mod relation;
mod token;
mod vocabulary;

use std::path::Path;

use sqlparser::{
    dialect::PostgreSqlDialect,
    tokenizer::{Location, Token, TokenWithSpan, Tokenizer},
};

use crate::refusal::{FilePosition, QueryRefusal};
use token::{bare, has_one_argument, name_of, offset};
pub(crate) use vocabulary::ASK_AS_OF;
use vocabulary::{
    CHANGES, CLOCK_FUNCTIONS, CLOCK_TEXTS, CLOCK_WORDS, FUNCTION_FAMILIES, FUNCTIONS, HARMLESS, SCHEMAS,
};

/// Whether a function of PostgreSQL's own reads the clock.
pub(crate) fn reads_the_clock(name: &str, arguments: i32) -> bool {
    CLOCK_FUNCTIONS.contains(&name) || (name == "age" && arguments == 1)
}

/// Whether a function of PostgreSQL's own may not be called, though it is not volatile.
pub(crate) fn forbidden_function(name: &str) -> bool {
    (name.starts_with("pg_") && !HARMLESS.contains(&name))
        || FUNCTIONS.contains(&name)
        || FUNCTION_FAMILIES.iter().any(|begin| name.starts_with(begin))
}

/// Checks the SQL behind a front matter; returns it without the current state after its last word, parameters as `$1`, `$2`.
///
/// # Errors
/// Everything that is refused, by line and column of the file.
pub(crate) fn check(
    file: &Path,
    sql: &str,
    sql_line: u32,
    parameters: &[&str],
) -> Result<String, Vec<QueryRefusal>> {
    let mut check = StatementCheck {
        file,
        sql_line,
        refusals: Vec::new(),
    };
    let tokens = match Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize_with_location() {
        Ok(tokens) => tokens,
        Err(error) => {
            check.refuse(
                error.location,
                &format!("the SQL cannot be read: {}", error.message),
                "",
            );
            return Err(check.refusals);
        }
    };
    let words: Vec<TokenWithSpan> = tokens
        .into_iter()
        .filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF))
        .collect();
    let end = words.iter().find(|word| word.token == Token::SemiColon);
    let end = end.and_then(|semicolon| offset(sql, semicolon.span.start));
    let sql = end.and_then(|end| sql.get(..end)).unwrap_or(sql).trim_end();
    let words = check.one_select(&words);
    check.words(words);
    check.relations(words);
    let replaced = check.parameters(sql, words, parameters);
    match check.refusals.is_empty() {
        true => Ok(replaced),
        false => Err(check.refusals),
    }
}

struct StatementCheck<'f> {
    file: &'f Path,
    sql_line: u32,
    refusals: Vec<QueryRefusal>,
}

impl StatementCheck<'_> {
    fn refuse(&mut self, at: Location, what: &str, remedy: &str) {
        let line = self.sql_line + u32::try_from(at.line.max(1)).unwrap_or(1) - 1;
        let column = u32::try_from(at.column.max(1)).unwrap_or(1);
        self.refusals
            .push(QueryRefusal::new(self.file, FilePosition::at(line, column), what).fix(remedy));
    }

    /// The words of the one statement.
    fn one_select<'w>(&mut self, words: &'w [TokenWithSpan]) -> &'w [TokenWithSpan] {
        let Some(first) = words.first() else {
            let begin = Location { line: 1, column: 1 };
            self.refuse(
                begin,
                "there is no SQL after the front matter",
                "write one SELECT; it may have become part of a comment",
            );
            return words;
        };
        let begins = match &first.token {
            Token::LParen => true,
            token => matches!(bare(token).as_deref(), Some("select" | "with")),
        };
        if !begins {
            let what = format!("`{}` does not begin a SELECT", first.token);
            self.refuse(
                first.span.start,
                &what,
                "a stored query is one SELECT, or WITH … SELECT",
            );
        }
        let end = words.iter().position(|word| word.token == Token::SemiColon);
        let Some(end) = end else { return words };
        if let Some(second) = words.get(end + 1) {
            self.refuse(
                second.span.start,
                "a second statement begins here",
                "a stored query is one SELECT",
            );
        }
        words.get(..end).unwrap_or(words)
    }

    /// Looks at each word with its neighbours.
    fn words(&mut self, words: &[TokenWithSpan]) {
        for (number, word) in words.iter().enumerate() {
            let before = number
                .checked_sub(1)
                .and_then(|before| words.get(before))
                .map(|word| &word.token);
            let next = words.get(number + 1).map(|word| &word.token);
            let behind = words.get(number + 2).map(|word| &word.token);
            let at = word.span.start;
            match &word.token {
                Token::Backslash => self.refuse(at, "a psql command", "a stored query contains only SQL"),
                Token::Placeholder(text) => {
                    let what = format!("`{text}` has no value");
                    self.refuse(at, &what, "a report declares `parameters` and writes :'name'");
                }
                Token::SingleQuotedString(text)
                    if CLOCK_TEXTS.contains(&text.trim().to_lowercase().as_str()) =>
                {
                    self.refuse(
                        at,
                        &format!("PostgreSQL replaces '{text}' with the current time"),
                        ASK_AS_OF,
                    );
                }
                Token::Word(found) => {
                    let name = name_of(&word.token).unwrap_or_default();
                    if next == Some(&Token::Period) {
                        self.qualifier(at, &name, behind, words.get(number + 3).map(|word| &word.token));
                    } else if before != Some(&Token::Period) {
                        let is_named = matches!(before.and_then(bare).as_deref(), Some("as"));
                        let arguments = words.get(number + 1..).filter(|_| next == Some(&Token::LParen));
                        self.word(at, &name, found.quote_style.is_some() || is_named, arguments);
                    }
                }
                _ => {}
            }
        }
    }

    /// `name.` with what follows.
    fn qualifier(&mut self, at: Location, name: &str, part: Option<&Token>, behind: Option<&Token>) {
        let part = part.map(ToString::to_string).unwrap_or_default();
        let full = format!("{name}.{part}");
        if name == "ledger" {
            let what = format!("`{full}`: schema ledger is private");
            self.refuse(
                at,
                &what,
                "read the views of docs/sql-reference.md by their unqualified names",
            );
        } else if SCHEMAS.contains(&name) || behind == Some(&Token::LParen) {
            let what = format!("`{full}` is a qualified name");
            self.refuse(
                at,
                &what,
                "write the unqualified name: the schema decides the instant that the query is about",
            );
        }
    }

    fn word(&mut self, at: Location, name: &str, is_quoted: bool, arguments: Option<&[TokenWithSpan]>) {
        let is_call = arguments.is_some();
        if (!is_quoted && CLOCK_WORDS.contains(&name)) || (is_call && CLOCK_FUNCTIONS.contains(&name)) {
            let brackets = if CLOCK_FUNCTIONS.contains(&name) { "()" } else { "" };
            self.refuse(at, &format!("`{name}{brackets}` reads the clock"), ASK_AS_OF);
        } else if name == "age" && arguments.is_some_and(has_one_argument) {
            self.refuse(
                at,
                "`age(…)` of one instant reads the clock",
                "write as_of() - …, or age(as_of(), …)",
            );
        } else if !is_quoted && CHANGES.contains(&name) {
            let what = format!("`{name}` is not allowed: a stored query may only read");
            self.refuse(at, &what, "a stored query is one SELECT");
        } else if name.starts_with("pg_") && !HARMLESS.contains(&name) {
            let what = match name {
                _ if name.starts_with("pg_sleep") => format!("`{name}` waits"),
                _ if name.contains("advisory") => format!("`{name}` takes a lock"),
                _ => format!("`{name}` is about the server"),
            };
            self.refuse(
                at,
                &what,
                "stored SQL may read only the views of docs/sql-reference.md",
            );
        } else if is_call && forbidden_function(name) {
            let what = format!("`{name}` is not allowed in stored SQL");
            self.refuse(
                at,
                &what,
                "stored SQL may only read, and must return the same result whenever it is run for the same \
                 instant",
            );
        }
    }
}

#[cfg(test)]
mod tests;
