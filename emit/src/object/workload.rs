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
    key_order::sort_containers,
    meta::{common, conditions, controller, filled, instant, match_labels},
};

/// The record of a Deployment.
#[must_use]
pub fn deployment(object: &Deployment, rules: &MetadataRules) -> Workload {
    let spec = object.spec.clone().unwrap_or_default();
    let status = object.status.clone().unwrap_or_default();
    let available = available(
        [status.available_replicas, status.unavailable_replicas],
        status.ready_replicas,
        spec.min_ready_seconds,
    );
    Workload {
        observed_generation: status.observed_generation,
        desired: Some(spec.replicas.unwrap_or(1)),
        current: Some(status.replicas.unwrap_or(0)),
        updated: Some(status.updated_replicas.unwrap_or(0)),
        ready: Some(status.ready_replicas.unwrap_or(0)),
        available,
        unavailable: available.and(Some(status.unavailable_replicas.unwrap_or(0))),
        terminating: status.terminating_replicas,
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
        // Never omitted by a server that counts them.
        available: status.available_replicas,
        unavailable: status
            .available_replicas
            .map(|available| (spec.replicas.unwrap_or(1) - available).max(0)),
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
    let available = available(
        [status.number_available, status.number_unavailable],
        Some(status.number_ready),
        spec.min_ready_seconds,
    );
    Workload {
        observed_generation: status.observed_generation,
        desired: Some(status.desired_number_scheduled),
        current: Some(status.current_number_scheduled),
        updated: Some(status.updated_number_scheduled.unwrap_or(0)),
        ready: Some(status.number_ready),
        available,
        unavailable: available.and(Some(status.number_unavailable.unwrap_or(0))),
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
    let available = available(
        [status.available_replicas, None],
        status.ready_replicas,
        spec.min_ready_seconds,
    );
    Some(Workload {
        observed_generation: status.observed_generation,
        desired: Some(desired),
        current: Some(status.replicas),
        ready: Some(status.ready_replicas.unwrap_or(0)),
        available,
        unavailable: available.map(|available| (desired - available).max(0)),
        terminating: status.terminating_replicas,
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
        terminating: status.terminating,
        completed_indexes: filled(status.completed_indexes.as_ref()),
        failed_indexes: filled(status.failed_indexes.as_ref()),
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

/// Available replicas. A server leaves out what is 0, but where replicas are ready and need not stay so for a while to be
/// available, some are: one that sends neither the available nor the unavailable does not count them.
fn available(sent: [Option<i32>; 2], ready: Option<i32>, min_ready_seconds: Option<i32>) -> Option<i32> {
    let [available, unavailable] = sent;
    let is_counted = unavailable.is_some() || ready.unwrap_or(0) == 0 || min_ready_seconds.unwrap_or(0) > 0;
    available.or(is_counted.then_some(0))
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

/// Images of the init containers in their order, then of the containers by name.
fn images(template: &PodTemplateSpec) -> Vec<String> {
    let mut spec = template.spec.clone();
    spec.iter_mut().for_each(sort_containers);
    spec.iter()
        .flat_map(|spec| spec.init_containers.iter().flatten().chain(&spec.containers))
        .map(|container| container.image.clone().unwrap_or_default())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{super::test_rules, *};

    #[test]
    fn pods_that_terminate_and_indexes_of_a_job_are_kept() {
        let json = serde_json::json!({"metadata": {"name": "a", "uid": "j"}, "spec": {"template": {}},
            "status": {"terminating": 2, "completedIndexes": "0,2-4", "failedIndexes": "1"}});
        let done = job(&serde_json::from_value(json).unwrap(), &test_rules());
        let indexes = (done.completed_indexes.as_deref(), done.failed_indexes.as_deref());
        assert_eq!((done.terminating, indexes), (Some(2), (Some("0,2-4"), Some("1"))));
        let json = serde_json::json!({"metadata": {"name": "a", "uid": "d"},
            "spec": {"selector": {}, "template": {}}, "status": {"terminatingReplicas": 3}});
        let rolling = deployment(&serde_json::from_value(json.clone()).unwrap(), &test_rules());
        let set = replica_set(&serde_json::from_value(json).unwrap(), &test_rules()).unwrap();
        assert_eq!((rolling.terminating, set.terminating), (Some(3), Some(3)));
    }

    fn counts(record: &Workload) -> (Option<i32>, Option<i32>, Option<i32>) {
        (record.ready, record.available, record.unavailable)
    }

    #[test]
    fn available_replicas_that_an_old_server_does_not_send_are_not_known() {
        let rules = test_rules();
        let object = |status: serde_json::Value| {
            serde_json::json!({"metadata": {"name": "a", "uid": "u"},
                "spec": {"replicas": 3, "selector": {}, "serviceName": "s", "template": {}}, "status": status})
        };
        let old = object(serde_json::json!({"replicas": 3, "readyReplicas": 3}));
        let stateful: StatefulSet = serde_json::from_value(old.clone()).unwrap();
        assert_eq!(counts(&stateful_set(&stateful, &rules)), (Some(3), None, None));
        let set: ReplicaSet = serde_json::from_value(old.clone()).unwrap();
        assert_eq!(counts(&replica_set(&set, &rules).unwrap()), (Some(3), None, None));
        let deployed: Deployment = serde_json::from_value(old).unwrap();
        assert_eq!(counts(&deployment(&deployed, &rules)), (Some(3), None, None));
        let daemon: DaemonSet =
            serde_json::from_value(object(serde_json::json!({"desiredNumberScheduled": 3,
            "currentNumberScheduled": 3, "numberReady": 3, "numberMisscheduled": 0})))
            .unwrap();
        assert_eq!(counts(&daemon_set(&daemon, &rules)), (Some(3), None, None));
    }

    #[test]
    fn replicas_that_a_server_leaves_out_because_there_are_none_are_0() {
        let rules = test_rules();
        let object = |status: serde_json::Value| {
            serde_json::json!({"metadata": {"name": "a", "uid": "u"},
                "spec": {"replicas": 3, "selector": {}, "serviceName": "s", "template": {}}, "status": status})
        };
        let none = object(serde_json::json!({"replicas": 3, "unavailableReplicas": 3}));
        let deployed: Deployment = serde_json::from_value(none).unwrap();
        assert_eq!(
            counts(&deployment(&deployed, &rules)),
            (Some(0), Some(0), Some(3))
        );
        let none = object(serde_json::json!({"replicas": 3, "availableReplicas": 0}));
        let stateful: StatefulSet = serde_json::from_value(none.clone()).unwrap();
        assert_eq!(
            counts(&stateful_set(&stateful, &rules)),
            (Some(0), Some(0), Some(3))
        );
        let mut waiting = object(serde_json::json!({"replicas": 3, "readyReplicas": 3}));
        waiting["spec"]["minReadySeconds"] = serde_json::json!(60);
        let set: ReplicaSet = serde_json::from_value(waiting).unwrap();
        assert_eq!(
            counts(&replica_set(&set, &rules).unwrap()),
            (Some(3), Some(0), Some(3))
        );
    }

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
