//! A TCP proxy that cuts connections after chosen numbers of bytes.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// When a connection is cut.
#[derive(Debug, Clone, Copy)]
pub enum Cut {
    /// After so many bytes from the client, HTTP included.
    Sent(usize),
    /// After so many bytes from the server.
    Received(usize),
    Never,
}

/// Where a connection goes, and when it is cut.
pub type Route = (SocketAddr, Cut);

/// A running proxy. Its threads end with their connections, or with the test.
pub struct Proxy {
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
    routes: Arc<Mutex<Vec<Route>>>,
}

impl Proxy {
    /// A proxy whose connections take these routes, one after the other; the last one is taken for ever.
    pub fn start(routes: &[Route]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let routes = Arc::new(Mutex::new(routes.to_vec()));
        let (count, taken) = (Arc::clone(&connections), Arc::clone(&routes));
        thread::spawn(move || {
            for client in listener.incoming() {
                let number = count.fetch_add(1, Ordering::SeqCst);
                let (server, cut) = {
                    let routes = taken.lock().unwrap();
                    routes[number.min(routes.len() - 1)]
                };
                // A server that is gone is a connection that is closed at once.
                if let (Ok(client), Ok(server)) = (client, TcpStream::connect(server)) {
                    join(&client, &server, cut);
                }
            }
        });
        Self { address, connections, routes }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// All further connections go there.
    pub fn lead_to(&self, server: SocketAddr) {
        *self.routes.lock().unwrap() = vec![(server, Cut::Never)];
    }
}

fn join(client: &TcpStream, server: &TcpStream, cut: Cut) {
    let (up, down) = match cut {
        Cut::Sent(bytes) => (bytes, usize::MAX),
        Cut::Received(bytes) => (usize::MAX, bytes),
        Cut::Never => (usize::MAX, usize::MAX),
    };
    for (from, to, most) in [(client, server, up), (server, client, down)] {
        let [from, to, client, server] = [from, to, client, server].map(|stream| stream.try_clone().unwrap());
        thread::spawn(move || {
            pass(&from, &to, most);
            // Both directions end at once. What the client still sends is read: otherwise the kernel would answer it with a
            // reset, which takes away what the client has not read yet, and where it is cut would be chance.
            let _ = server.shutdown(Shutdown::Both);
            let _ = client.shutdown(Shutdown::Write);
            let _ = io::copy(&mut &client, &mut io::sink());
        });
    }
}

fn pass(mut from: &TcpStream, mut to: &TcpStream, mut most: usize) {
    let mut piece = [0; 4096];
    while most > 0 {
        let wanted = most.min(piece.len());
        match from.read(&mut piece[..wanted]) {
            Ok(count) if count > 0 && to.write_all(&piece[..count]).is_ok() => most -= count,
            _ => return,
        }
    }
}
