-- The index of column ended_at of fleet.container. A kubelet that has lost a container says that it is terminated without saying
-- when: its previous run's end is not that of the current one.
drop index ledger.container_ended;
create index container_ended on ledger.container ((case when state = 'terminated' then finished_at else last_finished_at end))
    where (case when state = 'terminated' then finished_at else last_finished_at end) is not null;
