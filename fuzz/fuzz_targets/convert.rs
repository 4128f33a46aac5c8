//! The whole conversion: what comes out decodes, with two decoders, to the samples of the file, or an error says why
//! not. However the input is cut, the bytes are the same.

#![no_main]

use arbitrary::Arbitrary;
use converter::convert::{Conversion, ConvertError, ErrorClass, Options, PcmFormat, Summary};
use converter::wav::{Format, Kind, ValidBits};
use converter_fuzz::choices::OptionsChoice;
use converter_fuzz::cuts::Cuts;
use converter_fuzz::judge::both;
use converter_fuzz::wav::{Truth, WavFile};
use libfuzzer_sys::fuzz_target;

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

/// Converts; the result has its final STREAMINFO.
fn convert(bytes: &[u8], options: &Options, cuts: Option<&Cuts>) -> Result<(Vec<u8>, Summary), ConvertError> {
    let mut conversion = Conversion::new(options);
    let mut flac = Vec::new();
    match cuts {
        Some(cuts) => cuts.feed(bytes, |piece| conversion.push(piece, &mut flac))?,
        None => conversion.push(bytes, &mut flac)?,
    }
    let summary = conversion.finish(&mut flac)?;
    flac[8..42].copy_from_slice(&summary.streaminfo);
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

fn check(bytes: &[u8], options: &Options, cuts: &Cuts) -> Option<(Vec<u8>, Summary)> {
    let whole = convert(bytes, options, None);
    let cut = convert(bytes, options, Some(cuts));
    match (whole, cut) {
        (Ok(whole), Ok(cut)) => {
            assert!(whole == cut, "cuts change the result");
            Some(whole)
        }
        (Err(whole), Err(cut)) => {
            assert_eq!(whole.to_string(), cut.to_string());
            let fault = [ErrorClass::Internal, ErrorClass::Output].contains(&whole.class());
            assert!(!fault, "{whole}");
            None
        }
        (whole, cut) => panic!("cuts change the outcome: {:?}, {:?}", whole.err(), cut.err()),
    }
}

fuzz_target!(|case: Case<'_>| {
    let repeated: Vec<u8>;
    let (bytes, truth, pcm) = match &case.input {
        Input::File(file) => (file.bytes.as_slice(), file.truth.clone(), None),
        Input::Bytes(bytes) => (*bytes, None, None),
        Input::Pcm { sample_rate, channels, bits, bytes, repeats } => {
            let Ok(format) = PcmFormat::new(*sample_rate % (1 << 20), (channels % 8 + 1).into(), (bits % 29 + 4).into())
            else {
                return;
            };
            repeated = bytes.repeat(usize::from(*repeats) + 1);
            (repeated.as_slice(), None, Some(format))
        }
    };
    let options = case.options.options(pcm);
    let Some((flac, summary)) = check(bytes, &options, &case.cuts) else { return };
    let audio = both(&flac);
    let Format { channels, sample_rate, bits_per_sample, encoding, .. } = summary.format;
    assert_eq!((audio.channels, audio.sample_rate, audio.bits_per_sample), (channels, sample_rate, bits_per_sample));
    let bytes_per_sample = usize::from(bits_per_sample.div_ceil(8));
    assert_eq!(summary.samples as usize * usize::from(channels) * bytes_per_sample, audio.pcm.len());
    assert_eq!(summary.bytes_out, flac.len() as u64);
    assert_eq!(summary.bytes_in, bytes.len() as u64);
    let declared = case.options.rules.rules().valid_bits == ValidBits::Declared || encoding.kind != Kind::SignedLow;
    if let Some(truth) = truth
        && declared
        && encoding.kind != Kind::Float
        && truth.valid_bits == bits_per_sample
    {
        assert_eq!((truth.channels, truth.sample_rate), (channels, sample_rate));
        let expected = samples(&truth);
        let found = audio.pcm.chunks_exact(bytes_per_sample).map(|bytes| {
            let mut value = [0; 8];
            value[8 - bytes.len()..].copy_from_slice(bytes);
            i64::from_le_bytes(value) >> (64 - 8 * bytes.len())
        });
        assert!(found.eq(expected), "other samples came out");
    }
});
