//! `converter stream`: a file or a pipe over a service's live stream. What may be typed is in `args`; the protocol is
//! `crate::client`'s.

mod args;

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

pub use args::Args;

use serde_json::{Value, json};

use super::args::{ReportArgs, SubsetRule};
use super::console::Console;
use super::misused;
use super::pcm::PcmSpec;
use super::report::{Names, ratio, sizes};
use super::targets::{Place, There};
use crate::client::connect::SettingError;
use crate::client::messages::Note;
use crate::client::plan::Patience;
use crate::client::{
    Connections, Event, Finished, Input, Output, Pace, Settings, Start, StreamError, check_file, stream,
};
use crate::file::{Existing, FileError, PartFile, check_target};
use crate::interrupt::{Interrupt, Stop};
use crate::wav::{Format, PcmFormat, ValidBits, WavError};

/// A mistake on the command line that clap cannot see.
#[derive(Debug, thiserror::Error)]
enum UsageError {
    #[error("standard output is a terminal: send it to a file or a program, or name a file")]
    Terminal,
    #[error("{0} is a folder: name the FLAC file in it")]
    Folder(String),
    #[error("{0} is no regular file: to write into it, write to standard output, as in - > {0}")]
    NotRegular(String),
    #[error("--pcm: {0}")]
    Pcm(#[from] WavError),
    #[error(
        "--pcm: a service takes samples only as WAV files hold them (little-endian, signed above 8 bits, in as few bytes as \
         hold the bits): use `converter convert` for others, or put a WAV header before them"
    )]
    PcmForm,
    #[error(transparent)]
    Setting(#[from] SettingError),
    #[error("the async runtime did not start: {0}")]
    Runtime(io::Error),
}

/// Why there is no FLAC file.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Stream(StreamError),
}

impl Failure {
    fn code(&self) -> Cow<'_, str> {
        match self {
            Self::File(error) => error.code().into(),
            Self::Stream(error) => error.code(),
        }
    }
}

/// Runs `converter stream`.
pub fn run(args: &Args) -> ExitCode {
    match Job::new(args) {
        Ok(job) => job.run(),
        Err(error) => misused(&error),
    }
}

/// All that is to be done.
struct Job<'a> {
    args: &'a Args,
    input: Place,
    output: Place,
    names: Names,
    settings: Settings,
    connections: Connections,
    console: Console,
    runtime: tokio::runtime::Runtime,
}

impl<'a> Job<'a> {
    /// Nothing is read, written or sent yet.
    fn new(args: &'a Args) -> Result<Self, UsageError> {
        let (input, output) = (Place::new(&args.input), Place::new(&args.output));
        let shown = || args.output.display().to_string();
        match (&output, There::look(&args.output)) {
            (Place::Standard, _) if io::stdout().is_terminal() => return Err(UsageError::Terminal),
            (Place::File(_), There::Folder) => return Err(UsageError::Folder(shown())),
            (Place::File(_), There::Other) => return Err(UsageError::NotRegular(shown())),
            _ => {}
        }
        let settings = settings(args)?;
        let connection = &args.connection;
        let connections =
            Connections::new(args.url.clone(), connection.token_file.clone(), connection.ca_file.as_deref())?;
        let report = ReportArgs { json: args.report.json, quiet: args.report.quiet };
        let console = Console::new(&report, 1, &output, || size(&input));
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(UsageError::Runtime)?;
        let names = Names { input: name(&input, "standard input"), output: name(&output, "standard output") };
        Ok(Self { args, input, output, names, settings, connections, console, runtime })
    }

    fn run(self) -> ExitCode {
        let interrupt = match Interrupt::watch(Duration::ZERO, self.last_words()) {
            Ok(interrupt) => interrupt,
            Err(error) => {
                self.console.problem(&format!("error: signals cannot be watched: {error}"));
                return ExitCode::FAILURE;
            }
        };
        self.console.begin(1, &self.names.input);
        let began = Instant::now();
        // Of what goes to standard output nothing can be taken back, so nothing of it is waited for.
        let busy = match (&self.output, interrupt.begin()) {
            (Place::File(_), Ok(busy)) => Some(busy),
            _ => None,
        };
        let result = self.convert();
        if let Some(busy) = &busy {
            busy.still_wanted();
        }
        self.console.clear();
        let code = if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        let told = match &result {
            Ok(finished) => self.tell(finished, began.elapsed()),
            Err(failure) => self.tell_failure(failure),
        };
        drop(busy);
        interrupt.over();
        match told {
            Ok(()) => code,
            Err(error) => {
                self.console.problem(&format!("error: standard output takes no more ({error})"));
                ExitCode::FAILURE
            }
        }
    }

    fn last_words(&self) -> impl FnOnce(Stop) + Send + 'static {
        let (console, names) = (self.console.clone(), self.names.clone());
        let kept = self.args.saving.keep_partial && self.output != Place::Standard;
        move |stop: Stop| {
            console.clear();
            let kept = if kept { format!("; what came of it is in {}.part", names.output) } else { String::new() };
            console.problem(&format!("stopped by {}: {} was not converted{kept}", stop.name(), names.input));
            // A reader that went away is no news any more.
            let _ =
                console.object(&json!({"input": names.input, "status": "not_converted", "stopped_by": stop.name()}));
        }
    }

    fn convert(&self) -> Result<Finished, Failure> {
        let existing = if self.args.saving.force { Existing::Replace } else { Existing::Refuse };
        let source = match &self.input {
            Place::File(path) => path.as_path(),
            Place::Standard => Path::new("standard input"),
        };
        if let Place::File(target) = &self.output {
            check_target(source, target, existing)?;
        }
        let input = self.open().map_err(|error| unreadable(source, error))?;
        let output = match &self.output {
            Place::File(target) => {
                let mut part = PartFile::create(target)?;
                if self.args.saving.keep_partial {
                    part.stay();
                }
                Output::File(part)
            }
            Place::Standard => Output::pipe(BufWriter::with_capacity(1 << 16, io::stdout())),
        };
        let console = self.console.clone();
        let input_name = self.names.input.clone();
        let mut tell = move |event| tell_event(&console, &input_name, &event);
        let streamed = stream(&self.connections, input, output, &self.settings, &mut tell);
        let (finished, output) = self.runtime.block_on(streamed).map_err(|error| self.told(error, source))?;
        if let (Output::File(part), Place::File(target)) = (output, &self.output) {
            if self.args.encoding.verify {
                check_file(part.path(), &finished.sound)
                    .map_err(|detail| FileError::VerifyFailed { path: target.clone(), detail })?;
            }
            check_target(source, target, existing)?;
            let whole = part.whole(None).map_err(|error| FileError::writing(target, error))?;
            whole.publish_durably(target, existing)?;
        }
        Ok(finished)
    }

    fn open(&self) -> io::Result<Input> {
        let keep = self.settings.buffer;
        match &self.input {
            Place::Standard => Input::pipe(io::stdin(), keep),
            Place::File(path) => {
                let file = File::open(path)?;
                let meta = file.metadata()?;
                if meta.is_dir() {
                    return Err(io::ErrorKind::IsADirectory.into());
                }
                if meta.is_file() { Ok(Input::file(file)) } else { Input::pipe(file, keep) }
            }
        }
    }

    /// A stream's error with the names of its files.
    fn told(&self, error: StreamError, source: &Path) -> Failure {
        match (error, &self.output) {
            (StreamError::Input(error), _) => Failure::File(unreadable(source, error)),
            (StreamError::Output(error), Place::File(target)) => Failure::File(FileError::writing(target, error)),
            (error, _) => Failure::Stream(error),
        }
    }

    fn tell(&self, finished: &Finished, took: Duration) -> io::Result<()> {
        let Finished { sound, done, reconnects, id } = finished;
        for Note { message, .. } in &done.warnings {
            self.console.problem(&format!("{}: warning: {message}", self.names.input));
        }
        let again = match reconnects {
            0 => String::new(),
            1 => ", connected again once".to_owned(),
            count => format!(", connected again {count} times"),
        };
        let (seconds, sizes) = (sound.format.seconds(sound.samples), sizes(done.bytes_in, done.bytes_out));
        self.console.line(&format!(
            "{} -> {}: {sizes}, {seconds:.1} s of audio in {:.1} s{again}",
            self.names.input,
            self.names.output,
            took.as_secs_f64()
        ));
        let mut left_out = done.left_out.clone();
        if self.output == Place::Standard {
            left_out.extend(["frame_sizes", "total_samples", "md5", "seek_table"].map(str::to_owned));
            left_out.dedup();
        }
        self.console.object(&json!({
            "input": self.names.input,
            "output": self.names.output,
            "status": "converted",
            "channels": sound.format.channels,
            "sample_rate": sound.format.sample_rate,
            "bits_per_sample": sound.format.bits_per_sample,
            "samples": sound.samples,
            "bytes_in": done.bytes_in,
            "bytes_out": done.bytes_out,
            "ratio": ratio(done.bytes_in, done.bytes_out),
            "md5": done.md5,
            "subset": done.subset,
            "left_out": left_out,
            "warnings": done.warnings,
            "reconnects": reconnects,
            "request_id": id,
            "seconds": took.as_secs_f64(),
        }))
    }

    fn tell_failure(&self, failure: &Failure) -> io::Result<()> {
        let message = match failure {
            Failure::Stream(StreamError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                "the program that reads standard output ended before the FLAC file was whole".to_owned()
            }
            failure => failure.to_string(),
        };
        let is_skip = failure.code() == "target_exists";
        let status = if is_skip { "skipped" } else { "failed" };
        let (input, force) = (&self.names.input, if is_skip { " (--force)" } else { "" });
        let word = if is_skip { "skipped" } else { "error" };
        self.console.problem(&format!("{input}: {word}: {message}{force}"));
        let error: Value = json!({"code": failure.code(), "message": message});
        self.console.object(&json!({"input": input, "status": status, "error": error}))
    }
}

fn unreadable(source: &Path, error: io::Error) -> FileError {
    FileError::SourceUnreadable { path: source.to_path_buf(), source: error }
}

fn tell_event(console: &Console, input: &str, event: &Event) {
    let line = match event {
        Event::Sent(bytes) => return console.done(*bytes),
        Event::Lost { why, pause } => format!("{why}; trying again in {:.1} s", pause.as_secs_f64()),
        Event::Silent => "the input is silent; the connection is made again when there is more".to_owned(),
        Event::FromTheStart => "the service no longer takes what it gave to go on with: all is sent again".to_owned(),
        Event::Unprotected => {
            "the service makes nothing safe: until it does, a lost connection ends the stream".to_owned()
        }
        Event::GoesOn { bytes_in } => {
            return console.line(&format!("{input}: connected again, from byte {bytes_in} on"));
        }
    };
    console.problem(&format!("{input}: {line}"));
}

fn settings(args: &Args) -> Result<Settings, UsageError> {
    let rules = args.audio.rules.rules();
    let pcm = args.audio.pcm.map(headerless).transpose()?;
    let start = Start {
        level: args.encoding.level.map(crate::flac::Level::get),
        block_size: args.encoding.block_size,
        verify: args.encoding.verify.then_some(true),
        // Said even where they are the defaults: the service's may be others, and what is digested here must be what it
        // encodes.
        float: rules.float.to_string(),
        length: rules.length.to_string(),
        valid_bits: rules.valid_bits.to_string(),
        subset: (args.encoding.subset == SubsetRule::Strict).then(|| "strict".to_owned()),
        format: "wav",
        ..Start::default()
    };
    Ok(Settings {
        start: match pcm {
            Some(pcm) => start.with_pcm(pcm),
            None => start,
        },
        pcm,
        rules,
        message_bytes: usize::try_from(args.connection.message_size.0).unwrap_or(usize::MAX),
        buffer: args.audio.buffer.0,
        pace: if args.audio.realtime { Pace::RealTime } else { Pace::Free },
        patience: Patience { retries: args.connection.retries, timeout: args.connection.reconnect_timeout },
    })
}

/// Headerless audio as a service takes it.
fn headerless(spec: PcmSpec) -> Result<PcmFormat, UsageError> {
    let plain = PcmFormat::new(spec.sample_rate, spec.channels, spec.bits.into())?;
    if Format::from(spec.format(ValidBits::Declared)?) == Format::from(plain) {
        Ok(plain)
    } else {
        Err(UsageError::PcmForm)
    }
}

fn name(place: &Place, standard: &str) -> String {
    match place {
        Place::Standard => standard.to_owned(),
        Place::File(path) => path.display().to_string(),
    }
}

/// Bytes of the input, if they can be known.
fn size(input: &Place) -> Option<u64> {
    let Place::File(path) = input else { return None };
    fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|meta| meta.len())
}
