//! What travels readable beyond this machine, or to whoever answers.

use std::net::IpAddr;

use tokio_postgres::config::Host;

use super::{FleetledgerConfig, PostgresConfig, PostgresTls};

/// A way on which others can read along, or stand in for the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExposedWay {
    /// The key that says so.
    pub key: String,
    /// What can be read or taken over.
    pub why: String,
    /// What to write.
    pub fix: String,
}

impl ExposedWay {
    fn new(key: impl Into<String>, why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            why: why.into(),
            fix: fix.into(),
        }
    }
}

/// Every such way of this configuration, in the order of its sections.
#[must_use]
pub fn exposed(config: &FleetledgerConfig) -> Vec<ExposedWay> {
    let mut found = Vec::new();
    kafka(config, &mut found);
    postgres(&config.postgres, &mut found);
    if config.emit.usage.kubelet_insecure {
        found.push(ExposedWay::new(
            "emit.usage.kubelet_insecure",
            "any certificate of a kubelet is accepted: whoever answers in its place gets the emitter's token",
            "have the kubelets' certificates signed by the cluster's CA (serverTLSBootstrap), and remove the \
             key",
        ));
    }
    if is_plain_beyond_this_machine(&config.emit.usage.kubelet_url) {
        found.push(ExposedWay::new(
            "emit.usage.kubelet_url",
            "kubelets are queried over plain HTTP: the emitter's token is sent unencrypted",
            "use an address that begins with https://",
        ));
    }
    kubernetes(config, &mut found);
    receivers(config, &mut found);
    let listeners = [
        (
            "http",
            config.http.listen.ip(),
            config.http.certificate.is_some(),
            "metrics and health",
        ),
        (
            "console",
            config.console.listen.ip(),
            config.console.certificate.is_some(),
            "tokens and all responses",
        ),
    ];
    for (section, address, has_tls, what) in listeners {
        if !address.is_loopback() && !has_tls {
            found.push(ExposedWay::new(
                format!("{section}.listen"),
                format!("{address} is open to other machines, and {what} are sent unencrypted"),
                format!(
                    "set {section}.certificate and {section}.key, or listen on 127.0.0.1 behind a proxy that speaks TLS"
                ),
            ));
        }
    }
    found
}

fn kafka(config: &FleetledgerConfig, found: &mut Vec<ExposedWay>) {
    let kafka = &config.kafka;
    let servers = kafka.bootstrap_servers.split(',').map(str::trim);
    let mut hosts = servers.filter_map(|server| server.rsplit_once(':').map(|(host, _)| host));
    if kafka.tls.is_none()
        && let Some(host) = hosts.find(|host| !is_loopback(host))
    {
        found.push(ExposedWay::new(
            "kafka.tls",
            format!("records are sent unencrypted to {host}, and can be changed on the way"),
            "add [kafka.tls], and name the brokers' TLS ports in kafka.bootstrap_servers",
        ));
    }
}

fn postgres(postgres: &PostgresConfig, found: &mut Vec<ExposedWay>) {
    let host = hosts(postgres).into_iter().find(|host| !is_loopback(host));
    let Some(host) = host else {
        return;
    };
    let why = match postgres.tls {
        PostgresTls::VerifyFull => return,
        PostgresTls::VerifyCa => {
            format!("whoever has a certificate of the same CA can impersonate {host}")
        }
        PostgresTls::Off => format!("all data of the ledger is sent unencrypted to {host}"),
    };
    found.push(ExposedWay::new(
        "postgres.tls",
        why,
        "use postgres.tls = \"verify-full\", and postgres.ca if the CA is your own",
    ));
}

fn hosts(postgres: &PostgresConfig) -> Vec<String> {
    let Some(url) = &postgres.url else {
        return vec![postgres.host.clone()];
    };
    let Ok(config) = url.parse::<tokio_postgres::Config>() else {
        return Vec::new();
    };
    let tcp = config.get_hosts().iter().filter_map(|host| match host {
        Host::Tcp(name) => Some(name.clone()),
        Host::Unix(_) => None,
    });
    tcp.collect()
}

/// A kubeconfig can switch the check of certificates off.
fn kubernetes(config: &FleetledgerConfig, found: &mut Vec<ExposedWay>) {
    let Some(file) = &config.kubernetes.kubeconfig else {
        return;
    };
    let Ok(kubeconfig) = kube::config::Kubeconfig::read_from(file) else {
        return;
    };
    let context = config
        .kubernetes
        .context
        .as_ref()
        .or(kubeconfig.current_context.as_ref());
    let cluster = kubeconfig
        .contexts
        .iter()
        .filter(|named| Some(&named.name) == context)
        .filter_map(|named| named.context.as_ref())
        .map(|context| context.cluster.as_str())
        .next();
    let cluster = kubeconfig
        .clusters
        .iter()
        .filter(|named| Some(named.name.as_str()) == cluster)
        .find_map(|named| named.cluster.as_ref());
    let Some(cluster) = cluster else {
        return;
    };
    if cluster.insecure_skip_tls_verify == Some(true) {
        found.push(ExposedWay::new(
            "kubernetes.kubeconfig",
            "insecure-skip-tls-verify is set: whoever answers in the API server's place gets the emitter's credentials",
            "set certificate-authority in the kubeconfig instead",
        ));
    }
    let server = cluster.server.as_deref().unwrap_or_default();
    if is_plain_beyond_this_machine(server) {
        found.push(ExposedWay::new(
            "kubernetes.kubeconfig",
            "the API server is queried over plain HTTP: the emitter's credentials are sent unencrypted",
            "use https:// in the kubeconfig",
        ));
    }
}

fn receivers(config: &FleetledgerConfig, found: &mut Vec<ExposedWay>) {
    for (name, receiver) in &config.receivers {
        let section = format!("receivers.{name}");
        let mut addresses: Vec<(&str, String)> = Vec::new();
        addresses.extend(receiver.url.iter().map(|url| ("url", url.clone())));
        addresses.extend(receiver.urls.iter().map(|url| ("urls", url.clone())));
        // Looked at and not shown; one that cannot be read is told of where it is used.
        let secret = receiver.secret_url.as_ref().and_then(|url| url.read("").ok());
        addresses.extend(secret.map(|url| ("secret_url", url.expose().to_owned())));
        for (key, address) in addresses {
            if is_plain_beyond_this_machine(&address) {
                found.push(ExposedWay::new(
                    format!("{section}.{key}"),
                    "notifications and credentials are sent unencrypted to another machine",
                    "use an address that begins with https://, and set the receiver's tls.ca if the CA is \
                     your own",
                ));
            }
        }
    }
}

fn is_plain_beyond_this_machine(address: &str) -> bool {
    let Some(rest) = address.strip_prefix("http://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let name = match host.strip_prefix('[') {
        Some(inner) => inner.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    !is_loopback(name)
}

/// Whether a host is this machine by its name or address; a path is a socket of it.
fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.starts_with('/')
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(toml: &str) -> Vec<String> {
        let config: FleetledgerConfig = toml::from_str(toml).unwrap();
        exposed(&config).into_iter().map(|way| way.key).collect()
    }

    #[test]
    fn plain_text_to_this_machine_exposes_nothing() {
        assert_eq!(
            keys(
                "[postgres]\ntls = \"off\"\nurl = \"postgres://u@127.0.0.1:5/x\"\n[kafka]\nbootstrap_servers = \"localhost:1,[::1]:2\"\n\
                  [receivers.a]\nkind = \"alertmanager\"\nurls = [\"http://127.0.0.1:9093\", \"http://[::1]:9093/x\"]\n"
            ),
            Vec::<String>::new()
        );
    }

    #[test]
    fn every_plain_way_to_another_machine_is_named_by_its_key() {
        let found = keys(
            "[kafka]\nbootstrap_servers = \"127.0.0.1:1,kafka-2:9092\"\n\
             [postgres]\nhost = \"db\"\ntls = \"off\"\n\
             [emit.usage]\nkubelet_insecure = true\n\
             [receivers.a]\nkind = \"alertmanager\"\nurls = [\"https://am-1\", \"http://am-2:9093\"]\n\
             [receivers.b]\nkind = \"pagerduty\"\nurl = \"http://127.0.0.1.example.com\"\n\
             [http]\nlisten = \"0.0.0.0:9650\"\n\
             [console]\nlisten = \"[::]:9660\"\n",
        );
        assert_eq!(
            found,
            [
                "kafka.tls",
                "postgres.tls",
                "emit.usage.kubelet_insecure",
                "receivers.a.urls",
                "receivers.b.url",
                "http.listen",
                "console.listen"
            ]
        );
        assert_eq!(
            keys("[postgres]\nhost = \"db\"\ntls = \"verify-ca\"\n"),
            ["postgres.tls"]
        );
    }

    #[test]
    fn a_secret_address_and_a_kubeconfig_are_looked_into() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path("hook"), "http://hooks.example.com/hunter2\n").unwrap();
        std::fs::write(
            path("kubeconfig"),
            "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n\
             clusters: [{name: k, cluster: {server: 'https://k:6443', insecure-skip-tls-verify: true}}]\nusers: []\n",
        )
        .unwrap();
        let toml = format!(
            "[receivers.a]\nkind = \"webhook\"\nsecret_url = \"file:{}\"\n[kubernetes]\nkubeconfig = \"{}\"\n",
            path("hook"),
            path("kubeconfig")
        );
        assert_eq!(keys(&toml), ["kubernetes.kubeconfig", "receivers.a.secret_url"]);
        let config: FleetledgerConfig = toml::from_str(&toml).unwrap();
        assert!(!format!("{:?}", exposed(&config)).contains("hunter2"));
    }
}
