-- script: once
create function fleet.node_states(from_at timestamptz, to_at timestamptz)
returns table (state_at timestamptz, datacenter text, cluster text, node text, uid uuid, state text)
language sql stable parallel safe
begin atomic
    select
        greatest(h.valid_from, from_at) as state_at, h.datacenter, h.cluster, h.node, h.uid,
        case
            when h.heartbeat_stale_since is not null then 'silent'
            when h.ready_status = 'True' and h.unschedulable then 'cordoned'
            when h.ready_status = 'True' then 'ready'
            else 'not ready'
        end as state
    from fleet.node_history as h
    where h.valid_from <= to_at and (h.valid_to > from_at or h.valid_to is null)
    union all
    select h.valid_to as state_at, h.datacenter, h.cluster, h.node, h.uid, 'gone' as state
    from fleet.node_history as h
    where h.valid_to > from_at and h.valid_to <= to_at and h.closed_reason <> 'changed';
end;
comment on function fleet.node_states(timestamptz, timestamptz) is 'What each node was within a range, a row each time a version begins: ready, cordoned, not ready, silent, gone.';

create function fleet.pod_states(from_at timestamptz, to_at timestamptz)
returns table (
    state_at timestamptz, datacenter text, cluster text, namespace text, pod text, uid uuid, node text, workload text,
    state text, restart_count integer
)
language sql stable parallel safe
begin atomic
    select
        greatest(h.valid_from, from_at) as state_at, h.datacenter, h.cluster, h.namespace, h.pod, h.uid, h.node, h.workload,
        case
            when h.deletion_requested_at is not null then 'terminating'
            when h.phase = 'Running' and h.ready then 'ready'
            when h.phase = 'Running' then 'not ready'
            else lower(h.phase)
        end as state,
        h.restart_count
    from fleet.pod_history as h
    where h.valid_from <= to_at and (h.valid_to > from_at or h.valid_to is null)
    union all
    select
        h.valid_to as state_at, h.datacenter, h.cluster, h.namespace, h.pod, h.uid, h.node, h.workload, 'gone' as state,
        h.restart_count
    from fleet.pod_history as h
    where h.valid_to > from_at and h.valid_to <= to_at and h.closed_reason <> 'changed';
end;
comment on function fleet.pod_states(timestamptz, timestamptz) is 'What each pod was within a range, a row each time a version begins: pending, ready, not ready, terminating, succeeded, failed, unknown, gone. Name a namespace.';

create function fleet.watchdog_states(from_at timestamptz, to_at timestamptz)
returns table (
    state_at timestamptz, datacenter text, cluster text, watchdog text, check_name text, state text, nodes_failing bigint
)
language sql stable parallel safe
begin atomic
    select
        greatest(h.valid_from, from_at) as state_at, h.datacenter, h.cluster, h.watchdog, h.check_name, lower(h.state) as state,
        h.nodes_failing::bigint as nodes_failing
    from fleet.watchdog_history as h
    where h.valid_from <= to_at and (h.valid_to > from_at or h.valid_to is null);
end;
comment on function fleet.watchdog_states(timestamptz, timestamptz) is 'What each watchdog was within a range, a row each time a version begins: ok, pending, firing, cooldown, snoozed, unknown.';

create function fleet.alert_episodes(from_at timestamptz, to_at timestamptz)
returns table (
    fired_at timestamptz, resolved_at timestamptz, alertname text, severity text, team text, datacenter text, cluster text,
    namespace text, node text, pod text, rule text, fingerprint text, labels jsonb
)
language sql stable parallel safe
begin atomic
    select
        f.fired_at, e.slot as resolved_at, e.alertname, e.labels ->> 'severity' as severity, e.labels ->> 'team' as team,
        e.labels ->> 'datacenter' as datacenter, e.labels ->> 'cluster' as cluster, e.labels ->> 'namespace' as namespace,
        e.labels ->> 'node' as node, e.labels ->> 'pod' as pod, e.rule, e.fingerprint, e.labels
    from ledger.alert_event as e
    cross join lateral (
        select max(b.slot) as fired_at
        from ledger.alert_event as b
        where b.rule = e.rule and b.fingerprint = e.fingerprint and b.slot <= e.slot and b.event = 'firing'
    ) as f
    where e.event = 'resolved' and e.slot >= from_at and f.fired_at <= to_at
    union all
    select
        i.fired_at, null::timestamptz as resolved_at, i.alertname, i.labels ->> 'severity' as severity,
        i.labels ->> 'team' as team, i.datacenter, i.cluster, i.namespace, i.node, i.pod, i.rule, i.fingerprint, i.labels
    from ledger.alert_instance as i
    where i.condition in ('firing', 'recovering') and i.fired_at <= to_at;
end;
comment on function fleet.alert_episodes(timestamptz, timestamptz) is 'Alerts that fired at some instant of a range, one row an episode; resolved_at is NULL while it fires.';

create function fleet.alert_states(from_at timestamptz, to_at timestamptz)
returns table (
    state_at timestamptz, alertname text, severity text, team text, datacenter text, cluster text, namespace text, node text,
    target text, state text
)
language sql stable parallel safe
begin atomic
    select
        p.state_at, e.alertname, e.severity, e.team, e.datacenter, e.cluster, e.namespace, e.node,
        concat_ws(' ', e.datacenter, e.cluster, coalesce(e.node, e.namespace), e.labels ->> 'workload') as target, p.state
    from fleet.alert_episodes(from_at, to_at) as e
    cross join lateral (
        values (greatest(e.fired_at, from_at), 'firing'), (e.resolved_at, 'resolved')
    ) as p (state_at, state)
    where p.state_at <= to_at;
end;
comment on function fleet.alert_states(timestamptz, timestamptz) is 'When each alert began and ceased to fire within a range.';

create function fleet.alerts_over_time(from_at timestamptz, to_at timestamptz, step_seconds double precision)
returns table (sampled_at timestamptz, severity text, firing bigint)
language sql stable parallel safe
begin atomic
    select g.sampled_at, v.severity, count(e.fired_at) as firing
    from generate_series(from_at, to_at, make_interval(secs => greatest(step_seconds, 60))) as g (sampled_at)
    cross join (values ('page'), ('ticket'), ('info')) as v (severity)
    left join fleet.alert_episodes(from_at, to_at) as e
        on coalesce(e.severity, 'info') = v.severity
       and e.fired_at <= g.sampled_at and coalesce(e.resolved_at, 'infinity') > g.sampled_at
    group by g.sampled_at, v.severity;
end;
comment on function fleet.alerts_over_time(timestamptz, timestamptz, double precision) is 'How many alerts fired at instants of a range, step_seconds apart (at least 60), by severity.';
