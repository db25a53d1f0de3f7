//! Deployment, StatefulSet, DaemonSet, ReplicaSet without owner, Job and CronJob → record.

use fleetledger_schema::record::Workload;
use k8s_openapi::{
    api::{
        apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet},
        batch::v1::{CronJob, Job, JobSpec},
        core::v1::PodTemplateSpec,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use super::{
    MetadataRules,
    meta::{common, conditions, controller, filled, instant, match_labels},
};

/// The record of a Deployment.
#[must_use]
pub fn deployment(object: &Deployment, rules: &MetadataRules) -> Workload {
    let spec = object.spec.clone().unwrap_or_default();
    let status = object.status.clone().unwrap_or_default();
    Workload {
        observed_generation: status.observed_generation,
        desired: Some(spec.replicas.unwrap_or(1)),
        current: Some(status.replicas.unwrap_or(0)),
        updated: Some(status.updated_replicas.unwrap_or(0)),
        ready: Some(status.ready_replicas.unwrap_or(0)),
        available: Some(status.available_replicas.unwrap_or(0)),
        unavailable: Some(status.unavailable_replicas.unwrap_or(0)),
        paused: spec.paused.unwrap_or(false),
        strategy: spec.strategy.and_then(|strategy| filled(strategy.type_.as_ref())),
        selector: match_labels(Some(&spec.selector)),
        images: images(&spec.template),
        conditions: conditions(status.conditions.as_ref()),
        ..start("Deployment", &object.metadata, rules)
    }
}

/// The record of a StatefulSet.
#[must_use]
pub fn stateful_set(object: &StatefulSet, rules: &MetadataRules) -> Workload {
    let spec = object.spec.clone().unwrap_or_default();
    let status = object.status.clone().unwrap_or_default();
    Workload {
        observed_generation: status.observed_generation,
        desired: Some(spec.replicas.unwrap_or(1)),
        current: Some(status.replicas),
        updated: Some(status.updated_replicas.unwrap_or(0)),
        ready: Some(status.ready_replicas.unwrap_or(0)),
        available: Some(status.available_replicas.unwrap_or(0)),
        unavailable: Some((spec.replicas.unwrap_or(1) - status.available_replicas.unwrap_or(0)).max(0)),
        strategy: spec
            .update_strategy
            .and_then(|strategy| filled(strategy.type_.as_ref())),
        selector: match_labels(Some(&spec.selector)),
        images: images(&spec.template),
        conditions: conditions(status.conditions.as_ref()),
        ..start("StatefulSet", &object.metadata, rules)
    }
}

/// The record of a DaemonSet.
#[must_use]
pub fn daemon_set(object: &DaemonSet, rules: &MetadataRules) -> Workload {
    let spec = object.spec.clone().unwrap_or_default();
    let status = object.status.clone().unwrap_or_default();
    Workload {
        observed_generation: status.observed_generation,
        desired: Some(status.desired_number_scheduled),
        current: Some(status.current_number_scheduled),
        updated: Some(status.updated_number_scheduled.unwrap_or(0)),
        ready: Some(status.number_ready),
        available: Some(status.number_available.unwrap_or(0)),
        unavailable: Some(status.number_unavailable.unwrap_or(0)),
        misscheduled: Some(status.number_misscheduled),
        strategy: spec
            .update_strategy
            .and_then(|strategy| filled(strategy.type_.as_ref())),
        selector: match_labels(Some(&spec.selector)),
        images: images(&spec.template),
        conditions: conditions(status.conditions.as_ref()),
        ..start("DaemonSet", &object.metadata, rules)
    }
}

/// The record of a ReplicaSet; `None` for one that a Deployment or another object controls, which is part of that.
#[must_use]
pub fn replica_set(object: &ReplicaSet, rules: &MetadataRules) -> Option<Workload> {
    if controller(&object.metadata).is_some() {
        return None;
    }
    let spec = object.spec.clone().unwrap_or_default();
    let status = object.status.clone().unwrap_or_default();
    let desired = spec.replicas.unwrap_or(1);
    Some(Workload {
        observed_generation: status.observed_generation,
        desired: Some(desired),
        current: Some(status.replicas),
        ready: Some(status.ready_replicas.unwrap_or(0)),
        available: Some(status.available_replicas.unwrap_or(0)),
        unavailable: Some((desired - status.available_replicas.unwrap_or(0)).max(0)),
        selector: match_labels(Some(&spec.selector)),
        images: spec.template.as_ref().map(images).unwrap_or_default(),
        conditions: conditions(status.conditions.as_ref()),
        ..start("ReplicaSet", &object.metadata, rules)
    })
}

/// The record of a Job.
#[must_use]
pub fn job(object: &Job, rules: &MetadataRules) -> Workload {
    let spec = object.spec.clone().unwrap_or_default();
    let status = object.status.clone().unwrap_or_default();
    Workload {
        desired: spec.parallelism,
        current: Some(status.active.unwrap_or(0)),
        ready: status.ready,
        suspended: spec.suspend.unwrap_or(false),
        completions: spec.completions,
        succeeded: Some(status.succeeded.unwrap_or(0)),
        failed: Some(status.failed.unwrap_or(0)),
        active: Some(status.active.unwrap_or(0)),
        started_at: status.start_time.as_ref().map(instant),
        completed_at: status.completion_time.as_ref().map(instant),
        selector: match_labels(spec.selector.as_ref()),
        images: images(&spec.template),
        conditions: conditions(status.conditions.as_ref()),
        ..start("Job", &object.metadata, rules)
    }
}

/// The record of a CronJob.
#[must_use]
pub fn cron_job(object: &CronJob, rules: &MetadataRules) -> Workload {
    let spec = object.spec.clone().unwrap_or_default();
    let status = object.status.clone().unwrap_or_default();
    let template: JobSpec = spec.job_template.spec.unwrap_or_default();
    Workload {
        suspended: spec.suspend.unwrap_or(false),
        active: Some(i32::try_from(status.active.map_or(0, |active| active.len())).unwrap_or(i32::MAX)),
        schedule: filled(Some(&spec.schedule)),
        time_zone: filled(spec.time_zone.as_ref()),
        last_scheduled_at: status.last_schedule_time.as_ref().map(instant),
        last_successful_at: status.last_successful_time.as_ref().map(instant),
        strategy: filled(spec.concurrency_policy.as_ref()),
        images: images(&template.template),
        ..start("CronJob", &object.metadata, rules)
    }
}

fn start(kind: &str, meta: &ObjectMeta, rules: &MetadataRules) -> Workload {
    let common = common(meta, rules);
    let owner = controller(meta);
    Workload {
        uid: common.uid,
        namespace: common.namespace,
        workload: common.name,
        created_at: common.created_at,
        deletion_requested_at: common.deletion_requested_at,
        labels: common.labels,
        annotations: common.annotations,
        finalizers: common.finalizers,
        workload_kind: kind.to_owned(),
        owner_kind: owner.map(|owner| owner.kind.clone()),
        owner: owner.map(|owner| owner.name.clone()),
        owner_uid: owner.map(|owner| owner.uid.clone()),
        generation: meta.generation,
        ..Workload::default()
    }
}

/// Images of the init containers, then of the containers.
fn images(template: &PodTemplateSpec) -> Vec<String> {
    let spec = template.spec.as_ref();
    spec.into_iter()
        .flat_map(|spec| spec.init_containers.iter().flatten().chain(&spec.containers))
        .map(|container| container.image.clone().unwrap_or_default())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{super::test_rules, *};

    #[test]
    fn a_replica_set_is_a_workload_only_without_a_controller() {
        let json = serde_json::json!({"metadata": {"name": "a-b-c", "uid": "r"},
            "spec": {"replicas": 3, "selector": {}}, "status": {"replicas": 3, "availableReplicas": 1}});
        let mut set: ReplicaSet = serde_json::from_value(json).unwrap();
        let record = replica_set(&set, &test_rules()).unwrap();
        assert_eq!((record.desired, record.unavailable), (Some(3), Some(2)));
        set.metadata.owner_references = Some(vec![
            serde_json::from_value(serde_json::json!(
            {"apiVersion": "apps/v1", "kind": "Deployment", "name": "z", "uid": "d", "controller": true}))
            .unwrap(),
        ]);
        assert_eq!(replica_set(&set, &test_rules()), None);
    }
}
