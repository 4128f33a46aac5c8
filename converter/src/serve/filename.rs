//! Names of files as clients give them and as they get them back. A name is text for a header and for the save dialog
//! of a browser; it never becomes a path on this machine.

use std::{
    collections::{HashMap, HashSet},
    fmt::Write as _,
};

use axum::http::HeaderValue;

use crate::wav::ENDINGS;

/// Longest name in bytes that every common file system takes.
const MAX_NAME: usize = 255;
const EXTENSION: &str = ".flac";
const FALLBACK: &str = "audio";

/// Name for the FLAC of a WAV that the client called `wav`: the last path part, without what could confuse a terminal,
/// a header or a file system, its WAV ending replaced by `.flac`.
pub(super) fn flac_name(wav: Option<&str>) -> String {
    let base = wav.unwrap_or_default().rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String = base.chars().filter(|c| !is_hidden(*c)).map(|c| if is_awkward(c) { '_' } else { c }).collect();
    let edges = |c: char| c == '.' || c.is_whitespace();
    let stem = strip_ending(clean.trim_matches(edges)).trim_matches(edges);
    let stem = cut(stem, MAX_NAME - EXTENSION.len());
    let stem = if stem.is_empty() { FALLBACK } else { stem };
    format!("{stem}{EXTENSION}")
}

/// Names in one folder: none twice, also where a file system takes upper and lower case for the same.
#[derive(Debug, Default)]
pub(super) struct Names {
    taken: HashSet<String>,
    /// How often a name has been asked for, so that many of the same do not try all numbers again.
    asked: HashMap<String, u32>,
}

impl Names {
    /// `name` (one of [`flac_name`]'s), or if it is taken with a number before its ending.
    pub(super) fn unique(&mut self, name: String) -> String {
        let asked = self.asked.entry(name.to_lowercase()).or_default();
        let mut unique = name.clone();
        while !self.taken.insert(unique.to_lowercase()) {
            *asked = asked.saturating_add(1);
            let number = format!(" ({})", asked.saturating_add(1));
            let stem = cut(name.strip_suffix(EXTENSION).unwrap_or(&name), MAX_NAME - EXTENSION.len() - number.len());
            unique = format!("{stem}{number}{EXTENSION}");
        }
        unique
    }
}

/// Name for an archive of FLACs, from the name that the client asked for.
pub(super) fn zip_name(asked: Option<&str>) -> String {
    let name = flac_name(asked.map(|name| name.strip_suffix(".zip").unwrap_or(name)).or(Some("flac")));
    format!("{}.zip", name.strip_suffix(EXTENSION).unwrap_or(&name))
}

/// A name as the client gave it, as much of it as is kept for a list.
pub(super) fn kept(name: &str) -> String {
    cut(name, 4 * MAX_NAME).to_owned()
}

/// The first bytes of `text`, so many at most, to the end of a character.
fn cut(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or(text)
}

/// `Content-Disposition` that makes a browser save the body as `name`: a quoted ASCII form for old clients and the full
/// name in UTF-8 (RFC 6266, RFC 8187).
pub(super) fn attachment(name: &str) -> HeaderValue {
    let ascii: String =
        name.chars().map(|c| if matches!(c, ' '..='~') && c != '"' && c != '\\' { c } else { '_' }).collect();
    let mut value = format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''");
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            value.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(value, "%{byte:02X}");
        }
    }
    HeaderValue::try_from(value).unwrap_or_else(|_| HeaderValue::from_static("attachment"))
}

/// The file name in a `Content-Disposition` header of a request or of a multipart part: `filename*` if it can be read,
/// else `filename`.
pub(super) fn from_disposition(header: &HeaderValue) -> Option<String> {
    let text = String::from_utf8_lossy(header.as_bytes());
    let mut plain = None;
    let mut extended = None;
    for (name, value) in parameters(&text) {
        if name.eq_ignore_ascii_case("filename*") {
            extended = extended.or_else(|| decode_extended(&value));
        } else if name.eq_ignore_ascii_case("filename") {
            plain = plain.or(Some(value));
        }
    }
    extended.or(plain)
}

/// Characters that show nothing or turn the reading direction around.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '"' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Characters that some file system refuses.
fn is_awkward(c: char) -> bool {
    matches!(c, '<' | '>' | ':' | '|' | '?' | '*')
}

fn strip_ending(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, tail)) if ENDINGS.iter().chain(&["flac"]).any(|ending| tail.eq_ignore_ascii_case(ending)) => stem,
        _ => name,
    }
}

/// Parameters of a header value after its first `;`, quoted strings unquoted.
fn parameters(text: &str) -> Vec<(&str, String)> {
    let mut found = Vec::new();
    let Some((_, mut rest)) = text.split_once(';') else { return found };
    while let Some((name, after)) = rest.split_once('=') {
        let (value, tail) = value_and_rest(after.trim_start());
        found.push((name.trim_matches(|c: char| c == ';' || c.is_whitespace()), value));
        rest = tail;
    }
    found
}

fn value_and_rest(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_once(';').unwrap_or((text, ""));
        return (value.trim_end().to_owned(), rest);
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, quoted.get(at + 1..).unwrap_or_default()),
            // Browsers send a Windows path's backslashes unescaped, so only these two are escapes.
            '\\' => match chars.clone().next() {
                Some((_, escaped @ ('"' | '\\'))) => {
                    value.push(escaped);
                    chars.next();
                }
                _ => value.push('\\'),
            },
            _ => value.push(c),
        }
    }
    (value, "")
}

/// `UTF-8'en'na%C3%AFve` of RFC 8187.
fn decode_extended(value: &str) -> Option<String> {
    let mut parts = value.splitn(3, '\'');
    let charset = parts.next()?;
    let _language = parts.next()?;
    let encoded = parts.next()?.as_bytes();
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((first, tail)) = rest.split_first() {
        if *first == b'%' {
            let (pair, after) = tail.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?);
            rest = after;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_paths_hidden_characters_and_their_wav_ending() {
        for (given, wanted) in [
            (None, "audio.flac"),
            (Some(""), "audio.flac"),
            (Some("take 1.wav"), "take 1.flac"),
            (Some("TAKE.WAV"), "TAKE.flac"),
            (Some("a.wave"), "a.flac"),
            (Some("field.bwf"), "field.flac"),
            (Some("long.RF64"), "long.flac"),
            (Some("long.w64"), "long.flac"),
            (Some("song"), "song.flac"),
            (Some("song.tar"), "song.tar.flac"),
            (Some("../../etc/passwd"), "passwd.flac"),
            (Some("C:\\music\\a.wav"), "a.flac"),
            (Some("/"), "audio.flac"),
            (Some("..wav"), "wav.flac"),
            (Some(".wav"), "wav.flac"),
            (Some("...hidden.wav"), "hidden.flac"),
            (Some("evil\r\nSet-Cookie: a=b.wav"), "evilSet-Cookie_ a=b.flac"),
            (Some("say \"hi\".wav"), "say hi.flac"),
            (Some("Don't stop.wav"), "Don't stop.flac"),
            (Some("abc\u{202e}vaw.exe.wav"), "abcvaw.exe.flac"),
            (Some("zero\u{200b}width\u{0}.wav"), "zerowidth.flac"),
            (Some("名前.wav"), "名前.flac"),
            (Some("what?*<>|.wav"), "what_____.flac"),
        ] {
            assert_eq!(flac_name(given), wanted, "{given:?}");
        }
    }

    #[test]
    fn long_names_are_cut_at_a_character() {
        let name = flac_name(Some(&format!("{}.wav", "é".repeat(400))));
        assert_eq!(name.len(), 255);
        assert!(name.ends_with("é.flac"));
    }

    #[test]
    fn names_in_one_folder_differ_on_every_file_system() {
        let mut names = Names::default();
        let long = format!("{}.flac", "é".repeat(125));
        for (name, unique) in [
            ("a.flac", "a.flac"),
            ("a.flac", "a (2).flac"),
            ("A.flac", "A (3).flac"),
            ("a (3).flac", "a (3) (2).flac"),
            ("a (4).flac", "a (4).flac"),
            ("a.flac", "a (5).flac"),
            ("É.flac", "É.flac"),
            ("é.flac", "é (2).flac"),
            (&long, &long),
            (&long, &format!("{} (2).flac", "é".repeat(123))),
        ] {
            assert_eq!(names.unique(name.to_owned()), unique);
        }
        let mut names = Names::default();
        let many: HashSet<_> = (0..5_000).map(|_| names.unique("x.flac".to_owned())).collect();
        assert_eq!(many.len(), 5_000);
    }

    #[test]
    fn archives_are_named_too() {
        for (asked, name) in
            [(None, "flac.zip"), (Some("../week 1.zip"), "week 1.zip"), (Some("x"), "x.zip"), (Some(""), "audio.zip")]
        {
            assert_eq!(zip_name(asked), name);
        }
    }

    #[test]
    fn attachment_holds_both_forms() {
        assert_eq!(
            attachment("naïve 100% \"x\".flac"),
            "attachment; filename=\"na_ve 100% _x_.flac\"; filename*=UTF-8''na%C3%AFve%20100%25%20%22x%22.flac"
        );
    }

    #[test]
    fn dispositions_are_read_as_clients_write_them() {
        for (header, wanted) in [
            ("attachment; filename=\"a b.wav\"", Some("a b.wav")),
            ("form-data; name=\"file\"; filename=\"semi;colon=x.wav\"", Some("semi;colon=x.wav")),
            ("form-data; name=\"file\"; filename=plain.wav ; x=y", Some("plain.wav")),
            ("form-data; filename=\"quo\\\"te.wav\"", Some("quo\"te.wav")),
            ("form-data; filename=\"C:\\dir\\a.wav\"", Some("C:\\dir\\a.wav")),
            ("form-data; filename=\"x.wav\"; filename*=UTF-8''na%C3%AFve.wav", Some("naïve.wav")),
            ("form-data; filename*=UTF-8''%ZZ; filename=\"x.wav\"", Some("x.wav")),
            ("form-data; filename*=UTF-8''%4; filename=\"x.wav\"", Some("x.wav")),
            ("form-data; filename*=latin1''a.wav; filename=\"x.wav\"", Some("x.wav")),
            ("form-data; name=\"filename\"", None),
            ("attachment; filename=\"unclosed", Some("unclosed")),
            ("attachment", None),
        ] {
            let header = HeaderValue::from_str(header).unwrap();
            assert_eq!(from_disposition(&header).as_deref(), wanted, "{header:?}");
        }
    }
}
