//! The path of a file below the source root, and how records write it.
//!
//! Records are JSON and so Unicode, but names on a Unix volume are bytes. A path that is UTF-8 is written as it is, in
//! `path`. One that is not is converted like any other: `path` then shows it with U+FFFD where it is not UTF-8, and
//! `path_bytes` holds its bytes in base64, which is what counts.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::layout::Layout;

/// A path below a root: relative, not empty, no `.` or `..`. A record that says otherwise does not parse, so no
/// record ever leads out of the volume's folder.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct RecordPath(PathBuf);

/// Why a path cannot be that of a record.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a plain path below the source folder")]
pub struct NotPlain(PathBuf);

/// The JSON form.
#[derive(Serialize, Deserialize)]
struct Written {
    path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path_bytes: Option<String>,
}

impl RecordPath {
    /// Takes a path below the root; fails unless every part of it is a plain name.
    pub fn new(path: &Path) -> Result<Self, NotPlain> {
        let mut parts = path.components().peekable();
        if parts.peek().is_none() || parts.any(|part| !matches!(part, Component::Normal(_))) {
            return Err(NotPlain(path.to_owned()));
        }
        Ok(Self(path.to_owned()))
    }

    /// Words in place of a path that nobody knows.
    pub fn stand_in(words: &str) -> Self {
        Self(words.replace('/', " ").into())
    }

    /// The path itself.
    pub fn as_path(&self) -> &Path {
        &self.0
    }

    /// The bytes of the path, which is what paths are ordered by.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_os_str().as_bytes()
    }

    /// Where the FLAC goes below the destination root: `flac` in place of the last extension, in the same folder or
    /// in none.
    pub fn flac(&self, layout: Layout) -> Self {
        let flac = self.0.with_extension("flac");
        match (layout, flac.file_name()) {
            (Layout::Flat, Some(name)) => Self(name.into()),
            _ => Self(flac),
        }
    }

    /// The path as text, with U+FFFD where it is not UTF-8.
    pub fn text(&self) -> String {
        self.0.to_string_lossy().into_owned()
    }
}

impl From<RecordPath> for Written {
    fn from(path: RecordPath) -> Self {
        match path.0.into_os_string().into_string() {
            Ok(path) => Self { path, path_bytes: None },
            Err(name) => {
                Self { path: name.to_string_lossy().into_owned(), path_bytes: Some(STANDARD.encode(name.as_bytes())) }
            }
        }
    }
}

impl TryFrom<Written> for RecordPath {
    type Error = NotPlain;

    fn try_from(written: Written) -> Result<Self, NotPlain> {
        match &written.path_bytes {
            None => Self::new(Path::new(&written.path)),
            Some(encoded) => match STANDARD.decode(encoded) {
                Ok(bytes) => Self::new(Path::new(OsStr::from_bytes(&bytes))),
                Err(_) => Err(NotPlain(written.path.into())),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(bytes: &[u8]) -> Result<RecordPath, NotPlain> {
        RecordPath::new(Path::new(OsStr::from_bytes(bytes)))
    }

    #[test]
    fn utf8_is_written_plainly() {
        let written = serde_json::to_string(&path("Gespräche/ä.wav".as_bytes()).unwrap()).unwrap();
        assert_eq!(written, r#"{"path":"Gespräche/ä.wav"}"#);
    }

    #[test]
    fn other_bytes_are_kept() {
        let latin1 = path(b"caf\xe9/\n.wav").unwrap();
        let written = serde_json::to_string(&latin1).unwrap();
        assert_eq!(written, "{\"path\":\"caf\u{fffd}/\\n.wav\",\"path_bytes\":\"Y2Fm6S8KLndhdg==\"}");
        assert_eq!(serde_json::from_str::<RecordPath>(&written).unwrap(), latin1);
    }

    #[test]
    fn nothing_leads_out() {
        for bad in ["", "/etc/passwd", "../x.wav", "a/../../x.wav", ".", "./a.wav"] {
            assert!(path(bad.as_bytes()).is_err(), "{bad}");
            let written = serde_json::json!({"path": "a.wav", "path_bytes": STANDARD.encode(bad)});
            assert!(serde_json::from_value::<RecordPath>(written).is_err(), "{bad}");
        }
        assert!(serde_json::from_str::<RecordPath>(r#"{"path":"a","path_bytes":"!"}"#).is_err());
    }

    #[test]
    fn flac_names() {
        for (source, mirrored, flat) in [
            ("a.wav", "a.flac", "a.flac"),
            ("d.x/a.b.WAVE", "d.x/a.b.flac", "a.b.flac"),
            ("d/e/take", "d/e/take.flac", "take.flac"),
        ] {
            let source = path(source.as_bytes()).unwrap();
            assert_eq!(source.flac(Layout::Mirror).as_path(), Path::new(mirrored));
            assert_eq!(source.flac(Layout::Flat).as_path(), Path::new(flat));
        }
        assert_eq!(path(b"\xff.wav").unwrap().flac(Layout::Mirror).as_bytes(), b"\xff.flac");
    }

    proptest! {
        #[test]
        fn any_name_survives(bytes in prop::collection::vec(prop::sample::select((1u8..=255).filter(|b| *b != b'/').collect::<Vec<_>>()), 1..60)) {
            prop_assume!(bytes != b"." && bytes != b"..");
            let one = path(&bytes).unwrap();
            let again: RecordPath = serde_json::from_str(&serde_json::to_string(&one).unwrap()).unwrap();
            prop_assert_eq!(again, one);
        }
    }
}
