//! The pods that are sent: made from their number and their revision, so that every side gets the same.

use fleetledger_schema::{
    instant::Instant,
    key::{KeyError, RecordSource},
    record::{Condition, Container, Pod, Resources},
};
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// Clusters the pods are spread over.
pub(crate) const CLUSTERS: usize = 20;
/// Partitions of each topic.
pub(crate) const PARTITIONS: i32 = 4;
/// When everything began: 2026-01-01T00:00:00Z.
const BEGIN_MICROS: i64 = 1_767_225_600_000_000;
/// Namespaces of a cluster.
const NAMESPACES: usize = 40;

/// What a pod's record carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordShape {
    /// 26 plain values, no containers and no conditions: what a flat table can hold.
    Flat,
    /// One init and two app containers, four conditions, limits.
    Full,
}

/// A source for each cluster.
pub(crate) fn sources() -> Result<Vec<RecordSource>, KeyError> {
    let source = |number| RecordSource::new("dfw", &format!("prod-{number}"), &uid("cluster", number));
    (0..CLUSTERS).map(source).collect()
}

/// Cluster of a pod.
pub(crate) fn cluster_of(number: usize) -> usize {
    number % CLUSTERS
}

/// A uid of Kubernetes' form.
pub(crate) fn uid(kind: &str, number: usize) -> String {
    let hash = xxh3_128_with_seed(kind.as_bytes(), number as u64);
    let [a, b, c, d, e] = [
        hash >> 96,
        hash >> 80 & 0xffff,
        hash >> 64 & 0xffff,
        hash >> 48 & 0xffff,
        hash & 0xffff_ffff_ffff,
    ];
    format!("{a:08x}-{b:04x}-{c:04x}-{d:04x}-{e:012x}")
}

/// Pod `number` in its revision; another revision changes a reason and an instant, as an update of its status would.
pub(crate) fn pod(number: usize, revision: u32, shape: RecordShape) -> Pod {
    let begin = BEGIN_MICROS + (number as i64) * 1_000_000;
    let namespace = number / CLUSTERS % NAMESPACES;
    let workload = number / CLUSTERS / 10;
    let replica_set = format!("app-{workload}-5d8f9c7b6");
    let requests = Resources {
        cpu_millicores: Some(250),
        memory_bytes: Some(512 << 20),
        ..Resources::default()
    };
    let mut pod = Pod {
        uid: uid("pod", number),
        namespace: format!("team-{namespace}"),
        pod: format!("{replica_set}-{:05x}", number % 0xf_ffff),
        created_at: Instant(begin),
        labels: [
            ("app".to_owned(), format!("app-{workload}")),
            ("team".to_owned(), format!("team-{namespace}")),
        ]
        .into(),
        node: Some(format!("node-{}", number / CLUSTERS / 30)),
        phase: "Running".to_owned(),
        reason: Some(format!("Revision{revision}")),
        qos_class: Some("Burstable".to_owned()),
        priority: Some(0),
        owner_kind: Some("ReplicaSet".to_owned()),
        owner: Some(replica_set),
        owner_uid: Some(uid("replica set", workload)),
        workload_kind: Some("Deployment".to_owned()),
        workload: Some(format!("app-{workload}")),
        workload_uid: Some(uid("deployment", workload)),
        owner_resolved: true,
        service_account: Some("default".to_owned()),
        restart_policy: "Always".to_owned(),
        host_ip: Some(format!("10.1.{}.{}", number / 7680 % 256, number / 30 % 256)),
        pod_ips: vec![format!(
            "10.{}.{}.{}",
            2 + number / 65536,
            number / 256 % 256,
            number % 256
        )],
        started_at: Some(Instant(begin + 2_000_000 + i64::from(revision) * 60_000_000)),
        requests,
        ..Pod::default()
    };
    if shape == RecordShape::Full {
        fill(&mut pod, number, revision);
    }
    pod
}

/// What a flat record leaves out. A revision is a restart of the first app container.
fn fill(pod: &mut Pod, number: usize, revision: u32) {
    let condition = |condition_type: &str| Condition {
        condition_type: condition_type.to_owned(),
        status: "True".to_owned(),
        last_transition_at: pod.started_at,
        ..Condition::default()
    };
    pod.conditions = ["ContainersReady", "Initialized", "PodScheduled", "Ready"]
        .map(condition)
        .to_vec();
    pod.limits = pod.requests.clone();
    let container = |name: &str, container_type: &str, position| Container {
        container: name.to_owned(),
        container_type: container_type.to_owned(),
        position,
        image: format!("registry.example.com/team/{name}:1.2.3"),
        image_id: Some(format!(
            "registry.example.com/team/{name}@sha256:{:064x}",
            number / 200
        )),
        container_id: Some(format!("containerd://{:064x}", number * 3 + name.len())),
        requests: pod.requests.clone(),
        limits: pod.requests.clone(),
        ready: true,
        started: Some(true),
        state: Some(
            if container_type == "init" {
                "terminated"
            } else {
                "running"
            }
            .to_owned(),
        ),
        started_at: Some(Instant(pod.created_at.0 + 2_000_000)),
        ..Container::default()
    };
    pod.containers = vec![
        container("migrate", "init", 0),
        container("main", "app", 0),
        container("proxy", "app", 1),
    ];
    if let Some(main) = pod.containers.get_mut(1) {
        main.restart_count = i32::try_from(revision).unwrap_or(i32::MAX);
        main.started_at = pod.started_at;
    }
}

#[cfg(test)]
mod tests {
    use fleetledger_schema::{codec, record::ObjectRecord};

    use super::*;

    #[test]
    fn equal_numbers_and_revisions_give_equal_bodies() {
        let body = |number, revision| {
            codec::encode(&pod(number, revision, RecordShape::Full).into_record()).unwrap()
        };
        assert_eq!(body(7, 1), body(7, 1));
        assert_ne!(body(7, 1), body(7, 2));
        assert_ne!(body(7, 1), body(8, 1));
    }

    #[test]
    fn all_partitions_have_clusters() {
        let partitions: std::collections::BTreeSet<i32> = sources()
            .unwrap()
            .iter()
            .map(|source| fleetledger_schema::partition::partition_of(&source.cluster_uid, 0, PARTITIONS))
            .collect();
        assert_eq!(partitions.len(), PARTITIONS as usize);
    }
}
