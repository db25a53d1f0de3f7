//! Certificates for mutual TLS on loopback: one authority, and what it signs, as PEM files.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

use crate::error::{FileContext, LocalResult};

/// The files one end of a connection needs. Keys are PKCS#8 in PEM, readable by their owner only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate of the authority whose other certificates are trusted.
    pub ca: PathBuf,
    /// This end's certificate.
    pub certificate: PathBuf,
    /// This end's private key.
    pub key: PathBuf,
}

/// A certificate authority whose files live in one folder.
#[derive(Debug)]
pub struct CertificateAuthority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    ca: PathBuf,
    ca_pem: String,
}

impl CertificateAuthority {
    /// A new authority called `<name> authority`, with its files in `folder` (created if need be).
    pub fn create(folder: &Path, name: &str) -> LocalResult<Self> {
        fs::create_dir_all(folder).while_("create", folder)?;
        let key = KeyPair::generate()?;
        // Not a name that it may sign for: a certificate whose issuer is its subject is self-signed.
        let mut params = subject(&format!("{name} authority"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca_pem = params.self_signed(&key)?.pem();
        let ca = folder.join("ca.pem");
        write(&ca, &ca_pem, 0o644)?;
        Ok(Self {
            folder: folder.to_owned(),
            issuer: Issuer::new(params, key),
            ca,
            ca_pem,
        })
    }

    /// The authority's own certificate, PEM.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The file of the authority's own certificate.
    #[must_use]
    pub fn ca(&self) -> &Path {
        &self.ca
    }

    /// A certificate for a server on 127.0.0.1 and localhost. Brokers are clients of one another, so
    /// it serves both ends.
    pub fn server(&self, name: &str) -> LocalResult<TlsFiles> {
        let mut params = subject(name);
        params.subject_alt_names = vec![
            SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            SanType::DnsName("localhost".try_into()?),
        ];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        self.sign(name, params)
    }

    /// A certificate for a client: its common name is `name`.
    pub fn client(&self, name: &str) -> LocalResult<TlsFiles> {
        let mut params = subject(name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(name, params)
    }

    /// A client certificate with an organization, which is a group to the Kubernetes API server.
    pub fn client_in(&self, name: &str, organization: &str) -> LocalResult<TlsFiles> {
        let mut params = subject(name);
        params
            .distinguished_name
            .push(DnType::OrganizationName, organization);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(name, params)
    }

    fn sign(&self, name: &str, mut params: CertificateParams) -> LocalResult<TlsFiles> {
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
        ];
        let key = KeyPair::generate()?;
        let files = TlsFiles {
            ca: self.ca.clone(),
            certificate: self.folder.join(format!("{name}.crt.pem")),
            key: self.folder.join(format!("{name}.key.pem")),
        };
        write(
            &files.certificate,
            params.signed_by(&key, &self.issuer)?.pem(),
            0o644,
        )?;
        write(&files.key, key.serialize_pem(), 0o600)?;
        Ok(files)
    }
}

/// A private key of its own in the older form `EC PRIVATE KEY`, from which Kubernetes reads the
/// public key too.
pub(crate) fn ec_private_key_pem() -> LocalResult<Vec<u8>> {
    let curve = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    Ok(EcKey::generate(&curve)?.private_key_to_pem()?)
}

fn subject(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// Writes a file with exactly these permissions, even when it was there before.
pub(crate) fn write(path: &Path, text: impl AsRef<[u8]>, mode: u32) -> LocalResult<()> {
    use std::io::Write as _;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(path)
        .while_("create", path)?;
    file.write_all(text.as_ref()).while_("write", path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).while_("set permissions of", path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use openssl::pkey::PKey;
    use openssl::x509::X509;

    #[test]
    fn signed_certificates_verify_against_their_own_authority_only() {
        let folder = tempfile::tempdir().unwrap();
        let ours = CertificateAuthority::create(&folder.path().join("ours"), "ours").unwrap();
        let theirs = CertificateAuthority::create(&folder.path().join("theirs"), "theirs").unwrap();
        let read = |path: &Path| X509::from_pem(&fs::read(path).unwrap()).unwrap();
        let files = ours.server("broker").unwrap();
        let certificate = read(&files.certificate);
        let is_signed_by = |authority: &CertificateAuthority| {
            let key = read(authority.ca()).public_key().unwrap();
            certificate.verify(&key).unwrap()
        };
        assert!(is_signed_by(&ours));
        assert!(!is_signed_by(&theirs));

        let key = PKey::private_key_from_pem(&fs::read(&files.key).unwrap()).unwrap();
        assert!(certificate.public_key().unwrap().public_eq(&key));
        assert_eq!(files.key.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}
