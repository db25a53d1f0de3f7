//! The links that every page carries.

use fleetledger_paging::{Labels, Links};

/// Where links lead to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// Address of the console, without a slash at its end; empty = no links to it.
    pub console_url: String,
    /// Address that run books stand below; empty = the console's own.
    pub runbook_base_url: String,
}

impl Places {
    /// Links of an alert.
    #[must_use]
    pub fn links(&self, labels: &Labels, annotations: &Labels) -> Links {
        let console = self.console_url.trim_end_matches('/');
        let runbooks = match self.runbook_base_url.trim_end_matches('/') {
            "" if console.is_empty() => String::new(),
            "" => format!("{console}/runbooks"),
            base => base.to_owned(),
        };
        let runbook = annotations
            .get("runbook")
            .filter(|name| !name.is_empty() && !runbooks.is_empty());
        let to = |path: String| (!console.is_empty()).then(|| format!("{console}{path}"));
        Links {
            runbook: runbook.map(|name| format!("{runbooks}/{name}")),
            timeline: timeline(labels).and_then(to),
            snooze: to(format!("/alerts?{}", query(labels.iter()))),
        }
    }
}

/// The page of the object an alert is about: what its labels name most closely.
fn timeline(labels: &Labels) -> Option<String> {
    let kinds = ["pod", "workload", "node", "namespace", "cluster"];
    kinds.iter().find(|kind| labels.contains_key(**kind))?;
    let named = ["datacenter", "cluster", "namespace", "workload", "pod", "node"];
    let pairs = named.iter().filter_map(|name| labels.get_key_value(*name));
    Some(format!("/timeline?{}", query(pairs)))
}

fn query<'a>(pairs: impl Iterator<Item = (&'a String, &'a String)>) -> String {
    let pairs: Vec<String> = pairs
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    pairs.join("&")
}

fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte))
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> Labels {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn a_page_leads_to_run_book_timeline_and_snooze() {
        let places = Places {
            console_url: "https://ledger/".to_owned(),
            runbook_base_url: String::new(),
        };
        let labels = map(&[
            ("alertname", "NodeNotReporting"),
            ("cluster", "a b"),
            ("node", "n1"),
        ]);
        let links = places.links(&labels, &map(&[("runbook", "node-not-reporting")]));
        assert_eq!(
            links.runbook.as_deref(),
            Some("https://ledger/runbooks/node-not-reporting")
        );
        assert_eq!(
            links.timeline.as_deref(),
            Some("https://ledger/timeline?cluster=a%20b&node=n1")
        );
        assert_eq!(
            links.snooze.as_deref(),
            Some("https://ledger/alerts?alertname=NodeNotReporting&cluster=a%20b&node=n1")
        );
    }

    #[test]
    fn without_a_console_there_are_no_links_to_it() {
        let places = Places {
            console_url: String::new(),
            runbook_base_url: "https://wiki/runbooks".to_owned(),
        };
        let links = places.links(&map(&[("node", "n1")]), &map(&[("runbook", "r")]));
        assert_eq!(links.runbook.as_deref(), Some("https://wiki/runbooks/r"));
        assert_eq!((links.timeline, links.snooze), (None, None));
    }
}
