//! Rules, receivers and routes.

use std::{collections::BTreeMap, path::PathBuf};

use fleetledger_paging::{GroupBy, Matcher, Route};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ConfigFault, SecretRef, TlsConfig, shown::holds_password};

/// The evaluator: stored SQL to alerts and metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluateConfig {
    /// Folder of the rules.
    pub rules: PathBuf,
    /// Name of this evaluator, unique among evaluators; host name and process id if not set.
    pub name: Option<String>,
    /// User that runs the rules' SQL, with the same connection settings as `postgres.user`: one that can only read, and
    /// whose password no person has.
    pub rules_user: String,
    /// Password of `evaluate.rules_user`: `file:/path` or `env:NAME`.
    pub rules_password: Option<SecretRef>,
    /// User that `fleetledger sql` connects as, with the same connection settings as `postgres.user`.
    pub reader_user: String,
    /// Password of `evaluate.reader_user`: `file:/path` or `env:NAME`.
    pub reader_password: Option<SecretRef>,
    /// How long a query or a transaction of a reader or a team may run, whatever its session sets, in seconds: longer than the longest `timeout` of a rule.
    pub reader_limit_seconds: u64,
    /// Maximum number of queries at a time.
    pub concurrency: usize,
    /// Maximum number of notifications being sent at a time.
    pub deliveries: usize,
    /// How long an evaluator that has stopped responding keeps its groups, in seconds.
    pub lease_seconds: u64,
    /// Address of the console that notifications link to, such as `https://fleetledger.example.com`.
    pub console_url: String,
    /// Base address of the runbooks; the console's own if not set.
    pub runbook_base_url: String,
    /// Receivers of the alert that always fires, for an external dead man's switch. No other receiver gets it.
    pub heartbeat_receivers: Vec<String>,
}

impl Default for EvaluateConfig {
    fn default() -> Self {
        Self {
            rules: "/etc/fleetledger/queries".into(),
            name: None,
            rules_user: "fleetledger_rules".to_owned(),
            rules_password: None,
            reader_user: "fleetledger_reader".to_owned(),
            reader_password: None,
            reader_limit_seconds: 120,
            concurrency: 4,
            deliveries: 16,
            lease_seconds: 15,
            console_url: String::new(),
            runbook_base_url: String::new(),
            heartbeat_receivers: Vec::new(),
        }
    }
}

impl EvaluateConfig {
    pub(super) fn check(&self, receivers: &BTreeMap<String, ReceiverConfig>) -> Result<(), ConfigFault> {
        for (key, password) in [
            ("evaluate.rules_password", &self.rules_password),
            ("evaluate.reader_password", &self.reader_password),
        ] {
            if let Some(password) = password {
                password.check(key)?;
            }
        }
        let within = |key: &str, value: u64, most: u64| match value {
            0 => Err(ConfigFault::new(key, "must be at least 1")),
            value if value > most => Err(ConfigFault::new(key, format!("must be at most {most}"))),
            _ => Ok(()),
        };
        within("evaluate.concurrency", self.concurrency as u64, 64)?;
        within("evaluate.deliveries", self.deliveries as u64, 1_000)?;
        within("evaluate.reader_limit_seconds", self.reader_limit_seconds, 86_400)?;
        within("evaluate.lease_seconds", self.lease_seconds, 3_600)?;
        without_password(
            "evaluate.console_url",
            &self.console_url,
            "it is sent in every notification",
        )?;
        without_password(
            "evaluate.runbook_base_url",
            &self.runbook_base_url,
            "it is sent in every notification",
        )?;
        known(
            "evaluate.heartbeat_receivers",
            &self.heartbeat_receivers,
            receivers,
        )
    }
}

/// One receiver of notifications.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReceiverConfig {
    /// What it is.
    pub kind: ReceiverKind,
    /// Base address of PagerDuty's Events API, if it is not PagerDuty's own.
    #[serde(default)]
    pub url: Option<String>,
    /// Base addresses of all replicas of an Alertmanager.
    #[serde(default)]
    pub urls: Vec<String>,
    /// Address of Slack's incoming webhook, or of a webhook, which is a secret: `file:/path` or `env:NAME`.
    #[serde(default)]
    pub secret_url: Option<SecretRef>,
    /// Routing key of a PagerDuty integration: `file:/path` or `env:NAME`.
    #[serde(default)]
    pub routing_key: Option<SecretRef>,
    /// The whole `Authorization` header for an Alertmanager or a webhook, such as `Bearer …`: `file:/path` or `env:NAME`.
    #[serde(default)]
    pub authorization: Option<SecretRef>,
    /// Secret that signs the requests to a webhook: `file:/path` or `env:NAME`.
    #[serde(default)]
    pub signing_secret: Option<SecretRef>,
    /// How long an attempt may take, in seconds.
    #[serde(default = "ten")]
    pub timeout_seconds: u64,
    /// URL of the proxy through which the receiver is reached.
    #[serde(default)]
    pub proxy: Option<String>,
    /// TLS settings, if the system's CAs are not enough.
    #[serde(default)]
    pub tls: Option<TlsConfig>,
}

fn ten() -> u64 {
    10
}

/// What a receiver is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReceiverKind {
    /// PagerDuty, Events API v2.
    Pagerduty,
    /// Alertmanager, API v2.
    Alertmanager,
    /// Slack's incoming webhook.
    Slack,
    /// A webhook with Alertmanager's payload.
    Webhook,
}

impl ReceiverConfig {
    pub(super) fn check(&self, name: &str) -> Result<(), ConfigFault> {
        let section = format!("receivers.{name}");
        let needs = |key: &str, there: bool, what: &str| match there {
            true => Ok(()),
            false => Err(ConfigFault::new(
                format!("{section}.{key}"),
                format!("is missing: {what}"),
            )),
        };
        match self.kind {
            ReceiverKind::Pagerduty => {
                needs(
                    "routing_key",
                    self.routing_key.is_some(),
                    "write file:/path or env:NAME",
                )?;
            }
            ReceiverKind::Alertmanager => {
                needs(
                    "urls",
                    !self.urls.is_empty(),
                    "name every replica, such as http://127.0.0.1:9093",
                )?;
            }
            ReceiverKind::Slack | ReceiverKind::Webhook => {
                needs(
                    "secret_url",
                    self.secret_url.is_some(),
                    "write file:/path or env:NAME",
                )?;
            }
        }
        let secrets = [
            ("secret_url", &self.secret_url),
            ("routing_key", &self.routing_key),
            ("authorization", &self.authorization),
            ("signing_secret", &self.signing_secret),
        ];
        for (key, secret) in secrets {
            if let Some(secret) = secret {
                secret.check(&format!("{section}.{key}"))?;
            }
        }
        let addresses = self.url.iter().map(|url| ("url", url));
        for (key, address) in addresses.chain(self.urls.iter().map(|url| ("urls", url))) {
            let instead = format!("use {section}.authorization, a reference");
            without_password(&format!("{section}.{key}"), address, &instead)?;
        }
        if self.timeout_seconds == 0 || self.timeout_seconds > 30 {
            return Err(ConfigFault::new(
                format!("{section}.timeout_seconds"),
                "must be 1 to 30",
            ));
        }
        self.tls
            .as_ref()
            .map_or(Ok(()), |tls| tls.check(&format!("{section}.tls")))
    }
}

/// Receivers of alerts whose rule names none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RoutingConfig {
    /// Receivers of alerts that match no route.
    pub receivers: Vec<String>,
    /// Labels that define a group, or `instance`; if not set, pages are notified one by one, all other alerts by alert
    /// and cluster.
    pub group_by: Vec<String>,
    /// How long a new group waits for more alerts, in seconds.
    pub group_wait_seconds: u64,
    /// Minimum time between two notifications of a group that has changed, in seconds.
    pub group_interval_seconds: u64,
    /// Routes by label, tried in order: tables `[[routes.routes]]` of `matchers`, `receivers`, `group_by`, `group_wait_seconds`, `group_interval_seconds`, `continue` (go on to the next route as well) and further `routes`.
    pub routes: Vec<RouteConfig>,
}

/// One route.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RouteConfig {
    /// Which alerts enter.
    pub matchers: Vec<String>,
    /// Receivers; the parent's if there are none.
    pub receivers: Vec<String>,
    /// Labels that make a group; the parent's if there are none.
    pub group_by: Vec<String>,
    /// The parent's if not set.
    pub group_wait_seconds: Option<u64>,
    /// The parent's if not set.
    pub group_interval_seconds: Option<u64>,
    /// An alert that entered goes on to the next route as well.
    #[serde(rename = "continue")]
    pub go_on: bool,
    /// Tried in order.
    pub routes: Vec<RouteConfig>,
}

impl RoutingConfig {
    pub(super) fn check(&self, receivers: &BTreeMap<String, ReceiverConfig>) -> Result<(), ConfigFault> {
        let tree = self.tree()?;
        let names: Vec<String> = tree.receivers().into_iter().map(str::to_owned).collect();
        known("routes.receivers", &names, receivers)
    }

    /// The tree.
    ///
    /// # Errors
    /// A matcher that is none.
    pub fn tree(&self) -> Result<Route, ConfigFault> {
        Ok(Route {
            receivers: self.receivers.clone(),
            group_by: group_by(&self.group_by),
            group_wait_seconds: Some(self.group_wait_seconds),
            group_interval_seconds: Some(self.group_interval_seconds),
            routes: self
                .routes
                .iter()
                .map(RouteConfig::tree)
                .collect::<Result<_, _>>()?,
            ..Route::default()
        })
    }
}

impl RouteConfig {
    fn tree(&self) -> Result<Route, ConfigFault> {
        let matcher = |text: &String| {
            text.parse::<Matcher>()
                .map_err(|error| ConfigFault::new("routes.routes", error.to_string()))
        };
        Ok(Route {
            matchers: self.matchers.iter().map(matcher).collect::<Result<_, _>>()?,
            receivers: self.receivers.clone(),
            group_by: group_by(&self.group_by),
            group_wait_seconds: self.group_wait_seconds,
            group_interval_seconds: self.group_interval_seconds,
            go_on: self.go_on,
            routes: self.routes.iter().map(Self::tree).collect::<Result<_, _>>()?,
        })
    }
}

fn group_by(labels: &[String]) -> Option<GroupBy> {
    match labels {
        [] => None,
        [one] if one == "instance" => Some(GroupBy::INSTANCE),
        labels => Some(GroupBy::labels(labels.iter().map(String::as_str))),
    }
}

/// Refuses an address that holds a password, without showing it.
fn without_password(key: &str, address: &str, why: &str) -> Result<(), ConfigFault> {
    match holds_password(address) {
        true => Err(ConfigFault::new(
            key,
            format!("contains a password; remove it: {why}"),
        )),
        false => Ok(()),
    }
}

fn known(
    key: &str,
    names: &[String],
    receivers: &BTreeMap<String, ReceiverConfig>,
) -> Result<(), ConfigFault> {
    match names.iter().find(|name| !receivers.contains_key(*name)) {
        Some(name) => Err(ConfigFault::new(
            key,
            format!("names {name}, but there is no [receivers.{name}]"),
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(toml: &str) -> Result<(), String> {
        #[derive(Deserialize)]
        struct RoutingFixture {
            #[serde(default)]
            receivers: BTreeMap<String, ReceiverConfig>,
            #[serde(default)]
            routes: RoutingConfig,
        }
        let part: RoutingFixture = toml::from_str(toml).map_err(|error| error.to_string())?;
        for (name, receiver) in &part.receivers {
            receiver
                .check(name)
                .map_err(|fault| format!("{}: {}", fault.key, fault.why))?;
        }
        part.routes
            .check(&part.receivers)
            .map_err(|fault| format!("{}: {}", fault.key, fault.why))
    }

    #[test]
    fn receivers_need_what_their_kind_needs_and_secrets_are_references() {
        let refused = |toml: &str| read(toml).unwrap_err();
        assert!(
            refused("[receivers.a]\nkind = \"pagerduty\"\n")
                .starts_with("receivers.a.routing_key: is missing")
        );
        assert!(refused("[receivers.a]\nkind = \"alertmanager\"\n").starts_with("receivers.a.urls"));
        let written_out = refused("[receivers.a]\nkind = \"slack\"\nsecret_url = \"https://hooks/secret\"\n");
        assert!(
            written_out.starts_with("receivers.a.secret_url") && !written_out.contains("hooks"),
            "{written_out}"
        );
        read("[receivers.a]\nkind = \"pagerduty\"\nrouting_key = \"env:KEY\"\n").unwrap();
    }

    #[test]
    fn addresses_of_receivers_hold_no_password() {
        for key in [
            "url = \"http://ada:hunter2@am\"",
            "urls = [\"http://am\", \"http://ada:hunter2@am\"]",
        ] {
            let refused = read(&format!(
                "[receivers.a]\nkind = \"pagerduty\"\nrouting_key = \"env:KEY\"\n{key}\n"
            ));
            let refused = refused.unwrap_err();
            assert!(
                refused.contains("receivers.a.authorization") && !refused.contains("hunter2"),
                "{refused}"
            );
        }
    }

    #[test]
    fn routes_name_receivers_that_are_there() {
        let tree = "[receivers.a]\nkind = \"pagerduty\"\nrouting_key = \"env:KEY\"\n[routes]\nreceivers = [\"a\"]\n\
            [[routes.routes]]\nmatchers = [\"severity=page\"]\nreceivers = [\"b\"]\n";
        assert!(read(tree).unwrap_err().contains("no [receivers.b]"));
        read(&tree.replace("[\"b\"]", "[\"a\"]")).unwrap();
        assert!(
            read(&tree.replace("severity=page", "severity"))
                .unwrap_err()
                .contains("invalid matcher")
        );
    }
}
