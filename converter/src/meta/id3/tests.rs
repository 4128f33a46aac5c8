use id3::frame::{Comment, ExtendedText, Lyrics, Picture as OraclePicture, PictureType};
use id3::{Encoder, Tag as Oracle, TagLike as _, Version as OracleVersion};
use proptest::prelude::*;

use super::*;

fn value<'a>(id3: &'a Id3, name: &str) -> Vec<&'a str> {
    id3.tags.iter().filter(|tag| tag.0 == name).map(|tag| tag.1.as_str()).collect()
}

fn oracle_tag() -> Oracle {
    let mut tag = Oracle::new();
    tag.set_title("Tëst \u{1F3B5}");
    tag.set_artist("Ärtist");
    tag.set_album("Album");
    tag.set_text("TRCK", "3/12");
    tag.set_text("TCON", "(17)Rock");
    tag.add_frame(ExtendedText { description: "My Key".to_owned(), value: "välue".to_owned() });
    for (description, text) in [("", "words"), ("iTunNORM", " 0000"), ("more", "others")] {
        let (lang, description, text) = ("eng".to_owned(), description.to_owned(), text.to_owned());
        tag.add_frame(Comment { lang, description, text });
    }
    tag.add_frame(Lyrics { lang: "eng".to_owned(), description: String::new(), text: "la\nla".to_owned() });
    tag.add_frame(OraclePicture {
        mime_type: "image/jpeg".to_owned(),
        picture_type: PictureType::CoverFront,
        description: "cover \u{e4}".to_owned(),
        data: vec![0xFF, 0xD8, 0xFF, 0xFF, 0, 0, 1, 2, 3],
    });
    tag
}

#[test]
fn reads_what_the_crate_id3_writes() {
    for version in [OracleVersion::Id3v22, OracleVersion::Id3v23, OracleVersion::Id3v24] {
        for unsynchronised in [false, true] {
            let mut bytes = Vec::new();
            // The crate does not put a zero behind every 0xFF, as the standard wants, but only behind 0xFF and a zero.
            Encoder::new()
                .version(version)
                .unsynchronisation(unsynchronised)
                .encode(&oracle_tag(), &mut bytes)
                .unwrap();
            bytes.extend([0; 20]);
            let id3 = read_id3(&bytes);
            assert_eq!(id3.damaged, None, "{version:?}");
            assert_eq!(value(&id3, "TITLE"), ["Tëst \u{1F3B5}"], "{version:?}, {unsynchronised}");
            assert_eq!((value(&id3, "ARTIST"), value(&id3, "ALBUM")), (vec!["Ärtist"], vec!["Album"]));
            assert_eq!((value(&id3, "TRACKNUMBER"), value(&id3, "TRACKTOTAL")), (vec!["3"], vec!["12"]));
            assert_eq!((value(&id3, "GENRE"), value(&id3, "MY KEY")), (vec!["Rock"], vec!["välue"]));
            assert_eq!((value(&id3, "COMMENT"), value(&id3, "LYRICS")), (vec!["words", "others"], vec!["la\nla"]));
            let picture = &id3.pictures[0];
            assert_eq!((picture.kind(), picture.mime()), (3, "image/jpeg"));
            assert_eq!(picture.data(), [0xFF, 0xD8, 0xFF, 0xFF, 0, 0, 1, 2, 3]);
        }
    }
}

fn tag(version: u8, flags: u8, frames: &[u8]) -> Vec<u8> {
    let size = frames.len();
    let byte = |shift: usize| u8::try_from(size >> shift & 0x7F).unwrap();
    [&[b'I', b'D', b'3', version, 0, flags, byte(21), byte(14), byte(7), byte(0)], frames].concat()
}

#[test]
fn several_values_and_extended_headers_are_read() {
    let frames = b"\0\0\0\x06\x01\0TPE1\0\0\0\x04\0\0\x03a\0bTIT2\0\0\0\x08\0\x03\0\0\0\x03\x03\xFF\0xTYER";
    let id3 = read_id3(&tag(4, EXTENDED, frames));
    assert_eq!(value(&id3, "ARTIST"), ["a", "b"]);
    assert_eq!(value(&id3, "TITLE").len(), 1);
    let old = read_id3(&tag(3, EXTENDED, b"\0\0\0\x06\0\0\0\0\0\0TYER\0\0\0\x05\0\0\x002024"));
    assert_eq!(value(&old, "DATE"), ["2024"]);
}

#[test]
fn sizes_of_eight_bits_in_version_4_are_understood() {
    let long = "x".repeat(200);
    let frames = [b"TIT2\0\0\0\xC9\0\0\x03", long.as_bytes(), b"TALB\0\0\0\x02\0\0\x03y"].concat();
    let id3 = read_id3(&tag(4, 0, &frames));
    assert_eq!((value(&id3, "TITLE"), value(&id3, "ALBUM")), (vec![long.as_str()], vec!["y"]));
}

#[test]
fn what_cannot_be_read_is_told() {
    for (bytes, words) in [
        (b"nothing".to_vec(), "no ID3v2"),
        (tag(5, 0, b""), "version"),
        (tag(2, EXTENDED, b"TT2\0\0\x02\0a"), "compressed"),
        (tag(3, 0, b"TIT2\0\0\0\xFF\0\0\0a"), "cut off"),
        (tag(3, 0, b"TIT2\0\0\0\x02\0\x80\0a"), "compressed"),
        (tag(3, 0, b"APIC\0\0\0\x0B\0\0\0image/png\0"), "picture"),
    ] {
        let id3 = read_id3(&bytes);
        assert!(id3.damaged.is_some_and(|what| what.contains(words)), "{:?}", id3.damaged);
        assert!(id3.tags.is_empty());
    }
}

#[test]
fn chapters_inside_chapters_are_passed_over() {
    let mut frames = Vec::new();
    for depth in (0..60_000_u32).rev() {
        frames.extend(b"CHAP");
        frames.extend((17 + depth * 27).to_be_bytes());
        frames.extend([0; 19]);
    }
    assert!(read_id3(&tag(3, 0, &frames)).tags.is_empty());
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(
        version in 2_u8..=4, flags: u8, frames in prop::collection::vec(
            prop_oneof![
                (prop::sample::select(vec![&b"TIT2"[..], b"APIC", b"COMM", b"TXXX", b"TT2", b"PIC"]), any::<[u8; 6]>(),
                    prop::collection::vec(any::<u8>(), 0..30))
                    .prop_map(|(id, rest, body)| [id, &rest, &body].concat()),
                prop::collection::vec(any::<u8>(), 0..30),
            ], 0..5),
    ) {
        read_id3(&tag(version, flags, &frames.concat()));
    }
}
