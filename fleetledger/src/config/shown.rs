//! The configuration as it is shown to people: without anything that may be a secret.

use toml::{Table, Value};

use super::FleetledgerConfig;

/// Stands for what is not shown.
const NOT_SHOWN: &str = "[not shown]";

/// librdkafka properties whose values are shown. Whatever else somebody sets, its value may be a secret.
const SHOWN_PROPERTIES: &[&str] = &[
    "broker.address.family",
    "broker.address.ttl",
    "check.crcs",
    "client.dns.lookup",
    "client.id",
    "client.rack",
    "compression.codec",
    "compression.level",
    "compression.type",
    "connections.max.idle.ms",
    "debug",
    "fetch.error.backoff.ms",
    "fetch.max.bytes",
    "fetch.message.max.bytes",
    "fetch.min.bytes",
    "fetch.queue.backoff.ms",
    "fetch.wait.max.ms",
    "heartbeat.interval.ms",
    "linger.ms",
    "log.connection.close",
    "log_level",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "message.max.bytes",
    "metadata.max.age.ms",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "queue.buffering.max.ms",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "receive.message.max.bytes",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "request.timeout.ms",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "session.timeout.ms",
    "socket.connection.setup.timeout.ms",
    "socket.keepalive.enable",
    "socket.max.fails",
    "socket.nagle.disable",
    "socket.receive.buffer.bytes",
    "socket.send.buffer.bytes",
    "socket.timeout.ms",
    "ssl.cipher.suites",
    "ssl.crl.location",
    "ssl.curves.list",
    "ssl.sigalgs.list",
    "statistics.interval.ms",
    "topic.metadata.refresh.interval.ms",
];

/// The configuration as TOML. Options that are not set have no form in it, secrets show as their references, properties
/// of the Kafka client only where they are known to hold none, and addresses without user and password.
///
/// # Errors
/// A value that TOML cannot hold.
pub fn shown(config: &FleetledgerConfig) -> Result<String, toml::ser::Error> {
    let mut table = Table::try_from(config)?;
    let properties = table
        .get_mut("kafka")
        .and_then(|kafka| kafka.get_mut("properties"))
        .and_then(Value::as_table_mut);
    for (name, value) in properties.into_iter().flatten() {
        if !SHOWN_PROPERTIES.contains(&name.as_str()) {
            *value = Value::String(NOT_SHOWN.to_owned());
        }
    }
    table.iter_mut().for_each(|(_, value)| hide_users(value));
    toml::to_string_pretty(&table)
}

fn hide_users(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some(without) = without_user(text) {
                *text = without;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide_users),
        Value::Table(table) => table.iter_mut().for_each(|(_, value)| hide_users(value)),
        _ => {}
    }
}

/// An address with its user and password taken out; `None` where there is nothing to take out.
fn without_user(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    // The last @ ends the user: a password may hold one, and a /, that should have been escaped.
    let (user, host) = rest.rsplit_once('@')?;
    // A user alone may be a token; one of PostgreSQL is a role.
    let is_role = scheme.starts_with("postgres") && !user.contains(':');
    (!is_role).then(|| format!("{scheme}://{NOT_SHOWN}@{host}"))
}

/// Whether an address holds a password, which belongs into a file.
pub(super) fn holds_password(address: &str) -> bool {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority
        .rsplit_once('@')
        .is_some_and(|(user, _)| user.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(toml: &str) -> String {
        let config: FleetledgerConfig = toml::from_str(toml).unwrap();
        shown(&config).unwrap()
    }

    #[test]
    fn properties_are_shown_by_name_and_all_else_of_them_is_not() {
        let text = show(
            "[kafka.properties]\n\"linger.ms\" = \"5\"\n\"ssl.keystore.password\" = \"hunter2\"\n\
             \"sasl.oauthbearer.config\" = \"secret=hunter2\"\n\"no.such.property\" = \"hunter2\"\n",
        );
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("\"linger.ms\" = \"5\""), "{text}");
        assert_eq!(text.matches(NOT_SHOWN).count(), 3, "{text}");
    }

    #[test]
    fn no_address_is_shown_with_a_password_wherever_it_is() {
        let text = show(
            "[evaluate]\nconsole_url = \"https://ada:hunter2@console/x\"\n\
             [receivers.a]\nkind = \"alertmanager\"\nurls = [\"http://ada:hunter2@am-1:9093\", \"http://am-2:9093\"]\n\
             proxy = \"http://ada:hunter2/@x@proxy:3128\"\n\
             [postgres]\nurl = \"postgres://ada@db/fleet\"\n",
        );
        assert!(!text.contains("hunter2"), "{text}");
        for kept in [
            "@console/x",
            "@am-1:9093",
            "http://am-2:9093",
            "@proxy:3128",
            "postgres://ada@db/fleet",
        ] {
            assert!(text.contains(kept), "{kept}: {text}");
        }
    }

    #[test]
    fn what_is_shown_of_the_default_reads_back() {
        let text = shown(&FleetledgerConfig::default()).unwrap();
        assert_eq!(
            toml::from_str::<FleetledgerConfig>(&text).unwrap(),
            FleetledgerConfig::default()
        );
    }
}
