//! What may be typed after `converter stream`, and its help.

use std::path::PathBuf;
use std::time::Duration;

use super::super::args::{RuleArgs, SubsetRule};
use super::super::pcm::PcmSpec;
use crate::bytesize::ByteSize;
use crate::client::Address;
use crate::flac::Level;

const EXAMPLES: &str = "\
Examples:
  converter stream http://localhost:8080 take1.wav take1.flac
  converter stream https://flac.example --token-file token take1.wav take1.flac
  arecord -f cd | converter stream http://localhost:8080 - mic.flac
  converter stream --pcm 48000:2:16 http://localhost:8080 - - < raw.pcm > raw.flac
  converter stream --realtime http://localhost:8080 take1.wav try.flac   as if it were recorded now

If the connection is lost, the stream goes on by itself, on any pod of the service: the service sends a signed token about every second, what was saved since is cut off, and the audio from there on is sent again. In the end the samples' MD5 that the service tells is compared with that of what was sent; if they differ, nothing is kept and the exit code is 1.

A file is read again where that is needed. Of a pipe the latest audio is kept (--buffer); when that is full, the pipe is not read until the service has made it safe. To standard output only what is safe is written, since it cannot be taken back: it comes about a second late, and its header has no length, MD5 or seek table. Prefer a file where you can.

While the file is written its name ends in .part; it gets its own name when it is whole. Ctrl-C, SIGTERM and SIGHUP give it up and remove it (or leave it, with --keep-partial). To stop a recorder by Ctrl-C and keep what it recorded, let the converter ignore Ctrl-C:
  arecord -f cd | (trap '' INT; exec converter stream http://localhost:8080 - mic.flac)

Exit codes:
  0              the FLAC file is whole, and holds what was sent
  1              it is not, or it is there already
  2              the command line is wrong; nothing was sent
  130, 143, 129  stopped by Ctrl-C, SIGTERM, SIGHUP";

/// Convert over a service's live stream: a file, or audio as it is recorded
#[derive(Debug, clap::Args)]
#[command(after_help = "More, with examples: --help", after_long_help = EXAMPLES)]
pub struct Args {
    /// The service, as in http://localhost:8080 or wss://flac.example/ws
    #[arg(value_name = "URL")]
    pub url: Address,

    /// WAV file, or - for standard input
    #[arg(value_name = "IN")]
    pub input: PathBuf,

    /// FLAC file to write, or - for standard output
    #[arg(value_name = "OUT")]
    pub output: PathBuf,

    #[command(flatten)]
    pub(super) audio: AudioArgs,

    #[command(flatten)]
    pub(super) saving: SavingArgs,

    #[command(flatten)]
    pub(super) encoding: EncodingArgs,

    #[command(flatten)]
    pub(super) connection: ConnectionArgs,

    #[command(flatten)]
    pub(super) report: ReportArgs,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Input")]
pub struct AudioArgs {
    /// Send only as fast as the audio would be recorded
    #[arg(long)]
    pub realtime: bool,

    /// Audio of a pipe that is kept to be sent again: bytes, or with Ki, Mi, Gi, k, M, G
    ///
    /// It should hold a few seconds, and more than what stands before the audio. It also bounds what is held back from
    /// standard output.
    #[arg(long, value_name = "SIZE", default_value = "16Mi", value_parser = buffer)]
    pub buffer: ByteSize,

    #[command(flatten)]
    pub rules: RuleArgs,

    /// The input is headerless audio of this format, as in 48000:2:16
    ///
    /// As for `converter convert`, but a service takes it only as WAV files hold it: little-endian, signed above 8 bits, in
    /// as few bytes as hold the bits.
    #[arg(long, value_name = "RATE:CHANNELS:BITS", conflicts_with_all = ["length", "float", "valid_bits"])]
    pub pcm: Option<PcmSpec>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Output")]
pub struct SavingArgs {
    /// Replace a file that is already there
    #[arg(short, long)]
    pub force: bool,

    /// Leave what came so far, named OUT.part, if the stream fails or a signal ends it
    ///
    /// It plays up to where it ends, but its header does not know its length. The next run to OUT writes over it.
    #[arg(long)]
    pub keep_partial: bool,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Encoding")]
pub struct EncodingArgs {
    /// Compression level, 0 (fastest) to 8 (smallest) [default: the service's]
    #[arg(long, value_name = "0-8")]
    pub level: Option<Level>,

    /// Samples per channel in a block, 16 to 65535 [default: the service's]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(16..))]
    pub block_size: Option<u16>,

    /// Have the service decode each frame and compare it, and decode the file again here before it gets its name
    #[arg(short = 'V', long)]
    pub verify: bool,

    /// What to do where FLAC's streamable subset, which every player can stream, cannot hold the audio
    #[arg(long, value_enum, default_value_t, value_name = "RULE")]
    pub subset: SubsetRule,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Connection")]
pub struct ConnectionArgs {
    /// File whose first line is the token that the service asks for; it is read again for each connection
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// File with certificates (PEM) of authorities to trust beside the system's, for https and wss
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,

    /// How long to try to get a lost connection back, or a first one: 30s, 5m; 0s gives up at once
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = time)]
    pub reconnect_timeout: Duration,

    /// How many attempts in a row may bring nothing [default: as many as the time allows]
    #[arg(long, value_name = "N")]
    pub retries: Option<u32>,

    /// Most audio in one message
    #[arg(long, value_name = "SIZE", default_value = "64Ki", value_parser = message_size)]
    pub message_size: ByteSize,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Report")]
pub struct ReportArgs {
    /// Write one JSON object to standard output, or to standard error where the FLAC goes to standard output
    #[arg(long)]
    pub json: bool,

    /// Write nothing but warnings and errors
    #[arg(short, long)]
    pub quiet: bool,
}

fn time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no time; write for example 30s, 5m or 1m30s");
    text.trim().parse::<jiff::SignedDuration>().map_err(|_| wrong())?.try_into().map_err(|_| wrong())
}

fn buffer(text: &str) -> Result<ByteSize, String> {
    at_least(text, 64 << 10)
}

fn message_size(text: &str) -> Result<ByteSize, String> {
    // What is larger no service takes.
    at_least(text, 1).map(|size| ByteSize(size.0.min(1 << 30)))
}

fn at_least(text: &str, least: u64) -> Result<ByteSize, String> {
    let size: ByteSize = text.parse().map_err(|error: crate::bytesize::ByteSizeError| error.to_string())?;
    if size.0 < least { Err(format!("it is at least {}", ByteSize(least))) } else { Ok(size) }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Probe {
        #[command(flatten)]
        args: Args,
    }

    fn parse(flags: &[&str]) -> Result<Args, String> {
        let given = ["probe", "http://localhost", "in.wav", "out.flac"].iter().chain(flags);
        Probe::try_parse_from(given).map(|probe| probe.args).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_said_means_the_defaults() {
        let args = parse(&[]).unwrap();
        assert_eq!((args.audio.buffer.0, args.connection.message_size.0), (16 << 20, 64 << 10));
        assert_eq!((args.connection.retries, args.connection.reconnect_timeout), (None, Duration::from_mins(2)));
        assert_eq!((args.encoding.level, args.encoding.block_size, args.encoding.verify), (None, None, false));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (flags, word) in [
            (["--buffer", "1Ki"], "at least 64 KiB"),
            (["--message-size", "0"], "at least 1"),
            (["--reconnect-timeout", "soon"], "30s"),
            (["--pcm", "48000"], "RATE:CHANNELS:FORMAT"),
            (["--level", "9"], "level"),
        ] {
            let told = parse(&flags).unwrap_err();
            assert!(told.contains(word), "{told}");
        }
        assert!(parse(&["--pcm", "48000:2:16", "--float", "16"]).is_err());
        let bare = Probe::try_parse_from(["probe", "localhost:8080", "a", "b"]).unwrap_err().to_string();
        assert!(bare.contains("http://localhost:8080"), "{bare}");
    }
}
