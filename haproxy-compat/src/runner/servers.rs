//! Servers that the runner plays: each says its name, or is a Redis with a role that can be set.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::SeqCst};
use std::thread;

use crate::case::{Grants, Kind, Role, Server};

/// A port that nobody may listen on but root, and nobody does: it refuses connections.
const REFUSES: u16 = 1;

/// The servers of one case. Dropping them ends their listeners.
#[derive(Debug, Default)]
pub struct Servers(BTreeMap<String, Played>);

#[derive(Debug)]
struct Played {
    port: u16,
    role: Arc<AtomicU8>,
    /// Set when the listener is to end.
    over: Arc<AtomicBool>,
}

impl Servers {
    /// # Errors
    ///
    /// No port is to be had.
    pub fn start(wanted: &[Server]) -> io::Result<Servers> {
        let played = wanted.iter().map(|server| Ok((server.name.clone(), play(server)?)));
        Ok(Servers(played.collect::<io::Result<_>>()?))
    }

    pub fn ports(&self) -> BTreeMap<String, u16> {
        self.0.iter().map(|(name, played)| (name.clone(), played.port)).collect()
    }

    /// A Redis says that role from now on.
    pub fn set_role(&self, name: &str, role: Role) {
        if let Some(played) = self.0.get(name) {
            played.role.store(role as u8, SeqCst);
        }
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for played in self.0.values().filter(|played| played.port != REFUSES) {
            played.over.store(true, SeqCst);
            // Wakes the listener; when it has ended already there is nobody to wake.
            let _ = TcpStream::connect(("127.0.0.1", played.port));
        }
    }
}

fn play(server: &Server) -> io::Result<Played> {
    let role = match server.kind {
        Kind::Redis(role) => role,
        _ => Role::Master,
    };
    let role = Arc::new(AtomicU8::new(role as u8));
    let over = Arc::new(AtomicBool::new(false));
    if server.kind == Kind::Refuses {
        return Ok(Played { port: REFUSES, role, over });
    }
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let played =
        Played { port: listener.local_addr()?.port(), role: Arc::clone(&role), over: Arc::clone(&over) };
    let server = server.clone();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            if over.load(SeqCst) {
                return;
            }
            let (server, role) = (server.clone(), Arc::clone(&role));
            // A client that goes away in the middle is no fault of the case.
            thread::spawn(move || drop(serve(&server, &role, client)));
        }
    });
    Ok(played)
}

fn serve(server: &Server, role: &AtomicU8, mut client: TcpStream) -> io::Result<()> {
    match server.kind {
        Kind::Names => {
            writeln!(client, "{}", server.name)?;
            client.read_to_end(&mut Vec::new()).map(drop)
        }
        Kind::Leaves => writeln!(client, "{}", server.name),
        Kind::Silent => client.read_to_end(&mut Vec::new()).map(drop),
        Kind::Echo => {
            let mut reader = client.try_clone()?;
            io::copy(&mut reader, &mut client).map(drop)
        }
        Kind::Refuses => Ok(()),
        Kind::Redis(_) => redis(server, role, client),
        Kind::Socks4(grants) => socks4(grants, client),
    }
}

/// Version, command, port, address, and a user id with a zero behind it; the answer is judged by its second byte.
fn socks4(grants: Grants, mut client: TcpStream) -> io::Result<()> {
    let mut request = [0; 8];
    client.read_exact(&mut request)?;
    let mut byte = [1];
    while byte != [0] {
        client.read_exact(&mut byte)?;
    }
    let [_, _, high, low, ip @ ..] = request;
    let address = SocketAddr::from((ip, u16::from_be_bytes([high, low])));
    let server = (grants == Grants::All).then(|| TcpStream::connect(address).ok()).flatten();
    let Some(mut server) = server else { return client.write_all(b"\0\x5b\0\0\0\0\0\0") };
    client.write_all(b"\0\x5a\0\0\0\0\0\0")?;
    let (mut up, mut to) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let sent = io::copy(&mut up, &mut to);
        // The server may have gone before.
        sent.and_then(|_| to.shutdown(Shutdown::Write))
    });
    io::copy(&mut server, &mut client)?;
    client.shutdown(Shutdown::Write)
}

fn redis(server: &Server, role: &AtomicU8, mut client: TcpStream) -> io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let said = line.trim_end().to_ascii_lowercase();
        // Lines of an array's framing.
        if said.is_empty() || said.starts_with('*') || said.starts_with('$') {
            continue;
        }
        let (answer, goes_on) = answer(server, role.load(SeqCst), &said);
        client.write_all(answer.as_bytes())?;
        if !goes_on {
            return Ok(());
        }
    }
}

fn answer(server: &Server, role: u8, said: &str) -> (String, bool) {
    let loading = role == Role::Loading as u8;
    let text = match said.split(' ').next().unwrap_or_default() {
        "who" => format!("{}\n", server.name),
        "quit" => return ("+OK\r\n".to_owned(), false),
        _ if loading => "-LOADING Redis is loading the dataset in memory\r\n".to_owned(),
        "ping" => "+PONG\r\n".to_owned(),
        "auth" | "select" | "client" => "+OK\r\n".to_owned(),
        "info" => bulk(&info(role)),
        // The section's name of an `info` that came as an array.
        "replication" | "server" => String::new(),
        _ => "-ERR unknown command\r\n".to_owned(),
    };
    (text, true)
}

fn info(role: u8) -> String {
    match role == Role::Master as u8 {
        true => "# Replication\r\nrole:master\r\nconnected_slaves:0\r\nmaster_repl_offset:0\r\n",
        false => "# Replication\r\nrole:slave\r\nmaster_host:127.0.0.1\r\nmaster_link_status:up\r\n",
    }
    .to_owned()
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}
