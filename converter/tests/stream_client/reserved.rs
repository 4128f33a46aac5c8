//! Servers that a reservation keeps new streams from: the client passes by or waits, and no sample is lost.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use crate::harness::{Server, Shell, Sound, length, object, stderr, wait_for};
use crate::proxy::{Cut, Proxy};

const KEY: &[u8] = b"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n";

/// The text that a route of the admin port answers with.
fn ask(admin: SocketAddr, request: &str) -> String {
    let mut connection = TcpStream::connect(admin).unwrap();
    write!(connection, "{request} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

fn reserve(admin: SocketAddr, time: &str) -> Value {
    let load = object(ask(admin, &format!("POST /reserve?ttl={time}")).as_bytes());
    assert_eq!(load["reserved"], true);
    load
}

/// How many streams a reservation turned away.
fn turned_away(admin: SocketAddr) -> u64 {
    let metrics = ask(admin, "GET /metrics");
    let line = "flacship_converter_errors_total{code=\"reserved\"} ";
    metrics.lines().find_map(|text| text.strip_prefix(line)).unwrap().parse().unwrap()
}

#[test]
fn a_stream_begins_once_the_only_server_s_reservation_is_over() {
    let ((server, admin), shell, sound) = (Server::with_admin(&[]), Shell::new(), Sound::noise(60_000));
    reserve(admin, "5m");
    let mut recorder = shell.spawn(&[&server.url(), "-", "out.flac", "--json"]);
    let mut pipe = recorder.stdin.take().unwrap();
    let input = sound.wav.clone();
    let recording = std::thread::spawn(move || pipe.write_all(&input));
    wait_for("a refusal", || turned_away(admin) > 0);
    assert_eq!(reserve(admin, "500ms")["streams"]["active"], 0);
    let output = recorder.wait_with_output().unwrap();
    recording.join().unwrap().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("set aside for a while") && stderr(&output).contains("trying again in"));
    sound.assert_file(&shell.at("out.flac"));
}

#[test]
fn a_stream_passes_by_a_reserved_server_at_its_start_and_when_it_resumes() {
    let mut keys = tempfile::NamedTempFile::new().unwrap();
    keys.write_all(KEY).unwrap();
    let flags = ["--stream-key-file", keys.path().to_str().unwrap(), "--block-size", "512"];
    let ((free, _), (reserved, admin)) = (Server::with_admin(&flags), Server::with_admin(&flags));
    let (shell, sound) = (Shell::new(), Sound::noise(100_000));
    shell.file("in.wav", &sound.wav);
    reserve(admin, "5m");
    for (count, input) in ["in.wav", "-"].into_iter().enumerate() {
        let away = (reserved.address(), Cut::Never);
        let cut = |cut| (free.address(), cut);
        let proxy = Proxy::start(&[
            away,
            cut(Cut::Sent(150_000)),
            away,
            away,
            cut(Cut::Received(100_000)),
            away,
            cut(Cut::Never),
        ]);
        let args = [&proxy.url(), input, "out.flac", "-f", "--json", "--buffer", "64Ki", "--message-size", "8Ki"];
        let output = shell.run_with_input(&args, &sound.wav);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        sound.assert_file(&shell.at("out.flac"));
        assert_eq!(object(&output.stdout)["reconnects"], 6, "{}", stderr(&output));
        assert_eq!(turned_away(admin), 4 * (count as u64 + 1));
    }
}

#[test]
fn a_stream_that_runs_does_not_notice_a_reservation() {
    let ((server, admin), shell, sound) = (Server::with_admin(&[]), Shell::new(), Sound::noise(200_000));
    let mut recorder = shell.spawn(&[&server.url(), "-", "out.flac", "--json"]);
    let mut pipe = recorder.stdin.take().unwrap();
    let (now, later) = sound.wav.split_at(sound.wav.len() / 2);
    pipe.write_all(now).unwrap();
    wait_for("the first half", || length(&shell.at("out.flac.part")) > 300_000);
    assert_eq!(reserve(admin, "5m")["streams"]["active"], 1);
    pipe.write_all(later).unwrap();
    drop(pipe);
    let output = recorder.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(object(&output.stdout)["reconnects"], 0);
    sound.assert_file(&shell.at("out.flac"));
    assert_eq!(turned_away(admin), 0);
}
