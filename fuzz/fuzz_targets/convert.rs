//! The whole conversion: what comes out decodes, with two decoders, to the samples of the file, or an error says why
//! not. However the input is cut, and whether it is looked through before, the bytes are the same. A file that was kept
//! whole is restored whole.

#![no_main]

use std::io::{self, Cursor};

use arbitrary::Arbitrary;
use converter::convert::{
    Conversion, ConvertError, ErrorClass, Format, HeadPlace, Length, Metadata, Options, Output, PcmFormat, Scan,
    Summary,
};
use converter::restore::{Proof, restore};
use converter::wav::{Kind, ValidBits};
use converter_fuzz::choices::OptionsChoice;
use converter_fuzz::cuts::Cuts;
use converter_fuzz::judge::{blocks, both};
use converter_fuzz::panics::let_engines_panic;
use converter_fuzz::wav::{Truth, WavFile};
use libfuzzer_sys::fuzz_target;
use md5::{Digest as _, Md5};

#[derive(Arbitrary, Debug)]
struct Case<'a> {
    options: OptionsChoice,
    cuts: Cuts,
    input: Input<'a>,
}

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    File(WavFile),
    Bytes(&'a [u8]),
    Pcm { sample_rate: u32, channels: u8, bits: u8, bytes: &'a [u8], repeats: u8 },
}

/// What a conversion handed out.
#[derive(Default, PartialEq)]
struct Flac {
    head: Vec<u8>,
    frames: Vec<u8>,
}

impl Output for Flac {
    fn head(&mut self, bytes: &[u8]) -> io::Result<()> {
        assert!(self.head.is_empty() && self.frames.is_empty(), "the head comes once and first");
        self.head.extend_from_slice(bytes);
        Ok(())
    }

    fn frame(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.frames.extend_from_slice(bytes);
        Ok(())
    }
}

type Converted = Result<(Flac, Summary), ConvertError>;

fn convert(bytes: &[u8], options: &Options, cuts: Option<&Cuts>) -> Converted {
    let mut conversion = Conversion::new(options);
    let mut flac = Flac::default();
    match cuts {
        Some(cuts) => cuts.feed(bytes, |piece| conversion.push(piece, &mut flac))?,
        // No bytes are no call, as from a reader.
        None if bytes.is_empty() => {}
        None => conversion.push(bytes, &mut flac)?,
    }
    let summary = conversion.finish(&mut flac)?;
    Ok((flac, summary))
}

/// As a file is converted: after a look through it.
fn convert_file(bytes: &[u8], options: &Options) -> Converted {
    let scan = Scan::of(&mut Cursor::new(bytes), options)?;
    let mut flac = Flac::default();
    let summary = Conversion::after(scan, options).run(bytes, &mut flac, &mut |_| {})?;
    Ok((flac, summary))
}

/// Every sample of an honest file, by the definition of left-justified PCM.
fn samples(truth: &Truth) -> Vec<i64> {
    let width = u32::from(truth.container_bytes) * 8;
    let whole = truth.audio.len() / (usize::from(truth.container_bytes) * usize::from(truth.channels))
        * usize::from(truth.channels);
    let containers = truth.audio.chunks_exact(truth.container_bytes.into()).take(whole);
    containers
        .map(|container| {
            let mut value = [0; 8];
            value[..container.len()].copy_from_slice(container);
            let unsigned = u64::from_le_bytes(value);
            let value = if width == 8 { unsigned ^ 0x80 } else { unsigned };
            (value << (64 - width)).cast_signed() >> (64 - u32::from(truth.valid_bits))
        })
        .collect()
}

/// An error must be the input's fault.
fn check_fault(error: &ConvertError) {
    assert!(![ErrorClass::Internal, ErrorClass::Output].contains(&error.class()), "{error}");
}

/// Converts whole and cut: the same.
fn check_cuts(bytes: &[u8], options: &Options, cuts: &Cuts) -> Option<(Flac, Summary)> {
    let whole = convert(bytes, options, None);
    let cut = convert(bytes, options, Some(cuts));
    match (whole, cut) {
        (Ok(whole), Ok(cut)) => {
            assert!(whole == cut, "cuts change the result");
            Some(whole)
        }
        (Err(whole), Err(cut)) => {
            assert_eq!(whole.to_string(), cut.to_string());
            check_fault(&whole);
            None
        }
        (whole, cut) => panic!("cuts change the outcome: {:?}, {:?}", whole.err(), cut.err()),
    }
}

/// Everything that the summary tells of the stream is so. Returns the file and its samples.
fn check_summary(flac: &Flac, summary: &Summary, options: &Options, bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
    match options.head {
        HeadPlace::Held => assert!(flac.head.is_empty()),
        HeadPlace::Rewritable => assert_eq!(flac.head.len(), summary.head_sent),
        HeadPlace::Reserved => assert_eq!(flac.head.len(), summary.head.len()),
        HeadPlace::Final => assert!(flac.head == summary.head),
    }
    blocks(&summary.head);
    if options.head != HeadPlace::Final {
        assert_eq!(summary.head[8..42], summary.streaminfo);
    }
    let file = [summary.head.as_slice(), &flac.frames].concat();
    let audio = both(&file);
    let Format { channels, sample_rate, bits_per_sample, .. } = summary.format;
    assert_eq!((audio.channels, audio.sample_rate, audio.bits_per_sample), (channels, sample_rate, bits_per_sample));
    let step = usize::from(channels) * usize::from(bits_per_sample.div_ceil(8));
    assert_eq!(summary.samples as usize * step, audio.pcm.len());
    assert_eq!(summary.md5, <[u8; 16]>::from(Md5::digest(&audio.pcm)));
    assert_eq!((summary.bytes_out, summary.bytes_in), (file.len() as u64, bytes.len() as u64));
    (file, audio.pcm)
}

/// A file that was kept whole comes back.
fn check_restored(file: &[u8], summary: &Summary, bytes: &[u8]) {
    let mut restored = Vec::new();
    match restore(file, &mut restored) {
        Ok(told) => {
            assert!(restored == bytes, "another file is restored");
            assert_eq!((told.bytes, told.proof), (bytes.len() as u64, Proof::Digest));
        }
        Err(error) => {
            let lost = summary.left_out.contains(&"foreign_metadata");
            assert!(lost, "the file was to be kept whole: {error}");
        }
    }
}

fuzz_target!(init: let_engines_panic(), |case: Case<'_>| {
    let repeated: Vec<u8>;
    let (bytes, truth, pcm) = match &case.input {
        Input::File(file) => (file.bytes.as_slice(), file.truth.clone(), None),
        Input::Bytes(bytes) => (*bytes, None, None),
        Input::Pcm { sample_rate, channels, bits, bytes, repeats } => {
            let format = PcmFormat::new(*sample_rate % (1 << 20), (channels % 8 + 1).into(), (bits % 29 + 4).into());
            let Ok(format) = format else { return };
            repeated = bytes.repeat(usize::from(*repeats) + 1);
            (repeated.as_slice(), None, Some(format))
        }
    };
    let options = case.options.options(pcm);
    let piped = check_cuts(bytes, &options, &case.cuts);
    let filed = convert_file(bytes, &options);
    if let Err(error) = &filed {
        check_fault(error);
        assert!(piped.is_none(), "a first look refuses what is converted without: {error}");
    }
    let foreign = options.metadata.keep == Metadata::Foreign && pcm.is_none();
    let mut samples = None;
    for (flac, summary) in piped.into_iter().chain(filed.ok()) {
        let (file, pcm) = check_summary(&flac, &summary, &options, bytes);
        if foreign {
            check_restored(&file, &summary, bytes);
        }
        if let Some(other) = &samples {
            assert!(*other == pcm, "a first look changes the samples");
        }
        let Format { channels, sample_rate, bits_per_sample, encoding, .. } = summary.format;
        let rules = case.options.rules.rules();
        let declared = rules.valid_bits == ValidBits::Declared || encoding.kind != Kind::SignedLow;
        // The other rule takes the chunks behind the audio for audio too.
        let ends = rules.length != Length::Eof;
        if let Some(truth) = &truth
            && declared
            && ends
            && encoding.kind != Kind::Float
            && truth.valid_bits == bits_per_sample
        {
            assert_eq!((truth.channels, truth.sample_rate), (channels, sample_rate));
            let found = pcm.chunks_exact(bits_per_sample.div_ceil(8).into()).map(|bytes| {
                let mut value = [0; 8];
                value[8 - bytes.len()..].copy_from_slice(bytes);
                i64::from_le_bytes(value) >> (64 - 8 * bytes.len())
            });
            assert!(found.eq(self::samples(truth)), "other samples came out");
        }
        samples = Some(pcm);
    }
});
