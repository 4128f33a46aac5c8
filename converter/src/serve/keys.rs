//! Secrets from a file that may be replaced while the server runs: the keys that sign stream tokens, and the bearer tokens
//! that let clients in.
//!
//! How the file is watched is [`super::reload`]'s. To take a secret back, put another in its place: a file that is empty or
//! has gone changes nothing.

use std::{fmt, io, sync::Arc};

use base64::{
    Engine,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::reload::{self, Reloaded};

/// Shortest signing key, in bytes: 128 bits cannot be guessed.
const MIN_KEY: usize = 16;
/// A generated signing key, in bytes: as long as the hash (RFC 2104 §3).
const GENERATED: usize = 32;

/// One secret. It never shows in logs.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(Box<[u8]>);

impl Secret {
    pub(super) fn new(bytes: impl Into<Box<[u8]>>) -> Self {
        Self(bytes.into())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// What a file of secrets holds, which decides how it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// Keys of at least 16 bytes: hex or base64, one a line; or one key of raw bytes.
    Keys,
    /// Text without spaces, one a line.
    Tokens,
}

/// Why a file of secrets is of no use.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
    /// There is nothing in it.
    #[error("it holds no secret")]
    Empty,
    /// A key that can be guessed.
    #[error("a key is shorter than {MIN_KEY} bytes; make one with: head -c 32 /dev/urandom | base64")]
    ShortKey,
    /// A line among others is no key.
    #[error("line {0} is neither hex nor base64")]
    NoKey(usize),
    /// A bearer token that no header can carry.
    #[error("line {0} is no bearer token: it may hold letters, digits and -._~+/=")]
    NoToken(usize),
}

impl reload::Content<1> for Content {
    type Value = Arc<[Secret]>;
    type Error = SecretError;

    fn name(&self) -> &'static str {
        match self {
            Self::Keys => "keys of streams",
            Self::Tokens => "bearer tokens",
        }
    }

    fn parse(&self, [file]: [io::Result<Vec<u8>>; 1]) -> Result<Arc<[Secret]>, SecretError> {
        self.secrets(&file?).map(Arc::from)
    }
}

impl Content {
    fn secrets(self, bytes: &[u8]) -> Result<Vec<Secret>, SecretError> {
        let secrets = match self {
            Self::Keys => keys(bytes)?,
            Self::Tokens => tokens(bytes)?,
        };
        if secrets.is_empty() { Err(SecretError::Empty) } else { Ok(secrets) }
    }
}

/// Lines that are not empty, with their numbers from 1.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().zip(1..).map(|(line, number)| (number, line.trim())).filter(|(_, line)| !line.is_empty())
}

fn keys(bytes: &[u8]) -> Result<Vec<Secret>, SecretError> {
    let long_enough =
        |key: Vec<u8>| if key.len() < MIN_KEY { Err(SecretError::ShortKey) } else { Ok(Secret::new(key)) };
    let Ok(text) = std::str::from_utf8(bytes) else {
        return long_enough(bytes.to_vec()).map(|key| vec![key]);
    };
    let alone = lines(text).count() == 1;
    lines(text)
        .map(|(number, line)| match decode(line) {
            Some(key) => long_enough(key),
            // A passphrase, or random bytes that happen to be text. Among other lines it can only be a slip.
            None if alone => long_enough(line.as_bytes().to_vec()),
            None => Err(SecretError::NoKey(number)),
        })
        .collect()
}

fn tokens(bytes: &[u8]) -> Result<Vec<Secret>, SecretError> {
    // The characters of a bearer token (RFC 6750 §2.1).
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    lines(&String::from_utf8_lossy(bytes))
        .map(
            |(number, line)| {
                if line.bytes().all(fits) {
                    Ok(Secret::new(line.as_bytes()))
                } else {
                    Err(SecretError::NoToken(number))
                }
            },
        )
        .collect()
}

/// Hex if it can be, else base64 in either alphabet, padded or not.
fn decode(line: &str) -> Option<Vec<u8>> {
    if line.len().is_multiple_of(2) && line.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let (pairs, _) = line.as_bytes().as_chunks::<2>();
        return pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect();
    }
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    [STANDARD, URL_SAFE].iter().find_map(|alphabet| GeneralPurpose::new(alphabet, lenient).decode(line).ok())
}

/// The secrets in force.
#[derive(Debug)]
pub(super) enum Secrets {
    /// Made for this process.
    Generated(Arc<[Secret]>),
    /// From a file.
    File(SecretFile),
}

impl Secrets {
    /// One random key.
    pub(super) fn generate() -> Result<Self, SecretError> {
        let mut key = [0; GENERATED];
        getrandom::fill(&mut key).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Self::Generated([Secret::new(key)].into()))
    }

    /// The secrets now, in the file's order; at least one.
    pub(super) fn current(&self) -> Arc<[Secret]> {
        match self {
            Self::Generated(secrets) => Arc::clone(secrets),
            Self::File(file) => file.current(),
        }
    }
}

/// A file of secrets and what was read from it last.
pub(super) type SecretFile = Reloaded<Content, 1>;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn parsed(content: Content, bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
        let secrets = content.secrets(bytes).map_err(|error| error.to_string())?;
        Ok(secrets.iter().map(|secret| secret.bytes().to_vec()).collect())
    }

    #[test]
    fn keys_are_lines_of_hex_or_base64_or_one_block_of_bytes() {
        let (key, other) = (vec![0xab; 16], (0..32).collect::<Vec<u8>>());
        let (padded, plain) = ("q6urq6urq6urq6urq6urqw==", "q6urq6urq6urq6urq6urqw");
        let hex = "ab".repeat(16);
        for text in [padded, plain, &hex, &hex.to_uppercase(), &format!("\n  {plain}\r\n\n")] {
            assert_eq!(parsed(Content::Keys, text.as_bytes()), Ok(vec![key.clone()]), "{text}");
        }
        let two = format!("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n{hex}\n");
        assert_eq!(parsed(Content::Keys, two.as_bytes()), Ok(vec![other, key]));
        let url_safe = "--__--__--__--__--__--__";
        assert_eq!(parsed(Content::Keys, url_safe.as_bytes()).unwrap()[0].len(), 18);
        let raw: Vec<u8> = (0..32).map(|at| at * 8 + 7).collect();
        assert_eq!(parsed(Content::Keys, &raw), Ok(vec![raw]));
        assert_eq!(parsed(Content::Keys, b"not quite a key!\n"), Ok(vec![b"not quite a key!".to_vec()]));
    }

    #[test]
    fn what_is_no_key_is_named() {
        let hex = "ab".repeat(16);
        for (text, word) in [
            (String::new(), "no secret"),
            ("\n\n".into(), "no secret"),
            ("abcd".into(), "shorter than 16"),
            (format!("{hex}\nabcd"), "shorter than 16"),
            (format!("{hex}\n\nnot quite a key!\n"), "line 3"),
        ] {
            let error = parsed(Content::Keys, text.as_bytes()).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
        assert!(parsed(Content::Keys, &[0xff; 15]).unwrap_err().contains("shorter"));
    }

    #[test]
    fn bearer_tokens_are_lines_of_their_own_characters() {
        let text = b" first-token.1\n\nc2Vjb25k+/==\r\n";
        assert_eq!(parsed(Content::Tokens, text), Ok(vec![b"first-token.1".to_vec(), b"c2Vjb25k+/==".to_vec()]));
        for (bytes, word) in [(&b"\n"[..], "no secret"), (b"a\ntwo words", "line 2"), (b"\xff\xfe", "line 1")] {
            let error = parsed(Content::Tokens, bytes).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn a_file_that_changes_is_read_again_and_a_broken_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        let current = |secrets: &SecretFile| -> Vec<String> {
            secrets.current().iter().map(|secret| String::from_utf8(secret.bytes().to_vec()).unwrap()).collect()
        };
        std::fs::write(&path, "one").unwrap();
        let secrets = SecretFile::open_looking([&path], Content::Tokens, Duration::ZERO).unwrap();
        assert_eq!(current(&secrets), ["one"]);
        std::fs::write(&path, "three\none").unwrap();
        assert_eq!(current(&secrets), ["three", "one"]);
        // As a cluster does it: another file under the same name.
        std::fs::write(folder.path().join("next"), "six\n").unwrap();
        std::fs::rename(folder.path().join("next"), &path).unwrap();
        assert_eq!(current(&secrets), ["six"]);
        for broken in ["", "two words"] {
            std::fs::write(&path, broken).unwrap();
            assert_eq!(current(&secrets), ["six"]);
        }
        std::fs::remove_file(&path).unwrap();
        assert_eq!(current(&secrets), ["six"]);
        std::fs::write(&path, "four").unwrap();
        assert_eq!(current(&secrets), ["four"]);
    }

    #[test]
    fn a_first_read_that_fails_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let missing = SecretFile::open([&folder.path().join("keys")], Content::Keys);
        assert!(matches!(missing, Err(SecretError::Read(_))));
    }

    #[test]
    fn generated_keys_differ_and_secrets_do_not_show() {
        let (one, other) = (Secrets::generate().unwrap(), Secrets::generate().unwrap());
        assert_ne!(one.current(), other.current());
        assert_eq!(one.current()[0].bytes().len(), GENERATED);
        assert_eq!(format!("{one:?}"), "Generated([Secret])");
    }
}
