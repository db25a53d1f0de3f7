//! Settings of one emitter. Nothing here is a secret: how Kafka and the API server are reached is the binary's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use fleetledger_schema::key::RecordSource as SourceName;

use crate::{
    error::EmitError,
    object::{AllowList, MetadataRules},
    usage::UsageSettings,
};

/// Settings of one emitter: one Kubernetes cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EmitSettings {
    /// Name of the datacenter: 1 to 63 of a-z 0-9 - _ . and part of every key.
    pub datacenter: String,
    /// Name of the cluster within its datacenter, of the same form.
    pub cluster: String,
    /// First part of every topic's name: `<prefix>.<kind>`.
    pub topic_prefix: String,
    /// Last part of every topic's name, if each datacenter has topics of its own; none by default.
    pub topic_suffix: Option<String>,
    /// Number of logs that the objects of one kind are spread over. Fixed for the life of the topics: a change means
    /// new topics.
    pub shards: u16,
    /// Labels that are sent: exact names, or prefixes that end in `*`.
    pub labels: Vec<String>,
    /// Annotations that are sent: exact names, or prefixes that end in `*`. `kubectl.kubernetes.io/last-applied-configuration` is refused.
    pub annotations: Vec<String>,
    /// Time between two marks of a log, in seconds.
    pub mark_interval_seconds: u64,
    /// Time between two sweeps, in seconds.
    pub sweep_interval_seconds: u64,
    /// After a change of an object was sent, its further changes within this many milliseconds are merged.
    pub coalesce_ms: u64,
    /// How long a sweep waits for the watches to catch up with its fresh list before it calls a difference a missed change, in milliseconds.
    pub settle_ms: u64,
    /// Maximum memory, in bytes, for what waits for Kafka: half for records in flight, a quarter for the last records
    /// of deleted objects, a quarter for usage windows. Beyond that, only the newest state of each object is kept.
    pub buffer_bytes: usize,
    /// Maximum number of records that wait for Kafka.
    pub buffer_records: usize,
    /// Objects per page of a paged list.
    pub page_size: u32,
    /// Ask the API server for streaming lists; if it does not support them, paged lists are used.
    pub streaming_lists: bool,
    /// Age at which a node's Lease counts as stale, in seconds.
    pub lease_stale_seconds: u64,
    /// Age at which a condition's heartbeat counts as stale, in seconds. It must exceed the kubelet's report
    /// frequency, which is 5 minutes with up to half of that as jitter.
    pub condition_stale_seconds: u64,
    /// Leader election: of several emitters on one cluster, only the holder of this Lease sends.
    pub leadership: LeadershipSettings,
    /// How records prove which cluster they come from.
    pub identity: EmitIdentitySettings,
    /// How the usage of containers is read.
    pub usage: UsageSettings,
}

/// How records prove which cluster they come from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EmitIdentitySettings {
    /// File of this cluster's key, at least 64 hexadecimal digits; a second line may contain the previous key. The
    /// first signs every record, tombstones and marks included. Read again when it changes; if empty, records are not
    /// signed.
    pub key_file: String,
}

/// The Lease by which one emitter of a cluster leads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LeadershipSettings {
    /// Name of the Lease.
    pub lease: String,
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name under which this emitter holds the Lease: unique among the emitters of a cluster, usually the pod's name.
    /// Random if empty.
    pub identity: String,
    /// Time without renewal after which another emitter takes the Lease, in seconds.
    pub duration_seconds: u64,
}

impl Default for LeadershipSettings {
    fn default() -> Self {
        Self {
            lease: "fleetledger-emit".to_owned(),
            namespace: "fleetledger".to_owned(),
            identity: String::new(),
            duration_seconds: 15,
        }
    }
}

impl Default for EmitSettings {
    fn default() -> Self {
        let labels = [
            "app",
            "k8s-app",
            "team",
            "owner",
            "pod-template-hash",
            "app.kubernetes.io/*",
            "topology.kubernetes.io/*",
            "node.kubernetes.io/instance-type",
            "node-role.kubernetes.io/*",
            "kubernetes.io/hostname",
            "kubernetes.io/arch",
            "kubernetes.io/os",
            "kubernetes.io/metadata.name",
            "fleetledger.io/*",
            // By which virtual nodes are known: virtual-kubelet can be told to set no taint.
            "type",
            // Capacity types and pools, by which nodes are priced.
            "karpenter.sh/capacity-type",
            "karpenter.sh/nodepool",
            "karpenter.sh/provisioner-name",
            "eks.amazonaws.com/capacityType",
            "eks.amazonaws.com/compute-type",
            "eks.amazonaws.com/nodegroup",
            "alpha.eksctl.io/nodegroup-name",
            "cloud.google.com/gke-spot",
            "cloud.google.com/gke-preemptible",
            "cloud.google.com/gke-provisioning",
            "cloud.google.com/gke-nodepool",
            "cloud.google.com/compute-class",
            "kubernetes.azure.com/scalesetpriority",
            "kubernetes.azure.com/agentpool",
            "agentpool",
            "oci.oraclecloud.com/oke-is-preemptible",
            "ibm-cloud.kubernetes.io/worker-pool-name",
            "doks.digitalocean.com/node-pool",
            "alibabacloud.com/nodepool-id",
            "node.alibabacloud.com/nodepool-id",
            "node.alibabacloud.com/instance-charge-type",
            "k8s.scaleway.com/pool-name",
            "lke.linode.com/pool-id",
            "kops.k8s.io/instancegroup",
            "node.kubernetes.io/lifecycle",
        ];
        Self {
            datacenter: String::new(),
            cluster: String::new(),
            topic_prefix: "fleetledger".to_owned(),
            topic_suffix: None,
            shards: 1,
            labels: labels.map(str::to_owned).to_vec(),
            annotations: vec!["fleetledger.io/*".to_owned()],
            mark_interval_seconds: 60,
            sweep_interval_seconds: 3600,
            coalesce_ms: 1000,
            settle_ms: 5000,
            buffer_bytes: 32 << 20,
            buffer_records: 50_000,
            page_size: 500,
            streaming_lists: true,
            lease_stale_seconds: 120,
            condition_stale_seconds: 720,
            leadership: LeadershipSettings::default(),
            identity: EmitIdentitySettings::default(),
            usage: UsageSettings::default(),
        }
    }
}

impl EmitSettings {
    /// Memory for records that Kafka has not acknowledged, in bytes.
    pub(crate) fn in_flight_bytes(&self) -> usize {
        self.buffer_bytes / 2
    }

    /// Memory for the last records of objects that are gone, in bytes.
    pub(crate) fn deletion_bytes(&self) -> usize {
        self.buffer_bytes / 4
    }

    /// Memory for windows of usage, in bytes.
    pub(crate) fn window_bytes(&self) -> usize {
        self.buffer_bytes / 4
    }

    /// Checks what can be checked before any connection is opened.
    ///
    /// # Errors
    /// [`EmitError::EmitSettings`] names the key and says what is allowed.
    pub fn check(&self) -> Result<(), EmitError> {
        SourceName::new(&self.datacenter, &self.cluster, "unknown")
            .map_err(|error| EmitError::settings("datacenter, cluster", error.to_string()))?;
        for (key, value) in [
            ("mark_interval_seconds", self.mark_interval_seconds),
            ("sweep_interval_seconds", self.sweep_interval_seconds),
            ("lease_stale_seconds", self.lease_stale_seconds),
            ("page_size", u64::from(self.page_size)),
            ("shards", u64::from(self.shards)),
            ("buffer_records", self.buffer_records as u64),
        ] {
            if value == 0 {
                return Err(EmitError::settings(key, "must be at least 1"));
            }
        }
        if self.buffer_bytes < 1 << 20 {
            return Err(EmitError::settings(
                "buffer_bytes",
                "must be at least 1048576 (1 MiB)",
            ));
        }
        if self.condition_stale_seconds <= 450 {
            return Err(EmitError::settings(
                "condition_stale_seconds",
                "must exceed 450, because kubelets report every 5 minutes plus a jitter of up to half of \
                 that",
            ));
        }
        if self.leadership.duration_seconds < 3 {
            return Err(EmitError::settings(
                "leadership.duration_seconds",
                "must be at least 3",
            ));
        }
        self.usage.check()?;
        self.rules().map(drop)
    }

    /// What the mapping from objects to records needs of the settings.
    pub(crate) fn rules(&self) -> Result<MetadataRules, EmitError> {
        Ok(MetadataRules {
            labels: AllowList::new(&self.labels).map_err(|why| EmitError::settings("labels", why))?,
            annotations: AllowList::new(&self.annotations)
                .map_err(|why| EmitError::settings("annotations", why))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named() -> EmitSettings {
        EmitSettings {
            datacenter: "dfw".to_owned(),
            cluster: "prod-1".to_owned(),
            ..EmitSettings::default()
        }
    }

    #[test]
    fn defaults_are_accepted_once_the_cluster_is_named() {
        assert!(EmitSettings::default().check().is_err());
        named().check().unwrap();
    }

    #[test]
    fn capacity_types_and_pools_of_clouds_are_sent_by_default() {
        let sent = AllowList::new(&EmitSettings::default().labels).unwrap();
        for label in [
            "karpenter.sh/capacity-type",
            "karpenter.sh/nodepool",
            "eks.amazonaws.com/capacityType",
            "eks.amazonaws.com/nodegroup",
            "cloud.google.com/gke-spot",
            "cloud.google.com/gke-provisioning",
            "cloud.google.com/gke-nodepool",
            "kubernetes.azure.com/scalesetpriority",
            "kubernetes.azure.com/agentpool",
            "oci.oraclecloud.com/oke-is-preemptible",
            "node.kubernetes.io/instance-type",
        ] {
            assert!(sent.allows(label), "{label}");
        }
        assert!(!sent.allows("karpenter.sh/registered"));
    }

    #[test]
    fn last_applied_configuration_cannot_be_allowed_in_any_way() {
        for entry in [
            "kubectl.kubernetes.io/last-applied-configuration",
            "kubectl.kubernetes.io/*",
            "*",
        ] {
            let mut settings = named();
            settings.annotations = vec![entry.to_owned()];
            let error = settings.check().unwrap_err().to_string();
            assert!(
                error.contains("annotations") && error.contains("last-applied"),
                "{error}"
            );
        }
    }

    #[test]
    fn unknown_keys_are_refused() {
        let error = serde_json::from_str::<EmitSettings>(r#"{"datacentre": "dfw"}"#).unwrap_err();
        assert!(error.to_string().contains("datacentre"), "{error}");
    }
}
