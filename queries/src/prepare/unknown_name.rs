//! Tables and columns that the server does not know: which of the public views' were meant.

use std::collections::{BTreeMap, BTreeSet};

use super::question;
use crate::{
    cell::ResultCell,
    near_names::did_you_mean,
    query::StoredQuery,
    refusal::QueryRefusal,
    run::{QueryInvocation, RunError, SnapshotSession},
};

/// Every public view with its columns. Everybody may read the catalogue.
const READ_VIEW_COLUMNS: &str = "
    select c.relname::text, a.attname::text
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where n.nspname = 'fleet' and c.relkind = 'v'";

/// More columns than all views have together.
const MOST_COLUMNS: u32 = 50_000;

/// Views by name, and the columns of each.
pub(super) type ViewColumns = BTreeMap<String, BTreeSet<String>>;

/// What the server says is not there.
#[derive(Debug, PartialEq, Eq)]
enum UnknownName<'t> {
    Relation(&'t str),
    Column(&'t str),
}

/// The public views, as the server knows them.
pub(super) async fn read_views(
    session: &mut SnapshotSession<'_>,
    query: &StoredQuery,
) -> Result<ViewColumns, RunError> {
    let asked = QueryInvocation {
        sql: Some(READ_VIEW_COLUMNS.to_owned()),
        limit: Some(MOST_COLUMNS),
        parameters: Vec::new(),
        ..question(query, false)
    };
    let found = session.ask(query, &asked).await?;
    let text = |cells: &[ResultCell], place| cells.get(place).map(ResultCell::text).unwrap_or_default();
    let mut views = ViewColumns::new();
    for cells in &found.rows {
        views.entry(text(cells, 0)).or_default().insert(text(cells, 1));
    }
    Ok(views)
}

/// True where [`suggest`] may have something to say.
pub(super) fn is_about_a_name(refusal: &QueryRefusal) -> bool {
    unknown(&refusal.what).is_some()
}

/// The same refusal with the names that may have been meant. What PostgreSQL hints at gives way: it offers one name at most.
pub(super) fn suggest(query: &StoredQuery, refusal: QueryRefusal, views: &ViewColumns) -> QueryRefusal {
    let what = refusal.what.clone();
    let remedy = match unknown(&what) {
        Some(UnknownName::Relation(name)) => did_you_mean(name, views.keys().map(String::as_str))
            .unwrap_or_else(|| "docs/sql-reference.md lists the views".to_owned()),
        Some(UnknownName::Column(name)) => {
            let read: Vec<(&String, &BTreeSet<String>)> = read_by(query, views).collect();
            let columns = read.iter().flat_map(|(_, columns)| *columns).map(String::as_str);
            match did_you_mean(name, columns) {
                Some(names) => names,
                None if !refusal.remedy.is_empty() || read.is_empty() => return refusal,
                None => {
                    let names: Vec<&str> = read.iter().map(|(view, _)| view.as_str()).collect();
                    format!("docs/sql-reference.md lists the columns of {}", names.join(", "))
                }
            }
        }
        None => return refusal,
    };
    refusal.fix(remedy)
}

/// Views that stand behind `from` or `join` in a query.
fn read_by<'v>(
    query: &StoredQuery,
    views: &'v ViewColumns,
) -> impl Iterator<Item = (&'v String, &'v BTreeSet<String>)> {
    let words = query
        .sql
        .split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    let words: Vec<String> = words
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    let read = words.windows(2).filter_map(|pair| match pair {
        [before, name] if before == "from" || before == "join" => Some(name.clone()),
        _ => None,
    });
    let read: BTreeSet<String> = read.collect();
    views.iter().filter(move |(view, _)| read.contains(*view))
}

/// `relation "nodes" does not exist`, `column "nodd" does not exist`, `column n.nodd does not exist`. A server that speaks
/// another language gives no suggestion.
fn unknown(what: &str) -> Option<UnknownName<'_>> {
    let absent = what.strip_suffix(" does not exist")?;
    let last = |kind: &str| {
        let named = absent.strip_prefix(kind)?;
        let (_, name) = named.rsplit_once('.').unwrap_or(("", named));
        Some(name.trim_matches('"'))
    };
    match (last("relation "), last("column ")) {
        (Some(relation), _) => Some(UnknownName::Relation(relation)),
        (None, Some(column)) => Some(UnknownName::Column(column)),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_what_postgresql_says() {
        let cases = [
            (
                "relation \"nodes\" does not exist",
                Some(UnknownName::Relation("nodes")),
            ),
            (
                "column \"nodd\" does not exist",
                Some(UnknownName::Column("nodd")),
            ),
            ("column n.nodd does not exist", Some(UnknownName::Column("nodd"))),
            ("function asof() does not exist", None),
            ("syntax error at or near \"x\"", None),
        ];
        for (said, name) in cases {
            assert_eq!(unknown(said), name, "{said}");
        }
    }
}
