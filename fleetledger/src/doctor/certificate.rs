//! Certificates named in the configuration.

use std::path::{Path, PathBuf};

use openssl::{asn1::Asn1Time, x509::X509};

use super::{CheckVerdict, DoctorObservations};

/// How long before its end a certificate is reported, in days.
const DAYS_AHEAD: u32 = 14;

/// They are valid today and in two weeks.
pub(super) async fn valid(scene: &DoctorObservations) -> CheckVerdict {
    let config = &scene.config;
    let tls = config.kafka.tls.clone().unwrap_or_default();
    let files: [(&str, Option<PathBuf>); 9] = [
        ("kafka.tls.ca", tls.ca),
        ("kafka.tls.certificate", tls.certificate),
        ("postgres.ca", config.postgres.ca.clone()),
        ("postgres.certificate", config.postgres.certificate.clone()),
        ("kubernetes.ca", config.kubernetes.ca.clone()),
        ("kubernetes.certificate", config.kubernetes.certificate.clone()),
        ("http.certificate", config.http.certificate.clone()),
        ("http.client_ca", config.http.client_ca.clone()),
        ("", None),
    ];
    let mut looked = 0;
    for (key, file) in files {
        let Some(file) = file else { continue };
        looked += 1;
        match ends(&file) {
            Ok(None) => {}
            Ok(Some(why)) => {
                return CheckVerdict::broken(
                    format!("{key}: {} {why}", file.display()),
                    format!("renew it, and write the new one to {}", file.display()),
                );
            }
            Err(why) => {
                return CheckVerdict::broken(
                    format!("{key}: {} is not a PEM certificate ({why})", file.display()),
                    format!("set {key} to the PEM file of the certificate"),
                );
            }
        }
    }
    CheckVerdict::well(format!("{looked} certificates"))
}

/// Why a file's first certificate must be renewed.
fn ends(file: &Path) -> Result<Option<String>, String> {
    let text = std::fs::read(file).map_err(|error| error.to_string())?;
    let certificate = X509::from_pem(&text).map_err(|_| "its first block cannot be read".to_owned())?;
    let soon = Asn1Time::days_from_now(DAYS_AHEAD).map_err(|error| error.to_string())?;
    let now = Asn1Time::days_from_now(0).map_err(|error| error.to_string())?;
    let end = certificate.not_after();
    if end < now {
        return Ok(Some(format!("ended on {end}")));
    }
    Ok((end < soon).then(|| format!("ends on {end}")))
}
