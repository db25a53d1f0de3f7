//! A database that a command is told by its URL, with the parameters that users of psql know: `sslmode`, `sslrootcert`,
//! `sslcert` and `sslkey`. A URL that names no mode is checked in full, but for this machine, where TLS is not needed.

use std::path::PathBuf;

use super::{PostgresConfig, PostgresTls, SecretRef, environment, section};

/// The variable in which psql looks for a password.
const PASSWORD_VARIABLE: &str = "PGPASSWORD";

/// What the parameters of a URL say about TLS.
#[derive(Debug, Default)]
struct TlsParameters {
    mode: Option<String>,
    authorities: Option<String>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

/// The database of a URL; everything else is as `defaults` says.
///
/// # Errors
/// What is wrong with it, without its text, which may hold a password.
pub fn of_url(url: &str, defaults: &PostgresConfig) -> anyhow::Result<PostgresConfig> {
    let (url, parameters) = take_parameters(url)?;
    let mut section = PostgresConfig {
        url: Some(url.clone()),
        certificate: parameters.certificate.or_else(|| defaults.certificate.clone()),
        key: parameters.key.or_else(|| defaults.key.clone()),
        ca: defaults.ca.clone(),
        password: environment::is_set(PASSWORD_VARIABLE)
            .then(|| SecretRef::new(format!("env:{PASSWORD_VARIABLE}")))
            .or_else(|| defaults.password.clone()),
        ..PostgresConfig::default()
    };
    match parameters.authorities.as_deref() {
        Some("system") => section.ca = None,
        Some(file) => section.ca = Some(file.into()),
        None => {}
    }
    section.tls = match parameters.mode.as_deref() {
        Some(mode) => mode_of(mode, parameters.authorities.is_some())?,
        None if parameters.authorities.is_none() && crate::connect::postgres::is_loopback_url(&url) => {
            PostgresTls::Off
        }
        None => PostgresTls::VerifyFull,
    };
    section
        .check_url()
        .map_err(|fault| match fault.why.contains("password") {
            true => anyhow::anyhow!("--postgres holds a password; take it out and set {PASSWORD_VARIABLE}"),
            false => anyhow::anyhow!("--postgres {}", fault.why),
        })?;
    let files = [
        ("sslrootcert", &section.ca),
        ("sslcert", &section.certificate),
        ("sslkey", &section.key),
    ];
    for (name, file) in files {
        section::check_file(name, file.as_ref())
            .map_err(|fault| anyhow::anyhow!("--postgres: {} {}", fault.key, fault.why))?;
    }
    anyhow::ensure!(
        section.certificate.is_some() == section.key.is_some(),
        "--postgres: sslcert and sslkey belong together; one of them is missing"
    );
    Ok(section)
}

fn mode_of(mode: &str, has_authorities: bool) -> anyhow::Result<PostgresTls> {
    Ok(match mode {
        "disable" => PostgresTls::Off,
        "verify-ca" => PostgresTls::VerifyCa,
        "verify-full" => PostgresTls::VerifyFull,
        // As libpq has it: with a file of authorities it checks the certificate, though not the host.
        "require" if has_authorities => PostgresTls::VerifyCa,
        "require" | "prefer" | "allow" => anyhow::bail!(
            "--postgres: sslmode={mode} does not check who answers; write sslmode=verify-full, with sslrootcert=FILE where no \
             authority of the system signed the server's certificate (sslmode=disable is without TLS)"
        ),
        other => {
            anyhow::bail!(
                "--postgres: sslmode={other} is none of verify-full, verify-ca, require and disable"
            )
        }
    })
}

/// The URL without what concerns TLS, and what that says.
fn take_parameters(url: &str) -> anyhow::Result<(String, TlsParameters)> {
    let mut parameters = TlsParameters::default();
    let Some((base, query)) = url.split_once('?') else {
        return Ok((url.to_owned(), parameters));
    };
    let mut others = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let text = || decode(value);
        match name {
            "sslmode" => parameters.mode = Some(text()?),
            "sslrootcert" => parameters.authorities = Some(text()?),
            "sslcert" => parameters.certificate = Some(text()?.into()),
            "sslkey" => parameters.key = Some(text()?.into()),
            "sslpassword" | "sslcrl" | "sslcrldir" | "sslcertmode" | "sslnegotiation" => anyhow::bail!(
                "--postgres: {name} is not known here; of TLS a URL may hold sslmode, sslrootcert, sslcert and sslkey"
            ),
            _ => others.push(pair),
        }
    }
    let url = match others.is_empty() {
        true => base.to_owned(),
        false => format!("{base}?{}", others.join("&")),
    };
    Ok((url, parameters))
}

/// A value as it was before it was written into a URL: `%2F` is a slash.
fn decode(value: &str) -> anyhow::Result<String> {
    let wrong = || {
        anyhow::anyhow!("--postgres: a % is not followed by two hexadecimal digits, or they are not UTF-8")
    };
    let mut bytes = Vec::new();
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(wrong());
        };
        bytes.push(u8::try_from(high * 16 + low).map_err(|_| wrong())?);
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> anyhow::Result<PostgresConfig> {
        of_url(url, &PostgresConfig::default())
    }

    #[test]
    fn parameters_are_those_of_libpq() {
        let file = env!("CARGO_MANIFEST_DIR").replace('/', "%2F") + "%2FCargo.toml";
        let url = format!(
            "postgres://u@db:5433/x?sslmode=verify-ca&connect_timeout=3&sslrootcert={file}&sslcert={file}&sslkey={file}"
        );
        let section = read(&url).unwrap();
        assert_eq!(
            section.url.as_deref(),
            Some("postgres://u@db:5433/x?connect_timeout=3")
        );
        assert_eq!(section.tls, PostgresTls::VerifyCa);
        let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        assert_eq!(section.ca, Some(manifest.clone()));
        assert_eq!(
            (section.certificate, section.key),
            (Some(manifest.clone()), Some(manifest))
        );
        let mode = |url: &str| read(url).unwrap().tls;
        assert_eq!(mode("postgres://u@127.0.0.1/x"), PostgresTls::Off);
        assert_eq!(
            mode("postgres://u@127.0.0.1/x?sslmode=verify-full"),
            PostgresTls::VerifyFull
        );
        assert_eq!(mode("postgres://u@db/x"), PostgresTls::VerifyFull);
        assert_eq!(mode("postgres://u@db/x?sslmode=disable"), PostgresTls::Off);
        assert_eq!(
            mode(&format!("postgres://u@db/x?sslmode=require&sslrootcert={file}")),
            PostgresTls::VerifyCa
        );
        assert_eq!(read("postgres://u@db/x?sslrootcert=system").unwrap().ca, None);
    }

    #[test]
    fn what_a_url_may_not_hold_is_said_with_what_to_write() {
        let why = |url: &str| read(url).unwrap_err().to_string();
        assert!(
            why("postgres://u@db/x?sslmode=require").contains("sslmode=verify-full, with sslrootcert=FILE")
        );
        assert!(why("postgres://u@db/x?sslmode=prefer").contains("does not check who answers"));
        assert!(why("postgres://u@db/x?sslmode=on").contains("none of verify-full"));
        assert!(why("postgres://u@db/x?sslcrl=a").contains("sslcrl is not known"));
        assert!(why("postgres://u@db/x?sslrootcert=%2").contains("hexadecimal"));
        assert!(why("postgres://u@db/x?sslrootcert=/nowhere/ca").contains("/nowhere/ca"));
        assert!(why("postgres://u@db/x?sslcert=/etc/hostname").contains("sslkey"));
        let password = why("postgres://u:hunter2@db/x");
        assert!(
            password.contains("PGPASSWORD") && !password.contains("hunter2"),
            "{password}"
        );
        assert!(why("mysql://u@db/x").contains("postgres://"));
    }
}
