//! Settings of how usage is read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::EmitError;

/// How the usage of containers is read. A simulated fleet makes its usage up, whatever `source` says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UsageSettings {
    /// Where usage is read.
    pub source: UsageSource,
    /// Time between two readings of a node, in seconds.
    pub interval_seconds: u64,
    /// Length of a window, in minutes: 1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30 or 60. Shorter windows lose less when an
    /// emitter stops; longer ones mean fewer records for the central site.
    pub window_minutes: u32,
    /// Longest time between two readings over which usage is spread, in seconds; usage in a longer gap is unknown.
    pub gap_seconds: u64,
    /// How long one node may take to respond, in seconds.
    pub timeout_seconds: u64,
    /// Number of nodes read at the same time.
    pub concurrency: usize,
    /// URL of a kubelet's resource metrics; `{address}` is the node's internal address, `{node}` its name.
    pub kubelet_url: String,
    /// PEM file of the authority that signed the kubelets' serving certificates; if empty, the system's CAs.
    pub kubelet_ca_file: String,
    /// Accept any serving certificate: for kubelets with self-signed ones.
    pub kubelet_insecure: bool,
    /// File of the token that is sent to kubelets, read in every round; empty for none.
    pub token_file: String,
    /// How GPU usage is read.
    pub gpu: GpuSettings,
}

/// Where usage is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UsageSource {
    /// Nowhere: usage is not known.
    None,
    /// `/metrics/resource` of each kubelet, on its own port. Needs `get nodes/metrics`.
    Kubelet,
    /// The API `metrics.k8s.io`. Needs `list pods.metrics.k8s.io`.
    MetricsApi,
    /// The same by way of the API server. Needs `get nodes/proxy`, which can run commands in pods (see emit-usage-proxy-rbac.yaml).
    Proxy,
}

/// How GPU usage is read: a metric that says of each container how busy a card of it is, as exporters of device plugins have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GpuSettings {
    /// URL of each node's exporter; `{address}` is the node's internal address, `{node}` its name. Empty for none.
    pub url: String,
    /// Name of the metric, a gauge.
    pub metric: String,
    /// Value of a card that is fully used.
    pub full_value: f64,
    /// Label that names the namespace.
    pub label_namespace: String,
    /// Label that names the pod.
    pub label_pod: String,
    /// Label that names the container.
    pub label_container: String,
}

impl Default for GpuSettings {
    fn default() -> Self {
        Self {
            url: String::new(),
            metric: "DCGM_FI_DEV_GPU_UTIL".to_owned(),
            full_value: 100.0,
            label_namespace: "namespace".to_owned(),
            label_pod: "pod".to_owned(),
            label_container: "container".to_owned(),
        }
    }
}

impl Default for UsageSettings {
    fn default() -> Self {
        Self {
            source: UsageSource::None,
            interval_seconds: 60,
            window_minutes: 5,
            gap_seconds: 180,
            timeout_seconds: 10,
            concurrency: 32,
            kubelet_url: "https://{address}:10250/metrics/resource".to_owned(),
            kubelet_ca_file: String::new(),
            kubelet_insecure: false,
            token_file: "/var/run/secrets/kubernetes.io/serviceaccount/token".to_owned(),
            gpu: GpuSettings::default(),
        }
    }
}

impl UsageSettings {
    pub(crate) fn check(&self) -> Result<(), EmitError> {
        for (key, value) in [
            ("usage.interval_seconds", self.interval_seconds),
            ("usage.timeout_seconds", self.timeout_seconds),
            ("usage.concurrency", self.concurrency as u64),
        ] {
            if value == 0 {
                return Err(EmitError::settings(key, "must be at least 1"));
            }
        }
        if self.window_minutes == 0 || 60 % self.window_minutes != 0 {
            return Err(EmitError::settings(
                "usage.window_minutes",
                "must be 1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30 or 60, because an hour consists of whole \
                 windows",
            ));
        }
        if self.gap_seconds < self.interval_seconds {
            return Err(EmitError::settings(
                "usage.gap_seconds",
                "must be at least usage.interval_seconds; otherwise no usage would ever be known",
            ));
        }
        if self.source == UsageSource::Kubelet && !self.kubelet_url.starts_with("http") {
            return Err(EmitError::settings(
                "usage.kubelet_url",
                "must begin with http:// or https://",
            ));
        }
        let gpu = &self.gpu;
        if !gpu.url.is_empty() && !gpu.url.starts_with("http") {
            return Err(EmitError::settings(
                "usage.gpu.url",
                "must begin with http:// or https://",
            ));
        }
        let full_value = gpu.full_value;
        if full_value.is_nan() || full_value <= 0.0 || full_value.is_infinite() {
            return Err(EmitError::settings("usage.gpu.full_value", "must be above 0"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_made_of_whole_windows() {
        UsageSettings::default().check().unwrap();
        for (window_minutes, allowed) in [(0, false), (1, true), (7, false), (60, true), (120, false)] {
            let settings = UsageSettings {
                window_minutes,
                ..UsageSettings::default()
            };
            assert_eq!(settings.check().is_ok(), allowed, "{window_minutes}");
        }
    }
}
