//! A certificate of one's own, the Secret that holds it, and a request over it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};

/// How long a peer may say nothing.
const QUIET: Duration = Duration::from_secs(10);

/// A certificate that vouches for itself.
pub struct Certificate {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Certificate {
    /// One for this host name or address.
    pub fn of(host: &str) -> Self {
        let key = KeyPair::generate().expect("make a key");
        let params = CertificateParams::new(vec![host.to_owned()]).expect("a host name or an address");
        Self { certificate: params.self_signed(&key).expect("sign"), key }
    }

    /// The manifest of a Secret that holds it.
    pub fn secret(&self, name: &str) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "type": "kubernetes.io/tls",
            "stringData": { "tls.crt": self.certificate.pem(), "tls.key": self.key.serialize_pem() },
        })
    }

    /// The first line of the answer to `GET path`, from a server that shows this certificate and no other.
    pub fn get(&self, host: &str, port: u16, path: &str) -> Result<String, String> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).map_err(|error| error.to_string())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
        let tls = ClientConnection::new(Arc::new(config), name).map_err(|error| error.to_string())?;
        let socket = TcpStream::connect((host, port)).map_err(|error| error.to_string())?;
        socket.set_read_timeout(Some(QUIET)).map_err(|error| error.to_string())?;
        let mut stream = StreamOwned::new(tls, socket);
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
            .map_err(|error| error.to_string())?;
        let mut answer = Vec::new();
        let mut piece = [0; 1024];
        while !answer.windows(2).any(|two| two == b"\r\n") {
            match stream.read(&mut piece).map_err(|error| error.to_string())? {
                0 => break,
                read => answer.extend_from_slice(&piece[..read]),
            }
        }
        let text = String::from_utf8_lossy(&answer);
        Ok(text.lines().next().unwrap_or_default().to_owned())
    }
}
