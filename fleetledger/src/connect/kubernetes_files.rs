//! The files by which the API server is reached: the kubeconfig and those it names, or the pod's service account.

use std::path::{Path, PathBuf};

use kube::config::Kubeconfig;

use crate::config::{KubernetesConfig, SecretRef};

/// Where a pod finds its service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// All files whose change is to be taken up.
pub(super) fn of(kubernetes: &KubernetesConfig) -> Vec<PathBuf> {
    if let Some(file) = &kubernetes.kubeconfig {
        let mut files = vec![file.clone()];
        // One that cannot be read now names nothing; it is read again when it changes.
        if let Ok(kubeconfig) = Kubeconfig::read_from(file) {
            files.extend(named_by(&kubeconfig));
        }
        return files;
    }
    if kubernetes.url.is_none() {
        return ["ca.crt", "token"]
            .map(|name| Path::new(SERVICE_ACCOUNT).join(name))
            .to_vec();
    }
    let files = [&kubernetes.ca, &kubernetes.certificate, &kubernetes.key];
    let token = kubernetes.token.as_ref().and_then(SecretRef::file);
    let files = files.into_iter().flatten().map(PathBuf::as_path);
    files.chain(token).map(Path::to_owned).collect()
}

/// The files of all its clusters and users, whichever the context is; relative ones are made absolute by reading.
fn named_by(kubeconfig: &Kubeconfig) -> Vec<PathBuf> {
    let clusters = kubeconfig
        .clusters
        .iter()
        .filter_map(|named| named.cluster.as_ref());
    let users = kubeconfig
        .auth_infos
        .iter()
        .filter_map(|named| named.auth_info.as_ref());
    let of_clusters = clusters.filter_map(|cluster| cluster.certificate_authority.as_ref());
    let of_users = users.flat_map(|user| [&user.client_certificate, &user.client_key, &user.token_file]);
    of_clusters.chain(of_users.flatten()).map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubeconfig_is_watched_with_all_files_that_it_names() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kubeconfig");
        let text = "{apiVersion: v1, kind: Config, clusters: [{name: c, cluster: {server: 'https://h', certificate-authority: ca.pem}}],
            users: [{name: u, user: {client-certificate: /a/crt.pem, client-key: /a/key.pem, tokenFile: /a/token}}]}";
        std::fs::write(&file, text).unwrap();
        let kubernetes = KubernetesConfig {
            kubeconfig: Some(file.clone()),
            ..KubernetesConfig::default()
        };
        let expected = [
            file.clone(),
            folder.path().join("ca.pem"),
            "/a/crt.pem".into(),
            "/a/key.pem".into(),
            "/a/token".into(),
        ];
        assert_eq!(of(&kubernetes), expected);
        std::fs::write(&file, "broken: [").unwrap();
        assert_eq!(of(&kubernetes), [file]);
    }
}
