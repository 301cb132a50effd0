//! A name server that says what a test wants, over UDP and TCP on a port that the kernel picks. Its messages are
//! put together by hand, so that what reads them in the program is held against something else than itself.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// What is said of one name and type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Say {
    Addresses(Vec<IpAddr>),
    /// Port, weight and host; and addresses of hosts in the additional section.
    Services(Vec<(u16, u16, String)>, Vec<(String, IpAddr)>),
    Nx,
    Refused,
    ServerFailure,
    Nothing,
    /// The whole of it only over TCP.
    OnlyOverTcp(Vec<IpAddr>),
    /// Bytes that are no message, then one with another id, then one about another name.
    Garbage,
}

#[derive(Debug, Default)]
struct Zone {
    names: HashMap<(String, u16), Say>,
    /// Questions by name and type.
    asked: HashMap<(String, u16), usize>,
    over_tcp: usize,
}

const A: u16 = 1;
const AAAA: u16 = 28;
const SRV: u16 = 33;

/// See the module. It ends with its handle.
#[derive(Debug)]
pub struct FakeDns {
    pub port: u16,
    zone: Arc<Mutex<Zone>>,
    ended: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// How long a wait lasts before a thread looks whether it is still wanted.
const GLANCE: Duration = Duration::from_millis(20);

impl FakeDns {
    /// Knows no name.
    pub fn start() -> FakeDns {
        let (udp, tcp) = sockets();
        let port = udp.local_addr().expect("it is bound").port();
        let (zone, ended) = (Arc::new(Mutex::new(Zone::default())), Arc::new(AtomicBool::new(false)));
        udp.set_read_timeout(Some(GLANCE)).expect("a time limit");
        tcp.set_nonblocking(true).expect("a listener that does not wait");
        let threads = vec![
            std::thread::spawn({
                let (zone, ended) = (Arc::clone(&zone), Arc::clone(&ended));
                move || serve_udp(&udp, &zone, &ended)
            }),
            std::thread::spawn({
                let (zone, ended) = (Arc::clone(&zone), Arc::clone(&ended));
                move || serve_tcp(&tcp, &zone, &ended)
            }),
        ];
        FakeDns { port, zone, ended, threads }
    }

    /// From now on, of addresses of both families and of services.
    pub fn say(&self, name: &str, what: &Say) {
        let mut zone = self.zone.lock().unwrap_or_else(PoisonError::into_inner);
        for kind in [A, AAAA, SRV] {
            zone.names.insert((name.to_owned(), kind), what.clone());
        }
    }

    /// IPv4 addresses, and no others.
    pub fn addresses(&self, name: &str, list: &[&str]) {
        let list = list.iter().map(|ip| ip.parse().expect("an address")).collect();
        self.say(name, &Say::Addresses(list));
    }

    /// Port, weight and host each.
    pub fn services(&self, name: &str, list: &[(u16, u16, &str)]) {
        let list = list.iter().map(|(port, weight, host)| (*port, *weight, (*host).to_owned()));
        self.say(name, &Say::Services(list.collect(), Vec::new()));
    }

    /// Questions about a name so far.
    pub fn asked(&self, name: &str) -> usize {
        let zone = self.zone.lock().unwrap_or_else(PoisonError::into_inner);
        zone.asked.iter().filter(|((asked, _), _)| asked == name).map(|(_, times)| times).sum()
    }

    /// Questions over TCP so far.
    pub fn over_tcp(&self) -> usize {
        self.zone.lock().unwrap_or_else(PoisonError::into_inner).over_tcp
    }
}

impl Drop for FakeDns {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // It panicked: the test has failed for another reason then.
            let _ = thread.join();
        }
    }
}

/// Both on one port.
fn sockets() -> (UdpSocket, TcpListener) {
    for _ in 0..100 {
        let tcp = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = tcp.local_addr().expect("it is bound").port();
        if let Ok(udp) = UdpSocket::bind(("127.0.0.1", port)) {
            return (udp, tcp);
        }
    }
    panic!("no port is free for both UDP and TCP");
}

fn serve_udp(socket: &UdpSocket, zone: &Mutex<Zone>, ended: &AtomicBool) {
    let mut buffer = [0; 4096];
    while !ended.load(Ordering::Relaxed) {
        let Ok((length, client)) = socket.recv_from(&mut buffer) else { continue };
        for answer in answers(&buffer[..length], zone, false) {
            // The client may have gone.
            let _ = socket.send_to(&answer, client);
        }
    }
}

fn serve_tcp(listener: &TcpListener, zone: &Mutex<Zone>, ended: &AtomicBool) {
    while !ended.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok((stream, _)) => drop(converse(stream, zone)),
            Err(_) => std::thread::sleep(GLANCE),
        }
    }
}

fn converse(mut stream: TcpStream, zone: &Mutex<Zone>) -> std::io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut query)?;
    for answer in answers(&query, zone, true) {
        stream.write_all(&(answer.len() as u16).to_be_bytes())?;
        stream.write_all(&answer)?;
    }
    Ok(())
}

fn question(query: &[u8]) -> Option<(String, u16, usize)> {
    let (mut at, mut labels) = (12, Vec::new());
    while *query.get(at)? > 0 {
        let length = usize::from(query[at]);
        labels.push(String::from_utf8_lossy(query.get(at + 1..at + 1 + length)?).to_lowercase());
        at += 1 + length;
    }
    let kind = u16::from_be_bytes([*query.get(at + 1)?, *query.get(at + 2)?]);
    Some((labels.join("."), kind, at + 5))
}

fn answers(query: &[u8], zone: &Mutex<Zone>, over_tcp: bool) -> Vec<Vec<u8>> {
    let Some((name, kind, end)) = question(query) else { return Vec::new() };
    let said = {
        let mut zone = zone.lock().unwrap_or_else(PoisonError::into_inner);
        *zone.asked.entry((name.clone(), kind)).or_default() += 1;
        zone.over_tcp += usize::from(over_tcp);
        zone.names.get(&(name, kind)).cloned().unwrap_or(Say::Nx)
    };
    let head = |code: u16, answers: u16, more: u16| {
        let mut bytes = query[..2].to_vec();
        for word in [0x8180 | code, 1, answers, 0, more] {
            bytes.extend(word.to_be_bytes());
        }
        bytes.extend(&query[12..end]);
        bytes
    };
    match said {
        Say::Addresses(list) => vec![addresses(&head, kind, &list)],
        Say::OnlyOverTcp(list) if over_tcp => vec![addresses(&head, kind, &list)],
        Say::OnlyOverTcp(_) => vec![head(0x0200, 0, 0)],
        Say::Services(list, more) if kind == SRV => {
            let mut bytes = head(0, list.len() as u16, more.len() as u16);
            for (port, weight, host) in list {
                let data = [&[0, 1][..], &weight.to_be_bytes(), &port.to_be_bytes(), &labels(&host)].concat();
                record(&mut bytes, &[0xc0, 12], SRV, &data);
            }
            for (host, ip) in more {
                let (kind, data) = octets(ip);
                record(&mut bytes, &labels(&host), kind, &data);
            }
            vec![bytes]
        }
        Say::Services(..) | Say::Nx => vec![head(3, 0, 0)],
        Say::Refused => vec![head(5, 0, 0)],
        Say::ServerFailure => vec![head(2, 0, 0)],
        Say::Nothing => Vec::new(),
        Say::Garbage => {
            let mut other_id = head(0, 0, 0);
            other_id[0] ^= 0xff;
            let mut other_name = head(0, 0, 0);
            other_name[13] ^= 0x01;
            vec![b"nonsense".to_vec(), Vec::new(), other_id, other_name]
        }
    }
}

fn addresses(head: &impl Fn(u16, u16, u16) -> Vec<u8>, kind: u16, list: &[IpAddr]) -> Vec<u8> {
    let found: Vec<Vec<u8>> =
        list.iter().map(|ip| octets(*ip)).filter(|(of, _)| *of == kind).map(|(_, data)| data).collect();
    let mut bytes = head(0, found.len() as u16, 0);
    found.iter().for_each(|data| record(&mut bytes, &[0xc0, 12], kind, data));
    bytes
}

fn octets(ip: IpAddr) -> (u16, Vec<u8>) {
    match ip {
        IpAddr::V4(ip) => (A, ip.octets().to_vec()),
        IpAddr::V6(ip) => (AAAA, ip.octets().to_vec()),
    }
}

fn labels(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        bytes.push(label.len() as u8);
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

fn record(bytes: &mut Vec<u8>, owner: &[u8], kind: u16, data: &[u8]) {
    bytes.extend(owner);
    for word in [kind, 1, 0, 5, data.len() as u16] {
        bytes.extend(word.to_be_bytes());
    }
    bytes.extend(data);
}
