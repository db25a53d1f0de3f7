-- Which clusters an operator (or a key) has admitted, by uid; and clusters that were taken in by mistake and are forgotten.
create table ledger.cluster_admission (
    cluster_uid text primary key,
    datacenter text not null,
    cluster text not null,
    admitted_at timestamptz not null default now(),
    admitted_by text not null check (admitted_by in ('operator', 'key'))
);
comment on table ledger.cluster_admission is 'Clusters that were admitted: nobody else may take their uid, and no limit holds for them.';
comment on column ledger.cluster_admission.cluster_uid is 'Uid of its kube-system namespace.';
comment on column ledger.cluster_admission.datacenter is 'Datacenter under which it may send.';
comment on column ledger.cluster_admission.cluster is 'Name under which it may send.';
comment on column ledger.cluster_admission.admitted_at is 'When it was admitted.';
comment on column ledger.cluster_admission.admitted_by is 'operator (fleetledger clusters admit) or key (its records carried the MAC of its key).';
alter table ledger.cluster drop constraint cluster_state_check;
alter table ledger.cluster add constraint cluster_state_check check (state in ('active', 'retired', 'forgotten'));
alter table ledger.cluster drop constraint cluster_check;
alter table ledger.cluster add constraint cluster_check check ((state = 'active') = (retired_at is null));
comment on column ledger.cluster.state is 'active, retired, or forgotten: taken in by mistake, hidden, and refused until it is admitted.';
comment on column ledger.cluster.retired_at is 'When it was retired or forgotten.';
comment on column ledger.quarantine.reason is 'poisoned, duplicate_cluster_uid, name_taken or not_admitted.';
create index cluster_first_seen on ledger.cluster (first_seen_at);
