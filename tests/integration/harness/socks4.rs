//! A SOCKS4 proxy: it knows the way to some addresses that lead nowhere otherwise, and denies all others.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

const GRANTED: u8 = 0x5a;
const DENIED: u8 = 0x5b;

/// It serves as long as it lives.
#[derive(Debug)]
pub struct Socks4 {
    pub port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Where each address leads: a port of this machine.
    routes: Mutex<BTreeMap<SocketAddrV4, u16>>,
    asked: Mutex<Vec<SocketAddrV4>>,
    over: AtomicBool,
}

impl Socks4 {
    /// One that knows these ways.
    pub fn to(routes: &[(SocketAddrV4, u16)]) -> Socks4 {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let routes = Mutex::new(routes.iter().copied().collect());
        let shared = Arc::new(Shared { routes, ..Shared::default() });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                if serving.over.load(SeqCst) {
                    return;
                }
                let shared = Arc::clone(&serving);
                // Whoever leaves in the middle is no fault of a test.
                std::thread::spawn(move || shared.serve(client));
            }
        });
        Socks4 { port, shared }
    }

    /// Denies that address from now on; connections that stand stay.
    pub fn forget(&self, address: SocketAddrV4) {
        self.shared.routes.lock().expect("the routes").remove(&address);
    }

    /// How often it was asked for that address.
    pub fn asked_for(&self, address: SocketAddrV4) -> usize {
        self.shared.asked.lock().expect("the list").iter().filter(|asked| **asked == address).count()
    }
}

impl Drop for Socks4 {
    fn drop(&mut self) {
        self.shared.over.store(true, SeqCst);
        // Wakes the listener.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Shared {
    fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        let mut request = [0; 8];
        client.read_exact(&mut request)?;
        // A user id, and the zero behind it.
        let mut byte = [1];
        while byte != [0] {
            client.read_exact(&mut byte)?;
        }
        let [version, command, high, low, a, b, c, d] = request;
        let address = SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([high, low]));
        self.asked.lock().expect("the list").push(address);
        let route = self.routes.lock().expect("the routes").get(&address).copied();
        let route = route.filter(|_| (version, command) == (4, 1));
        let server = route.and_then(|port| TcpStream::connect(("127.0.0.1", port)).ok());
        let Some(server) = server else { return client.write_all(&reply(DENIED)) };
        server.set_nodelay(true)?;
        client.write_all(&reply(GRANTED))?;
        let (to_server, to_client) = (server.try_clone()?, client.try_clone()?);
        let up = std::thread::spawn(move || pass(client, to_server));
        pass(server, to_client)?;
        up.join().map_err(|_| io::Error::other("a thread panicked"))?
    }
}

fn reply(code: u8) -> [u8; 8] {
    [0, code, 0, 0, 0, 0, 0, 0]
}

fn pass(mut from: TcpStream, mut to: TcpStream) -> io::Result<()> {
    let passed = io::copy(&mut from, &mut to);
    // The other way may have ended by a reset.
    let _ = to.shutdown(Shutdown::Write);
    passed.map(drop)
}
