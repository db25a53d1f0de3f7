-- Where a cluster's objects come from, by its newest marks: what was sent once is no emitter that has fallen silent.
alter table ledger.cluster add column source text check (source in ('watch', 'dump', 'simulate'));
comment on column ledger.cluster.source is 'Where its emitter has the objects from: watch, dump (sent once) or simulate; NULL = it does not say.';
