-- view: watchdog
-- forms: live asof at history
-- Every watchdog that exists, one row each.
select
    l.datacenter, -- Name of the datacenter.
    l.cluster, -- Name of the cluster.
    d.watchdog, -- Watchdog name.
    d.uid, -- Kubernetes uid of the watchdog: its identity.
    d.created_at, -- metadata.creationTimestamp.
    d.deletion_requested_at, -- When deletion was asked for: metadata.deletionTimestamp less the grace period.
    d.labels, -- Allow-listed labels.
    d.annotations, -- Allow-listed annotations.
    d.finalizers, -- metadata.finalizers, in the object's order.
    d.scope, -- Node or Cluster.
    d.check_name, -- Name of the check it runs.
    d.interval_seconds, -- Time between two runs, in seconds.
    d.severity, -- Severity of its page.
    d.runbook, -- Runbook.
    d.suspended, -- True if it is suspended.
    d.snoozed_until, -- End of the snooze in its spec.
    d.snoozed_by, -- Who snoozed it.
    d.snooze_reason, -- Why it was snoozed.
    d.generation, -- metadata.generation.
    d.observed_generation, -- status.observedGeneration.
    d.healthy_status, -- Status of condition Healthy.
    d.reporting_status, -- Status of condition Reporting.
    d.state, -- Unknown, OK, Pending, Firing, Cooldown or Snoozed.
    d.episode, -- Number of the current or last episode.
    d.incarnation, -- Number of the current or last incident within the pager.
    d.dedup_key, -- Dedup key of the page.
    d.nodes_desired, -- Nodes that should report.
    d.nodes_reporting, -- Nodes that report.
    d.nodes_ok, -- Nodes whose check passes.
    d.nodes_failing, -- Nodes whose check fails.
    d.nodes_unknown, -- Nodes whose check gave no answer.
    d.failing, -- The worst nodes, 20 at most.
    d.conditions, -- Conditions Healthy, Reporting and Accepted, sorted by type.
    d.unknown as unknown_fields, -- Fields a newer emitter sent that this version does not know; NULL in the common case.
    d.valid_from, -- Begin of this version: since then it is so.
    d.observed_at, -- When the emitter observed this version.
    d.landed_at -- When this version was committed here.
from {watchdog} as d
join {cluster} as l using (cluster_id)
