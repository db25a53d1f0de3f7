//! Routes: which receivers hear of an alert, by its labels, and how they want it grouped.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::group::GroupBy;
use crate::labels::LabelSet;
use crate::matcher::{Matcher, all_met};

/// One node of the tree. What it leaves out it has from its parent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Route {
    /// Which alerts enter; the root takes all.
    pub matchers: Vec<Matcher>,
    /// Names of receivers; the parent's if empty.
    pub receivers: Vec<String>,
    /// What makes a group; the parent's if not said.
    pub group_by: Option<GroupBy>,
    /// How long a new group waits for more alerts, in seconds.
    pub group_wait_seconds: Option<u64>,
    /// The least time between two notifications of one group that has changed, in seconds.
    pub group_interval_seconds: Option<u64>,
    /// An alert that entered goes on to the next route as well.
    #[serde(rename = "continue")]
    pub go_on: bool,
    /// Tried in order; the first that takes the alert keeps it.
    pub routes: Vec<Route>,
}

/// Where one alert goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteTarget {
    /// The receiver's name.
    pub receiver: String,
    /// How it is grouped there.
    pub grouping: Grouping,
}

/// How a receiver wants alerts grouped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grouping {
    /// What makes a group; by severity where no route says it (see [`GroupBy::by_severity`]).
    pub by: GroupBy,
    /// How long a new group waits for more alerts; zero for groups of one instance.
    pub wait: Duration,
    /// The least time between two notifications of one changed group.
    pub interval: Duration,
}

/// What a route has from its parents.
#[derive(Debug, Clone, Default)]
struct InheritedRoute<'r> {
    receivers: &'r [String],
    group_by: Option<&'r GroupBy>,
    wait_seconds: u64,
    interval_seconds: u64,
}

impl Route {
    /// Where an alert goes: to `wished` (the rule's own receivers) if there are any, else where the tree says. A receiver
    /// is named once, by the first route that does.
    #[must_use]
    pub fn resolve(&self, labels: &LabelSet, wished: &[String]) -> Vec<RouteTarget> {
        let root = InheritedRoute::default();
        let mut found = Vec::new();
        self.enter(labels, &root, &mut found);
        if !wished.is_empty() {
            let own = self.own(&root);
            let inherited = |receiver: &'_ str| {
                let known = found.iter().find(|(name, _)| *name == receiver);
                known.map_or_else(|| own.clone(), |(_, inherited)| inherited.clone())
            };
            found = wished
                .iter()
                .map(|receiver| (receiver.as_str(), inherited(receiver)))
                .collect();
        }
        let mut routed: Vec<RouteTarget> = Vec::new();
        for (receiver, inherited) in found {
            if routed.iter().all(|one| one.receiver != receiver) {
                routed.push(RouteTarget {
                    receiver: receiver.to_owned(),
                    grouping: inherited.grouping(labels),
                });
            }
        }
        routed
    }

    /// Every receiver the tree names, for checking them against those that are configured.
    #[must_use]
    pub fn receivers(&self) -> Vec<&str> {
        let own = self.receivers.iter().map(String::as_str);
        own.chain(self.routes.iter().flat_map(Route::receivers)).collect()
    }

    fn enter<'r>(
        &'r self,
        labels: &LabelSet,
        parent: &InheritedRoute<'r>,
        found: &mut Vec<(&'r str, InheritedRoute<'r>)>,
    ) -> bool {
        if !all_met(&self.matchers, labels) {
            return false;
        }
        let own = self.own(parent);
        let mut taken = false;
        for route in &self.routes {
            if route.enter(labels, &own, found) {
                taken = true;
                if !route.go_on {
                    break;
                }
            }
        }
        if !taken {
            found.extend(
                own.receivers
                    .iter()
                    .map(|receiver| (receiver.as_str(), own.clone())),
            );
        }
        true
    }

    fn own<'r>(&'r self, parent: &InheritedRoute<'r>) -> InheritedRoute<'r> {
        InheritedRoute {
            receivers: if self.receivers.is_empty() {
                parent.receivers
            } else {
                &self.receivers
            },
            group_by: self.group_by.as_ref().or(parent.group_by),
            wait_seconds: self.group_wait_seconds.unwrap_or(parent.wait_seconds),
            interval_seconds: self.group_interval_seconds.unwrap_or(parent.interval_seconds),
        }
    }
}

impl InheritedRoute<'_> {
    fn grouping(&self, labels: &LabelSet) -> Grouping {
        let by = self.group_by.cloned();
        let by = by.unwrap_or_else(|| GroupBy::by_severity(labels));
        // A group of one has nobody to wait for.
        let wait_seconds = if by == GroupBy::INSTANCE {
            0
        } else {
            self.wait_seconds
        };
        Grouping {
            by,
            wait: Duration::from_secs(wait_seconds),
            interval: Duration::from_secs(self.interval_seconds),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::labels;

    fn tree() -> Route {
        serde_json::from_value(serde_json::json!({
            "receivers": ["slack"],
            "group_wait_seconds": 30,
            "routes": [
                {"matchers": ["severity=page"], "receivers": ["pagerduty"], "continue": true},
                {"matchers": ["team=storage"], "routes": [
                    {"matchers": ["datacenter=~dc[12]"], "receivers": ["storage-near"], "group_wait_seconds": 0},
                ], "receivers": ["storage"], "group_by": ["team"]},
            ],
        }))
        .unwrap()
    }

    fn receivers(pairs: &[(&str, &str)]) -> Vec<String> {
        let routed = tree().resolve(&labels(pairs), &[]);
        routed.into_iter().map(|one| one.receiver).collect()
    }

    #[test]
    fn the_deepest_route_that_takes_an_alert_names_its_receivers() {
        assert_eq!(receivers(&[("team", "web")]), ["slack"]);
        assert_eq!(receivers(&[("severity", "page")]), ["pagerduty"]);
        assert_eq!(receivers(&[("team", "storage")]), ["storage"]);
        assert_eq!(
            receivers(&[("team", "storage"), ("datacenter", "dc1")]),
            ["storage-near"]
        );
        assert_eq!(
            receivers(&[("team", "storage"), ("severity", "page")]),
            ["pagerduty", "storage"]
        );
    }

    #[test]
    fn a_route_has_from_its_parent_what_it_leaves_out() {
        let near = tree().resolve(&labels(&[("team", "storage"), ("datacenter", "dc2")]), &[]);
        assert_eq!(near[0].grouping.wait, Duration::ZERO);
        assert_eq!(near[0].grouping.by, GroupBy::labels(["team"]));
        let ticket = tree().resolve(&labels(&[("team", "web")]), &[]);
        assert_eq!(ticket[0].grouping.wait, Duration::from_secs(30));
        assert_eq!(ticket[0].grouping.by, GroupBy::labels(["alertname", "cluster"]));
    }

    #[test]
    fn what_pages_is_a_group_of_its_own_and_waits_for_nobody() {
        let page = tree().resolve(&labels(&[("severity", "page")]), &[]);
        assert_eq!(page[0].grouping.by, GroupBy::INSTANCE);
        assert_eq!(page[0].grouping.wait, Duration::ZERO);
    }

    #[test]
    fn receivers_of_the_rule_come_before_the_tree() {
        let wished = ["slack".to_owned(), "pagerduty".to_owned(), "slack".to_owned()];
        let routed = tree().resolve(&labels(&[("team", "storage")]), &wished);
        let names: Vec<_> = routed.iter().map(|one| one.receiver.as_str()).collect();
        assert_eq!(names, ["slack", "pagerduty"]);
    }

    #[test]
    fn unknown_keys_are_refused() {
        assert!(serde_json::from_str::<Route>(r#"{"reciever": "x"}"#).is_err());
    }
}
