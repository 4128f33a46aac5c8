//! The broadcast extension (EBU Tech 3285, versions 0 to 2).
//!
//! The names are those that ffmpeg's writer of `bext` takes, so that a WAV file made from the FLAC file has the chunk
//! again; ffmpeg's reader would make one name of several fields (the originator becomes `encoded_by`, the description
//! `comment`, which FLAC players show as something else). Loudness, which ffmpeg does not read, has the standard's names
//! in the same spelling.

use super::tags::Tag;
use super::text::{Fields, decode_text};

/// A loudness value that says that it was not measured.
const UNMEASURED: i16 = 0x7FFF;
/// What stands between the loudness values and the coding history.
const RESERVED: usize = 180;

/// The tags of a chunk's body. A body that ends early gives what it has.
pub(super) fn read_bext(body: &[u8]) -> Vec<Tag> {
    let mut fields = Fields(body);
    let mut tags = Vec::new();
    let mut tell = |name: &str, value: String| {
        if !value.is_empty() {
            tags.push((name.to_owned(), value));
        }
    };
    for (name, bytes) in [("DESCRIPTION", 256), ("ORIGINATOR", 32), ("ORIGINATOR_REFERENCE", 32)] {
        tell(name, decode_text(fields.up_to(bytes)));
    }
    let date = decode_text(fields.up_to(10));
    // Players look for DATE; another source's is believed more.
    tell("DATE", date.clone());
    tell("ORIGINATION_DATE", date);
    tell("ORIGINATION_TIME", decode_text(fields.up_to(8)));
    if let Some(samples) = fields.array().map(u64::from_le_bytes) {
        tell("TIME_REFERENCE", samples.to_string());
    }
    let version = fields.array().map_or(0, u16::from_le_bytes);
    let umid = fields.up_to(64);
    if version >= 1 {
        tell("UMID", printed_umid(umid));
    }
    let loudness = fields.up_to(10);
    if version >= 2 {
        for (name, value) in loudness_values(loudness) {
            tell(name, value);
        }
    }
    fields.up_to(RESERVED);
    tell("CODING_HISTORY", decode_text(fields.0));
    tags
}

/// A UMID (SMPTE ST 330) as ffmpeg prints it: the basic one has 32 bytes, and zeros after it.
fn printed_umid(umid: &[u8]) -> String {
    let (basic, rest) = umid.split_at_checked(32).unwrap_or((umid, &[]));
    let told = if rest.iter().any(|byte| *byte != 0) { umid } else { basic };
    if told.iter().all(|byte| *byte == 0) {
        return String::new();
    }
    told.iter().fold("0x".to_owned(), |text, byte| format!("{text}{byte:02X}"))
}

/// The loudness values in their units (LUFS, LU, dBTP), of which the chunk has hundredths.
fn loudness_values(bytes: &[u8]) -> Vec<(&'static str, String)> {
    const NAMES: [&str; 5] = [
        "LOUDNESS_VALUE",
        "LOUDNESS_RANGE",
        "MAX_TRUE_PEAK_LEVEL",
        "MAX_MOMENTARY_LOUDNESS",
        "MAX_SHORT_TERM_LOUDNESS",
    ];
    let (values, _) = bytes.as_chunks::<2>();
    let values: Vec<i16> = values.iter().map(|value| i16::from_le_bytes(*value)).collect();
    if values.iter().all(|value| *value == 0) {
        // writers that know only the fields of version 1
        return Vec::new();
    }
    let measured = NAMES.into_iter().zip(values).filter(|(_, value)| *value != UNMEASURED);
    measured.map(|(name, value)| (name, format!("{:.2}", f64::from(value) / 100.0))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(version: u16, loudness: [i16; 5]) -> Vec<u8> {
        let mut body = Vec::new();
        for (text, bytes) in [("take 1", 256), ("Rec\u{f6}rder", 32), ("REF", 32), ("2024-02-29", 10), ("12:13:14", 8)]
        {
            let start = body.len();
            body.extend(text.as_bytes());
            body.resize(start + bytes, 0);
        }
        body.extend(158_760_000_u64.to_le_bytes());
        body.extend(version.to_le_bytes());
        body.extend([0xAB; 32]);
        body.extend([0; 32]);
        body.extend(loudness.iter().flat_map(|value| value.to_le_bytes()));
        body.extend([0; RESERVED]);
        body.extend(b"A=PCM,F=44100\r\nA=PCM,F=48000\r\n\0");
        body
    }

    fn value(tags: &[Tag], name: &str) -> Option<String> {
        tags.iter().find(|tag| tag.0 == name).map(|tag| tag.1.clone())
    }

    #[test]
    fn every_field_has_a_name() {
        let tags = read_bext(&chunk(2, [-2300, 710, -105, UNMEASURED, -1999]));
        let expected = [
            ("DESCRIPTION", "take 1"),
            ("ORIGINATOR", "Rec\u{f6}rder"),
            ("ORIGINATOR_REFERENCE", "REF"),
            ("DATE", "2024-02-29"),
            ("ORIGINATION_DATE", "2024-02-29"),
            ("ORIGINATION_TIME", "12:13:14"),
            ("TIME_REFERENCE", "158760000"),
            ("UMID", &format!("0x{}", "AB".repeat(32))),
            ("LOUDNESS_VALUE", "-23.00"),
            ("LOUDNESS_RANGE", "7.10"),
            ("MAX_TRUE_PEAK_LEVEL", "-1.05"),
            ("MAX_SHORT_TERM_LOUDNESS", "-19.99"),
            ("CODING_HISTORY", "A=PCM,F=44100\r\nA=PCM,F=48000"),
        ];
        assert_eq!(tags, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn older_versions_have_fewer_fields() {
        let version0 = read_bext(&chunk(0, [1, 2, 3, 4, 5]));
        assert_eq!((value(&version0, "UMID"), value(&version0, "LOUDNESS_VALUE")), (None, None));
        let version1 = read_bext(&chunk(1, [1, 2, 3, 4, 5]));
        assert!(value(&version1, "UMID").is_some() && value(&version1, "LOUDNESS_VALUE").is_none());
        assert_eq!(value(&read_bext(&chunk(2, [0; 5])), "LOUDNESS_VALUE"), None);
    }

    #[test]
    fn any_length_is_read() {
        let whole = chunk(2, [1, 2, 3, 4, 5]);
        for length in 0..whole.len() {
            read_bext(&whole[..length]);
        }
        assert!(read_bext(&[]).is_empty());
    }
}
