//! Runs the real kubectl as a person would, and prints each command with what it said.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// What a command said.
#[derive(Debug)]
pub struct Said {
    /// Whether it exited with 0.
    pub ok: bool,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Runs `kubectl` with the words of `line` and `input` on its standard input. What it said is printed.
pub fn run(line: &str, input: Option<&str>) -> Said {
    let words: Vec<&str> = line.split_whitespace().collect();
    run_words(&words, input)
}

/// [`run`] with words that may hold spaces.
pub fn run_words(words: &[&str], input: Option<&str>) -> Said {
    println!("$ kubectl {}", words.join(" "));
    let said = run_quietly(words, input);
    for text in [&said.stdout, &said.stderr] {
        for line in text.lines().take(40) {
            println!("  {}", line.chars().take(300).collect::<String>());
        }
    }
    said
}

/// [`run_words`] without printing: for polls.
pub fn run_quietly(words: &[&str], input: Option<&str>) -> Said {
    let mut child = Command::new("kubectl")
        .args(words)
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("run kubectl: `make e2e` puts it on the PATH");
    if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
        // A kubectl that refuses its arguments does not read; what it said tells more than the broken pipe.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().expect("wait for kubectl");
    Said {
        ok: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Said {
    /// The standard output; panics if the command failed.
    pub fn unwrap(self) -> String {
        assert!(self.ok, "kubectl failed:\n{}{}", self.stdout, self.stderr);
        self.stdout
    }

    /// The standard error; panics if the command did not fail.
    pub fn refused(self) -> String {
        assert!(!self.ok, "kubectl was to fail, and said:\n{}{}", self.stdout, self.stderr);
        self.stderr
    }
}
