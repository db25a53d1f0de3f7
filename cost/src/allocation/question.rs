//! What a request asks for.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use utoipa::IntoParams;

use super::{
    dimension::AllocationDimension,
    filter::CostFilter,
    window::{self, CalendarUnit, CostWindow},
};
use crate::definitions::SpreadMethod;

/// Parameters of a request, as OpenCost names them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct AllocationParameters {
    /// Window of time: `7d` (today and the six days before it), `24h`, `7d offset 1d`, `today`, `yesterday`, `week` (from
    /// Sunday), `lastweek`, `month`, `lastmonth`, or two instants or Unix times with a comma between them. In UTC, cut to
    /// whole hours.
    pub window: String,
    /// What to group by, with commas: datacenter, cluster, node, nodeClass, namespace, team, controllerKind, controller,
    /// deployment, statefulset, daemonset, job, pod, container, label:NAME, annotation:NAME. Default: namespace; on
    /// OpenCost's paths cluster,node,namespace,pod,container.
    pub aggregate: Option<String>,
    /// Length of each set, such as `1d`; default: the window.
    pub step: Option<String>,
    /// true or all: one set of the whole window; hour, day, week (from Sunday), month or quarter: a set for each.
    pub accumulate: Option<String>,
    /// The same, and counts before it.
    pub accumulate_by: Option<String>,
    /// true: rows `__idle__` and `__system__` for what nobody was charged.
    #[serde(deserialize_with = "flag")]
    pub include_idle: Option<bool>,
    /// The same, as kubectl-cost names it.
    #[serde(deserialize_with = "flag")]
    pub idle: Option<bool>,
    /// true: one idle row a node; takes pods and nodes on demand.
    #[serde(deserialize_with = "flag")]
    pub idle_by_node: Option<bool>,
    /// true: idle and system are shared by all of their cluster and class of nodes, resource by resource, by own cost.
    #[serde(deserialize_with = "flag")]
    pub share_idle: Option<bool>,
    /// Namespaces, with commas, whose cost all others share.
    pub share_namespaces: Option<String>,
    /// weighted (by own cost before idle is added; the default) or even.
    pub share_split: Option<String>,
    /// `default`: shareNamespaces, shareSplit and shareIdle as the file sharing.toml says, where they are not given.
    pub sharing: Option<String>,
    /// Condition on rows, such as `namespace:"a","b"+cluster!:"c"`; applied after sharing, so that what is left out keeps
    /// its share. Of idle and system rows, what would be shared with those that pass stays.
    pub filter: Option<String>,
    /// Clusters, with commas, each of which may end in `*`; further filters narrow what this one leaves.
    pub filter_clusters: Option<String>,
    /// Nodes, likewise.
    pub filter_nodes: Option<String>,
    /// Namespaces, likewise.
    pub filter_namespaces: Option<String>,
    /// Kinds of controllers, likewise.
    pub filter_controller_kinds: Option<String>,
    /// Controllers, likewise, or `kind:name`.
    pub filter_controllers: Option<String>,
    /// Pods, likewise.
    pub filter_pods: Option<String>,
    /// Containers, likewise.
    pub filter_containers: Option<String>,
    /// Labels, likewise, as `name:value`.
    pub filter_labels: Option<String>,
    /// Annotations, likewise.
    pub filter_annotations: Option<String>,
    /// json (default) or csv.
    pub format: Option<String>,
    /// Of no effect: cost is computed from instants.
    pub resolution: Option<String>,
    /// Of no effect: load balancers are not in it.
    pub sharelb: Option<String>,
    /// Of no effect: there are no assets.
    pub include_proportional_asset_resource_costs: Option<String>,
    /// Of no effect: labels are dimensions.
    pub include_aggregated_metadata: Option<String>,
    /// Of no effect: external costs are not in it.
    pub external: Option<String>,
    /// Of no effect: there is no bill to reconcile with.
    pub reconcile: Option<String>,
    /// Of no effect: network is not in it.
    pub reconcile_network: Option<String>,
}

/// Reads a flag in the spellings that clients write it in; empty = not given.
fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    match text.as_deref().map(str::trim) {
        None | Some("") => Ok(None),
        Some("1" | "t" | "T" | "true" | "True" | "TRUE") => Ok(Some(true)),
        Some("0" | "f" | "F" | "false" | "False" | "FALSE") => Ok(Some(false)),
        Some(other) => Err(D::Error::custom(format!("`{other}` is neither true nor false"))),
    }
}

/// A request that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllocationQuery {
    /// The whole window.
    pub window: CostWindow,
    /// Its sets.
    pub steps: Vec<CostWindow>,
    /// What to group by.
    pub aggregate: Vec<AllocationDimension>,
    /// Rows for what nobody was charged.
    pub include_idle: bool,
    /// One of them for each node.
    pub idle_by_node: bool,
    /// How it is shared.
    pub share: SharingOptions,
    /// What is shown.
    pub filter: Option<CostFilter>,
    /// True for CSV.
    pub csv: bool,
}

/// How cost is shared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SharingOptions {
    /// Idle and system, by all.
    pub idle: bool,
    /// Cost of these namespaces, by all others.
    pub namespaces: BTreeSet<String>,
    /// By what.
    pub spread: SpreadMethod,
}

/// Most sets of an answer.
const STEPS: usize = 800;

impl AllocationParameters {
    /// Understands the request as of an instant; `default` is what the files say of sharing.
    ///
    /// # Errors
    /// What is wrong, by parameter.
    pub fn read(&self, now: Timestamp, default: &SharingOptions) -> Result<AllocationQuery, String> {
        let window = CostWindow::parse(&self.window, now)?;
        let aggregate = given(&self.aggregate).unwrap_or("namespace");
        let aggregate =
            AllocationDimension::parse_list(aggregate).map_err(|error| format!("aggregate: {error}"))?;
        let steps = self.steps(window)?;
        if steps.len() > STEPS {
            return Err(format!(
                "step: {} sets are more than {STEPS}; choose a longer step",
                steps.len()
            ));
        }
        let csv = match given(&self.format) {
            None | Some("json") => false,
            Some("csv") => true,
            Some(other) => return Err(format!("format: `{other}` is neither json nor csv")),
        };
        Ok(AllocationQuery {
            window,
            steps,
            aggregate,
            include_idle: [self.include_idle, self.idle, self.idle_by_node].contains(&Some(true)),
            idle_by_node: self.idle_by_node.unwrap_or(false),
            share: self.share(default)?,
            filter: self.filter()?,
            csv,
        })
    }

    fn steps(&self, window: CostWindow) -> Result<Vec<CostWindow>, String> {
        let accumulate = given(&self.accumulate_by).or(given(&self.accumulate));
        let calendar = match accumulate.map(str::to_ascii_lowercase).as_deref() {
            None | Some("false" | "none" | "0" | "f") => None,
            Some("true" | "all" | "1" | "t") => return Ok(vec![window]),
            Some(unit) => Some(CalendarUnit::parse(unit).ok_or_else(|| {
                format!(
                    "accumulate: `{unit}` is not one of true, false, all, hour, day, week, month, quarter"
                )
            })?),
        };
        if let Some(unit) = calendar {
            return Ok(window.calendar(unit));
        }
        match given(&self.step) {
            None | Some("window") => Ok(vec![window]),
            // Weeks begin on Sundays, however many days of the first one are within the window.
            Some("1w") => Ok(window.calendar(CalendarUnit::Week)),
            Some(step) => {
                let length = window::duration(step)
                    .filter(|step| *step >= SignedDuration::from_hours(1) && step.as_secs() % 3_600 == 0)
                    .ok_or_else(|| {
                        format!("step: `{step}` is not a duration of whole hours such as 1h or 1d")
                    })?;
                Ok(window.steps(length))
            }
        }
    }

    fn filter(&self) -> Result<Option<CostFilter>, String> {
        let mut all: Vec<CostFilter> = given(&self.filter)
            .map(CostFilter::parse)
            .transpose()?
            .into_iter()
            .collect();
        let lists = [
            ("cluster", &self.filter_clusters),
            ("node", &self.filter_nodes),
            ("namespace", &self.filter_namespaces),
            ("controllerKind", &self.filter_controller_kinds),
            ("controller", &self.filter_controllers),
            ("pod", &self.filter_pods),
            ("container", &self.filter_containers),
            ("label", &self.filter_labels),
            ("annotation", &self.filter_annotations),
        ];
        for (name, list) in lists {
            all.extend(
                given(list)
                    .map(|list| CostFilter::parse_list(name, list))
                    .transpose()?
                    .flatten(),
            );
        }
        Ok(match all.len() {
            0 | 1 => all.pop(),
            _ => Some(CostFilter::And(all)),
        })
    }

    fn share(&self, default: &SharingOptions) -> Result<SharingOptions, String> {
        let mut share = match given(&self.sharing) {
            None => SharingOptions::default(),
            Some("default") => default.clone(),
            Some(other) => return Err(format!("sharing: `{other}` is not default")),
        };
        if let Some(idle) = self.share_idle {
            share.idle = idle;
        }
        if let Some(namespaces) = &self.share_namespaces {
            let names = namespaces.split(',').map(|name| name.trim().to_owned());
            share.namespaces = names.filter(|name| !name.is_empty()).collect();
        }
        match given(&self.share_split) {
            None => {}
            Some("weighted") => share.spread = SpreadMethod::Weighted,
            Some("even") => share.spread = SpreadMethod::Even,
            Some(other) => return Err(format!("shareSplit: `{other}` is neither weighted nor even")),
        }
        Ok(share)
    }
}

/// A parameter, unless it is empty: clients send those that nobody set.
fn given(parameter: &Option<String>) -> Option<&str> {
    parameter
        .as_deref()
        .map(str::trim)
        .filter(|text| !text.is_empty())
}

impl AllocationQuery {
    /// The dimensions rows are read by: those it groups and filters by, and those sharing needs.
    #[must_use]
    pub fn dimensions(&self) -> Vec<AllocationDimension> {
        let mut all: BTreeSet<AllocationDimension> = self.aggregate.iter().cloned().collect();
        if let Some(filter) = &self.filter {
            filter.dimensions(&mut all);
        }
        // Idle is shared within a cluster and a class of nodes; namespaces tell idle and shared rows. A cluster's name
        // is one only within its datacenter.
        all.extend([
            AllocationDimension::Datacenter,
            AllocationDimension::Cluster,
            AllocationDimension::NodeClass,
            AllocationDimension::Namespace,
        ]);
        if self.idle_by_node {
            all.insert(AllocationDimension::Node);
        }
        all.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(change: impl FnOnce(&mut AllocationParameters)) -> Result<AllocationQuery, String> {
        let mut parameters = AllocationParameters {
            window: "7d".to_owned(),
            ..AllocationParameters::default()
        };
        change(&mut parameters);
        let default = SharingOptions {
            idle: true,
            namespaces: ["kube-system".to_owned()].into(),
            spread: SpreadMethod::Even,
        };
        parameters.read("2026-03-11T14:25:00Z".parse().unwrap(), &default)
    }

    #[test]
    fn defaults_are_one_set_by_namespace_with_nothing_shared() {
        let question = read(|_| {}).unwrap();
        assert_eq!(question.aggregate, [AllocationDimension::Namespace]);
        assert_eq!(question.steps, [question.window]);
        assert!(!question.include_idle && question.share == SharingOptions::default() && !question.csv);
    }

    #[test]
    fn steps_accumulate_and_sharing() {
        assert_eq!(read(|p| p.step = Some("1d".into())).unwrap().steps.len(), 7);
        let accumulated = read(|p| {
            p.step = Some("1d".into());
            p.accumulate = Some("true".into());
        });
        assert_eq!(accumulated.unwrap().steps.len(), 1);
        let share = read(|p| {
            p.sharing = Some("default".into());
            p.share_split = Some("weighted".into());
        });
        let share = share.unwrap().share;
        assert!(
            share.idle && share.spread == SpreadMethod::Weighted && share.namespaces.contains("kube-system")
        );
    }

    #[test]
    fn sets_follow_the_calendar() {
        let begins = |unit: &str| {
            let question = read(|p| {
                p.window = "2026-03-12T05:00:00Z,2026-04-06T00:00:00Z".into();
                p.accumulate = Some(unit.into());
            });
            let steps = question.unwrap().steps;
            steps.iter().map(|step| step.from.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(
            begins("week"),
            [
                "2026-03-12T05:00:00Z",
                "2026-03-15T00:00:00Z",
                "2026-03-22T00:00:00Z",
                "2026-03-29T00:00:00Z",
                "2026-04-05T00:00:00Z"
            ]
        );
        for unit in ["month", "quarter"] {
            assert_eq!(begins(unit), ["2026-03-12T05:00:00Z", "2026-04-01T00:00:00Z"]);
        }
        assert_eq!(begins("day").len(), 25);
        assert_eq!(begins("hour").len(), 19 + 24 * 24);
        assert!(
            read(|p| p.accumulate = Some("year".into()))
                .unwrap_err()
                .starts_with("accumulate: ")
        );
    }

    #[test]
    fn lists_narrow_each_other_and_empty_ones_say_nothing() {
        let question = read(|p| {
            p.filter = Some(String::new());
            p.filter_namespaces = Some("shop,kube-*".into());
            p.filter_controllers = Some("deployment:web, db".into());
            p.filter_labels = Some("app:web".into());
            p.filter_pods = Some(String::new());
        });
        let filter = question.unwrap().filter.unwrap();
        let passes = |namespace, kind, controller, app| {
            filter.passes(&|dimension| match dimension {
                AllocationDimension::Namespace => namespace,
                AllocationDimension::ControllerKind => kind,
                AllocationDimension::Controller => controller,
                AllocationDimension::Label(_) => app,
                _ => "",
            })
        };
        assert!(
            passes("kube-system", "deployment", "web", "web") && passes("shop", "statefulset", "db", "web")
        );
        assert!(!passes("kube", "deployment", "web", "web") && !passes("shop", "statefulset", "web", "web"));
        assert!(!passes("shop", "deployment", "web", "api"));
        assert_eq!(
            read(|p| p.filter_namespaces = Some(String::new()))
                .unwrap()
                .filter,
            None
        );
        assert!(
            read(|p| p.filter_labels = Some("app".into()))
                .unwrap_err()
                .starts_with("filterLabels: ")
        );
    }

    #[test]
    fn what_is_wrong_names_its_parameter() {
        assert!(read(|p| p.window.clear()).unwrap_err().starts_with("window: "));
        assert!(
            read(|p| p.step = Some("90m".into()))
                .unwrap_err()
                .starts_with("step: ")
        );
        assert!(
            read(|p| p.aggregate = Some("x".into()))
                .unwrap_err()
                .starts_with("aggregate: ")
        );
        assert!(
            read(|p| p.filter = Some("x".into()))
                .unwrap_err()
                .starts_with("filter: ")
        );
        assert!(
            read(|p| p.format = Some("xml".into()))
                .unwrap_err()
                .starts_with("format: ")
        );
    }
}
