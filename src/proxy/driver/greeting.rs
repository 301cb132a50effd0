//! What a connection to a server begins with before it is the session's: a SOCKS4 proxy is asked to make it, and
//! a PROXY header says whom it is for.
//!
//! ```text
//! connected -> request -> (reply, in as many pieces as it comes) -> header -> Connected
//! ```
//!
//! Kept from the beginning of a connect, beside the links, so that sessions without such a server pay nothing. A
//! socket that has just been connected has room for either of what is sent; if not, the connect has failed. Of what
//! comes the reply's bytes are taken and no more: those behind it are the server's.

use std::collections::HashMap;
use std::os::fd::AsFd;

use nix::errno::Errno;

use super::super::contract::{Announce, ConnectError, ConnectSpec};
use super::Slot;
use super::link::connect_error;
use crate::socks4::{Reply, Request};
use crate::sys::socket::{self, Moved};

/// See the module. One a slot at most.
#[derive(Debug, Default)]
pub(super) struct Greetings(HashMap<Slot, Greeting>);

#[derive(Debug)]
struct Greeting {
    /// The SOCKS4 proxy, until it has granted.
    proxy: Option<Proxy>,
    /// Empty: none.
    header: Vec<u8>,
}

#[derive(Debug)]
enum Proxy {
    ToAsk(Request),
    Asked(Reply),
}

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Greeted {
    /// It is the session's.
    Over,
    /// The proxy has not answered: go on when there is something to read.
    Awaits,
}

impl Greetings {
    /// At the beginning of a connect; forgets that of an earlier one.
    pub(super) fn keep(&mut self, slot: Slot, spec: &ConnectSpec) {
        let proxy = spec.request().map(Proxy::ToAsk);
        if proxy.is_none() && spec.announce.is_none() {
            if !self.0.is_empty() {
                self.0.remove(&slot);
            }
            return;
        }
        let header = spec.announce.as_ref().map(Announce::header).unwrap_or_default();
        self.0.insert(slot, Greeting { proxy, header });
    }

    /// Whether something is awaited from that slot's connection.
    pub(super) fn awaits(&self, slot: Slot) -> bool {
        !self.0.is_empty()
            && self.0.get(&slot).is_some_and(|greeting| matches!(greeting.proxy, Some(Proxy::Asked(_))))
    }

    /// The connection stands, or has something to read.
    pub(super) fn go_on(&mut self, slot: Slot, socket: &impl AsFd) -> Result<Greeted, ConnectError> {
        if self.0.is_empty() {
            return Ok(Greeted::Over);
        }
        let Some(greeting) = self.0.get_mut(&slot) else { return Ok(Greeted::Over) };
        let gone = greeting.go_on(socket);
        if gone != Ok(Greeted::Awaits) {
            self.0.remove(&slot);
        }
        gone
    }
}

impl Greeting {
    fn go_on(&mut self, socket: &impl AsFd) -> Result<Greeted, ConnectError> {
        if let Some(Proxy::ToAsk(request)) = &self.proxy {
            say(socket, request)?;
            self.proxy = Some(Proxy::Asked(Reply::default()));
        }
        if let Some(Proxy::Asked(reply)) = &mut self.proxy {
            if hear(socket, reply)? == Greeted::Awaits {
                return Ok(Greeted::Awaits);
            }
            self.proxy = None;
        }
        if !self.header.is_empty() {
            say(socket, &self.header)?;
        }
        Ok(Greeted::Over)
    }
}

/// All of it, or nothing will do.
fn say(socket: &impl AsFd, bytes: &[u8]) -> Result<(), ConnectError> {
    match socket::send(socket, bytes) {
        Moved::Bytes(count) if count == bytes.len() => Ok(()),
        Moved::Bytes(_) | Moved::Later | Moved::End => Err(connect_error(Errno::ENOBUFS)),
        Moved::Failed(errno) => Err(connect_error(errno)),
    }
}

/// What there is of a reply. Any refusal is a server that refuses, as in HAProxy.
fn hear(socket: &impl AsFd, reply: &mut Reply) -> Result<Greeted, ConnectError> {
    loop {
        match socket::receive(socket, reply.room()) {
            Moved::Bytes(count) => match reply.received(count) {
                Some(Ok(())) => return Ok(Greeted::Over),
                Some(Err(_)) => return Err(ConnectError::Refused),
                None => {}
            },
            Moved::Later => return Ok(Greeted::Awaits),
            Moved::End => return Err(ConnectError::Refused),
            Moved::Failed(errno) => return Err(connect_error(errno)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::super::super::contract::Target;
    use super::*;
    use crate::config::model::SendProxy;
    use crate::state::ServerKey;

    const SLOT: Slot = 5;
    const REQUEST: &[u8] = b"\x04\x01\x18\xeb\x0a\x01\x02\x03HAProxy\0";

    fn spec(header: bool) -> ConnectSpec {
        ConnectSpec {
            server: ServerKey(0),
            target: Target::Tcp("10.1.2.3:6379".parse().unwrap()),
            socks4: Some("127.0.0.1:1080".parse().unwrap()),
            source: Default::default(),
            keepalive: None,
            user_timeout: None,
            announce: header.then_some(Announce {
                form: SendProxy::V1,
                source: None,
                destination: None,
                tls: None,
                unique_id: None,
            }),
            secured: None,
        }
    }

    /// The proxy's end and ours, whose request has gone out.
    fn asked(header: bool) -> (Greetings, TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        near.set_nonblocking(true).unwrap();
        let (mut far, _) = listener.accept().unwrap();
        let mut greetings = Greetings::default();
        greetings.keep(SLOT, &spec(header));
        assert!(!greetings.awaits(SLOT));
        assert_eq!(greetings.go_on(SLOT, &near), Ok(Greeted::Awaits));
        assert!(greetings.awaits(SLOT));
        let mut request = [0; 16];
        far.read_exact(&mut request).unwrap();
        assert_eq!(request, REQUEST);
        (greetings, near, far)
    }

    /// As an engine does when its socket has something to read.
    fn come(greetings: &mut Greetings, near: &TcpStream) -> Result<Greeted, ConnectError> {
        let mut fds = [nix::poll::PollFd::new(near.as_fd(), nix::poll::PollFlags::POLLIN)];
        assert_eq!(nix::poll::poll(&mut fds, 20_000u16).unwrap(), 1, "nothing came");
        greetings.go_on(SLOT, near)
    }

    #[test]
    fn the_header_follows_the_reply_and_what_stands_behind_that_stays() {
        let (mut greetings, mut near, mut far) = asked(true);
        far.write_all(b"\0\x5a\0").unwrap();
        assert_eq!(come(&mut greetings, &near), Ok(Greeted::Awaits));
        far.write_all(b"\0\0\0\0\0+EARLY").unwrap();
        assert_eq!(come(&mut greetings, &near), Ok(Greeted::Over));
        assert!(!greetings.awaits(SLOT));
        let mut header = [0; 15];
        far.read_exact(&mut header).unwrap();
        assert_eq!(&header, b"PROXY UNKNOWN\r\n");
        drop(far);
        near.set_nonblocking(false).unwrap();
        let mut rest = String::new();
        near.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "+EARLY");
    }

    #[test]
    fn a_proxy_that_refuses_closes_or_breaks_is_a_connect_that_failed() {
        for answer in [&b"\0\x5b\0\0\0\0\0\0"[..], b"", b"\0\x5a\0\0"] {
            let (mut greetings, near, mut far) = asked(false);
            far.write_all(answer).unwrap();
            drop(far);
            let mut came = come(&mut greetings, &near);
            while came == Ok(Greeted::Awaits) {
                came = come(&mut greetings, &near);
            }
            assert_eq!(came, Err(ConnectError::Refused), "{answer:?}");
            // Nothing is left of it.
            assert_eq!(greetings.go_on(SLOT, &near), Ok(Greeted::Over));
        }
        let (mut greetings, near, far) = asked(false);
        socket::reset_on_close(&far);
        drop(far);
        assert_eq!(come(&mut greetings, &near), Err(ConnectError::Refused));
    }

    #[test]
    fn another_connect_of_the_slot_forgets_the_last_one() {
        let (mut greetings, near, _far) = asked(false);
        greetings.keep(SLOT, &ConnectSpec { socks4: None, ..spec(false) });
        assert_eq!(greetings.go_on(SLOT, &near), Ok(Greeted::Over));
    }
}
