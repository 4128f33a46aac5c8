//! `converter convert` as people type it.

use std::fs;
use std::process::Command;

use crate::cli_shell::{Shell, sound, stderr};
use crate::support::{Wav, fmt_body, music, signed_pcm, wav_pcm};
use crate::tools::reference_decode;

#[test]
fn writes_beside_the_input() {
    let (samples, wav) = sound();
    let shell = Shell::new();
    let output = shell.file("take 1.wav", &wav).run(&["take 1.wav", "--verify"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).starts_with("take 1.wav -> take 1.flac: "), "{}", stderr(&output));
    assert!(output.stdout.is_empty());
    assert_eq!(reference_decode(&shell.path().join("take 1.flac")), signed_pcm(&samples, 16));
}

#[test]
fn converts_many_files_and_goes_on_after_a_bad_one() {
    let (samples, wav) = sound();
    let shell = Shell::new();
    fs::create_dir(shell.path().join("out")).unwrap();
    let float = Wav::new().chunk(b"fmt ", &fmt_body(3, 2, 44_100, 32)).chunk(b"data", &[0; 80]).build();
    shell.file("a.wav", &wav).file("bad.wav", b"hello, this is no audio").file("float.wav", &float).file("z.wav", &wav);
    let output = shell.run(&["a.wav", "bad.wav", "float.wav", "z.wav", "-o", "out", "--quiet"]);
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert_eq!(
        told,
        "bad.wav: error: this is no WAV file, it does not begin with RIFF: send a WAV file (RIFF WAVE)\n\
         float.wav: error: the samples are floating point, which FLAC cannot hold losslessly as they are: convert them \
         to integer PCM first, for example with `ffmpeg -i IN -c:a pcm_s24le OUT.wav`, or have them rounded with \
         `--float 16|24` (over HTTP `float=16`)\n\
         2 of 4 inputs failed\n"
    );
    for name in ["a.flac", "z.flac"] {
        assert_eq!(reference_decode(&shell.path().join("out").join(name)), signed_pcm(&samples, 16));
    }
    assert_eq!(fs::read_dir(shell.path().join("out")).unwrap().count(), 2);
}

#[test]
fn reads_and_writes_pipes() {
    let (samples, wav) = sound();
    let shell = Shell::new();
    let output = shell.run_with_input(&["-"], &wav);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    shell.file("piped.flac", &output.stdout);
    let test = Command::new("flac").args(["-t", "--silent"]).arg(shell.path().join("piped.flac")).output().unwrap();
    assert!(test.status.success(), "{}", stderr(&test));
    assert_eq!(output.stdout[18 + 4..42], [0; 20], "a pipe's header says that length and MD5 are unknown");

    let to_file = shell.run_with_input(&["-", "-o", "whole.flac", "-8", "--verify"], &wav);
    assert_eq!(to_file.status.code(), Some(0), "{}", stderr(&to_file));
    assert_eq!(reference_decode(&shell.path().join("whole.flac")), signed_pcm(&samples, 16));

    let from_file = shell.file("in.wav", &wav).run(&["in.wav", "-o", "-"]);
    assert_eq!(from_file.stdout, output.stdout);
    assert_eq!(shell.run_with_input(&["-"], b"").status.code(), Some(1));
}

#[test]
fn does_not_replace_files_unless_told() {
    let (_, wav) = sound();
    let shell = Shell::new();
    shell.file("a.wav", &wav).file("a.flac", b"precious");
    let output = shell.run(&["a.wav"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("a.flac is already there"), "{}", stderr(&output));
    assert_eq!(fs::read(shell.path().join("a.flac")).unwrap(), b"precious");
    assert_eq!(shell.run(&["a.wav", "--force"]).status.code(), Some(0));
    reference_decode(&shell.path().join("a.flac"));
}

#[test]
fn levels_change_the_size() {
    let (_, wav) = sound();
    let shell = Shell::new();
    shell.file("a.wav", &wav);
    let size = |level: &[&str], name: &str| {
        assert_eq!(shell.run(&[level, &["a.wav", "-o", name]].concat()).status.code(), Some(0));
        fs::metadata(shell.path().join(name)).unwrap().len()
    };
    let (fast, small) = (size(&["-0"], "0.flac"), size(&["--level", "8"], "8.flac"));
    assert!(small < fast, "{small} {fast}");
    assert_eq!(size(&[], "default.flac"), size(&["-5"], "5.flac"));
}

#[test]
fn every_engine_gives_the_same_audio_and_ours_the_same_bytes_on_any_cpu() {
    let (samples, wav) = sound();
    let shell = Shell::new();
    shell.file("a.wav", &wav);
    let flac = |args: &[&str], name: &str| {
        assert_eq!(shell.run(&[args, &["a.wav", "-o", name]].concat()).status.code(), Some(0), "{args:?}");
        assert_eq!(reference_decode(&shell.path().join(name)), signed_pcm(&samples, 16), "{args:?}");
        fs::read(shell.path().join(name)).unwrap()
    };
    let native = flac(&["--engine", "native"], "native.flac");
    assert!(native == flac(&[], "default.flac"), "it is the default");
    assert!(native == flac(&["--engine", "portable"], "portable.flac"));
    flac(&["--engine", "flacenc"], "flacenc.flac");
    let unknown = shell.run(&["--engine", "lame", "a.wav", "-o", "b.flac"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(stderr(&unknown).contains("native, portable or flacenc"), "{}", stderr(&unknown));
}

#[test]
fn length_rules_decide_where_the_audio_ends() {
    let shell = Shell::new();
    shell.file("a.wav", &Wav::new().fmt(1, 44_100, 16).head(b"data", 1000).raw(&[1; 3000]).build());
    let samples = |args: &[&str]| {
        let output = shell.run(&[&["a.wav", "-f", "--json"], args].concat());
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code(), told)
    };
    let (status, told) = samples(&[]);
    assert_eq!((status, &told["error"]["code"]), (Some(1), &"contradicting_header".into()));
    let (status, told) = samples(&["--length", "header"]);
    assert_eq!((status, &told["samples"]), (Some(0), &500.into()));
    assert_eq!(told["warnings"][0]["code"], "ignored_bytes");
    let (status, told) = samples(&["--length", "eof"]);
    assert_eq!((status, &told["samples"]), (Some(0), &1500.into()));
}

#[test]
fn takes_headerless_pcm() {
    let samples = music(5000, 3, 24, 1);
    let shell = Shell::new();
    let output = shell.run_with_input(&["--pcm", "48000:3:24", "-", "-o", "raw.flac"], &wav_pcm(&samples, 24));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(reference_decode(&shell.path().join("raw.flac")), signed_pcm(&samples, 24));
}

#[test]
fn warnings_are_told_even_if_quiet() {
    let shell = Shell::new();
    let output = shell
        .file("cut.wav", &Wav::new().fmt(1, 8_000, 16).head(b"data", 9000).raw(&[0; 4000]).build())
        .run(&["cut.wav", "--quiet"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stderr(&output).starts_with("cut.wav: warning: the header declares 9000 bytes"), "{}", stderr(&output));
}

#[test]
fn mistakes_on_the_command_line_are_told_apart() {
    let (_, wav) = sound();
    let shell = Shell::new();
    shell.file("a.wav", &wav).file("b.wav", &wav);
    for (args, words) in [
        (vec![], "required"),
        (vec!["a.wav", "b.wav", "-o", "c.flac"], "several inputs need a folder"),
        (vec!["a.wav", "b.wav", "-o", "-"], "several inputs cannot go to one standard output"),
        (vec!["a.wav", "--level", "9"], "from 0 (fastest) to 8"),
        (vec!["a.wav", "./a.wav"], "would both become"),
        (vec!["a.wav", "--pcm", "48000"], "RATE:CHANNELS:FORMAT"),
        (vec!["a.wav", "--pcm", "48000:9:16"], "9 channels are not supported"),
        (vec!["a.wav", "--pcm", "48000:2:s33"], "33 bits a sample"),
        (vec!["a.wav", "--pcm", "48000:2:16", "--float", "16"], "cannot be used with"),
        (vec!["a.wav", "--float", "32"], "[possible values: 16, 24]"),
        (vec!["a.wav", "--valid-bits", "high"], "[possible values: container, low]"),
        (vec!["a.wav", "--subset", "never"], "[possible values: prefer, strict]"),
        (vec!["a.wav", "--metadata", "all"], "[possible values: tags, foreign]"),
        (vec!["a.wav", "--metadata", "tags", "--keep-foreign-metadata"], "cannot be used with"),
        (vec!["a.wav", "--block-size", "15"], "15 is not in 16..=65535"),
        (vec!["a.wav", "--block-size", "65536"], "65536 is not in 16..=65535"),
        (vec!["a.wav", "--threads", "257"], "257 is not in 0..=256"),
        (vec!["a.wav", "--padding", "16777216"], "16777216 is not in 0..=16777215"),
        (vec!["a.wav", "--max-metadata", "lots"], "is no size"),
        (vec!["a.wav", "--tag", "TITLE"], "NAME=VALUE"),
        (vec!["a.wav", "--tag", "Künstler=x"], "printable ASCII"),
        (vec!["a.wav", "--picture", "missing.png"], "the picture missing.png could not be read"),
        (vec!["a.wav", "--force", "-o", "/dev/null"], "/dev/null is no regular file"),
        (vec!["a.wav", "--no-such-flag"], "--no-such-flag"),
    ] {
        let output = shell.run(&args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(stderr(&output).contains(words), "{args:?}: {}", stderr(&output));
    }
    assert_eq!(fs::read_dir(shell.path()).unwrap().count(), 2, "nothing was written");
}

#[test]
fn help_teaches() {
    let output = Shell::new().run(&["--help"]);
    let help = String::from_utf8(output.stdout).unwrap();
    for words in [
        "Examples:",
        "converter convert take1.wav",
        "Exit codes:",
        "-0 to -8",
        "standard input",
        "Input:",
        "Metadata:",
        "Report:",
    ] {
        assert!(help.contains(words), "{words} is missing in:\n{help}");
    }
}

#[test]
fn a_pipe_is_told_what_its_head_could_not_say() {
    let (_, wav) = sound();
    let shell = Shell::new();
    let output = shell.run_with_input(&["-", "--json", "--verify"], &wav);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(output.stdout.starts_with(b"fLaC"));
    let told: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(told["left_out"], serde_json::json!(["frame_sizes", "total_samples", "md5", "seek_table"]));
    assert_eq!(told["bytes_out"], output.stdout.len());
    let failed = shell.run_with_input(&["-", "--json"], b"no audio");
    let told: serde_json::Value = serde_json::from_slice(&failed.stderr).unwrap();
    assert_eq!((failed.status.code(), &told["error"]["code"]), (Some(1), &"not_wav".into()));
}
