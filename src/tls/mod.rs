//! TLS, before the workers: what speaks TLS enters as a socket, and leaves as a plain one that a session relays.
//!
//! ```text
//!  client ==TLS==> [leg: handshake, then bytes both ways] --socket pair--> session --socket pair--> [leg] ==TLS==> server
//! ```
//!
//! * [`acceptor`] and [`connector`] turn what a line says into rustls's settings, `verify` judges certificates.
//! * [`bridge`] owns the threads that shake hands and encrypt; `relay` moves a leg's bytes;
//!   [`certificate`] reads what a certificate says;
//!   `announced` takes off what PROXY header comes before. A SOCKS4 proxy on the way to a server is asked first.
//! * [`facts`] is what a handshake tells rules and logs; [`failure`] is why there was none, in HAProxy's words.
//!
//! A leg is a bridge and not a step inside the engines: so one session and both engines stay as they are, for TLS
//! as for plain TCP, and a slow handshake or a large record delays nobody else on a worker. What it costs: two more
//! descriptors and two more copies through the kernel for each side that speaks TLS, at most 16 KiB of bytes a
//! direction here beside the socket pair's own buffer (some 200 KiB, the kernel's), and for an idle client some
//! 14 KiB of rustls's and tokio's state. Back-pressure holds, as a leg reads nothing that it could not write.
//!
//! A half-close is passed on both ways: `close_notify` and FIN outwards; either of them inwards, as many clients
//! leave the first one out. A session's RST goes out as an end without more bytes, for a socket pair knows none.

pub mod acceptor;
mod announced;
pub mod bridge;
pub mod certificate;
pub mod connector;
pub mod facts;
pub mod failure;
mod relay;
mod stream;
#[cfg(test)]
mod tests;
mod verify;

pub use bridge::{Bridge, Client, Dial, Dialing, Reached, Secured};
pub use facts::Facts;
pub use failure::{AcceptError, DialError, HandshakeError};

use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

use crate::config::model::Versions;

static NEWEST_FIRST: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];

fn protocols(versions: Versions) -> &'static [&'static SupportedProtocolVersion] {
    match versions {
        Versions::Tls12 => &NEWEST_FIRST[1..],
        Versions::Tls13 => &NEWEST_FIRST[..1],
        Versions::Both => &NEWEST_FIRST,
    }
}
