//! Variables of dashboards: what a viewer chooses.

/// How many values a variable takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VariableArity {
    /// Any number, or all; stands in SQL as `column in ($name)`.
    Many {
        /// The current state for "all" in place of a list: the column itself, which is always in a list of itself, so that a
        /// choice of all costs nothing however many there are.
        all: &'static str,
    },
    /// Exactly one; stands in SQL as `column = '$name'`.
    One,
}

/// A variable whose values are asked for by SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DashboardVariable {
    /// Name.
    pub name: &'static str,
    /// What the viewer reads beside it.
    pub label: &'static str,
    /// What it means.
    pub description: &'static str,
    /// How many values it takes.
    pub choice: VariableArity,
    /// Gives its values: one column.
    pub sql: &'static str,
}

/// All of them. A query may name variables that stand before it in a dashboard.
pub const VARIABLES: &[DashboardVariable] = &[
    DashboardVariable {
        name: "datacenter",
        label: "Datacenter",
        description: "Datacenters whose clusters are shown.",
        choice: VariableArity::Many { all: "datacenter" },
        sql: "select distinct datacenter from fleet.cluster where state <> 'retired' order by 1",
    },
    DashboardVariable {
        name: "cluster",
        label: "Cluster",
        description: "Clusters of the chosen datacenters.",
        choice: VariableArity::Many { all: "cluster" },
        sql: "select distinct cluster from fleet.cluster where datacenter in ($datacenter) and state <> 'retired' order by 1",
    },
    DashboardVariable {
        name: "namespace",
        label: "Namespace",
        description: "Namespaces of the chosen clusters.",
        choice: VariableArity::Many { all: "namespace" },
        sql: "select distinct namespace from fleet.namespace where datacenter in ($datacenter) and cluster in ($cluster) order by 1",
    },
    DashboardVariable {
        name: "one_namespace",
        label: "Namespace",
        description: "One namespace, by name, in all chosen clusters.",
        choice: VariableArity::One,
        sql: "select distinct namespace from fleet.namespace where datacenter in ($datacenter) and cluster in ($cluster) order by 1",
    },
    DashboardVariable {
        name: "team",
        label: "Team",
        description: "Owners of namespaces; all includes what nobody owns.",
        choice: VariableArity::Many {
            all: "coalesce(team, '')",
        },
        sql: "select distinct team from fleet.namespace where team is not null order by 1",
    },
    DashboardVariable {
        name: "one_team",
        label: "Team",
        description: "The team whose state, history and bill are shown.",
        choice: VariableArity::One,
        sql: "select distinct team from fleet.namespace where team is not null order by 1",
    },
    DashboardVariable {
        name: "node",
        label: "Node",
        description: "One node; type to find it.",
        choice: VariableArity::One,
        sql: "select node from fleet.node where datacenter in ($datacenter) and cluster in ($cluster) and node like '$__searchFilter' order by 1 limit 500",
    },
];
