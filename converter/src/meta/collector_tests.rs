use proptest::prelude::*;

use super::*;

fn chunk(name: [u8; 4], header: &[u8], size: u64) -> Piece<'_> {
    Piece::Chunk { name, header, size }
}

fn take(collector: &mut Collector, name: [u8; 4], body: &[u8]) {
    collector.take(&chunk(name, &[0; 8], body.len() as u64)).unwrap();
    for bytes in body.chunks(3) {
        collector.take(&Piece::Body(bytes)).unwrap();
    }
}

#[test]
fn only_what_can_be_read_is_kept() {
    let mut collector = Collector::new(Metadata::Tags, 1000);
    take(&mut collector, *b"JUNK", &[0; 5000]);
    take(&mut collector, *b"LIST", &[b"wavl".as_slice(), &[0; 900]].concat());
    take(&mut collector, *b"LIST", b"INFOINAM\x02\0\0\0ab");
    take(&mut collector, *b"LIST", b"IN");
    assert_eq!(collector.store.chunks().len(), 2);
    let collected = collector.finish().unwrap();
    assert_eq!(collected.tags, [("TITLE".to_owned(), "ab".to_owned())]);
    assert!(collected.warnings.is_empty() && collected.foreign.is_none());
}

#[test]
fn a_chunk_that_is_too_large_leaves_room_for_others() {
    let mut collector = Collector::new(Metadata::Tags, 300);
    take(&mut collector, *b"id3 ", &[0; 500]);
    take(&mut collector, *b"LIST", b"INFOINAM\x02\0\0\0ab");
    let collected = collector.finish().unwrap();
    assert_eq!(collected.tags.len(), 1);
    let warning = &collected.warnings[0];
    assert_eq!((collected.warnings.len(), warning.code()), (1, "metadata_too_large"));
    assert!(warning.to_string().contains("the id3 chunk") && warning.to_string().contains("--max-metadata"));
}

#[test]
fn foreign_metadata_beyond_the_limit_is_an_error() {
    let mut collector = Collector::new(Metadata::Foreign, 100);
    collector.take(&Piece::Header(&[0; 12])).unwrap();
    let error = collector.take(&chunk(*b"JUNK", &[0; 50], 0)).unwrap_err();
    assert_eq!(error.code(), "metadata_too_large");
    assert!(error.to_string().contains("--max-metadata"));
}

#[test]
fn sources_are_believed_in_their_order() {
    let mut collector = Collector::new(Metadata::Tags, 10_000);
    let mut bext = vec![0; 602];
    bext[..4].copy_from_slice(b"desc");
    bext[320..330].copy_from_slice(b"2020-01-01");
    take(&mut collector, *b"bext", &bext);
    take(&mut collector, *b"LIST", b"INFOINAM\x04\0\0\0infoICRD\x04\0\0\x002021");
    take(&mut collector, *b"id3 ", b"ID3\x03\0\0\0\0\0\x0DTIT2\0\0\0\x03\0\0\0id");
    let tags = collector.finish().unwrap().tags;
    let expected = [
        ("TITLE", "id"),
        ("DATE", "2021"),
        ("DESCRIPTION", "desc"),
        ("ORIGINATION_DATE", "2020-01-01"),
        ("TIME_REFERENCE", "0"),
    ];
    assert_eq!(tags, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

proptest! {
    #[test]
    fn any_chunks_are_read_or_left_out(
        limit in 1_u64..2000,
        foreign: bool,
        chunks in prop::collection::vec(
            (prop::sample::select(vec![*b"LIST", *b"cue ", *b"bext", *b"id3 ", *b"JUNK"]),
             prop::sample::select(vec![&b""[..], b"INFO", b"adtl", b"ID3\x04\0\0\0\0\x01\0"]),
             prop::collection::vec(any::<u8>(), 0..200)), 0..10),
    ) {
        let mode = if foreign { Metadata::Foreign } else { Metadata::Tags };
        let mut collector = Collector::new(mode, limit);
        for (name, start, body) in chunks {
            let body = [start, &body].concat();
            let taken = collector
                .take(&chunk(name, &[0; 8], u64::MAX))
                .and_then(|()| collector.take(&Piece::Body(&body)));
            if taken.is_err() {
                prop_assert!(foreign);
                return Ok(());
            }
        }
        prop_assert!(collector.finish().is_ok());
    }
}
