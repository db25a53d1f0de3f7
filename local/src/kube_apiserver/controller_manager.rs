//! The real kube-controller-manager beside a server: workloads make their pods, budgets count them, what nobody owns is collected.
//! There is still no scheduler and no kubelet: who binds a pod and writes its status is the test.

use std::fs;
use std::time::Duration;

use super::KubeApiserver;
use crate::error::{FileContext, LocalResult};
use crate::http::LoopbackRequest;
use crate::ports::free_port;
use crate::process::{ServerLaunch, SupervisedServer};
use crate::tls::{self, CertificateAuthority};

const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// Without kubelets no node renews its Lease, and nodes that look dead would have their pods evicted.
const CONTROLLERS: &str = "*,-node-lifecycle-controller,-taint-eviction-controller";

/// A running controller manager. Dropping it kills it.
#[derive(Debug)]
pub struct ControllerManager {
    server: SupervisedServer,
}

impl ControllerManager {
    /// What it has logged.
    #[must_use]
    pub fn logged(&self) -> String {
        self.server.logged()
    }
}

impl KubeApiserver {
    /// Starts the controllers of the same release, as the administrator, and returns once they are healthy.
    pub async fn start_controllers(&self) -> LocalResult<ControllerManager> {
        let folder = self.folder.join("controller-manager");
        fs::create_dir_all(&folder).while_("create", &folder)?;
        let kubeconfig = folder.join("kubeconfig");
        tls::write(&kubeconfig, self.kubeconfig_yaml(), 0o600)?;
        let authority = CertificateAuthority::create(&folder.join("tls"), "kube-controller-manager")?;
        let serving = authority.server("kube-controller-manager")?;
        let port = free_port()?;
        let mut command = vec![
            self.binary.display().to_string(),
            "kube-controller-manager".to_owned(),
        ];
        let mut flag = |name: &str, value: String| command.push(format!("--{name}={value}"));
        flag("kubeconfig", kubeconfig.display().to_string());
        flag("bind-address", "127.0.0.1".to_owned());
        flag("secure-port", port.to_string());
        flag("tls-cert-file", serving.certificate.display().to_string());
        flag("tls-private-key-file", serving.key.display().to_string());
        flag("leader-elect", "false".to_owned());
        flag("controllers", CONTROLLERS.to_owned());
        flag("root-ca-file", self.ca.display().to_string());
        let key = self.folder.join("service-account.key");
        flag("service-account-private-key-file", key.display().to_string());
        // Its own limit of 20 writes a second is not what the tests are about.
        flag("kube-api-qps", "2000".to_owned());
        flag("kube-api-burst", "4000".to_owned());
        let mut server = SupervisedServer::start(&ServerLaunch {
            part: "kube-controller-manager".to_owned(),
            command,
            environment: Vec::new(),
            log: folder.join("kube-controller-manager.log"),
            last_signal: "KILL",
        })?;
        let mut healthy = LoopbackRequest::get(port, "/healthz");
        healthy.ca = Some(authority.ca().to_owned());
        server
            .wait_ready(READY_TIMEOUT, |_| {
                let request = healthy.clone();
                async move {
                    let answer = request.send().await;
                    answer.map(|_| ()).map_err(|error| error.to_string())
                }
            })
            .await?;
        Ok(ControllerManager { server })
    }
}
