//! Plays one case and compares what comes of it with what is expected.

use std::{io, net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::{
    answer::{Answer, Ending, Stream, Unread},
    case::{Case, Expect, Step},
    probe::Probe,
};

/// Longest that a case may take: only a server that hangs reaches it.
const HANGS: Duration = Duration::from_secs(100);

/// A client's connection and all that came on it.
struct Client {
    stream: Option<TcpStream>,
    came: Vec<u8>,
    /// Whether the server has ended the connection.
    ended: bool,
}

/// Plays a case; the text says what is wrong.
pub async fn play(case: &Case, probe: &Probe) -> Result<(), String> {
    let before = match case.expect {
        Expect::Counted(kind, outcome) => Some((kind, outcome, probe.conversions(kind, outcome).await)),
        _ => None,
    };
    let mut client = Client { stream: None, came: Vec::new(), ended: false };
    let played = timeout(HANGS, async {
        if matches!(case.expect, Expect::GivenUp) {
            probe.until_quiet().await;
        }
        client.connect(probe.address(), &case.expect).await?;
        for step in &case.steps {
            if matches!(step, Step::UntilDropped) {
                probe.until_quiet().await;
            }
            client.step(step).await?;
        }
        client.meets(&case.expect).await
    });
    match played.await {
        Ok(met) => met.map_err(|wrong| format!("{wrong}; came: {}", client.shown()))?,
        Err(_) => return Err(format!("it hangs; came: {}", client.shown())),
    }
    drop(client);
    if let Some((kind, outcome, count)) = before {
        probe.until_conversions(kind, outcome, count + 1).await?;
    }
    Ok(())
}

impl Client {
    async fn connect(&mut self, address: SocketAddr, expect: &Expect) -> Result<(), String> {
        let socket = TcpSocket::new_v4().map_err(|error| error.to_string())?;
        if matches!(expect, Expect::GivenUp) {
            // So that little of what comes is taken on its behalf.
            socket.set_recv_buffer_size(65_536).map_err(|error| error.to_string())?;
        }
        self.stream = Some(socket.connect(address).await.map_err(|error| format!("no connection: {error}"))?);
        Ok(())
    }

    async fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Send(bytes) => self.send(bytes).await,
            Step::Repeat(bytes, times) => {
                for _ in 0..*times {
                    self.send(bytes).await;
                }
            }
            Step::Trickle(bytes, pause) => {
                for byte in bytes {
                    self.send(&[*byte]).await;
                    // Reading while it waits: so it sees the end that it is made to wait for.
                    let _ = timeout(*pause, self.read_to_end()).await;
                    if self.ended {
                        break;
                    }
                }
            }
            Step::Await(wanted) => {
                while !self.came.windows(wanted.len()).any(|window| window == *wanted) {
                    if !self.read().await {
                        return Err(format!("`{}` did not come", String::from_utf8_lossy(wanted)));
                    }
                }
            }
            Step::AwaitLength(length) => {
                while self.came.len() < *length {
                    if !self.read().await {
                        return Err(format!("only {} bytes of {length} came", self.came.len()));
                    }
                }
            }
            Step::UntilDropped => {}
            Step::Finish => {
                if let Some(stream) = &mut self.stream {
                    // It may be gone already.
                    let _ = stream.shutdown().await;
                }
            }
            Step::Reset => {
                if let Some(stream) = self.stream.take() {
                    stream.set_zero_linger().map_err(|error| error.to_string())?;
                }
            }
        }
        Ok(())
    }

    /// A server that has said its last word may take no more: then what it said counts.
    async fn send(&mut self, bytes: &[u8]) {
        if let Some(stream) = &mut self.stream {
            let _ = stream.write_all(bytes).await;
        }
    }

    /// Reads something; false at the end.
    async fn read(&mut self) -> bool {
        let Some(stream) = &mut self.stream else { return false };
        let read = stream.read_buf(&mut self.came).await;
        self.ended = !matches!(read, Ok(1..));
        !self.ended
    }

    async fn read_to_end(&mut self) {
        while self.read().await {}
    }

    async fn meets(&mut self, expect: &Expect) -> Result<(), String> {
        match expect {
            Expect::Answers(all) => {
                let mut from = 0;
                for (number, expect) in all.iter().enumerate() {
                    let met = self.meets_one(expect, &mut from).await;
                    met.map_err(|wrong| format!("answer {number}: {wrong}"))?;
                }
                self.read_to_end().await;
                self.nothing_from(from)
            }
            Expect::Silence => {
                self.read_to_end().await;
                self.nothing_from(0)
            }
            Expect::BrokenOff | Expect::GivenUp => {
                self.read_to_end().await;
                let begun = self.came.starts_with(b"HTTP/1.1 200");
                match Answer::read(&self.came, 0) {
                    Ok(answer) if answer.ending == Ending::Whole => Err(String::from("the answer is whole")),
                    Ok(_) | Err(Unread::Partly) if begun => Ok(()),
                    Ok(_) | Err(_) => Err(String::from("no answer began")),
                }
            }
            Expect::Counted(..) => {
                self.stream = None;
                Ok(())
            }
            Expect::Error(..) | Expect::Done(_) | Expect::Close(_) => self.meets_stream(expect).await,
            one => {
                let mut from = 0;
                self.meets_one(one, &mut from).await
            }
        }
    }

    fn nothing_from(&self, from: usize) -> Result<(), String> {
        if self.came.len() == from { Ok(()) } else { Err(format!("{} bytes more than wanted", self.came.len() - from)) }
    }

    /// Reads the answer that begins there, to its end.
    async fn answer(&mut self, from: usize) -> Result<Answer, String> {
        loop {
            match Answer::read(&self.came, from) {
                Ok(answer) if answer.ending == Ending::Whole => return Ok(answer),
                Ok(_) | Err(Unread::Partly) if self.read().await => {}
                Ok(answer) => return Err(format!("an answer of status {} was not whole", answer.status)),
                Err(unread) => return Err(unread.to_string()),
            }
        }
    }

    async fn meets_one(&mut self, expect: &Expect, from: &mut usize) -> Result<(), String> {
        let answer = self.answer(*from).await?;
        *from = answer.end;
        match expect {
            Expect::Problem(status, code) => answer.is_problem(*status, code)?,
            Expect::Bare(status) => {
                answer.is_bare(*status)?;
                self.read_to_end().await;
                self.nothing_from(*from)?;
            }
            Expect::Flac(samples, name) => answer.is_flac(*samples, name)?,
            Expect::Answer(status, holds) => answer.holds(*status, holds)?,
            _ => return Err(String::from("the case expects what is no answer")),
        }
        // Whoever says that it closes does: else the next request would be lost.
        if answer.closes {
            self.read_to_end().await;
            self.nothing_from(*from)?;
        }
        Ok(())
    }

    async fn meets_stream(&mut self, expect: &Expect) -> Result<(), String> {
        let stream = loop {
            match Stream::read(&self.came) {
                Ok(stream) if stream.closed.is_some() => break stream,
                _ if self.read().await => {}
                Ok(stream) => return Err(format!("the stream was not closed, but ended after {:?}", stream.said)),
                Err(wrong) => return Err(wrong),
            }
        };
        let last = stream.said.last().unwrap_or(&Value::Null);
        let kind = last["type"].as_str().unwrap_or_default();
        let met = match expect {
            Expect::Error(code, close) => {
                let words = last["message"].as_str().unwrap_or_default();
                kind == "error" && last["code"] == *code && !words.is_empty() && stream.closed == Some(*close)
            }
            Expect::Done(samples) => kind == "done" && last["samples"] == *samples && stream.closed == Some(1000),
            Expect::Close(close) => kind != "error" && stream.closed == Some(*close),
            _ => false,
        };
        if met { Ok(()) } else { Err(format!("the stream ended with {last} and was closed with {:?}", stream.closed)) }
    }

    fn shown(&self) -> String {
        let start = &self.came[..self.came.len().min(900)];
        format!("{} bytes, {:?}", self.came.len(), String::from_utf8_lossy(start))
    }
}

/// One request to a port, its answer's body.
pub async fn get(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
