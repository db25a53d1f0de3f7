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
        code == 0 && text.contains("2 files are good: 1 alert, 0 metrics, 0 rollups, 1 report"),
        "{text}"
    );
    let (_, text) = setup.run_to_text(&["rules", "list", queries]);
    assert!(
        text.contains("node-cordoned  good   alert   node-cordoned  1m        10m  ticket"),
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
        text.contains(
            "node-cordoned.sql:22:5: column \"kubelet\" does not exist; did you mean `kubelet_version`?"
        ),
        "{text}"
    );
    std::fs::remove_file(setup.folder.path().join("docs/runbooks/node-cordoned.md")).unwrap();
    let (_, text) = setup.run_to_text(&check);
    assert!(
        text.contains("node-cordoned.md is not there") && text.contains("2 faults in 1 file\n"),
        "{text}"
    );

    // Whoever could do more than read is refused: stored SQL must not run as them.
    let (code, text) = setup.run_to_text(&["rules", "run", &file, "--postgres", &server.url_of("ledger")]);
    assert!(code != 0 && text.contains("is a superuser"), "{text}");
}

const ALERT: &str = "/*---
alert: NodeCordoned
interval: 1m
columns: {labels: [cluster, node]}
labels: {severity: ticket}
annotations: {summary: \"{{ labels.node }} is cordoned\", runbook_url: \"https://runbooks/x\"}
receivers: [pager]
---*/
select cluster, node from node where unschedulable
";

#[tokio::test]
async fn what_a_rule_names_and_is_not_there_is_said_with_what_may_have_been_meant() {
    let server = postgres().await;
    migrated(&server, "ledger").await;
    let reader = format!("postgres://fleetledger_rules@127.0.0.1:{}/ledger", server.port());
    let setup = BinaryFixture::new(
        "[receivers.pager]\nkind = \"webhook\"\nsecret_url = \"file:/nowhere\"\n\
         [receivers.mail]\nkind = \"webhook\"\nsecret_url = \"file:/nowhere\"\n",
    );
    let file = setup.folder.path().join("node-cordoned.sql");
    let check = |text: &str| {
        std::fs::write(&file, text).unwrap();
        setup.run_to_text(&["rules", "check", file.to_str().unwrap(), "--postgres", &reader])
    };
    let (code, text) = check(ALERT);
    assert!(
        code == 0 && text == "1 file is good: 1 alert, 0 metrics, 0 rollups, 0 reports\n",
        "{text}"
    );
    for (change, says) in [
        // The label first, which only the server knows to be none, and then the template that speaks of it.
        (
            ("[cluster, node]", "[cluster, nodd]"),
            &[
                ":4: the query has no column `nodd`; it has cluster, node",
                ":6: template `summary` uses `labels.node`, which does not exist; did you mean `labels.nodd`? \
                 there are alertname, value, labels.alertname, labels.cluster, labels.nodd, labels.severity",
            ][..],
        ),
        (
            ("{{ labels.node }}", "{{ node }}"),
            &[":6: template `summary` uses `node`, which does not exist; did you mean `labels.node`?"],
        ),
        (
            ("[pager]", "[pagre, nobody]"),
            &[
                ":7: the configuration has no receiver `pagre`; did you mean `pager`?",
                ":7: the configuration has no receiver `nobody`; it has mail, pager; add [receivers.nobody]",
            ],
        ),
        (
            ("from node ", "from nodes "),
            &[":9:27: relation \"nodes\" does not exist; did you mean `node`"],
        ),
        (
            ("where unschedulable", "where unscheduleable"),
            &[":9:38: column \"unscheduleable\" does not exist; did you mean `unschedulable`?"],
        ),
        (
            ("where unschedulable", "where n.colour = 'x'"),
            &[":9:38: missing FROM-clause entry for table \"n\""],
        ),
        (
            ("where unschedulable", "where colour = 'x'"),
            &[":9:38: column \"colour\" does not exist; docs/sql-reference.md lists the columns of node"],
        ),
    ] {
        let (code, text) = check(&ALERT.replace(change.0, change.1));
        assert_eq!(code, 1, "{change:?}: {text}");
        for (line, says) in text.lines().zip(says) {
            let said = line.split_once("node-cordoned.sql").unwrap_or_default().1;
            assert!(said.starts_with(says), "{change:?}: {says}\n{text}");
        }
        let last = match says.len() {
            1 => "1 fault in 1 file".to_owned(),
            several => format!("{several} faults in 1 file"),
        };
        assert_eq!(text.lines().last(), Some(last.as_str()), "{text}");
    }
    // Without a configuration nothing is known of receivers.
    let (code, text) = {
        std::fs::write(&file, ALERT.replace("[pager]", "[pagre]")).unwrap();
        let without = BinaryFixture::new("");
        without.run_to_text(&["rules", "check", file.to_str().unwrap(), "--postgres", &reader])
    };
    assert_eq!(code, 0, "{text}");
}
