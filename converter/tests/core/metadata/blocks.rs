//! Blocks as `metaflac` and `flac` read them, and as they would write them.

use std::path::Path;

use converter::flac::{Application, CueSheet, Fit, HeadParts, Picture, SeekTable, StreamInfo, build_head};
use converter::meta::Metadata;
use converter::wav::Rules;

use super::{convert, must};
use crate::support::Wav;

/// Puts another head on a converted file.
fn with_head(fit: Fit, parts: impl FnOnce(HeadParts) -> HeadParts) -> Vec<u8> {
    let wav = Wav::pcm(1, 8_000, 16, &vec![7; 20_000]);
    let flac = convert(&wav, Rules::default(), Metadata::Tags).unwrap().flac;
    let info = StreamInfo::from_bytes(flac[8..42].try_into().unwrap());
    let mut at = 4;
    while flac[at] & 0x80 == 0 {
        at += 4 + u32::from_be_bytes([0, flac[at + 1], flac[at + 2], flac[at + 3]]) as usize;
    }
    at += 4 + u32::from_be_bytes([0, flac[at + 1], flac[at + 2], flac[at + 3]]) as usize;
    [build_head(&parts(HeadParts::of(info)), fit).bytes, flac[at..].to_vec()].concat()
}

fn list(flac: &[u8], folder: &Path) -> String {
    std::fs::write(folder.join("a.flac"), flac).unwrap();
    must("flac", &["--silent", "--test", "--warnings-as-errors", "a.flac"], folder);
    must("metaflac", &["--list", "a.flac"], folder)
}

#[test]
fn metaflac_reads_every_block() {
    let folder = tempfile::tempdir().unwrap();
    let gif = [&b"GIF89a\x02\0\x03\0\x80\0\0"[..], &[0; 20]].concat();
    let flac = with_head(Fit::Padding(300), |parts| {
        let mut table = SeekTable::new(100);
        let block = parts.info.block_size;
        table.note(0, 0, block);
        HeadParts {
            seek_table: Some(table),
            comments: vec![("TITLE".to_owned(), "\u{e4}\u{1F3B5}".to_owned()), ("A b".to_owned(), String::new())],
            applications: vec![Application { id: *b"abcd", data: vec![1, 2, 3] }],
            cue_sheet: Some(CueSheet { tracks: vec![10, 20], lead_out: parts.info.total_samples }),
            pictures: vec![Picture::from_image(3, "front \u{e4}", gif).unwrap()],
            ..parts
        }
    });
    let listed = list(&flac, folder.path());
    for line in [
        "type: 3 (SEEKTABLE)",
        "seek points: 1",
        "comments: 2",
        "comment[0]: TITLE=\u{e4}\u{1F3B5}",
        "comment[1]: A b=",
        "application ID: 61626364",
        "MIME type: image/gif",
        "description: front \u{e4}",
        "width: 2",
        "height: 3",
        "colors: 2",
        "number of tracks: 3",
        "type: 1 (PADDING)",
        "length: 300",
    ] {
        assert!(listed.lines().any(|found| found.trim() == line), "{line} in {listed}");
    }
}

#[test]
fn exact_heads_are_read_whatever_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    for bytes in [0, 70, 71, 72, 73, 74, 75, 100, 149, 150, 151, 1000, 20_000] {
        let flac = with_head(Fit::Exactly(bytes), |parts| HeadParts {
            comments: vec![("TITLE".to_owned(), "x".repeat(40)), ("ARTIST".to_owned(), "y".repeat(30))],
            ..parts
        });
        list(&flac, folder.path());
    }
}

#[test]
fn pictures_are_told_as_metaflac_tells_them() {
    let folder = tempfile::tempdir().unwrap();
    for (name, format) in [
        ("a.png", "rgb24"),
        ("b.png", "rgba"),
        ("c.png", "gray"),
        ("d.png", "pal8"),
        ("e.png", "rgb48be"),
        ("f.png", "ya8"),
        ("g.jpg", "yuvj420p"),
        ("h.jpg", "gray"),
        ("i.gif", "rgb8"),
    ] {
        let color = ["-v", "error", "-f", "lavfi", "-i", "color=red:s=37x21:d=1", "-frames:v", "1", "-pix_fmt", format];
        must("ffmpeg", &color.into_iter().chain([name]).collect::<Vec<_>>(), folder.path());
        let image = std::fs::read(folder.path().join(name)).unwrap();
        let ours = with_head(Fit::Padding(0), |parts| HeadParts {
            pictures: vec![Picture::from_image(3, "", image).unwrap()],
            ..parts
        });
        let picture = |listed: &str| {
            let start = listed.find("  type: 6").unwrap_or_else(|| panic!("{name}: {listed}"));
            let body = &listed[start..];
            body[..body.find("  data:").unwrap()].replace("is last: true", "is last: false")
        };
        let ours = picture(&list(&ours, folder.path()));
        std::fs::write(folder.path().join("theirs.flac"), with_head(Fit::Padding(0), |parts| parts)).unwrap();
        must("metaflac", &[&format!("--import-picture-from={name}"), "theirs.flac"], folder.path());
        let theirs = must("metaflac", &["--list", "theirs.flac"], folder.path());
        assert_eq!(ours, picture(&theirs), "{name}");
    }
}
