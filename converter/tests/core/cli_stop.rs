//! `converter convert` and signals: nothing half done stays, what was finished stays, and the rest is named.

use std::fs::{self, File};
use std::io::Write as _;
use std::process::{Child, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};

use crate::cli_shell::{Shell, objects, sound, stderr, wait_for};
use crate::support::signed_pcm;
use crate::tools::reference_decode;

fn send(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
}

/// Begins to convert a.wav, a pipe that does not end, and z.wav, up to the middle of the pipe; sends SIGINT.
fn interrupted(shell: &Shell, flag: &str) -> Output {
    let (_, wav) = sound();
    shell.file("a.wav", &wav).file("z.wav", &wav).file("out/other.flac.part", b"another's");
    mkfifo(&shell.at("pipe.wav"), Mode::S_IRWXU).unwrap();
    let child = shell.spawn(&["a.wav", "pipe.wav", "z.wav", "-o", "out", flag]);
    // Opening waits for the reader.
    let mut pipe = File::options().write(true).open(shell.at("pipe.wav")).unwrap();
    pipe.write_all(&wav[..40_000]).unwrap();
    wait_for("the partial file", || shell.at("out/pipe.flac.part").exists());
    send(&child, Signal::SIGINT);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert_eq!(shell.files(), ["a.wav", "out/a.flac", "out/other.flac.part", "pipe.wav", "z.wav"]);
    output
}

#[test]
fn what_was_finished_stays_and_the_rest_is_named() {
    let shell = Shell::new();
    let output = interrupted(&shell, "--quiet");
    assert_eq!(stderr(&output), "stopped by SIGINT: 1 of 3 inputs converted; not converted: pipe.wav, z.wav\n");
    assert_eq!(reference_decode(&shell.at("out/a.flac")), signed_pcm(&sound().0, 16));
}

#[test]
fn programs_are_told_what_was_not_converted() {
    let told = objects(&interrupted(&Shell::new(), "--json"));
    let statuses: Vec<_> = told.iter().map(|object| (&object["input"], &object["status"])).collect();
    assert_eq!(statuses[0], (&"a.wav".into(), &"converted".into()));
    assert_eq!(statuses[1], (&"pipe.wav".into(), &"not_converted".into()));
    assert_eq!(statuses[2], (&"z.wav".into(), &"not_converted".into()));
    let summary = &told[3]["summary"];
    assert_eq!((&summary["stopped_by"], &summary["not_converted"]), (&"SIGINT".into(), &2.into()));
    assert_eq!(told.len(), 4);
}

#[test]
fn standard_input_that_stays_open_does_not_keep_it() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143), (Signal::SIGHUP, 129)] {
        let shell = Shell::new();
        let child = shell.spawn(&["-", "-o", "a.flac"]);
        wait_for("the partial file", || shell.at("a.flac.part").exists());
        send(&child, signal);
        // This would close standard input first, if it were still in `child`.
        let mut child = child;
        let stdin = child.stdin.take();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert_eq!(shell.files(), [""; 0], "{signal}");
        drop(stdin);
    }
}

/// Waits until the process catches SIGINT.
fn wait_until_watched(child: &Child) {
    wait_for("the watch for signals", || {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim();
        u64::from_str_radix(caught, 16).unwrap() & 0b10 != 0
    });
}

#[test]
fn it_stops_between_two_pipes() {
    let shell = Shell::new();
    let mut child = shell.spawn(&["-"]);
    wait_until_watched(&child);
    send(&child, Signal::SIGINT);
    let stdin = child.stdin.take();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let told = "stopped by SIGINT: 0 of 1 inputs converted; not converted: standard input\n";
    assert_eq!((stderr(&output).as_str(), output.stdout.len()), (told, 0));
    drop(stdin);
}

#[test]
fn it_stops_before_its_input_can_be_opened() {
    let shell = Shell::new();
    mkfifo(&shell.at("pipe.wav"), Mode::S_IRWXU).unwrap();
    let child = shell.spawn(&["pipe.wav"]);
    wait_until_watched(&child);
    send(&child, Signal::SIGINT);
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
    assert_eq!(shell.files(), ["pipe.wav"]);
}

#[test]
fn nobody_who_reads_the_last_words_does_not_keep_it() {
    let shell = Shell::new();
    let mut child = shell.spawn(&["-", "-o", "a.flac"]);
    wait_for("the partial file", || shell.at("a.flac.part").exists());
    drop(child.stderr.take());
    send(&child, Signal::SIGTERM);
    let stdin = child.stdin.take();
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert_eq!(shell.files(), [""; 0]);
    drop(stdin);
}

#[test]
fn signals_that_were_ignored_from_the_start_stay_ignored() {
    let (samples, wav) = sound();
    let shell = Shell::new();
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "trap '' INT HUP; exec \"$0\" convert - -o a.flac", env!("CARGO_BIN_EXE_converter")]);
    let mut child = command.current_dir(shell.path()).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&wav[..40_000]).unwrap();
    wait_for("the partial file", || shell.at("a.flac.part").exists());
    send(&child, Signal::SIGINT);
    send(&child, Signal::SIGHUP);
    stdin.write_all(&wav[40_000..]).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(reference_decode(&shell.at("a.flac")), signed_pcm(&samples, 16));
}
