//! The reference decoder's word on what is written.

use std::process::Command;

use crate::support::{Wav, music, noise, wav_pcm};
use crate::tools::{assert_reference_agrees, convert, hound_wav, reference_decode};

#[test]
fn flac_decodes_every_size_and_channel_count() {
    for bits in [8_u16, 16, 24] {
        for channels in 1..=8_u16 {
            let samples = music(9000, channels.into(), bits.into(), u64::from(channels));
            let wav = hound_wav(&samples, channels, bits, 44_100);
            let (flac, _) = convert(&wav, (channels % 9) as u8).unwrap();
            assert_reference_agrees(&flac, &samples, bits.into());
        }
    }
}

#[test]
fn flac_decodes_every_level() {
    for level in 0..=8 {
        for samples in [music(30_000, 2, 16, 3), noise(30_000, 2, 16, 3)] {
            let (flac, _) = convert(&Wav::pcm(2, 44_100, 16, &wav_pcm(&samples, 16)), level).unwrap();
            assert_reference_agrees(&flac, &samples, 16);
        }
    }
}

#[test]
fn flac_decodes_every_block_edge() {
    for length in [0, 1, 15, 16, 63, 64, 4095, 4096, 4097, 8192, 8193] {
        let samples = music(length, 2, 24, 8);
        let (flac, _) = convert(&Wav::pcm(2, 96_000, 24, &wav_pcm(&samples, 24)), 5).unwrap();
        assert_reference_agrees(&flac, &samples, 24);
    }
}

#[test]
fn flac_decodes_every_rate() {
    let rates =
        [1, 9, 8_000, 11_025, 44_100, 95_800, 96_000, 176_400, 192_000, 384_000, 655_350, 65_537, 768_000, 1_048_575];
    for rate in rates {
        let samples = music(6000, 1, 16, 2);
        let (flac, summary) = convert(&Wav::pcm(1, rate, 16, &wav_pcm(&samples, 16)), 5).unwrap();
        assert_eq!(summary.format.sample_rate, rate);
        assert_reference_agrees(&flac, &samples, 16);
    }
}

#[test]
fn stream_info_is_what_flac_itself_would_write() {
    let folder = tempfile::tempdir().unwrap();
    let samples = music(50_001, 2, 16, 6);
    let wav = Wav::pcm(2, 44_100, 16, &wav_pcm(&samples, 16));
    let (ours, theirs) = (folder.path().join("ours.flac"), folder.path().join("theirs.flac"));
    std::fs::write(&ours, convert(&wav, 5).unwrap().0).unwrap();
    std::fs::write(folder.path().join("in.wav"), &wav).unwrap();
    let run = Command::new("flac").arg("--silent").arg("-o").arg(&theirs).arg(folder.path().join("in.wav")).status();
    assert!(run.expect("these tests need the reference encoder: apt-get install flac").success());
    let fields = |path: &std::path::Path| {
        let file = std::fs::read(path).unwrap();
        // block sizes; rate, channels, bits, samples; MD5. Frame sizes are the encoder's own.
        [file[8..12].to_vec(), file[18..42].to_vec()]
    };
    assert_eq!(fields(&ours), fields(&theirs));
}

#[test]
fn frame_sizes_in_stream_info_are_those_of_the_frames() {
    let samples = music(4096 * 9 + 100, 2, 16, 7);
    let wav = Wav::pcm(2, 44_100, 16, &wav_pcm(&samples, 16));
    let (flac, summary) = convert(&wav, 5).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.flac");
    std::fs::write(&path, &flac).unwrap();
    let analysis = Command::new("flac").args(["--analyze", "--stdout", "--silent"]).arg(&path).output().unwrap();
    let analysis = String::from_utf8(analysis.stdout).unwrap();
    let sizes: Vec<u32> = analysis
        .lines()
        .filter(|line| line.starts_with("frame="))
        .filter_map(|line| line.split('\t').find_map(|field| field.strip_prefix("bits=")))
        .map(|bits| bits.parse::<u32>().unwrap() / 8)
        .collect();
    assert_eq!(sizes.len(), 10);
    let field = |at: usize| {
        u32::from_be_bytes([0, summary.streaminfo[at], summary.streaminfo[at + 1], summary.streaminfo[at + 2]])
    };
    assert_eq!((Some(field(4)), Some(field(7))), (sizes.iter().min().copied(), sizes.iter().max().copied()));
}

#[test]
fn a_pipe_without_final_stream_info_still_decodes() {
    let samples = music(20_000, 2, 16, 1);
    let wav = Wav::pcm(2, 44_100, 16, &wav_pcm(&samples, 16));
    let options = converter::convert::Options::default();
    let mut flac = Vec::new();
    converter::convert::convert_reader(wav.as_slice(), &mut flac, &options, &mut |_| {}).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe.flac");
    std::fs::write(&path, &flac).unwrap();
    let test = Command::new("flac").args(["--test", "--silent"]).arg(&path).output().unwrap();
    assert!(test.status.success());
    assert!(String::from_utf8_lossy(&test.stderr).contains("MD5 signature since it was unset"));
    // With the final head in the place of the first one, nothing is missing.
    let (whole, summary) = convert(&wav, 5).unwrap();
    flac.splice(..summary.head_sent, summary.head.iter().copied());
    assert_eq!(flac, whole);
    std::fs::write(&path, &flac).unwrap();
    reference_decode(&path);
}
