//! How an API server is asked for.

use std::fs;
use std::path::{Path, PathBuf};

use super::launch::{self, ApiserverSettings};
use super::{ADMINISTRATOR, KubeApiserver, build};
use crate::cache::ArtifactCache;
use crate::error::{FileContext, LocalResult};
use crate::ports::free_port;
use crate::process::ServerLaunch;
use crate::scratch::ScratchFolder;
use crate::tls::CertificateAuthority;

/// A server to be started; temporary, with an authority of its own, unless told otherwise.
#[derive(Debug, Clone)]
pub struct KubeApiserverBuilder<'a> {
    source_dir: PathBuf,
    data_dir: Option<PathBuf>,
    feature_gates: Vec<String>,
    flags: Vec<String>,
    users: Vec<(String, Vec<String>)>,
    authority: Option<&'a CertificateAuthority>,
}

/// The module's place in the workspace this crate was built from.
pub(super) fn workspace_source_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/kube-apiserver")
}

impl<'a> KubeApiserverBuilder<'a> {
    pub(super) fn new() -> Self {
        Self {
            source_dir: workspace_source_dir(),
            data_dir: None,
            feature_gates: Vec::new(),
            flags: Vec::new(),
            users: vec![(ADMINISTRATOR.to_owned(), vec!["system:masters".to_owned()])],
            authority: None,
        }
    }

    /// The Go module it is built from, `tests/kube-apiserver` of this workspace unless given.
    #[must_use]
    pub fn source_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.source_dir = path.into();
        self
    }

    /// Keeps its objects in `path`, and finds them there again.
    #[must_use]
    pub fn data_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(path.into());
        self
    }

    /// Keeps its objects in a folder of its own that goes with it (the default).
    #[must_use]
    pub fn temporary(mut self) -> Self {
        self.data_dir = None;
        self
    }

    /// One feature gate, such as `WatchList=false`.
    #[must_use]
    pub fn feature_gate(mut self, gate: &str) -> Self {
        self.feature_gates.push(gate.to_owned());
        self
    }

    /// Whether the server answers watches from memory (it does, by default). Without it a watch
    /// reaches etcd, and an older resource version is gone as soon as etcd is compacted.
    #[must_use]
    pub fn watch_cache(self, on: bool) -> Self {
        self.flag(&format!("watch-cache={on}"))
    }

    /// One more flag without its dashes, such as `emulated-version=1.33`.
    #[must_use]
    pub fn flag(mut self, flag: &str) -> Self {
        self.flags.push(flag.to_owned());
        self
    }

    /// A user with a bearer token and these groups, for role bindings.
    #[must_use]
    pub fn user(mut self, name: &str, groups: &[&str]) -> Self {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        self.users.push((name.to_owned(), groups));
        self
    }

    /// The server's certificate is signed by `authority`, and certificates it signed are clients:
    /// [`CertificateAuthority::client_in`] names user and group. Tokens keep working.
    #[must_use]
    pub fn mutual_tls(mut self, authority: &'a CertificateAuthority) -> Self {
        self.authority = Some(authority);
        self
    }

    /// Builds it if need be, starts it, and returns once `/readyz` says so.
    pub async fn start(self, cache: &ArtifactCache) -> LocalResult<KubeApiserver> {
        let binary = build::binary(cache, &self.source_dir).await?;
        let (folder, scratch) = match &self.data_dir {
            Some(path) => (std::path::absolute(path).while_("resolve", path)?, None),
            None => {
                let scratch =
                    ScratchFolder::create(&cache.data_root().join("scratch"), "kube-apiserver").await?;
                (scratch.path().to_owned(), Some(scratch))
            }
        };
        fs::create_dir_all(&folder).while_("create", &folder)?;
        let own;
        let authority = match self.authority {
            Some(authority) => authority,
            None => {
                own = CertificateAuthority::create(&folder.join("tls"), "kube-apiserver")?;
                &own
            }
        };
        let serving = authority.server("kube-apiserver")?;
        let client = match self.authority {
            Some(authority) => Some(authority.client_in(ADMINISTRATOR, "system:masters")?),
            None => None,
        };
        let tokens = self.write_credentials(&folder)?;
        let (port, etcd_port) = (free_port()?, free_port()?);
        let flags = self.flags();
        let command = launch::command(&ApiserverSettings {
            binary: &binary,
            folder: &folder,
            port,
            etcd_port,
            etcd_peer_port: free_port()?,
            serving: &serving,
            client_ca: self.authority.map(CertificateAuthority::ca),
            flags: &flags,
        });
        let mut server = KubeApiserver {
            server: None,
            launch: ServerLaunch {
                part: "kube-apiserver".to_owned(),
                command,
                environment: Vec::new(),
                log: folder.join("kube-apiserver.log"),
                last_signal: "KILL",
            },
            binary,
            folder,
            port,
            etcd_port,
            ca: authority.ca().to_owned(),
            ca_pem: authority.ca_pem().to_owned(),
            tokens,
            client,
            _scratch: scratch,
        };
        server.start().await?;
        Ok(server)
    }

    /// Users and their new tokens.
    fn write_credentials(&self, folder: &Path) -> LocalResult<Vec<(String, String)>> {
        let with_token = |(user, groups): &(String, Vec<String>)| {
            let token = uuid::Uuid::new_v4().simple().to_string();
            (user.clone(), token, groups.clone())
        };
        let users: Vec<_> = self.users.iter().map(with_token).collect();
        launch::token_file(folder, &users)?;
        launch::service_account_key(folder)?;
        Ok(users.into_iter().map(|(user, token, _)| (user, token)).collect())
    }

    fn flags(&self) -> Vec<String> {
        let mut flags = self.flags.clone();
        if !self.feature_gates.is_empty() {
            flags.push(format!("feature-gates={}", self.feature_gates.join(",")));
        }
        flags
    }
}
