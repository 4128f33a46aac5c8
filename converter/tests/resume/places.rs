//! Where streams are broken off: at every byte of small inputs, in every file of the catalogue, after every block of a
//! longer one; and where there is nothing to go on from.

use std::num::NonZeroUsize;

use converter::convert::{Conversion, HeadPlace, Input, Metadata, Options, PcmFormat, Progress};

use crate::harness::{Breaks, assert_decodes, assert_same, broken, sent, stream_options, whole};
use crate::sounds::{Claim, Container, Form, Sound};
use crate::support::{Fixture, Wav, fixtures, music, wav_pcm};

const SMALL: Sound = Sound {
    form: Form::Wav { bytes: 2, low: false, container: Container::Riff, claim: Claim::Right },
    channels: 2,
    bits: 16,
    rate: 8_000,
    length: 70,
    loud: false,
    odd: 3,
    seed: 5,
};

#[test]
fn at_every_byte() {
    for container in [Container::Riff, Container::Rf64, Container::Wave64] {
        for claim in [Claim::Right, Claim::Zero, Claim::Unknown, Claim::TooLong, Claim::Header, Claim::Eof] {
            let sound = Sound { form: Form::Wav { bytes: 2, low: false, container, claim }, ..SMALL };
            let (input, mut options, samples) = sound.make();
            options.block_size = 16;
            let wanted = whole(&input, &options);
            let mut times = 0;
            for at in 0..=input.len() {
                let case = format!("{container:?}, {claim:?}, {at} of {}", input.len());
                let breaks = Breaks { at: vec![(at, 0), (at, 50), (at + 7, 3)], piece: 40, seed: 3 };
                let (found, resumed) = broken(&input, &options, &breaks);
                assert_same(&case, &found, &wanted);
                let (saved, summary) = found.unwrap();
                assert_decodes(&case, &saved, &summary, &samples);
                assert!(summary.left_out.is_empty(), "{case}");
                times += usize::from(resumed > 0);
            }
            assert!(times > samples.len() * 2, "{container:?}, {claim:?}: only {times} times");
        }
    }
}

#[test]
fn in_every_file_of_the_catalogue() {
    let mut resumptions = 0;
    for Fixture { name, bytes, rules, expected } in fixtures() {
        for block_size in [16, 500] {
            let options = Options { rules, block_size, ..stream_options() };
            let wanted = whole(&bytes, &options);
            let code = wanted.as_ref().err().map(converter::convert::ConvertError::code);
            assert_eq!(code, expected.as_ref().err().copied(), "{name}");
            for part in 0..=10 {
                let at = bytes.len() * part / 10;
                let breaks = Breaks { at: vec![(at, 0), (at, bytes.len() / 7)], piece: 333, seed: 8 };
                let (found, resumed) = broken(&bytes, &options, &breaks);
                assert_same(&format!("{name}, blocks of {block_size}, {at} of {}", bytes.len()), &found, &wanted);
                resumptions += resumed;
            }
        }
    }
    assert!(resumptions > 2000, "only {resumptions}");
}

#[test]
fn after_every_block_of_a_stream() {
    let samples = music(50 * 1152 + 77, 2, 24, 9);
    let pcm = wav_pcm(&samples, 24);
    let input = Input::Pcm(PcmFormat::new(44_100, 2, 24).unwrap());
    let options = Options { input, block_size: 1152, ..stream_options() };
    let at: Vec<_> = (0..50).map(|block| (block * 1152 * 6 + block * 97, block * 31)).collect();
    // With more threads there may be frames under way, and no checkpoint then.
    let threads = Options { threads: NonZeroUsize::new(3).unwrap(), ..options.clone() };
    let (by_threads, _) = broken(&pcm, &threads, &Breaks { at: at.clone(), piece: 2205, seed: 4 });
    assert_same("50 blocks, by threads", &by_threads, &whole(&pcm, &options));
    let (found, resumed) = broken(&pcm, &options, &Breaks { at, piece: 2205, seed: 4 });
    assert_eq!(resumed, 49, "nothing is known before the first byte");
    assert_same("50 blocks", &found, &whole(&pcm, &options));
    let (saved, summary) = found.unwrap();
    assert_decodes("50 blocks", &saved, &summary, &samples);
}

#[test]
fn nothing_is_sent_twice_and_nothing_is_missing() {
    let pcm = wav_pcm(&music(10_000, 1, 16, 2), 16);
    let file = Wav::new().fmt(1, 44_100, 16).chunk(b"data", &pcm).build();
    let mut conversion = Conversion::new(&stream_options());
    let mut saved = Vec::new();
    conversion.push(&file[..43], &mut saved).unwrap();
    assert_eq!(conversion.checkpoint(), None, "the header is not whole");
    conversion.push(&file[43..44], &mut saved).unwrap();
    let head = conversion.checkpoint().unwrap();
    assert_eq!((head.samples(), head.bytes_in(), head.bytes_out()), (0, 44, saved.len() as u64));
    conversion.push(&file[44..10_045], &mut saved).unwrap();
    let block = conversion.checkpoint().unwrap();
    assert_eq!((block.samples(), block.bytes_in(), block.bytes_out()), (4096, 44 + 8192, saved.len() as u64));
    let mut later = Vec::new();
    let mut resumed = Conversion::resume(&sent(&block));
    let (bytes_in, bytes_out) = (block.bytes_in(), block.bytes_out());
    assert_eq!(resumed.progress(), Progress { bytes_in, bytes_out, samples: 4096 });
    assert_eq!(resumed.format(), conversion.format());
    resumed.push(&file[44 + 8192..], &mut later).unwrap();
    resumed.finish(&mut later).unwrap();
    assert!(!later.starts_with(b"fLaC"));
}

#[test]
fn where_a_stream_cannot_be_gone_on_with_there_is_no_checkpoint() {
    let file = Wav::pcm(1, 44_100, 16, &[0; 10_000]);
    let checkpoint = |options: &Options| {
        let mut conversion = Conversion::new(options);
        conversion.push(&file, &mut Vec::new()).unwrap();
        conversion.checkpoint()
    };
    assert!(checkpoint(&stream_options()).is_some());
    for head in [HeadPlace::Held, HeadPlace::Rewritable, HeadPlace::Final] {
        assert_eq!(checkpoint(&Options { head, ..stream_options() }), None, "{head:?}");
    }
    let mut options = stream_options();
    options.metadata.keep = Metadata::Foreign;
    assert_eq!(checkpoint(&options), None);
    let mut conversion = Conversion::new(&stream_options());
    conversion.push(&[file.as_slice(), &[0xFF; 100]].concat(), &mut Vec::new()).unwrap_err();
    assert_eq!(conversion.checkpoint(), None, "it has failed");
}
