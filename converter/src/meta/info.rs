//! LIST/INFO: the tags of RIFF (Multimedia Programming Interface and Data Specifications 1.0, and what editors added).

use super::tags::Tag;
use super::text::{Fields, decode_text};

/// INFO's names and those that players of FLAC know for the same.
///
/// `ISFT` is the program that wrote the WAV file; `ENCODER` is where ffmpeg puts it and players look for it. `ISRF` is
/// the medium that was digitised.
const NAMES: [(&[u8; 4], &str); 34] = [
    (b"INAM", "TITLE"),
    (b"IART", "ARTIST"),
    (b"IPRD", "ALBUM"),
    (b"IALB", "ALBUM"),
    (b"IAAR", "ALBUMARTIST"),
    (b"ICMT", "COMMENT"),
    (b"ICRD", "DATE"),
    (b"IGNR", "GENRE"),
    (b"ISGN", "GENRE"),
    (b"ITRK", "TRACKNUMBER"),
    (b"IPRT", "TRACKNUMBER"),
    (b"TRCK", "TRACKNUMBER"),
    (b"IFRM", "TRACKTOTAL"),
    (b"ICOP", "COPYRIGHT"),
    (b"IENG", "ENGINEER"),
    (b"IPRO", "PRODUCER"),
    (b"ISTR", "PERFORMER"),
    (b"IMUS", "COMPOSER"),
    (b"IWRI", "LYRICIST"),
    (b"IPUB", "PUBLISHER"),
    (b"ISFT", "ENCODER"),
    (b"ITCH", "ENCODED-BY"),
    (b"IENC", "ENCODED-BY"),
    (b"ISRF", "SOURCEMEDIA"),
    (b"IMED", "MEDIA"),
    (b"ISBJ", "SUBJECT"),
    (b"IKEY", "KEYWORDS"),
    (b"ILNG", "LANGUAGE"),
    (b"ICNT", "COUNTRY"),
    (b"IBPM", "BPM"),
    (b"IRTD", "RATING"),
    (b"ICMS", "COMMISSIONED"),
    (b"IARL", "ARCHIVAL_LOCATION"),
    (b"ISMP", "TIMECODE"),
];

/// The tags of a list's body, after its type. An unknown name stays as it is.
pub(super) fn read_info(body: &[u8]) -> Vec<Tag> {
    let mut fields = Fields(body);
    let mut tags = Vec::new();
    while let Some((id, value)) = fields.sub_chunk() {
        let value = decode_text(value);
        if let Some(name) = name_of(id, &value) {
            tags.push((name, value));
        }
    }
    tags
}

fn name_of(id: [u8; 4], value: &str) -> Option<String> {
    let upper = id.map(|byte| byte.to_ascii_uppercase());
    if upper == *b"ISRC" {
        // The standard's ISRC is the source of the material; only some editors mean the recording's code.
        return Some(if is_isrc(value) { "ISRC" } else { "SOURCE" }.to_owned());
    }
    match NAMES.iter().find(|(known, _)| **known == upper) {
        Some((_, name)) => Some((*name).to_owned()),
        None => id.iter().all(u8::is_ascii_alphanumeric).then(|| upper.map(char::from).iter().collect()),
    }
}

/// Whether a text is an International Standard Recording Code (ISO 3901).
fn is_isrc(text: &str) -> bool {
    let code: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
    let Some(([country, rest @ ..], digits)) = code.split_at_checked(5).filter(|(_, digits)| digits.len() == 7) else {
        return false;
    };
    country.is_ascii_alphabetic() && rest.iter().all(u8::is_ascii_alphanumeric) && digits.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(id: &[u8], value: &[u8]) -> Vec<u8> {
        let mut bytes = [id, &u32::try_from(value.len()).unwrap().to_le_bytes(), value].concat();
        bytes.resize(bytes.len().next_multiple_of(2), 0);
        bytes
    }

    #[test]
    fn names_become_those_of_vorbis() {
        let body = [item(b"INAM", b"T\0"), item(b"iart", b"A\xFC\0\0"), item(b"IXYZ", b"odd"), item(b"I\x01YZ", b"no")]
            .concat();
        let tags = read_info(&body);
        let expected = [("TITLE", "T"), ("ARTIST", "A\u{fc}"), ("IXYZ", "odd")];
        assert_eq!(tags, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn isrc_is_a_source_unless_it_is_a_code() {
        for (value, name) in
            [("USRC17607839", "ISRC"), ("US-RC1-76-07839", "ISRC"), ("Tape 7", "SOURCE"), ("", "SOURCE")]
        {
            assert_eq!(name_of(*b"ISRC", value).as_deref(), Some(name));
        }
    }

    #[test]
    fn a_size_past_the_end_takes_what_is_there() {
        assert_eq!(read_info(b"INAM\xFF\xFF\xFF\xFFab"), [("TITLE".to_owned(), "ab".to_owned())]);
        assert!(read_info(b"INAM\xFF\xFF").is_empty());
    }
}
