//! Keys and certificates: two authorities (cluster, front proxy), a certificate for each client and server, and
//! the service-account key. All P-256; they live and die with the cluster.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use super::layout::Layout;
use super::{API_SERVICE_IP, NODE_IP, NODE_NAME, files};

/// A user of the API server, or of another server, by its certificate: subject as Kubernetes' RBAC knows it.
struct Client {
    file: &'static str,
    user: &'static str,
    group: Option<&'static str>,
}

const CLIENTS: [Client; 7] = [
    Client { file: "admin", user: "flacship-admin", group: Some("system:masters") },
    Client { file: "apiserver-kubelet-client", user: "kube-apiserver-kubelet-client", group: Some("system:masters") },
    Client { file: "controller-manager", user: "system:kube-controller-manager", group: None },
    Client { file: "scheduler", user: "system:kube-scheduler", group: None },
    Client { file: "kube-proxy", user: "system:kube-proxy", group: None },
    Client { file: "metrics-server", user: "system:metrics-server", group: None },
    // The node authorizer wants exactly `system:node:<name>` in this group.
    Client { file: "kubelet", user: "system:node:flacship", group: Some("system:nodes") },
];

/// The folder of keys and certificates, `<name>.crt` and `<name>.key`.
#[derive(Clone, Debug)]
pub struct Pki {
    folder: PathBuf,
}

/// Makes them all, or finds them made. They appear in one rename: never a part of them.
pub fn ensure(layout: &Layout) -> Result<Pki> {
    let folder = layout.state("pki");
    if !folder.is_dir() {
        let partial = layout.state("pki.partial");
        if partial.exists() {
            fs::remove_dir_all(&partial)?;
        }
        generate(&partial).context("make keys and certificates")?;
        fs::rename(&partial, &folder)?;
    }
    Ok(Pki { folder })
}

impl Pki {
    /// Path of a certificate.
    pub fn cert(&self, name: &str) -> String {
        self.folder.join(format!("{name}.crt")).display().to_string()
    }

    /// Path of a private key.
    pub fn key(&self, name: &str) -> String {
        self.folder.join(format!("{name}.key")).display().to_string()
    }

    /// Path of the public half of the service-account key.
    pub fn service_account_public(&self) -> String {
        self.folder.join("service-account.pub").display().to_string()
    }

    /// The cluster authority's certificate, base64 of PEM as `caBundle` wants it.
    pub fn authority_base64(&self) -> Result<String> {
        base64_of(&self.cert("ca"))
    }

    /// A kubeconfig, complete in itself, for one of the clients.
    pub fn kubeconfig(&self, client: &str, api_port: u16) -> Result<String> {
        Ok(files::fill(
            include_str!("../../cluster/kubeconfig.yaml"),
            &[
                ("CA", &self.authority_base64()?),
                ("CERT", &base64_of(&self.cert(client))?),
                ("KEY", &base64_of(&self.key(client))?),
                ("USER", client),
                ("SERVER", &format!("https://127.0.0.1:{api_port}")),
            ],
        ))
    }
}

fn base64_of(path: &str) -> Result<String> {
    Ok(BASE64_STANDARD.encode(fs::read(path).with_context(|| format!("read {path}"))?))
}

fn generate(folder: &Path) -> Result<()> {
    let cluster = authority(folder, "ca", "flacship-ca")?;
    let front_proxy = authority(folder, "front-proxy-ca", "flacship-front-proxy-ca")?;
    for Client { file, user, group } in CLIENTS {
        leaf(folder, file, &cluster, user, group, &[])?;
    }
    leaf(folder, "front-proxy-client", &front_proxy, "front-proxy-client", None, &[])?;
    let api = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "localhost",
        "127.0.0.1",
        API_SERVICE_IP,
        NODE_IP,
    ];
    leaf(folder, "apiserver", &cluster, "kube-apiserver", None, &api)?;
    leaf(folder, "kubelet-server", &cluster, NODE_NAME, None, &[NODE_NAME, NODE_IP])?;
    let metrics = ["metrics-server.kube-system.svc", NODE_IP];
    leaf(folder, "metrics-server-server", &cluster, "metrics-server", None, &metrics)?;
    let service_account = KeyPair::generate()?;
    files::write_secret(&folder.join("service-account.key"), &service_account.serialize_pem())?;
    files::write(&folder.join("service-account.pub"), &service_account.public_key_pem())
}

fn authority(folder: &Path, file: &str, name: &str) -> Result<Issuer<'static, KeyPair>> {
    let mut params = params(name, None, &[])?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    save(folder, file, &certificate.pem(), &key)?;
    Ok(Issuer::new(params, key))
}

/// With names it is a server's certificate, without a client's.
fn leaf(
    folder: &Path,
    file: &str,
    issuer: &Issuer<'_, KeyPair>,
    user: &str,
    group: Option<&str>,
    names: &[&str],
) -> Result<()> {
    let mut params = params(user, group, names)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    params.extended_key_usages =
        vec![if names.is_empty() { ExtendedKeyUsagePurpose::ClientAuth } else { ExtendedKeyUsagePurpose::ServerAuth }];
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, issuer)?;
    save(folder, file, &certificate.pem(), &key)
}

fn params(common_name: &str, organization: Option<&str>, names: &[&str]) -> Result<CertificateParams> {
    let mut params = CertificateParams::new(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())?;
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, common_name);
    if let Some(organization) = organization {
        subject.push(DnType::OrganizationName, organization);
    }
    params.distinguished_name = subject;
    // Wide, so that a machine whose clock is off still gets a cluster.
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(2049, 12, 31);
    Ok(params)
}

fn save(folder: &Path, file: &str, certificate: &str, key: &KeyPair) -> Result<()> {
    files::write(&folder.join(format!("{file}.crt")), certificate)?;
    files::write_secret(&folder.join(format!("{file}.key")), &key.serialize_pem())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_whole_set_is_made_and_kubeconfigs_are_filled() {
        let folder = tempfile::tempdir().unwrap();
        generate(folder.path()).unwrap();
        let pki = Pki { folder: folder.path().to_owned() };
        for client in CLIENTS {
            let text = pki.kubeconfig(client.file, 7777).unwrap();
            assert!(text.contains("server: https://127.0.0.1:7777"));
            assert!(!text.contains('@'), "{text}");
        }
        for server in ["apiserver", "kubelet-server", "metrics-server-server", "front-proxy-client"] {
            assert!(Path::new(&pki.cert(server)).exists() && Path::new(&pki.key(server)).exists());
        }
    }

    #[test]
    fn the_kubelet_is_the_node() {
        assert!(CLIENTS.iter().any(|client| client.user == format!("system:node:{NODE_NAME}")));
    }
}
