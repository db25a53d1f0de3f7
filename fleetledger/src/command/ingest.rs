//! `fleetledger ingest`, and its repairs `ingest resume` and `ingest release`.

use anyhow::Context as _;
use fleetledger_ingest::{IngestError, IngestHealth, ResumeFrom};
use prometheus::Registry;

use super::role;
use crate::{
    config::{ConfigError, ConfigFault, LoadedConfig},
    connect,
    exit::ExitReason,
    setup::{database, renewed_client_config, require_current, require_sessions, wait_or_refuse},
    telemetry::RoleProbe,
};

pub(super) async fn run(loaded: &LoadedConfig) -> anyhow::Result<ExitReason> {
    let config = &loaded.config;
    config.ingest.check().map_err(|error| refused(loaded, &error))?;
    #[cfg(feature = "fail-points")]
    prepare_fault()?;
    let kafka = renewed_client_config(loaded)?;
    let connector = connect::postgres::connector(&config.postgres)?;
    wait_or_refuse(connect::kafka::brokers(&config.kafka, &kafka.newest()).await)?;
    match connect::postgres::connect(&config.postgres, &connector, "fleetledger-ingest").await {
        Ok(client) => {
            require_current(&connector, &client).await?;
            require_sessions(&connector, "ingest").await?;
        }
        Err(error) => wait_or_refuse(Err::<(), _>(error))?,
    }
    let registry = Registry::new();
    let health = IngestHealth::new();
    let (live, ready) = (health.clone(), health.clone());
    let probe = RoleProbe::new("ingest", move || live.live(), move || ready.ready());
    let settings = config.ingest.clone();
    role::run(loaded, registry.clone(), probe, |stop| async move {
        let ended = fleetledger_ingest::run(settings, kafka, connector, &registry, health, stop).await;
        ended.context("ingest")
    })
    .await
}

/// `FLEETLEDGER_FAIL_POINT=after_copy:3` ends the process the third time it passes that point;
/// `FLEETLEDGER_WITHOUT=fence` takes that safeguard away.
#[cfg(feature = "fail-points")]
#[expect(
    clippy::disallowed_methods,
    reason = "tests alone set it, and no release has this feature"
)]
pub(super) fn prepare_fault() -> anyhow::Result<()> {
    use fleetledger_ingest::{
        fail_point::{FailPoint, arm},
        safeguard::{Safeguard, remove},
    };

    if let Ok(name) = std::env::var("FLEETLEDGER_WITHOUT") {
        remove(Safeguard::parse(&name).with_context(|| format!("there is no safeguard {name}"))?);
    }

    let Ok(armed) = std::env::var("FLEETLEDGER_FAIL_POINT") else {
        return Ok(());
    };
    let (name, nth) = armed.split_once(':').unwrap_or((&armed, "1"));
    let nth = nth
        .parse()
        .with_context(|| format!("{nth} is not a number of times"))?;
    if let Some(point) = FailPoint::parse(name) {
        arm(point, nth);
    } else {
        let point = fleetledger_alerts::fail_point::FailPoint::parse(name);
        fleetledger_alerts::fail_point::arm(
            point.with_context(|| format!("there is no fail point {name}"))?,
            nth,
        );
    }
    Ok(())
}

pub(super) async fn resume(
    loaded: &LoadedConfig,
    topic: &str,
    partition: i32,
    from: ResumeFrom,
) -> anyhow::Result<ExitReason> {
    let (connector, _) = database(loaded, "fleetledger-resume").await?;
    match fleetledger_ingest::resume(&connector, topic, partition, from).await {
        Err(IngestError::NotFound(why)) => {
            println!("{why}; fleetledger status shows which are");
            return Ok(ExitReason::Red);
        }
        other => other.context("resume the partition")?,
    }
    println!("{topic} partition {partition} goes on within seconds");
    Ok(ExitReason::Done)
}

pub(super) async fn resume_all(loaded: &LoadedConfig) -> anyhow::Result<ExitReason> {
    let (connector, _) = database(loaded, "fleetledger-resume").await?;
    let mut resumed = fleetledger_ingest::resume_all(&connector)
        .await
        .context("resume the partitions")?;
    resumed.sort();
    for (topic, partition) in &resumed {
        println!("{topic} partition {partition} goes on within seconds");
    }
    if resumed.is_empty() {
        println!("no partition is halted");
    }
    Ok(ExitReason::Done)
}

pub(super) async fn release(loaded: &LoadedConfig, number: i64) -> anyhow::Result<ExitReason> {
    let (connector, _) = database(loaded, "fleetledger-release").await?;
    match fleetledger_ingest::quarantine::release(&connector, number).await {
        Err(IngestError::NotFound(why)) => {
            println!("{why}; fleetledger status shows which are open");
            return Ok(ExitReason::Red);
        }
        other => other.context("release the quarantine")?,
    }
    println!(
        "quarantine {number} ends within seconds; fleetledger dead-letters replay --reason quarantined \
         lands what was put aside"
    );
    Ok(ExitReason::Done)
}

pub(super) fn refused(loaded: &LoadedConfig, error: &IngestError) -> ConfigError {
    match error {
        IngestError::Settings { key, why } => {
            loaded.explain(ConfigFault::new(format!("ingest.{key}"), why.clone()))
        }
        other => loaded.explain(ConfigFault::new("ingest", other.to_string())),
    }
}
