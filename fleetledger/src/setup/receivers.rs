//! The receivers of a configuration: channels with their secrets and certificates read.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use fleetledger_alerts::{AlertReceiver, ReceiverSet};
use fleetledger_paging::{
    ReceiverSecret,
    channel::{
        ChannelClient, ChannelSettings as Channel, ReceiverConnection, ReceiverTls as ChannelTls,
        alertmanager, pagerduty, slack, webhook,
    },
};

use crate::{
    config::{
        self, ConfigFault, FleetledgerConfig, ReceiverKind, SecretRef,
        rotation::{self, renewable},
    },
    connect,
};

/// The receivers of this configuration, with their secrets read.
pub(crate) fn receivers(config: &FleetledgerConfig) -> Result<ReceiverSet, ConfigFault> {
    let mut by_name = BTreeMap::new();
    for (name, receiver) in &config.receivers {
        // Read here for the sake of the fault, which names its key.
        client(config, name, receiver)?;
        let (of, named, settings) = (config.clone(), name.clone(), receiver.clone());
        let client = renewable(format!("receiver {name}"), watched(receiver), move || {
            client(&of, &named, &settings).map_err(|fault| anyhow::anyhow!("{}: {}", fault.key, fault.why))
        })
        .map_err(|error| ConfigFault::new(format!("receivers.{name}"), format!("{error:#}")))?;
        let secret_ref = receiver.routing_key.as_ref().map(SecretRef::reference);
        by_name.insert(name.clone(), AlertReceiver { client, secret_ref });
    }
    Ok(ReceiverSet::new(by_name, |reference| {
        let secret = SecretRef::new(reference).read("the incident's secret");
        secret
            .map(|secret| ReceiverSecret::new(secret.expose()))
            .map_err(|fault| fault.why)
    }))
}

/// The files whose change is taken up.
fn watched(receiver: &config::ReceiverConfig) -> Vec<PathBuf> {
    let secrets = [
        &receiver.secret_url,
        &receiver.routing_key,
        &receiver.authorization,
        &receiver.signing_secret,
    ];
    let tls = receiver
        .tls
        .iter()
        .flat_map(|tls| [&tls.ca, &tls.certificate, &tls.key]);
    rotation::files(secrets.map(Option::as_ref), tls.map(Option::as_ref))
}

fn client(
    config: &FleetledgerConfig,
    name: &str,
    receiver: &config::ReceiverConfig,
) -> Result<ChannelClient, ConfigFault> {
    ChannelClient::new(channel(config, name, receiver)?)
        .map_err(|error| ConfigFault::new(format!("receivers.{name}"), connect::hop::chain(&error)))
}

fn channel(
    config: &FleetledgerConfig,
    name: &str,
    receiver: &config::ReceiverConfig,
) -> Result<Channel, ConfigFault> {
    let section = format!("receivers.{name}");
    let read = |key: &str, secret: &Option<SecretRef>| match secret {
        None => Ok(None),
        Some(secret) => {
            let read = secret.read(&format!("{section}.{key}"))?;
            Ok(Some(ReceiverSecret::new(read.expose())))
        }
    };
    let needed = |key: &str, secret: Option<ReceiverSecret>| {
        secret.ok_or_else(|| ConfigFault::new(format!("{section}.{key}"), "is missing"))
    };
    let connection = ReceiverConnection {
        timeout: Duration::from_secs(receiver.timeout_seconds),
        ..ReceiverConnection::default()
    };
    let connection = ReceiverConnection {
        tls: tls(&section, receiver.tls.as_ref())?,
        proxy: receiver.proxy.as_deref().map(ReceiverSecret::new),
        ..connection
    };
    let authorization = read("authorization", &receiver.authorization)?;
    Ok(match receiver.kind {
        ReceiverKind::Pagerduty => Channel::PagerDuty(pagerduty::PagerDutySettings {
            base_url: receiver
                .url
                .clone()
                .unwrap_or_else(|| pagerduty::BASE_URL.to_owned()),
            routing_key: needed("routing_key", read("routing_key", &receiver.routing_key)?)?,
            connection,
        }),
        ReceiverKind::Alertmanager => Channel::Alertmanager(alertmanager::AlertmanagerSettings {
            urls: receiver.urls.clone(),
            authorization,
            connection,
        }),
        ReceiverKind::Slack => Channel::Slack(slack::SlackSettings {
            url: needed("secret_url", read("secret_url", &receiver.secret_url)?)?,
            connection,
        }),
        ReceiverKind::Webhook => Channel::Webhook(webhook::WebhookSettings {
            url: needed("secret_url", read("secret_url", &receiver.secret_url)?)?,
            signing_secret: read("signing_secret", &receiver.signing_secret)?,
            authorization,
            external_url: config.evaluate.console_url.clone(),
            connection,
        }),
    })
}

fn tls(section: &str, tls: Option<&config::TlsConfig>) -> Result<ChannelTls, ConfigFault> {
    let Some(tls) = tls else {
        return Ok(ChannelTls::default());
    };
    let read = |key: &str, file: &Path| {
        std::fs::read(file).map_err(|error| {
            ConfigFault::new(
                format!("{section}.tls.{key}"),
                format!("cannot read {}: {error}", file.display()),
            )
        })
    };
    let client_pem = match (&tls.certificate, &tls.key) {
        (Some(certificate), Some(key)) => {
            let key = String::from_utf8_lossy(&read("key", key)?).into_owned();
            Some((read("certificate", certificate)?, ReceiverSecret::new(key)))
        }
        _ => None,
    };
    Ok(ChannelTls {
        ca_pem: tls.ca.as_deref().map(|file| read("ca", file)).transpose()?,
        client_pem,
    })
}
