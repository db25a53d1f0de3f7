//! The API server of the emitter's cluster.

use fleetledger_emit::UsageSource;
use fleetledger_schema::instant::Instant;
use k8s_openapi::api::{
    authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec},
    coordination::v1::Lease,
    core::v1::Namespace,
};
use kube::{Api, api::PostParams};

use super::{CheckVerdict, DoctorObservations, observation::KubernetesObservation, server::judge_clock};
use crate::connect;

const RBAC: &str =
    "kubectl apply -f deploy/kubernetes/emit-rbac.yaml, and bind it to the emitter's service account";

/// What the emitter lists and watches: API group and resource.
const WATCHED: &[(&str, &str)] = &[
    ("", "namespaces"),
    ("", "nodes"),
    ("", "pods"),
    ("apps", "deployments"),
    ("apps", "statefulsets"),
    ("apps", "daemonsets"),
    ("apps", "replicasets"),
    ("batch", "jobs"),
    ("batch", "cronjobs"),
    ("coordination.k8s.io", "leases"),
    ("fleetledger.io", "watchdogs"),
];

pub(super) async fn reach(scene: &DoctorObservations) -> CheckVerdict {
    scene
        .kubernetes
        .reached(|kubernetes| kubernetes.server.url.clone())
}

pub(super) async fn rbac(scene: &DoctorObservations) -> CheckVerdict {
    let kubernetes = match scene.kubernetes.get("kubernetes") {
        Ok(kubernetes) => kubernetes,
        Err(skipped) => return skipped,
    };
    let mut missing = Vec::new();
    for (group, resource) in WATCHED {
        for verb in ["list", "watch"] {
            match may(kubernetes, group, resource, verb, None).await {
                Ok(true) => {}
                Ok(false) => missing.push(format!("{verb} {resource}")),
                Err(error) => return cannot_ask(scene, kubernetes, &error),
            }
        }
    }
    if let Err(error) = &kubernetes.cluster_uid {
        missing.push(format!("get namespace kube-system ({})", error.why));
    }
    if missing.is_empty() {
        return CheckVerdict::well(format!("{} resources", WATCHED.len()));
    }
    CheckVerdict::broken(format!("the emitter may not {}", missing.join(", ")), RBAC)
}

/// What reading usage needs: API group, resource and verb.
fn usage_right(source: UsageSource) -> Option<(&'static str, &'static str, &'static str)> {
    match source {
        UsageSource::None => None,
        UsageSource::Kubelet => Some(("", "nodes/metrics", "get")),
        UsageSource::Proxy => Some(("", "nodes/proxy", "get")),
        UsageSource::MetricsApi => Some(("metrics.k8s.io", "pods", "list")),
    }
}

pub(super) async fn usage(scene: &DoctorObservations) -> CheckVerdict {
    let Some((group, resource, verb)) = usage_right(scene.config.emit.usage.source) else {
        return CheckVerdict::well("usage is not read (emit.usage.source)");
    };
    let kubernetes = match scene.kubernetes.get("kubernetes") {
        Ok(kubernetes) => kubernetes,
        Err(skipped) => return skipped,
    };
    match may(kubernetes, group, resource, verb, None).await {
        Ok(true) => CheckVerdict::well(format!("may {verb} {resource}")),
        Ok(false) if resource == "nodes/proxy" => CheckVerdict::broken(
            "the emitter may not get nodes/proxy",
            "kubectl apply -f deploy/kubernetes/emit-usage-proxy-rbac.yaml; or, better, set \
             emit.usage.source = \"kubelet\"",
        ),
        Ok(false) => CheckVerdict::broken(format!("the emitter may not {verb} {resource}"), RBAC),
        Err(error) => cannot_ask(scene, kubernetes, &error),
    }
}

pub(super) async fn lease(scene: &DoctorObservations) -> CheckVerdict {
    let kubernetes = match scene.kubernetes.get("kubernetes") {
        Ok(kubernetes) => kubernetes,
        Err(skipped) => return skipped,
    };
    let namespace = &scene.config.emit.leadership.namespace;
    let mut missing = Vec::new();
    for verb in ["get", "create", "update"] {
        match may(kubernetes, "coordination.k8s.io", "leases", verb, Some(namespace)).await {
            Ok(true) => {}
            Ok(false) => missing.push(verb),
            Err(error) => return cannot_ask(scene, kubernetes, &error),
        }
    }
    if !missing.is_empty() {
        return CheckVerdict::broken(
            format!(
                "the emitter may not {} leases in namespace {namespace}: it can never lead",
                missing.join(", ")
            ),
            RBAC,
        );
    }
    let namespaces: Api<Namespace> = Api::all(kubernetes.server.client.clone());
    match namespaces.get_opt(namespace).await {
        Ok(None) => CheckVerdict::broken(
            format!("namespace {namespace} of the emitter's Lease not found"),
            format!("kubectl create namespace {namespace}"),
        ),
        Ok(Some(_)) | Err(_) => CheckVerdict::well(format!("in namespace {namespace}")),
    }
}

pub(super) async fn leader(scene: &DoctorObservations) -> CheckVerdict {
    let kubernetes = match scene.kubernetes.get("kubernetes") {
        Ok(kubernetes) => kubernetes,
        Err(skipped) => return skipped,
    };
    let settings = &scene.config.emit.leadership;
    let leases: Api<Lease> = Api::namespaced(kubernetes.server.client.clone(), &settings.namespace);
    let spec = match leases.get_opt(&settings.lease).await {
        Ok(Some(lease)) => lease.spec.unwrap_or_default(),
        Ok(None) => return CheckVerdict::well("no emitter has led yet"),
        Err(_) => return CheckVerdict::skipped("see kubernetes-lease"),
    };
    let holder = spec.holder_identity.unwrap_or_default();
    let renewed = spec.renew_time.map(|at| Instant::from_timestamp(at.0));
    let age_seconds = renewed.map_or(i64::MAX, |at| Instant::now().micros_since(at) / 1_000_000);
    let limit = i64::try_from(settings.duration_seconds)
        .unwrap_or(i64::MAX)
        .saturating_mul(4);
    if holder.is_empty() || age_seconds > limit {
        return CheckVerdict::broken(
            format!(
                "Lease {}/{} is not renewed: no emitter runs for this cluster",
                settings.namespace, settings.lease
            ),
            "start an emitter: fleetledger emit, or kubectl -n fleetledger get pods",
        );
    }
    let other = !settings.identity.is_empty() && settings.identity != holder;
    let role = if other { "; this one would stand by" } else { "" };
    CheckVerdict::well(format!("{holder} leads, renewed {age_seconds} s ago{role}"))
}

pub(super) async fn clock(scene: &DoctorObservations) -> CheckVerdict {
    let kubernetes = match scene.kubernetes.get("kubernetes") {
        Ok(kubernetes) => kubernetes,
        Err(skipped) => return skipped,
    };
    match server_date(kubernetes).await {
        None => CheckVerdict::skipped("the API server's response contains no time"),
        // The header has whole seconds.
        Some(there) => judge_clock("API server", there.micros_since(Instant::now()) + 500_000),
    }
}

async fn server_date(kubernetes: &KubernetesObservation) -> Option<Instant> {
    let request = axum::http::Request::get("/version")
        .body(kube::client::Body::empty())
        .ok()?;
    let response = kubernetes.server.client.send(request).await.ok()?;
    let date = response.headers().get("date")?.to_str().ok()?;
    let zoned = jiff::fmt::rfc2822::parse(date).ok()?;
    Some(Instant::from_timestamp(zoned.timestamp()))
}

async fn may(
    kubernetes: &KubernetesObservation,
    group: &str,
    resource: &str,
    verb: &str,
    namespace: Option<&str>,
) -> Result<bool, kube::Error> {
    let (resource, subresource) = match resource.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
        None => (resource, None),
    };
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                group: Some(group.to_owned()),
                resource: Some(resource.to_owned()),
                subresource,
                verb: Some(verb.to_owned()),
                namespace: namespace.map(str::to_owned),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let reviews: Api<SelfSubjectAccessReview> = Api::all(kubernetes.server.client.clone());
    let answer = reviews.create(&PostParams::default(), &review).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

fn cannot_ask(
    scene: &DoctorObservations,
    kubernetes: &KubernetesObservation,
    error: &kube::Error,
) -> CheckVerdict {
    let error = connect::kubernetes::explain(
        &scene.config.kubernetes,
        &kubernetes.server,
        "ask for permissions",
        error,
    );
    CheckVerdict::broken(format!("{}: {}", error.hop, error.why), error.fix)
}
