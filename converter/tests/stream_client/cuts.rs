//! Connections that are cut, servers that are killed or told to stop: the file is whole all the same.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;

use nix::sys::signal::Signal;

use crate::harness::{Server, Shell, Sound, failure, length, object, stderr, wait_for};
use crate::proxy::{Cut, Proxy, Route};

/// Two servers with the same keys, as two pods have.
struct Pods {
    servers: [Server; 2],
    _keys: tempfile::NamedTempFile,
}

impl Pods {
    fn start(flags: &[&str]) -> Self {
        let mut keys = tempfile::NamedTempFile::new().unwrap();
        keys.write_all(b"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n").unwrap();
        let flags = [&["--stream-key-file", keys.path().to_str().unwrap()], flags].concat();
        Self { servers: [Server::start(&flags), Server::start(&flags)], _keys: keys }
    }

    fn addresses(&self) -> [SocketAddr; 2] {
        self.servers.each_ref().map(Server::address)
    }

    /// A proxy that goes to one server and the other in turn, and cuts so each time; at last it does not.
    fn proxy(&self, cuts: &[Cut]) -> Proxy {
        let servers = self.addresses().into_iter().cycle();
        let routes: Vec<Route> = servers.zip(cuts.iter().copied().chain([Cut::Never])).collect();
        Proxy::start(&routes)
    }
}

#[test]
fn a_file_survives_cuts_at_any_byte_of_what_is_sent() {
    let (pods, shell, sound) = (Pods::start(&[]), Shell::new(), Sound::noise(60_000));
    shell.file("in.wav", &sound.wav);
    for cuts in [
        // In the handshake, in `start`, before the first frame.
        vec![Cut::Sent(10), Cut::Sent(300), Cut::Sent(2_000), Cut::Sent(15_000)],
        // In the middle of blocks.
        vec![Cut::Sent(40_000), Cut::Sent(70_001), Cut::Sent(30_002)],
        vec![Cut::Sent(200_000), Cut::Sent(7)],
    ] {
        let proxy = pods.proxy(&cuts);
        let output = shell.run(&[&proxy.url(), "in.wav", "out.flac", "-f", "--json", "--message-size", "5000"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        sound.assert_file(&shell.at("out.flac"));
        assert_eq!(proxy.connections(), cuts.len() + 1);
    }
}

#[test]
fn a_file_survives_cuts_at_any_byte_of_what_comes() {
    let (pods, shell, sound) = (Pods::start(&["--block-size", "1000"]), Shell::new(), Sound::noise(60_000));
    shell.file("in.wav", &sound.wav);
    for cuts in [
        vec![Cut::Received(100), Cut::Received(500), Cut::Received(9_000)],
        vec![Cut::Received(20_000), Cut::Received(33_333), Cut::Received(50_001)],
    ] {
        let proxy = pods.proxy(&cuts);
        let output = shell.run(&[&proxy.url(), "in.wav", "out.flac", "-f", "--verify", "--message-size", "3001"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(stderr(&output).contains("trying again in"), "{}", stderr(&output));
        sound.assert_file(&shell.at("out.flac"));
        assert_eq!(proxy.connections(), cuts.len() + 1);
    }
}

#[test]
fn samples_in_any_container_go_on_exactly_where_they_were() {
    let (pods, shell) = (Pods::start(&["--block-size", "333"]), Shell::new());
    for (channels, bits) in [(1, 8), (3, 24), (2, 32), (6, 16)] {
        let sound = Sound::music(12_000, channels, bits);
        let proxy = pods.proxy(&[Cut::Sent(11_113), Cut::Sent(5_557), Cut::Received(12_345)]);
        let output =
            shell.file("in.wav", &sound.wav).run(&[&proxy.url(), "in.wav", "out.flac", "-f", "--message-size", "1001"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        sound.assert_file(&shell.at("out.flac"));
    }
}

#[test]
fn a_pipe_survives_with_what_is_kept_of_it() {
    let (pods, shell, sound) = (Pods::start(&["--block-size", "512"]), Shell::new(), Sound::noise(300_000));
    let proxy = pods.proxy(&[Cut::Sent(150_000), Cut::Sent(250_000), Cut::Received(300_000)]);
    // Less than a tenth of the audio is kept.
    let args = [&proxy.url(), "-", "out.flac", "--buffer", "64Ki", "--message-size", "8Ki", "--json"];
    let output = shell.run_with_input(&args, &sound.wav);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    sound.assert_file(&shell.at("out.flac"));
    assert_eq!(object(&output.stdout)["reconnects"], 3);
}

#[test]
fn standard_output_gets_no_byte_twice() {
    let (pods, shell, sound) = (Pods::start(&["--block-size", "512"]), Shell::new(), Sound::noise(100_000));
    shell.file("in.wav", &sound.wav);
    for input in ["in.wav", "-"] {
        let proxy = pods.proxy(&[Cut::Sent(3_000), Cut::Sent(90_000), Cut::Received(90_000)]);
        let args = [&proxy.url(), input, "-", "--message-size", "4Ki"];
        let output = shell.run_with_input(&args, &sound.wav);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        sound.assert_decoded_from(&output.stdout);
        assert_eq!(proxy.connections(), 4);
    }
}

#[test]
fn a_service_without_checkpoints_gets_the_file_again_from_its_start() {
    let (server, shell, sound) = (Server::start(&["--metadata", "foreign"]), Shell::new(), Sound::noise(60_000));
    let routes = [Cut::Sent(100_000), Cut::Received(120_000), Cut::Never].map(|cut| (server.address(), cut));
    let proxy = Proxy::start(&routes);
    shell.file("in.wav", &sound.wav);
    let output = shell.run(&[&proxy.url(), "in.wav", "out.flac", "--message-size", "4Ki"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    sound.assert_file(&shell.at("out.flac"));

    // What was written to a pipe cannot be taken back.
    let proxy = Proxy::start(&routes);
    let output = shell.run(&[&proxy.url(), "in.wav", "-", "--message-size", "4Ki"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("cannot be taken back"), "{}", stderr(&output));
}

#[test]
fn a_service_with_other_keys_gets_a_file_again_but_no_pipe() {
    let (servers, shell, sound) = ([Server::start(&[]), Server::start(&[])], Shell::new(), Sound::noise(60_000));
    let routes = [(servers[0].address(), Cut::Received(100_000)), (servers[1].address(), Cut::Never)];
    let proxy = Proxy::start(&routes);
    shell.file("in.wav", &sound.wav);
    let output = shell.run(&[&proxy.url(), "in.wav", "out.flac", "--message-size", "4Ki"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("all is sent again"), "{}", stderr(&output));
    sound.assert_file(&shell.at("out.flac"));
    assert_eq!(proxy.connections(), 3);

    let proxy = Proxy::start(&routes);
    let output = shell.run_with_input(&[&proxy.url(), "-", "none.flac", "--message-size", "4Ki", "--json"], &sound.wav);
    assert_eq!(failure(&output), "cannot_resume");
    assert_eq!(shell.files(), ["in.wav", "out.flac"]);
}

/// Ends the first server in the middle of a recording, in some way, and lets the recording go on.
fn ended_in_the_middle(flags: &[&str], end: impl FnOnce(&Server)) {
    let (pods, shell, sound) = (Pods::start(flags), Shell::new(), Sound::noise(200_000));
    let [first, second] = pods.addresses();
    let proxy = Proxy::start(&[(first, Cut::Never)]);
    let mut recorder = shell.spawn(&[&proxy.url(), "-", "out.flac", "--json"]);
    let mut pipe = recorder.stdin.take().unwrap();
    let (now, later) = sound.wav.split_at(sound.wav.len() / 2);
    pipe.write_all(now).unwrap();
    wait_for("the first half", || length(&shell.at("out.flac.part")) > 300_000);
    proxy.lead_to(second);
    end(&pods.servers[0]);
    wait_for("another connection", || proxy.connections() == 2);
    pipe.write_all(later).unwrap();
    drop(pipe);
    let output = recorder.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    sound.assert_file(&shell.at("out.flac"));
    assert_eq!(object(&output.stdout)["reconnects"], 1);
    assert_eq!(fs::read_dir(shell.at(".")).unwrap().count(), 1);
}

#[test]
fn a_recording_outlives_a_server_that_is_killed() {
    ended_in_the_middle(&[], |server| server.signal(Signal::SIGKILL));
}

#[test]
fn a_recording_outlives_a_server_that_is_told_to_stop() {
    // No checkpoint comes by itself: only the one that the server makes when it leaves.
    let flags = ["--checkpoint-interval", "1h", "--drain-delay", "0s", "--drain-timeout", "0s"];
    ended_in_the_middle(&flags, |server| server.signal(Signal::SIGTERM));
}
