//! The questions of docs/sql.md are asked as the reader.

use std::fs;

use fleetledger_dashboards::folder;

use crate::database::{filled_database, rows};

/// Statements of the page, each below its question.
fn questions(page: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for part in page.split("\n### ").skip(1) {
        let (asked, rest) = part.split_once('\n').unwrap();
        let (_, rest) = rest.split_once("```sql\n").unwrap();
        let (sql, _) = rest.split_once("\n```").unwrap();
        found.push((asked.to_owned(), sql.to_owned()));
    }
    found
}

#[tokio::test]
async fn twenty_questions_are_answered_to_the_reader() {
    let Some(filled) = filled_database("twenty_questions_are_answered_to_the_reader").await else {
        return;
    };
    let page = fs::read_to_string(folder().join("../docs/sql.md")).unwrap();
    let questions = questions(&page);
    assert_eq!(questions.len(), 20);
    let reader = filled.reader().await;
    let mut unanswered = Vec::new();
    for (asked, sql) in &questions {
        if rows(&reader, sql).await.is_empty() {
            unanswered.push(asked.as_str());
        }
    }
    // Nobody seeded a rollout, hostPath volumes, a container without a limit, or a change of the first node within the hour.
    let may_be = ["5.", "12.", "13.", "16.", "17."];
    unanswered.retain(|asked| !may_be.iter().any(|number| asked.starts_with(number)));
    assert_eq!(unanswered, Vec::<&str>::new());
}
