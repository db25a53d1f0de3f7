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

create function ledger.team_grant(team text) returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    role_name text := 'fleetledger_team_' || team;
    beyond text;
    one record;
begin
    if coalesce(team, '') = '' or team like '\_\_%' then
        raise exception 'team "%" is none: name it as its namespaces do', team;
    end if;
    if octet_length(role_name) > 63 then
        raise exception 'team "%" has a name of more than 46 bytes, and names of roles end at 63', team;
    end if;
    if not exists (select from pg_roles as r where r.rolname = role_name) then
        execute format('create role %I login connection limit 20', role_name);
    end if;
    execute format('grant fleetledger_team to %I', role_name);
    select string_agg(quote_ident(r.rolname), ', ' order by r.rolname) into beyond
    from pg_roles as r
    where r.rolname not in (role_name, 'fleetledger_team') and pg_has_role(role_name, r.oid, 'member');
    select concat_ws(', ', beyond, case when r.rolsuper then 'superuser' end, case when r.rolbypassrls then 'bypassrls' end,
        case when r.rolcreaterole then 'createrole' end, case when r.rolreplication then 'replication' end)
    into beyond
    from pg_roles as r where r.rolname = role_name;
    if beyond <> '' then
        raise exception 'role "%" may more than a team may: %', role_name, beyond
            using hint = 'Revoke that from it, or drop the role, and grant again.';
    end if;
    for one in
        select * from (values
            ('jit', 'off'), ('search_path', 'fleet'), ('max_parallel_workers_per_gather', '0'), ('statement_timeout', '60s'),
            ('idle_in_transaction_session_timeout', '60s')
        ) as s (setting, value)
    loop
        execute format('alter role %I in database %I set %I = %L', role_name, current_database(), one.setting, one.value);
    end loop;
    begin
        execute format('alter role %I in database %I set temp_file_limit = %L', role_name, current_database(), '1GB');
    exception when insufficient_privilege then
        raise notice 'temporary files of % are not limited: only a superuser can set temp_file_limit', role_name;
    end;
    insert into ledger.team_role (role_name, team) values (role_name, team) on conflict do nothing;
    return role_name;
end
$$;
comment on function ledger.team_grant is 'Makes the role that sees one team''s rows, unless it is there, and returns its name. Give it a password, or let it in by a certificate.';

create function ledger.team_revoke(team text) returns integer
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    revoked record;
    number integer := 0;
begin
    for revoked in delete from ledger.team_role as r where r.team = team_revoke.team returning r.role_name loop
        number := number + 1;
        if exists (select from pg_roles as r where r.rolname = revoked.role_name) then
            execute format('drop role %I', revoked.role_name);
        end if;
    end loop;
    return number;
end
$$;
comment on function ledger.team_revoke is 'Drops the roles of a team and returns how many there were; what is open of them sees nothing from now on.';

-- Only the owner makes roles.
revoke execute on function ledger.team_grant, ledger.team_revoke from public;
