//! Which nodes and conditions have fallen silent. Heartbeats themselves never leave the cluster; that one is
//! stale does: two versions an incident, the begin and the end.

use std::collections::HashMap;

use fleetledger_schema::instant::Instant;
use k8s_openapi::{
    api::{coordination::v1::Lease, core::v1::Node},
    apimachinery::pkg::apis::meta::v1::Time,
};

use crate::object::{NodeHeartbeat, micro_instant};

/// A view of the Leases older than this is refreshed by a list before it is believed further.
const VIEW_MAX_AGE_MICROS: i64 = 60_000_000;

/// The newest heartbeats of every node.
#[derive(Debug)]
pub(crate) struct Heartbeats {
    lease_stale_micros: i64,
    condition_stale_micros: i64,
    leases: HashMap<String, Instant>,
    nodes: HashMap<String, NodeView>,
    view: LeaseView,
}

/// Up to when the Leases known here are known to be the newest.
#[derive(Debug, Clone, Copy)]
enum LeaseView {
    /// Up to then; a watch that delivers nothing says nothing about nodes.
    Until(Instant),
    /// A dump shows the past: its newest heartbeat is its now.
    NewestHeartbeat,
}

#[derive(Debug)]
struct NodeView {
    uid: String,
    conditions: Vec<(String, Instant)>,
    judged: NodeHeartbeat,
}

impl Heartbeats {
    pub(crate) fn new(lease_stale_seconds: u64, condition_stale_seconds: u64, from_dump: bool) -> Self {
        let micros = |seconds: u64| {
            i64::try_from(seconds)
                .unwrap_or(i64::MAX)
                .saturating_mul(1_000_000)
        };
        Self {
            lease_stale_micros: micros(lease_stale_seconds),
            condition_stale_micros: micros(condition_stale_seconds),
            leases: HashMap::new(),
            nodes: HashMap::new(),
            view: if from_dump {
                LeaseView::NewestHeartbeat
            } else {
                LeaseView::Until(Instant(0))
            },
        }
    }

    /// Takes a node's Lease; its namespace holds no others.
    pub(crate) fn see_lease(&mut self, lease: &Lease, now: Instant) {
        let renewed = lease.spec.as_ref().and_then(|spec| spec.renew_time.as_ref());
        if let (Some(node), Some(renewed)) = (&lease.metadata.name, renewed) {
            self.leases.insert(node.clone(), micro_instant(renewed));
        }
        self.confirm_view(now);
    }

    /// The Leases known here are the newest as of `now`.
    pub(crate) fn confirm_view(&mut self, now: Instant) {
        if let LeaseView::Until(at) = &mut self.view {
            *at = (*at).max(now);
        }
    }

    /// True if the Leases should be listed: no word of them for a minute, though there are nodes.
    pub(crate) fn wants_list(&self, now: Instant) -> bool {
        match self.view {
            LeaseView::Until(at) => !self.leases.is_empty() && now.micros_since(at) > VIEW_MAX_AGE_MICROS,
            LeaseView::NewestHeartbeat => false,
        }
    }

    pub(crate) fn forget_lease(&mut self, node: &str) {
        self.leases.remove(node);
    }

    /// Takes a node's conditions and judges it.
    pub(crate) fn see_node(&mut self, node: &Node, now: Instant) -> NodeHeartbeat {
        let name = node.metadata.name.clone().unwrap_or_default();
        let conditions = node
            .status
            .iter()
            .flat_map(|status| status.conditions.iter().flatten());
        let beat = |time: &Time| Instant::from_timestamp(time.0);
        let view = NodeView {
            uid: node.metadata.uid.clone().unwrap_or_default(),
            conditions: conditions
                .filter_map(|c| Some((c.type_.clone(), beat(c.last_heartbeat_time.as_ref()?))))
                .collect(),
            judged: NodeHeartbeat::default(),
        };
        let judged = self.judge(&name, &view, now);
        self.nodes.insert(
            name,
            NodeView {
                judged: judged.clone(),
                ..view
            },
        );
        judged
    }

    /// Judges a node of a fresh list without remembering it.
    pub(crate) fn judged(&self, node: &str) -> NodeHeartbeat {
        self.nodes
            .get(node)
            .map(|view| view.judged.clone())
            .unwrap_or_default()
    }

    pub(crate) fn forget_node(&mut self, node: &str, uid: &str) {
        if self.nodes.get(node).is_some_and(|view| view.uid == uid) {
            self.nodes.remove(node);
        }
    }

    /// Nodes that fell silent or came back since they were judged last, by uid.
    pub(crate) fn changed(&mut self, now: Instant) -> Vec<(String, NodeHeartbeat)> {
        let mut changed = Vec::new();
        for (name, view) in &self.nodes {
            let judged = self.judge(name, view, now);
            if judged != view.judged {
                changed.push((name.clone(), view.uid.clone(), judged));
            }
        }
        changed
            .into_iter()
            .map(|(name, uid, judged)| {
                if let Some(view) = self.nodes.get_mut(&name) {
                    view.judged = judged.clone();
                }
                (uid, judged)
            })
            .collect()
    }

    fn judge(&self, node: &str, view: &NodeView, now: Instant) -> NodeHeartbeat {
        let (leases_at, conditions_at) = match self.view {
            LeaseView::Until(at) => (at.min(now), now),
            LeaseView::NewestHeartbeat => {
                let newest = self.leases.values().max().copied().unwrap_or(Instant(0));
                (newest, newest)
            }
        };
        let stale = |beat: Instant, at: Instant, limit: i64| (at.micros_since(beat) > limit).then_some(beat);
        let lease = self.leases.get(node);
        NodeHeartbeat {
            lease_stale_since: lease.and_then(|beat| stale(*beat, leases_at, self.lease_stale_micros)),
            stale_conditions: view
                .conditions
                .iter()
                .filter(|(_, beat)| stale(*beat, conditions_at, self.condition_stale_micros).is_some())
                .cloned()
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn lease(at: Instant) -> Lease {
        serde_json::from_value(
            serde_json::json!({"metadata": {"name": "n"}, "spec": {"renewTime": at.to_string()}}),
        )
        .unwrap()
    }

    fn node(at: Instant) -> Node {
        serde_json::from_value(serde_json::json!({"metadata": {"name": "n", "uid": "u"},
            "status": {"conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": at.to_string()}]}}))
        .unwrap()
    }

    #[test]
    fn an_incident_is_two_changes_and_names_the_instant_of_silence() {
        let start = Instant(1_700_000_000 * SECOND);
        let mut beats = Heartbeats::new(120, 720, false);
        beats.see_lease(&lease(start), start);
        assert_eq!(beats.see_node(&node(start), start), NodeHeartbeat::default());
        let later = start.plus_micros(119 * SECOND);
        beats.confirm_view(later);
        assert!(beats.changed(later).is_empty());
        let silent = start.plus_micros(121 * SECOND);
        beats.confirm_view(silent);
        let changed = beats.changed(silent);
        assert_eq!(changed.len(), 1);
        assert_eq!(changed[0].1.lease_stale_since, Some(start));
        assert!(beats.changed(silent.plus_micros(60 * SECOND)).is_empty());
        let back = silent.plus_micros(100 * SECOND);
        beats.see_lease(&lease(back), back);
        assert_eq!(
            beats.changed(back),
            vec![("u".to_owned(), NodeHeartbeat::default())]
        );
    }

    #[test]
    fn a_silent_watch_is_not_a_silent_node() {
        let start = Instant(1_700_000_000 * SECOND);
        let mut beats = Heartbeats::new(120, 720, false);
        beats.see_lease(&lease(start), start);
        beats.see_node(&node(start), start);
        let later = start.plus_micros(600 * SECOND);
        assert!(beats.changed(later).is_empty());
        assert!(beats.wants_list(later));
    }

    #[test]
    fn a_condition_is_stale_only_beyond_the_kubelets_report_frequency() {
        let start = Instant(1_700_000_000 * SECOND);
        let mut beats = Heartbeats::new(120, 720, false);
        beats.see_node(&node(start), start);
        assert!(beats.changed(start.plus_micros(450 * SECOND)).is_empty());
        let changed = beats.changed(start.plus_micros(721 * SECOND));
        assert_eq!(changed[0].1.stale_conditions, vec![("Ready".to_owned(), start)]);
    }
}
