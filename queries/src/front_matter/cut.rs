//! A file, cut into its front matter and its SQL.

use std::path::Path;

use crate::refusal::{FilePosition, QueryRefusal};

const OPENING: &str = "/*---";
const CLOSING: &str = "---*/";

/// A file, cut in two.
pub(crate) struct SplitFile<'t> {
    /// The YAML.
    pub(crate) yaml: &'t str,
    /// Line of the file on which it begins.
    pub(crate) yaml_line: u32,
    /// What follows the comment.
    pub(crate) sql: &'t str,
    /// Line of the file on which that begins.
    pub(crate) sql_line: u32,
}

/// Cuts a file at the end of its front matter.
pub(crate) fn split<'t>(file: &Path, text: &'t str) -> Result<SplitFile<'t>, QueryRefusal> {
    let mut lines = text.split_inclusive('\n');
    let head = lines.next().unwrap_or_default();
    if head.trim_end() != OPENING {
        return Err(QueryRefusal::new(
            file,
            FilePosition::line(1),
            "the file does not begin with front matter",
        )
        .fix(format!(
            "begin the file with a line `{OPENING}`, keys in YAML, and a line `{CLOSING}`"
        )));
    }
    let mut end = head.len();
    for (line, content) in (2_u32..).zip(lines) {
        if content.trim_end() == CLOSING {
            let sql = end + content.len();
            return Ok(SplitFile {
                yaml: text.get(head.len()..end).unwrap_or_default(),
                yaml_line: 2,
                sql: text.get(sql..).unwrap_or_default(),
                sql_line: line + 1,
            });
        }
        for mark in ["/*", "*/"] {
            if content.contains(mark) {
                let what = format!("`{mark}` inside the front matter");
                return Err(QueryRefusal::new(file, FilePosition::line(line), what)
                    .fix("remove it: PostgreSQL's comments nest, and the query could become part of one"));
            }
        }
        end += content.len();
    }
    Err(
        QueryRefusal::new(file, FilePosition::line(1), "the front matter does not end")
            .fix(format!("end it with a line that contains only `{CLOSING}`")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Result<SplitFile<'_>, String> {
        split(Path::new("a.sql"), text).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn front_matter_ends_at_its_own_line_and_sql_keeps_its_line_number() {
        let parts = cut("/*---\nalert: A\nfor: 5m\n---*/\nselect 1\n").unwrap();
        assert_eq!(parts.yaml, "alert: A\nfor: 5m\n");
        assert_eq!((parts.sql, parts.sql_line), ("select 1\n", 5));
    }

    #[test]
    fn comment_marks_inside_are_refused_by_line() {
        let nested = cut("/*---\nalert: A # /* see\n---*/\nselect 1").err().unwrap();
        assert!(
            nested.starts_with("a.sql:2: `/*` inside the front matter"),
            "{nested}"
        );
        let early = cut("/*---\nalert: A\nsummary: x */\n---*/\nselect 1")
            .err()
            .unwrap();
        assert!(early.starts_with("a.sql:3: `*/` inside"), "{early}");
        let open = cut("/*---\nalert: A\n").err().unwrap();
        assert!(
            open.starts_with("a.sql:1: the front matter does not end"),
            "{open}"
        );
        let none = cut("select 1").err().unwrap();
        assert!(
            none.starts_with("a.sql:1: the file does not begin with front matter"),
            "{none}"
        );
    }
}
