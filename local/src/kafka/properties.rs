//! The server.properties of one broker.

use std::fs;
use std::path::Path;

use crate::error::{FileContext, LocalResult};
use crate::tls::{TlsFiles, write};

/// One broker, which is also a controller.
#[derive(Debug, Clone)]
pub(super) struct KafkaNode {
    pub(super) id: i32,
    pub(super) port: u16,
    pub(super) controller_port: u16,
    /// Where clients log in, if they may.
    pub(super) login_port: u16,
}

/// Somebody who may log in by SASL.
#[derive(Debug, Clone)]
pub(super) struct KafkaLogin {
    pub(super) username: String,
    pub(super) password: String,
}

/// All properties of `node` among `nodes`, in the order they are written; a later one wins.
pub(super) fn of(
    node: &KafkaNode,
    nodes: &[KafkaNode],
    folder: &Path,
    tls: bool,
    logins: &[KafkaLogin],
    more: &[(String, String)],
) -> Vec<(String, String)> {
    let voters: Vec<String> = nodes
        .iter()
        .map(|node| format!("{}@127.0.0.1:{}", node.id, node.controller_port))
        .collect();
    let protocol = if tls { "SSL" } else { "PLAINTEXT" };
    let replicas = nodes.len().to_string();
    let in_sync = nodes.len().min(2).to_string();
    let mut listeners = format!(
        "{protocol}://127.0.0.1:{},CONTROLLER://127.0.0.1:{}",
        node.port, node.controller_port
    );
    let mut protocols = format!("{protocol}:{protocol},CONTROLLER:PLAINTEXT");
    if !logins.is_empty() {
        listeners += &format!(",LOGIN://127.0.0.1:{}", node.login_port);
        protocols += &format!(",LOGIN:SASL_{protocol}");
    }
    let mut properties = vec![
        ("process.roles", "broker,controller".to_owned()),
        ("node.id", node.id.to_string()),
        ("controller.quorum.voters", voters.join(",")),
        ("listeners", listeners),
        ("controller.listener.names", "CONTROLLER".to_owned()),
        ("inter.broker.listener.name", protocol.to_owned()),
        ("listener.security.protocol.map", protocols),
        ("log.dirs", folder.join("data").display().to_string()),
        ("default.replication.factor", replicas.clone()),
        ("min.insync.replicas", in_sync.clone()),
        ("offsets.topic.replication.factor", replicas.clone()),
        ("offsets.topic.num.partitions", "4".to_owned()),
        ("transaction.state.log.replication.factor", replicas),
        ("transaction.state.log.min.isr", in_sync),
        ("transaction.state.log.num.partitions", "4".to_owned()),
        ("group.initial.rebalance.delay.ms", "0".to_owned()),
        ("auto.create.topics.enable", "false".to_owned()),
        // The default buffer of 128 MB does not fit a small heap.
        ("log.cleaner.dedupe.buffer.size", "16777216".to_owned()),
    ];
    if tls {
        let pem = folder.join("broker.pem").display().to_string();
        properties.extend([
            ("ssl.keystore.type", "PEM".to_owned()),
            ("ssl.keystore.location", pem),
            ("ssl.truststore.type", "PEM".to_owned()),
            (
                "ssl.truststore.location",
                folder.join("ca.pem").display().to_string(),
            ),
            ("ssl.client.auth", "required".to_owned()),
        ]);
    }
    if !logins.is_empty() {
        properties.extend(of_logins(logins));
    }
    let ours = properties.into_iter().map(|(key, value)| (key.to_owned(), value));
    ours.chain(more.iter().cloned()).collect()
}

/// PLAIN knows its users by its configuration, SCRAM by what the data folder was formatted with.
fn of_logins(logins: &[KafkaLogin]) -> [(&'static str, String); 4] {
    let scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
    let plain: String = logins
        .iter()
        .map(|login| format!(" user_{}=\"{}\"", login.username, login.password))
        .collect();
    [
        (
            "listener.name.login.sasl.enabled.mechanisms",
            "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512".to_owned(),
        ),
        (
            "listener.name.login.plain.sasl.jaas.config",
            format!("org.apache.kafka.common.security.plain.PlainLoginModule required{plain};"),
        ),
        (
            "listener.name.login.scram-sha-256.sasl.jaas.config",
            scram.to_owned(),
        ),
        (
            "listener.name.login.scram-sha-512.sasl.jaas.config",
            scram.to_owned(),
        ),
    ]
}

/// Kafka takes the last of several properties of one name.
pub(super) fn text(properties: &[(String, String)]) -> String {
    let lines = properties.iter().map(|(key, value)| format!("{key}={value}\n"));
    lines.collect()
}

/// Kafka wants key and certificate in one file, and what it trusts in another.
pub(super) fn install_tls(folder: &Path, files: &TlsFiles) -> LocalResult<()> {
    let read = |path: &Path| fs::read_to_string(path).while_("read", path);
    let key_and_certificate = format!("{}{}", read(&files.key)?, read(&files.certificate)?);
    write(&folder.join("broker.pem"), &key_and_certificate, 0o600)?;
    write(&folder.join("ca.pem"), &read(&files.ca)?, 0o644)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caller_has_the_last_word() {
        let nodes = [1, 2, 3].map(|id| KafkaNode {
            id,
            port: 20_000 + id as u16,
            controller_port: 21_000 + id as u16,
            login_port: 0,
        });
        let more = [("min.insync.replicas".to_owned(), "1".to_owned())];
        let text = text(&of(&nodes[1], &nodes, Path::new("/k"), false, &[], &more));
        assert!(
            text.contains("controller.quorum.voters=1@127.0.0.1:21001,2@127.0.0.1:21002,3@127.0.0.1:21003\n")
        );
        assert!(text.contains("listeners=PLAINTEXT://127.0.0.1:20002,CONTROLLER://127.0.0.1:21002\n"));
        assert!(text.ends_with("min.insync.replicas=1\n"));
    }
}
