//! Where words go: lines and a progress bar to standard error, JSON objects to standard output, or to standard error
//! and alone there where the FLAC file goes to standard output. A reader that went away is an error here, never a panic.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use super::args::ReportArgs;
use super::targets::Place;

/// Standard error and standard output. Clones share the bar.
#[derive(Debug, Clone)]
pub struct Console {
    bar: ProgressBar,
    inputs: usize,
    lines: bool,
    objects: Objects,
}

/// Where JSON objects go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Objects {
    /// None are wanted.
    Nowhere,
    /// To standard output.
    Output,
    /// To standard error: standard output is the FLAC file's.
    Error,
}

impl Console {
    /// A console for `inputs` inputs. `bytes` tells how many bytes they have in all, if that can be known; it is asked
    /// only if a bar is shown. `flac` says where the FLAC files go.
    pub fn new(args: &ReportArgs, inputs: usize, flac: &Place, bytes: impl FnOnce() -> Option<u64>) -> Self {
        let objects = match (args.json, flac) {
            (false, _) => Objects::Nowhere,
            (true, Place::File(_)) => Objects::Output,
            (true, Place::Standard) => Objects::Error,
        };
        let bar = if args.quiet || !io::stderr().is_terminal() { ProgressBar::hidden() } else { bar(inputs, bytes()) };
        Self { bar, inputs, lines: !args.quiet && !args.json, objects }
    }

    /// An input is begun, the `number`th.
    pub fn begin(&self, number: usize, name: &str) {
        self.bar.set_prefix(format!("[{number}/{}]", self.inputs));
        self.bar.set_message(without_controls(name).into_owned());
        self.bar.tick();
    }

    /// So many bytes of all inputs are done.
    pub fn done(&self, bytes: u64) {
        self.bar.set_position(bytes);
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// Writes a line that says that something is wrong.
    pub fn problem(&self, line: &str) {
        // The objects say it too.
        if self.objects == Objects::Error {
            return;
        }
        let line = without_controls(line);
        // Who closed standard error does not want to know.
        self.bar.suspend(|| drop(io::stderr().lock().write_all(format!("{line}\n").as_bytes())));
    }

    /// Writes a line that says what was done, if that is wanted.
    pub fn line(&self, line: &str) {
        if self.lines {
            self.problem(line);
        }
    }

    /// Writes an object for a program, if that is wanted.
    pub fn object(&self, object: &Value) -> io::Result<()> {
        let line = format!("{object}\n");
        self.bar.suspend(|| match self.objects {
            Objects::Nowhere => Ok(()),
            Objects::Error => io::stderr().lock().write_all(line.as_bytes()),
            Objects::Output => {
                let mut out = io::stdout().lock();
                out.write_all(line.as_bytes())?;
                out.flush()
            }
        })
    }

    /// Whether lines that say what was done are wanted.
    pub fn wants_lines(&self) -> bool {
        self.lines
    }

    /// Whether objects are wanted.
    pub fn wants_objects(&self) -> bool {
        self.objects != Objects::Nowhere
    }
}

fn bar(inputs: usize, bytes: Option<u64>) -> ProgressBar {
    let (bar, progress) = match bytes {
        Some(bytes) => {
            (ProgressBar::new(bytes), "{wide_bar} {percent:>3} % {bytes}/{total_bytes} {bytes_per_sec} {eta} left")
        }
        None => (ProgressBar::no_length(), "{spinner} {bytes} {bytes_per_sec} {elapsed}"),
    };
    bar.set_draw_target(ProgressDrawTarget::stderr());
    let file = if inputs > 1 { "{prefix} {wide_msg}" } else { "{wide_msg}" };
    if let Ok(style) = ProgressStyle::with_template(&format!("{file}\n{progress}")) {
        bar.set_style(style);
    }
    bar
}

/// A line as it can be shown: a file's name may hold line breaks and commands for the terminal.
fn without_controls(line: &str) -> Cow<'_, str> {
    if !line.contains(char::is_control) {
        return Cow::Borrowed(line);
    }
    let mut shown = String::with_capacity(line.len() + 8);
    for symbol in line.chars() {
        if symbol.is_control() { shown.extend(symbol.escape_default()) } else { shown.push(symbol) }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::without_controls;

    #[test]
    fn a_name_cannot_command_the_terminal() {
        assert_eq!(without_controls("Ärger – plain.wav"), "Ärger – plain.wav");
        assert_eq!(without_controls("a\n\u{1b}[2Jb\u{9b}.wav"), "a\\n\\u{1b}[2Jb\\u{9b}.wav");
    }
}
