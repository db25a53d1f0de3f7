//! Inhibition, as in Alertmanager: while a source fires, targets with equal labels are not notified.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::labels::LabelSet;
use crate::matcher::{Matcher, all_met};

/// "While this fires, that is quiet, where these labels are equal."
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inhibition {
    /// What must fire.
    pub source: Vec<Matcher>,
    /// What is quiet then.
    pub target: Vec<Matcher>,
    /// Labels that must be equal in both; a missing one equals an empty one.
    #[serde(default)]
    pub equal: Vec<String>,
}

/// The inhibitions and what fires at one slot: looking an alert up takes no longer when more fire.
#[derive(Debug)]
pub struct Inhibitor<'a> {
    rules: Vec<InhibitionSources<'a>>,
}

#[derive(Debug)]
struct InhibitionSources<'a> {
    rule: &'a Inhibition,
    /// The equal labels' values of all firing sources.
    any: HashSet<Vec<String>>,
    /// Of those that are not targets themselves.
    pure: HashSet<Vec<String>>,
}

impl<'a> Inhibitor<'a> {
    /// From the rules and the labels of every open instance. Snoozed and held ones inhibit too.
    pub fn new<'l>(rules: &'a [Inhibition], open: impl IntoIterator<Item = &'l LabelSet>) -> Self {
        let sources = |rule| InhibitionSources {
            rule,
            any: HashSet::new(),
            pure: HashSet::new(),
        };
        let mut inhibitor = Self {
            rules: rules.iter().map(sources).collect(),
        };
        for labels in open {
            inhibitor.add(labels);
        }
        inhibitor
    }

    fn add(&mut self, labels: &LabelSet) {
        for sources in &mut self.rules {
            if !all_met(&sources.rule.source, labels) {
                continue;
            }
            let key = equal_values(sources.rule, labels);
            if !all_met(&sources.rule.target, labels) {
                sources.pure.insert(key.clone());
            }
            sources.any.insert(key);
        }
    }

    /// The rule that keeps these labels quiet. An alert that is source and target of a rule is not inhibited by its
    /// like, itself included.
    #[must_use]
    pub fn inhibits(&self, labels: &LabelSet) -> Option<&'a Inhibition> {
        let found = self.rules.iter().find(|sources| {
            let rule = sources.rule;
            if !all_met(&rule.target, labels) {
                return false;
            }
            let candidates = if all_met(&rule.source, labels) {
                &sources.pure
            } else {
                &sources.any
            };
            !candidates.is_empty() && candidates.contains(&equal_values(rule, labels))
        });
        found.map(|sources| sources.rule)
    }
}

fn equal_values(rule: &Inhibition, labels: &LabelSet) -> Vec<String> {
    let values = rule.equal.iter().map(|name| labels.get(name).cloned());
    values.map(Option::unwrap_or_default).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::labels;

    fn matchers(texts: &[&str]) -> Vec<Matcher> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn datacenter_down() -> Inhibition {
        Inhibition {
            source: matchers(&["alertname=DatacenterDown"]),
            target: matchers(&["alertname!=FleetledgerHeartbeat"]),
            equal: vec!["datacenter".to_owned()],
        }
    }

    #[test]
    fn a_datacenter_that_is_down_speaks_for_its_nodes_only() {
        let rules = [Inhibition {
            target: matchers(&["severity=~page|ticket"]),
            ..datacenter_down()
        }];
        let down = labels(&[("alertname", "DatacenterDown"), ("datacenter", "dc1")]);
        let inhibitor = Inhibitor::new(&rules, [&down]);
        let node = |datacenter, severity| {
            labels(&[
                ("alertname", "NodeDown"),
                ("datacenter", datacenter),
                ("severity", severity),
            ])
        };
        assert!(inhibitor.inhibits(&node("dc1", "page")).is_some());
        assert!(inhibitor.inhibits(&node("dc2", "page")).is_none());
        assert!(inhibitor.inhibits(&node("dc1", "info")).is_none());
        assert!(
            Inhibitor::new(&rules, [])
                .inhibits(&node("dc1", "page"))
                .is_none()
        );
    }

    #[test]
    fn nothing_inhibits_itself_or_its_like() {
        let rules = [datacenter_down()];
        let one = labels(&[
            ("alertname", "DatacenterDown"),
            ("datacenter", "dc1"),
            ("rack", "1"),
        ]);
        let other = labels(&[
            ("alertname", "DatacenterDown"),
            ("datacenter", "dc1"),
            ("rack", "2"),
        ]);
        let inhibitor = Inhibitor::new(&rules, [&one, &other]);
        assert!(inhibitor.inhibits(&one).is_none());
        assert!(inhibitor.inhibits(&other).is_none());
    }

    #[test]
    fn missing_labels_are_equal_to_each_other() {
        let rules = [Inhibition {
            source: matchers(&["alertname=IngestStalled"]),
            target: matchers(&["alertname=ClusterStale"]),
            equal: Vec::new(),
        }];
        let stalled = labels(&[("alertname", "IngestStalled")]);
        let inhibitor = Inhibitor::new(&rules, [&stalled]);
        let stale = labels(&[("alertname", "ClusterStale"), ("cluster", "a")]);
        assert!(inhibitor.inhibits(&stale).is_some());
    }
}
