//! A server of its own for each test, on ports that the system picks.

use std::net::SocketAddr;

use clap::Parser;
use converter::serve::{Args, Server, Stop};
use tokio::{sync::oneshot, task::JoinHandle};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

/// A running server. Ends with the test.
pub struct Service {
    pub address: SocketAddr,
    pub admin: SocketAddr,
    stop: oneshot::Sender<Stop>,
    ended: JoinHandle<()>,
}

impl Service {
    /// Starts a server with these flags beside those for the ports.
    pub async fn start(flags: &[&str]) -> Self {
        let ports = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
        let cli = Cli::try_parse_from(ports.iter().chain(flags)).unwrap();
        let server = Server::bind(cli.args).await.unwrap();
        let (address, admin) = (server.address(), server.admin_address());
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(server.run(async { stopped.await.unwrap_or(Stop::Interrupt) }));
        Self { address, admin, stop, ended }
    }

    /// Why a server with these flags does not start.
    pub async fn refused(flags: &[&str]) -> String {
        let ports = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
        let cli = Cli::try_parse_from(ports.iter().chain(flags)).unwrap();
        Server::bind(cli.args).await.unwrap_err().to_string()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Tells the server to stop; the handle ends when it has.
    pub fn stop(self, how: Stop) -> JoinHandle<()> {
        self.stop.send(how).unwrap();
        self.ended
    }

    /// Whether `/metrics` has this line.
    pub async fn counts(&self, line: &str) -> bool {
        let text = get(&format!("http://{}/metrics", self.admin)).await.1;
        text.lines().any(|got| got == line)
    }

    /// Waits until `/metrics` has this line: for what the server notices on its own.
    pub async fn until_counts(&self, line: &str) {
        while !self.counts(line).await {
            tokio::task::yield_now().await;
        }
    }
}

/// Status and text of a GET.
pub async fn get(url: &str) -> (u16, String) {
    let answer = reqwest::get(url).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Waits until a GET of `url` has this status.
pub async fn until_status(url: &str, status: u16) {
    while get(url).await.0 != status {
        tokio::task::yield_now().await;
    }
}

/// Posts a body to `/convert`.
pub async fn post(service: &Service, query: &str, body: Vec<u8>) -> reqwest::Response {
    reqwest::Client::new().post(service.url(&format!("/convert{query}"))).body(body).send().await.unwrap()
}

/// The problem that an answer holds, its members checked against its headers.
pub async fn problem(answer: reqwest::Response) -> serde_json::Value {
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let (status, id) = (answer.status().as_u16(), answer.headers()["x-request-id"].to_str().unwrap().to_owned());
    let problem: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(problem["status"], status);
    assert_eq!(problem["request_id"], id);
    assert_eq!(problem["error"], problem["detail"]);
    assert_eq!(problem["type"], format!("urn:flacship:problem:{}", problem["code"].as_str().unwrap()));
    problem
}
