//! What is refused, and in which words.

use std::fs;
use std::net::TcpListener;

use crate::harness::{Server, Shell, Sound, failure, object, stderr};
use crate::support::{Wav, fmt_body};

#[test]
fn what_is_no_audio_is_refused_in_the_words_of_converting_files() {
    let (server, shell) = (Server::start(&[]), Shell::new());
    let float = Wav::new().chunk(b"fmt ", &fmt_body(3, 2, 44_100, 32)).chunk(b"data", &[0; 80]).build();
    shell.file("text.wav", b"hello, this is no audio").file("float.wav", &float).file("empty.wav", b"");
    for (input, code) in [("text.wav", "not_wav"), ("float.wav", "unsupported_encoding"), ("empty.wav", "empty_input")]
    {
        let output = shell.run(&[&server.url(), input, "out.flac", "--json"]);
        let told = object(&output.stdout);
        assert_eq!(failure(&output), code, "{told}");
        assert_eq!(told["status"], "failed");
    }
    assert_eq!(shell.run(&[&server.url(), "float.wav", "out.flac", "--float", "16"]).status.code(), Some(0));
    let missing = shell.run(&[&server.url(), "missing.wav", "none.flac", "--json"]);
    assert_eq!(failure(&missing), "source_unreadable");
    assert_eq!(shell.files(), ["empty.wav", "float.wav", "out.flac", "text.wav"]);
}

#[test]
fn a_file_that_is_there_stays_unless_told() {
    let (server, shell, sound) = (Server::start(&[]), Shell::new(), Sound::music(5_000, 2, 16));
    shell.file("in.wav", &sound.wav).file("out.flac", b"precious");
    let output = shell.run(&[&server.url(), "in.wav", "out.flac"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("skipped") && stderr(&output).contains("--force"), "{}", stderr(&output));
    assert_eq!(fs::read(shell.at("out.flac")).unwrap(), b"precious");
    let same = shell.run(&[&server.url(), "in.wav", "in.wav", "--force", "--json"]);
    assert_eq!(failure(&same), "same_file");
    assert_eq!(shell.run(&[&server.url(), "in.wav", "out.flac", "--force"]).status.code(), Some(0));
    sound.assert_file(&shell.at("out.flac"));
}

#[test]
fn the_service_s_own_refusals_are_told() {
    let (server, shell, sound) = (Server::start(&[]), Shell::new(), Sound::music(5_000, 2, 16));
    shell.file("in.wav", &sound.wav);
    // A rate that no frame header can tell.
    let mut odd = sound.wav;
    odd[24..28].copy_from_slice(&700_001_u32.to_le_bytes());
    shell.file("odd.wav", &odd);
    let output = shell.run(&[&server.url(), "odd.wav", "out.flac", "--subset", "strict", "--json"]);
    assert_eq!(failure(&output), "outside_subset");
    let output = shell.run(&[&format!("{}/no/such/place", server.url()), "in.wav", "out.flac", "--json"]);
    assert_eq!(failure(&output), "refused");
    assert!(stderr(&output).contains("404") && stderr(&output).contains("/ws"), "{}", stderr(&output));
    assert_eq!(shell.files(), ["in.wav", "odd.wav"]);
}

#[test]
fn a_service_that_asks_for_a_token_gets_it_from_a_file() {
    let (shell, sound) = (Shell::new(), Sound::music(5_000, 2, 16));
    shell
        .file("in.wav", &sound.wav)
        .file("tokens", b"old\nright\n")
        .file("right", b"right\n")
        .file("wrong", b"wrong\n");
    let server = Server::start(&["--token-file", shell.at("tokens").to_str().unwrap()]);
    let url = server.url();
    assert_eq!(failure(&shell.run(&[&url, "in.wav", "out.flac", "--json"])), "unauthorized");
    assert_eq!(failure(&shell.run(&[&url, "in.wav", "out.flac", "--json", "--token-file", "wrong"])), "unauthorized");
    let output = shell.run(&[&url, "in.wav", "out.flac", "--token-file", "right"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    sound.assert_file(&shell.at("out.flac"));
}

#[test]
fn a_service_that_is_not_there_is_given_up() {
    let (shell, sound) = (Shell::new(), Sound::music(5_000, 2, 16));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    shell.file("in.wav", &sound.wav);
    for (flags, attempts) in [(["--retries", "2"], 2), (["--reconnect-timeout", "0s"], 0), (["--retries", "0"], 0)] {
        let output = shell.run(&[&[url.as_str(), "in.wav", "out.flac", "--json"], flags.as_slice()].concat());
        assert_eq!(failure(&output), "connection_lost");
        assert_eq!(stderr(&output).matches("trying again").count(), attempts, "{}", stderr(&output));
    }
    assert_eq!(shell.files(), ["in.wav"]);
}

#[test]
fn mistakes_on_the_command_line_have_their_own_exit_code() {
    let shell = Shell::new();
    shell.file("in.wav", b"RIFF");
    for (args, word) in [
        (["localhost:8080", "in.wav", "out.flac", "-q"], "http://"),
        (["http://localhost", "in.wav", ".", "-q"], "folder"),
        (["http://localhost", "in.wav", "/dev/null", "-q"], "regular"),
        (["http://localhost", "in.wav", "out.flac", "--token-file=missing"], "missing"),
        (["https://localhost", "in.wav", "out.flac", "--ca-file=in.wav"], "PEM"),
        (["http://localhost", "in.wav", "out.flac", "--pcm=48000:2:s16be"], "WAV files hold them"),
        (["http://localhost", "in.wav", "out.flac", "--pcm=48000:9:16"], "channels"),
        (["http://localhost", "in.wav", "out.flac", "--buffer=1"], "at least"),
    ] {
        let output = shell.run(&args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(stderr(&output).contains(word), "{args:?}: {}", stderr(&output));
    }
    assert_eq!(shell.files(), ["in.wav"]);
}
