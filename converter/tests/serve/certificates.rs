//! Certificates for a server on loopback, mounted as a cluster mounts them, and clients that trust them.

use std::{fs, net::SocketAddr, os::unix::fs::symlink, path::PathBuf, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{harness::Service, process::Server, raw::Raw};

/// A certificate with the authority between, and its key, both PEM.
pub struct Pair {
    pub chain: String,
    pub key: String,
}

impl Pair {
    /// The server's own certificate.
    pub fn leaf(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.chain.as_bytes()).unwrap()
    }
}

/// A root, an authority between, and a folder with what they signed.
pub struct Authority {
    folder: TempDir,
    root: CertificateDer<'static>,
    between: Issuer<'static, KeyPair>,
    between_pem: String,
    versions: usize,
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    params
}

impl Authority {
    /// With a first pair mounted.
    pub fn new() -> Self {
        let (root_key, between_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let root = authority("root").self_signed(&root_key).unwrap();
        let between = authority("between").signed_by(&between_key, &Issuer::new(authority("root"), root_key)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), root.pem()).unwrap();
        let mut authority = Self {
            folder,
            root: root.der().clone(),
            between: Issuer::new(authority("between"), between_key),
            between_pem: between.pem(),
            versions: 0,
        };
        let pair = authority.issue();
        authority.mount(&pair.chain, &pair.key);
        authority
    }

    /// Signs a new certificate for this machine.
    pub fn issue(&self) -> Pair {
        let key = KeyPair::generate().unwrap();
        let names = ["localhost", "127.0.0.1"].map(str::to_owned);
        let leaf = CertificateParams::new(names).unwrap().signed_by(&key, &self.between).unwrap();
        Pair { chain: format!("{}{}", leaf.pem(), self.between_pem), key: key.serialize_pem() }
    }

    /// Puts these files in place of those before, as a kubelet does: by one rename of a link to their folder.
    pub fn mount(&mut self, chain: &str, key: &str) {
        self.versions += 1;
        let version = format!("version-{}", self.versions);
        fs::create_dir(self.path(&version)).unwrap();
        for (name, text) in [("tls.crt", chain), ("tls.key", key)] {
            fs::write(self.path(&version).join(name), text).unwrap();
        }
        symlink(&version, self.path("..new")).unwrap();
        fs::rename(self.path("..new"), self.path("..data")).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// The root's certificate, for clients.
    pub fn ca_file(&self) -> String {
        self.text("ca.pem")
    }

    /// A server with the pair that is mounted.
    pub async fn serve(&self, more: &[&str]) -> Service {
        let (certificate, key) = (self.text("..data/tls.crt"), self.text("..data/tls.key"));
        Service::start(&[&["--tls-cert", certificate.as_str(), "--tls-key", key.as_str()], more].concat()).await
    }

    /// The same as a process.
    pub fn process(&self, more: &[&str]) -> Server {
        let (certificate, key) = (self.text("..data/tls.crt"), self.text("..data/tls.key"));
        Server::start(&[&["--tls-cert", certificate.as_str(), "--tls-key", key.as_str()], more].concat())
    }

    /// How this authority's clients set up TLS, HTTP/2 offered as browsers do.
    pub fn client(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    }

    /// An encrypted connection.
    pub async fn connect(&self, address: SocketAddr) -> TlsStream<TcpStream> {
        let tcp = TcpStream::connect(address).await.unwrap();
        let name = ServerName::from(address.ip());
        TlsConnector::from(self.client()).connect(name, tcp).await.unwrap()
    }

    /// The same for HTTP by hand.
    pub async fn raw(&self, address: SocketAddr) -> Raw {
        Raw(Box::new(self.connect(address).await))
    }

    /// The certificate that a new connection is shown.
    pub async fn shown(&self, address: SocketAddr) -> CertificateDer<'static> {
        self.connect(address).await.get_ref().1.peer_certificates().unwrap()[0].clone()
    }

    /// Waits until that is the one of this pair.
    pub async fn until_shown(&self, address: SocketAddr, pair: &Pair) {
        while self.shown(address).await != pair.leaf() {
            tokio::task::yield_now().await;
        }
    }
}
