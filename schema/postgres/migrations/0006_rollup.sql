-- Windows of rollups, and the rows of those that users write. A rollup that ships has a table ledger.rollup_… of its
-- own, made by a migration, with window_at, its dimensions and its values.

create table ledger.rollup_window (
    rollup text not null,
    window_at timestamptz not null,
    window_end_at timestamptz not null,
    row_count bigint not null,
    known_until timestamptz not null,
    complete boolean not null,
    version text not null,
    filled_at timestamptz not null,
    fillings integer not null default 1,
    primary key (rollup, window_at),
    check (window_at < window_end_at)
) with (fillfactor = 80);
comment on table ledger.rollup_window is 'Windows that a rollup has filled, and up to when its sources were known then.';
comment on column ledger.rollup_window.rollup is 'Name of the rollup.';
comment on column ledger.rollup_window.window_at is 'Begin of the window.';
comment on column ledger.rollup_window.window_end_at is 'End of the window.';
comment on column ledger.rollup_window.row_count is 'Rows it holds.';
comment on column ledger.rollup_window.known_until is 'Up to when every source was known when it was last filled.';
comment on column ledger.rollup_window.complete is 'True if every source was known to the end of the window; else it is filled again when more is known.';
comment on column ledger.rollup_window.version is 'SHA-256 of the file it was last filled by.';
comment on column ledger.rollup_window.filled_at is 'When it was last filled.';
comment on column ledger.rollup_window.fillings is 'How many times it was filled.';

-- What is to be filled again is looked for each time; almost all windows are complete.
create index rollup_window_incomplete on ledger.rollup_window (rollup, window_at) where not complete;

create table ledger.user_rollup (
    rollup text not null,
    window_at timestamptz not null,
    row_number integer not null,
    dimensions jsonb not null,
    "values" jsonb not null,
    primary key (rollup, window_at, row_number),
    foreign key (rollup, window_at) references ledger.rollup_window on delete cascade
);
comment on table ledger.user_rollup is 'Rows of the rollups that users write.';
comment on column ledger.user_rollup.rollup is 'Name of the rollup.';
comment on column ledger.user_rollup.window_at is 'Begin of the window.';
comment on column ledger.user_rollup.row_number is 'Number of the row within its window.';
comment on column ledger.user_rollup.dimensions is 'What names the row, as texts by column.';
comment on column ledger.user_rollup."values" is 'Its numbers by column; null = unknown.';
