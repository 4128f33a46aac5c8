//! Tests of the one path as a whole.

use super::*;
use crate::support::{Wav, music, wav_pcm};

fn options(length: Length) -> Options {
    Options { rules: Rules { length, ..Rules::default() }, ..Options::default() }
}

#[test]
fn a_conversion_can_move_between_threads() {
    fn assert_send<T: Send>() {}
    assert_send::<Conversion>();
    assert_send::<ConvertError>();
}

#[test]
fn every_split_gives_the_same_bytes() {
    let pcm = wav_pcm(&music(10_000, 2, 16, 1), 16);
    let file = Wav::new().fmt(2, 44_100, 16).chunk(b"LIST", b"odd").chunk(b"data", &pcm).chunk(b"id3 ", b"x").build();
    let mut whole = Vec::new();
    let summary = convert_reader(file.as_slice(), &mut whole, &Options::default(), &mut |_| {}).unwrap();
    assert_eq!(whole.len() as u64, summary.bytes_out);
    for size in [1, 2, 3, 7, 1000, 4096, 16_384, 40_000] {
        let mut conversion = Conversion::new(&Options::default());
        let mut out = Vec::new();
        for piece in file.chunks(size) {
            conversion.push(piece, &mut out).unwrap();
            conversion.push(&[], &mut out).unwrap();
        }
        assert_eq!(conversion.finish(&mut out).unwrap(), summary, "pieces of {size}");
        assert_eq!(out, whole, "pieces of {size}");
    }
}

#[test]
fn format_and_frames_come_as_soon_as_they_can() {
    let mut conversion = Conversion::new(&Options::default());
    let mut out = Vec::new();
    let header = Wav::new().fmt(1, 48_000, 16).head(b"data", u32::MAX).build();
    conversion.push(&header[..header.len() - 1], &mut out).unwrap();
    assert_eq!((conversion.format(), out.len()), (None, 0));
    conversion.push(&header[header.len() - 1..], &mut out).unwrap();
    assert_eq!(conversion.format().unwrap().sample_rate, 48_000);
    let head = out.len();
    assert!(out.starts_with(b"fLaC"));
    conversion.push(&[1; 8191], &mut out).unwrap();
    assert_eq!(out.len(), head, "a block is not full");
    conversion.push(&[1; 1], &mut out).unwrap();
    assert!(out.len() > head, "the frame comes with the block's last byte");
    let progress = conversion.progress();
    assert_eq!(progress, Progress { bytes_in: 44 + 8192, bytes_out: out.len() as u64, samples: 4096 });
}

#[test]
fn the_head_of_a_pipe_tells_nothing_that_is_only_claimed() {
    let file = Wav::pcm(2, 44_100, 16, &[0; 4000]);
    let mut out = Vec::new();
    let summary = convert_reader(file.as_slice(), &mut out, &Options::default(), &mut |_| {}).unwrap();
    assert_eq!(summary.samples, 1000);
    let told = &out[crate::flac::STREAM_INFO_AT];
    assert_eq!(told[4..10], [0; 6], "frame sizes");
    assert_eq!(told[14..], [0; 20], "total samples and MD5");
    assert_eq!(told[..4], summary.streaminfo[..4], "block sizes");
}

#[test]
fn after_an_error_the_conversion_is_over() {
    let mut conversion = Conversion::new(&Options::default());
    let mut out = Vec::new();
    assert_eq!(conversion.push(b"no wav at all", &mut out).unwrap_err().code(), "not_wav");
    assert!(matches!(conversion.push(b"RIFF", &mut out), Err(ConvertError::Finished)));
    assert!(matches!(conversion.finish(&mut out), Err(ConvertError::Finished)));
    assert!(out.is_empty());
}

#[test]
fn raw_pcm_is_what_the_same_wav_is() {
    for bits in [8_u16, 16, 24] {
        let pcm = wav_pcm(&music(5000, 2, bits.into(), 2), bits.into());
        let mut from_wav = Vec::new();
        let wav = Wav::pcm(2, 44_100, bits, &pcm);
        convert_reader(wav.as_slice(), &mut from_wav, &Options::default(), &mut |_| {}).unwrap();
        let mut raw = Vec::new();
        let input = Input::Pcm(PcmFormat::new(44_100, 2, bits).unwrap());
        let options = Options { input, ..Options::default() };
        let summary = convert_reader(pcm.as_slice(), &mut raw, &options, &mut |_| {}).unwrap();
        assert_eq!(raw, from_wav);
        assert_eq!(summary.samples, 5000);
        let empty = convert_reader([].as_slice(), &mut raw, &options, &mut |_| {}).unwrap_err();
        assert_eq!(empty.code(), "empty_input");
    }
    assert_eq!(PcmFormat::new(44_100, 9, 16).unwrap_err().code(), "unsupported_channels");
    assert_eq!(PcmFormat::new(0, 1, 16).unwrap_err().code(), "unsupported_rate");
    assert_eq!(PcmFormat::new(44_100, 1, 33).unwrap_err().code(), "unsupported_bits");
}

#[test]
fn warnings_and_subset() {
    let codes = |file: &[u8], length| {
        let summary = convert_reader(file, &mut Vec::new(), &options(length), &mut |_| {}).unwrap();
        (summary.warnings.iter().map(Warning::code).collect::<Vec<_>>(), summary.subset)
    };
    let plain = Wav::pcm(1, 44_100, 16, &[0; 100]);
    assert_eq!(codes(&plain, Length::Auto), (vec![], true));
    let odd = Wav::pcm(1, 44_100, 16, &[0; 101]);
    assert_eq!(codes(&odd, Length::Auto), (vec!["partial_sample"], true));
    let fast = Wav::pcm(1, 700_000, 16, &[0; 100]);
    assert_eq!(codes(&fast, Length::Auto), (vec!["rate_outside_subset"], false));
    let tens = Wav::pcm(1, 384_000, 16, &[0; 100]);
    assert_eq!(codes(&tens, Length::Auto), (vec![], true));
    let mask = Wav::new().extensible(4, 44_100, 16, 0x107).chunk(b"data", &[0; 80]).build();
    assert_eq!(codes(&mask, Length::Auto), (vec!["mask_outside_subset"], false));
    let longer = Wav::new().fmt(1, 44_100, 16).head(b"data", 50).raw(&[0; 100]).build();
    assert_eq!(codes(&longer, Length::Header), (vec!["ignored_bytes"], true));
    assert_eq!(codes(&longer, Length::Eof), (vec![], true));
}

#[test]
fn failing_readers_and_outputs_are_told_apart() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("cable pulled"))
        }
    }
    impl Output for Failing {
        fn head(&mut self, _: &[u8]) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn frame(&mut self, _: &[u8]) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }
    let error = convert_reader(Failing, &mut Vec::new(), &Options::default(), &mut |_| {}).unwrap_err();
    assert_eq!((error.code(), error.class()), ("input", ErrorClass::Input));
    assert!(error.to_string().contains("cable pulled"));
    let file = Wav::pcm(1, 44_100, 16, &[0; 100]);
    let error = convert_reader(file.as_slice(), &mut Failing, &Options::default(), &mut |_| {}).unwrap_err();
    assert_eq!((error.code(), error.class()), ("output", ErrorClass::Output));
}

#[test]
fn classes_follow_codes() {
    for (file, code, class) in [
        (vec![], "empty_input", ErrorClass::Malformed),
        (b"RIFF".to_vec(), "truncated_header", ErrorClass::Malformed),
        (b"hello, world!".to_vec(), "not_wav", ErrorClass::NotWav),
        (b"RF64\0\0\0\0WAVE".to_vec(), "truncated_header", ErrorClass::Malformed),
        (b"RIFX\0\0\0\0WAVE".to_vec(), "unsupported_encoding", ErrorClass::Unsupported),
        (Wav::pcm(9, 44_100, 16, &[]), "unsupported_channels", ErrorClass::Unsupported),
        (Wav::pcm(1, 0, 16, &[]), "unsupported_rate", ErrorClass::Unsupported),
        (Wav::pcm(1, 44_100, 40, &[]), "unsupported_bits", ErrorClass::Unsupported),
        (Wav::new().head(b"data", 0).build(), "contradicting_header", ErrorClass::Contradiction),
    ] {
        let error = convert_reader(file.as_slice(), &mut Vec::new(), &Options::default(), &mut |_| {}).unwrap_err();
        assert_eq!((error.code(), error.class()), (code, class), "{error}");
    }
}

#[test]
fn a_held_head_comes_last_and_is_the_one_that_a_file_gets() {
    let pcm = wav_pcm(&music(50_000, 2, 16, 9), 16);
    let file = Wav::new().fmt(2, 44_100, 16).chunk(b"data", &pcm).chunk(b"LIST", b"INFOINAM\x04\0\0\0Tape").build();
    let run = |head, scan: bool| {
        let options = Options { head, ..Options::default() };
        let scan = if scan { Scan::of(&mut io::Cursor::new(&file), &options).unwrap() } else { None };
        let mut out = Vec::new();
        let summary = Conversion::after(scan, &options).run(file.as_slice(), &mut out, &mut |_| {}).unwrap();
        let frames = out.split_off(if head == HeadPlace::Held { 0 } else { summary.head_sent });
        assert_eq!(summary.bytes_out, (summary.head.len() + frames.len()) as u64);
        (summary, out, frames)
    };
    let (held, nothing, frames) = run(HeadPlace::Held, false);
    assert!(nothing.is_empty() && held.left_out.is_empty());
    assert!(String::from_utf8_lossy(&held.head).contains("TITLE=Tape"));
    let (scanned, first, same) = run(HeadPlace::Rewritable, true);
    assert_eq!((&scanned.head, &same), (&held.head, &frames), "a scan reserves exactly what is needed");
    assert_eq!(first.len(), scanned.head.len());
    for (head, scan, fits) in [(HeadPlace::Rewritable, false, true), (HeadPlace::Reserved, false, true)] {
        let (summary, first, same) = run(head, scan);
        assert_eq!((first.len() == summary.head.len(), &same), (fits, &frames));
        assert!(String::from_utf8_lossy(&summary.head).contains("TITLE=Tape"));
    }
    let (piped, first, same) = run(HeadPlace::Final, false);
    assert_eq!((&piped.head, &same), (&first, &frames));
    assert_eq!(piped.left_out, ["frame_sizes", "total_samples", "md5", "seek_table", "tags"]);
    let (piped, first, _) = run(HeadPlace::Final, true);
    assert_eq!(piped.left_out, ["frame_sizes", "total_samples", "md5", "seek_table"]);
    assert!(String::from_utf8_lossy(&first).contains("TITLE=Tape"));
}

#[test]
fn a_head_that_proves_too_small_grows_or_says_what_it_left_out() {
    let pcm = wav_pcm(&music(5_000, 1, 16, 9), 16);
    let mut comment = b"INFOICMT\0\x10\0\0".to_vec();
    comment.extend([b'x'; 4096]);
    let file = Wav::new().fmt(1, 44_100, 16).chunk(b"data", &pcm).chunk(b"LIST", &comment).build();
    for (head, left_out) in [(HeadPlace::Rewritable, &[][..]), (HeadPlace::Reserved, &["seek_table", "tags"])] {
        let mut options = Options { head, ..Options::default() };
        options.metadata.padding = 1024;
        let summary = convert_reader(file.as_slice(), &mut Vec::new(), &options, &mut |_| {}).unwrap();
        assert_eq!(summary.left_out, left_out);
        assert_eq!(summary.head.len() > summary.head_sent, head == HeadPlace::Rewritable);
        let told = summary.warnings.iter().map(Warning::code).collect::<Vec<_>>();
        assert_eq!(told.contains(&"left_out"), head == HeadPlace::Reserved);
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let file = Wav::pcm(2, 44_100, 24, &wav_pcm(&music(100_000, 2, 24, 3), 24));
    let run = |threads| {
        let threads = std::num::NonZeroUsize::new(threads).unwrap();
        let options = Options { threads, verify: Verify::Yes, ..Options::default() };
        let mut out = Vec::new();
        let summary = convert_reader(file.as_slice(), &mut out, &options, &mut |_| {}).unwrap();
        (summary, out)
    };
    let one = run(1);
    for threads in [2, 3, 16] {
        assert!(run(threads) == one, "{threads} threads");
    }
}

#[test]
fn what_the_subset_cannot_tell_is_refused_if_nothing_else_is_wanted() {
    let options = |block_size, subset| Options { block_size, subset, ..Options::default() };
    let code = |file: &[u8], options: &Options| {
        convert_reader(file, &mut Vec::new(), options, &mut |_| {})
            .map(|summary| summary.subset)
            .map_err(|error| error.code())
    };
    let plain = Wav::pcm(1, 44_100, 16, &[0; 100]);
    assert_eq!(code(&plain, &options(4096, Subset::Strict)), Ok(true));
    assert_eq!(code(&plain, &options(8192, Subset::Strict)), Err("outside_subset"));
    assert_eq!(code(&plain, &options(8192, Subset::Prefer)), Ok(false));
    let odd = Wav::pcm(1, 44_100, 14, &[0; 100]);
    assert_eq!(code(&odd, &options(4096, Subset::Strict)), Err("outside_subset"));
}

/// Found by fuzzing: what a first look passed over was missing in the head, or stored as zeros.
#[test]
fn what_is_kept_whole_in_a_final_head_can_be_restored() {
    for (bits, length) in [(16, 24), (16, 4001), (24, 200_000), (24, 200_005)] {
        let pcm: Vec<u8> = wav_pcm(&music(60_000, 2, bits.into(), 4), bits.into()).into_iter().take(length).collect();
        let file =
            Wav::new().fmt(2, 44_100, bits).chunk(b"data", &pcm).chunk(b"LIST", b"INFOINAM\x04\0\0\0Tape").build();
        let mut options = Options { head: HeadPlace::Final, ..Options::default() };
        options.metadata.keep = Metadata::Foreign;
        let scan = Scan::of(&mut io::Cursor::new(&file), &options).unwrap();
        let mut flac = Vec::new();
        Conversion::after(scan, &options).run(file.as_slice(), &mut flac, &mut |_| {}).unwrap();
        let mut restored = Vec::new();
        let told = crate::restore::restore(flac.as_slice(), &mut restored).unwrap();
        assert!(restored == file, "{bits} bits, {length} bytes");
        assert_eq!(told.proof, crate::restore::Proof::Digest);
    }
}
