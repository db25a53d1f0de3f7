-- A role for each team, which sees its team's rows alone, whatever it asks and however. The wall is row-level security on
-- the tables: views and functions of fleet are their caller's, so nothing of them can go around it. What is not granted to
-- fleetledger_team (views/99_grant.sql) cannot be read by a team at all; what is granted has a policy for it here, or
-- tells nothing of anybody.

create table ledger.team_role (
    role_name text primary key,
    team text not null,
    granted_at timestamptz not null default now()
);
comment on table ledger.team_role is 'Which role sees the rows of which team.';
comment on column ledger.team_role.role_name is 'Role of the server.';
comment on column ledger.team_role.team is 'Team.';
comment on column ledger.team_role.granted_at is 'Since when.';

create view ledger.owner_span with (security_invoker = true) as
select t.cluster_id, t.namespace, t.team, t.valid_from, 'infinity'::timestamptz as valid_to from ledger.namespace_team as t
union all
select h.cluster_id, h.namespace, h.team, h.valid_from, h.valid_to from ledger.namespace_team_history as h;
comment on view ledger.owner_span is 'Who owned each namespace from when to when, as far as its reader may know.';
comment on column ledger.owner_span.cluster_id is 'Cluster; see ledger.cluster.';
comment on column ledger.owner_span.namespace is 'Namespace.';
comment on column ledger.owner_span.team is 'Team.';
comment on column ledger.owner_span.valid_from is 'Since when.';
comment on column ledger.owner_span.valid_to is 'Until when, exclusive; infinity = still.';

-- Which rows are a team's. Each condition stands on tables that have a policy themselves, down to team_role, which shows a
-- role what it is a member of: no setting plays a part, since a user may set any.
do $$
declare
    mine constant text := 'team in (select r.team from ledger.team_role as r)';
    of_line constant text := 'line_id in (select i.line_id from ledger.cost_line as i)';
    one record;
begin
    for one in
        select * from (values
            ('team_role', 'pg_catalog.pg_has_role(pg_catalog.to_regrole(pg_catalog.quote_ident(role_name))::oid, ''usage'')'),
            ('namespace_team', mine),
            ('namespace_team_history', mine),
            ('rollup_namespace', mine),
            ('alert_instance', 'labels ->> ''team'' in (select r.team from ledger.team_role as r)'),
            ('alert_event', 'labels ->> ''team'' in (select r.team from ledger.team_role as r)'),
            ('cost_team', mine),
            ('cost_line', mine),
            ('cost_namespace_daily', mine),
            ('cost_namespace_monthly', mine),
            ('cost_hourly', of_line),
            ('cost_daily', of_line),
            ('cost_adjustment', of_line)
        ) as t (table_name, its)
        union all
        -- What stands is the present owner's.
        select k, '(cluster_id, namespace) in (select o.cluster_id, o.namespace from ledger.namespace_team as o)'
        from unnest(array['namespace', 'workload', 'pod', 'container']) as k
        union all
        -- A version that ended is whose the namespace was at some instant of it.
        select k || '_history',
            '(cluster_id, namespace) in (select o.cluster_id, o.namespace from ledger.owner_span as o)
             and exists (select from ledger.owner_span as o where o.cluster_id = ' || k || '_history.cluster_id
                 and o.namespace = ' || k || '_history.namespace
                 and o.valid_from < ' || k || '_history.valid_to and o.valid_to > ' || k || '_history.valid_from)'
        from unnest(array['namespace', 'workload', 'pod', 'container']) as k
    loop
        execute format('alter table ledger.%I enable row level security', one.table_name);
        execute format(
            'create policy everything on ledger.%I to fleetledger_select, fleetledger_ingest, fleetledger_evaluate
             using (true) with check (true)',
            one.table_name
        );
        execute format('create policy team on ledger.%I for select to fleetledger_team using (%s)', one.table_name, one.its);
    end loop;
end
$$;
