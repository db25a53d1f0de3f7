//! Secrets and private keys.

use std::{os::unix::fs::PermissionsExt as _, path::PathBuf};

use super::{Scene, Verdict};
use crate::config::SecretRef;

/// They can be read, and by nobody else on this machine.
pub(super) async fn closed(scene: &Scene) -> Verdict {
    let config = &scene.config;
    let sasl = config.kafka.sasl.as_ref().and_then(|sasl| sasl.password.as_ref());
    let secrets = [
        ("postgres.password", config.postgres.password.as_ref()),
        ("kafka.sasl.password", sasl),
        ("kafka.tls_key_password", config.kafka.tls_key_password.as_ref()),
        ("kubernetes.token", config.kubernetes.token.as_ref()),
    ];
    let mut files: Vec<(&str, PathBuf)> = Vec::new();
    for (key, secret) in secrets {
        let Some(secret) = secret else { continue };
        if let Err(fault) = secret.read(key) {
            return Verdict::broken(
                format!("{}: {}", fault.key, fault.why),
                "put the secret where the reference says, readable by this user; or correct the reference",
            );
        }
        files.extend(file_of(secret).map(|file| (key, file)));
    }
    let keys = [
        ("postgres.key", config.postgres.key.clone()),
        (
            "kafka.tls.key",
            config.kafka.tls.as_ref().and_then(|tls| tls.key.clone()),
        ),
        ("kubernetes.key", config.kubernetes.key.clone()),
        ("http.key", config.http.key.clone()),
    ];
    files.extend(keys.into_iter().filter_map(|(key, file)| Some((key, file?))));
    for (key, file) in &files {
        let mode = std::fs::metadata(file).map_or(0, |metadata| metadata.permissions().mode());
        if mode & 0o007 != 0 {
            return Verdict::broken(
                format!("{key}: every user of this machine can read {}", file.display()),
                format!("chmod o= {}", file.display()),
            );
        }
    }
    Verdict::well(format!("{} files", files.len()))
}

fn file_of(secret: &SecretRef) -> Option<PathBuf> {
    format!("{secret:?}").strip_prefix("file:").map(PathBuf::from)
}
