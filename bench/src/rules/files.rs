//! Rule files: the shipped ones, varied, and ones that always fire.

use std::{fs, path::Path};

use anyhow::Context as _;

/// Where the shipped rules stand.
const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../queries/alerts");

/// Writes every shipped rule once, and then again with another name, label and threshold until there are `wanted`.
/// Returns how many there are.
pub(super) fn shipped(folder: &Path, wanted: usize, interval: &str) -> anyhow::Result<usize> {
    let mut files: Vec<_> = fs::read_dir(SHIPPED)
        .with_context(|| format!("read {SHIPPED}"))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .collect();
    files.sort();
    let count = wanted.max(files.len());
    for (number, path) in files.iter().cycle().take(count).enumerate() {
        let variant = number / files.len();
        let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let varied = vary(&text, variant, interval).with_context(|| format!("vary {}", path.display()))?;
        fs::write(folder.join(format!("bench-{variant}-{name}")), varied)?;
    }
    Ok(count)
}

/// A shipped rule with another interval, name, label and threshold.
fn vary(text: &str, variant: usize, interval: &str) -> anyhow::Result<String> {
    let (head, sql) = text
        .split_once("---*/\n")
        .context("find the end of its front matter")?;
    let mut front = String::new();
    let mut value = "";
    for line in head.lines() {
        match line.split_once(": ") {
            Some(("interval", _)) => {
                front += &format!("interval: {interval}\ntimeout: {}\n", timeout(interval))
            }
            Some(("timeout" | "inhibits" | "receivers", _)) => {}
            Some(("alert", name)) => front += &format!("alert: {name}Variant{variant}\n"),
            Some(("labels", labels)) => {
                let labels = labels.trim_end_matches('}');
                front += &format!("labels: {labels}, variant: \"{variant}\"}}\n");
            }
            _ => {
                if let Some((_, rest)) = line.split_once("columns: {value: ") {
                    value = rest.split([',', '}']).next().unwrap_or_default();
                }
                front += line;
                front.push('\n');
            }
        }
    }
    anyhow::ensure!(!value.is_empty(), "it names no value");
    let sql = match variant {
        0 => sql.to_owned(),
        _ => {
            format!("select rule.*\nfrom (\n{sql}) as rule\nwhere rule.{value} is distinct from -{variant}\n")
        }
    };
    Ok(format!("{front}---*/\n{sql}"))
}

fn timeout(interval: &str) -> &'static str {
    if interval == "1m" { "50s" } else { "4s" }
}

/// Writes rules of 500 rows each, ten a cluster, all of which fire at once and page.
pub(super) fn firing(folder: &Path, count: usize, interval: &str) -> anyhow::Result<()> {
    for number in 0..count {
        let text = format!(
            "/*---
alert: Firing{number}
group: firing-{}
interval: {interval}
timeout: {}
for: 0s
repeat_interval: 0s
columns: {{value: value, labels: [datacenter, cluster, node]}}
labels: {{severity: page, team: platform, number: \"{number}\"}}
annotations:
  summary: \"{{{{ labels.node }}}} of {{{{ labels.cluster }}}}\"
  runbook: node-not-ready
freshness: none
receivers: [endpoint]
---*/
select c.datacenter, c.cluster, 'node-' || n as node, n as value
from cluster as c
cross join generate_series(1, 10) as n
",
            number % 8,
            timeout(interval)
        );
        fs::write(folder.join(format!("bench-{number}.sql")), text)?;
    }
    Ok(())
}
