//! The converter as a process. Apart from the rest of this folder, because unit tests have no binary.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    process::{Child, Command, Output, Stdio},
};

/// A `converter serve` process, on ports that the system picks. Killed with the test.
pub struct Server {
    pub child: Child,
    /// What it says first: where the page is.
    pub url: String,
    pub address: SocketAddr,
}

impl Server {
    /// Starts a server with these flags beside those for the ports, and waits until it answers.
    pub fn start(flags: &[&str]) -> Self {
        Self::start_on("127.0.0.1:0", flags, Stdio::null())
    }

    /// The same with the page at this address, and the log going there.
    pub fn start_on(listen: &str, flags: &[&str], log: Stdio) -> Self {
        Self::start_by(Command::new(env!("CARGO_BIN_EXE_converter")), listen, flags, log)
    }

    /// The same by a command that only lacks the converter's arguments.
    pub fn start_by(mut command: Command, listen: &str, flags: &[&str], log: Stdio) -> Self {
        let mut child = command
            .args(["serve", "--listen", listen, "--admin-listen", "127.0.0.1:0"])
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("Flacship is at ").unwrap().to_owned();
        let address = url.trim_end_matches('/').split_once("://").unwrap().1.parse().unwrap();
        Self { child, url, address }
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Gives a process its input, and waits for its end.
pub fn end_with_input(mut child: Child, input: &[u8]) -> Output {
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        // One that refuses its input may close the pipe early.
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output().unwrap()
    })
}
