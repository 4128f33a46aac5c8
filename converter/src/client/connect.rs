//! A connection to `/ws`: TCP, TLS for https and wss, and the WebSocket handshake.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, http};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config};

use super::address::Address;
use super::plan::Ending;

/// The protocol's name.
const SUBPROTOCOL: &str = "flacship.v1";
/// How long a connection may take to come about.
const CONNECTING: Duration = Duration::from_secs(30);
/// The largest frame of FLAC is below 24 MiB: 65,535 samples of 8 channels with 33 bits, and a little.
const LARGEST_MESSAGE: usize = 24 << 20;

/// A connection to `/ws`.
pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// How connections are made.
pub struct Connections {
    address: Address,
    token_file: Option<PathBuf>,
    connector: Connector,
}

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    /// The token's file.
    #[error("the token file {} cannot be used: {source}", path.display())]
    Token {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file with the authorities' certificates.
    #[error("the certificates in {} cannot be used: {detail}", path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// Why.
        detail: String,
    },
}

impl Connections {
    /// Connections to this address. The token is read again for each, since it may be rotated meanwhile; beside the
    /// system's authorities those in `ca_file` (PEM) are trusted.
    pub fn new(address: Address, token_file: Option<PathBuf>, ca_file: Option<&Path>) -> Result<Self, SettingError> {
        let connector = if address.is_secure() { encrypted(ca_file)? } else { Connector::Plain };
        let connections = Self { address, token_file, connector };
        connections.request()?;
        Ok(connections)
    }

    /// Makes one.
    pub async fn connect(&self) -> Result<Result<Socket, Ending>, SettingError> {
        let request = self.request()?;
        let connecting = timeout(CONNECTING, async {
            let tcp = TcpStream::connect((self.address.host(), self.address.port())).await?;
            // What is live must not wait for more to be sent with it.
            tcp.set_nodelay(true)?;
            let config = WebSocketConfig::default()
                .max_message_size(Some(LARGEST_MESSAGE))
                .max_frame_size(Some(LARGEST_MESSAGE));
            client_async_tls_with_config(request, tcp, Some(config), Some(self.connector.clone())).await
        });
        Ok(match connecting.await {
            Ok(Ok((socket, _))) => Ok(socket),
            Ok(Err(error)) => Err(ending(error)),
            Err(_) => Err(Ending::Unreachable(format!("no answer came for {} s", CONNECTING.as_secs()))),
        })
    }

    fn request(&self) -> Result<Request, SettingError> {
        let mut headers = vec![(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL))];
        if let Some(path) = &self.token_file {
            let unusable = |source| SettingError::Token { path: path.clone(), source };
            let value = bearer(&fs::read_to_string(path).map_err(unusable)?).map_err(unusable)?;
            headers.push((header::AUTHORIZATION, value));
        }
        // The address was read before.
        let mut request = self.address.uri().clone().into_client_request().unwrap_or_default();
        request.headers_mut().extend(headers);
        Ok(request)
    }
}

/// The header that shows the token: the file's first line that is not empty.
fn bearer(text: &str) -> io::Result<HeaderValue> {
    let invalid = |what| io::Error::new(io::ErrorKind::InvalidData, what);
    let token = text.lines().map(str::trim).find(|line| !line.is_empty()).ok_or(invalid("it holds no token"))?;
    let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| invalid("its first line holds characters that no token has"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn encrypted(ca_file: Option<&Path>) -> Result<Connector, SettingError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        let unusable = |detail: String| SettingError::Authorities { path: path.to_path_buf(), detail };
        let pem = fs::read(path).map_err(|error| unusable(error.to_string()))?;
        let mut count = 0;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let added = certificate
                .map_err(|error| error.to_string())
                .and_then(|certificate| roots.add(certificate).map_err(|error| error.to_string()));
            added.map_err(unusable)?;
            count += 1;
        }
        if count == 0 {
            return Err(unusable("there are none: it holds certificates as PEM".to_owned()));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| SettingError::Authorities { path: PathBuf::new(), detail: error.to_string() })?;
    Ok(Connector::Rustls(Arc::new(config.with_root_certificates(roots).with_no_client_auth())))
}

/// What a failed handshake means.
fn ending(error: tungstenite::Error) -> Ending {
    match error {
        tungstenite::Error::Http(response) => {
            let status = response.status();
            let detail =
                response.body().as_deref().and_then(problem).unwrap_or_else(|| reason(status, response.headers()));
            Ending::Refused { status: status.as_u16(), detail }
        }
        tungstenite::Error::Io(error) => match error.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(rustls::Error::InvalidCertificate(why)) => Ending::Untrusted(why.to_string()),
            _ => Ending::Unreachable(error.to_string()),
        },
        error => Ending::Unreachable(format!("{error}: is this the address of a Flacship service?")),
    }
}

/// What a problem (RFC 9457) tells.
fn problem(body: &[u8]) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    Some(body.get("detail")?.as_str()?.to_owned())
}

fn reason(status: http::StatusCode, headers: &http::HeaderMap) -> String {
    if let Some(place) = headers.get(header::LOCATION).filter(|_| status.is_redirection()) {
        return format!("it is elsewhere, at {}", place.to_str().unwrap_or("another address"));
    }
    status.canonical_reason().unwrap_or("no reason was given").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_the_file_s_first_line() {
        assert_eq!(bearer("\n  secret \nolder\n").unwrap().to_str().unwrap(), "Bearer secret");
        assert!(bearer("secret").unwrap().is_sensitive());
        assert!(bearer("\n \n").is_err());
        assert!(bearer("a\u{7}b").is_err());
    }

    #[test]
    fn a_refusal_is_told_in_the_service_s_words() {
        assert_eq!(problem(br#"{"detail":"pages of x may not"}"#).unwrap(), "pages of x may not");
        assert_eq!((problem(b"<html>"), problem(b"{}"), problem(br#"{"detail":1}"#)), (None, None, None));
        let mut headers = http::HeaderMap::new();
        headers.insert(header::LOCATION, HeaderValue::from_static("https://there"));
        assert_eq!(reason(http::StatusCode::FOUND, &headers), "it is elsewhere, at https://there");
        assert_eq!(reason(http::StatusCode::NOT_FOUND, &headers), "Not Found");
    }

    #[test]
    fn settings_that_cannot_be_used_are_refused_before_anything_is_sent() {
        let folder = tempfile::tempdir().unwrap();
        let (missing, empty) = (folder.path().join("missing"), folder.path().join("empty"));
        fs::write(&empty, "").unwrap();
        let plain: Address = "http://localhost".parse().unwrap();
        let secure: Address = "https://localhost".parse().unwrap();
        for path in [&missing, &empty] {
            assert!(Connections::new(plain.clone(), Some(path.clone()), None).is_err());
            assert!(Connections::new(secure.clone(), None, Some(path)).is_err());
        }
        assert!(Connections::new(secure, None, None).is_ok());
    }
}
