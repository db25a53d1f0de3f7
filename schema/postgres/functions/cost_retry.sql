-- What was set aside is tried again after a quarter of an hour, then ever more seldom, and at last every six hours.
create or replace function ledger.cost_retry(failed_at timestamptz, attempts integer) returns timestamptz
language sql immutable parallel safe
return failed_at + least(interval '15 minutes' * power(2, least(attempts - 1, 10)), interval '6 hours');
comment on function ledger.cost_retry is 'When what was set aside is tried again.';
