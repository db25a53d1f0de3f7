//! What cost can be grouped and filtered by.

use std::fmt;

use fleetledger_schema::postgres::literal;

/// What cost can be grouped and filtered by, as OpenCost names it; team, datacenter and node class are ours.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AllocationDimension {
    /// Name of the datacenter.
    Datacenter,
    /// Name of the cluster.
    Cluster,
    /// Node name.
    Node,
    /// Class of nodes by the price sheet.
    NodeClass,
    /// Namespace.
    Namespace,
    /// Owner as of the hour.
    Team,
    /// Kind of the top-level owner, in lowercase.
    ControllerKind,
    /// Name of the top-level owner.
    Controller,
    /// Name of the top-level owner where it is of this kind, in lowercase.
    ControllerOfKind(&'static str),
    /// A service of the pod, which is never known: it is there for clients that ask by it.
    Service,
    /// Pod name.
    Pod,
    /// Container name.
    Container,
    /// A label of the pod.
    Label(String),
    /// An annotation of the pod.
    Annotation(String),
}

/// Kinds of controllers that OpenCost has dimensions of.
const KINDS: [&str; 4] = ["deployment", "statefulset", "daemonset", "job"];

impl AllocationDimension {
    /// Reads one name.
    ///
    /// # Errors
    /// What there is instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Some(label) = text.strip_prefix("label:").filter(|label| !label.is_empty()) {
            return Ok(Self::Label(label.to_owned()));
        }
        if let Some(name) = text.strip_prefix("annotation:").filter(|name| !name.is_empty()) {
            return Ok(Self::Annotation(name.to_owned()));
        }
        Ok(match text {
            "datacenter" => Self::Datacenter,
            "cluster" => Self::Cluster,
            "node" => Self::Node,
            "nodeClass" => Self::NodeClass,
            "namespace" => Self::Namespace,
            "team" => Self::Team,
            "controllerKind" => Self::ControllerKind,
            "controller" => Self::Controller,
            "service" | "services" => Self::Service,
            "pod" => Self::Pod,
            "container" => Self::Container,
            // Labels that OpenCost has names of its own for; a team is an owner here.
            "department" | "owner" => Self::Label(text.to_owned()),
            "environment" => Self::Label("env".to_owned()),
            "product" => Self::Label("app".to_owned()),
            _ => match KINDS.into_iter().find(|kind| *kind == text) {
                Some(kind) => Self::ControllerOfKind(kind),
                None => {
                    return Err(format!(
                        "`{text}` is not one of datacenter, cluster, node, nodeClass, namespace, team, \
                         controllerKind, controller, deployment, statefulset, daemonset, job, service, pod, \
                         container, label:NAME, annotation:NAME"
                    ));
                }
            },
        })
    }

    /// Reads names with commas between them.
    ///
    /// # Errors
    /// The first that is none.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, String> {
        text.split(',').map(Self::parse).collect()
    }

    /// True if hourly rows of pods are needed for it; those of lines do not tell it.
    #[must_use]
    pub fn is_of_pods(&self, rollup_labels: &[String]) -> bool {
        match self {
            Self::Node | Self::Pod | Self::Annotation(_) => true,
            Self::Label(label) => !rollup_labels
                .iter()
                .any(|kept| kept == label || prometheus_name(kept) == *label),
            _ => false,
        }
    }

    /// True if daily rows of namespaces tell it.
    #[must_use]
    pub fn is_of_namespaces(&self) -> bool {
        matches!(
            self,
            Self::Datacenter | Self::Cluster | Self::NodeClass | Self::Namespace | Self::Team
        )
    }

    /// Its SQL over the columns of the rows that are read.
    #[must_use]
    pub fn sql(&self) -> String {
        match self {
            Self::Datacenter => "p.datacenter".to_owned(),
            Self::Cluster => "p.cluster".to_owned(),
            Self::Node => "p.node".to_owned(),
            Self::NodeClass => "p.node_class".to_owned(),
            Self::Namespace => "p.namespace".to_owned(),
            Self::Team => "p.team".to_owned(),
            Self::ControllerKind => "lower(p.workload_kind)".to_owned(),
            Self::Controller => "p.workload".to_owned(),
            Self::Service => "null::text".to_owned(),
            Self::Pod => "p.pod".to_owned(),
            Self::ControllerOfKind(kind) => {
                format!(
                    "case when lower(p.workload_kind) = {} then p.workload end",
                    literal(kind)
                )
            }
            Self::Container => "p.container".to_owned(),
            Self::Label(label) if label.contains('_') && prometheus_name(label) == *label => format!(
                "coalesce(p.labels ->> {label}, (select l.value from jsonb_each_text(p.labels) as l \
                 where regexp_replace(l.key, '[^a-zA-Z0-9_]', '_', 'g') = {label} order by l.key limit 1))",
                label = literal(label)
            ),
            Self::Label(label) => format!("p.labels ->> {}", literal(label)),
            Self::Annotation(name) => format!("p.annotations ->> {}", literal(name)),
        }
    }
}

/// A label's name as Prometheus has it, and OpenCost with it: what is neither letter nor digit is an underscore.
fn prometheus_name(label: &str) -> String {
    label
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect()
}

impl fmt::Display for AllocationDimension {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Datacenter => "datacenter",
            Self::Cluster => "cluster",
            Self::Node => "node",
            Self::NodeClass => "nodeClass",
            Self::Namespace => "namespace",
            Self::Team => "team",
            Self::ControllerKind => "controllerKind",
            Self::Controller => "controller",
            Self::Service => "service",
            Self::Pod => "pod",
            Self::ControllerOfKind(kind) => kind,
            Self::Container => "container",
            Self::Label(label) => return write!(formatter, "label:{label}"),
            Self::Annotation(name) => return write!(formatter, "annotation:{name}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use fleetledger_schema::postgres::COST_DIMENSIONS;

    use super::*;

    /// Catches a dimension that cost is kept by and nobody can ask for.
    #[test]
    fn every_dimension_that_cost_is_kept_by_can_be_asked_for() {
        let asked = [
            "namespace",
            "team",
            "controllerKind",
            "controller",
            "container",
            "nodeClass",
            "label:app",
        ];
        let asked = asked.map(|name| AllocationDimension::parse(name).unwrap());
        // Where an owner comes from is shown beside the team.
        for kept in COST_DIMENSIONS.iter().filter(|kept| kept.name != "owner_source") {
            let column = format!("p.{}", kept.name);
            let is_of = |sql: &str| sql.split([' ', '(', ')']).any(|word| word == column);
            let dimension = asked.iter().find(|dimension| is_of(&dimension.sql()));
            let of_namespaces = dimension.map(AllocationDimension::is_of_namespaces);
            assert_eq!(of_namespaces, Some(kept.is_of_namespaces), "{}", kept.name);
        }
    }

    #[test]
    fn names_are_read_and_printed_alike() {
        let text = "cluster,node,namespace,controllerKind,controller,deployment,statefulset,daemonset,job,service,pod,container,label:app,annotation:a/b,team,datacenter,nodeClass";
        let all = AllocationDimension::parse_list(text).unwrap();
        let printed: Vec<String> = all.iter().map(AllocationDimension::to_string).collect();
        assert_eq!(printed.join(","), text);
        assert!(
            AllocationDimension::parse("image")
                .unwrap_err()
                .contains("controllerKind")
        );
        assert!(AllocationDimension::parse("label:").is_err());
    }

    #[test]
    fn a_label_is_found_by_the_name_that_prometheus_gives_it() {
        let label = AllocationDimension::parse("label:app_kubernetes_io_name").unwrap();
        assert!(!label.is_of_pods(&["app.kubernetes.io/name".to_owned()]));
        assert!(label.is_of_pods(&["app.kubernetes.io/part".to_owned()]));
        assert!(label.sql().contains("regexp_replace"));
        assert_eq!(label.to_string(), "label:app_kubernetes_io_name");
    }

    #[test]
    fn a_label_is_of_pods_unless_it_is_rolled_up() {
        let label = AllocationDimension::Label("app".to_owned());
        assert!(label.is_of_pods(&[]));
        assert!(!label.is_of_pods(&["app".to_owned()]));
        assert_eq!(
            AllocationDimension::Label("a'b".to_owned()).sql(),
            "p.labels ->> 'a''b'"
        );
    }
}
