-- Nine incidents, each of which somebody must see on the dashboard they open first.

-- A datacenter of which nothing is heard.
insert into ledger.cluster (datacenter, cluster, cluster_uid, first_seen_at)
values ('ams', 'edge-1', 'uid-edge-1', now() - interval '90 days'), ('ams', 'edge-2', 'uid-edge-2', now() - interval '90 days');
insert into ledger.freshness (cluster_id, kind, observed_at, landed_at)
select cluster_id, k, now() - interval '20 minutes', now() - interval '20 minutes'
from ledger.cluster cross join generate_series(1, 5) as k
where datacenter = 'ams';

-- A node that flaps: eight changes of its readiness within the hour.
insert into ledger.node_history
select
    (jsonb_populate_record(null::ledger.node_history, to_jsonb(n) || jsonb_build_object(
        'ready_status', (array['True', 'False'])[1 + i % 2],
        'ready_since', now() - i * interval '5 minutes',
        'valid_from', now() - i * interval '5 minutes',
        'valid_to', now() - (i - 1) * interval '5 minutes',
        'closed_reason', 'changed'
    ))).*
from ledger.node as n cross join generate_series(1, 8) as i
where n.node = 'prod-1-node-1';
update ledger.node set valid_from = now(), ready_since = now() where node = 'prod-1-node-1';

-- One image that crashes in three datacenters at once.
update ledger.container as c set
    image = 'registry.example.com/broken:2.0', state = 'waiting', reason = 'CrashLoopBackOff', restart_count = 9, ready = false,
    last_reason = 'Error', last_exit_code = 137, last_finished_at = now() - interval '3 minutes', valid_from = now() - interval '2 minutes'
from ledger.cluster as l
where l.cluster_id = c.cluster_id and l.datacenter in ('dfw', 'iad', 'lon') and c.pod like 'service-7-%';

-- A workload that leaks: ten were asked for, and thirty more came within the hour.
insert into ledger.pod
select
    (jsonb_populate_record(null::ledger.pod, to_jsonb(p) || jsonb_build_object(
        'uid', md5(p.uid || '-leak-' || i)::uuid, 'pod', p.pod || '-leak-' || i, 'created_at', now() - i * interval '1 minute'
    ))).*
from ledger.pod as p cross join generate_series(1, 30) as i
where p.uid = md5('prod-2-pod-30')::uuid;

-- An alert that fires and is snoozed.
insert into ledger.snooze (kind, matchers, from_at, until_at, created_by, reason, created_at)
values ('snooze', '["node=\"prod-1-node-1\""]', now() - interval '10 minutes', date_trunc('hour', now()) + interval '2 hours', 'ada',
    'disk is being replaced', now() - interval '10 minutes');
insert into ledger.alert_instance (
    rule, fingerprint, alertname, labels, annotations, value, condition, episode, active_at, fired_at, snoozed_until, memory, changed_slot
)
values ('node-flapping', 'flap', 'NodeFlapping',
    '{"severity": "ticket", "team": "platform", "datacenter": "iad", "cluster": "prod-1", "node": "prod-1-node-1"}',
    '{"summary": "prod-1-node-1 flaps", "runbook": "node-flapping"}', 8, 'firing', 1, now() - interval '30 minutes',
    now() - interval '30 minutes', date_trunc('hour', now()) + interval '2 hours', '{}', date_trunc('minute', now()));

-- A team over budget.
insert into ledger.cost_team (team, budget_per_month, valid_from, applied_by)
values ('team-3', 0.5, now() - interval '60 days', 'seed'), ('team-4', 1000000, now() - interval '60 days', 'seed');
-- The running month may be a day old or less: what is spent is dated today.
insert into ledger.cost_namespace_daily
select
    date_trunc('day', now(), 'UTC'), cluster_id, 'app-3', 'team-3', 'label', 'm-2', 900000000, 100000000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
from ledger.cluster where cluster = 'prod-1';

-- Machines that nobody uses.
update ledger.cost_node_daily as n set allocated_nanos = 2000000000, idle_nanos = 43000000000
from ledger.cluster as c
where c.cluster_id = n.cluster_id and c.cluster = 'prod-2';

-- Records that could not land.
insert into ledger.dead_letter (topic, partition, record_offset, datacenter, cluster, kind, reason, detail, record_headers, died_at)
select 'fleetledger.pod', 1, 900000 + n, 'dfw', 'prod-3', 2, 'unknown_schema', 'schema 5f3a is not known', '{}', now() - n * interval '1 minute'
from generate_series(1, 4) as n;

-- A watchdog that fails on three nodes.
update ledger.watchdog as w set
    state = 'Firing', healthy_status = 'False', nodes_ok = 7, nodes_failing = 3, valid_from = now() - interval '4 minutes',
    failing = '[{"node": "prod-2-node-1", "message": "dns: no answer in 2 s"}]'
from ledger.cluster as c
where c.cluster_id = w.cluster_id and c.cluster = 'prod-2' and w.watchdog = 'check-5';
