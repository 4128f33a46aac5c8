//! `converter convert --recursive`.

use std::os::unix::fs::symlink;

use crate::cli_shell::{Shell, objects, sound, stderr};
use crate::support::signed_pcm;
use crate::tools::reference_decode;

#[test]
fn a_tree_is_mirrored() {
    let (samples, wav) = sound();
    let shell = Shell::new();
    for name in ["in/a.wav", "in/b c/d.WAV", "in/b c/e/f.Wave", "in/.hidden/g.wav", "in/.h.wav"] {
        shell.file(name, &wav);
    }
    shell.file("in/readme.txt", b"no audio");
    symlink("b c", shell.at("in/link")).unwrap();
    let output = shell.run(&["-r", "in", "-o", "out/new"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let written: Vec<String> = shell.files().into_iter().filter(|name| name.starts_with("out")).collect();
    assert_eq!(written, ["out/new/a.flac", "out/new/b c/d.flac", "out/new/b c/e/f.flac"]);
    for name in written {
        assert_eq!(reference_decode(&shell.at(&name)), signed_pcm(&samples, 16));
    }
    let told = stderr(&output);
    assert!(told.starts_with("warning: in/link: a link to a folder is not followed\n"), "{told}");
    assert!(told.contains("\nin/b c/d.WAV -> out/new/b c/d.flac: "), "{told}");
    assert!(told.contains("\n3 inputs: 3 converted, 0 failed, 0 skipped; "), "{told}");
}

#[test]
fn without_an_output_flac_files_lie_beside_their_sources() {
    let (_, wav) = sound();
    let shell = Shell::new();
    let output = shell.file("in/a.wav", &wav).file("in/b/c.wav", &wav).file("d.wav", &wav).run(&["in", "d.wav", "-qr"]);
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
    assert_eq!(shell.files(), ["d.flac", "d.wav", "in/a.flac", "in/a.wav", "in/b/c.flac", "in/b/c.wav"]);
}

#[test]
fn an_output_within_the_tree_does_not_loop() {
    let (_, wav) = sound();
    let shell = Shell::new();
    shell.file("a.wav", &wav).file("b/c.wav", &wav);
    for exit_code in [0, 1] {
        let output = shell.run(&["--recursive", ".", "-o", "./b/out"]);
        assert_eq!(output.status.code(), Some(exit_code), "{}", stderr(&output));
        assert_eq!(shell.files(), ["a.wav", "b/c.wav", "b/out/a.flac", "b/out/b/c.flac"]);
    }
}

#[test]
fn a_second_run_goes_on_where_the_first_was_stopped() {
    let (_, wav) = sound();
    let shell = Shell::new();
    shell.file("in/a.wav", &wav).file("in/b.wav", &wav).file("out/a.flac", b"there");
    let output = shell.run(&["-r", "in", "-o", "out", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let told = objects(&output);
    assert_eq!((&told[0]["status"], &told[1]["status"]), (&"skipped".into(), &"converted".into()));
    assert_eq!(told[0]["error"]["code"], "target_exists");
    let summary = &told[2]["summary"];
    assert_eq!((&summary["converted"], &summary["skipped"], &summary["failed"]), (&1.into(), &1.into(), &0.into()));
    assert_eq!(std::fs::read(shell.at("out/a.flac")).unwrap(), b"there");
    let quiet = shell.run(&["-r", "in", "-o", "out", "-q"]);
    assert!(stderr(&quiet).ends_with("2 of 2 inputs skipped\n"), "{}", stderr(&quiet));
}

#[test]
fn folders_that_cannot_be_converted_are_told() {
    let (_, wav) = sound();
    let shell = Shell::new();
    shell.file("none/x.txt", b"").file("in/a.wav", &wav);
    symlink("nowhere", shell.at("in/b.wav")).unwrap();
    let output = shell.run(&["-r", "none", "in", "-o", "out/", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let told = objects(&output);
    assert_eq!((&told[0]["input"], &told[0]["error"]["code"]), (&"none".into(), &"empty_folder".into()));
    assert_eq!((&told[1]["input"], &told[1]["status"]), (&"in/a.wav".into(), &"converted".into()));
    assert_eq!((&told[2]["input"], &told[2]["error"]["code"]), (&"in/b.wav".into(), &"source_unreadable".into()));
    assert_eq!((&told[3]["summary"]["inputs"], &told[3]["summary"]["failed"]), (&3.into(), &2.into()));
    assert!(stderr(&output).starts_with("none: error: no WAV file is in this folder (names that end in .wav, "));

    let refused = shell.run(&["in"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("in is a folder: add --recursive"), "{}", stderr(&refused));
}

#[test]
fn two_inputs_with_one_name_stop_everything_before_it_begins() {
    let (_, wav) = sound();
    let shell = Shell::new();
    shell.file("in/a.wav", &wav).file("in/b.wav", &wav).file("in/b.WAV", &wav);
    let output = shell.run(&["-r", "in", "-o", "out"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("in/b.WAV and in/b.wav would both become out/b.flac"), "{}", stderr(&output));
    assert!(!shell.at("out").exists());
}
