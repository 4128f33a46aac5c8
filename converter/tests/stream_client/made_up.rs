//! Services that do what ours does not, or does only in rare moments.

use std::io::Write as _;

use serde_json::json;

use crate::fake::{Act, Fake, Stage, done_of, encoded};
use crate::harness::{Shell, Sound, failure, object, stderr, wait_for};

fn act(act: impl FnOnce(&mut Stage) + Send + 'static) -> Act {
    Box::new(act)
}

#[test]
fn the_client_cuts_resumes_and_sends_again_from_the_very_byte() {
    let (shell, sound) = (Shell::new(), Sound::noise(20_000));
    let (frames, summary) = encoded(&sound.wav);
    let (head, wav) = (frames[0].len(), sound.wav.clone());
    let safe = head + frames[1].len();
    let (first, second) = (frames.clone(), frames);
    let fake = Fake::start(vec![
        act(move |stage| {
            assert_eq!(stage.first["type"], "start");
            assert_eq!((&stage.first["format"], &stage.first["float"]), (&"wav".into(), &"refuse".into()));
            stage.ready(true);
            let audio = stage.audio_of(40_000);
            assert!(wav.starts_with(&audio));
            for frame in &first[..2] {
                stage.send(frame);
            }
            stage.checkpoint("the token", 12_345, safe);
            // Never made safe, and other than what comes later.
            stage.send(b"spoiled");
        }),
        act(move |stage| {
            assert_eq!(stage.first, json!({"type": "resume", "token": "the token"}));
            stage.ready(true);
            stage.say(&json!({"type": "format", "sample_rate": 44_100, "channels": 2, "bits_per_sample": 16}));
            stage.resumed(12_345, safe);
            let rest = stage.rest();
            assert!(rest == sound.wav[12_345..]);
            for frame in &second[2..] {
                stage.send(frame);
            }
            stage.done(12_345 + rest.len(), &summary);
        }),
    ]);
    let sound = Sound::noise(20_000);
    let output = shell.file("in.wav", &sound.wav).run(&[&fake.url(), "in.wav", "out.flac"]);
    fake.assert_over();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("warning: all of this is made up"), "{}", stderr(&output));
    sound.assert_file(&shell.at("out.flac"));
}

#[test]
fn other_audio_than_was_sent_is_no_success() {
    let shell = Shell::new();
    let (sound, other) = (Sound::noise(5_000), Sound::music(5_000, 2, 16));
    shell.file("in.wav", &sound.wav);
    for flags in [["out.flac", "--json"], ["out.flac", "--keep-partial"]] {
        let (frames, summary) = encoded(&other.wav);
        let fake = Fake::start(vec![act(move |stage| {
            stage.ready(false);
            let sent = stage.rest();
            for frame in &frames {
                stage.send(frame);
            }
            stage.done(sent.len(), &summary);
        })]);
        let output = shell.run(&[&[fake.url().as_str(), "in.wav"], flags.as_slice()].concat());
        fake.assert_over();
        assert_eq!(output.status.code(), Some(1));
        if flags[1] == "--json" {
            assert_eq!(failure(&output), "md5_differs");
            assert_eq!(shell.files(), ["in.wav"]);
        } else {
            assert_eq!(shell.files(), ["in.wav", "out.flac.part"]);
        }
    }
}

#[test]
fn a_pipe_goes_on_without_protection_where_no_checkpoint_comes() {
    let (shell, sound) = (Shell::new(), Sound::noise(60_000));
    let fake = Fake::start(vec![act(|stage| {
        stage.ready(true);
        let wav = stage.rest();
        let (frames, summary) = encoded(&wav);
        for frame in &frames {
            stage.send(frame);
        }
        stage.done(wav.len(), &summary);
    })]);
    let output = shell.run_with_input(&[&fake.url(), "-", "out.flac", "--buffer", "64Ki"], &sound.wav);
    fake.assert_over();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("makes nothing safe"), "{}", stderr(&output));
    sound.assert_file(&shell.at("out.flac"));
}

#[test]
fn a_silent_pipe_is_connected_again_when_it_speaks() {
    let (shell, sound) = (Shell::new(), Sound::noise(20_000));
    let fake = Fake::start(vec![
        act(|stage| {
            stage.ready(true);
            stage.audio_of(10_000);
            stage.error("idle", 4408);
        }),
        act(|stage| {
            assert_eq!(stage.first["type"], "start", "nothing was safe: all of it comes again");
            stage.ready(true);
            let wav = stage.rest();
            let (frames, summary) = encoded(&wav);
            for frame in &frames {
                stage.send(frame);
            }
            stage.done(wav.len(), &summary);
        }),
    ]);
    let mut child = shell.spawn(&[&fake.url(), "-", "out.flac"]);
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(&sound.wav[..10_000]).unwrap();
    let mut told = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut told, &mut line).unwrap();
    assert!(line.contains("the input is silent"), "{line}");
    pipe.write_all(&sound.wav[10_000..]).unwrap();
    drop(pipe);
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut told, &mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{rest}");
    fake.assert_over();
    sound.assert_file(&shell.at("out.flac"));
}

#[test]
fn nonsense_ends_the_stream_with_a_clear_word() {
    let (shell, sound) = (Shell::new(), Sound::noise(5_000));
    shell.file("in.wav", &sound.wav);
    let acts: [fn(&mut Stage); 8] = [
        |stage| stage.say(&json!("hello")),
        |stage| stage.say(&json!({"type": "ready", "resumable": "perhaps"})),
        |stage| stage.send(b"fLaC"),
        |stage| {
            stage.ready(true);
            stage.ready(true);
        },
        |stage| {
            stage.ready(true);
            stage.checkpoint("from the future", 1 << 40, 0);
        },
        |stage| {
            stage.ready(true);
            stage.resumed(0, 0);
        },
        |stage| {
            stage.ready(true);
            let (_, summary) = encoded(&Sound::noise(10).wav);
            stage.say(&done_of(0, &summary));
        },
        |stage| {
            // A head of another length than the first one would destroy frames.
            stage.ready(true);
            let wav = stage.rest();
            let (mut frames, mut summary) = encoded(&wav);
            let tail = frames[0].split_off(50);
            frames.insert(1, tail);
            for frame in &frames {
                stage.send(frame);
            }
            summary.warnings.clear();
            stage.done(wav.len(), &summary);
        },
    ];
    for (number, nonsense) in acts.into_iter().enumerate() {
        let fake = Fake::start(vec![act(nonsense)]);
        let output = shell.run(&[&fake.url(), "in.wav", "out.flac", "--json"]);
        assert_eq!(failure(&output), "protocol", "{number}: {}", stderr(&output));
        fake.assert_over();
    }
    assert_eq!(shell.files(), ["in.wav"]);
}

#[test]
fn what_the_service_refuses_for_good_is_not_tried_again() {
    let (shell, sound) = (Shell::new(), Sound::noise(5_000));
    shell.file("in.wav", &sound.wav);
    for (code, close) in [("stream_too_long", 1008), ("unauthorized", 1008), ("made_up", 1003), ("made_up", 1009)] {
        let fake = Fake::start(vec![act(move |stage| {
            stage.ready(true);
            stage.error(code, close);
        })]);
        let output = shell.run(&[&fake.url(), "in.wav", "out.flac", "--json"]);
        fake.assert_over();
        assert_eq!(failure(&output), code);
        assert!(object(&output.stdout)["error"]["message"].as_str().unwrap().contains("because the test says so"));
    }
}

#[test]
fn a_full_or_leaving_service_is_tried_again() {
    let (shell, sound) = (Shell::new(), Sound::noise(5_000));
    shell.file("in.wav", &sound.wav);
    let refuse = |code: &'static str, close| {
        act(move |stage| {
            if close != 1013 {
                stage.ready(true);
            }
            stage.error(code, close);
        })
    };
    let fake = Fake::start(vec![
        refuse("too_many_streams", 1013),
        refuse("draining", 1012),
        refuse("internal", 1011),
        act(|stage| {
            stage.ready(true);
            let wav = stage.rest();
            let (frames, summary) = encoded(&wav);
            for frame in &frames {
                stage.send(frame);
            }
            stage.done(wav.len(), &summary);
        }),
    ]);
    let output = shell.run(&[&fake.url(), "in.wav", "out.flac", "--json"]);
    fake.assert_over();
    assert_eq!(object(&output.stdout)["reconnects"], 3, "{}", stderr(&output));
    sound.assert_file(&shell.at("out.flac"));
    wait_for("the part to be gone", || !shell.at("out.flac.part").exists());
}
