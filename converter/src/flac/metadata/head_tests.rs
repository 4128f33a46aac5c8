use proptest::prelude::*;

use super::*;
use crate::flac::Shape;

fn info() -> StreamInfo {
    StreamInfo::of_unknown_length(Shape { channels: 2, sample_rate: 44_100, bits_per_sample: 16, block_size: 4096 })
}

/// A head with nothing but STREAMINFO and, if told, the speakers.
fn head(info: &StreamInfo, mask: Option<u32>) -> Vec<u8> {
    let comments = mask.map(crate::flac::mask_tag).into_iter().collect();
    build_head(&HeadParts { comments, ..HeadParts::of(*info) }, Fit::Padding(0)).bytes
}

fn gif(bytes: usize) -> Picture {
    let mut data = b"GIF89a\x01\0\x01\0\x80".to_vec();
    data.resize(bytes, 0);
    Picture::from_image(3, "", data).unwrap()
}

fn full(points: u64) -> HeadParts {
    let mut table = SeekTable::new(1);
    for number in 0..points {
        table.note(number * 10, number * 100, 10);
    }
    HeadParts {
        info: info(),
        seek_table: Some(table),
        comments: vec![("TITLE".to_owned(), "a".to_owned()), ("ARTIST".to_owned(), "b".repeat(50))],
        applications: vec![Application { id: *b"riff", data: vec![1; 100] }],
        cue_sheet: Some(CueSheet { tracks: vec![5], lead_out: 10 }),
        pictures: vec![gif(200), gif(300)],
    }
}

/// The blocks of a head: type and body.
fn blocks(mut bytes: &[u8]) -> Vec<(BlockType, &[u8])> {
    assert_eq!(&bytes[..4], MARKER);
    bytes = &bytes[4..];
    let mut blocks = Vec::new();
    loop {
        let header = BlockHeader::read(bytes[..4].try_into().unwrap());
        let (body, rest) = bytes[4..].split_at(header.length as usize);
        blocks.push((header.kind, body));
        bytes = rest;
        if header.last {
            assert!(rest.is_empty());
            return blocks;
        }
    }
}

#[test]
fn the_plain_head_is_marker_stream_info_and_comment() {
    let bytes = head(&info(), Some(0x33F));
    assert_eq!(&bytes[..8], b"fLaC\0\0\0\x22");
    assert_eq!(bytes[STREAM_INFO_AT], info().to_bytes());
    assert_eq!(bytes[42], 0x84);
    let body = &bytes[46..];
    assert_eq!(body.len(), usize::from(bytes[45]));
    let text = String::from_utf8_lossy(body);
    assert!(text.contains(VENDOR) && text.ends_with("WAVEFORMATEXTENSIBLE_CHANNEL_MASK=0x33F"), "{text}");
    assert_eq!(head(&info(), None).len(), SMALLEST_HEAD);
}

#[test]
fn blocks_come_in_their_order_and_padding_last() {
    let head = build_head(&full(3), Fit::Padding(1000));
    let kinds: Vec<_> = blocks(&head.bytes).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(
        kinds,
        [
            BlockType::StreamInfo,
            BlockType::SeekTable,
            BlockType::CueSheet,
            BlockType::VorbisComment,
            BlockType::Application,
            BlockType::Picture,
            BlockType::Picture,
            BlockType::Padding
        ]
    );
    assert_eq!(blocks(&head.bytes).last().unwrap().1.len(), 1000);
    assert!(head.left_out.is_empty());
    assert!(blocks(&build_head(&full(3), Fit::Padding(0)).bytes).iter().all(|(kind, _)| *kind != BlockType::Padding));
}

#[test]
fn a_tighter_head_loses_the_least_important_first() {
    let parts = full(64);
    let whole = build_head(&parts, Fit::Padding(0)).bytes.len();
    let left_out = |bytes| {
        let head = build_head(&parts, Fit::Exactly(bytes));
        assert_eq!(head.bytes.len(), bytes);
        head.left_out.into_iter().map(LeftOut::as_str).collect::<Vec<_>>().join(" ")
    };
    let points = |bytes| {
        let head = build_head(&parts, Fit::Exactly(bytes)).bytes;
        blocks(&head).into_iter().find(|(kind, _)| *kind == BlockType::SeekTable).map_or(0, |(_, body)| body.len() / 18)
    };
    assert_eq!(left_out(whole), "");
    assert_eq!((left_out(whole - 1).as_str(), points(whole - 1)), ("seek_table", 32));
    let no_table = whole - 64 * 18 - 4;
    assert_eq!((left_out(no_table + 22).as_str(), points(no_table + 22)), ("seek_table", 1));
    assert_eq!((left_out(no_table).as_str(), points(no_table)), ("seek_table", 0));
    assert_eq!(left_out(no_table - 1), "seek_table pictures");
    let no_pictures = no_table - parts.pictures.iter().map(|picture| picture.body_bytes() + 4).sum::<usize>();
    assert_eq!(left_out(no_pictures), "seek_table pictures");
    assert_eq!(left_out(no_pictures - 1), "seek_table pictures foreign_metadata");
    assert_eq!(left_out(no_pictures - 109), "seek_table pictures foreign_metadata cue_sheet");
    assert_eq!(left_out(SMALLEST_HEAD), "seek_table pictures foreign_metadata cue_sheet tags");
    assert_eq!(build_head(&parts, Fit::Exactly(0)).bytes.len(), SMALLEST_HEAD);
}

#[test]
fn what_no_block_can_hold_is_left_out() {
    let mut parts = full(0);
    parts.applications.push(Application { id: *b"riff", data: vec![0; Application::MAX_DATA + 1] });
    parts.comments.push(("HUGE".to_owned(), "x".repeat(LARGEST_BODY)));
    let head = build_head(&parts, Fit::Padding(0));
    assert_eq!(head.left_out, [LeftOut::ForeignMetadata, LeftOut::Tags]);
    let blocks = blocks(&head.bytes);
    assert!(blocks.iter().all(|(kind, _)| *kind != BlockType::Application));
    assert!(String::from_utf8_lossy(blocks[2].1).contains("TITLE=a"));
    parts.applications[1].data.pop();
    assert_eq!(build_head(&parts, Fit::Padding(0)).left_out, [LeftOut::Tags]);
}

#[test]
fn more_padding_than_a_block_holds_becomes_two_blocks() {
    let small = head(&info(), None).len();
    for extra in 1..=8 {
        let bytes = small + HEADER + LARGEST_BODY + extra;
        let head = build_head(&HeadParts::of(info()), Fit::Exactly(bytes));
        assert_eq!(head.bytes.len(), bytes);
        assert_eq!(blocks(&head.bytes).len(), 4);
    }
}

proptest! {
    #[test]
    fn an_exact_head_is_exact(points in 0_u64..100, bytes in 0_usize..5000) {
        let head = build_head(&full(points), Fit::Exactly(bytes));
        prop_assert_eq!(head.bytes.len(), bytes.max(SMALLEST_HEAD));
        prop_assert!(blocks(&head.bytes).len() >= 2);
    }
}
