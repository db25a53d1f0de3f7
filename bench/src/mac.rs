//! What proving their source costs records: ingest of signed records against the same unsigned, in turns, and the check alone.

use std::{fmt::Write as _, hint::black_box, time::Instant};

use anyhow::Context as _;
use fleetledger_schema::{
    codec,
    instant::Instant as At,
    kind::RecordKind,
    mac::{MacKey, SignedContent},
    record::ObjectRecord as _,
};

use crate::{
    figure::{BenchFigure, BenchReport},
    fleet::{self, RecordShape},
    ours::{ChangeShare, LedgerSide, PodRevisions, cpu, rate, seconds},
    parts::{self, BenchContext, LapTime},
};

const PODS: usize = 200_000;
/// Checks of one record alone.
const CHECKS: u32 = 200_000;
const KEY: &str = "3b1f0a5c9d2e4f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8";

/// Runs it.
pub(crate) async fn run(setting: &BenchContext, report: &mut BenchReport) -> anyhow::Result<()> {
    check_alone(report)?;
    let count = setting.scaled(PODS);
    let kafka = setting.kafka().await?;
    let (plain_postgres, signed_postgres) = (parts::postgres().await?, parts::postgres().await?);
    let mut plain = LedgerSide::start(setting, &kafka, &plain_postgres, "unsigned", 1, "").await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("clusters.keys");
    let mut lines = String::new();
    for source in fleet::sources()? {
        let _ = writeln!(lines, "{}/{} {KEY}", source.datacenter, source.cluster);
    }
    std::fs::write(&file, lines).context("write the keys")?;
    let more = format!(
        "[ingest.identity]\nkey_file = \"{}\"\nunsigned = \"refused\"",
        file.display()
    );
    let mut signed = LedgerSide::start(setting, &kafka, &signed_postgres, "signed", 1, &more).await?;
    signed.loader.key = MacKey::parse(KEY);
    let mut pods = PodRevisions::new(count, RecordShape::Flat);
    plain.sweep(&pods).await?;
    signed.sweep(&pods).await?;
    let mut laps: [Vec<LapTime>; 4] = Default::default();
    for round in 0..setting.rounds {
        tracing::info!(round, "mac");
        let [plain_changed, signed_changed, plain_same, signed_same] = &mut laps;
        pods.change(ChangeShare::All);
        plain_changed.push(plain.sweep(&pods).await?);
        signed_changed.push(signed.sweep(&pods).await?);
        plain_same.push(plain.sweep(&pods).await?);
        signed_same.push(signed.sweep(&pods).await?);
    }
    let dead = signed
        .ledger
        .number("select count(*) from ledger.dead_letter")
        .await?;
    anyhow::ensure!(dead == 0, "{dead} signed records were refused");
    let [plain_changed, signed_changed, plain_same, signed_same] = &laps;
    for (name, plain, signed, what) in [
        ("changed", plain_changed, signed_changed, "all changed"),
        ("unchanged", plain_same, signed_same, "none changed"),
    ] {
        rate(
            report,
            &format!("ingest_signed_{name}_records_per_second"),
            count,
            signed,
            &format!("flat pods, every record signed, {what}"),
        );
        let detail = format!(
            "speed, every record signed against none, {what}; {:.1} CPU µs a record more; {count} pods",
            (cpu(signed) - cpu(plain)) * 1e6 / count as f64
        );
        let ratio = seconds(plain) / seconds(signed);
        report.add(BenchFigure::new(
            &format!("ingest_signed_{name}_vs_unsigned"),
            ratio,
            "x",
            detail,
        ));
    }
    Ok(())
}

/// One thread, one record of the usual size.
fn check_alone(report: &mut BenchReport) -> anyhow::Result<()> {
    let key = MacKey::parse(KEY).context("the key is one")?;
    let body = codec::encode(&fleet::pod(0, 0, RecordShape::Full).into_record())?;
    let content = SignedContent {
        topic: "fleetledger.pod",
        key: b"dfw/prod-1/0b6c5f6e-7e3c-4f0a-9a58-000000000001/9e1f0b6c-7e3c-4f0a-9a58-000000000002",
        event_type: RecordKind::Pod.event_type(),
        epoch: 1,
        sequence: 1,
        time: At(1),
        since: None,
        value: Some(&body),
    };
    let mac = key.sign(&content);
    let begun = Instant::now();
    for _ in 0..CHECKS {
        anyhow::ensure!(key.verify(black_box(&content), mac.as_bytes()), "its own mac");
    }
    let micros = begun.elapsed().as_secs_f64() * 1e6 / f64::from(CHECKS);
    let detail = format!(
        "one check of the MAC of a record of {} bytes, one thread",
        body.len()
    );
    report.add(BenchFigure::new("mac_check_us", micros, "µs", detail));
    Ok(())
}
