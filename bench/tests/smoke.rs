//! Benchmarks run to their end on a tiny fleet and give their figures. How large they are is no matter of tests.
//!
//! Two parts take their time whatever the scale and are left out: `rules` waits for slots of a minute, `dashboards` asks
//! every panel, as the tests of `dashboards/` do.

use std::{
    collections::BTreeSet,
    path::Path,
    process::{Command, Stdio},
};

use fleetledger_local::{ArtifactCache, kafka, kube_apiserver, postgres, skip::unless_available};

/// Figures whose names others rely on; those of Kafka Connect are left out: its jars are a download of 150 MB.
const FIGURES: &[&str] = &[
    "asof_30d_fleet_seconds",
    "asof_30d_namespace_ms",
    "bytes_per_change",
    "bytes_per_unchanged_snapshot",
    "cost_bytes_per_hour",
    "cost_hour_1m_pods_seconds",
    "cost_team_30d_ms",
    "emitter_mb_per_10k_pods",
    "emitter_sweep_seconds_10k_pods",
    "freshness_api_p99_ms",
    "freshness_p99_ms",
    "ingest_changed_vs_copy_pk",
    "ingest_full_changed_records_per_second",
    "ingest_unchanged_vs_consume",
    "ingester_mb_per_million_pods",
    "recovery_after_kill_seconds",
    "scaling_2_ingesters_1_writer_each",
    "viewers_freshness_p99_ms",
    "viewers_kept_up",
    "viewers_lag_growth",
    "viewers_panel_p95_ms",
];

const PARTS: &[&str] = &[
    "ingest",
    "emit",
    "freshness",
    "storage",
    "asof",
    "recovery",
    "scaling",
    "viewers",
    "cost",
];

#[tokio::test]
async fn benchmarks_give_their_figures_at_a_tiny_scale() {
    let cache = ArtifactCache::new(ArtifactCache::default_root());
    for part in [
        kafka::fetch(&cache).await,
        postgres::fetch(&cache).await,
        kube_apiserver::fetch(&cache).await,
    ] {
        if unless_available("benchmarks_give_their_figures_at_a_tiny_scale", part)
            .unwrap()
            .is_none()
        {
            return;
        }
    }
    let program = Path::new(env!("CARGO_BIN_EXE_fleetledger-bench"));
    let role = program.with_file_name("fleetledger");
    assert!(
        role.is_file(),
        "{} is not built; run: cargo build -p fleetledger",
        role.display()
    );
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("latest.jsonl");
    let output = Command::new(program)
        .args(PARTS)
        .args([
            "--scale",
            "0.002",
            "--rounds",
            "1",
            "--without-connect",
            "--results",
        ])
        .arg(&results)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let logged = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{printed}\n{logged}");
    let lines = std::fs::read_to_string(&results).unwrap();
    let mut names = BTreeSet::new();
    for line in lines.lines() {
        let figure: serde_json::Value = serde_json::from_str(line).unwrap();
        let fields: Vec<&str> = figure.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields, ["detail", "name", "unit", "value"]);
        assert!(figure["value"].as_f64().unwrap().is_finite(), "{line}");
        names.insert(figure["name"].as_str().unwrap().to_owned());
    }
    for name in FIGURES {
        assert!(names.contains(*name), "{name} is missing:\n{printed}");
    }
}
