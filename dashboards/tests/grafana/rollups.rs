//! Rollups fill what panels read over time, and the functions count what happened.

use std::sync::Arc;

use deadpool_postgres::{Manager, Pool};
use fleetledger_queries::{ReaderPool, RollupFiller, StoredQuery};
use fleetledger_schema::{
    instant::Instant,
    postgres::{PostgresConnector, migrate},
};
use tokio_postgres::{Client, NoTls};

use crate::database::{filled_database, rows};

const NOW: &str = "2026-05-05T12:02:00Z";

/// A ledger of one cluster: a node that was not ready for a while, and a pod that restarted twice and went.
const HISTORY: &str = "
    insert into ledger.cluster (datacenter, cluster, cluster_uid, first_seen_at) values ('dfw', 'a', 'ua', '2026-05-01');
    insert into ledger.freshness select cluster_id, k, '2026-05-05 12:02+00', now() from ledger.cluster, generate_series(1, 5) as k;
    select ledger.ensure_partitions('2026-05-01', '2026-05-08');
    insert into ledger.namespace select cluster_id, md5('ns')::uuid, null, 'pay', '2026-05-01', null, '{\"team\": \"gold\"}', '{}', '{}', 'Active', '[]',
        1, 1, 1, 1, 1, 1, null, '2026-05-01', '2026-05-01', '2026-05-01' from ledger.cluster;
    insert into ledger.setting (name, value) values ('owners.namespace_label', 'team') on conflict (name) do update set value = 'team';
    select ledger.apply_owners(array_agg(cluster_id), '2026-05-01') from ledger.cluster;

    insert into ledger.node select (jsonb_populate_record(null::ledger.node, b)).* from (select '{
        \"uid\": \"00000000-0000-0000-0000-00000000000a\", \"node\": \"n1\", \"created_at\": \"2026-05-01\", \"labels\": {}, \"annotations\": {}, \"finalizers\": [],
        \"unschedulable\": false, \"taints\": [], \"conditions\": [], \"ready_status\": \"True\", \"addresses\": [], \"pod_cidrs\": [],
        \"kernel_version\": \"6\", \"os_image\": \"d\", \"operating_system\": \"linux\", \"architecture\": \"amd64\",
        \"container_runtime_version\": \"c\", \"kubelet_version\": \"v2\", \"kube_proxy_version\": \"\", \"boot_id\": \"b\",
        \"machine_id\": \"m\", \"system_uuid\": \"s\", \"capacity_other\": {}, \"allocatable_other\": {}, \"allocatable_cpu_millicores\": 4000,
        \"row_hash_hi\": 1, \"row_hash_lo\": 1, \"writer_schema\": 1, \"reader_version\": 1, \"valid_from\": \"2026-05-05 11:40+00\",
        \"observed_at\": \"2026-05-05 11:40+00\", \"landed_at\": \"2026-05-05 11:40+00\"}'::jsonb
        || jsonb_build_object('cluster_id', cluster_id) as b from ledger.cluster) as b;
    insert into ledger.node_history select (jsonb_populate_record(null::ledger.node_history, to_jsonb(n) || v)).*
    from ledger.node as n, (values
        ('{\"ready_status\": \"True\", \"kubelet_version\": \"v1\", \"valid_from\": \"2026-05-04\", \"valid_to\": \"2026-05-05 11:31+00\", \"closed_reason\": \"changed\"}'::jsonb),
        ('{\"ready_status\": \"False\", \"kubelet_version\": \"v2\", \"valid_from\": \"2026-05-05 11:31+00\", \"valid_to\": \"2026-05-05 11:40+00\", \"closed_reason\": \"changed\"}')
    ) as v (v);

    insert into ledger.pod_history select (jsonb_populate_record(null::ledger.pod_history, b || v)).* from (select '{
        \"uid\": \"00000000-0000-0000-0000-00000000000b\", \"namespace\": \"pay\", \"pod\": \"p-0\", \"created_at\": \"2026-05-05 10:00+00\", \"labels\": {}, \"annotations\": {},
        \"finalizers\": [], \"node\": \"n1\", \"phase\": \"Running\", \"owner_resolved\": true, \"restart_policy\": \"Always\",
        \"host_network\": false, \"host_pid\": false, \"host_ipc\": false, \"pod_ips\": [], \"conditions\": [], \"ready\": true,
        \"request_cpu_millicores\": 500, \"request_other\": {}, \"limit_other\": {}, \"overhead_other\": {}, \"host_path_mounts\": [],
        \"containers_count\": 1, \"containers_xor_hi\": 0, \"containers_xor_lo\": 0, \"row_hash_hi\": 1, \"row_hash_lo\": 1,
        \"writer_schema\": 1, \"reader_version\": 1, \"observed_at\": \"2026-05-05\", \"landed_at\": \"2026-05-05\"}'::jsonb
        || jsonb_build_object('cluster_id', cluster_id) as b from ledger.cluster) as b, (values
        ('{\"restart_count\": 0, \"valid_from\": \"2026-05-05 10:00+00\", \"valid_to\": \"2026-05-05 11:32+00\", \"closed_reason\": \"changed\"}'::jsonb),
        ('{\"restart_count\": 1, \"valid_from\": \"2026-05-05 11:32+00\", \"valid_to\": \"2026-05-05 11:33+00\", \"closed_reason\": \"changed\"}'),
        ('{\"restart_count\": 2, \"valid_from\": \"2026-05-05 11:33+00\", \"valid_to\": \"2026-05-05 11:58+00\", \"closed_reason\": \"deleted\"}')
    ) as v (v);
    insert into ledger.container_history select (jsonb_populate_record(null::ledger.container_history, b || v)).* from (select '{
        \"uid\": \"00000000-0000-0000-0000-00000000000b\", \"container\": \"main\", \"namespace\": \"pay\", \"pod\": \"p-0\", \"node\": \"n1\", \"container_type\": \"app\",
        \"position\": 0, \"image\": \"i\", \"ready\": true, \"request_other\": {}, \"limit_other\": {}, \"row_hash_hi\": 1, \"row_hash_lo\": 1,
        \"reader_version\": 1, \"observed_at\": \"2026-05-05\", \"landed_at\": \"2026-05-05\", \"last_reason\": \"OOMKilled\"}'::jsonb
        || jsonb_build_object('cluster_id', cluster_id) as b from ledger.cluster) as b, (values
        ('{\"restart_count\": 0, \"valid_from\": \"2026-05-05 10:00+00\", \"valid_to\": \"2026-05-05 11:32+00\", \"closed_reason\": \"changed\"}'::jsonb),
        ('{\"restart_count\": 2, \"valid_from\": \"2026-05-05 11:32+00\", \"valid_to\": \"2026-05-05 11:58+00\", \"closed_reason\": \"deleted\"}')
    ) as v (v);
    insert into ledger.batch values
        ('2026-05-05 11:00:10+00', 'fleetledger.pod', 0, 0, 10, 1, 'i', 10, 6, 3, 0, 0, 1, 0),
        ('2026-05-05 11:00:20+00', 'fleetledger.pod', 0, 10, 15, 1, 'i', 5, 1, 3, 0, 0, 0, 1);
";

/// The one text of a query.
async fn text(client: &Client, sql: &str) -> String {
    let found = rows(client, sql).await;
    let cells = found.iter().map(|row| row.get(0).unwrap_or("NULL").to_owned());
    cells.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn rollups_count_states_and_functions_count_events() {
    let Some(filled) = filled_database("rollups_count_what_stood_and_functions_tell_what_happened").await
    else {
        return;
    };
    filled.postgres.create_database("history").await.unwrap();
    let as_role = |role: &str| {
        let mut config: tokio_postgres::Config = filled.postgres.url_of("history").parse().unwrap();
        if !role.is_empty() {
            config.user(role);
        }
        PostgresConnector::new(config, None)
    };
    migrate(&as_role(""), |_| {}).await.unwrap();
    as_role("")
        .connect("test")
        .await
        .unwrap()
        .batch_execute(HISTORY)
        .await
        .unwrap();

    let mut writer: tokio_postgres::Config = filled.postgres.url_of("history").parse().unwrap();
    writer.user("fleetledger_evaluate");
    let writer = Pool::builder(Manager::new(writer, NoTls))
        .max_size(2)
        .build()
        .unwrap();
    let reader = ReaderPool::new(&as_role("fleetledger_reader"), 2).unwrap();
    let filler = RollupFiller::new(reader, writer).unwrap();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../queries");
    let catalogue = fleetledger_queries::catalogue::load(folder.as_ref()).unwrap();
    let now = Instant::parse(NOW).unwrap();
    let mut filled_rollups = Vec::new();
    for (query, rule) in catalogue.rollups() {
        let query: &Arc<StoredQuery> = query;
        if ["cluster", "namespace", "ingest"].contains(&rule.rollup.as_str()) {
            filler.fill_due(query, now).await.unwrap();
            filled_rollups.push(rule.rollup.clone());
        }
    }
    assert_eq!(filled_rollups, ["cluster", "ingest", "namespace"]);

    let reader = as_role("fleetledger_reader").connect("test").await.unwrap();
    let samples = "select to_char(window_at at time zone 'UTC', 'HH24:MI') || ' ' || nodes_ready || '/' || nodes || ' ' || pods || ' '
            || coalesce(cpu_request_cores::text, '-')
        from fleet.cluster_sample where window_at >= '2026-05-05 11:25+00' and window_at < '2026-05-05 12:00+00' order by 1";
    assert_eq!(
        text(&reader, samples).await,
        "11:25 1/1 1 0.5\n11:30 0/1 1 0.5\n11:35 0/1 1 0.5\n11:40 1/1 1 0.5\n11:45 1/1 1 0.5\n11:50 1/1 1 0.5\n11:55 1/1 0 -"
    );
    let restarts = "select to_char(window_at at time zone 'UTC', 'HH24:MI') || ' ' || restarts from fleet.cluster_restarts where restarts > 0";
    assert_eq!(text(&reader, restarts).await, "11:30 2");
    let hours = "select to_char(window_at at time zone 'UTC', 'HH24') || ' ' || namespace || ' ' || team || ' ' || pods || ' ' || restarts
        from fleet.namespace_sample where pods + restarts > 0 order by 1";
    assert_eq!(text(&reader, hours).await, "10 pay gold 1 0\n11 pay gold 0 2");
    let minutes = "select topic || ' ' || batches || ' ' || delivered || ' ' || landed || ' ' || dead from fleet.ingest_sample";
    assert_eq!(text(&reader, minutes).await, "fleetledger.pod 2 15 7 1");

    let range = "'2026-05-05 11:00+00', '2026-05-05 12:00+00'";
    let steps = format!("select count(*) from fleet.cluster_over_time({range}, 1000)");
    assert_eq!(text(&reader, &steps).await, "3", "every 20 minutes");
    let nodes = format!(
        "select to_char(state_at at time zone 'UTC', 'HH24:MI') || ' ' || state from fleet.node_states({range}) where node = 'n1' order by 1"
    );
    assert_eq!(
        text(&reader, &nodes).await,
        "11:00 ready\n11:31 not ready\n11:40 ready"
    );
    let pods = format!(
        "select to_char(state_at at time zone 'UTC', 'HH24:MI') || ' ' || state from fleet.pod_states({range}) where namespace = 'pay' order by 1"
    );
    assert_eq!(
        text(&reader, &pods).await,
        "11:00 ready\n11:32 ready\n11:33 ready\n11:58 gone"
    );
    let restarts =
        format!("select container || ' ' || restarts || ' ' || reason from fleet.restarts({range})");
    assert_eq!(text(&reader, &restarts).await, "main 2 OOMKilled");
    let changes = format!(
        "select to_char(changed_at at time zone 'UTC', 'HH24:MI') || ' ' || what || ' ' || was || ' -> ' || became from fleet.node_changes({range}) where node = 'n1' order by 1"
    );
    assert_eq!(
        text(&reader, &changes).await,
        "11:31 kubelet v1 -> v2\n11:31 ready True -> False\n11:40 ready False -> True"
    );
}
