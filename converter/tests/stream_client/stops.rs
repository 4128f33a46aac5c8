//! Signals: nothing half done stays, unless it is wanted.

use std::fs;
use std::io::Write as _;

use nix::sys::signal::Signal;

use crate::harness::{Server, Shell, Sound, length, object, send, stderr, wait_for};

/// A recording that a signal ends when half of it has come.
fn stopped(signal: Signal, flags: &[&str]) -> (Shell, std::process::Output) {
    let (server, shell, sound) = (Server::start(&[]), Shell::new(), Sound::noise(200_000));
    let url = server.url();
    let mut child = shell.spawn(&[&[url.as_str(), "-", "out.flac"], flags].concat());
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(&sound.wav[..400_000]).unwrap();
    wait_for("the first frames", || length(&shell.at("out.flac.part")) > 200_000);
    send(&child, signal);
    let output = child.wait_with_output().unwrap();
    drop(pipe);
    (shell, output)
}

#[test]
fn a_signal_leaves_nothing() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143), (Signal::SIGHUP, 129)] {
        let (shell, output) = stopped(signal, &["-q"]);
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        let told = format!("stopped by {}: standard input was not converted\n", signal.as_str());
        assert_eq!(stderr(&output), told);
        assert_eq!(shell.files(), [""; 0]);
    }
}

#[test]
fn programs_are_told_that_it_was_stopped() {
    let (_, output) = stopped(Signal::SIGTERM, &["--json"]);
    let told = object(&output.stdout);
    assert_eq!((&told["status"], &told["stopped_by"]), (&"not_converted".into(), &"SIGTERM".into()));
}

#[test]
fn what_came_stays_if_it_is_wanted() {
    let (shell, output) = stopped(Signal::SIGINT, &["--keep-partial"]);
    assert_eq!(output.status.code(), Some(130));
    assert!(stderr(&output).contains("out.flac.part"), "{}", stderr(&output));
    assert_eq!(shell.files(), ["out.flac.part"]);
    let flac = fs::read(shell.at("out.flac.part")).unwrap();
    assert!(flac.starts_with(b"fLaC") && flac.len() > 200_000);
}
