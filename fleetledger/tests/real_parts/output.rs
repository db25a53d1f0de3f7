//! Answers of commands as table, JSON, YAML and CSV: the same data in each, as other programs read it.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{self, BinaryFixture};

/// Reads the three forms of one answer with Python's own parsers: JSON and YAML are one document, and CSV holds the rows that
/// stand in it. PyYAML knows YAML 1.1, in which an unquoted `yes` is no text.
const COMPARE: &str = r#"
import csv, io, json, re, sys
try:
    import yaml
except ImportError:
    yaml = None

def cell(value):
    if value is None: return ''
    if isinstance(value, str): return value
    return json.dumps(value)

# Each form is another run of the command: what passes between them is no difference.
def steady(value, name=''):
    if name in ('at', 'seconds', 'notifications'): return None
    if name == 'detail': return re.sub(r'[-+]?[0-9.]+', 'N', value) if value else value
    if isinstance(value, dict): return {name: steady(member, name) for name, member in value.items()}
    if isinstance(value, list): return [steady(member) for member in value]
    return value

def same(name, text, value):
    if name == 'notifications': return True
    if name == 'detail': return steady(text, name) == steady(value or '', name)
    if isinstance(value, (list, dict)): return json.loads(text) == value
    if isinstance(value, float): return float(text) == value
    return text == cell(value)

forms = json.load(sys.stdin)
document = json.loads(forms['json'])
if yaml is not None:
    class Loader(yaml.SafeLoader): pass
    # An instant is text in JSON, and YAML's own type in YAML 1.1.
    Loader.yaml_implicit_resolvers = {
        first: [pair for pair in pairs if pair[0] != 'tag:yaml.org,2002:timestamp']
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()}
    read = yaml.load(forms['yaml'], Loader)
    assert steady(read) == steady(document), ('yaml', read, document)
assert forms['csv'].endswith('\r\n'), forms['csv']
rows = list(csv.reader(io.StringIO(forms['csv'], newline=''), strict=True))
head, rows = rows[0], rows[1:]
assert len(set(head)) == len(head), head
for step in forms['at']:
    # Sets of rows by name, in which a row lacks what all of them have in common.
    document = [row for rows in document for row in rows.values()] if step == '*' else document[step]
if isinstance(document, dict): document = [document]
assert len(rows) == len(document), (rows, document)
for row, fields in zip(rows, document):
    assert len(row) == len(head), (head, row)
    for name, text in zip(head, row):
        if '*' in forms['at'] and name not in fields: continue
        assert same(name, text, fields.get(name)), (name, text, fields)
print(len(rows), 'rows', 'of', len(head), 'columns', '' if yaml else '(YAML not read: no PyYAML)')
"#;

/// Names that a form could spoil.
const LEDGER: &str = "
    select ledger.ensure_partitions();
    insert into ledger.cluster (datacenter, cluster, cluster_uid, first_seen_at) values
        ('dfw', 'yes', '0123', '2026-01-01'), ('dfw', 'null', '12:30:45', '2026-01-01'), ('iad', '1e3', '~', '2026-01-02');
    insert into ledger.setting (name, value) values ('owners.namespace_label', 'team');
    insert into ledger.team_role (team, role_name) values ('red, \"white\"', 'fleetledger_team_red');
    insert into ledger.dead_letter (topic, partition, record_offset, datacenter, cluster, cluster_uid, reason, detail,
        record_key, record_value, record_headers)
    values ('t', 1, 7, 'dfw', 'yes', '0123', 'bad_magic', e'a, \"b\"\\nc', 'k', '\\x0102', '[[\"ce_id\", \"on\"]]'),
        ('t', 1, 8, null, null, null, 'bad_key', '', null, null, '[]')";

const SQL: &str = "select 'yes' as a, '012' as b, '1:20' as c, e'two\\nlines' as d, ',' as e, '\"' as f, null::text as g, \
    1.50::numeric as h, 12345678901234567890123::numeric as i, true as j, array[1, 2] as k, '{\"x\": [1, null]}'::jsonb as l, \
    timestamptz '2026-01-01' as m, 'NaN'::float8 as n, '' as o, 9007199254740993::bigint as p, ' lead' as q, 1 as a, '#' as r, '- x' as s";

/// Commands with data, and where in their document the rows of CSV stand.
const COMMANDS: &[(&[&str], &[&str])] = &[
    (&["clusters", "list"], &[]),
    (&["teams", "list"], &[]),
    (&["dead-letters", "list"], &[]),
    (&["dead-letters", "show", "1"], &[]),
    (&["dead-letters", "show", "2"], &[]),
    (&["dead-letters", "replay", "--dry-run"], &["letters"]),
    (&["status"], &["standing", "clusters"]),
    (&["audit"], &[]),
    (&["doctor", "--list"], &[]),
    (&["doctor", "--only", "postgres"], &["findings"]),
    (&["config", "show"], &["-"]),
    (&["version"], &[]),
    (&["sql", "-c", SQL], &[]),
    (
        &[
            "sql",
            "-c",
            "select cluster, age_seconds from cluster where false",
        ],
        &[],
    ),
    (&["rules", "list", "QUERIES"], &["queries"]),
    (
        &["rules", "check", "QUERIES/bad", "--postgres", "URL"],
        &["faults"],
    ),
    (&["rules", "check", "QUERIES", "--postgres", "URL"], &["faults"]),
    (&["rules", "test", "QUERIES/alerts"], &["results"]),
    (
        &["report", "a", "--path", "QUERIES", "--postgres", "URL"],
        &["rows"],
    ),
    (
        &["rules", "run", "QUERIES/reports/a.sql", "--postgres", "URL"],
        &["rows"],
    ),
    (&["cost", "check", "QUERIES/prices"], &[]),
];

const REPORT: &str = "/*---\nreport: A\ndescription: a\n---*/\nselect cluster, state, age_seconds from cluster order by cluster\n";
pub(crate) const RULE: &str = "/*---
alert: Known
interval: 1m
timeout: 1s
for: 0s
cooldown: 0s
columns: {labels: [datacenter, cluster]}
labels: {severity: info, team: red}
annotations: {summary: \"{{ labels.cluster }}\", runbook: known}
freshness: none
---*/
select datacenter, cluster from cluster
";
const RULE_TEST: &str = "rule_files: [known.sql]
tests:
- name: a cluster that is known
  purpose: firing
  input_rows:
  - {table: node}
  alert_rule_test:
  - eval_time: 2m
    alertname: Known
    exp_alerts:
    - {exp_state: firing}
- name: a cluster that is not
  purpose: quiet
  alert_rule_test:
  - eval_time: 2m
    alertname: Known
    exp_alerts:
    - {exp_state: firing, exp_labels: {cluster: \"no, \\\"such\\\"\"}}
";

fn python(script: &str, input: &Value) -> Result<String, String> {
    use std::io::Write as _;
    let mut child = Command::new("python3")
        .args(["-c", script])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(input.to_string().as_bytes()).unwrap();
    drop(pipe);
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(text(&output.stderr)),
    }
}

/// Each form of an answer, as `run` gives it, holds the same; rows of CSV stand at that place of the document.
pub(crate) fn assert_same_in_every_format(run: impl Fn(&str) -> String, at: &[&str]) {
    let [document, yaml, csv] = ["json", "yaml", "csv"].map(run);
    let said = python(
        COMPARE,
        &json!({"json": document, "yaml": yaml, "csv": csv, "at": at}),
    );
    println!(
        "{}",
        said.unwrap_or_else(|why| panic!("{why}\n{document}\n{yaml}\n{csv}"))
    );
}

#[tokio::test]
async fn every_format_of_an_answer_holds_the_same_data() {
    let server = support::postgres().await;
    let url = support::migrated(&server, "ledger").await;
    support::client(&url).await.batch_execute(LEDGER).await.unwrap();
    let reader = url.replacen("fleetledger@", "fleetledger_reader@", 1);
    let setup = BinaryFixture::new(&format!("[postgres]\nurl = \"{url}\"\ntls = \"off\"\n"));
    let queries = setup.folder.path().join("queries");
    for (name, text) in [
        ("reports/a.sql", REPORT),
        ("alerts/known.sql", RULE),
        ("alerts/known.test.yaml", RULE_TEST),
        (
            "bad/reports/b.sql",
            "/*---\nreport: B\ndescription: b\n---*/\nselect nose, \"a,b\" from cluster\n",
        ),
    ] {
        let path = queries.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    std::fs::create_dir_all(queries.join("prices")).unwrap();
    let mut wrong = Vec::new();
    for (words, at) in COMMANDS {
        let words: Vec<String> = words
            .iter()
            .map(|word| {
                word.replace("QUERIES", queries.to_str().unwrap())
                    .replace("URL", &reader)
            })
            .collect();
        let run = |format: &str| {
            let words = words.iter().map(String::as_str).chain(["-o", format]);
            let output = setup.run(&words.collect::<Vec<_>>());
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            (output.status.code(), text(&output.stdout), text(&output.stderr))
        };
        let [document, yaml, csv] = ["json", "yaml", "csv"].map(run);
        // Each run of rule tests sets up a database of its own, and what people read of it is looked at elsewhere.
        let [table, wide] = match words.get(1).map_or("", String::as_str) {
            "test" => [document.clone(), document.clone()],
            _ => ["table", "wide"].map(run),
        };
        let codes = [&table, &wide, &document, &yaml, &csv].map(|(code, _, _)| *code);
        if codes
            .iter()
            .any(|code| *code != codes[0] || !matches!(code, Some(0 | 1)))
        {
            wrong.push(format!(
                "{words:?} ended with {codes:?}: {} {}",
                document.1, document.2
            ));
            continue;
        }
        if table.1.is_empty() || wide.1.is_empty() {
            wrong.push(format!("{words:?} says nothing to people: {}", table.2));
        }
        if *at == ["-"] {
            // Keys by their whole names, in CSV alone.
            continue;
        }
        match python(
            COMPARE,
            &json!({"json": document.1, "yaml": yaml.1, "csv": csv.1, "at": at}),
        ) {
            Ok(said) => println!("{} {}: {said}", words[0], words.get(1).map_or("", String::as_str)),
            Err(why) => wrong.push(format!("{words:?}: {why}\n{}\n{}\n{}", document.1, yaml.1, csv.1)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));

    // Names of fields are those of the view's columns, and numbers are numbers.
    let listed: Value = serde_json::from_slice(&setup.run(&["clusters", "list", "--json"]).stdout).unwrap();
    assert_eq!(listed[0]["cluster_uid"], "12:30:45", "{listed}");
    assert_eq!(
        (&listed[1]["datacenter"], &listed[1]["cluster"]),
        (&json!("dfw"), &json!("yes"))
    );
    let groups: Value =
        serde_json::from_slice(&setup.run(&["dead-letters", "list", "-o", "json"]).stdout).unwrap();
    assert_eq!(groups[0]["records"], 1);
    let (_, wide) = setup.run_to_text(&["clusters", "list", "-o", "wide"]);
    let (_, table) = setup.run_to_text(&["clusters", "list"]);
    assert!(
        wide.contains("retired") && !table.contains("retired"),
        "{wide}{table}"
    );
}

#[test]
fn errors_go_to_standard_error_whatever_the_format() {
    let setup = BinaryFixture::new("[postgres]\nurl = \"postgres://u@127.0.0.1:1/x\"\ntls = \"off\"\n");
    for format in ["table", "wide", "json", "yaml", "csv"] {
        let output = setup.run(&["clusters", "list", "-o", format]);
        assert_eq!(output.status.code(), Some(4));
        assert_eq!(output.stdout, b"", "{format}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("nothing listens there"));
    }
    let (code, said) = setup.run_to_text(&["clusters", "list", "--json", "-o", "csv"]);
    assert!(code == 2 && said.contains("cannot be used with"), "{code} {said}");
    let (code, said) = setup.run_to_text(&["clusters", "list", "-o", "xml"]);
    assert!(
        code == 2 && said.contains("table, wide, json, yaml, csv"),
        "{code} {said}"
    );
}
