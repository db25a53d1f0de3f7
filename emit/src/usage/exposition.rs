//! The text form in which metrics are served: as much of it as the metrics of usage need.

use fleetledger_schema::instant::Instant;

/// A sample of one line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ExpositionLine<'t> {
    pub(crate) metric: &'t str,
    labels: Vec<(&'t str, String)>,
    pub(crate) value: f64,
    /// The timestamp, where the line has one.
    pub(crate) at: Option<Instant>,
}

impl ExpositionLine<'_> {
    /// Value of a label; empty if the line lacks it.
    pub(crate) fn label(&self, name: &str) -> &str {
        let found = self.labels.iter().find(|(label, _)| *label == name);
        found.map_or("", |(_, value)| value.as_str())
    }
}

/// The lines of the metrics that `wanted` names; what cannot be read is passed over and counted.
pub(crate) fn lines<'t>(text: &'t str, wanted: &[&str]) -> (Vec<ExpositionLine<'t>>, usize) {
    let (mut read, mut unreadable) = (Vec::new(), 0);
    for line in text.lines().map(str::trim) {
        let name_end = line.find(['{', ' ', '\t']).unwrap_or(line.len());
        if line.starts_with('#') || !line.get(..name_end).is_some_and(|name| wanted.contains(&name)) {
            continue;
        }
        match read_line(line, name_end) {
            Some(line) => read.push(line),
            None => unreadable += 1,
        }
    }
    (read, unreadable)
}

fn read_line(line: &str, name_end: usize) -> Option<ExpositionLine<'_>> {
    let (metric, mut rest) = line.split_at_checked(name_end)?;
    let mut labels = Vec::new();
    if let Some(mut inner) = rest.strip_prefix('{') {
        loop {
            inner = inner.trim_start_matches([' ', ',']);
            if let Some(after) = inner.strip_prefix('}') {
                rest = after;
                break;
            }
            let (name, after) = inner.split_once('=')?;
            let (value, after) = read_quoted(after.trim_start())?;
            labels.push((name.trim(), value));
            inner = after;
        }
    }
    let mut words = rest.split_whitespace();
    let value: f64 = words.next()?.parse().ok()?;
    let at = match words.next() {
        Some(unix_ms) => Some(Instant::from_ms(unix_ms.parse().ok()?)),
        None => None,
    };
    (value.is_finite() && words.next().is_none()).then_some(ExpositionLine {
        metric,
        labels,
        value,
        at,
    })
}

/// A quoted value and what follows it. Backslash, quote and line feed are escaped.
fn read_quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.strip_prefix('"')?.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(at + 2..)?)),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                escaped => value.push(escaped),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"# HELP container_cpu_usage_seconds_total [STABLE] Cumulative cpu time
# TYPE container_cpu_usage_seconds_total counter
container_cpu_usage_seconds_total{container="api",namespace="payments",pod="api-0"} 12.345678 1767225600123
container_cpu_usage_seconds_total{ container="a\"b\\c\nd" , pod="x}y, z" } 1e3
container_cpu_usage_seconds_total 7
container_cpu_usage_seconds_total{container="api"} NaN
container_cpu_usage_seconds_total{container="api" 1
container_cpu_usage_seconds_total{container="api"} 1 2 3
container_cpu_usage_seconds_total_other{container="api"} 1
node_cpu_usage_seconds_total 3
"#;

    #[test]
    fn lines_are_read_as_exporters_write_them() {
        let (lines, unreadable) = lines(TEXT, &["container_cpu_usage_seconds_total"]);
        assert_eq!((lines.len(), unreadable), (3, 3));
        assert_eq!(lines[0].label("pod"), "api-0");
        assert_eq!(lines[0].label("uid"), "");
        assert_eq!(lines[0].value, 12.345678);
        assert_eq!(lines[0].at, Some(Instant(1_767_225_600_123_000)));
        assert_eq!(lines[1].label("container"), "a\"b\\c\nd");
        assert_eq!(lines[1].label("pod"), "x}y, z");
        assert_eq!((lines[1].value, lines[1].at), (1000.0, None));
        assert_eq!(lines[2].metric, "container_cpu_usage_seconds_total");
    }
}
