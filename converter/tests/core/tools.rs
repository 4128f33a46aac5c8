//! Helpers of these tests: conversions, WAV files by `hound`, the reference decoder.

use std::io::Cursor;
use std::path::Path;
use std::process::Command;

use converter::convert::{ConvertError, Level, Options, Summary, convert_reader};

use crate::support::signed_pcm;

/// Converts in memory; the result has its final head.
pub fn convert(input: &[u8], level: u8) -> Result<(Vec<u8>, Summary), ConvertError> {
    convert_with(input, &Options { level: Level::new(level).unwrap(), ..Options::default() })
}

/// The same with any options.
pub fn convert_with(input: &[u8], options: &Options) -> Result<(Vec<u8>, Summary), ConvertError> {
    let mut flac = Vec::new();
    let summary = convert_reader(input, &mut flac, options, &mut |_| {})?;
    flac.splice(..summary.head_sent, summary.head.iter().copied());
    Ok((flac, summary))
}

/// A WAV file as `hound` writes it.
pub fn hound_wav(samples: &[i32], channels: u16, bits: u16, rate: u32) -> Vec<u8> {
    let spec =
        hound::WavSpec { channels, sample_rate: rate, bits_per_sample: bits, sample_format: hound::SampleFormat::Int };
    let mut file = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut file, spec).unwrap();
    for sample in samples {
        writer.write_sample(*sample).unwrap();
    }
    writer.finalize().unwrap();
    file.into_inner()
}

/// `flac -t`, and what `flac -d` gets out of a file: signed, little-endian, interleaved. Fails if either complains.
pub fn reference_decode(path: &Path) -> Vec<u8> {
    let test = flac(&["--test"], path);
    assert!(
        test.stderr.is_empty() && test.status.success(),
        "flac -t {}: {}",
        path.display(),
        String::from_utf8_lossy(&test.stderr)
    );
    let decode = flac(&["--decode", "--stdout", "--force-raw-format", "--endian=little", "--sign=signed"], path);
    assert!(decode.status.success(), "flac -d {}: {}", path.display(), String::from_utf8_lossy(&decode.stderr));
    decode.stdout
}

fn flac(args: &[&str], path: &Path) -> std::process::Output {
    Command::new("flac")
        .args(["--silent"])
        .args(args)
        .arg(path)
        .output()
        .expect("these tests need the reference decoder: apt-get install flac")
}

/// Checks a file without samples, which STREAMINFO cannot tell from an unknown number: flac says so.
fn assert_reference_takes_empty(path: &Path) {
    let test = flac(&["--test"], path);
    let told = String::from_utf8_lossy(&test.stderr);
    assert!(test.status.success() && told.contains("total number of samples since it was unset"), "{told}");
}

/// Checks a file with the reference decoder against the samples that went in.
pub fn assert_reference_agrees(flac: &[u8], samples: &[i32], bits: u32) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.flac");
    std::fs::write(&path, flac).unwrap();
    if samples.is_empty() {
        assert_reference_takes_empty(&path);
    } else {
        assert!(reference_decode(&path) == signed_pcm(samples, bits), "flac -d gives other samples");
    }
}
