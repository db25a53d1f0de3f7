/*---
report: What each team requests
description: Pods, cores, memory and GPUs requested, by team.
---*/
select
    coalesce(team, 'nobody') as team,
    count(*) as pods,
    sum(cpu_request_cores) as cpu_cores,
    pg_size_pretty(sum(memory_request_bytes)) as memory,
    sum(gpu_request) as gpu_cards
from pod
where lives
group by 1
order by cpu_cores desc nulls last
