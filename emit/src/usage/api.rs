//! Usage by way of the API server: `metrics.k8s.io`, or the kubelets through its proxy.

use std::{collections::HashMap, time::Duration};

use fleetledger_schema::instant::Instant;
use kube::{
    Client,
    api::{GetParams, ListParams, Request},
};
use serde_json::Value as Json;

use super::{
    reading::{ContainerSample, CpuMeasure, UsageTarget},
    roster::Roster,
};
use crate::object::quantity::Quantity;

/// Time over which metrics.k8s.io measures where it does not say, in microseconds.
const USUAL_WINDOW_MICROS: i64 = 15_000_000;

/// The text of a kubelet's resource metrics, through the API server's proxy.
pub(crate) async fn proxied(
    client: &Client,
    target: &UsageTarget,
    within: Duration,
) -> Result<String, String> {
    let path = format!("/api/v1/nodes/{}/proxy/metrics", target.node);
    let request = Request::new(path)
        .get("resource", &GetParams::default())
        .map_err(|error| error.to_string())?;
    match tokio::time::timeout(within, client.request_text(request)).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} s", within.as_secs())),
    }
}

/// Containers of every pod that metrics.k8s.io tells of, by the node their pod is on; and how many are of no known pod.
pub(crate) async fn pod_metrics(
    client: &Client,
    roster: &Roster,
    within: Duration,
) -> Result<(HashMap<String, Vec<ContainerSample>>, usize), String> {
    let request = Request::new("/apis/metrics.k8s.io/v1beta1/pods")
        .list(&ListParams::default())
        .map_err(|error| error.to_string())?;
    let listed = match tokio::time::timeout(within, client.request::<Json>(request)).await {
        Ok(answer) => answer.map_err(|error| error.to_string())?,
        Err(_) => return Err(format!("no answer within {} s", within.as_secs())),
    };
    let mut by_node: HashMap<String, Vec<ContainerSample>> = HashMap::new();
    let mut unknown = 0;
    for item in listed.get("items").and_then(Json::as_array).into_iter().flatten() {
        let samples = samples(item);
        let Some(first) = samples.first() else { continue };
        match roster.pod(&first.namespace, &first.pod) {
            Some(pod) => by_node.entry(pod.node.to_string()).or_default().extend(samples),
            None => unknown += samples.len(),
        }
    }
    Ok((by_node, unknown))
}

/// Containers of one PodMetrics; those that cannot be read are left out.
fn samples(item: &Json) -> Vec<ContainerSample> {
    let text = |pointer: &str| item.pointer(pointer).and_then(Json::as_str);
    let (Some(namespace), Some(pod)) = (text("/metadata/namespace"), text("/metadata/name")) else {
        return Vec::new();
    };
    let Some(at) = text("/timestamp").and_then(Instant::parse) else {
        return Vec::new();
    };
    let window_micros = text("/window")
        .and_then(duration_micros)
        .unwrap_or(USUAL_WINDOW_MICROS);
    let containers = item.get("containers").and_then(Json::as_array);
    let read = containers.into_iter().flatten().filter_map(|container| {
        let of = |name: &str| container.pointer(name).and_then(Json::as_str);
        let amount = |name: &str| Quantity::parse(of(name)?).ok();
        Some(ContainerSample {
            namespace: namespace.to_owned(),
            pod: pod.to_owned(),
            container: of("/name")?.to_owned(),
            at,
            cpu: CpuMeasure::Rate {
                nanocores: amount("/usage/cpu")?.nanos(),
                window_micros,
            },
            memory_bytes: amount("/usage/memory")?.units(),
            started_at: None,
        })
    });
    read.filter(|sample| sample.memory_bytes >= 0).collect()
}

/// A duration as Go writes it, such as `15.1s` or `1m0s`.
fn duration_micros(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut micros = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, unit) = rest.split_at_checked(end)?;
        let unit_end = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let (unit, after) = unit.split_at_checked(unit_end)?;
        let scale = match unit {
            "h" => 3.6e9,
            "m" => 6e7,
            "s" => 1e6,
            "ms" => 1e3,
            "us" | "µs" => 1.0,
            "ns" => 1e-3,
            _ => return None,
        };
        micros += number.parse::<f64>().ok()? * scale;
        rest = after;
    }
    (micros > 0.0).then(|| micros.round() as i64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pod_metrics_are_read_as_metrics_server_writes_them() {
        let item = json!({
            "metadata": {"namespace": "payments", "name": "api-0"},
            "timestamp": "2026-01-01T00:00:15Z", "window": "15.055s",
            "containers": [
                {"name": "api", "usage": {"cpu": "156340n", "memory": "20480Ki"}},
                {"name": "broken", "usage": {"cpu": "much", "memory": "1"}},
            ],
        });
        let read = samples(&item);
        assert_eq!(read.len(), 1);
        assert_eq!(
            read[0].cpu,
            CpuMeasure::Rate {
                nanocores: 156_340,
                window_micros: 15_055_000
            }
        );
        assert_eq!(read[0].memory_bytes, 20_971_520);
        assert_eq!(read[0].at, Instant(1_767_225_615_000_000));
    }

    #[test]
    fn durations_are_read() {
        assert_eq!(duration_micros("1m30s"), Some(90_000_000));
        assert_eq!(duration_micros("500ms"), Some(500_000));
        assert_eq!(duration_micros("0s"), None);
        assert_eq!(duration_micros("soon"), None);
    }
}
