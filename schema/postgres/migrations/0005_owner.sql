-- Who owns a namespace: its label or annotation that setting owners.namespace_label names, else the map of owners.

create table ledger.namespace_team (
    cluster_id integer not null references ledger.cluster,
    namespace text not null,
    team text not null,
    valid_from timestamptz not null,
    owner_source text not null default 'label',
    primary key (cluster_id, namespace)
);
comment on table ledger.namespace_team is 'Who owns each namespace now; a namespace without owner has no row.';
comment on column ledger.namespace_team.cluster_id is 'Cluster; see ledger.cluster.';
comment on column ledger.namespace_team.namespace is 'Namespace.';
comment on column ledger.namespace_team.team is 'Team.';
comment on column ledger.namespace_team.valid_from is 'Since when.';
comment on column ledger.namespace_team.owner_source is 'Where the owner comes from: label, annotation, map or default.';

create table ledger.namespace_team_history (
    like ledger.namespace_team including comments including defaults,
    valid_to timestamptz not null,
    primary key (cluster_id, namespace, valid_from),
    foreign key (cluster_id) references ledger.cluster,
    check (valid_from < valid_to)
);
comment on table ledger.namespace_team_history is 'Who owned each namespace before.';
comment on column ledger.namespace_team_history.valid_to is 'Until when, exclusive.';

create table ledger.owner_map (
    owner_id integer primary key generated always as identity,
    position integer not null,
    datacenter text,
    cluster text,
    namespace text,
    team text not null,
    valid_from timestamptz not null,
    valid_to timestamptz,
    applied_at timestamptz not null default now(),
    applied_by text not null,
    superseded_at timestamptz,
    check (valid_from < valid_to)
);
comment on table ledger.owner_map is 'Who owns namespaces that no label or annotation gives an owner, by date; the first entry that matches counts.';
comment on column ledger.owner_map.owner_id is 'Number of the entry.';
comment on column ledger.owner_map.position is 'Place in the file, from 1.';
comment on column ledger.owner_map.datacenter is 'Datacenter; NULL = any.';
comment on column ledger.owner_map.cluster is 'Cluster; NULL = any.';
comment on column ledger.owner_map.namespace is 'Namespace, * stands for anything; NULL = every namespace of the cluster: its default owner.';
comment on column ledger.owner_map.team is 'Team.';
comment on column ledger.owner_map.valid_from is 'Since when.';
comment on column ledger.owner_map.valid_to is 'Until when, exclusive; NULL = still.';
comment on column ledger.owner_map.applied_at is 'When it was applied.';
comment on column ledger.owner_map.applied_by is 'Who applied it.';
comment on column ledger.owner_map.superseded_at is 'When a newer map took its place; NULL = stands.';
