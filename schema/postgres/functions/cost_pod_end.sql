-- When a pod that is over stopped reserving anything: when it says, else when it was first seen to be over. A kubelet that
-- is started again may reject a pod that ran, whose status then says that it never did: what was seen is believed.
create or replace function ledger.cost_pod_end(begin_at timestamptz, finished_at timestamptz, over_since timestamptz, ran boolean)
returns timestamptz
language sql immutable parallel safe
return case when finished_at <= begin_at and ran then over_since else coalesce(finished_at, over_since) end;
comment on function ledger.cost_pod_end is 'When a pod that is over stopped reserving anything.';
