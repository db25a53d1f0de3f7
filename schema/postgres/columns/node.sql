-- Generated from schema/avro/node.avsc by `cargo test -p fleetledger-schema --test columns`; do not edit.

    {alias}.uid, -- Kubernetes uid of the node: its identity.
    {alias}.uid_text, -- Text of uid where that was hashed from another form; NULL in the common case.
    {alias}.node, -- Node name.
    {alias}.created_at, -- metadata.creationTimestamp; NULL where the object has none.
    {alias}.deletion_requested_at, -- When deletion was asked for: metadata.deletionTimestamp less the grace period.
    {alias}.labels, -- Allow-listed labels.
    {alias}.annotations, -- Allow-listed annotations.
    {alias}.finalizers, -- metadata.finalizers, sorted.
    {alias}.provider_id, -- spec.providerID.
    {alias}.unschedulable, -- True if the node is cordoned.
    {alias}.taints, -- Taints, sorted by key, effect and value.
    {alias}.conditions, -- Conditions, sorted by type; heartbeats left out.
    {alias}.ready_status, -- Status of condition Ready: True, False or Unknown.
    {alias}.ready_reason, -- Reason of condition Ready.
    {alias}.ready_since, -- When condition Ready last changed its status.
    {alias}.heartbeat_stale_since, -- renewTime of the node's Lease, set only while that is more than 2 minutes old: the instant the node fell silent.
    {alias}.addresses, -- Addresses, sorted by type; those of one type in the object's order.
    {alias}.pod_cidrs, -- Pod CIDRs: the primary one, then the others sorted.
    {alias}.kernel_version, -- Kernel version.
    {alias}.os_image, -- Operating system image.
    {alias}.operating_system, -- Operating system, such as linux.
    {alias}.architecture, -- CPU architecture.
    {alias}.container_runtime_version, -- Container runtime and version.
    {alias}.kubelet_version, -- Kubelet version.
    {alias}.kube_proxy_version, -- kube-proxy version; empty where the kubelet no longer reports it.
    {alias}.boot_id, -- Changes at every boot.
    {alias}.machine_id, -- Machine id.
    {alias}.system_uuid, -- SMBIOS system uuid.
    round({alias}.capacity_cpu_millicores / 1000.0, 3) as cpu_capacity_cores, -- Capacity in CPU cores; NULL = not set.
    {alias}.capacity_memory_bytes as memory_capacity_bytes, -- Capacity in bytes of memory; NULL = not set.
    {alias}.capacity_ephemeral_storage_bytes as ephemeral_storage_capacity_bytes, -- Capacity in bytes of ephemeral storage; NULL = not set.
    round({alias}.capacity_gpu_millis / 1000.0, 3) as gpu_capacity, -- Capacity in GPU cards; NULL = not set.
    {alias}.capacity_pods as pods_capacity, -- Capacity in pods.
    {alias}.capacity_other as other_capacity, -- Capacity: every other resource by name.
    round({alias}.allocatable_cpu_millicores / 1000.0, 3) as cpu_allocatable_cores, -- Allocatable, in CPU cores; NULL = not set.
    {alias}.allocatable_memory_bytes as memory_allocatable_bytes, -- Allocatable, in bytes of memory; NULL = not set.
    {alias}.allocatable_ephemeral_storage_bytes as ephemeral_storage_allocatable_bytes, -- Allocatable, in bytes of ephemeral storage; NULL = not set.
    round({alias}.allocatable_gpu_millis / 1000.0, 3) as gpu_allocatable, -- Allocatable, in GPU cards; NULL = not set.
    {alias}.allocatable_pods as pods_allocatable, -- Allocatable, in pods.
    {alias}.allocatable_other as other_allocatable, -- Allocatable: every other resource by name.
    {alias}.swap_capacity_bytes, -- status.nodeInfo.swap.capacity: swap that the node has, in bytes; null where the kubelet does not say.
    {alias}.runtime_handlers, -- status.runtimeHandlers, sorted by name; the default handler has an empty name. Null where the node does not say.
    {alias}.features, -- status.features: what the container runtime can do, by name, as true or false; null where the node does not say.
    {alias}.declared_features, -- status.declaredFeatures: features that the kubelet declares, sorted; null where it declares none.
