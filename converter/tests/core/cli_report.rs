//! What `converter convert` tells: to people, to programs, to a terminal, and to nobody.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::Child;

use nix::pty::openpty;

use crate::cli_shell::{Shell, objects, sound, stderr, wait_for};
use crate::support::{Wav, noise, wav_pcm};

/// Waits until the converter waits for more of its input, having begun to write.
fn wait_for_part(shell: &Shell, name: &str) {
    wait_for("the partial file", || shell.at(name).exists());
}

fn feed(child: &mut Child, wav: &[u8]) {
    // Who has gone away may close the pipe early.
    drop(child.stdin.take().unwrap().write_all(wav));
}

#[test]
fn one_json_object_an_input_and_a_summary() {
    let (_, wav) = sound();
    let shell = Shell::new();
    let output = shell.file("a.wav", &wav).run(&["a.wav", "missing.wav", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let told = objects(&output);
    assert_eq!(told.len(), 3);
    assert_eq!((&told[0]["output"], &told[0]["status"]), (&"a.flac".into(), &"converted".into()));
    assert_eq!((&told[0]["samples"], &told[0]["channels"]), (&20_000.into(), &2.into()));
    assert_eq!(told[0]["md5"].as_str().unwrap().len(), 32);
    assert_eq!(told[0]["bytes_in"], wav.len());
    assert_eq!((&told[1]["status"], &told[1]["error"]["code"]), (&"failed".into(), &"source_unreadable".into()));
    let summary = &told[2]["summary"];
    for (name, count) in [("inputs", 2), ("converted", 1), ("failed", 1), ("skipped", 0), ("not_converted", 0)] {
        assert_eq!(summary[name], count, "{name}");
    }
    assert_eq!((&summary["bytes_in"], &summary["bytes_out"]), (&told[0]["bytes_in"], &told[0]["bytes_out"]));
    assert_eq!(summary["ratio"], told[0]["ratio"]);
    assert_eq!(summary.get("stopped_by"), None);

    let one = objects(&shell.run(&["a.wav", "--json", "-f"]));
    assert_eq!(one.len(), 1, "no summary of one input");
}

#[test]
fn failures_that_left_the_screen_are_told_again() {
    let (_, wav) = sound();
    let shell = Shell::new();
    shell.file("in/0.wav", b"no audio");
    for number in 0..30 {
        shell.file(&format!("in/a{number}.wav"), &wav);
    }
    let output = shell.run(&["-r", "in"]);
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 31 + 2);
    assert!(lines[0].starts_with("in/0.wav: error: "), "{told}");
    assert_eq!(lines[31], lines[0]);
    assert!(lines[32].starts_with("31 inputs: 30 converted, 1 failed, 0 skipped; "), "{told}");
    assert!(lines[32].contains(" %) in "), "{told}");
}

#[test]
fn names_cannot_command_the_terminal() {
    let shell = Shell::new();
    let output = shell.file("a\n\u{1b}[2J.wav", b"no audio").run(&["a\n\u{1b}[2J.wav"]);
    assert!(stderr(&output).starts_with("a\\n\\u{1b}[2J.wav: error: "), "{:?}", stderr(&output));
}

#[test]
fn a_terminal_shows_how_far_it_is() {
    let (_, wav) = sound();
    let shell = Shell::new();
    shell.file("a.wav", &wav).file("b.wav", &wav);
    let terminal = openpty(None, None).unwrap();
    let mut child = shell.command(&["a.wav", "b.wav"]).stderr(terminal.slave).spawn().unwrap();
    let mut shown = Vec::new();
    // The end of a terminal is an error (EIO), after all that was written.
    let _ = File::from(terminal.master).read_to_end(&mut shown);
    assert!(child.wait().unwrap().success());
    let shown = String::from_utf8(shown).unwrap();
    for words in
        ["[1/2] a.wav", "0 % 0 B/156.34 KiB", " left", "[2/2] b.wav", "a.wav -> a.flac: ", "2 inputs: 2 converted"]
    {
        assert!(shown.contains(words), "{words} is missing in {shown:?}");
    }
    assert!(!shown.trim_end().ends_with("left"), "the bar goes away: {shown:?}");
}

#[test]
fn who_reads_the_flac_may_go_away() {
    let loud = Wav::pcm(2, 44_100, 16, &wav_pcm(&noise(200_000, 2, 16, 3), 16));
    let shell = Shell::new();
    let mut child = shell.spawn(&["-"]);
    drop(child.stdout.take());
    feed(&mut child, &loud);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "standard input: error: the program that reads standard output ended before the FLAC file was whole\n"
    );
}

#[test]
fn who_reads_the_objects_may_go_away() {
    let (_, wav) = sound();
    let shell = Shell::new();
    let mut child = shell.file("b.wav", &wav).spawn(&["/dev/stdin", "b.wav", "--json", "-o", "out/"]);
    drop(child.stdout.take());
    feed(&mut child, &wav);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(told.starts_with("error: standard output takes no more (Broken pipe"), "{told}");
    assert!(told.ends_with(": 1 of 2 inputs converted; not converted: b.wav\n"), "{told}");
    assert_eq!(shell.files(), ["b.wav", "out/stdin.flac"]);
}

#[test]
fn who_reads_the_words_may_go_away() {
    let (_, wav) = sound();
    let shell = Shell::new();
    let mut child = shell.spawn(&["-", "-o", "a.flac"]);
    wait_for_part(&shell, "a.flac.part");
    drop(child.stderr.take());
    feed(&mut child, &wav);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(shell.files(), ["a.flac"]);
}
