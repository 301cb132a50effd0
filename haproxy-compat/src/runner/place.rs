//! A case gets a directory, servers, and addresses for the names in its config.

use std::collections::BTreeMap;
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

use tempfile::TempDir;

use crate::case::Case;

use super::DEADLINE;
use super::servers::Servers;

/// Where one run of one case happens. Dropping it ends the servers.
#[derive(Debug)]
pub struct Place {
    directory: TempDir,
    pub servers: Servers,
    ports: BTreeMap<String, u16>,
    pub log: UdpSocket,
}

/// What comes before a case that is run: one thread, since HAProxy's counts and turns are per thread.
const BASE: &str = "\
global
    nbthread 1
    maxconn 1000
    stats socket @socket@ level admin
    log @log@ local0
defaults
    log global
    option tcplog
    timeout connect 1s
    timeout client 30s
    timeout server 30s
    retries 1
";

impl Place {
    /// # Errors
    ///
    /// No directory or no socket is to be had.
    pub fn new(case: &Case) -> io::Result<Place> {
        let directory = tempfile::Builder::new().prefix("rc").tempdir()?;
        let servers = Servers::start(&case.servers)?;
        let log = UdpSocket::bind("127.0.0.1:0")?;
        log.set_read_timeout(Some(DEADLINE))?;
        let mut ports = servers.ports();
        ports.insert("log".to_owned(), log.local_addr()?.port());
        for name in names(&case.config) {
            let known = ports.contains_key(&name) || matches!(name.as_str(), "socket" | "dir");
            if !known {
                ports.insert(name, free_port());
            }
        }
        let place = Place { directory, servers, ports, log };
        std::fs::write(place.path("case.cfg"), place.fill(&case.config))?;
        std::fs::write(place.path("base.cfg"), place.fill(BASE))?;
        for (name, text) in &case.files {
            let path = place.path(name);
            std::fs::create_dir_all(path.parent().unwrap_or(&path))?;
            std::fs::write(path, place.fill(text))?;
        }
        Ok(place)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn port(&self, name: &str) -> Option<u16> {
        self.ports.get(name).copied()
    }

    /// `@NAME@` becomes an address, `@NAME.port@` its port.
    fn fill(&self, text: &str) -> String {
        let directory = self.directory.path().display().to_string();
        let text = text.replace("@socket@", &format!("{directory}/socket")).replace("@dir@", &directory);
        self.ports.iter().fold(text, |text, (name, port)| {
            text.replace(&format!("@{name}@"), &format!("127.0.0.1:{port}"))
                .replace(&format!("@{name}.port@"), &port.to_string())
        })
    }

    /// The same the other way round, so that two runs can be compared. A port of the kernel's choice, as a
    /// client has one, is left out.
    pub fn blank(&self, text: &str) -> String {
        let directory = self.directory.path().display().to_string();
        let text = text.replace(&directory, "@dir@");
        let mut blanked = String::new();
        let mut digits = String::new();
        for character in text.chars().chain(['\0']) {
            if character.is_ascii_digit() {
                digits.push(character);
                continue;
            }
            blanked += &self.number(&digits);
            digits.clear();
            blanked.push(character);
        }
        blanked.pop();
        blanked
    }

    fn number(&self, digits: &str) -> String {
        let Ok(port @ 10_000..) = digits.parse::<u16>() else { return digits.to_owned() };
        let known = self.ports.iter().find(|(_, known)| **known == port);
        known.map_or_else(|| "PORT".to_owned(), |(name, _)| format!("@{name}.port@"))
    }
}

/// Every `NAME` of an `@NAME@` or `@NAME.port@`.
fn names(text: &str) -> Vec<String> {
    let name = |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let words = text.lines().filter(|line| !line.starts_with("#:")).flat_map(|line| line.split('@').skip(1));
    words.map(|word| word.trim_end_matches(".port")).filter(name).map(str::to_owned).collect()
}

/// A port that nobody listens on, handed out once. It lies below the range that the kernel takes ports for
/// outgoing connections from, and above the one that other tests take theirs from.
fn free_port() -> u16 {
    const FIRST: u16 = 30_000;
    const COUNT: u16 = 2_700;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let seed = (std::process::id() as u16).wrapping_mul(197) % COUNT;
    let ports = std::iter::repeat_with(|| FIRST + (seed + NEXT.fetch_add(1, Relaxed) % COUNT) % COUNT);
    let mut free = ports.take(COUNT.into()).filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.next().unwrap_or(FIRST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_addresses_and_back() {
        let text = "listen l\n bind @f@\n bind 127.0.0.2:@f.port@\n server a @a@\n";
        let case = Case::parse("x/y", &format!("#: server a silent\n{text}")).expect("a case");
        let place = Place::new(&case).expect("a place");
        let filled = std::fs::read_to_string(place.path("case.cfg")).expect("a config");
        assert!(!filled.contains('@'), "{filled}");
        let back = place.blank(&filled).replace("127.0.0.1:@f.port@", "@f@");
        assert_eq!(back.replace("127.0.0.1:@a.port@", "@a@"), case.config);
        assert_eq!(place.blank("127.0.0.1:45678 5000"), "127.0.0.1:PORT 5000");
    }
}
