//! docs/sql-reference.md is made of the view files and of the types a real database gives their columns.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod server;

use std::fmt::Write;

use fleetledger_schema::postgres::{ViewDoc, documented_views};
use tokio_postgres::Client;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/sql-reference.md");
const HEAD: &str = "# SQL reference

Every view of schema `fleet`, made from the comments that `\\d+ fleet.pod` shows too. This page is generated:
`cargo test -p fleetledger-schema --test reference` writes it anew and fails if it was not current.

A view marked *as of* also exists in schema `fleet_asof`, with the same columns: set `search_path = fleet_asof`
and `fleet.as_of = '2026-11-17 14:00+00'`, and the same query answers as of that instant. `…_at(instant)` does so in
one call. `…_history` shows every version with `valid_to` (NULL for the current one) and `closed_reason`; in
schema `fleet_asof` as it stood at that instant.
Instants are `timestamptz`; names end in `_at`. NULL means unknown or not set, never zero.
";

async fn describe(client: &Client, view: &ViewDoc, page: &mut String) {
    let types = client
        .query(
            "select format_type(atttypid, atttypmod) from pg_attribute
             where attrelid = to_regclass('fleet.' || $1) and attnum > 0 order by attnum",
            &[&view.name],
        )
        .await
        .unwrap();
    let name = &view.name;
    writeln!(page, "\n## {name}\n\n{}", view.comment).unwrap();
    let also: Vec<String> = view
        .forms
        .iter()
        .filter_map(|form| match form.as_str() {
            "asof" => Some(format!("as of (`fleet_asof.{name}`)")),
            "at" => Some(format!("`fleet.{name}_at(instant)`")),
            "history" => Some(format!("`fleet.{name}_history`")),
            _ => None,
        })
        .collect();
    if !also.is_empty() {
        writeln!(page, "\nAlso: {}.", also.join(", ")).unwrap();
    }
    writeln!(page, "\n| column | type | meaning |\n| --- | --- | --- |").unwrap();
    for (column, row) in view.columns.iter().zip(types) {
        let column_type: String = row.get(0);
        let column_type = column_type.replace("timestamp with time zone", "timestamptz");
        writeln!(
            page,
            "| `{}` | {column_type} | {} |",
            column.name,
            column.comment.replace('|', "\\|")
        )
        .unwrap();
    }
}

/// Functions that belong to no view: what they are called with, give and mean.
async fn describe_functions(client: &Client, views: &[ViewDoc], page: &mut String) {
    let of_views = views
        .iter()
        .filter(|view| view.forms.iter().any(|form| form == "at"));
    let of_views: Vec<String> = of_views.map(|view| format!("{}_at", view.name)).collect();
    const FUNCTIONS: &str = "
        select p.proname::text, pg_get_function_identity_arguments(p.oid), pg_get_function_result(p.oid),
            obj_description(p.oid, 'pg_proc')
        from pg_proc as p
        where p.pronamespace = 'fleet'::regnamespace and p.proname <> all ($1)
        order by p.proname";
    page.push_str("\n## Functions\n\n| function | gives | meaning |\n| --- | --- | --- |\n");
    for row in client.query(FUNCTIONS, &[&of_views]).await.unwrap() {
        let cells = [0, 1, 2, 3].map(|column| {
            let text: String = row.get(column);
            text.replace("timestamp with time zone", "timestamptz")
                .replace('|', "\\|")
        });
        let [name, arguments, gives, meaning] = cells;
        writeln!(page, "| `{name}({arguments})` | {gives} | {meaning} |").unwrap();
    }
}

#[tokio::test]
async fn sql_reference_is_current() {
    let (_server, connector) = server::migrated().await;
    let client = connector.connect("test").await.unwrap();
    let mut page = HEAD.to_owned();
    let views = documented_views().unwrap();
    for view in &views {
        describe(&client, view, &mut page).await;
    }
    describe_functions(&client, &views, &mut page).await;
    let current = std::fs::read_to_string(PATH).unwrap_or_default();
    if current != page {
        std::fs::write(PATH, &page).unwrap();
    }
    assert!(
        current == page,
        "docs/sql-reference.md was not current and has been written anew; commit it"
    );
}
