//! What a request asks for.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use super::{
    dimension::AllocationDimension,
    filter::CostFilter,
    window::{self, CostWindow},
};
use crate::definitions::SpreadMethod;

/// Parameters of a request, as OpenCost names them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct AllocationParameters {
    /// Window of time: `7d`, `24h`, `7d offset 1d`, `today`, `yesterday`, `week`, `lastweek`, `month`, `lastmonth`, or
    /// two instants or Unix times with a comma between them. Cut to whole hours.
    pub window: String,
    /// What to group by, with commas: datacenter, cluster, node, nodeClass, namespace, team, controllerKind, controller,
    /// pod, container, label:NAME, annotation:NAME. Default: namespace.
    pub aggregate: Option<String>,
    /// Length of each set, such as `1d`; default: the window.
    pub step: Option<String>,
    /// true: one set of the whole window.
    pub accumulate: Option<bool>,
    /// true: rows `__idle__` and `__system__` for what nobody was charged.
    pub include_idle: Option<bool>,
    /// true: one idle row a node; takes pods and nodes on demand.
    pub idle_by_node: Option<bool>,
    /// true: idle and system are shared by all of their cluster and class of nodes, resource by resource, by own cost.
    pub share_idle: Option<bool>,
    /// Namespaces, with commas, whose cost all others share.
    pub share_namespaces: Option<String>,
    /// weighted (by own cost before idle is added; the default) or even.
    pub share_split: Option<String>,
    /// `default`: shareNamespaces, shareSplit and shareIdle as the file sharing.toml says, where they are not given.
    pub sharing: Option<String>,
    /// Condition on rows, such as `namespace:"a","b"+cluster!:"c"`; applied after sharing, so that what is left out keeps
    /// its share.
    pub filter: Option<String>,
    /// json (default) or csv.
    pub format: Option<String>,
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
        let aggregate = self.aggregate.as_deref().unwrap_or("namespace");
        let aggregate =
            AllocationDimension::parse_list(aggregate).map_err(|error| format!("aggregate: {error}"))?;
        let steps = match (&self.step, self.accumulate.unwrap_or(false)) {
            (None, _) | (_, true) => vec![window],
            (Some(step), false) => {
                let length = window::duration(step)
                    .filter(|step| *step >= SignedDuration::from_hours(1) && step.as_secs() % 3_600 == 0)
                    .ok_or_else(|| format!("step: `{step}` is no length of whole hours such as 1h or 1d"))?;
                window.steps(length)
            }
        };
        if steps.len() > STEPS {
            return Err(format!(
                "step: {} sets are more than {STEPS}; take a longer step",
                steps.len()
            ));
        }
        let csv = match self.format.as_deref() {
            None | Some("json") => false,
            Some("csv") => true,
            Some(other) => return Err(format!("format: `{other}` is neither json nor csv")),
        };
        Ok(AllocationQuery {
            window,
            steps,
            aggregate,
            include_idle: self.include_idle.unwrap_or(false) || self.idle_by_node.unwrap_or(false),
            idle_by_node: self.idle_by_node.unwrap_or(false),
            share: self.share(default)?,
            filter: self
                .filter
                .as_deref()
                .filter(|text| !text.trim().is_empty())
                .map(CostFilter::parse)
                .transpose()?,
            csv,
        })
    }

    fn share(&self, default: &SharingOptions) -> Result<SharingOptions, String> {
        let mut share = match self.sharing.as_deref() {
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
        match self.share_split.as_deref() {
            None => {}
            Some("weighted") => share.spread = SpreadMethod::Weighted,
            Some("even") => share.spread = SpreadMethod::Even,
            Some(other) => return Err(format!("shareSplit: `{other}` is neither weighted nor even")),
        }
        Ok(share)
    }
}

impl AllocationQuery {
    /// The dimensions rows are read by: those it groups and filters by, and those sharing needs.
    #[must_use]
    pub fn dimensions(&self) -> Vec<AllocationDimension> {
        let mut all: BTreeSet<AllocationDimension> = self.aggregate.iter().cloned().collect();
        if let Some(filter) = &self.filter {
            filter.dimensions(&mut all);
        }
        // Idle is shared within a cluster and a class of nodes; namespaces tell idle and shared rows.
        all.extend([
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
            p.accumulate = Some(true);
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
