-- Whether a cluster may announce schemas of so many names and bytes: a schema has a name or two, and its text stands under each. Of
-- each cluster and subject 64 names are kept, and a megabyte: the oldest that no row was written by makes way, once it is a minute
-- old, for its first rows may be in a batch that has not committed. What is asked for while a batch commits is beyond
-- it: up to twice as many may stand.
create or replace function ledger.make_schema_room(own_id integer, own_subject text, own_names bigint, own_bytes bigint)
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    kept record;
    candidate bigint;
    is_used boolean;
begin
    select count(*) as names, coalesce(sum(octet_length(s.schema_json)), 0) as bytes into kept
    from ledger.announced_schema as s where s.cluster_id = own_id and s.subject = own_subject;
    for candidate in
        select s.fingerprint from ledger.announced_schema as s
        where s.cluster_id = own_id and s.subject = own_subject and s.announced_at < now() - interval '1 minute'
        order by s.announced_at, s.fingerprint
    loop
        exit when kept.names + own_names <= 64 and kept.bytes + own_bytes <= 1048576;
        is_used := false;
        if own_subject in ('node', 'pod', 'namespace', 'workload', 'watchdog') then
            execute format('select exists (select from ledger.%I where cluster_id = $1 and writer_schema = $2)', own_subject)
            into is_used using own_id, candidate;
        end if;
        if not is_used then
            with gone as (
                delete from ledger.announced_schema as s
                where s.cluster_id = own_id and s.fingerprint = candidate returning octet_length(s.schema_json) as bytes
            )
            select kept.names - count(*) as names, kept.bytes - coalesce(sum(g.bytes), 0) as bytes into kept from gone as g;
        end if;
    end loop;
    return kept.names + own_names <= 64 and kept.bytes + own_bytes <= 1048576;
end
$$;
comment on function ledger.make_schema_room is 'Whether a cluster may announce schemas of so many names and bytes: of each subject 64 names are kept, and a megabyte.';
