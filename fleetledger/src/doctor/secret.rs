//! Secrets and private keys.

use std::{os::unix::fs::PermissionsExt as _, path::PathBuf};

use super::{CheckVerdict, DoctorObservations};
use crate::{
    config::{FleetledgerConfig, SecretRef},
    output::counted,
};

/// They can be read, and by nobody else on this machine.
pub(super) async fn closed(scene: &DoctorObservations) -> CheckVerdict {
    let config = &scene.config;
    let mut files: Vec<(String, PathBuf)> = Vec::new();
    for (key, secret) in secrets(config) {
        if let Err(fault) = secret.read(&key) {
            return CheckVerdict::broken(
                format!("{}: {}", fault.key, fault.why),
                "store the secret where the reference points, readable by this user, or correct the \
                 reference",
            );
        }
        files.extend(secret.file().map(|file| (key, file.to_owned())));
    }
    files.extend(keys(config));
    for (key, file) in &files {
        let mode = std::fs::metadata(file).map_or(0, |metadata| metadata.permissions().mode());
        if mode & 0o007 != 0 {
            return CheckVerdict::broken(
                format!("{key}: every user of this machine can read {}", file.display()),
                format!("chmod o= {}", file.display()),
            );
        }
    }
    CheckVerdict::well(counted(files.len(), "file"))
}

/// Every secret of the configuration.
fn secrets(config: &FleetledgerConfig) -> Vec<(String, &SecretRef)> {
    let sasl = config.kafka.sasl.as_ref().and_then(|sasl| sasl.password.as_ref());
    let own = [
        ("postgres.password", config.postgres.password.as_ref()),
        ("kafka.sasl.password", sasl),
        ("kafka.tls_key_password", config.kafka.tls_key_password.as_ref()),
        ("kubernetes.token", config.kubernetes.token.as_ref()),
        ("evaluate.rules_password", config.evaluate.rules_password.as_ref()),
        (
            "evaluate.reader_password",
            config.evaluate.reader_password.as_ref(),
        ),
    ];
    let mut found: Vec<(String, &SecretRef)> = own
        .into_iter()
        .filter_map(|(key, secret)| Some((key.to_owned(), secret?)))
        .collect();
    for (name, receiver) in &config.receivers {
        let of_receiver = [
            ("secret_url", receiver.secret_url.as_ref()),
            ("routing_key", receiver.routing_key.as_ref()),
            ("authorization", receiver.authorization.as_ref()),
            ("signing_secret", receiver.signing_secret.as_ref()),
        ];
        let named = of_receiver
            .into_iter()
            .filter_map(|(key, secret)| Some((format!("receivers.{name}.{key}"), secret?)));
        found.extend(named);
    }
    for (name, token) in &config.console.tokens {
        found.push((format!("console.tokens.{name}.token"), &token.token));
    }
    found
}

/// Every private key.
fn keys(config: &FleetledgerConfig) -> Vec<(String, PathBuf)> {
    let own = [
        ("postgres.key", config.postgres.key.clone()),
        (
            "kafka.tls.key",
            config.kafka.tls.as_ref().and_then(|tls| tls.key.clone()),
        ),
        ("kubernetes.key", config.kubernetes.key.clone()),
        ("http.key", config.http.key.clone()),
        ("console.key", config.console.key.clone()),
    ];
    let mut found: Vec<(String, PathBuf)> = own
        .into_iter()
        .filter_map(|(key, file)| Some((key.to_owned(), file?)))
        .collect();
    for (name, receiver) in &config.receivers {
        let key = receiver.tls.as_ref().and_then(|tls| tls.key.clone());
        found.extend(key.map(|file| (format!("receivers.{name}.tls.key"), file)));
    }
    found
}
