-- Generated from schema/avro/watchdog.avsc by `cargo test -p fleetledger-schema --test columns`; do not edit.

    {alias}.uid, -- Kubernetes uid of the watchdog: its identity.
    {alias}.uid_text, -- Text of uid where that was hashed from another form; NULL in the common case.
    {alias}.watchdog, -- Watchdog name.
    {alias}.created_at, -- metadata.creationTimestamp; NULL where the object has none.
    {alias}.deletion_requested_at, -- When deletion was asked for: metadata.deletionTimestamp less the grace period.
    {alias}.labels, -- Allow-listed labels.
    {alias}.annotations, -- Allow-listed annotations.
    {alias}.finalizers, -- metadata.finalizers, sorted.
    {alias}.scope, -- Node or Cluster.
    {alias}.check_name, -- Name of the check it runs.
    {alias}.interval_seconds, -- Time between two runs, in seconds.
    {alias}.severity, -- Severity of its page.
    {alias}.runbook, -- Runbook.
    {alias}.suspended, -- True if it is suspended.
    {alias}.snoozed_until, -- End of the snooze in its spec.
    {alias}.snoozed_by, -- Who snoozed it.
    {alias}.snooze_reason, -- Why it was snoozed.
    {alias}.generation, -- metadata.generation.
    {alias}.observed_generation, -- status.observedGeneration.
    {alias}.healthy_status, -- Status of condition Healthy.
    {alias}.reporting_status, -- Status of condition Reporting.
    {alias}.state, -- Unknown, OK, Pending, Firing, Cooldown or Snoozed.
    {alias}.episode, -- Number of the current or last episode.
    {alias}.incarnation, -- Number of the current or last incident within the pager.
    {alias}.dedup_key, -- Dedup key of the page.
    {alias}.nodes_desired, -- Nodes that should report.
    {alias}.nodes_reporting, -- Nodes that report.
    {alias}.nodes_ok, -- Nodes whose check passes.
    {alias}.nodes_failing, -- Nodes whose check fails.
    {alias}.nodes_unknown, -- Nodes whose check gave no answer.
    {alias}.failing, -- The worst nodes, 20 at most.
    {alias}.conditions, -- Conditions Healthy, Reporting and Accepted, sorted by type.
