//! The commands around stored SQL, as an author uses them.

use crate::support::{BinaryFixture, migrated, postgres};

#[tokio::test]
async fn a_new_rule_is_written_checked_listed_and_asked() {
    let server = postgres().await;
    migrated(&server, "ledger").await;
    let reader = format!("postgres://fleetledger_reader@127.0.0.1:{}/ledger", server.port());
    let setup = BinaryFixture::new("");
    let queries = setup.folder.path().join("queries");
    let queries = queries.to_str().unwrap();

    let (code, text) = setup.run_to_text(&["rules", "new", "node-cordoned", "--path", queries]);
    assert_eq!(code, 0, "{text}");
    let (code, text) = setup.run_to_text(&["rules", "new", "node-cordoned", "--path", queries]);
    assert!(
        code != 0 && text.contains("is there already; nothing was written"),
        "{text}"
    );
    setup.run_to_text(&["rules", "new", "nodes-of", "--kind", "report", "--path", queries]);

    let check = ["rules", "check", queries, "--postgres", &reader];
    let (code, text) = setup.run_to_text(&check);
    assert!(
        code == 0 && text.contains("2 files are good: 1 alerts, 0 metrics, 0 rollups, 1 reports"),
        "{text}"
    );
    let (_, text) = setup.run_to_text(&["rules", "list", queries]);
    assert!(
        text.contains("node-cordoned  alert   node-cordoned  1m        10m  ticket"),
        "{text}"
    );
    let (code, text) = setup.run_to_text(&[
        "report",
        "nodes-of",
        "--path",
        queries,
        "--postgres",
        &reader,
        "--param",
        "rows=3",
    ]);
    assert!(code == 0 && text.ends_with("0 rows\n"), "{text}");
    let (code, text) = setup.run_to_text(&["report", "nodes", "--path", queries, "--postgres", &reader]);
    assert!(
        code != 0 && text.contains("there is no report `nodes`; there are nodes-of"),
        "{text}"
    );

    let file = format!("{queries}/alerts/node-cordoned.sql");
    let broken = std::fs::read_to_string(&file)
        .unwrap()
        .replace("kubelet_version,", "kubelet,");
    std::fs::write(&file, broken).unwrap();
    let (code, text) = setup.run_to_text(&check);
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("node-cordoned.sql:22:5: column \"kubelet\" does not exist"),
        "{text}"
    );
    std::fs::remove_file(setup.folder.path().join("docs/runbooks/node-cordoned.md")).unwrap();
    let (_, text) = setup.run_to_text(&check);
    assert!(
        text.contains("node-cordoned.md is not there") && text.contains("2 faults in 1 files"),
        "{text}"
    );

    // Whoever could do more than read is refused: stored SQL must not run as them.
    let (code, text) = setup.run_to_text(&["rules", "run", &file, "--postgres", &server.url_of("ledger")]);
    assert!(code != 0 && text.contains("is a superuser"), "{text}");
}
