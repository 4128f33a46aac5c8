//! Streams without trouble.

use std::fs;
use std::time::Instant;

use crate::harness::{Server, Shell, Sound, object, stderr};

#[test]
fn a_file_becomes_a_whole_file() {
    let (server, shell) = (Server::start(&[]), Shell::new());
    for (channels, bits) in [(1, 8), (2, 16), (2, 24)] {
        let sound = Sound::music(30_000, channels, bits);
        let output =
            shell.file("in.wav", &sound.wav).run(&[&server.url(), "in.wav", "out.flac", "--force", "--verify"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(stderr(&output).starts_with("in.wav -> out.flac: "), "{}", stderr(&output));
        assert!(output.stdout.is_empty());
        sound.assert_file(&shell.at("out.flac"));
        assert_eq!(shell.files(), ["in.wav", "out.flac"]);
    }
}

#[test]
fn every_way_to_write_the_address_leads_to_the_stream() {
    let (server, shell, sound) = (Server::start(&[]), Shell::new(), Sound::music(5_000, 2, 16));
    shell.file("in.wav", &sound.wav);
    for scheme in ["http", "ws"] {
        for path in ["", "/", "/ws", "/ws?level=0"] {
            let url = format!("{scheme}://{}{path}", server.address());
            let output = shell.run(&[&url, "in.wav", "out.flac", "-f", "-q"]);
            assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""), "{url}");
            sound.assert_file(&shell.at("out.flac"));
        }
    }
}

#[test]
fn pipes_are_read_and_written() {
    let (server, shell, sound) = (Server::start(&[]), Shell::new(), Sound::noise(50_000));
    let url = server.url();
    let output = shell.run_with_input(&[&url, "-", "out.flac"], &sound.wav);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    sound.assert_file(&shell.at("out.flac"));

    let piped = shell.run_with_input(&[&url, "-", "-", "--json"], &sound.wav);
    assert_eq!(piped.status.code(), Some(0), "{}", stderr(&piped));
    sound.assert_decoded_from(&piped.stdout);
    assert_eq!(piped.stdout[22..42], [0; 20], "a pipe's header says that length and MD5 are unknown");
    let told = object(&piped.stderr);
    assert_eq!((&told["output"], &told["bytes_out"]), (&"standard output".into(), &piped.stdout.len().into()));
    assert!(told["left_out"].as_array().unwrap().contains(&"md5".into()));

    let from_file = shell.file("in.wav", &sound.wav).run(&[&url, "in.wav", "-", "-q"]);
    assert!(from_file.stdout == piped.stdout);
    // The frames are the same; only the head differs.
    let file = fs::read(shell.at("out.flac")).unwrap();
    assert_eq!(file.len(), piped.stdout.len());
    assert!(file[file.len() / 2..] == piped.stdout[file.len() / 2..]);
}

#[test]
fn headerless_audio_is_named_as_for_converting_files() {
    let (server, shell, sound) = (Server::start(&[]), Shell::new(), Sound::music(20_000, 2, 16));
    for format in ["44100:2:16", "44100:2:s16le", "44100:2:16/16"] {
        let output = shell.run_with_input(&[&server.url(), "-", "out.flac", "-f", "--pcm", format], &sound.pcm());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        sound.assert_file(&shell.at("out.flac"));
    }
}

#[test]
fn the_choices_reach_the_service() {
    let (server, shell, sound) = (Server::start(&[]), Shell::new(), Sound::music(40_000, 2, 16));
    shell.file("in.wav", &sound.wav);
    let size = |flags: &[&str]| {
        let url = server.url();
        let args = [&[url.as_str(), "in.wav", "out.flac", "--force"], flags].concat();
        let output = shell.run(&args);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let flac = fs::read(shell.at("out.flac")).unwrap();
        sound.assert_in(&flac);
        (flac.len(), u16::from_be_bytes([flac[10], flac[11]]))
    };
    let (fast, small) = (size(&["--level", "0"]), size(&["--level", "8"]));
    assert!(small.0 < fast.0, "{small:?} {fast:?}");
    assert_eq!(size(&["--block-size", "1152"]).1, 1152);
    assert_eq!(size(&["--message-size", "1000"]), size(&["--message-size", "1Mi"]));
}

#[test]
fn programs_are_told_what_became_of_it() {
    let (server, shell, sound) = (Server::start(&[]), Shell::new(), Sound::music(20_000, 2, 16));
    let output = shell.file("in.wav", &sound.wav).run(&[&server.url(), "in.wav", "out.flac", "--json"]);
    assert_eq!(stderr(&output), "");
    let told = object(&output.stdout);
    assert_eq!(
        (&told["status"], &told["samples"], &told["reconnects"]),
        (&"converted".into(), &20_000.into(), &0.into())
    );
    assert_eq!(told["md5"], format!("{:032x}", u128::from_be_bytes(sound.md5())));
    assert_eq!(told["bytes_in"], sound.wav.len());
    assert!(told["request_id"].is_string());
}

#[test]
fn in_real_time_it_takes_as_long_as_the_audio() {
    let (server, shell, sound) = (Server::start(&[]), Shell::new(), Sound::music(22_050, 1, 16));
    let began = Instant::now();
    let output = shell.file("in.wav", &sound.wav).run(&[&server.url(), "in.wav", "out.flac", "--realtime"]);
    // Half a second, but for the last message. It may take longer, never less.
    assert!(began.elapsed().as_secs_f64() >= 0.44);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    sound.assert_file(&shell.at("out.flac"));
}
