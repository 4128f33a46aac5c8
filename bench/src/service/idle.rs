//! Connections that do nothing: what a server holds for each.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use anyhow::ensure;

use super::cores::Cores;
use super::server::Server;

/// What a server holds with so many idle connections, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Idle {
    pub connections: usize,
    /// Before the first.
    pub before: u64,
    /// With keep-alive connections that have asked once.
    pub http: u64,
    /// With as many streams that have said nothing beside them.
    pub streams: u64,
}

/// Opens the connections, first those that wait for a next request, then the streams.
pub fn hold(converter: &Path, cores: Cores, folder: &Path, connections: usize) -> anyhow::Result<Idle> {
    let flags = ["--max-streams", "1000000", "--header-timeout", "10m", "--idle-timeout", "10m"];
    let server = Server::converter(converter, cores, folder, &flags)?;
    let before = server.taken()?.memory;
    let page = "GET /healthz HTTP/1.1\r\nHost: bench\r\n\r\n";
    let kept = open(&server, connections, page, "200")?;
    let http = server.taken()?.memory;
    let upgrade = "GET /ws HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: \
                   13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: flacship.v1\r\n\r\n";
    let streams = open(&server, connections, upgrade, "101")?;
    let held = server.taken()?.memory;
    drop((kept, streams));
    Ok(Idle { connections, before, http, streams: held })
}

fn open(server: &Server, count: usize, request: &str, status: &str) -> anyhow::Result<Vec<TcpStream>> {
    let mut buffer = [0; 4096];
    let open = (0..count).map(|_| {
        let mut socket = TcpStream::connect(server.address)?;
        socket.write_all(request.as_bytes())?;
        let count = socket.read(&mut buffer)?;
        let answer = String::from_utf8_lossy(&buffer[..count]);
        ensure!(answer.starts_with(&format!("HTTP/1.1 {status}")), "an idle connection got: {answer}");
        Ok(socket)
    });
    open.collect()
}
