//! How the rate of changed records grows with ingesters and writers, and how it shrinks with the fleet.

use crate::{
    figure::BenchReport,
    fleet::RecordShape,
    ours::{ChangeShare, LedgerSide, PodRevisions, rate},
    parts::{self, BenchContext},
};

const PODS: usize = 100_000;
const MANY_PODS: usize = 1_000_000;
const SWEEPS: usize = 3;

struct ScalingCase {
    name: &'static str,
    pods: usize,
    ingesters: usize,
    lanes: usize,
}

const CASES: [ScalingCase; 4] = [
    ScalingCase {
        name: "scaling_1_ingester_1_writer",
        pods: PODS,
        ingesters: 1,
        lanes: 1,
    },
    ScalingCase {
        name: "scaling_1_ingester_2_writers",
        pods: PODS,
        ingesters: 1,
        lanes: 2,
    },
    ScalingCase {
        name: "scaling_2_ingesters_1_writer_each",
        pods: PODS,
        ingesters: 2,
        lanes: 1,
    },
    ScalingCase {
        name: "scaling_1_ingester_2_writers_1m_pods",
        pods: MANY_PODS,
        ingesters: 1,
        lanes: 2,
    },
];

/// Runs it.
pub(crate) async fn run(setting: &BenchContext, report: &mut BenchReport) -> anyhow::Result<()> {
    for case in &CASES {
        let count = setting.scaled(case.pods);
        let (kafka, postgres) = (setting.kafka().await?, parts::postgres().await?);
        let lanes = format!("lanes = {}", case.lanes);
        let mut ours =
            LedgerSide::start(setting, &kafka, &postgres, case.name, case.ingesters, &lanes).await?;
        let mut pods = PodRevisions::new(count, RecordShape::Flat);
        ours.sweep(&pods).await?;
        let mut laps = Vec::new();
        let sweeps = if case.pods == MANY_PODS { 1 } else { SWEEPS };
        for _ in 0..sweeps {
            pods.change(ChangeShare::All);
            laps.push(ours.sweep(&pods).await?);
        }
        let what = format!(
            "{} ingesters with {} writers each, all changed, with history",
            case.ingesters, case.lanes
        );
        rate(report, case.name, count, &laps, &what);
    }
    Ok(())
}
