//! How sums are named. A name is no identity: clusters and nodes that share a name are never one sum.

use std::collections::BTreeSet;

use super::{dimension::AllocationDimension, question::AllocationQuery, share::AllocationRow};

/// Names that several have: they are named with what tells them apart before them, such as `dfw:a` for a cluster: no name has a colon,
/// and values of a sum stay as many as were asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SharedNames {
    /// Clusters of more than one datacenter, by what is known of the fleet, so that the answer to another window or
    /// filter names them alike.
    pub clusters: BTreeSet<String>,
    /// Nodes of more than one cluster.
    pub nodes: BTreeSet<String>,
}

impl SharedNames {
    /// Name of what a row is summed into: its values with / between them; nobody's cost has one name, or one for each
    /// node.
    #[must_use]
    pub fn name(&self, question: &AllocationQuery, row: &AllocationRow) -> String {
        if row.is_nobodys() {
            let namespace = row.name(&AllocationDimension::Namespace);
            return match question.idle_by_node {
                true => format!("{}/{namespace}", self.value(&[], row, &AllocationDimension::Node)),
                false => namespace.to_owned(),
            };
        }
        let values = question
            .aggregate
            .iter()
            .map(|dimension| match row.name(dimension) {
                "" => "__unallocated__".to_owned(),
                _ => self.value(&question.aggregate, row, dimension),
            });
        values.collect::<Vec<_>>().join("/")
    }

    /// A value, with what tells it apart before it unless that is asked for beside it.
    fn value(
        &self,
        beside: &[AllocationDimension],
        row: &AllocationRow,
        dimension: &AllocationDimension,
    ) -> String {
        let value = row.name(dimension);
        let within = match dimension {
            AllocationDimension::Cluster if self.clusters.contains(value) => AllocationDimension::Datacenter,
            AllocationDimension::Node if self.nodes.contains(value) => AllocationDimension::Cluster,
            _ => return value.to_owned(),
        };
        match beside.contains(&within) {
            true => value.to_owned(),
            false => format!("{}:{value}", self.value(beside, row, &within)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allocation::{AllocationParameters, question::SharingOptions, share::IDLE};

    fn name(aggregate: &str, namespace: &str) -> String {
        let parameters = AllocationParameters {
            window: "7d".to_owned(),
            aggregate: Some(aggregate.to_owned()),
            idle_by_node: Some(true),
            ..AllocationParameters::default()
        };
        let now = "2026-03-11T14:25:00Z".parse().unwrap();
        let question = parameters.read(now, &SharingOptions::default()).unwrap();
        let names = [
            (AllocationDimension::Datacenter, "dfw"),
            (AllocationDimension::Cluster, "a"),
            (AllocationDimension::Node, "n1"),
            (AllocationDimension::Namespace, namespace),
        ];
        let row = AllocationRow {
            names: names
                .map(|(dimension, value)| (dimension, value.to_owned()))
                .into(),
            ..AllocationRow::default()
        };
        let shared = SharedNames {
            clusters: ["a".to_owned()].into(),
            nodes: ["n1".to_owned()].into(),
        };
        shared.name(&question, &row)
    }

    #[test]
    fn a_name_that_several_have_is_named_with_what_tells_it_apart() {
        assert_eq!(name("cluster", "shop"), "dfw:a");
        assert_eq!(name("datacenter,cluster", "shop"), "dfw/a");
        assert_eq!(name("cluster,datacenter", "shop"), "a/dfw");
        assert_eq!(name("node", "shop"), "dfw:a:n1");
        assert_eq!(name("cluster,node", "shop"), "dfw:a/n1");
        assert_eq!(name("namespace,pod", "shop"), "shop/__unallocated__");
        assert_eq!(name("cluster", IDLE), "dfw:a:n1/__idle__");
    }
}
