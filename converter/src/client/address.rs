//! The address of a service, as people write it, and what of it a connection needs.

use std::fmt;
use std::str::FromStr;

use tokio_tungstenite::tungstenite::http::Uri;

/// The address of a service's `/ws`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    uri: Uri,
    host: String,
    port: u16,
    is_secure: bool,
}

/// A text that is no such address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It cannot be read.
    #[error("this is no address ({0}): write it as http://host:8080, or https://host")]
    Form(String),
    /// It has no scheme, or one of another protocol.
    #[error("an address begins with http://, https://, ws:// or wss://, as in http://localhost:8080")]
    Scheme,
    /// It names a user.
    #[error(
        "an address cannot hold a user or password: put the service's token into a file and name it with --token-file"
    )]
    User,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let given: Uri = text.trim().parse().map_err(|error| AddressError::Form(format!("{error}")))?;
        let is_secure = match given.scheme_str() {
            Some("http" | "ws") => false,
            Some("https" | "wss") => true,
            _ => return Err(AddressError::Scheme),
        };
        let authority = given.authority().ok_or(AddressError::Scheme)?;
        if authority.as_str().contains('@') {
            return Err(AddressError::User);
        }
        // The brackets of an IPv6 address are the address's, not the host's.
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        // `http` takes any digits for a port, and then knows none.
        let port = match (authority.port_u16(), authority.as_str().rsplit_once(':')) {
            (Some(port), _) => port,
            (None, Some((_, text))) if !text.contains(']') => {
                return Err(AddressError::Form(format!("`{text}` is no port")));
            }
            (None, _) => {
                if is_secure {
                    443
                } else {
                    80
                }
            }
        };
        let path = with_ws(given.path());
        let query = given.query().map_or_else(String::new, |query| format!("?{query}"));
        let scheme = if is_secure { "wss" } else { "ws" };
        let uri: Uri = format!("{scheme}://{authority}{path}{query}")
            .parse()
            .map_err(|error| AddressError::Form(format!("{error}")))?;
        if host.is_empty() {
            return Err(AddressError::Form("it names no host".to_owned()));
        }
        Ok(Self { uri, host, port, is_secure })
    }
}

/// The page's address leads to its stream, behind an ingress's prefix too.
fn with_ws(path: &str) -> String {
    let path = path.trim_end_matches('/');
    if path == "/ws" || path.ends_with("/ws") { path.to_owned() } else { format!("{path}/ws") }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uri.fmt(f)
    }
}

impl Address {
    /// What the handshake names.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Name or IP address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the connection is encrypted.
    pub fn is_secure(&self) -> bool {
        self.is_secure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_people_write_them() {
        for (text, uri, host, port) in [
            ("http://localhost:8080", "ws://localhost:8080/ws", "localhost", 8080),
            ("http://localhost:8080/", "ws://localhost:8080/ws", "localhost", 8080),
            ("ws://localhost/ws", "ws://localhost/ws", "localhost", 80),
            ("wss://studio.example/ws/", "wss://studio.example/ws", "studio.example", 443),
            ("https://studio.example/audio", "wss://studio.example/audio/ws", "studio.example", 443),
            ("https://studio.example/audio/ws?level=8", "wss://studio.example/audio/ws?level=8", "studio.example", 443),
            ("http://[::1]:8080", "ws://[::1]:8080/ws", "::1", 8080),
            (" http://10.0.0.1 ", "ws://10.0.0.1/ws", "10.0.0.1", 80),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.to_string().as_str(), address.host(), address.port()), (uri, host, port), "{text}");
            assert_eq!(address.is_secure(), uri.starts_with("wss"));
        }
    }

    #[test]
    fn what_is_no_address() {
        for text in ["localhost:8080", "localhost", "/ws", "ftp://x", "10.0.0.1:80"] {
            assert_eq!(text.parse::<Address>(), Err(AddressError::Scheme), "{text}");
        }
        assert_eq!("http://me:secret@x".parse::<Address>(), Err(AddressError::User));
        for text in ["", "http://", "http:// x", "http://x:99999999"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
