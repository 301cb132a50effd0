//! Telling systemd (sd_notify): datagrams to the socket that `NOTIFY_SOCKET` names, with `-Ws` only. The
//! first one says READY=1 with MAINPID. Nobody waits for systemd.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Where to tell; silent if nobody asked.
#[derive(Debug, Default)]
pub struct Notify {
    to: Option<(UnixDatagram, SocketAddr)>,
}

impl Notify {
    /// By the environment; an unusable address is as none.
    pub fn from_environment() -> Notify {
        let Ok(name) = std::env::var("NOTIFY_SOCKET") else { return Notify::default() };
        Notify { to: open(&name) }
    }

    pub fn ready(&self) {
        self.send(&format!("READY=1\nMAINPID={}\nSTATUS=Ready.\n", std::process::id()));
    }

    /// A reload begins. systemd 253 wants to know when (`Type=notify-reload`).
    pub fn reloading(&self) {
        let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC);
        let micros = now.map_or(0, |now| now.tv_sec() * 1_000_000 + now.tv_nsec() / 1000);
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={micros}\nSTATUS=Reloading Configuration.\n"));
    }

    /// A reload has ended without effect. The service is as ready as before.
    pub fn reload_failed(&self, reason: &str) {
        let line: String = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect();
        let pid = std::process::id();
        self.send(&format!("READY=1\nMAINPID={pid}\nSTATUS=Reload failed, the old config stays: {line}\n"));
    }

    pub fn stopping(&self) {
        self.send("STOPPING=1\n");
    }

    fn send(&self, text: &str) {
        if let Some((socket, address)) = &self.to {
            // A full or missing receiver is systemd's affair.
            let _ = socket.send_to_addr(text.as_bytes(), address);
        }
    }
}

fn open(name: &str) -> Option<(UnixDatagram, SocketAddr)> {
    let address = match name.strip_prefix('@') {
        Some(abstract_name) => SocketAddr::from_abstract_name(abstract_name).ok()?,
        None => SocketAddr::from_pathname(name).ok()?,
    };
    let socket = UnixDatagram::unbound().ok()?;
    socket.set_nonblocking(true).ok()?;
    Some((socket, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_are_what_systemd_reads() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let receiver = UnixDatagram::bind(&path).unwrap();
        let notify = Notify { to: open(path.to_str().unwrap()) };
        let mut bytes = [0; 1024];
        notify.ready();
        let count = receiver.recv(&mut bytes).unwrap();
        let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
        assert_eq!(text, format!("READY=1\nMAINPID={}\nSTATUS=Ready.\n", std::process::id()));
        notify.reload_failed("a\nREADY=0");
        let count = receiver.recv(&mut bytes).unwrap();
        assert!(String::from_utf8_lossy(&bytes[..count]).ends_with(": a READY=0\n"));
        Notify::default().ready();
    }
}
