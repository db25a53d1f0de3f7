-- What of a capacity is allocated, idle and kept by the system: each by its own rule.
create or replace function ledger.cost_amounts(charged numeric, capacity numeric, allocatable numeric) returns numeric[]
language sql immutable parallel safe
return array[
    least(charged, capacity),
    greatest(0, coalesce(allocatable, capacity) - least(charged, capacity)),
    capacity - least(charged, capacity) - greatest(0, coalesce(allocatable, capacity) - least(charged, capacity))
];
comment on function ledger.cost_amounts is 'What of a capacity is allocated, idle, and kept by the system.';
