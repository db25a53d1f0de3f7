//! The links that every page carries.

use fleetledger_paging::{AlertLinks, LabelSet};

/// Where links lead to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkTargets {
    /// Address of the console, without a slash at its end; empty = no links to it.
    pub console_url: String,
    /// Address that runbooks stand below; empty = the console's own.
    pub runbook_base_url: String,
}

impl LinkTargets {
    /// Links of an alert.
    #[must_use]
    pub fn links(&self, labels: &LabelSet, annotations: &LabelSet) -> AlertLinks {
        let console = self.console_url.trim_end_matches('/');
        self.links_at((!console.is_empty()).then_some(console), labels, annotations)
    }

    /// Links of an alert for whoever looks at the console already.
    #[must_use]
    pub fn links_within(&self, labels: &LabelSet, annotations: &LabelSet) -> AlertLinks {
        self.links_at(Some(""), labels, annotations)
    }

    fn links_at(&self, console: Option<&str>, labels: &LabelSet, annotations: &LabelSet) -> AlertLinks {
        let runbooks = match self.runbook_base_url.trim_end_matches('/') {
            "" => console.map(|console| format!("{console}/runbooks")),
            base => Some(base.to_owned()),
        };
        let filled = |name: &str| annotations.get(name).filter(|text| !text.is_empty());
        let runbook = filled("runbook");
        let to = |path: String| Some(format!("{}{path}", console?));
        AlertLinks {
            runbook: filled("runbook_url")
                .cloned()
                .or_else(|| Some(format!("{}/{}", runbooks?, encode(runbook?)))),
            timeline: timeline(labels).and_then(to),
            snooze: to(format!("/alerts?{}", query(labels.iter()))),
        }
    }
}

/// Labels that name an object.
pub const OBJECT_LABELS: [&str; 6] = ["datacenter", "cluster", "namespace", "workload", "pod", "node"];

/// The page of the object an alert is about: what its labels name most closely.
fn timeline(labels: &LabelSet) -> Option<String> {
    let kinds = ["pod", "workload", "node", "namespace", "cluster"];
    kinds.iter().find(|kind| labels.contains_key(**kind))?;
    let pairs = OBJECT_LABELS
        .iter()
        .filter_map(|name| labels.get_key_value(*name));
    Some(format!("/timeline?{}", query(pairs)))
}

fn query<'a>(pairs: impl Iterator<Item = (&'a String, &'a String)>) -> String {
    let pairs: Vec<String> = pairs
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    pairs.join("&")
}

/// A text as a part of an address.
#[must_use]
pub fn encode(text: &str) -> String {
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

    fn map(pairs: &[(&str, &str)]) -> LabelSet {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn a_page_leads_to_runbook_timeline_and_snooze() {
        let places = LinkTargets {
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
        let places = LinkTargets {
            console_url: String::new(),
            runbook_base_url: "https://wiki/runbooks".to_owned(),
        };
        let links = places.links(&map(&[("node", "n1")]), &map(&[("runbook", "r")]));
        assert_eq!(links.runbook.as_deref(), Some("https://wiki/runbooks/r"));
        let own = map(&[("runbook_url", "https://elsewhere/r")]);
        let links = places.links(&map(&[("node", "n1")]), &own);
        assert_eq!(links.runbook.as_deref(), Some("https://elsewhere/r"));
        assert_eq!((links.timeline, links.snooze), (None, None));
    }
}
