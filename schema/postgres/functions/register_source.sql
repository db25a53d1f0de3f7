-- Who a source is, and whether it may send. A cluster never seen is taken in, unless only listed ones are, or too many new
-- ones came within the hour. What is signed with its cluster's key, or was admitted, is bound by neither; and a uid that
-- somebody took first who is neither, is its own. Two clusters that are alive never have one name: rows of rules and of views
-- are told apart by names.
create or replace function ledger.register_source(
    own_datacenter text, own_cluster text, own_uid text, is_signed boolean, is_listed boolean, hourly_limit integer,
    out registration text, out own_id integer, out is_established boolean
)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    held ledger.cluster;
    admission ledger.cluster_admission;
    is_admitted boolean;
    namesake ledger.cluster;
    is_name_taken boolean;
begin
    select * into admission from ledger.cluster_admission as a where a.cluster_uid = own_uid;
    is_admitted := coalesce((admission.datacenter, admission.cluster) = (own_datacenter, own_cluster), is_signed);
    -- Who holds the name, unless it must make way: it was never admitted, and this one is.
    select * into namesake from ledger.cluster as c
    where (c.datacenter, c.cluster) = (own_datacenter, own_cluster) and c.cluster_uid <> own_uid and c.state = 'active'
    limit 1;
    if is_admitted and namesake.cluster_id is not null
        and not exists (select from ledger.cluster_admission as a where a.cluster_uid = namesake.cluster_uid)
    then
        update ledger.cluster as c set cluster = 'displaced-' || c.cluster_id where c.cluster_id = namesake.cluster_id;
        namesake := null;
    end if;
    is_name_taken := namesake.cluster_id is not null;
    select * into held from ledger.cluster as c where c.cluster_uid = own_uid;
    if held.cluster_id is null and not is_name_taken and not (is_listed and not is_admitted)
        and (admission.cluster_uid is null or is_admitted)
    then
        -- One at a time, so that the limit holds.
        lock table ledger.cluster in share row exclusive mode;
        if is_admitted or ledger.new_clusters(own_datacenter) < hourly_limit then
            insert into ledger.cluster (datacenter, cluster, cluster_uid, first_seen_at)
            values (own_datacenter, own_cluster, own_uid, now()) on conflict (cluster_uid) do nothing;
        end if;
        select * into held from ledger.cluster as c where c.cluster_uid = own_uid;
    end if;
    own_id := held.cluster_id;
    registration := case
        when held.cluster_id is null then case when is_name_taken then 'name_taken' else 'not_admitted' end
        when (held.datacenter, held.cluster) = (own_datacenter, own_cluster) then
            case
                when held.state = 'forgotten' and not is_admitted then 'not_admitted'
                when held.state <> 'active' and is_name_taken then 'name_taken'
                else 'accepted'
            end
        when exists (
            select from ledger.cluster_former_name as f
            where (f.cluster_id, f.datacenter, f.cluster) = (held.cluster_id, own_datacenter, own_cluster)
        ) then 'former'
        -- Whoever took the uid first was never admitted: this one is its owner.
        when is_admitted then case when is_name_taken then 'name_taken' else 'accepted' end
        else 'duplicate'
    end;
    if registration = 'accepted' then
        if (held.datacenter, held.cluster) <> (own_datacenter, own_cluster) then
            perform ledger.take_back_uid(held.cluster_id, own_datacenter, own_cluster);
        elsif held.state <> 'active' then
            update ledger.cluster as c set state = 'active', retired_at = null where c.cluster_id = held.cluster_id;
        end if;
        if is_signed then
            insert into ledger.cluster_admission (cluster_uid, datacenter, cluster, admitted_by)
            values (own_uid, own_datacenter, own_cluster, 'key') on conflict do nothing;
        end if;
        update ledger.quarantine as q set released_at = now()
        where (q.datacenter, q.cluster, q.cluster_uid) = (own_datacenter, own_cluster, own_uid)
          and q.reason in ('not_admitted', 'name_taken', 'duplicate_cluster_uid') and q.released_at is null;
    elsif registration <> 'former' then
        perform ledger.note_refused_source(own_datacenter, own_cluster, own_uid, registration);
    end if;
    is_established := is_admitted or coalesce(held.first_seen_at < now() - interval '1 day', false);
end
$$;
comment on function ledger.register_source is 'Who a source is: accepted, former, duplicate, name_taken or not_admitted; and its cluster.';
