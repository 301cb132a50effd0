//! Listening sockets that go from a running process to its successor: `_getsocks` on a runtime socket with
//! `expose-fd listeners` gives them, `-x SOCKET` takes them. The form is HAProxy's, so either side may be one.
//!
//! ```text
//!  taker: "_getsocks\n"     giver: how many (4 bytes), then up to 252 descriptors a message, each with 6 bytes or more:
//!                                  length of a namespace's name, name, length of an interface's name, name, 4 of zero
//!         4 bytes after each message (the giver waits for them after a full one)
//! ```
//!
//! The successor accepts on the very sockets of its predecessor, so no client that waits in their queues is lost. It
//! knows them by what they are bound to. Its own `stats socket` lines are opened anew and take their names over.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockAddr, SockRef};

use crate::config::model::{Bind, BindAddress};
use crate::state::Listener;
use crate::sys::fdpass;

/// As HAProxy does: descriptors of one message.
const BATCH: usize = 252;
/// More are not asked for.
const MOST: usize = 100_000;
/// How long one side waits for the other.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a predecessor has given.
#[derive(Debug, Default)]
pub struct Taken(RefCell<Vec<OwnedFd>>);

impl Taken {
    /// The first socket that is bound as the line says; nobody else gets it.
    pub fn claim(&self, bind: &Bind) -> Option<OwnedFd> {
        let mut sockets = self.0.borrow_mut();
        let at = sockets.iter().position(|socket| is_bound_as(socket, bind).unwrap_or(false))?;
        Some(sockets.remove(at))
    }
}

fn is_bound_as(socket: &OwnedFd, bind: &Bind) -> io::Result<bool> {
    let socket = SockRef::from(socket);
    if !socket.is_listener()? {
        return Ok(false);
    }
    let address = socket.local_addr()?;
    let same_interface = || {
        let own = socket.device().ok().flatten();
        own.as_deref() == bind.interface.as_deref().map(str::as_bytes)
    };
    Ok(match &bind.address {
        BindAddress::Tcp(wanted) => address.as_socket() == Some(*wanted) && same_interface(),
        BindAddress::Unix(path) => address.as_pathname().is_some_and(|bound| is_for(bound, path)),
        BindAddress::Abstract(name) => abstract_name(&address) == Some(name.as_bytes()),
        // The line itself names the descriptor.
        BindAddress::Fd(_) => false,
    })
}

/// A socket file may have been bound beside its name, as `NAME.PID.tmp`, and put in its place.
fn is_for(bound: &Path, wanted: &Path) -> bool {
    let beside = || {
        let rest = bound.as_os_str().as_bytes().strip_prefix(wanted.as_os_str().as_bytes())?;
        rest.strip_prefix(b".")?.strip_suffix(b".tmp")
    };
    bound == wanted || beside().is_some_and(|pid| pid.iter().all(u8::is_ascii_digit))
}

/// Names are padded with zeros.
fn abstract_name(address: &SockAddr) -> Option<&[u8]> {
    let name = address.as_abstract_namespace()?;
    let end = name.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    Some(&name[..end])
}

/// `-x SOCKET`: asks whoever listens there for its sockets.
pub fn take(path: &Path) -> io::Result<Taken> {
    take_from(UnixStream::connect(path)?)
}

fn take_from(mut giver: UnixStream) -> io::Result<Taken> {
    giver.set_read_timeout(Some(PATIENCE))?;
    giver.set_write_timeout(Some(PATIENCE))?;
    giver.write_all(b"_getsocks\n")?;
    let mut count = [0; 4];
    giver.read_exact(&mut count)?;
    let count = usize::try_from(i32::from_ne_bytes(count)).unwrap_or(0);
    if count > MOST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{count} sockets are too many")));
    }
    let (mut sockets, mut words) = (Vec::new(), vec![0; 64 * 1024]);
    while sockets.len() < count {
        // What the words say of namespaces and interfaces can be asked of the sockets themselves.
        if fdpass::receive(&giver, &mut words, &mut sockets)? == 0 {
            let text = format!("{} of {count} sockets came", sockets.len());
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        // The giver waits for this only when there is more to come.
        let _ = giver.write_all(&count.to_ne_bytes()[..4]);
    }
    Ok(Taken(RefCell::new(sockets)))
}

/// `_getsocks`: gives `listeners` to who asked for them. Blocks, for [`PATIENCE`] at most for each message.
pub fn give(taker: OwnedFd, listeners: &[Arc<Listener>]) -> io::Result<()> {
    let mut taker = UnixStream::from(taker);
    taker.set_nonblocking(false)?;
    taker.set_read_timeout(Some(PATIENCE))?;
    taker.set_write_timeout(Some(PATIENCE))?;
    if listeners.is_empty() {
        return Ok(());
    }
    taker.write_all(&i32::try_from(listeners.len()).unwrap_or(0).to_ne_bytes())?;
    for batch in listeners.chunks(BATCH) {
        let words: Vec<u8> = batch.iter().flat_map(|listener| described(listener)).collect();
        let descriptors: Vec<_> = batch.iter().map(|listener| listener.socket.as_fd()).collect();
        let sent = fdpass::send(&taker, &words, &descriptors)?;
        // The descriptors have gone with the first of the words.
        taker.write_all(&words[sent..])?;
        if batch.len() == BATCH {
            taker.read_exact(&mut [0; 4])?;
        }
    }
    Ok(())
}

/// No namespace, the interface, and what was once options.
fn described(listener: &Listener) -> Vec<u8> {
    let interface = SockRef::from(&listener.socket).device().ok().flatten().unwrap_or_default();
    let length = u8::try_from(interface.len()).unwrap_or(0);
    [&[0, length], &interface[..usize::from(length)], &[0; 4]].concat()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn listener() -> Arc<Listener> {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = BindAddress::Tcp(socket.local_addr().unwrap());
        Arc::new(Listener::new(socket.into(), address))
    }

    /// As the runtime socket reads it.
    fn handed_over(listeners: Vec<Arc<Listener>>) -> io::Result<Taken> {
        let (mut giver, taker) = UnixStream::pair().unwrap();
        let giving = std::thread::spawn(move || {
            giver.read_exact(&mut [0; 10]).unwrap();
            give(giver.into(), &listeners)
        });
        let taken = take_from(taker);
        giving.join().unwrap().unwrap();
        taken
    }

    #[test]
    fn sockets_arrive_by_their_addresses_however_many() {
        let listeners: Vec<_> = (0..BATCH + 3).map(|_| listener()).collect();
        let addresses: Vec<_> = listeners.iter().map(|listener| listener.address.clone()).collect();
        let taken = handed_over(listeners).unwrap();
        for address in addresses {
            let BindAddress::Tcp(place) = address else { panic!("TCP") };
            let bind = Bind::at(BindAddress::Tcp(place));
            let socket = TcpListener::from(taken.claim(&bind).expect("its socket"));
            // The giver has let go of its own by now: this one alone keeps it open.
            let _client = TcpStream::connect(place).unwrap();
            assert!(socket.accept().is_ok());
            assert!(taken.claim(&bind).is_none(), "nobody gets it twice");
        }
    }

    #[test]
    fn one_that_has_none_gives_none() {
        assert!(handed_over(Vec::new()).is_err());
    }

    #[test]
    fn files_are_known_by_the_name_that_they_were_put_in_the_place_of() {
        let wanted = Path::new("/run/s");
        for (bound, expected) in [
            ("/run/s", true),
            ("/run/s.123.tmp", true),
            ("/run/s.12x.tmp", false),
            ("/run/s2", false),
            ("/run/s.123", false),
        ] {
            assert_eq!(is_for(Path::new(bound), wanted), expected, "{bound}");
        }
    }
}
