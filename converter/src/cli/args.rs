//! What may be typed after `converter convert`, and its help. What the values do lives with the code that uses them.

use std::path::PathBuf;

use super::level::LevelArgs;
use super::pcm::PcmSpec;
use super::tag::Tag;
use crate::bytesize::ByteSize;
use crate::flac::Engine;
use crate::wav::{Float, Length, Rules, ValidBits};

/// The longest metadata block that FLAC can hold, in bytes (RFC 9639 §8.1: a length has 24 bits).
pub const LONGEST_BLOCK: u32 = (1 << 24) - 1;

const EXAMPLES: &str = "\
Examples:
  converter convert take1.wav                      writes take1.flac beside it
  converter convert take1.wav -o /archive/one.flac
  converter convert *.wav -o /archive --verify     each decoded again and compared
  converter convert -r Recordings -o Archive       a folder as a tree of the same shape
  converter convert -8 --threads 2 long.wav        smallest file, two of the cores
  converter convert --keep-foreign-metadata a.wav  converter restore makes the identical WAV again
  converter convert -T ARTIST=Bird --picture cover.jpg song.wav
  converter convert --json -r . | jq -r 'select(.status == \"failed\") | .input'

Pipes:
  ffmpeg -i in.mp4 -f wav - | converter convert - > out.flac
  arecord -f cd -d 60 | converter convert - -o mic.flac
  converter convert --pcm 48000:2:s16be - -o raw.flac < raw.pcm

A FLAC file sent to standard output cannot be gone back to: its header has no length, MD5 or seek table, and of a WAV from a pipe only the tags before the audio. Prefer -o FILE where you can.

While a file is written its name ends in .flac.part; it gets its own name when it is whole. Ctrl-C, SIGTERM and SIGHUP give up the file at hand and remove what there is of it; files that were finished before stay. To stop a recorder by Ctrl-C and keep what it recorded, let the converter ignore Ctrl-C:
  arecord -f cd | (trap '' INT; exec converter convert - -o mic.flac)

Exit codes:
  0              everything was converted
  1              an input failed, or its FLAC file is there already; all others were converted
  2              the command line is wrong; nothing was done
  130, 143, 129  stopped by Ctrl-C, SIGTERM, SIGHUP";

/// Convert WAV files, folders of them, or standard input to FLAC
#[derive(Debug, clap::Args)]
#[command(after_help = "More, with examples: --help", after_long_help = EXAMPLES)]
pub struct Args {
    /// WAV files; folders with --recursive; - is standard input
    #[arg(required = true, value_name = "INPUT")]
    pub(super) inputs: Vec<PathBuf>,

    #[command(flatten)]
    pub(super) input: InputArgs,

    #[command(flatten)]
    pub(super) output: OutputArgs,

    #[command(flatten)]
    pub(super) encoding: EncodingArgs,

    #[command(flatten)]
    pub(super) metadata: MetadataArgs,

    #[command(flatten)]
    pub(super) report: ReportArgs,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Input")]
pub struct InputArgs {
    /// Convert every WAV file in the folders named, and below
    ///
    /// Taken are names that end in .wav, .wave, .bwf, .rf64 or .w64, in upper or lower case. Hidden files and folders
    /// are left out, and links to folders are not followed.
    #[arg(short, long)]
    pub recursive: bool,

    #[command(flatten)]
    pub(super) rules: RuleArgs,

    /// The input is headerless audio of this format, as in 48000:2:16
    ///
    /// FORMAT is [s|u]BITS[/CONTAINER][le|be]: signed or unsigned, the bits that count, the bits that a sample takes,
    /// the order of its bytes. A plain number is what WAV files hold: little-endian, signed, but unsigned up to 8 bits.
    /// So 16, s16be, u8, 24/32, 20/24. Bits are at the top of their container, unless --valid-bits low says otherwise.
    #[arg(long, value_name = "RATE:CHANNELS:FORMAT", conflicts_with_all = ["length", "float"])]
    pub pcm: Option<PcmSpec>,
}

/// What is taken where an input leaves it open.
#[derive(Debug, clap::Args)]
pub struct RuleArgs {
    /// Where the audio ends if a WAV file's header and its length disagree
    #[arg(long, value_enum, default_value_t, value_name = "RULE")]
    pub length: LengthRule,

    /// Which bits of a sample count, if those that the header calls padding are not zero
    ///
    /// Such a file is refused without this, since its samples cannot be known.
    #[arg(long, value_enum, value_name = "WHICH")]
    pub valid_bits: Option<ValidBitsRule>,

    /// Take floating-point samples, rounded to integers of this many bits
    ///
    /// FLAC holds integers, so without this such a file is refused. Samples beyond full scale are clipped and counted.
    #[arg(long, value_enum, value_name = "BITS")]
    pub float: Option<FloatRule>,
}

impl RuleArgs {
    /// The parser's rules.
    pub fn rules(&self) -> Rules {
        rules(self.length, self.valid_bits, self.float)
    }
}

/// The parser's rules.
pub fn rules(length: LengthRule, valid_bits: Option<ValidBitsRule>, float: Option<FloatRule>) -> Rules {
    Rules {
        length: match length {
            LengthRule::Auto => Length::Auto,
            LengthRule::Header => Length::Header,
            LengthRule::Eof => Length::Eof,
        },
        valid_bits: match valid_bits {
            None => ValidBits::Declared,
            Some(ValidBitsRule::Container) => ValidBits::Container,
            Some(ValidBitsRule::Low) => ValidBits::Low,
        },
        float: match float {
            None => Float::Refuse,
            Some(FloatRule::To16) => Float::To16,
            Some(FloatRule::To24) => Float::To24,
        },
    }
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// File to write, a folder, or - for standard output [default: beside the input, named .flac]
    ///
    /// A name that ends in / is a folder, which is made if it is not there; so is any name if an input is a folder.
    #[arg(short, long, value_name = "OUT")]
    pub output: Option<PathBuf>,

    /// Replace files that are already there
    #[arg(short, long)]
    pub force: bool,

    /// Give the FLAC file the modification time of its source (the default)
    #[arg(long, overrides_with = "no_preserve_modtime")]
    pub preserve_modtime: bool,

    /// Give the FLAC file the time of its making
    #[arg(long, overrides_with = "preserve_modtime")]
    pub no_preserve_modtime: bool,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Encoding")]
pub struct EncodingArgs {
    #[command(flatten)]
    pub(super) level: LevelArgs,

    /// Which encoder makes the frames: native, portable or flacenc
    ///
    /// native is Flacship's own with the vector instructions of this CPU, and portable is the same one without them: it
    /// makes the same bytes, only more slowly. flacenc is the Rust crate of that name, for a second opinion: other bytes,
    /// the same audio.
    #[arg(long, value_name = "ENGINE", default_value_t)]
    pub engine: Engine,

    /// Threads that encode; 0 is one for each core. The bytes are the same with any number
    #[arg(short = 'j', long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=256))]
    pub threads: u16,

    /// Decode what was encoded and compare it with what was read, before the file gets its name
    #[arg(short = 'V', long)]
    pub verify: bool,

    /// Samples per channel in a block, 16 to 65535 [default: 4096]
    ///
    /// The streamable subset has 16384 at most, and 4608 up to 48 kHz.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(16..))]
    pub block_size: Option<u16>,

    /// What to do where FLAC's streamable subset, which every player can stream, cannot hold the audio
    #[arg(long, value_enum, default_value_t, value_name = "RULE")]
    pub subset: SubsetRule,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Metadata")]
pub struct MetadataArgs {
    /// What is kept of a WAV file beside its audio
    #[arg(long, value_enum, default_value_t, ignore_case = true, value_name = "WHAT")]
    pub metadata: MetadataRule,

    /// The same as --metadata foreign
    #[arg(long, conflicts_with = "metadata")]
    pub keep_foreign_metadata: bool,

    /// Add a tag, such as TITLE=Dawn; can be given many times
    #[arg(short = 'T', long = "tag", value_name = "NAME=VALUE")]
    pub tags: Vec<Tag>,

    /// Add a picture from a file; can be given many times
    #[arg(long = "picture", value_name = "FILE")]
    pub pictures: Vec<PathBuf>,

    /// Bytes kept free for tags to be edited without writing the file again
    #[arg(
        short = 'P', long, value_name = "BYTES", default_value_t = 8192,
        value_parser = clap::value_parser!(u32).range(..=i64::from(LONGEST_BLOCK))
    )]
    pub padding: u32,

    /// Most of one WAV file's metadata that is held in memory: bytes, or with Ki, Mi, Gi, Ti, k, M, G, T
    #[arg(long, value_name = "SIZE", default_value = "4Mi")]
    pub max_metadata: ByteSize,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Report")]
pub struct ReportArgs {
    /// Write one JSON object a line to standard output: one for each input, and a summary if there are several
    ///
    /// Where the FLAC file goes to standard output, the objects go to standard error instead, and nothing else does.
    ///
    /// The status of an input is converted, failed, skipped (its FLAC file is there already), or not_converted (a signal
    /// came before it was). The summary comes last, as {"summary": …}, where a folder or more than one input is named.
    #[arg(long)]
    pub json: bool,

    /// Write nothing but warnings and errors
    #[arg(short, long)]
    pub quiet: bool,
}

/// `--length`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LengthRule {
    /// The header's length if chunks or nothing follow; the end of the file if it is unknown; else refuse
    #[default]
    Auto,
    /// The header's length, whatever follows
    Header,
    /// The end of the file, whatever the header says
    Eof,
}

/// `--valid-bits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ValidBitsRule {
    /// All bits that a sample takes, whatever the header says
    Container,
    /// The lowest ones, as many as the header says (ALSA's S24_LE, say)
    Low,
}

/// `--float`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum FloatRule {
    /// 16 bits a sample
    #[value(name = "16")]
    To16,
    /// 24 bits a sample
    #[value(name = "24")]
    To24,
}

/// `--subset`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum SubsetRule {
    /// Convert it all the same, with a warning
    #[default]
    Prefer,
    /// Refuse it
    Strict,
}

/// `--metadata`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum MetadataRule {
    /// Titles and the like, pictures and cue points, as FLAC's own tags
    #[default]
    Tags,
    /// These, and every byte beside the audio, so that the identical WAV file can be made again
    Foreign,
}
