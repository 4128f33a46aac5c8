//! Tags, pictures and cue points as other programs write them into WAV files.

use converter::meta::Metadata;
use converter::wav::Rules;

use super::{convert, must, read};
use crate::support::{Wav, wav_pcm};

fn tags_of(wav: &[u8]) -> Vec<(String, String)> {
    let (collected, ..) = read(wav, Rules::default(), Metadata::Tags).unwrap();
    assert_eq!(collected.warnings, []);
    collected.tags
}

fn has(tags: &[(String, String)], name: &str, value: &str) {
    let values: Vec<_> = tags.iter().filter(|tag| tag.0 == name).map(|tag| tag.1.as_str()).collect();
    assert_eq!(values, [value], "{name} in {tags:?}");
}

#[test]
fn what_ffmpeg_writes_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let sound = ["-v", "error", "-f", "lavfi", "-i", "sine=d=0.1", "-bitexact"];
    let told = [
        "title=Tïtle",
        "artist=Artist",
        "album=Al\u{1F3B5}bum",
        "comment=odd",
        "date=2020-01-02",
        "genre=Rock",
        "track=3",
        "copyright=me",
        "description=A long day",
        "originator=Recorder",
        "originator_reference=REF1",
        "origination_date=2021-02-03",
        "origination_time=04:05:06",
        "time_reference=12345",
        "coding_history=A=PCM,F=44100",
    ];
    let told = told.iter().flat_map(|tag| ["-metadata", tag]);
    let args: Vec<_> = sound.into_iter().chain(told).chain(["-write_bext", "1", "a.wav"]).collect();
    must("ffmpeg", &args, folder.path());
    let tags = tags_of(&std::fs::read(folder.path().join("a.wav")).unwrap());
    for (name, value) in [
        ("TITLE", "Tïtle"),
        ("ARTIST", "Artist"),
        ("ALBUM", "Al\u{1F3B5}bum"),
        ("COMMENT", "odd"),
        ("DATE", "2020-01-02"),
        ("GENRE", "Rock"),
        ("TRACKNUMBER", "3"),
        ("COPYRIGHT", "me"),
        ("ORIGINATOR", "Recorder"),
        ("ORIGINATOR_REFERENCE", "REF1"),
        ("ORIGINATION_DATE", "2021-02-03"),
        ("ORIGINATION_TIME", "04:05:06"),
        ("TIME_REFERENCE", "12345"),
        ("CODING_HISTORY", "A=PCM,F=44100"),
    ] {
        has(&tags, name, value);
    }
}

#[test]
fn bext_comes_back_through_ffmpeg() {
    let folder = tempfile::tempdir().unwrap();
    let mut bext = vec![0; 602];
    bext[..5].copy_from_slice(b"story");
    bext[256..260].copy_from_slice(b"orig");
    bext[288..291].copy_from_slice(b"ref");
    bext[320..330].copy_from_slice(b"2022-03-04");
    bext[330..338].copy_from_slice(b"05:06:07");
    bext[338..346].copy_from_slice(&987_654_321_u64.to_le_bytes());
    bext.extend(b"A=PCM\r\n");
    let wav = Wav::new().chunk(b"bext", &bext).fmt(1, 8_000, 16).chunk(b"data", &[0; 400]).build();
    let flac = convert(&wav, Rules::default(), Metadata::Tags).unwrap().flac;
    std::fs::write(folder.path().join("a.flac"), flac).unwrap();
    must("ffmpeg", &["-v", "error", "-i", "a.flac", "-write_bext", "1", "-bitexact", "b.wav"], folder.path());
    let again = tags_of(&std::fs::read(folder.path().join("b.wav")).unwrap());
    for (name, value) in tags_of(&wav).iter().filter(|tag| tag.0 != "CODING_HISTORY" && tag.0 != "DESCRIPTION") {
        has(&again, name, value);
    }
}

#[test]
fn an_id3_chunk_with_a_picture_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let color = ["-v", "error", "-f", "lavfi", "-i", "color=red:s=20x10:d=1", "-frames:v", "1", "cover.png"];
    must("ffmpeg", &color, folder.path());
    let inputs = ["-v", "error", "-f", "lavfi", "-i", "sine=d=0.1", "-i", "cover.png", "-map", "0", "-map", "1"];
    let tags = ["-metadata", "title=Ärger", "-metadata", "track=2/9", "-metadata", "genre=Jazz", "-id3v2_version"];
    for version in ["3", "4"] {
        let args: Vec<_> = inputs.into_iter().chain(tags).chain([version, "-y", "-f", "mp3", "a.mp3"]).collect();
        must("ffmpeg", &args, folder.path());
        // ffmpeg writes the tag of an MP3 file; in a WAV file it is a chunk
        let mp3 = std::fs::read(folder.path().join("a.mp3")).unwrap();
        let size = 10 + size_of(&mp3);
        for name in [b"id3 ", b"ID3 "] {
            let wav = Wav::new().fmt(1, 8_000, 16).chunk(b"data", &[0; 400]).chunk(name, &mp3[..size]).build();
            let converted = convert(&wav, Rules::default(), Metadata::Tags).unwrap();
            let tags = &converted.collected.tags;
            for (name, value) in [("TITLE", "Ärger"), ("TRACKNUMBER", "2"), ("TRACKTOTAL", "9"), ("GENRE", "Jazz")] {
                has(tags, name, value);
            }
            std::fs::write(folder.path().join("a.flac"), &converted.flac).unwrap();
            let cover = ["--export-picture-to=out.png", "a.flac"];
            must("metaflac", &cover, folder.path());
            let same = std::fs::read(folder.path().join("out.png")).unwrap();
            assert!(same == std::fs::read(folder.path().join("cover.png")).unwrap());
        }
    }
}

fn size_of(mp3: &[u8]) -> usize {
    mp3[6..10].iter().fold(0, |size, byte| size << 7 | usize::from(*byte))
}

/// A file of two seconds at 8 kHz with cue points and labels.
fn with_cues() -> Vec<u8> {
    let mut cue = 3_u32.to_le_bytes().to_vec();
    for (number, sample) in [(1_u32, 0_u32), (2, 4_000), (3, 12_345)] {
        cue.extend(number.to_le_bytes());
        cue.extend(sample.to_le_bytes());
        cue.extend(b"data\0\0\0\0\0\0\0\0");
        cue.extend(sample.to_le_bytes());
    }
    let adtl = b"adtllabl\x0A\0\0\0\x02\0\0\0Verse\0labl\x09\0\0\0\x03\0\0\0Solo\0\0";
    let sound = wav_pcm(&crate::support::music(16_000, 1, 16, 3), 16);
    Wav::new().fmt(1, 8_000, 16).chunk(b"data", &sound).chunk(b"cue ", &cue).chunk(b"LIST", adtl).build()
}

#[test]
fn cue_points_become_a_cue_sheet_and_chapters() {
    let folder = tempfile::tempdir().unwrap();
    let converted = convert(&with_cues(), Rules::default(), Metadata::Tags).unwrap();
    std::fs::write(folder.path().join("a.flac"), &converted.flac).unwrap();
    must("flac", &["--silent", "--test", "--warnings-as-errors", "a.flac"], folder.path());
    let listed = must("metaflac", &["--list", "--block-type=CUESHEET", "a.flac"], folder.path());
    let offsets: Vec<_> =
        listed.lines().filter_map(|line| line.strip_prefix("      offset: ")).map(str::to_owned).collect();
    assert_eq!(offsets, ["0", "4000", "12345", "16000"], "{listed}");
    assert!(listed.contains("number: 255 (LEAD-OUT)"), "{listed}");
    let tags = &converted.collected.tags;
    has(tags, "CHAPTER002", "00:00:00.500");
    has(tags, "CHAPTER002NAME", "Verse");
    has(tags, "CHAPTER003NAME", "Solo");
    let chapters = ["-v", "error", "-show_chapters", "-of", "compact", "a.flac"];
    let chapters = must("ffprobe", &chapters, folder.path());
    assert!(chapters.contains("start_time=0.500000") && chapters.contains("tag:title=Verse"), "{chapters}");
}
