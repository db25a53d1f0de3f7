-- view: node
-- forms: live asof at history
-- Every node that exists, one row each.
select
    l.datacenter, -- Name of the datacenter.
    l.cluster, -- Name of the cluster.
    n.node, -- Node name.
    n.uid, -- Kubernetes uid of the node: its identity.
    n.created_at, -- metadata.creationTimestamp.
    n.deletion_requested_at, -- When deletion was asked for: metadata.deletionTimestamp less the grace period.
    n.labels, -- Allow-listed labels.
    n.annotations, -- Allow-listed annotations.
    n.finalizers, -- metadata.finalizers, in the object's order.
    n.provider_id, -- spec.providerID.
    n.unschedulable, -- True if the node is cordoned.
    n.taints, -- Taints, sorted by key, effect and value.
    n.conditions, -- Conditions, sorted by type; heartbeats left out.
    n.ready_status, -- Status of condition Ready: True, False or Unknown.
    n.ready_reason, -- Reason of condition Ready.
    n.ready_since, -- When condition Ready last changed its status.
    n.heartbeat_stale_since, -- renewTime of the node's Lease, set only while that is more than 2 minutes old: the instant the node fell silent.
    n.addresses, -- Addresses, in the object's order.
    n.pod_cidrs, -- Pod CIDRs.
    n.kernel_version, -- Kernel version.
    n.os_image, -- Operating system image.
    n.operating_system, -- Operating system, such as linux.
    n.architecture, -- CPU architecture.
    n.container_runtime_version, -- Container runtime and version.
    n.kubelet_version, -- Kubelet version.
    n.kube_proxy_version, -- kube-proxy version; empty where the kubelet no longer reports it.
    n.boot_id, -- Changes at every boot.
    n.machine_id, -- Machine id.
    n.system_uuid, -- SMBIOS system uuid.
    round(n.capacity_cpu_millicores / 1000.0, 3) as cpu_capacity_cores, -- Capacity in CPU cores; NULL = not set.
    n.capacity_memory_bytes as memory_capacity_bytes, -- Capacity in bytes of memory; NULL = not set.
    n.capacity_ephemeral_storage_bytes as ephemeral_storage_capacity_bytes, -- Capacity in bytes of ephemeral storage; NULL = not set.
    round(n.capacity_gpu_millis / 1000.0, 3) as gpu_capacity, -- Capacity in GPU cards; NULL = not set.
    n.capacity_pods as pods_capacity, -- Capacity in pods.
    n.capacity_other as other_capacity, -- Capacity: every other resource by name.
    round(n.allocatable_cpu_millicores / 1000.0, 3) as cpu_allocatable_cores, -- Allocatable, in CPU cores; NULL = not set.
    n.allocatable_memory_bytes as memory_allocatable_bytes, -- Allocatable, in bytes of memory; NULL = not set.
    n.allocatable_ephemeral_storage_bytes as ephemeral_storage_allocatable_bytes, -- Allocatable, in bytes of ephemeral storage; NULL = not set.
    round(n.allocatable_gpu_millis / 1000.0, 3) as gpu_allocatable, -- Allocatable, in GPU cards; NULL = not set.
    n.allocatable_pods as pods_allocatable, -- Allocatable, in pods.
    n.allocatable_other as other_allocatable, -- Allocatable: every other resource by name.
    n.unknown as unknown_fields, -- Fields a newer emitter sent that this version does not know; NULL in the common case.
    n.valid_from, -- Begin of this version: since then it is so.
    n.observed_at, -- When the emitter observed this version.
    n.landed_at -- When this version was committed here.
from {node} as n
join {cluster} as l using (cluster_id)
