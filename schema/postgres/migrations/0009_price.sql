-- What cost is computed from and people set: prices, budgets of teams, and how shared cost is shown. Each is kept in every
-- version; `superseded_at` is null in the current one.

create table ledger.price_sheet (
    sheet_id integer primary key generated always as identity,
    sheet text not null,
    datacenters text[],
    valid_from timestamptz not null,
    valid_to timestamptz,
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    month_basis text not null check (month_basis in ('calendar', '730h')),
    sha256 text not null,
    applied_at timestamptz not null default now(),
    applied_by text not null,
    superseded_at timestamptz,
    check (valid_from < valid_to)
);
create unique index price_sheet_current on ledger.price_sheet (sheet, valid_from) where superseded_at is null;
comment on table ledger.price_sheet is 'Price sheets, each version of each; hours are rated by the newest version of the sheet in force.';
comment on column ledger.price_sheet.sheet_id is 'Small number that rated hours carry.';
comment on column ledger.price_sheet.sheet is 'Name of the sheet.';
comment on column ledger.price_sheet.datacenters is 'Datacenters it is for; NULL = all that no other sheet in force names.';
comment on column ledger.price_sheet.valid_from is 'Since when it is in force.';
comment on column ledger.price_sheet.valid_to is 'Until when, exclusive; NULL = until another one begins.';
comment on column ledger.price_sheet.currency is 'ISO 4217 code of the currency.';
comment on column ledger.price_sheet.month_basis is 'What a price per month is divided by: the hours of the calendar month, or 730.';
comment on column ledger.price_sheet.sha256 is 'SHA-256 of what it says.';
comment on column ledger.price_sheet.applied_at is 'When this version was applied.';
comment on column ledger.price_sheet.applied_by is 'Who applied it.';
comment on column ledger.price_sheet.superseded_at is 'When a newer version took its place, or it was withdrawn; NULL = stands.';

create table ledger.price_class (
    sheet_id integer not null references ledger.price_sheet,
    position integer not null,
    class text not null,
    instance_types text[] not null,
    labels jsonb not null,
    per text not null check (per in ('hour', 'month')),
    node_price numeric check (node_price >= 0),
    core_price numeric check (core_price >= 0),
    gib_price numeric check (gib_price >= 0),
    gpu_price numeric check (gpu_price >= 0),
    cpu_to_ram numeric check (cpu_to_ram > 0),
    gpu_to_ram numeric check (gpu_to_ram > 0),
    discount numeric not null default 0 check (discount >= 0 and discount < 1),
    primary key (sheet_id, position),
    check ((node_price is null) = (core_price is not null and gib_price is not null and gpu_price is not null))
);
comment on table ledger.price_class is 'Classes of nodes of a price sheet and their prices; the first class that a node matches counts.';
comment on column ledger.price_class.sheet_id is 'Price sheet.';
comment on column ledger.price_class.position is 'Place in the sheet, from 1.';
comment on column ledger.price_class.class is 'Name of the class of nodes.';
comment on column ledger.price_class.instance_types is 'Instance types it matches (label node.kubernetes.io/instance-type); empty = any.';
comment on column ledger.price_class.labels is 'Labels a node needs, all of them; empty = none.';
comment on column ledger.price_class.per is 'Time the prices are for.';
comment on column ledger.price_class.node_price is 'Price of a whole node; NULL = priced by resource.';
comment on column ledger.price_class.core_price is 'Price of a core; NULL = priced by node.';
comment on column ledger.price_class.gib_price is 'Price of a GiB of memory; NULL = priced by node.';
comment on column ledger.price_class.gpu_price is 'Price of a GPU card; NULL = priced by node.';
comment on column ledger.price_class.cpu_to_ram is 'What a core costs, in GiB of memory, where a node''s price is split.';
comment on column ledger.price_class.gpu_to_ram is 'What a GPU card costs, in GiB of memory, where a node''s price is split.';
comment on column ledger.price_class.discount is 'Share that is taken off, such as 0.1.';

create table ledger.cost_team (
    cost_team_id integer primary key generated always as identity,
    team text not null,
    budget_per_month numeric check (budget_per_month >= 0),
    allow_label_owner text,
    valid_from timestamptz not null,
    valid_to timestamptz,
    applied_at timestamptz not null default now(),
    applied_by text not null,
    superseded_at timestamptz,
    check (valid_from < valid_to)
);
comment on table ledger.cost_team is 'What teams have set about their cost, by date.';
comment on column ledger.cost_team.cost_team_id is 'Number of the entry.';
comment on column ledger.cost_team.team is 'Team.';
comment on column ledger.cost_team.budget_per_month is 'What it may cost in a calendar month, in the currency of the sheets; NULL = no budget.';
comment on column ledger.cost_team.allow_label_owner is 'Label of pods in its namespaces that may name another owner; NULL = none may.';
comment on column ledger.cost_team.valid_from is 'Since when.';
comment on column ledger.cost_team.valid_to is 'Until when, exclusive; NULL = still.';
comment on column ledger.cost_team.applied_at is 'When it was applied.';
comment on column ledger.cost_team.applied_by is 'Who applied it.';
comment on column ledger.cost_team.superseded_at is 'When a newer entry took its place; NULL = stands.';

create table ledger.cost_sharing (
    cost_sharing_id integer primary key generated always as identity,
    namespaces text[] not null,
    spread text not null check (spread in ('even', 'weighted')),
    idle text not null check (idle in ('apart', 'shared')),
    valid_from timestamptz not null,
    valid_to timestamptz,
    applied_at timestamptz not null default now(),
    applied_by text not null,
    superseded_at timestamptz,
    check (valid_from < valid_to)
);
comment on table ledger.cost_sharing is 'How shared cost is shown where nothing else is asked for, by date. It changes no stored number.';
comment on column ledger.cost_sharing.cost_sharing_id is 'Number of the entry.';
comment on column ledger.cost_sharing.namespaces is 'Namespaces whose cost all others share.';
comment on column ledger.cost_sharing.spread is 'even: each gets the same; weighted: by its own cost before idle is added.';
comment on column ledger.cost_sharing.idle is 'apart: a row of its own; shared: each gets its part, resource by resource.';
comment on column ledger.cost_sharing.valid_from is 'Since when.';
comment on column ledger.cost_sharing.valid_to is 'Until when, exclusive; NULL = still.';
comment on column ledger.cost_sharing.applied_at is 'When it was applied.';
comment on column ledger.cost_sharing.applied_by is 'Who applied it.';
comment on column ledger.cost_sharing.superseded_at is 'When a newer entry took its place; NULL = stands.';
