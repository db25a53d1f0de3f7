//! Metrics over HTTP: a kubelet's `/metrics/resource`, and the exporter of a device plugin.

use std::{path::Path, time::Duration};

use fleetledger_schema::instant::Instant;
use reqwest::{Certificate, Client, Response};

use super::{
    exposition::lines,
    reading::{ContainerSample, CpuMeasure, GpuSample, UsageTarget},
    settings::{GpuSettings, UsageSettings},
};

/// Largest answer that is read, in bytes; a node with a thousand containers serves half a megabyte.
pub(crate) const MAX_ANSWER_BYTES: usize = 32 << 20;
const CPU: &str = "container_cpu_usage_seconds_total";
const MEMORY: &str = "container_memory_working_set_bytes";
const STARTED: &str = "container_start_time_seconds";

/// Asks nodes over HTTP.
#[derive(Debug, Clone)]
pub(crate) struct NodeHttpClient {
    client: Client,
}

impl NodeHttpClient {
    pub(crate) fn new(settings: &UsageSettings) -> Result<Self, String> {
        let mut builder = Client::builder()
            .timeout(Duration::from_secs(settings.timeout_seconds))
            .redirect(reqwest::redirect::Policy::none())
            // Nodes are reached straight, whatever the environment says.
            .no_proxy();
        if settings.kubelet_insecure {
            builder = builder.tls_danger_accept_invalid_certs(true);
        }
        if !settings.kubelet_ca_file.is_empty() {
            let file = Path::new(&settings.kubelet_ca_file);
            let pem =
                std::fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
            let certificates = Certificate::from_pem_bundle(&pem)
                .map_err(|error| format!("{} contains no certificate: {error}", file.display()))?;
            for certificate in certificates {
                builder = builder.add_root_certificate(certificate);
            }
        }
        let client = builder.build().map_err(|error| chain(&error))?;
        Ok(Self { client })
    }

    /// The text at `url`, shown `token` if there is one.
    pub(crate) async fn text(&self, url: &str, token: Option<&str>) -> Result<String, String> {
        let mut request = self.client.get(url);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.map_err(|error| chain(&error))?;
        if !response.status().is_success() {
            return Err(format!("answers {}", response.status()));
        }
        read(response).await
    }
}

async fn read(mut response: Response) -> Result<String, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| chain(&error))? {
        if bytes.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(format!("answers with more than {MAX_ANSWER_BYTES} bytes"));
        }
        bytes.extend_from_slice(&chunk);
    }
    String::from_utf8(bytes).map_err(|_| "answers with text that is not UTF-8".to_owned())
}

/// A URL for one node.
pub(crate) fn url_of(pattern: &str, target: &UsageTarget) -> String {
    let address = if target.address.contains(':') {
        format!("[{}]", target.address)
    } else {
        target.address.to_string()
    };
    pattern
        .replace("{address}", &address)
        .replace("{node}", &target.node)
}

/// Containers of a kubelet's resource metrics: those of which both CPU and memory are there.
pub(crate) fn samples(text: &str, read_at: Instant) -> Vec<ContainerSample> {
    let (lines, unreadable) = lines(text, &[CPU, MEMORY, STARTED]);
    if unreadable > 0 {
        tracing::debug!(unreadable, "lines of resource metrics cannot be read");
    }
    type ContainerName<'l> = (&'l str, &'l str, &'l str);
    let mut found: std::collections::HashMap<ContainerName<'_>, ContainerSample> =
        std::collections::HashMap::new();
    let mut memory = std::collections::HashMap::new();
    let mut started = std::collections::HashMap::new();
    for line in &lines {
        let name = (
            line.label("namespace"),
            line.label("pod"),
            line.label("container"),
        );
        if name.1.is_empty() || name.2.is_empty() {
            continue;
        }
        match line.metric {
            CPU => {
                let sample = ContainerSample {
                    namespace: name.0.to_owned(),
                    pod: name.1.to_owned(),
                    container: name.2.to_owned(),
                    at: line.at.unwrap_or(read_at),
                    cpu: CpuMeasure::Counter(micros(line.value)),
                    memory_bytes: 0,
                    started_at: None,
                };
                found.insert(name, sample);
            }
            MEMORY => {
                memory.insert(name, line.value);
            }
            _ => {
                started.insert(name, Instant(micros(line.value)));
            }
        }
    }
    let complete = found.into_iter().filter_map(|(name, mut sample)| {
        sample.memory_bytes = *memory.get(&name)? as i64;
        sample.started_at = started.get(&name).copied().filter(|at| at.0 > 0);
        (sample.memory_bytes >= 0).then_some(sample)
    });
    complete.collect()
}

/// Cards of a device plugin's metric.
pub(crate) fn gpus(text: &str, settings: &GpuSettings) -> Vec<GpuSample> {
    let (lines, _) = lines(text, &[settings.metric.as_str()]);
    let cards = lines.iter().filter_map(|line| {
        let pod = line.label(&settings.label_pod);
        // A card that nobody holds is nobody's usage.
        (!pod.is_empty()).then(|| GpuSample {
            namespace: line.label(&settings.label_namespace).to_owned(),
            pod: pod.to_owned(),
            container: line.label(&settings.label_container).to_owned(),
            micro_cards: (line.value / settings.full_value * 1e6).clamp(0.0, 1e6).round() as i64,
        })
    });
    cards.collect()
}

/// Seconds as microseconds.
fn micros(seconds: f64) -> i64 {
    (seconds * 1e6).round() as i64
}

/// An error with what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESOURCE: &str = r#"
container_cpu_usage_seconds_total{container="api",namespace="a",pod="api-0"} 12.5 1767225600123
container_cpu_usage_seconds_total{container="new",namespace="a",pod="api-0"} 1
container_memory_working_set_bytes{container="api",namespace="a",pod="api-0"} 1.048576e+06 1767225600123
container_start_time_seconds{container="api",namespace="a",pod="api-0"} 1.7672255e+09
pod_cpu_usage_seconds_total{namespace="a",pod="api-0"} 13 1767225600123
"#;

    #[test]
    fn a_container_is_known_once_both_its_resources_are() {
        let found = samples(RESOURCE, Instant(0));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].cpu, CpuMeasure::Counter(12_500_000));
        assert_eq!(found[0].memory_bytes, 1_048_576);
        assert_eq!(found[0].at, Instant(1_767_225_600_123_000));
        assert_eq!(found[0].started_at, Some(Instant(1_767_225_500_000_000)));
    }

    #[test]
    fn cards_are_read_by_the_labels_that_are_configured() {
        let text = r#"
DCGM_FI_DEV_GPU_UTIL{gpu="0",namespace="a",pod="train-0",container="train"} 37
DCGM_FI_DEV_GPU_UTIL{gpu="1",namespace="a",pod="train-0",container="train"} 250
DCGM_FI_DEV_GPU_UTIL{gpu="2"} 99
"#;
        let cards: Vec<i64> = gpus(text, &GpuSettings::default())
            .iter()
            .map(|card| card.micro_cards)
            .collect();
        assert_eq!(cards, [370_000, 1_000_000]);
    }

    #[test]
    fn urls_name_the_node() {
        let target = |address: &str| UsageTarget {
            uid: "u".into(),
            node: "node-1".into(),
            address: address.into(),
        };
        let pattern = "https://{address}:10250/{node}/metrics";
        assert_eq!(
            url_of(pattern, &target("10.0.0.1")),
            "https://10.0.0.1:10250/node-1/metrics"
        );
        assert_eq!(
            url_of(pattern, &target("fd00::1")),
            "https://[fd00::1]:10250/node-1/metrics"
        );
    }
}
