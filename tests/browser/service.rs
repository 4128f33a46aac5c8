//! A server of its own for each test, on ports that the system picks.

use std::{net::SocketAddr, sync::Mutex};

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
    admin: SocketAddr,
    url: String,
    stop: Mutex<Option<oneshot::Sender<Stop>>>,
    ended: JoinHandle<()>,
}

impl Service {
    /// Starts a server with these flags beside those for the ports.
    pub async fn start(flags: &[&str]) -> Self {
        let ports = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
        let cli = Cli::try_parse_from(ports.iter().chain(flags)).unwrap();
        let server = Server::bind(cli.args).await.unwrap();
        let (address, admin, url) = (server.address(), server.admin_address(), server.url());
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(server.run(async { stopped.await.unwrap_or(Stop::Interrupt) }));
        Self { address, admin, url, stop: Mutex::new(Some(stop)), ended }
    }

    /// Keeps new streams away for longer than any test takes.
    pub async fn reserve(&self) {
        let url = format!("http://{}/reserve?ttl=5m", self.admin);
        assert_eq!(reqwest::Client::new().post(url).send().await.unwrap().status(), 200);
    }

    /// Tells the server to stop, as a pod is told.
    pub fn stop(&self) {
        self.stop.lock().unwrap().take().unwrap().send(Stop::Terminate).unwrap();
    }

    pub fn url(&self) -> String {
        self.url.clone()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.ended.abort();
    }
}
