-- Partition name of a day or month: pod_history_20260131, pod_history_202601.
create or replace function ledger.partition_name(table_name text, day date, is_month boolean) returns text
language sql immutable
return table_name || '_' || to_char(day, case when is_month then 'YYYYMM' else 'YYYYMMDD' end);
comment on function ledger.partition_name is 'Name of the partition of a day or month.';
