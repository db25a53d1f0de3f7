//! Ten questions to paste into psql, as the reader.

/// A question in words and in SQL.
#[derive(Debug, Clone, Copy)]
pub struct DemoQuestion {
    /// In words.
    pub asks: &'static str,
    /// In SQL: one statement, on schema fleet.
    pub sql: &'static str,
}

/// The ten.
pub const QUESTIONS: [DemoQuestion; 10] = [
    DemoQuestion {
        asks: "How large is each datacenter, and how much of it is requested?",
        sql: "\
select n.datacenter, n.nodes, n.cores, round(100 * p.cores / n.cores) as requested_percent, p.pods
from (select datacenter, count(*) as nodes, sum(cpu_allocatable_cores) as cores from node where not is_virtual group by 1) as n
join (select datacenter, count(*) as pods, sum(cpu_request_cores) as cores from pod where lives group by 1) as p using (datacenter)
order by 1;",
    },
    DemoQuestion {
        asks: "What is not running, why, and since when?",
        sql: "\
select datacenter, namespace, pod, ready_containers, status, restarts, unschedulable_reason,
    date_trunc('second', now() - created_at) as age
from pod where status not in ('Running', 'Completed') order by created_at limit 20;",
    },
    DemoQuestion {
        asks: "Which containers are waiting or crashing, and how often were they restarted?",
        sql: "\
select datacenter, namespace, workload, container, reason, end_reason, end_exit_code, restart_count
from container where lives and (state = 'waiting' or restart_count > 3) order by restart_count desc limit 20;",
    },
    DemoQuestion {
        asks: "Which nodes are silent, not ready or cordoned?",
        sql: "\
select datacenter, node, ready_status, ready_reason, heartbeat_stale_since, unschedulable
from node where ready_status is distinct from 'True' or heartbeat_stale_since is not null or unschedulable;",
    },
    DemoQuestion {
        asks: "Which teams request the most?",
        sql: "\
select team, count(*) as pods, sum(cpu_request_cores) as cores, pg_size_pretty(sum(memory_request_bytes)) as memory,
    sum(gpu_request) as gpus
from pod where lives group by 1 order by 3 desc nulls last;",
    },
    DemoQuestion {
        asks: "Which workloads have fewer ready replicas than desired?",
        sql: "\
select datacenter, namespace, workload_kind, workload, wanted, ready, team
from workload where ready < wanted order by wanted - ready desc limit 20;",
    },
    DemoQuestion {
        asks: "Which containers have no memory limit?",
        sql: "\
select team, namespace, workload, count(*) as containers
from container where memory_limit_bytes is null and container_type = 'app' and lives group by 1, 2, 3 order by 4 desc limit 20;",
    },
    DemoQuestion {
        asks: "What changed in the last two minutes?",
        sql: "\
select date_trunc('second', valid_from) as since, datacenter, namespace, pod, status, ready_containers, node
from pod_history where valid_from > now() - interval '2 minutes' order by valid_from desc limit 20;",
    },
    DemoQuestion {
        asks: "How was it 30 seconds ago?",
        sql: "\
select datacenter, phase, count(*) as pods
from pod_at(now() - interval '30 seconds') group by 1, 2 order by 1, 2;",
    },
    DemoQuestion {
        asks: "Does the ledger equal the clusters, and was any record lost?",
        sql: "\
select b.datacenter, b.cluster, b.kind, b.in_cluster, b.in_ledger, b.balanced, round(f.age_seconds) as age_seconds
from balance as b join freshness as f using (datacenter, cluster, kind) order by 1, 2, 3;",
    },
];
