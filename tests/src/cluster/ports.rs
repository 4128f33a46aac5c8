//! The loopback ports of the host that lead into the cluster.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::layout::Layout;
use super::{API_PORT, PAGE_NODE_PORT, files, process};

/// Ports on 127.0.0.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// The API server; the same number on the host and in the namespace, so that one kubeconfig serves both.
    pub api: u16,
    /// The page's port on the host; its NodePort is always [`PAGE_NODE_PORT`].
    pub page: u16,
}

impl Ports {
    /// The ports that `up` chose.
    ///
    /// # Errors
    /// If there is no cluster, or its file cannot be read.
    pub fn read(layout: &Layout) -> Result<Self> {
        let text = std::fs::read_to_string(layout.state("ports.json"))
            .with_context(|| format!("no cluster `{}`: run `cluster up`", layout.name))?;
        serde_json::from_str(&text).context("parse ports.json")
    }

    /// Those of the running forwarder; else the last ones, or the usual ones, or others if somebody has taken them.
    pub(super) fn choose(layout: &Layout) -> Result<Self> {
        let last = Self::read(layout).unwrap_or(Self { api: API_PORT, page: PAGE_NODE_PORT });
        if process::read(layout, "forward")?.is_some_and(|record| record.alive()) {
            return Ok(last);
        }
        let api = free(&[last.api, API_PORT])?;
        let page = free(&[last.page, PAGE_NODE_PORT])?;
        let ports = Self { api, page };
        files::write(&layout.state("ports.json"), &serde_json::to_string(&ports)?)?;
        Ok(ports)
    }

    /// What to say if the usual ports were taken.
    pub(super) fn remark(self) -> Option<String> {
        let usual = Self { api: API_PORT, page: PAGE_NODE_PORT };
        (self != usual).then(|| {
            format!(
                "127.0.0.1:{API_PORT} or :{PAGE_NODE_PORT} is taken by another program: the API server is at :{}, the page at :{}",
                self.api, self.page
            )
        })
    }

    /// Address of the page on the host.
    pub fn page_url(self) -> String {
        format!("http://127.0.0.1:{}/", self.page)
    }
}

fn free(wanted: &[u16]) -> Result<u16> {
    // 0: whichever the kernel has left.
    for port in wanted.iter().chain(&[0]) {
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, *port)) {
            return Ok(listener.local_addr()?.port());
        }
    }
    anyhow::bail!("no free port on 127.0.0.1")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_taken_port_is_passed_over() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert_ne!(free(&[port]).unwrap(), port);
        drop(taken);
        assert_eq!(free(&[port]).unwrap(), port);
    }
}
