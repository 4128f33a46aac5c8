//! What files that are taken for WAV files are called, wherever names and not bytes must decide: folders, globs.

use std::ffi::OsStr;
use std::path::Path;

/// Endings of WAV files' names, without the dot, in lower case; each counts in any case.
pub const ENDINGS: [&str; 5] = ["wav", "wave", "bwf", "rf64", "w64"];

/// Whether a path ends as a WAV file's name does.
pub fn is_wav_name(path: &Path) -> bool {
    let ending = path.extension().and_then(OsStr::to_str);
    ending.is_some_and(|ending| ENDINGS.iter().any(|known| known.eq_ignore_ascii_case(ending)))
}
