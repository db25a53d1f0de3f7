//! What a stored query may say: one SELECT over bare view names that asks `as_of()`.
//!
//! This is for the author, and the first of several walls: queries also run in a READ ONLY transaction, on a
//! connection logged in as a role that has no USAGE on schema `ledger` and no way to another role.

use std::path::Path;

use sqlparser::{
    dialect::PostgreSqlDialect,
    tokenizer::{Location, Token, TokenWithSpan, Tokenizer},
};

use crate::refusal::{Place, Refusal};

/// Checks the SQL behind a front matter; returns it without what stands after its last word, parameters as `$1`, `$2`.
///
/// # Errors
/// Everything that is refused, by line and column of the file.
pub(crate) fn check(
    file: &Path,
    sql: &str,
    sql_line: u32,
    parameters: &[&str],
) -> Result<String, Vec<Refusal>> {
    let mut check = Check {
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

struct Check<'f> {
    file: &'f Path,
    sql_line: u32,
    refusals: Vec<Refusal>,
}

/// Words that read a clock without parentheses.
const CLOCK_WORDS: &[&str] = &[
    "current_timestamp",
    "current_time",
    "current_date",
    "localtime",
    "localtimestamp",
];
/// Functions that read a clock.
const CLOCK_FUNCTIONS: &[&str] = &[
    "now",
    "transaction_timestamp",
    "statement_timestamp",
    "clock_timestamp",
    "timeofday",
];
/// Texts that become the clock where an instant is expected.
const CLOCK_TEXTS: &[&str] = &["now", "today", "tomorrow", "yesterday"];
/// Words that begin a change, or put rows somewhere.
const CHANGES: &[&str] = &["insert", "update", "delete", "merge", "into", "truncate"];
/// Schemas whose qualified names are met most often.
const SCHEMAS: &[&str] = &[
    "fleet",
    "fleet_asof",
    "ledger",
    "public",
    "pg_catalog",
    "information_schema",
    "pg_temp",
];
/// Functions that change something, run SQL of their own, or answer differently each time.
const FUNCTIONS: &[&str] = &[
    "set_config",
    "nextval",
    "setval",
    "currval",
    "lastval",
    "setseed",
    "random",
    "gen_random_uuid",
    "txid_current",
    "ts_stat",
    "ts_rewrite",
    "connectby",
];
/// Functions of server and large objects, other servers, SQL as text; by how they begin.
const FUNCTION_FAMILIES: &[&str] = &[
    "dblink",
    "lo_",
    "loread",
    "lowrite",
    "crosstab",
    "query_to_xml",
    "cursor_to_xml",
    "table_to_xml",
    "schema_to_xml",
    "database_to_xml",
];
/// What may be used of all that begins with `pg_`.
const HARMLESS: &[&str] = &["pg_size_pretty", "pg_typeof"];

const ASK_AS_OF: &str = "ask as_of(): the same text then runs live, in tests and at any past instant";

impl Check<'_> {
    fn refuse(&mut self, at: Location, what: &str, remedy: &str) {
        let line = self.sql_line + u32::try_from(at.line.max(1)).unwrap_or(1) - 1;
        let column = u32::try_from(at.column.max(1)).unwrap_or(1);
        self.refusals
            .push(Refusal::new(self.file, Place::at(line, column), what).fix(remedy));
    }

    /// The words of the one statement.
    fn one_select<'w>(&mut self, words: &'w [TokenWithSpan]) -> &'w [TokenWithSpan] {
        let Some(first) = words.first() else {
            let begin = Location { line: 1, column: 1 };
            self.refuse(
                begin,
                "there is no SQL behind the front matter",
                "write one SELECT; a comment may have swallowed it",
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
                Token::Backslash => self.refuse(at, "a psql command", "a stored query is SQL alone"),
                Token::Placeholder(text) => {
                    let what = format!("`{text}` has no value");
                    self.refuse(at, &what, "a report declares `parameters` and writes :'name'");
                }
                Token::SingleQuotedString(text)
                    if CLOCK_TEXTS.contains(&text.trim().to_lowercase().as_str()) =>
                {
                    self.refuse(at, &format!("'{text}' is a clock to PostgreSQL"), ASK_AS_OF);
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
                "read the views of docs/sql-reference.md by their bare names",
            );
        } else if SCHEMAS.contains(&name) || behind == Some(&Token::LParen) {
            let what = format!("`{full}` is a qualified name");
            self.refuse(
                at,
                &what,
                "write the bare name: the schema decides the instant the query is about",
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
            let what = format!("`{name}` in a query that may only read");
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
                "stored SQL reads the views of docs/sql-reference.md alone",
            );
        } else if is_call
            && (FUNCTIONS.contains(&name) || FUNCTION_FAMILIES.iter().any(|begin| name.starts_with(begin)))
        {
            let what = format!("`{name}` is not allowed in stored SQL");
            self.refuse(
                at,
                &what,
                "it may only read, and must answer the same whenever it is asked about the same instant",
            );
        }
    }

    /// Refuses `schema.relation` behind FROM, JOIN and their commas, whatever the schema is called.
    fn relations(&mut self, words: &[TokenWithSpan]) {
        let mut frames = vec![Frame::default()];
        for (number, word) in words.iter().enumerate() {
            let before = number.checked_sub(1).and_then(|before| words.get(before));
            let before = before.and_then(|word| bare(&word.token));
            let next = words.get(number + 1).map(|word| &word.token);
            let Some(frame) = frames.last_mut() else { return };
            match &word.token {
                Token::LParen => {
                    let inner = Frame {
                        selects: false,
                        lists: frame.expects,
                        expects: frame.expects,
                    };
                    frame.expects = false;
                    frames.push(inner);
                }
                Token::RParen => {
                    frames.pop();
                }
                Token::Comma => frame.expects = frame.lists,
                Token::Word(_) => {
                    let is_relation =
                        frame.expects && !frame.is_keyword(bare(&word.token), before.as_deref());
                    if is_relation {
                        frame.expects = false;
                        let name = name_of(&word.token).unwrap_or_default();
                        let is_told = SCHEMAS.contains(&name.as_str());
                        if next == Some(&Token::Period) && !is_told {
                            let what = format!("`{name}.…` is a qualified name");
                            self.refuse(word.span.start, &what, "write the bare name of a view");
                        }
                    } else if !frame.expects {
                        frame.is_keyword(bare(&word.token), before.as_deref());
                    }
                }
                _ => {}
            }
        }
    }

    /// The SQL with `$1` in place of `:'name'`, every character where it was.
    fn parameters(&mut self, sql: &str, words: &[TokenWithSpan], parameters: &[&str]) -> String {
        let mut replaced = sql.to_owned();
        let mut used = vec![false; parameters.len()];
        for pair in words.windows(2) {
            let [colon, value] = pair else { continue };
            if colon.token != Token::Colon {
                continue;
            }
            let at = colon.span.start;
            match &value.token {
                Token::SingleQuotedString(name) => match parameters.iter().position(|known| known == name) {
                    Some(number) => {
                        if let Some(used) = used.get_mut(number) {
                            *used = true;
                        }
                        let width = name.len() + 3;
                        let holder = format!("{:<width$}", format!("${}", number + 1));
                        if let Some(begin) = offset(sql, at) {
                            replaced.replace_range(begin..begin + width, &holder);
                        }
                    }
                    None => {
                        let what = format!("parameter `{name}` is not declared");
                        self.refuse(at, &what, "a report declares it under `parameters`");
                    }
                },
                Token::Word(word) => {
                    let what = format!("`:{}` is not quoted", word.value);
                    self.refuse(at, &what, &format!("write :'{}', cast where needed", word.value));
                }
                _ => {}
            }
        }
        for (name, _) in parameters.iter().zip(&used).filter(|(_, used)| !**used) {
            let begin = Location { line: 1, column: 1 };
            self.refuse(
                begin,
                &format!("parameter `{name}` is declared and not used"),
                &format!("write :'{name}' in the SQL"),
            );
        }
        replaced
    }
}

/// What is known of one pair of brackets while its relations are looked for.
#[derive(Default)]
struct Frame {
    /// A SELECT began in it, so that its FROM names relations (that of `extract` does not).
    selects: bool,
    /// Within a list of relations.
    lists: bool,
    /// The next name is a relation.
    expects: bool,
}

impl Frame {
    /// Takes note of a keyword; false for any other word.
    fn is_keyword(&mut self, word: Option<String>, before: Option<&str>) -> bool {
        match word.as_deref() {
            Some("select") => {
                self.selects = true;
                self.lists = false;
                self.expects = false;
            }
            Some("from") if self.selects && before != Some("distinct") => {
                self.lists = true;
                self.expects = true;
            }
            Some("join") => self.expects = true,
            Some("on" | "using") => self.expects = false,
            Some(
                "where" | "group" | "order" | "having" | "limit" | "offset" | "fetch" | "window" | "union"
                | "intersect" | "except" | "for" | "values",
            ) => {
                self.lists = false;
                self.expects = false;
            }
            Some("lateral" | "only") => {}
            _ => return false,
        }
        true
    }
}

/// The word as PostgreSQL folds it; `None` if it is quoted or no word.
fn bare(token: &Token) -> Option<String> {
    match token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_lowercase()),
        _ => None,
    }
}

/// The name a word stands for, quoted or not.
fn name_of(token: &Token) -> Option<String> {
    match token {
        Token::Word(word) if word.quote_style.is_some() => Some(word.value.clone()),
        token => bare(token),
    }
}

/// True if the brackets that begin `words` hold one argument.
fn has_one_argument(words: &[TokenWithSpan]) -> bool {
    let mut depth = 0_usize;
    for word in words {
        match word.token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 1 => return true,
            Token::RParen => depth = depth.saturating_sub(1),
            Token::Comma if depth == 1 => return false,
            _ => {}
        }
    }
    true
}

/// Byte offset of a place within `sql`.
fn offset(sql: &str, at: Location) -> Option<usize> {
    let (line, column) = (usize::try_from(at.line).ok()?, usize::try_from(at.column).ok()?);
    let before: usize = sql
        .split_inclusive('\n')
        .take(line.checked_sub(1)?)
        .map(str::len)
        .sum();
    let rest = sql.get(before..)?;
    rest.char_indices()
        .nth(column.checked_sub(1)?)
        .map(|(within, _)| before + within)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusals(sql: &str) -> Vec<String> {
        match check(Path::new("a.sql"), sql, 5, &[]) {
            Ok(_) => Vec::new(),
            Err(refusals) => refusals.iter().map(ToString::to_string).collect(),
        }
    }

    #[track_caller]
    fn refused(sql: &str, begin: &str) {
        let refusals = refusals(sql);
        assert!(
            refusals.iter().any(|refusal| refusal.starts_with(begin)),
            "{sql}: {refusals:#?}"
        );
    }

    #[track_caller]
    fn allowed(sql: &str) {
        assert_eq!(refusals(sql), Vec::<String>::new(), "{sql}");
    }

    #[test]
    fn one_select_over_bare_names_is_allowed() {
        allowed("select n.node, p.pod from node as n, pod as p where n.node = p.node;");
        allowed(
            "with old as (select * from pod where created_at < as_of() - interval '1 day') select * from old -- all\n",
        );
        allowed("(select 1) union all (select 2)");
        allowed("select extract(epoch from n.created_at), substring(n.node from 1 for 3) from node as n");
        allowed(
            "select count(*) filter (where p.phase is distinct from p.reason) from pod as p group by p.node, p.cluster",
        );
        allowed(
            "select p.pod from (pod as p join node as n on p.node = n.node), lateral jsonb_each(p.labels) as l",
        );
        allowed("select x.a from (values (1, 2)) as x (a, b)");
        allowed(
            "select 'insert into ledger.pod; now()' as text, $$ now() $$ as other, age(as_of(), created_at) from pod",
        );
        allowed("select pg_size_pretty(memory_capacity_bytes) from node -- now() /* ledger.x */");
        allowed("select date_trunc('hour', as_of()) as now, labels ->> 'update' as \"update\" from node");
    }

    #[test]
    fn clocks_are_refused_by_line_and_column() {
        refused(
            "select\n    now()",
            "a.sql:6:5: `now()` reads the clock; ask as_of()",
        );
        refused("select NOW ( )", "a.sql:5:8: `now()` reads the clock");
        refused(
            "select current_timestamp",
            "a.sql:5:8: `current_timestamp` reads the clock",
        );
        refused("select clock_timestamp(), 1", "a.sql:5:8: `clock_timestamp()`");
        refused("select current_date - 1", "a.sql:5:8: `current_date`");
        refused("select localtime", "a.sql:5:8: `localtime`");
        refused("select age(created_at) from pod", "a.sql:5:8: `age(…)`");
        refused(
            "select * from pod where created_at > 'yesterday'",
            "a.sql:5:38: 'yesterday' is a clock",
        );
        refused("select 'Now'::timestamptz", "a.sql:5:8: 'Now' is a clock");
    }

    #[test]
    fn qualified_names_and_the_private_schema_are_refused() {
        refused(
            "select * from ledger.pod",
            "a.sql:5:15: `ledger.pod`: schema ledger is private",
        );
        refused(
            "select * from \"ledger\".pod",
            "a.sql:5:15: `ledger.pod`: schema ledger",
        );
        refused(
            "select * from fleet.pod",
            "a.sql:5:15: `fleet.pod` is a qualified name",
        );
        refused(
            "select * from pod, fleet_asof.node",
            "a.sql:5:20: `fleet_asof.node`",
        );
        refused(
            "select * from pod join mine.node on true",
            "a.sql:5:24: `mine.…` is a qualified name",
        );
        refused("select * from pod as p, mine.node", "a.sql:5:25: `mine.…`");
        refused("select * from (mine.node cross join pod)", "a.sql:5:16: `mine.…`");
        refused(
            "select pg_catalog.now()",
            "a.sql:5:8: `pg_catalog.now` is a qualified name",
        );
        refused("select mine.f(1)", "a.sql:5:8: `mine.f` is a qualified name");
        refused("select 1::pg_catalog.text", "a.sql:5:11: `pg_catalog.text`");
        refused(
            "select (select max(x.a) from mine.x as x)",
            "a.sql:5:30: `mine.…`",
        );
    }

    #[test]
    fn anything_but_one_select_is_refused() {
        refused("", "a.sql:5:1: there is no SQL");
        refused("-- nothing\n", "a.sql:5:1: there is no SQL");
        refused(
            "update pod set node = ''",
            "a.sql:5:1: `update` does not begin a SELECT",
        );
        refused("values (1)", "a.sql:5:1: `values` does not begin");
        refused("table pod", "a.sql:5:1: `table` does not begin");
        refused("explain select 1", "a.sql:5:1: `explain` does not begin");
        refused("select 1;\nselect 2", "a.sql:6:1: a second statement begins here");
        refused("select 1; set role fleetledger", "a.sql:5:11: a second statement");
        refused(
            "with x as (delete from pod returning *) select * from x",
            "a.sql:5:12: `delete`",
        );
        refused(
            "with x as (insert into pod select 1) select 1",
            "a.sql:5:12: `insert`",
        );
        refused("select * into copy from pod", "a.sql:5:10: `into`");
        refused("select * from pod for update", "a.sql:5:23: `update`");
        refused("select 1 \\gset", "a.sql:5:10: a psql command");
        refused("select 'open", "a.sql:5:8: the SQL cannot be read");
        refused("select 1 /* open", "a.sql:5:");
    }

    #[test]
    fn what_changes_waits_locks_or_reaches_out_is_refused() {
        for call in [
            "set_config('fleet.as_of', '', true)",
            "pg_sleep(1)",
            "pg_sleep_for('1s')",
            "pg_advisory_lock(1)",
            "pg_try_advisory_xact_lock(1)",
            "dblink('host=x', 'select 1')",
            "dblink_exec('drop')",
            "lo_import('/etc/passwd')",
            "lo_get(1)",
            "nextval('s')",
            "pg_read_file('x')",
            "pg_terminate_backend(1)",
            "pg_notify('a', 'b')",
            "query_to_xml('select now()', true, true, '')",
            "random()",
            "\"set_config\"('a', 'b', true)",
        ] {
            refused(&format!("select {call}"), "a.sql:5:8: `");
        }
        refused(
            "select * from pg_stat_activity",
            "a.sql:5:15: `pg_stat_activity` is about the server",
        );
    }

    #[test]
    fn parameters_keep_every_character_in_its_place() {
        let sql = "select :'team', 1 -- :'no'\nwhere a > :'days'::integer and b = :'team'; -- end";
        let checked = check(Path::new("a.sql"), sql, 5, &["days", "team"]).unwrap();
        assert_eq!(
            checked,
            "select $2     , 1 -- :'no'\nwhere a > $1     ::integer and b = $2     "
        );
        let wrong = |sql: &str| check(Path::new("a.sql"), sql, 5, &["days"]).unwrap_err()[0].to_string();
        assert!(wrong("select :'day', :'days'").starts_with("a.sql:5:8: parameter `day` is not declared"));
        assert!(wrong("select :days, :'days'").starts_with("a.sql:5:8: `:days` is not quoted"));
        assert!(wrong("select $1, :'days'").starts_with("a.sql:5:8: `$1` has no value"));
        assert!(wrong("select 1").starts_with("a.sql:5:1: parameter `days` is declared and not used"));
    }
}
