//! `fleetledger emit`.

use anyhow::{Context as _, bail};
use fleetledger_emit::{DumpPlace, EmitError, EmitterHealth, ObjectSource};
use prometheus::Registry;
use tokio::signal::unix::{SignalKind, signal};

use super::{emit_dump, role};
use crate::{
    cli::{EmitArgs, EmitSource},
    config::{ConfigError, ConfigFault, LoadedConfig},
    connect,
    exit::ExitReason,
    setup::{renewed_client_config, wait_or_refuse},
    telemetry::RoleProbe,
};

pub(super) async fn run(loaded: &LoadedConfig, args: &EmitArgs) -> anyhow::Result<ExitReason> {
    let config = &loaded.config;
    config.emit.check().map_err(|error| refused(loaded, &error))?;
    let kafka = renewed_client_config(loaded)?;
    wait_or_refuse(connect::kafka::brokers(&config.kafka, &kafka.newest()).await)?;
    let source = source(loaded, args).await?;
    if matches!(source, ObjectSource::Dump(_)) {
        return emit_dump::run(loaded, source, kafka, args.output.format()).await;
    }
    anyhow::ensure!(!args.output.is_given(), "-o and --json belong to --source dump");
    let registry = Registry::new();
    let health = EmitterHealth::new();
    let (live, ready) = (health.clone(), health.clone());
    let probe = RoleProbe::new("emit", move || live.live(), move || ready.ready());
    let settings = config.emit.clone();
    role::run(loaded, registry.clone(), probe, |stop| async move {
        let emitting = fleetledger_emit::run(settings, source, kafka, &registry, health.clone(), stop);
        let summary = tokio::select! {
            summary = emitting => summary.context("emit")?,
            error = sweep_when_asked(&health) => return Err(error),
        };
        for (kind, sent) in &summary.kinds {
            tracing::info!(%kind, objects = sent.objects, produced = sent.produced, living = sent.living.count, "sent");
        }
        Ok(())
    })
    .await
}

/// SIGUSR1 asks for a sweep now.
async fn sweep_when_asked(health: &EmitterHealth) -> anyhow::Error {
    let mut asked = match signal(SignalKind::user_defined1()) {
        Ok(asked) => asked,
        Err(error) => return anyhow::Error::new(error).context("listen for SIGUSR1"),
    };
    loop {
        asked.recv().await;
        tracing::info!("SIGUSR1: a sweep is asked for");
        health.request_sweep();
    }
}

async fn source(loaded: &LoadedConfig, args: &EmitArgs) -> anyhow::Result<ObjectSource> {
    match (args.source, &args.directory) {
        (EmitSource::Dump, Some(directory)) => {
            return Ok(ObjectSource::Dump(DumpPlace {
                directory: directory.clone(),
                cluster_uid: args.cluster_uid.clone(),
                complete: args.complete,
            }));
        }
        (EmitSource::Dump, None) => bail!("--source dump needs --directory DIR"),
        _ if args.cluster_uid.is_some() => bail!("--cluster-uid belongs to --source dump"),
        _ if args.complete => bail!("--complete belongs to --source dump"),
        (EmitSource::Simulate, _) => return Ok(ObjectSource::Simulate(loaded.config.simulate.clone())),
        (EmitSource::Watch, _) => {}
    }
    let kubernetes = &loaded.config.kubernetes;
    let server = connect::kubernetes::client(kubernetes)?;
    wait_or_refuse(connect::kubernetes::probe(kubernetes, &server).await)?;
    Ok(ObjectSource::Watch {
        client: server.client,
    })
}

fn refused(loaded: &LoadedConfig, error: &EmitError) -> ConfigError {
    match error {
        EmitError::Settings { key, why } => {
            loaded.explain(ConfigFault::new(format!("emit.{key}"), why.clone()))
        }
        other => loaded.explain(ConfigFault::new("emit", other.to_string())),
    }
}
