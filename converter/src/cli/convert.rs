//! `converter convert`: files and pipes.

use std::fs;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use super::level::LevelArgs;
use super::report;
use super::targets::{Place, PlanError, Task, plan_tasks};
use crate::convert::{ConvertError, Input, Length, Options, Output, PcmFormat, Progress, Summary, convert_reader};
use crate::file::{Existing, FileError, FileOptions, Verify, convert_file, convert_to_file};

const EXAMPLES: &str = "\
Examples:
  converter convert take1.wav                     writes take1.flac beside it
  converter convert take1.wav -o /archive/one.flac
  converter convert *.wav -o /archive --verify    each decoded again and compared
  converter convert -8 long.wav -o small.flac     smallest file
  arecord -f cd | converter convert - -o mic.flac
  ffmpeg -i in.mp4 -f wav - | converter convert - > out.flac
  converter convert --pcm 48000:2:16 - -o raw.flac < raw.pcm

A FLAC file sent to standard output cannot be gone back to: its header then says \"length unknown\" and has no MD5.
Prefer -o FILE where you can.

Exit codes: 0 everything was converted; 1 an input failed (the others were still converted); 2 the command line is
wrong.";

/// Convert WAV files, or standard input, to FLAC
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[allow(clippy::struct_excessive_bools)] // each is a flag of its own
pub struct Args {
    /// WAV files; - is standard input
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,

    /// File to write, a folder for it, or - for standard output [default: beside the input, named .flac]
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,

    #[command(flatten)]
    level: LevelArgs,

    /// Decode each written file again and compare it with what was read, before it gets its name
    #[arg(short = 'V', long)]
    verify: bool,

    /// Replace files that are already there
    #[arg(short, long)]
    force: bool,

    /// Where the audio ends if a WAV file's header and its length disagree
    #[arg(long, value_enum, default_value_t, value_name = "RULE")]
    length: LengthRule,

    /// The input is headerless PCM: little-endian, interleaved, signed (8 bits: unsigned)
    #[arg(long, value_name = "RATE:CHANNELS:BITS", value_parser = parse_pcm, conflicts_with = "length")]
    pcm: Option<PcmFormat>,

    /// Write one JSON object for each input to standard output
    #[arg(long)]
    json: bool,

    /// Write nothing but warnings and errors
    #[arg(short, long)]
    quiet: bool,
}

/// `--length`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum LengthRule {
    /// The header's length if chunks or nothing follow; the end of the file if it is unknown; else refuse
    #[default]
    Auto,
    /// The header's length, whatever follows
    Header,
    /// The end of the file, whatever the header says
    Eof,
}

impl From<LengthRule> for Length {
    fn from(rule: LengthRule) -> Self {
        match rule {
            LengthRule::Auto => Self::Auto,
            LengthRule::Header => Self::Header,
            LengthRule::Eof => Self::Eof,
        }
    }
}

/// A mistake on the command line that clap cannot see.
#[derive(Debug, thiserror::Error)]
enum UsageError {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error("--verify needs a file that it can read again: name one with -o")]
    VerifyStandard,
    #[error("--json and the FLAC file cannot both go to standard output: name a file with -o")]
    JsonStandard,
    #[error("standard output is a terminal: send it to a file or a program, or name a file with -o")]
    Terminal,
}

/// Runs `converter convert`.
pub fn run(args: &Args) -> ExitCode {
    let tasks = match plan(args) {
        Ok(tasks) => tasks,
        Err(error) => {
            eprintln!("error: {error}\n\nFor more information, try '--help'.");
            return ExitCode::from(2);
        }
    };
    let failed = tasks.iter().filter(|task| run_task(task, args).is_err()).count();
    if failed > 0 && tasks.len() > 1 {
        eprintln!("{failed} of {} inputs failed", tasks.len());
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn plan(args: &Args) -> Result<Vec<Task>, UsageError> {
    let tasks = plan_tasks(&args.inputs, args.output.as_deref(), &Path::is_dir)?;
    if tasks.iter().any(|task| task.output == Place::Standard) {
        if args.verify {
            return Err(UsageError::VerifyStandard);
        }
        if args.json {
            return Err(UsageError::JsonStandard);
        }
        if io::stdout().is_terminal() {
            return Err(UsageError::Terminal);
        }
    }
    Ok(tasks)
}

/// Converts one input and tells how it went. The error has been told already.
fn run_task(task: &Task, args: &Args) -> Result<(), ()> {
    let (name, target) = (display(&task.input, "standard input"), display(&task.output, "standard output"));
    let size = match &task.input {
        Place::File(path) => fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|meta| meta.len()),
        Place::Standard => None,
    };
    let bar = if args.quiet { indicatif::ProgressBar::hidden() } else { report::progress_bar(&name, size) };
    let started = Instant::now();
    let result = convert(task, args, &mut |progress| report::show(&bar, progress));
    bar.finish_and_clear();
    let took = started.elapsed();
    match result {
        Ok(summary) => {
            for warning in &summary.warnings {
                eprintln!("{name}: warning: {warning}");
            }
            if args.json {
                println!("{}", report::json(&name, &target, &summary, took));
            } else if !args.quiet {
                eprintln!("{}", report::human(&name, &target, &summary, took));
            }
            Ok(())
        }
        Err(error) => {
            eprintln!("{name}: error: {error}");
            if args.json {
                println!("{}", report::json_error(&name, error.code(), &error.to_string()));
            }
            Err(())
        }
    }
}

fn convert(task: &Task, args: &Args, progress: &mut dyn FnMut(Progress)) -> Result<Summary, FileError> {
    let options = Options {
        level: args.level.level,
        input: args.pcm.map_or(Input::Auto, Input::Pcm),
        length: args.length.into(),
    };
    let file_options = FileOptions {
        convert: options,
        verify: if args.verify { Verify::Yes } else { Verify::No },
        existing: if args.force { Existing::Replace } else { Existing::Refuse },
    };
    match (&task.input, &task.output) {
        (Place::File(source), Place::File(target)) => convert_file(source, target, &file_options, progress),
        (Place::Standard, Place::File(target)) => {
            convert_to_file(io::stdin().lock(), Path::new("standard input"), target, &file_options, progress)
        }
        (Place::File(source), Place::Standard) => {
            let file = fs::File::open(source)
                .map_err(|error| FileError::SourceUnreadable { path: source.clone(), source: error })?;
            to_stdout(file, &options, progress)
        }
        (Place::Standard, Place::Standard) => to_stdout(io::stdin().lock(), &options, progress),
    }
}

fn to_stdout(
    reader: impl io::Read,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Summary, FileError> {
    let mut out = Pipe(BufWriter::with_capacity(1 << 16, io::stdout().lock()));
    let summary = convert_reader(reader, &mut out, options, progress).map_err(FileError::Convert)?;
    out.0.flush().map_err(|error| FileError::Convert(ConvertError::Output(error)))?;
    Ok(summary)
}

/// An output that cannot go back.
struct Pipe<W: Write>(W);

impl<W: Write> Output for Pipe<W> {
    fn head(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn frame(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }
}

fn display(place: &Place, standard: &str) -> String {
    match place {
        Place::Standard => standard.to_owned(),
        Place::File(path) => path.display().to_string(),
    }
}

fn parse_pcm(text: &str) -> Result<PcmFormat, String> {
    let mut fields = text.split(':').map(str::parse::<u32>);
    let (Some(Ok(rate)), Some(Ok(channels)), Some(Ok(bits)), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err("write it as RATE:CHANNELS:BITS, for example 48000:2:16".to_owned());
    };
    let narrow = |number: u32| u16::try_from(number).unwrap_or(u16::MAX);
    PcmFormat::new(rate, narrow(channels), narrow(bits)).map_err(|error| error.to_string())
}
