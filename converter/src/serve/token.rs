//! The token by which a stream goes on after a lost connection, on any server with the same keys: all that the stream's
//! next server needs to know, signed, so that no server keeps anything.
//!
//! Layout, in base64url without padding (RFC 4648 §5):
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version of this layout |
//! | 4 | key id: the first bytes of the key's SHA-256 |
//! | 8 | expiry, unix seconds, little endian |
//! | 8 | the stream's start, unix seconds, little endian: resuming does not make a stream's life longer |
//! | … | the checkpoint, which has a version of its own |
//! | 32 | HMAC-SHA-256 (RFC 2104) over all before it |
//!
//! A client can read its token, and it is no secret of the server's: it says what the client has sent. It cannot change it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::keys::Secret;

const VERSION: u8 = 1;
const KEY_ID: usize = 4;
const MAC: usize = 32;
/// Longest token that is looked at, in characters: twice what the largest checkpoint needs.
const MAX_TOKEN: usize = 12 * 1024;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claims {
    /// Unix seconds from which on the token is void.
    pub expires: u64,
    /// Unix seconds at which the stream's first connection began.
    pub began: u64,
    /// Where the stream stands.
    pub checkpoint: Vec<u8>,
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// It is no token at all.
    #[error("this is no stream token")]
    Malformed,
    /// Another release made it.
    #[error("another release made this stream token, in a way that this server does not know")]
    Version,
    /// None of the keys signed it.
    #[error("this stream token was signed with a key that this server does not have, or changed since")]
    Forged,
    /// Its time is over.
    #[error("this stream token has expired")]
    Expired,
}

impl Refusal {
    pub(super) const ALL: [Self; 4] = [Self::Malformed, Self::Version, Self::Forged, Self::Expired];

    /// Stable name for programs, logs and metrics.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Malformed => "token_malformed",
            Self::Version => "token_version",
            Self::Forged => "token_forged",
            Self::Expired => "token_expired",
        }
    }
}

/// Makes a token, signed with the first of the keys.
pub(super) fn sign(keys: &[Secret], claims: &Claims) -> Option<String> {
    let key = keys.first()?;
    let mut bytes = vec![VERSION];
    bytes.extend(key_id(key));
    bytes.extend(claims.expires.to_le_bytes());
    bytes.extend(claims.began.to_le_bytes());
    bytes.extend(&claims.checkpoint);
    let mac = mac(key, &bytes)?.finalize().into_bytes();
    bytes.extend(mac);
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

/// Reads a token that any of the keys may have signed. `now` is in unix seconds.
pub(super) fn open(keys: &[Secret], token: &str, now: u64) -> Result<Claims, Refusal> {
    if token.len() > MAX_TOKEN {
        return Err(Refusal::Malformed);
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| Refusal::Malformed)?;
    match bytes.first() {
        None => return Err(Refusal::Malformed),
        Some(&VERSION) => {}
        Some(_) => return Err(Refusal::Version),
    }
    let (signed, mac) = bytes.split_last_chunk::<MAC>().ok_or(Refusal::Malformed)?;
    let (_version, rest) = signed.split_first().ok_or(Refusal::Malformed)?;
    let (id, rest) = rest.split_first_chunk::<KEY_ID>().ok_or(Refusal::Malformed)?;
    let (expires, rest) = rest.split_first_chunk().ok_or(Refusal::Malformed)?;
    let (began, checkpoint) = rest.split_first_chunk().ok_or(Refusal::Malformed)?;
    let genuine = keys.iter().filter(|key| key_id(key) == *id).any(|key| verifies(key, signed, mac));
    if !genuine {
        return Err(Refusal::Forged);
    }
    let claims = Claims {
        expires: u64::from_le_bytes(*expires),
        began: u64::from_le_bytes(*began),
        checkpoint: checkpoint.to_vec(),
    };
    if claims.expires <= now { Err(Refusal::Expired) } else { Ok(claims) }
}

fn key_id(key: &Secret) -> [u8; KEY_ID] {
    let [a, b, c, d, ..] = <[u8; 32]>::from(Sha256::digest(key.bytes()));
    [a, b, c, d]
}

/// Any length of key will do, so that there is always one.
fn mac(key: &Secret, bytes: &[u8]) -> Option<Hmac<Sha256>> {
    Hmac::<Sha256>::new_from_slice(key.bytes()).ok().map(|mac| mac.chain_update(bytes))
}

/// In a time that says nothing about how much of `tag` is right.
fn verifies(key: &Secret, bytes: &[u8], tag: &[u8]) -> bool {
    mac(key, bytes).is_some_and(|mac| mac.verify_slice(tag).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: u64 = 1_800_000_000;

    fn key(byte: u8) -> Secret {
        Secret::new([byte; 32])
    }

    fn claims() -> Claims {
        Claims { expires: NOW + 60, began: NOW - 5, checkpoint: (0..=255).collect() }
    }

    fn with_byte(token: &str, change: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut bytes = URL_SAFE_NO_PAD.decode(token).unwrap();
        change(&mut bytes);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    #[test]
    fn what_was_signed_is_read_until_it_expires() {
        let keys = [key(1)];
        let token = sign(&keys, &claims()).unwrap();
        assert_eq!(open(&keys, &token, NOW), Ok(claims()));
        assert_eq!(open(&keys, &token, NOW + 59), Ok(claims()));
        assert_eq!(open(&keys, &token, NOW + 60), Err(Refusal::Expired));
    }

    #[test]
    fn keys_are_rotated_without_a_gap() {
        let token = sign(&[key(1)], &claims()).unwrap();
        // The new key first: it signs, the old one is still honoured; then the old one goes.
        assert_eq!(open(&[key(2), key(1)], &token, NOW), Ok(claims()));
        assert_eq!(open(&[key(2)], &token, NOW), Err(Refusal::Forged));
        let next = sign(&[key(2), key(1)], &claims()).unwrap();
        assert_eq!(open(&[key(2)], &next, NOW), Ok(claims()));
        assert_eq!(open(&[], &next, NOW), Err(Refusal::Forged));
        assert_eq!(sign(&[], &claims()), None);
    }

    #[test]
    fn another_layout_is_told_from_a_forgery() {
        let keys = [key(1)];
        let token = sign(&keys, &claims()).unwrap();
        assert_eq!(open(&keys, &with_byte(&token, |bytes| bytes[0] = 2), NOW), Err(Refusal::Version));
        // The claims of one key's token under another's name.
        let renamed = with_byte(&token, |bytes| bytes[1..5].copy_from_slice(&key_id(&key(2))));
        assert_eq!(open(&[key(1), key(2)], &renamed, NOW), Err(Refusal::Forged));
    }

    #[test]
    fn every_bit_counts() {
        let keys = [key(1)];
        let token = sign(&keys, &claims()).unwrap();
        let bits = URL_SAFE_NO_PAD.decode(&token).unwrap().len() * 8;
        for bit in 0..bits {
            let flipped = with_byte(&token, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
            let wanted = if bit < 8 { Refusal::Version } else { Refusal::Forged };
            assert_eq!(open(&keys, &flipped, NOW), Err(wanted), "bit {bit}");
        }
    }

    #[test]
    fn a_token_that_is_cut_or_grown_is_refused() {
        let keys = [key(1)];
        let token = sign(&keys, &claims()).unwrap();
        for length in 0..token.len() {
            assert!(open(&keys, &token[..length], NOW).is_err(), "{length}");
        }
        assert!(open(&keys, &format!("{token}A"), NOW).is_err());
        assert!(open(&keys, &format!("{token}AAAA"), NOW).is_err());
        assert_eq!(open(&keys, &"A".repeat(MAX_TOKEN + 1), NOW), Err(Refusal::Malformed));
        for text in ["", "token", "ü", "AQ==", "A Q"] {
            assert_eq!(open(&keys, text, NOW), Err(Refusal::Malformed), "{text}");
        }
    }

    #[test]
    fn the_largest_checkpoint_fits() {
        let keys = [key(1)];
        let largest = Claims { checkpoint: vec![7; 4 * 1024], ..claims() };
        assert_eq!(open(&keys, &sign(&keys, &largest).unwrap(), NOW), Ok(largest));
    }

    proptest! {
        #[test]
        fn no_text_is_taken_for_a_token(text in "\\PC{0,200}|[A-Za-z0-9_-]{0,300}") {
            prop_assert!(open(&[key(1)], &text, NOW).is_err());
        }
    }
}
