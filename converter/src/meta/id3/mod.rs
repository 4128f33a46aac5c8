//! The `id3 ` chunk: an ID3v2 tag (versions 2.2, 2.3 and 2.4).
//!
//! Our own reader, of text and pictures only. The crate `id3` (1.17) recurses into chapter frames without a bound, so
//! that a file of 2 MB overflows the stack and takes the process with it, and it inflates compressed frames up to 256 MiB
//! each; it is the oracle of the tests.

mod frames;
mod genre;

use frames::{Encoding, Version, split_text};

use super::tags::Tag;
use crate::flac::Picture;

/// The flag of a tag, and of a version 2.4 frame, whose bytes 0xFF are each followed by a zero to be dropped.
const UNSYNCHRONISED: u8 = 0x80;
/// The flag of a tag with an extended header.
const EXTENDED: u8 = 0x40;
/// The comments that iTunes writes for itself.
const ITUNES: &str = "iTun";

/// What a tag says.
#[derive(Debug, Default)]
pub(super) struct Id3 {
    pub tags: Vec<Tag>,
    pub pictures: Vec<Picture>,
    /// Something in it could not be read.
    pub damaged: Option<&'static str>,
}

/// Text frames and the names that players of FLAC know for the same; the first names are those of version 2.2.
const TEXT: [(&str, &str, &str); 39] = [
    ("TT2", "TIT2", "TITLE"),
    ("TT1", "TIT1", "GROUPING"),
    ("TT3", "TIT3", "SUBTITLE"),
    ("TP1", "TPE1", "ARTIST"),
    ("TP2", "TPE2", "ALBUMARTIST"),
    ("TP3", "TPE3", "CONDUCTOR"),
    ("TP4", "TPE4", "REMIXER"),
    ("TAL", "TALB", "ALBUM"),
    ("TRK", "TRCK", "TRACKNUMBER"),
    ("TPA", "TPOS", "DISCNUMBER"),
    ("TYE", "TYER", "DATE"),
    ("", "TDRC", "DATE"),
    ("TOR", "TORY", "ORIGINALDATE"),
    ("", "TDOR", "ORIGINALDATE"),
    ("TCO", "TCON", "GENRE"),
    ("TCM", "TCOM", "COMPOSER"),
    ("TXT", "TEXT", "LYRICIST"),
    ("TPB", "TPUB", "PUBLISHER"),
    ("TCR", "TCOP", "COPYRIGHT"),
    ("TEN", "TENC", "ENCODED-BY"),
    ("TSS", "TSSE", "ENCODER"),
    ("TBP", "TBPM", "BPM"),
    ("TRC", "TSRC", "ISRC"),
    ("TLA", "TLAN", "LANGUAGE"),
    ("TKE", "TKEY", "INITIALKEY"),
    ("", "TMOO", "MOOD"),
    ("TMT", "TMED", "MEDIA"),
    ("TCP", "TCMP", "COMPILATION"),
    ("TS2", "TSO2", "ALBUMARTISTSORT"),
    ("TSA", "TSOA", "ALBUMSORT"),
    ("TSP", "TSOP", "ARTISTSORT"),
    ("TST", "TSOT", "TITLESORT"),
    ("TSC", "TSOC", "COMPOSERSORT"),
    ("", "TSST", "DISCSUBTITLE"),
    ("TOT", "TOAL", "ORIGINALALBUM"),
    ("TOA", "TOPE", "ORIGINALARTIST"),
    ("", "TRSN", "RADIOSTATION"),
    ("TCI", "TCAT", "CATEGORY"),
    ("TDS", "TDES", "DESCRIPTION"),
];

/// Reads a chunk's body.
pub(super) fn read_id3(body: &[u8]) -> Id3 {
    let mut id3 = Id3::default();
    let Some(([b'I', b'D', b'3', version, _, flags, s3, s2, s1, s0], rest)) = body.split_first_chunk() else {
        id3.damaged = Some("it is no ID3v2 tag");
        return id3;
    };
    let Some(version) = Version::of(*version) else {
        id3.damaged = Some("its version is unknown");
        return id3;
    };
    let size = frames::synchsafe([*s3, *s2, *s1, *s0]);
    let mut frames = rest.get(..size).unwrap_or(rest);
    let plain;
    if flags & UNSYNCHRONISED != 0 && version != Version::V4 {
        plain = frames::resynchronised(frames);
        frames = &plain;
    }
    if flags & EXTENDED != 0 {
        if version == Version::V2 {
            id3.damaged = Some("it is compressed in a way that was never specified");
            return id3;
        }
        frames = frames::after_extended_header(version, frames);
    }
    frames::each(version, frames, &mut |id, body| match body {
        Ok(body) => id3.take(version, id, body),
        Err(what) => id3.damaged = Some(what),
    });
    id3
}

impl Id3 {
    fn take(&mut self, version: Version, id: &str, body: &[u8]) {
        match id {
            "TXXX" | "TXX" => self.user_text(body),
            "COMM" | "COM" => self.language_text("COMMENT", body),
            "USLT" | "ULT" => self.language_text("LYRICS", body),
            "APIC" | "PIC" => self.picture(version, body),
            _ => {
                if let Some((_, _, name)) = TEXT.iter().find(|(old, new, _)| id == *old || id == *new) {
                    self.text(name, body);
                }
            }
        }
    }

    fn tell(&mut self, name: &str, value: String) {
        self.tags.push((name.to_owned(), value));
    }

    /// A text frame: one value or, in version 2.4, several, with a NUL between them.
    fn text(&mut self, name: &str, body: &[u8]) {
        let Some((encoding, mut rest)) = Encoding::of(body) else {
            return;
        };
        while !rest.is_empty() {
            let (value, after) = split_text(encoding, rest);
            rest = after;
            match name {
                "GENRE" => genre::names(&value).into_iter().for_each(|genre| self.tell(name, genre)),
                "TRACKNUMBER" => self.number_of(name, "TRACKTOTAL", &value),
                "DISCNUMBER" => self.number_of(name, "DISCTOTAL", &value),
                _ => self.tell(name, value),
            }
        }
    }

    /// "3/12": a number and how many there are.
    fn number_of(&mut self, name: &str, total: &str, value: &str) {
        let (number, of) = value.split_once('/').unwrap_or((value, ""));
        self.tell(name, number.trim().to_owned());
        self.tell(total, of.trim().to_owned());
    }

    fn user_text(&mut self, body: &[u8]) {
        let Some((encoding, rest)) = Encoding::of(body) else {
            return;
        };
        let (name, rest) = split_text(encoding, rest);
        let (value, _) = split_text(encoding, rest);
        self.tell(&name.to_uppercase(), value);
    }

    /// A comment or lyrics: after a language and a description.
    fn language_text(&mut self, name: &str, body: &[u8]) {
        let Some((encoding, rest)) = Encoding::of(body) else {
            return;
        };
        let (description, rest) = split_text(encoding, rest.get(3..).unwrap_or_default());
        if !description.starts_with(ITUNES) {
            self.tell(name, split_text(encoding, rest).0);
        }
    }

    fn picture(&mut self, version: Version, body: &[u8]) {
        let Some((encoding, rest)) = Encoding::of(body) else {
            return;
        };
        let (mime, rest) = if version == Version::V2 {
            let (format, rest) = rest.split_at_checked(3).unwrap_or((rest, &[]));
            let format = String::from_utf8_lossy(format).to_lowercase();
            (format!("image/{}", format.replace("jpg", "jpeg")), rest)
        } else {
            split_text(Encoding::Latin1, rest)
        };
        let Some((kind, rest)) = rest.split_first() else {
            self.damaged = Some("a picture in it is cut off");
            return;
        };
        let (description, data) = split_text(encoding, rest);
        if data.is_empty() || mime == "-->" {
            // nothing, or an address instead of an image
            return;
        }
        // ID3 has 21 kinds, which are FLAC's too.
        let kind = if *kind <= 20 { (*kind).into() } else { 0 };
        match Picture::from_tag(kind, &mime, &description, data.to_vec()) {
            Ok(picture) => self.pictures.push(picture),
            Err(_) => self.damaged = Some("a picture in it is larger than FLAC allows"),
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
