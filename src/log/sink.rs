//! The descriptors that log lines go to. Opened before privileges and the file system are given up; a unix
//! receiver that went away is looked for again, at most once a second.
//!
//! Nothing here blocks for long: datagrams are sent without waiting, pipes and terminals are waited for
//! [`PATIENCE`] at most. The flags of inherited descriptors are left alone, because they are shared with
//! whoever started the program.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::config::Config;
use crate::config::model::{LogAddress, LogTarget};
use crate::sys::inherited;

/// How long a full pipe may hold up the log thread, in milliseconds, before the line is dropped.
const PATIENCE: u16 = 50;
/// A write of this size to a pipe that polls writable does not block (PIPE_BUF).
const ATOMIC: usize = 4096;
const RECONNECT_EVERY: Duration = Duration::from_secs(1);

/// One open target each.
#[derive(Debug, Default)]
pub struct Sinks {
    open: HashMap<LogAddress, Sink>,
}

#[derive(Debug)]
enum Sink {
    Udp(UdpSocket, SocketAddr),
    Unix { socket: UnixDatagram, path: PathBuf, connected: bool, tried: Option<Instant> },
    Stream(OwnedFd),
}

impl Sinks {
    /// Opens what these targets need. What cannot be opened now is told, and left out: logs never keep the
    /// program from starting. A unix receiver that is not there yet is opened all the same.
    pub fn open<'a>(
        targets: impl IntoIterator<Item = &'a LogTarget>,
    ) -> (Sinks, Vec<(LogAddress, io::Error)>) {
        let mut sinks = Sinks::default();
        let mut failed = Vec::new();
        for target in targets {
            if sinks.open.contains_key(&target.address) {
                continue;
            }
            match descriptor(&target.address) {
                Ok(descriptor) => sinks.insert(target.address.clone(), descriptor),
                Err(error) => failed.push((target.address.clone(), error)),
            }
        }
        (sinks, failed)
    }

    /// Every target that a config names, in its order; for [`Sinks::open`].
    pub fn targets(config: &Config) -> impl Iterator<Item = &LogTarget> {
        let frontends = config.frontends.iter().flat_map(|frontend| &frontend.log.targets);
        let backends = config.backends.iter().flat_map(|backend| &backend.log);
        config.global.log.iter().chain(frontends).chain(backends)
    }

    /// From descriptors that another process opened with [`Sinks::open`] and [`Sinks::into_descriptors`].
    pub fn from_descriptors(list: impl IntoIterator<Item = (LogAddress, OwnedFd)>) -> Sinks {
        let mut sinks = Sinks::default();
        list.into_iter().for_each(|(address, descriptor)| sinks.insert(address, descriptor));
        sinks
    }

    /// For handing over to another process.
    pub fn into_descriptors(self) -> Vec<(LogAddress, OwnedFd)> {
        let descriptor = |sink| match sink {
            Sink::Udp(socket, _) => OwnedFd::from(socket),
            Sink::Unix { socket, .. } => OwnedFd::from(socket),
            Sink::Stream(descriptor) => descriptor,
        };
        self.open.into_iter().map(|(address, sink)| (address, descriptor(sink))).collect()
    }

    /// Takes over the targets of `newer`, and closes what is none of `wanted`. What is wanted and could not
    /// be opened again stays as it was. Standard error stays in any case: events are shown there.
    pub fn adopt(&mut self, newer: Sinks, wanted: &[LogTarget]) {
        self.open.extend(newer.open);
        let named = |address: &LogAddress| wanted.iter().any(|target| target.address == *address);
        self.open.retain(|address, _| *address == LogAddress::Stderr || named(address));
    }

    /// Sends one framed line. A target that was not opened before is opened now, if it still can be.
    pub fn send(&mut self, address: &LogAddress, line: &[u8]) -> io::Result<()> {
        if !self.open.contains_key(address) {
            let descriptor = descriptor(address)?;
            self.insert(address.clone(), descriptor);
        }
        match self.open.get_mut(address) {
            Some(sink) => sink.send(line),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn insert(&mut self, address: LogAddress, descriptor: OwnedFd) {
        let sink = match &address {
            LogAddress::Udp(receiver) => Sink::Udp(UdpSocket::from(descriptor), *receiver),
            LogAddress::Unix(path) => {
                let socket = UnixDatagram::from(descriptor);
                let connected = socket.peer_addr().is_ok();
                Sink::Unix { socket, path: path.clone(), connected, tried: None }
            }
            LogAddress::Stdout | LogAddress::Stderr | LogAddress::Fd(_) => Sink::Stream(descriptor),
        };
        self.open.insert(address, sink);
    }
}

impl Sink {
    fn send(&mut self, line: &[u8]) -> io::Result<()> {
        match self {
            Sink::Udp(socket, receiver) => socket.send_to(line, *receiver).map(drop),
            Sink::Unix { socket, path, connected, tried } => {
                if *connected && sent(socket, line)? {
                    return Ok(());
                }
                *connected = false;
                reconnect(socket, path, tried)?;
                *connected = true;
                sent(socket, line)?.then_some(()).ok_or_else(|| io::ErrorKind::NotConnected.into())
            }
            Sink::Stream(descriptor) => write_patiently(descriptor, line),
        }
    }
}

/// `false` if the receiver is gone; a full receiver is an error, and the line is lost.
fn sent(socket: &UnixDatagram, line: &[u8]) -> io::Result<bool> {
    match socket.send(line) {
        Ok(_) => Ok(true),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::ConnectionRefused
                    | io::ErrorKind::NotConnected
                    | io::ErrorKind::ConnectionReset
                    | io::ErrorKind::BrokenPipe
            ) =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

fn reconnect(socket: &UnixDatagram, path: &Path, tried: &mut Option<Instant>) -> io::Result<()> {
    if tried.is_some_and(|tried| tried.elapsed() < RECONNECT_EVERY) {
        return Err(io::ErrorKind::NotConnected.into());
    }
    *tried = Some(Instant::now());
    socket.connect(path)
}

/// Writes in pieces that a writable pipe takes whole; gives up when it stays full.
fn write_patiently(descriptor: &OwnedFd, mut line: &[u8]) -> io::Result<()> {
    while !line.is_empty() {
        let mut wait = [PollFd::new(descriptor.as_fd(), PollFlags::POLLOUT)];
        if poll(&mut wait, PollTimeout::from(PATIENCE))? == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let piece = &line[..line.len().min(ATOMIC)];
        let written = nix::unistd::write(descriptor, piece)?;
        line = &line[written..];
    }
    Ok(())
}

/// A fresh descriptor for an address.
fn descriptor(address: &LogAddress) -> io::Result<OwnedFd> {
    match address {
        LogAddress::Udp(receiver) => {
            let any: SocketAddr = match receiver {
                SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
            };
            let socket = UdpSocket::bind(any)?;
            socket.set_nonblocking(true)?;
            Ok(socket.into())
        }
        LogAddress::Unix(path) => {
            let socket = UnixDatagram::unbound()?;
            socket.set_nonblocking(true)?;
            // A receiver that starts after us is found when the first line is sent.
            let _ = socket.connect(path);
            Ok(socket.into())
        }
        LogAddress::Stdout => io::stdout().as_fd().try_clone_to_owned(),
        LogAddress::Stderr => io::stderr().as_fd().try_clone_to_owned(),
        LogAddress::Fd(number) => inherited::duplicate(*number),
    }
}
