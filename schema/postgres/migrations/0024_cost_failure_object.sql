-- What breaks the rating of a cluster's hour is named object by object where leaving it out helps.

alter table ledger.cost_failure add column objects text[] not null default '{}';
comment on column ledger.cost_failure.objects is 'Nodes and pods that the hour was rated without; empty = the cluster, or the whole fleet, is set aside.';
