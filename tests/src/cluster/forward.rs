//! Carries connections from the host's loopback into the namespace: hidden subcommand `cluster forward`.
//!
//! The listeners are opened in the host's namespace, then the process moves into the cluster's and connects there. A
//! socket stays in the namespace in which it was made, so nothing else joins the two, and with the cluster gone no
//! packet for its addresses can leave the machine.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use anyhow::{Context, Result};
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;

/// A port of the host's loopback, and where it leads inside the namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Port on 127.0.0.1 of the host.
    pub port: u16,
    /// Address inside the namespace.
    pub target: SocketAddr,
}

impl std::str::FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}`: give PORT=ADDRESS:PORT");
        let (port, target) = text.split_once('=').ok_or_else(wrong)?;
        Ok(Self { port: port.parse().map_err(|_| wrong())?, target: target.parse().map_err(|_| wrong())? })
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}={}", self.port, self.target)
    }
}

/// Forwards until it is ended. The calling thread must be the only one.
///
/// # Errors
/// If a port is taken or the namespace cannot be entered.
pub fn run(netns: &Path, rules: &[Rule]) -> Result<()> {
    let listeners = rules.iter().map(listen).collect::<Result<Vec<_>>>()?;
    super::netns::enter(netns)?;
    // One thread: only the calling one has moved.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for (listener, rule) in listeners.into_iter().zip(rules) {
            tasks.spawn(accept(tokio::net::TcpListener::from_std(listener)?, rule.target));
        }
        while tasks.join_next().await.is_some() {}
        Ok(())
    })
}

fn listen(rule: &Rule) -> Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, rule.port))
        .with_context(|| format!("listen on 127.0.0.1:{}", rule.port))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

async fn accept(listener: tokio::net::TcpListener, target: SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                tokio::spawn(carry(client, target));
            }
            Err(error) => {
                // Out of file descriptors, say: it may pass.
                eprintln!("accept for {target}: {error}");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

/// A target that refuses shows as a closed connection.
async fn carry(mut client: TcpStream, target: SocketAddr) {
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    // Small WebSocket frames must not wait for more.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let _ = copy_bidirectional(&mut client, &mut server).await;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn rules_survive_the_command_line() {
        let rule: Rule = "30080=10.243.0.1:30080".parse().unwrap();
        assert_eq!(rule.target.port(), 30080);
        assert_eq!(rule.to_string().parse::<Rule>().unwrap(), rule);
        for wrong in ["", "1", "x=1.2.3.4:5", "1=host:5", "70000=1.2.3.4:5"] {
            assert!(wrong.parse::<Rule>().is_err(), "{wrong}");
        }
    }
}
