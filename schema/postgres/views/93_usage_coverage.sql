-- view: usage_coverage
-- forms: live asof
-- How much of each UTC hour of each node is covered by usage windows; a node without a row was not read in that hour.
select
    l.datacenter, -- Name of the datacenter.
    l.cluster, -- Name of the cluster.
    w.node, -- Node.
    w.node_uid as uid, -- Uid of the node.
    w.hour_at, -- Begin of the UTC hour.
    bit_count(w.minutes::bit(60))::integer as minutes_covered, -- Minutes of the hour whose windows have landed, of 60.
    w.minutes = 1152921504606846975 as complete, -- True if all 60 have.
    w.windows, -- Windows that have landed.
    w.latest_window_end_at, -- End of the latest one.
    w.folded_at -- When one last landed.
from ledger.usage_window as w
join {cluster} as l using (cluster_id)
where w.hour_at <= {schema}.as_of()
