//! Variables of dashboards: what a viewer chooses.

/// How many values a variable takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Any number, or all; stands in SQL as `column in ($name)`.
    Many {
        /// What stands for "all" in place of a list: the column itself, which is always in a list of itself, so that a
        /// choice of all costs nothing however many there are.
        all: &'static str,
    },
    /// Exactly one; stands in SQL as `column = '$name'`.
    One,
}

/// A variable whose values are asked for by SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// Name.
    pub name: &'static str,
    /// What the viewer reads beside it.
    pub label: &'static str,
    /// What it means.
    pub description: &'static str,
    /// How many values it takes.
    pub choice: Choice,
    /// Gives its values: one column.
    pub sql: &'static str,
}

/// All of them. A query may name variables that stand before it in a dashboard.
pub const VARIABLES: &[Variable] = &[
    Variable {
        name: "datacenter",
        label: "Datacenter",
        description: "Datacenters whose clusters are shown.",
        choice: Choice::Many { all: "datacenter" },
        sql: "select distinct datacenter from fleet.cluster where state <> 'retired' order by 1",
    },
    Variable {
        name: "cluster",
        label: "Cluster",
        description: "Clusters of the chosen datacenters.",
        choice: Choice::Many { all: "cluster" },
        sql: "select distinct cluster from fleet.cluster where datacenter in ($datacenter) and state <> 'retired' order by 1",
    },
    Variable {
        name: "namespace",
        label: "Namespace",
        description: "Namespaces of the chosen clusters.",
        choice: Choice::Many { all: "namespace" },
        sql: "select distinct namespace from fleet.namespace where datacenter in ($datacenter) and cluster in ($cluster) order by 1",
    },
    Variable {
        name: "one_namespace",
        label: "Namespace",
        description: "One namespace, by name, in all chosen clusters.",
        choice: Choice::One,
        sql: "select distinct namespace from fleet.namespace where datacenter in ($datacenter) and cluster in ($cluster) order by 1",
    },
    Variable {
        name: "team",
        label: "Team",
        description: "Owners of namespaces; all includes what nobody owns.",
        choice: Choice::Many {
            all: "coalesce(team, '')",
        },
        sql: "select distinct team from fleet.namespace where team is not null order by 1",
    },
    Variable {
        name: "one_team",
        label: "Team",
        description: "The team whose state, history and bill are shown.",
        choice: Choice::One,
        sql: "select distinct team from fleet.namespace where team is not null order by 1",
    },
    Variable {
        name: "node",
        label: "Node",
        description: "One node; type to find it.",
        choice: Choice::One,
        sql: "select node from fleet.node where datacenter in ($datacenter) and cluster in ($cluster) and node like '$__searchFilter' order by 1 limit 500",
    },
];
