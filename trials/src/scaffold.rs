//! What a new query begins as: files that are accepted as they stand, to be edited.

use std::path::PathBuf;

use fleetledger_queries::QueryId;

/// A file to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    /// Where, below the folder of queries or, for a runbook, of runbooks.
    pub path: PathBuf,
    /// True for a runbook.
    pub is_runbook: bool,
    /// Its text.
    pub text: String,
}

/// What a new query is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewKind {
    /// An alert, with its test and its runbook.
    Alert,
    /// A metric.
    Record,
    /// A rollup.
    Rollup,
    /// A report.
    Report,
}

const ALERT: &str = "/*---
alert: {Name}
description: Nodes that have not been ready for a while.
group: {name}
interval: 1m
for: 10m
cooldown: 30m
repeat_interval: 4h
columns: {value: unready_seconds, labels: [datacenter, cluster, node], annotations: [kubelet_version]}
labels: {severity: ticket, team: platform}
annotations:
  summary: \"{{ labels.node }} of {{ labels.cluster }} has not been ready for {{ value | duration }}\"
  runbook: {name}
freshness: {by: [datacenter, cluster], max_age: 5m, kinds: [node]}
---*/
-- Write here why this matters. Every row is a problem; see docs/sql-reference.md for views and columns. Ask the object when
-- it happened: valid_from is when this version of it was first seen, which an edit of a label begins anew.
select
    datacenter,
    cluster,
    node,
    kubelet_version,
    extract(epoch from as_of() - coalesce(ready_since, created_at)) as unready_seconds
from node
where ready_status is distinct from 'True'
";

const TEST: &str = "rule_files: [{name}.sql]
tests:
- name: a node that stays unready fires after ten minutes
  purpose: firing
  input_rows:
  - {table: node, row: {ready_status: 'False', ready_since: 0m}}
  alert_rule_test:
  - eval_time: 9m
    alertname: {Name}
    exp_alerts:
    - {exp_state: pending, exp_labels: {node: n1}}
  - eval_time: 10m
    alertname: {Name}
    exp_alerts:
    - {exp_state: firing, exp_labels: {node: n1, severity: ticket}}
- name: a ready node fires no alert
  purpose: quiet
  input_rows:
  - {table: node, row: {ready_status: 'True'}}
  alert_rule_test:
  - eval_time: 30m
    alertname: {Name}
    exp_alerts: []
- name: ready again within the tenth minute it does not fire
  purpose: boundary
  input_rows:
  - {table: node, row: {ready_status: 'False', ready_since: 0m}}
  - {table: node, at: 10m, row: {ready_status: 'True'}}
  alert_rule_test:
  - eval_time: 9m
    alertname: {Name}
    exp_alerts:
    - {exp_state: pending, exp_labels: {node: n1}}
  - eval_time: 10m
    alertname: {Name}
    exp_alerts: []
";

const RUNBOOK: &str = "# {Name}

What it means for users, in two sentences.

## Likely causes

* The most frequent one first.

## Look

1. How bad is it?

```sql
select datacenter, cluster, node, ready_reason, ready_since from node where ready_status is distinct from 'True' order by ready_since;
```

2. When did it change?

```sql
select at_event.node, at_event.valid_from, at_event.ready_status
from node_history as at_event
where at_event.node = 'NODE'
order by at_event.valid_from desc
limit 20;
```

## End it

```console
$ kubectl describe node NODE
```

## Snooze

```console
$ fleetledger alerts snooze {Name} node=NODE --for 2h --reason \"disk swap\"
```
";

const RECORD: &str = "/*---
record: {name_}
help: Nodes by datacenter and cluster.
type: gauge
interval: 1m
group: {name}
columns: {value: nodes, labels: [datacenter, cluster]}
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
select datacenter, cluster, count(*) as nodes
from node
group by datacenter, cluster
";

const ROLLUP: &str = "/*---
rollup: {name_}
group: {name}
window: 1h
history: 1d
kinds: [pod]
columns: {dimensions: [datacenter, cluster, namespace], values: [pods]}
---*/
-- Every pod that lived within the window counts.
select datacenter, cluster, namespace, count(distinct uid) as pods
from pod_history
where valid_from < window_to() and (valid_to > window_from() or valid_to is null)
group by datacenter, cluster, namespace
";

const REPORT: &str = "/*---
report: {Title}
description: Nodes of a datacenter, newest first.
parameters:
- {name: datacenter, default: '', help: Which datacenter; empty = all.}
- {name: rows, type: integer, default: '50', help: How many.}
---*/
select datacenter, cluster, node, created_at
from node
where datacenter = :'datacenter' or :'datacenter' = ''
order by created_at desc
limit :'rows'::integer
";

/// The files of a new query.
#[must_use]
pub fn files(id: &QueryId, kind: NewKind) -> Vec<NewFile> {
    let query = |folder: &str, ending: &str, text: &str| NewFile {
        path: PathBuf::from(folder).join(format!("{id}{ending}")),
        is_runbook: false,
        text: fill(text, id),
    };
    match kind {
        NewKind::Alert => vec![
            query("alerts", ".sql", ALERT),
            query("alerts", ".test.yaml", TEST),
            NewFile {
                is_runbook: true,
                ..query("", ".md", RUNBOOK)
            },
        ],
        NewKind::Record => vec![query("metrics", ".sql", RECORD)],
        NewKind::Rollup => vec![query("rollups", ".sql", ROLLUP)],
        NewKind::Report => vec![query("reports", ".sql", REPORT)],
    }
}

fn fill(text: &str, id: &QueryId) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| {
            first.to_ascii_uppercase().to_string() + letters.as_str()
        })
    };
    let words: Vec<&str> = id.as_str().split('-').collect();
    let camel: String = words.iter().map(|word| capital(word)).collect();
    // A name begins with a letter; a file may begin with a digit.
    let camel = if camel.starts_with(|first: char| first.is_ascii_digit()) {
        format!("Rule{camel}")
    } else {
        camel
    };
    let snake = words.join("_");
    let snake = if snake.starts_with(|first: char| first.is_ascii_digit()) {
        format!("fleet_{snake}")
    } else {
        snake
    };
    text.replace("{Name}", &camel)
        .replace("{Title}", &capital(&words.join(" ")))
        .replace("{name_}", &snake)
        .replace("{name}", id.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_is_accepted_as_written() {
        for name in ["node-cordoned", "3-nodes"] {
            let id = QueryId::parse(name).unwrap();
            for kind in [NewKind::Alert, NewKind::Record, NewKind::Rollup, NewKind::Report] {
                let file = &files(&id, kind)[0];
                let query = fleetledger_queries::parse(&file.path, "new", &file.text);
                assert_eq!(query.unwrap_or_else(|wrong| panic!("{wrong:#?}")).id, id);
            }
        }
        let alert = &files(&QueryId::parse("node-cordoned").unwrap(), NewKind::Alert);
        assert!(alert[0].text.starts_with("/*---\nalert: NodeCordoned\n"));
        assert_eq!(
            alert
                .iter()
                .map(|file| file.path.to_str().unwrap())
                .collect::<Vec<_>>(),
            [
                "alerts/node-cordoned.sql",
                "alerts/node-cordoned.test.yaml",
                "node-cordoned.md"
            ]
        );
    }
}
