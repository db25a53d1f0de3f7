//! How the API server is reached.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ConfigFault, SecretRef, section, shown::holds_password};

/// How the API server is reached: a kubeconfig, a URL with its credentials, or the pod's service account.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KubernetesConfig {
    /// A kubeconfig file.
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; its current one if not set.
    pub context: Option<String>,
    /// `https://host:port` instead of a kubeconfig.
    pub url: Option<String>,
    /// With url: PEM file of the CAs that sign the API server's certificate.
    pub ca: Option<PathBuf>,
    /// With url: PEM file of this end's certificate.
    pub certificate: Option<PathBuf>,
    /// With url: PEM file of this end's private key.
    pub key: Option<PathBuf>,
    /// With url: bearer token, `file:/path` or `env:NAME`. A file is read again when the token in it is rotated.
    pub token: Option<SecretRef>,
}

impl KubernetesConfig {
    pub(super) fn check(&self) -> Result<(), ConfigFault> {
        section::check_file("kubernetes.kubeconfig", self.kubeconfig.as_ref())?;
        section::check_file("kubernetes.ca", self.ca.as_ref())?;
        section::check_pair("kubernetes", self.certificate.as_ref(), self.key.as_ref())?;
        if let Some(token) = &self.token {
            token.check("kubernetes.token")?;
        }
        match (&self.kubeconfig, &self.url) {
            (Some(_), Some(_)) => Err(ConfigFault::new(
                "kubernetes.url",
                "cannot be combined with kubernetes.kubeconfig",
            )),
            (None, None) if self.context.is_some() => Err(ConfigFault::new(
                "kubernetes.context",
                "needs kubernetes.kubeconfig",
            )),
            (None, Some(url)) if !url.starts_with("https://") => {
                Err(ConfigFault::new("kubernetes.url", "must begin with https://"))
            }
            (None, Some(url)) if holds_password(url) => Err(ConfigFault::new(
                "kubernetes.url",
                "contains a password; use kubernetes.token, a reference",
            )),
            (_, None) if self.ca.is_some() || self.certificate.is_some() || self.token.is_some() => {
                Err(ConfigFault::new(
                    "kubernetes.url",
                    "is missing: ca, certificate, key and token require it",
                ))
            }
            _ => Ok(()),
        }
    }
}
