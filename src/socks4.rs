//! SOCKS4, the side of whom a proxy connects for (Y.-D. Lee, "SOCKS: A protocol for TCP proxy across firewall"): a
//! server line's `socks4`.
//!
//! Enters: where the proxy is to connect to, then the bytes of its reply, however few at a time. Leaves: the
//! request, and whether it is granted. Checks and sessions both ask proxies, so that this stands before either.
//!
//! The request is HAProxy's to the byte: its user id is that program's name, and a server at a unix socket, which
//! is asked itself, is called 0.0.0.0 and port 0. A reply is judged by its second byte alone. IPv6 addresses have
//! no place in a request: whoever connects refuses them before ([`may_ask_for`]).

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use nix::errno::Errno;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The bytes of a request.
pub const REQUEST: usize = 16;
/// The bytes of a reply. What comes behind them is the server's.
pub const REPLY: usize = 8;

const VERSION: u8 = 4;
const CONNECT: u8 = 1;
const GRANTED: u8 = 0x5a;
const USER_ID: &[u8; 8] = b"HAProxy\0";

/// A request, ready to be sent.
pub type Request = [u8; REQUEST];

/// Why a proxy has not connected, in HAProxy's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("SOCKS4 Proxy write error during handshake")]
    Unsent,
    #[error("SOCKS4 Proxy read error during handshake")]
    Closed,
    #[error("SOCKS4 Proxy handshake aborted by server ({})", .0.desc())]
    Aborted(Errno),
    #[error("SOCKS4 Proxy deny the request")]
    Denied,
}

/// Whether a proxy can be asked for that address.
pub fn may_ask_for(server: SocketAddr) -> bool {
    server.is_ipv4()
}

/// Asks for that server; `None` stands for a unix socket.
pub fn request(server: Option<SocketAddr>) -> Request {
    let nowhere = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);
    let server = match server {
        Some(SocketAddr::V4(server)) => server,
        Some(SocketAddr::V6(_)) | None => nowhere,
    };
    let mut request = [0; REQUEST];
    (request[0], request[1]) = (VERSION, CONNECT);
    request[2..4].copy_from_slice(&server.port().to_be_bytes());
    request[4..8].copy_from_slice(&server.ip().octets());
    request[8..].copy_from_slice(USER_ID);
    request
}

/// A reply that comes in pieces.
#[derive(Debug, Default)]
pub struct Reply {
    bytes: [u8; REPLY],
    length: usize,
}

impl Reply {
    /// Where its next bytes go: no more are taken than belong to it.
    pub fn room(&mut self) -> &mut [u8] {
        &mut self.bytes[self.length..]
    }

    /// So many of them came; `None`: there are more to come.
    pub fn received(&mut self, count: usize) -> Option<Result<(), Refusal>> {
        self.length = (self.length + count).min(REPLY);
        (self.length == REPLY).then(|| judge(&self.bytes))
    }
}

fn judge(reply: &[u8; REPLY]) -> Result<(), Refusal> {
    if reply[1] == GRANTED { Ok(()) } else { Err(Refusal::Denied) }
}

/// Asks a proxy, on tokio, and hears its reply out.
pub async fn ask<S>(stream: &mut S, request: &Request) -> Result<(), Refusal>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    stream.write_all(request).await.map_err(|_| Refusal::Unsent)?;
    let mut reply = Reply::default();
    loop {
        match stream.read(reply.room()).await {
            Ok(0) => return Err(Refusal::Closed),
            Ok(count) => {
                if let Some(judged) = reply.received(count) {
                    return judged;
                }
            }
            Err(error) => {
                return Err(Refusal::Aborted(Errno::from_raw(error.raw_os_error().unwrap_or(0))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_haproxys() {
        let asked = request(Some("10.1.2.3:6379".parse().unwrap()));
        assert_eq!(asked, *b"\x04\x01\x18\xeb\x0a\x01\x02\x03HAProxy\0");
        assert_eq!(request(None), *b"\x04\x01\0\0\0\0\0\0HAProxy\0");
        assert!(may_ask_for("0.0.0.0:0".parse().unwrap()) && !may_ask_for("[::1]:6379".parse().unwrap()));
    }

    /// What comes behind the reply is not looked at: there is no room for it.
    #[test]
    fn a_reply_is_judged_when_it_is_whole_however_it_comes() {
        for (bytes, judged) in [
            (b"\0\x5a\0\0\0\0\0\0", Ok(())),
            (b"\x04\x5a\x18\xeb\x0a\x01\x02\x03", Ok(())),
            (b"\0\x5b\0\0\0\0\0\0", Err(Refusal::Denied)),
            (b"\0\0\0\0\0\0\0\0", Err(Refusal::Denied)),
            (b"\x5a\x5d\0\0\0\0\0\0", Err(Refusal::Denied)),
        ] {
            for piece in 1..=REPLY {
                let (mut reply, mut at, mut said) = (Reply::default(), 0, None);
                while said.is_none() {
                    let room = reply.room();
                    let count = piece.min(room.len());
                    room[..count].copy_from_slice(&bytes[at..at + count]);
                    at += count;
                    said = reply.received(count);
                }
                assert_eq!((said, at), (Some(judged), REPLY));
                assert!(reply.room().is_empty());
            }
        }
    }

    #[test]
    fn refusals_are_told_in_haproxys_words() {
        let texts = [Refusal::Closed, Refusal::Aborted(Errno::ECONNRESET), Refusal::Denied, Refusal::Unsent];
        assert_eq!(
            texts.map(|refusal| refusal.to_string()),
            [
                "SOCKS4 Proxy read error during handshake",
                "SOCKS4 Proxy handshake aborted by server (Connection reset by peer)",
                "SOCKS4 Proxy deny the request",
                "SOCKS4 Proxy write error during handshake",
            ]
        );
    }

    #[tokio::test]
    async fn who_is_asked_on_tokio_is_left_the_bytes_behind_its_reply() {
        let (mut near, mut far) = tokio::io::duplex(64);
        let proxy = async {
            let mut asked = [0; REQUEST];
            far.read_exact(&mut asked).await.unwrap();
            far.write_all(b"\0\x5a\0\0\0\0\0\0+EARLY\r\n").await.unwrap();
            drop(far);
            asked
        };
        let sent = request(Some("10.1.2.3:6379".parse().unwrap()));
        let (asked, granted) = tokio::join!(proxy, ask(&mut near, &sent));
        assert_eq!((asked, granted), (sent, Ok(())));
        let mut rest = String::new();
        near.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "+EARLY\r\n");
    }

    #[tokio::test]
    async fn a_proxy_that_closes_has_not_connected() {
        let (mut near, mut far) = tokio::io::duplex(64);
        let proxy = async {
            far.write_all(b"\0\x5a\0").await.unwrap();
            drop(far);
        };
        let sent = request(None);
        let ((), refused) = tokio::join!(proxy, ask(&mut near, &sent));
        // Whichever of both is noticed first.
        assert!(matches!(refused, Err(Refusal::Closed | Refusal::Unsent)), "{refused:?}");
    }
}
