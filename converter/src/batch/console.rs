//! What people see on standard error: log lines, and a progress bar where that is a terminal. Standard output belongs
//! to the summary line.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// How often a log line tells the progress where there is no bar.
const TELL_EVERY: Duration = Duration::from_secs(30);

/// Standard error.
#[derive(Clone, Debug)]
pub struct Console(MultiProgress);

impl Console {
    /// Starts logging to standard error at the level of `RUST_LOG` (info), unless the process logs already.
    pub fn start() -> Self {
        let console = Self(MultiProgress::new());
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
        let logging = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(io::stderr().is_terminal())
            .with_writer(console.clone())
            .try_init();
        if logging.is_err() {
            tracing::debug!("the process logs already");
        }
        console
    }

    /// The same without a log.
    #[cfg(test)]
    pub fn silent() -> Self {
        Self(MultiProgress::new())
    }

    /// A bar over `files` files of `bytes` bytes in all, or over files yet to be counted.
    pub fn bar(&self, extent: Extent) -> Bar {
        let (bar, template) = match extent {
            Extent::Unknown => (ProgressBar::new_spinner(), "{spinner} {pos} files {msg}"),
            Extent::Bytes(bytes) => (
                ProgressBar::new(bytes),
                "[{elapsed_precise}] {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} eta {eta} {msg}",
            ),
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Bar { shown: self.0.add(bar), told: Instant::now() }
    }
}

/// How much there is to do.
#[derive(Clone, Copy, Debug)]
pub enum Extent {
    /// Nobody knows yet; the bar counts files.
    Unknown,
    /// So many bytes.
    Bytes(u64),
}

/// Progress of a stage.
#[derive(Debug)]
pub struct Bar {
    shown: ProgressBar,
    told: Instant,
}

impl Bar {
    /// One more file was found.
    pub fn found(&mut self) {
        self.shown.inc(1);
        self.tell();
    }

    /// So many bytes in all are done, and so many files.
    pub fn set(&mut self, bytes: u64, files: u64) {
        self.shown.set_position(bytes);
        self.shown.set_message(format!("{files} files"));
        self.tell();
    }

    /// Takes the bar away.
    pub fn finish(self) {
        self.shown.finish_and_clear();
    }

    fn tell(&mut self) {
        if self.shown.is_hidden() && self.told.elapsed() >= TELL_EVERY {
            self.told = Instant::now();
            let (done, of) = (self.shown.position(), self.shown.length());
            tracing::info!(done, of, "in progress");
        }
    }
}

impl<'a> MakeWriter<'a> for Console {
    type Writer = Lines;

    fn make_writer(&'a self) -> Lines {
        Lines(self.0.clone())
    }
}

/// Writes log lines above the bar.
#[derive(Debug)]
pub struct Lines(MultiProgress);

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write_all(line))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
