//! Who is let in: clients that bring one of the bearer tokens (RFC 6750) in the server's file, or everybody where there is no
//! such file.
//!
//! `/convert` and `/status` want the token in `Authorization`. `/ws` takes it there too, or as a subprotocol, because a
//! browser lets a page set no headers on a WebSocket; and it refuses only after the upgrade, because a browser tells a page
//! nothing of a refused handshake. Never in the address: addresses end up in logs and histories.

use std::{path::Path, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{
    keys::{Content, SecretError, SecretFile, Secrets},
    problem::Failure,
    state::App,
};

/// What a subprotocol that carries a token begins with; the token follows in base64url.
const SUBPROTOCOL: &str = "flacship.bearer.";
/// Longest token that is looked at.
const MAX_TOKEN: usize = 4 * 1024;

/// The door. Open where no tokens are asked for.
#[derive(Debug)]
pub(super) struct Auth {
    tokens: Option<Secrets>,
    /// Makes the digests that are compared this process's own.
    blind: Secrets,
}

impl Auth {
    /// A door for those who bring a token of this file, if there is one.
    pub(super) fn new(file: Option<&Path>) -> Result<Self, SecretError> {
        let tokens = file.map(|path| SecretFile::open([path], Content::Tokens).map(Secrets::File)).transpose()?;
        Ok(Self { tokens, blind: Secrets::generate()? })
    }

    /// Lets an HTTP request in or refuses it.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Failure> {
        self.admit(|| from_header(headers))
    }

    /// Lets a WebSocket in or refuses it.
    pub(super) fn check_stream(&self, headers: &HeaderMap) -> Result<(), Failure> {
        self.admit(|| from_header(headers).or_else(|| from_subprotocol(headers)))
    }

    fn admit(&self, offered: impl FnOnce() -> Option<Vec<u8>>) -> Result<(), Failure> {
        let Some(tokens) = &self.tokens else { return Ok(()) };
        match offered() {
            Some(token) if self.knows(tokens, &token) => Ok(()),
            _ => Err(Failure::Unauthorized),
        }
    }

    /// Compares digests under a key that nobody outside knows, all of them, so that the time taken says nothing about
    /// any token, not even its length.
    fn knows(&self, tokens: &Secrets, offered: &[u8]) -> bool {
        let digest = |bytes: &[u8]| {
            let key = self.blind.current();
            let mac = Hmac::<Sha256>::new_from_slice(key.first()?.bytes()).ok()?;
            Some(mac.chain_update(bytes))
        };
        let Some(wanted) = digest(offered).map(|mac| mac.finalize().into_bytes()) else { return false };
        tokens.current().iter().fold(false, |known, token| {
            known | digest(token.bytes()).is_some_and(|mac| mac.verify_slice(&wanted).is_ok())
        })
    }
}

fn from_header(headers: &HeaderMap) -> Option<Vec<u8>> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(b"bearer ".len())?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer ") && token.len() <= MAX_TOKEN).then(|| token.to_vec())
}

fn from_subprotocol(headers: &HeaderMap) -> Option<Vec<u8>> {
    let token = offered(headers).find_map(|offer| offer.strip_prefix(SUBPROTOCOL))?;
    // Padded or not: `=` may stand in no subprotocol's name, but some clients send it all the same.
    let token = token.trim_end_matches('=');
    (token.len() <= MAX_TOKEN).then(|| URL_SAFE_NO_PAD.decode(token).ok())?
}

/// The subprotocols that a WebSocket's handshake offers.
pub(super) fn offered(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    values.filter_map(|value| value.to_str().ok()).flat_map(|list| list.split(',')).map(str::trim)
}

/// The layer around all routes that want a token. `OPTIONS` wants none: a browser asks it beforehand and without one (Fetch,
/// CORS-preflight), and the answer says only what the documentation does.
pub(super) async fn require(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if request.method() == Method::OPTIONS {
        return next.run(request).await;
    }
    match app.auth.check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(failure) => {
            let mut response = failure.into_response();
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            response
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(header::HeaderName, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    fn auth(tokens: &str) -> Auth {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        std::fs::write(&path, tokens).unwrap();
        // The folder goes: what was read stays in force.
        Auth::new(Some(&path)).unwrap()
    }

    #[test]
    fn every_token_of_the_file_opens_and_nothing_else() {
        let auth = auth("first-token\nsecond.token\n");
        for (value, admitted) in [
            ("Bearer first-token", true),
            ("bearer  second.token ", true),
            ("Bearer first-toke", false),
            ("Bearer first-token2", false),
            ("Bearer ", false),
            ("Bearer", false),
            ("Basic first-token", false),
            ("first-token", false),
            ("", false),
        ] {
            assert_eq!(auth.check(&headers(&[(header::AUTHORIZATION, value)])).is_ok(), admitted, "{value}");
        }
        assert_eq!(auth.check(&HeaderMap::new()).unwrap_err().code(), "unauthorized");
        let long = format!("Bearer {}", "x".repeat(MAX_TOKEN + 1));
        assert!(auth.check(&headers(&[(header::AUTHORIZATION, &long)])).is_err());
    }

    #[test]
    fn a_stream_may_bring_it_as_a_subprotocol() {
        let auth = auth("first-token");
        for (offer, admitted) in [
            ("flacship.v1, flacship.bearer.Zmlyc3QtdG9rZW4", true),
            ("flacship.bearer.Zmlyc3QtdG9rZW4=,flacship.v1", true),
            ("flacship.v1", false),
            ("flacship.v1, flacship.bearer.first-token", false),
            ("flacship.v1, flacship.bearer.", false),
            ("flacship.v1, flacship.bearer.!!", false),
        ] {
            let headers = headers(&[(header::SEC_WEBSOCKET_PROTOCOL, offer)]);
            assert_eq!(auth.check_stream(&headers).is_ok(), admitted, "{offer}");
            assert!(auth.check(&headers).is_err(), "only streams may: {offer}");
        }
        assert!(auth.check_stream(&headers(&[(header::AUTHORIZATION, "Bearer first-token")])).is_ok());
    }

    #[test]
    fn without_a_file_the_door_is_open() {
        assert!(Auth::new(None).unwrap().check(&HeaderMap::new()).is_ok());
    }
}
