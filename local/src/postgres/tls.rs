//! TLS of a server, and of our own connection to it.

use std::fs;
use std::path::Path;

use openssl::ssl::{SslConnector, SslFiletype, SslMethod};
use postgres_openssl::MakeTlsConnector;

use crate::account::{self, SystemAccount};
use crate::error::{FileContext, LocalResult};
use crate::tls::{TlsFiles, write};

/// Who is let in when every client must show a certificate signed by the authority.
const HBA_CLIENT_CERTIFICATE: &str = "\
# TYPE     DATABASE  USER  ADDRESS       METHOD
hostssl    all       all   127.0.0.1/32  trust clientcert=verify-ca
hostnossl  all       all   127.0.0.1/32  reject
";

/// Who is let in otherwise: everyone on this machine.
const HBA_LOOPBACK: &str = "\
# TYPE  DATABASE     USER  ADDRESS       METHOD
host    all          all   127.0.0.1/32  trust
host    replication  all   127.0.0.1/32  trust
";

/// Puts the server's files where it wants them: its own, closed to others.
pub(super) fn install(
    data_dir: &Path,
    account: Option<&SystemAccount>,
    files: Option<&TlsFiles>,
    client_auth: bool,
) -> LocalResult<Vec<(String, String)>> {
    let hba = if client_auth {
        HBA_CLIENT_CERTIFICATE
    } else {
        HBA_LOOPBACK
    };
    let install = |name: &str, text: &str| {
        let path = data_dir.join(name);
        write(&path, text, 0o600)?;
        account::hand_over(account, &path)
    };
    install("pg_hba.conf", hba)?;
    let Some(files) = files else {
        return Ok(Vec::new());
    };
    let mut settings = vec![("ssl".to_owned(), "on".to_owned())];
    for (setting, name, from) in [
        ("ssl_ca_file", "ca.pem", &files.ca),
        ("ssl_cert_file", "server.crt", &files.certificate),
        ("ssl_key_file", "server.key", &files.key),
    ] {
        install(name, &fs::read_to_string(from).while_("read", from)?)?;
        settings.push((setting.to_owned(), name.to_owned()));
    }
    Ok(settings)
}

/// A connector that shows the server's own certificate, which its authority signed for both ends.
pub(super) fn connector(files: Option<&TlsFiles>) -> LocalResult<MakeTlsConnector> {
    let mut connector = SslConnector::builder(SslMethod::tls_client())?;
    if let Some(files) = files {
        connector.set_ca_file(&files.ca)?;
        connector.set_certificate_chain_file(&files.certificate)?;
        connector.set_private_key_file(&files.key, SslFiletype::PEM)?;
    }
    Ok(MakeTlsConnector::new(connector.build()))
}
