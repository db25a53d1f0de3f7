//! The command line of a server and the files it reads.

use std::path::Path;

use crate::error::LocalResult;
use crate::tls::{self, TlsFiles};

/// What is particular to one server.
pub(super) struct ApiserverSettings<'a> {
    pub(super) binary: &'a Path,
    pub(super) folder: &'a Path,
    pub(super) port: u16,
    pub(super) etcd_port: u16,
    pub(super) etcd_peer_port: u16,
    pub(super) serving: &'a TlsFiles,
    /// Accept certificates this authority signed: common name is the user, organization a group.
    pub(super) client_ca: Option<&'a Path>,
    pub(super) flags: &'a [String],
}

/// The static tokens file: token, user, uid, groups.
pub(super) fn token_file(folder: &Path, users: &[(String, String, Vec<String>)]) -> LocalResult<()> {
    let lines = users.iter().map(|(user, token, groups)| {
        let groups = groups.join(",");
        format!("{token},{user},{user},\"{groups}\"\n")
    });
    tls::write(&folder.join("tokens.csv"), lines.collect::<String>(), 0o600)
}

/// The key that signs service accounts' tokens.
pub(super) fn service_account_key(folder: &Path) -> LocalResult<()> {
    let path = folder.join("service-account.key");
    if path.exists() {
        return Ok(());
    }
    tls::write(&path, tls::ec_private_key_pem()?, 0o600)
}

/// Program and flags; the caller's flags come last and win.
pub(super) fn command(settings: &ApiserverSettings<'_>) -> Vec<String> {
    let in_folder = |name: &str| settings.folder.join(name).display().to_string();
    let mut line = vec![settings.binary.display().to_string()];
    let mut flag = |name: &str, value: String| line.push(format!("--{name}={value}"));
    flag("etcd-data-dir", in_folder("etcd"));
    flag("etcd-client-port", settings.etcd_port.to_string());
    flag("etcd-peer-port", settings.etcd_peer_port.to_string());
    flag("bind-address", "127.0.0.1".to_owned());
    flag("advertise-address", "127.0.0.1".to_owned());
    flag("secure-port", settings.port.to_string());
    flag(
        "tls-cert-file",
        settings.serving.certificate.display().to_string(),
    );
    flag("tls-private-key-file", settings.serving.key.display().to_string());
    if let Some(ca) = settings.client_ca {
        flag("client-ca-file", ca.display().to_string());
    }
    flag("token-auth-file", in_folder("tokens.csv"));
    flag("authorization-mode", "RBAC".to_owned());
    flag(
        "service-account-issuer",
        "https://kubernetes.default.svc".to_owned(),
    );
    flag("service-account-key-file", in_folder("service-account.key"));
    flag(
        "service-account-signing-key-file",
        in_folder("service-account.key"),
    );
    flag("service-cluster-ip-range", "10.96.0.0/16".to_owned());
    flag("endpoint-reconciler-type", "none".to_owned());
    // No controller makes the accounts and readiness conditions these plugins wait for.
    flag(
        "disable-admission-plugins",
        "ServiceAccount,TaintNodesByCondition".to_owned(),
    );
    // The server's own limits are not what the tests are about.
    flag("max-requests-inflight", "1000".to_owned());
    flag("max-mutating-requests-inflight", "500".to_owned());
    line.extend(settings.flags.iter().map(|flag| format!("--{flag}")));
    line
}
