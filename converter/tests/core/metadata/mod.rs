//! What is kept beside the audio: blocks as `metaflac` reads them, tags as `ffmpeg` writes them, whole WAV files as
//! `flac --keep-foreign-metadata` restores them. The Debian packages `flac` and `ffmpeg` must be there.
//!
//! The audio is encoded by flac-codec here: these tests are about what stands before it.

mod blocks;
mod foreign;
mod restored;
mod tags;

use std::io::Cursor;
use std::path::Path;
use std::process::{Command, Output};

use converter::flac::{Fit, HeadParts, StreamInfo, build_head, mask_tag, mask_to_tell};
use converter::meta::{Collected, Collector, Metadata};
use converter::wav::{Format, Parser, Piece, Rules, Unpacker};
use flac_codec::encode::{FlacSampleWriter, Options};

/// What became of a WAV file.
pub struct Converted {
    pub flac: Vec<u8>,
    pub collected: Collected,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Reads a WAV file: what it says beside its audio, its format, and its samples as FLAC has them.
pub fn read(wav: &[u8], rules: Rules, mode: Metadata) -> Result<(Collected, Format, Vec<u8>), Failure> {
    let mut parser = Parser::new(rules);
    let mut collector = Collector::new(mode, 1 << 26);
    let (mut format, mut unpacker, mut samples) = (None, None, Vec::new());
    let mut take = |piece: Piece<'_>| -> Result<(), Failure> {
        collector.take(&piece)?;
        match (&piece, &mut unpacker) {
            (Piece::Format(found), _) => {
                format = Some(*found);
                unpacker = Some(Unpacker::new(found));
            }
            (Piece::Audio(bytes), Some(unpacker)) => unpacker.unpack(bytes, &mut samples)?,
            _ => {}
        }
        Ok(())
    };
    for bytes in wav.chunks(997) {
        parser.push(bytes, &mut take)?;
    }
    parser.finish(&mut take)?;
    Ok((collector.finish()?, format.ok_or("no format")?, samples))
}

/// Converts a WAV file.
pub fn convert(wav: &[u8], rules: Rules, mode: Metadata) -> Result<Converted, Failure> {
    let (collected, format, samples) = read(wav, rules, mode)?;
    let (info, frames) = encode(&format, &samples);
    let foreign = collected.foreign.as_ref();
    let told = foreign.and_then(|foreign| foreign.channel_mask);
    let mask = told.or_else(|| mask_to_tell(format.channels, format.channel_mask));
    let parts = HeadParts {
        comments: mask.map(mask_tag).into_iter().chain(collected.tags.clone()).collect(),
        applications: foreign.map(|foreign| foreign.applications.clone()).unwrap_or_default(),
        cue_sheet: collected.cue_sheet(info.total_samples),
        pictures: collected.pictures.clone(),
        ..HeadParts::of(info)
    };
    let head = build_head(&parts, Fit::Padding(100));
    assert!(head.left_out.is_empty());
    Ok(Converted { flac: [head.bytes, frames].concat(), collected })
}

/// The frames of samples, and STREAMINFO.
fn encode(format: &Format, samples: &[u8]) -> (StreamInfo, Vec<u8>) {
    let bytes = usize::from(format.bits_per_sample.div_ceil(8));
    let samples: Vec<i32> = samples
        .chunks_exact(bytes)
        .map(|sample| {
            let mut wide = if sample[bytes - 1] < 0x80 { [0; 4] } else { [0xFF; 4] };
            wide[..bytes].copy_from_slice(sample);
            i32::from_le_bytes(wide)
        })
        .collect();
    let mut file = Cursor::new(Vec::new());
    let options = Options::fast().no_padding().no_seektable();
    let (bits, channels) = (u32::from(format.bits_per_sample), format.channels);
    let mut writer = FlacSampleWriter::new(&mut file, options, format.sample_rate, bits, channels, None).unwrap();
    writer.write(&samples).unwrap();
    // it has no word for an empty stream, whose STREAMINFO is nonetheless there
    let _ = writer.finalize();
    let file = file.into_inner();
    let info = StreamInfo::from_bytes(file[8..42].try_into().unwrap());
    let mut at = 4;
    loop {
        let length = u32::from_be_bytes([0, file[at + 1], file[at + 2], file[at + 3]]) as usize;
        let last = file[at] & 0x80 != 0;
        at += 4 + length;
        if last {
            return (info, file[at..].to_vec());
        }
    }
}

/// Runs a program; it must be there.
pub fn run(program: &str, args: &[&str], folder: &Path) -> Output {
    let output = Command::new(program).args(args).current_dir(folder).output();
    output.unwrap_or_else(|error| panic!("{program}: {error}; these tests need the Debian packages flac and ffmpeg"))
}

/// Runs a program that must succeed; returns what it writes to standard output.
pub fn must(program: &str, args: &[&str], folder: &Path) -> String {
    let output = run(program, args, folder);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {}: {error}", args.join(" "));
    String::from_utf8(output.stdout).unwrap()
}
