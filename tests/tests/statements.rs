//! Every SQL text that a constant names is one that the server accepts: against the schema that ships, and with the rights
//! of the role that runs it.
//!
//! A name that ends in `_TEMPLATE` says that the text is SQL only once it is filled in; such texts are left out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test may fail it"
)]

use std::{
    collections::BTreeMap,
    io::Cursor,
    path::{Path, PathBuf},
};

use fleetledger_local::{postgres::LocalPostgres, skip::unless_available};
use fleetledger_schema::postgres::PostgresConnector;
use fleetledger_tests::{
    census::{NamedStatement, SqlLiterals, source_files, sql_literals},
    database::LedgerDatabase,
    parts::cache,
};
use tokio_postgres::Client;

/// Statements that may stand within functions: those that are put together from parts which only the program knows, and
/// those that nobody has named yet. It only ever gets lower.
const MOST_INLINE: usize = 75;

const OWNER: &str = "fleetledger";
const INGESTER: &str = "fleetledger_ingest";
const EVALUATOR: &str = "fleetledger_evaluate";
const READER: &str = "fleetledger_reader";

/// Whose session runs what is below a path: the first that fits; everything else is the owner's.
const ROLES: &[(&str, &str)] = &[
    ("trials/src/", OWNER),
    ("alerts/src/", EVALUATOR),
    ("console/src/", READER),
    ("cost/src/allocation/", READER),
    ("cost/src/rating.rs", EVALUATOR),
    ("cost/src/unmatched.rs", READER),
    ("fleetledger/src/demo/questions.rs", READER),
    ("fleetledger/src/reaper.rs", EVALUATOR),
    ("ingest/src/", INGESTER),
    ("queries/src/connection.rs", READER),
    ("queries/src/sources.rs", READER),
    ("queries/src/", EVALUATOR),
];

/// Constants that cannot be checked, each with why: file, name, reason.
const EXCEPTIONS: &[(&str, &str, &str)] = &[(
    "dashboards/src/variable.rs",
    "VARIABLES",
    "Grafana fills in its variables; the tests of dashboards/ ask these queries as Grafana does",
)];

fn literals() -> SqlLiterals {
    let root: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    sql_literals(&source_files(&root))
}

fn role_of(path: &str) -> &'static str {
    let found = ROLES.iter().find(|(below, _)| path.starts_with(below));
    found.map_or(OWNER, |(_, role)| role)
}

fn is_exception(named: &NamedStatement) -> bool {
    EXCEPTIONS
        .iter()
        .any(|(path, name, _)| *path == named.place.path && *name == named.name)
}

/// Temporary tables are made before what reads them, wherever that stands.
fn makes_tables(named: &NamedStatement) -> bool {
    named.place.text.trim_start().starts_with("create temp table")
}

#[tokio::test]
async fn named_statements_fit_the_schema_and_the_rights_of_their_role() {
    let test = "named_statements_fit_the_schema_and_the_rights_of_their_role";
    let postgres = LocalPostgres::builder().temporary().fast().start(&cache()).await;
    let Some(postgres) = unless_available(test, postgres).unwrap() else {
        return;
    };
    let database = LedgerDatabase::create(&postgres, "statements").await;
    let mut sessions: BTreeMap<&str, Client> = BTreeMap::new();
    for role in [OWNER, INGESTER, EVALUATOR, READER] {
        let url = database
            .owner_url
            .replacen("fleetledger@", &format!("{role}@"), 1);
        let connector = PostgresConnector::new(url.parse().unwrap(), None);
        sessions.insert(role, connector.connect("test").await.unwrap());
    }
    let found = literals();
    let mut named: Vec<&NamedStatement> = found
        .named
        .iter()
        .filter(|one| !one.name.ends_with("_TEMPLATE") && !is_exception(one))
        .collect();
    named.sort_by_key(|one| !makes_tables(one));
    let (mut checked, mut failures) = (0, Vec::new());
    for one in &named {
        let role = role_of(&one.place.path);
        for statement in statements(&one.place.text) {
            match check(&sessions[role], statement).await {
                Ok(()) => checked += 1,
                Err(why) => failures.push(format!(
                    "{}:{} {} as {role}: {why}",
                    one.place.path, one.place.line, one.name
                )),
            }
        }
    }
    println!(
        "{checked} statements in {} named texts fit the schema, {} texts are templates or exceptions, {} stand within functions",
        named.len(),
        found.named.len() - named.len(),
        found.inline.len()
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(checked > 150, "{checked} statements were found");
}

/// The server prepares a statement and plans it, which is when it looks at the rights of the role; it runs nothing but
/// settings and temporary tables.
async fn check(client: &Client, statement: &str) -> Result<(), String> {
    let verb = statement.split_whitespace().next().unwrap_or_default();
    let checked = match verb {
        "create" => client.batch_execute(statement).await,
        "set" | "lock" | "alter" | "drop" => {
            let alone = format!("begin;\n{statement};\nrollback");
            client.batch_execute(&alone).await
        }
        // The sink is dropped: nothing is copied.
        "copy" => client.copy_in::<_, Cursor<Vec<u8>>>(statement).await.map(|_| ()),
        _ => plan(client, statement).await,
    };
    let checked = checked.map_err(|error| {
        let said = error.as_db_error().map(|said| said.message().to_owned());
        said.unwrap_or_else(|| error.to_string())
    });
    // What failed in the middle of a transaction must not fail what comes next.
    let _ = client.batch_execute("rollback; deallocate checked").await;
    checked
}

async fn plan(client: &Client, statement: &str) -> Result<(), tokio_postgres::Error> {
    client
        .batch_execute(&format!("prepare checked as {statement}\n"))
        .await?;
    let count = "select cardinality(parameter_types) from pg_prepared_statements where name = 'checked'";
    let count: i32 = client.query_one(count, &[]).await?.get(0);
    let arguments = match usize::try_from(count).unwrap() {
        0 => String::new(),
        count => format!("({})", vec!["null"; count].join(", ")),
    };
    client
        .batch_execute(&format!("explain execute checked{arguments}"))
        .await
}

/// The statements of a script: cut at semicolons that stand neither in a text nor in a comment.
fn statements(script: &str) -> Vec<&str> {
    let (mut parts, mut begin) = (Vec::new(), 0);
    let (mut is_text, mut is_comment) = (false, false);
    for (at, letter) in script.char_indices() {
        match letter {
            '\n' => is_comment = false,
            _ if is_comment => {}
            '\'' => is_text = !is_text,
            '-' if !is_text && script[at..].starts_with("--") => is_comment = true,
            ';' if !is_text => {
                parts.push(&script[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&script[begin..]);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

#[test]
fn scripts_are_cut_between_statements() {
    let script = "select ';' from a; -- it's one; comment\nselect 2;\n";
    assert_eq!(
        statements(script),
        ["select ';' from a", " -- it's one; comment\nselect 2"]
    );
}

#[test]
fn statements_have_names() {
    let inline = literals().inline;
    println!("{} statements stand within functions", inline.len());
    let places: Vec<String> = inline
        .iter()
        .map(|place| format!("{}:{}", place.path, place.line))
        .collect();
    assert!(
        inline.len() <= MOST_INLINE,
        "{} statements stand within functions, {MOST_INLINE} may; name what is new as a constant:\n{}",
        inline.len(),
        places.join("\n")
    );
}

#[test]
fn exceptions_are_still_there() {
    let named = literals().named;
    for (path, name, _) in EXCEPTIONS {
        let is_there = |one: &NamedStatement| one.place.path == *path && one.name == *name;
        assert!(named.iter().any(is_there), "{path} has no {name}");
    }
}
