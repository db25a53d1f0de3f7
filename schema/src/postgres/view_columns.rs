//! Lines of views that say nothing but the columns of a table: written from `avro/*.avsc` into `postgres/columns/`, and put
//! in the place of `-- columns: <table>` in a view's file.

use std::borrow::Cow;

/// Table, and a line for each of its columns.
pub(super) const LINES: &[(&str, &str)] = &[
    ("node", include_str!("../../postgres/columns/node.sql")),
    ("pod", include_str!("../../postgres/columns/pod.sql")),
    ("container", include_str!("../../postgres/columns/container.sql")),
    ("namespace", include_str!("../../postgres/columns/namespace.sql")),
    ("workload", include_str!("../../postgres/columns/workload.sql")),
    ("watchdog", include_str!("../../postgres/columns/watchdog.sql")),
];

/// The text of a view's file with its columns in place. A column that has a line of its own is left out.
pub(super) fn expand(text: &str) -> Result<Cow<'_, str>, String> {
    let Some((before, rest)) = text.split_once("    -- columns: ") else {
        return Ok(Cow::Borrowed(text));
    };
    let (table, after) = rest.split_once('\n').unwrap_or((rest, ""));
    let lines = LINES.iter().find(|(name, _)| *name == table);
    let (_, lines) = lines.ok_or_else(|| format!("no table {table:?} has columns"))?;
    let from = format!("\nfrom {{{table}}} as ");
    let alias = after.split_once(&from).and_then(|(_, rest)| rest.lines().next());
    let alias = alias.ok_or_else(|| format!("no line begins with from {{{table}}} as"))?;
    let mut expanded = before.to_owned();
    for line in lines.lines() {
        let line = line.replace("{alias}", alias);
        if let Some(column) = column_of(&line, alias)
            && !text.lines().any(|own| column_of(own, alias) == Some(column))
        {
            expanded.push_str(&line);
            expanded.push('\n');
        }
    }
    Ok(Cow::Owned(expanded + after))
}

/// Column of the table `alias` that a select line shows.
fn column_of<'l>(line: &'l str, alias: &str) -> Option<&'l str> {
    let code = line.trim_start();
    let code = code.strip_prefix("round(").unwrap_or(code);
    let name = code.strip_prefix(alias)?.strip_prefix('.')?;
    let name = name.get(..name.find([',', ' ']).unwrap_or(name.len()))?;
    // A line that makes something else of the column does not show it.
    let behind = code.strip_prefix(alias)?.strip_prefix('.')?.strip_prefix(name)?;
    let shows = ["", ",", " --", " as ", " /"].iter().any(|next| {
        if next.is_empty() {
            behind.is_empty()
        } else {
            behind.starts_with(next)
        }
    });
    shows.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_with_a_line_of_its_own_is_left_out() {
        let text = "select\n    s.namespace, -- Mine.\n    -- columns: namespace\n    s.landed_at -- When.\nfrom {namespace} as s\n";
        let expanded = expand(text).unwrap();
        assert!(
            expanded.starts_with("select\n    s.namespace, -- Mine.\n    s.uid, -- "),
            "{expanded}"
        );
        assert!(expanded.contains("\n    s.phase, -- Active or Terminating.\n"));
        assert!(expanded.ends_with("\n    s.landed_at -- When.\nfrom {namespace} as s\n"));
        assert_eq!(expanded.matches("s.namespace").count(), 1);
    }

    #[test]
    fn a_column_that_another_is_made_of_keeps_its_line() {
        let text = "select\n    -- columns: namespace\n    s.phase = 'Active' as lives -- True.\nfrom {namespace} as s\n";
        assert!(
            expand(text)
                .unwrap()
                .contains("\n    s.phase, -- Active or Terminating.\n")
        );
    }

    #[test]
    fn an_unknown_table_or_one_the_view_is_not_about_is_refused() {
        assert!(expand("select\n    -- columns: nobody\nfrom {nobody} as n\n").is_err());
        assert!(expand("select\n    -- columns: pod\nfrom {node} as n\n").is_err());
    }
}
