//! The signals that xiph/flac tests its own encoder with, through ours and back through the reference decoder.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use converter::convert::{Level, Options, Verify};

use crate::support::signals::{self, Signal};
use crate::support::{Wav, signed_pcm, wav_pcm};
use crate::tools::convert_with;

/// How many files one run of `flac` decodes.
const BATCH: usize = 400;

/// Converts these, verified, at these levels; `flac -d`, which checks the MD5 too, must give back every sample.
fn assert_all_come_back(signals: &[Signal], levels: &[u8]) {
    let names: BTreeSet<_> = signals.iter().map(|signal| &signal.name).collect();
    assert_eq!(names.len(), signals.len(), "some have the same name");
    let cases: Vec<_> = levels.iter().flat_map(|level| signals.iter().map(move |signal| (*level, signal))).collect();
    for batch in cases.chunks(BATCH) {
        let folder = tempfile::tempdir().unwrap();
        for (number, (level, signal)) in batch.iter().enumerate() {
            fs::write(folder.path().join(format!("{number}.flac")), encode(*level, signal)).unwrap();
        }
        let mut flac = Command::new("flac");
        flac.args(["--decode", "--silent", "--warnings-as-errors", "--force-raw-format"]);
        flac.args(["--endian=little", "--sign=signed"]).current_dir(folder.path());
        let output = flac.args((0..batch.len()).map(|number| format!("{number}.flac"))).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && told.is_empty(), "levels {levels:?}, {}…: {told}", signals[0].name);
        for (number, (level, signal)) in batch.iter().enumerate() {
            let decoded = fs::read(folder.path().join(format!("{number}.raw"))).unwrap();
            let wanted = signed_pcm(&signal.samples, signal.bits.into());
            assert!(decoded == wanted, "{} at level {level}: other samples", signal.name);
        }
    }
}

fn encode(level: u8, signal: &Signal) -> Vec<u8> {
    let Signal { name, channels, bits, rate, block_size, samples } = signal;
    let mut options = Options { level: Level::new(level).unwrap(), block_size: *block_size, ..Options::default() };
    options.verify = Verify::Yes;
    options.metadata.padding = 0;
    let wav = Wav::pcm(*channels, *rate, *bits, &wav_pcm(samples, (*bits).into()));
    let (flac, summary) = convert_with(&wav, &options).unwrap_or_else(|error| panic!("{name}, level {level}: {error}"));
    assert_eq!(summary.samples, (samples.len() / usize::from(*channels)) as u64, "{name}");
    flac
}

const ALL_LEVELS: [u8; 9] = [0, 1, 2, 3, 4, 5, 6, 7, 8];

#[test]
fn tiny_files_come_back_at_every_level() {
    assert_all_come_back(&signals::tiny(), &ALL_LEVELS);
}

#[test]
fn full_scale_deflection_comes_back_at_every_level() {
    assert_all_come_back(&signals::full_scale_deflection(), &ALL_LEVELS);
}

#[test]
fn wasted_bits_come_back_at_every_level() {
    assert_all_come_back(&signals::wasted_bits(), &ALL_LEVELS);
}

#[test]
fn sines_come_back() {
    assert_all_come_back(&signals::sines(), &[0, 5]);
}

#[test]
fn noise_in_short_blocks_comes_back() {
    assert_all_come_back(&signals::short_blocks(), &[0, 5, 8]);
}

#[test]
fn noise_in_blocks_beside_the_usual_sizes_comes_back() {
    assert_all_come_back(&signals::frame_headers(), &[2, 5]);
}

#[test]
fn noise_of_every_shape_comes_back() {
    assert_all_come_back(&signals::shapes(), &[0, 5, 8]);
}

#[test]
fn lengths_around_whole_blocks_come_back() {
    assert_all_come_back(&signals::fractions_of_blocks(), &[0, 5, 8]);
}
