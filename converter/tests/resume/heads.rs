//! What the head tells in the end: all that the whole stream's does, as far as it goes with a checkpoint; what does not is
//! told.

use converter::convert::{CHECKPOINT_BYTES, Conversion, Input, Options, PcmFormat};
use converter::flac::Picture;

use crate::harness::{Breaks, assert_same, broken, codes, sent, stream_options, whole};
use crate::support::{Wav, music, wav_pcm};

fn cue(points: impl Iterator<Item = u32>) -> Vec<u8> {
    let points: Vec<_> = points.collect();
    let mut body = (points.len() as u32).to_le_bytes().to_vec();
    for (number, sample) in points.iter().enumerate() {
        let fields = [number as u32, 0, u32::from_le_bytes(*b"data"), 0, 0, *sample];
        body.extend(fields.map(u32::to_le_bytes).concat());
    }
    body
}

fn label(number: u32, text: &str) -> Vec<u8> {
    let mut body = b"adtllabl".to_vec();
    body.extend((text.len() as u32 + 5).to_le_bytes());
    body.extend(number.to_le_bytes());
    body.extend(text.as_bytes());
    body.push(0);
    body
}

#[allow(clippy::trivially_copy_pass_by_ref)] // so that names are written b"INAM"
fn info(name: &[u8; 4], text: &str) -> Vec<u8> {
    [b"INFO".as_slice(), name, &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat()
}

/// A file of two seconds, and these chunks before and after its audio; broken off in the middle.
fn broken_in_the_middle(before: Wav, after: impl Fn(Wav) -> Wav, options: &Options, lost: &[&str]) -> String {
    let pcm = wav_pcm(&music(16_000, 1, 16, 7), 16);
    let file = after(before.fmt(1, 8_000, 16).chunk(b"data", &pcm)).build();
    let wanted = whole(&file, options);
    let breaks = Breaks { at: vec![(file.len() - 20_000, 0), (file.len() - 10_000, 99)], piece: 1000, seed: 1 };
    let (found, resumed) = broken(&file, options, &breaks);
    assert_eq!(resumed, 2);
    assert_same("tags", &found, &wanted);
    let summary = found.unwrap().1;
    assert_eq!(summary.left_out, lost);
    assert_eq!(summary.warnings.len() - codes(&summary).len(), usize::from(!lost.is_empty()));
    String::from_utf8_lossy(&summary.head).into_owned()
}

#[test]
fn tags_and_cue_points_from_before_and_after_the_break_are_there() {
    let mut options = stream_options();
    options.metadata.tags = vec![("MOOD".to_owned(), "calm".to_owned())];
    let before = Wav::new()
        .chunk(b"LIST", &info(b"INAM", "Tape"))
        .chunk(b"bext", &[b"a description".as_slice(), &[0; 600]].concat())
        .chunk(b"cue ", &cue([4000, 0, 12_000].into_iter()))
        .chunk(b"LIST", &label(0, "half a second"))
        .chunk(b"id3 ", b"no tag at all");
    let after = |file: Wav| file.chunk(b"LIST", &label(2, "late")).chunk(b"LIST", &info(b"IART", "Somebody"));
    let head = broken_in_the_middle(before, after, &options, &[]);
    for text in ["MOOD=calm", "TITLE=Tape", "a description", "CHAPTER002NAME=half a second", "late", "ARTIST=Somebody"]
    {
        assert!(head.contains(text), "{text}");
    }
}

#[test]
fn what_is_too_long_for_a_checkpoint_is_left_out_and_told() {
    let comment = info(b"ICMT", &"long ".repeat(500));
    let before = Wav::new()
        .chunk(b"LIST", &comment)
        .chunk(b"LIST", &info(b"INAM", "Short"))
        .chunk(b"LIST", &info(b"ICOP", &"rights ".repeat(200)))
        .chunk(b"cue ", &cue(0..240));
    let head = broken_in_the_middle(before, |file| file, &stream_options(), &["cue_sheet", "tags"]);
    assert!(head.contains("TITLE=Short") && head.contains("rights rights") && !head.contains("long long"));
    let mut options = stream_options();
    let png = [b"\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR\0\0\0\x01\0\0\0\x01\x08\x02".as_slice(), &[0; 200]].concat();
    options.metadata.pictures = vec![Picture::from_image(3, "", png).unwrap()];
    broken_in_the_middle(Wav::new(), |file| file, &options, &["pictures"]);
}

#[test]
fn a_long_stream_has_fewer_seek_points_then_and_says_so() {
    // At one sample a second, every block of 16 has a point.
    let input = Input::Pcm(PcmFormat::new(1, 1, 8).unwrap());
    let options = Options { input, block_size: 16, ..stream_options() };
    let pcm = vec![0x80; 16 * 400];
    let breaks = |at| Breaks { at: vec![(at, 0)], piece: 16, seed: 1 };
    for (at, lost) in [(16 * 60, &[][..]), (16 * 300, &["seek_table"])] {
        let (found, _) = broken(&pcm, &options, &breaks(at));
        let wanted = whole(&pcm, &options);
        assert_same("long", &found, &wanted);
        let (found, wanted) = (found.unwrap().1, wanted.unwrap().1);
        assert!(wanted.left_out.is_empty());
        assert_eq!(found.left_out, lost);
        let points = |head: &[u8]| -> Vec<Vec<u8>> {
            assert_eq!(head[42] & 0x7F, 3, "a seek table");
            let length = usize::from(head[44]) << 8 | usize::from(head[45]);
            head[46..46 + length].chunks(18).map(<[u8]>::to_vec).collect()
        };
        let (fewer, all) = (points(&found.head), points(&wanted.head));
        assert!(fewer.iter().all(|point| all.contains(point)), "each is right");
        assert_eq!(fewer.len() < all.len(), !lost.is_empty());
        assert!(fewer.len() > 20, "{}", fewer.len());
    }
}

#[test]
fn no_checkpoint_is_larger_than_its_bound() {
    let names: Vec<_> =
        (0..64_u32).map(|at| ([b'a', b'b', b'0' + (at / 10) as u8, b'0' + (at % 10) as u8], u64::MAX)).collect();
    let mut file = Wav::rf64(b"RF64", u64::MAX / 2, &names);
    for at in 0..200 {
        file = file.chunk(b"LIST", &info(b"IART", &format!("artist number {at}")));
    }
    let file = file.chunk(b"cue ", &cue(u32::MAX - 100..u32::MAX)).extensible(8, 1, 32, 0x63F);
    let mut file = file.head(b"data", u32::MAX).build();
    file.extend((0..16 * 32 * 3000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8));
    let mut conversion = Conversion::new(&Options { block_size: 16, ..stream_options() });
    conversion.push(&file, &mut Vec::new()).unwrap();
    let checkpoint = conversion.checkpoint().unwrap();
    sent(&checkpoint);
    let bytes = checkpoint.to_bytes().len();
    assert!((3000..=CHECKPOINT_BYTES).contains(&bytes), "{bytes}");
}

#[test]
fn the_checkpoint_of_an_ordinary_stream_is_small() {
    let input = Input::Pcm(PcmFormat::new(44_100, 2, 16).unwrap());
    let mut conversion = Conversion::new(&Options { input, ..stream_options() });
    let pcm = wav_pcm(&music(60 * 44_100, 2, 16, 3), 16);
    conversion.push(&pcm, &mut Vec::new()).unwrap();
    let bytes = conversion.checkpoint().unwrap().to_bytes().len();
    assert!(bytes < 200, "{bytes}");
}
