//! What a session and the driver that executes it say to each other. No socket, no clock and no future
//! crosses this line: a session is fed events and answers with operations, so that an epoll loop and an
//! io_uring loop can run the same session, and a test can run it with neither.
//!
//! # What a driver owes a session
//!
//! * Bytes go across exactly and in order; what one side cannot take yet stops the reading of the other.
//! * [`Event::Eof`] comes once a side, after every byte that side sent was written to the other side.
//! * [`Op::Shutdown`] and [`Op::Close`] with [`Close::Fin`] act after everything on its way to that side is written.
//! * After [`Op::End`] the session is gone; nothing is delivered to it any more.
//! * [`Event::Timer`] comes at or shortly after the deadline that the session last asked for. Activity moves
//!   that deadline only away: a driver need not look at it after [`Event::Received`], and asks again when the
//!   old one passes.
//! * Before [`Op::Relay`] nothing is read from the client but what [`Op::Take`] says. Its FIN or RST is told all the same when seen, and
//!   the FIN once more, by the rule above, after the relay began. A FIN that nothing stands before is told as
//!   [`Event::LeftUnserved`].
//! * [`Event::Failed`] of the server comes after every byte that it sent was written to the client.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::config::model::{Keepalive, Marking, ProxyFields, SendProxy, ServerTls};
use crate::proxy_protocol::{self, Addresses, Shown, TlsTold, Told};
use crate::socks4;
use crate::state::{CutReason, ServerKey};
use crate::sys::connect::Source;
use crate::tls::facts::{Certificate, Handshake};
use crate::tls::{Facts, certificate as shown};

/// One end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    Client,
    Server,
}

impl Side {
    /// The other one.
    pub fn peer(self) -> Side {
        match self {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }
}

/// Where to connect to, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectSpec {
    pub server: ServerKey,
    pub target: Target,
    /// `socks4`: who makes the connection to a [`Target::Tcp`]. Asked before everything else.
    pub socks4: Option<SocketAddr>,
    pub source: Source,
    pub keepalive: Option<Keepalive>,
    pub user_timeout: Option<Duration>,
    /// Goes out as soon as the connection stands, before everything of the client's, TLS included.
    pub announce: Option<Announce>,
    /// `ssl`
    pub secured: Option<SecuredSpec>,
}

impl ConnectSpec {
    /// What the SOCKS4 proxy is sent, if there is one.
    pub fn request(&self) -> Option<socks4::Request> {
        let server = match self.target {
            Target::Tcp(address) => Some(address),
            Target::Unix(_) | Target::Abstract(_) => None,
        };
        self.socks4.map(|_| socks4::request(server))
    }
}

/// Whom a server is to be told of by a PROXY header (`send-proxy`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announce {
    pub form: SendProxy,
    pub source: Option<SocketAddr>,
    /// `None`: not asked for yet; the worker asks the client's socket.
    pub destination: Option<SocketAddr>,
    pub tls: Option<Arc<Facts>>,
    pub unique_id: Option<String>,
}

impl Announce {
    /// The bytes.
    pub fn header(&self) -> Vec<u8> {
        let addresses = self.source.zip(self.destination);
        let addresses = addresses.map(|(source, destination)| Addresses { source, destination });
        let facts = self.tls.as_deref();
        let told = Told {
            tls: facts.map(|facts| told(facts, self.form)),
            alpn: facts.and_then(|facts| facts.alpn.as_deref()),
            authority: facts.and_then(|facts| facts.sni.as_deref()),
            unique_id: self.unique_id.as_deref(),
        };
        proxy_protocol::encode(self.form, addresses, &told)
    }
}

fn told(facts: &Facts, form: SendProxy) -> TlsTold<'_> {
    let name = facts.common_name.as_deref();
    let certificate = match (facts.certificate, facts.handshake) {
        (Certificate::NotShown, _) => Shown::Never,
        (Certificate::Shown, Handshake::Full) => Shown::Now(name),
        (Certificate::Shown, Handshake::Resumed) => Shown::Before(name),
    };
    let wanted = match form {
        SendProxy::V1 => ProxyFields::default(),
        SendProxy::V2(wanted) => wanted,
    };
    let own = facts.own.as_deref();
    TlsTold {
        version: facts.protocol,
        cipher: facts.cipher,
        certificate,
        key: own.filter(|_| wanted.key).and_then(shown::key),
        signature: own.filter(|_| wanted.signature).and_then(shown::signature),
    }
}

/// How a server is spoken to in TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecuredSpec {
    pub settings: Arc<ServerTls>,
    /// The host name to ask for.
    pub sni: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Tcp(SocketAddr),
    Unix(PathBuf),
    Abstract(String),
}

/// Why a connection to a server did not come up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    #[error("connection refused")]
    Refused,
    #[error("unreachable")]
    Unreachable,
    /// Out of ports, descriptors or memory here: not the server's fault.
    #[error("no local resources")]
    Resources,
    /// There is no such way: an address that the machine, or the SOCKS4 proxy, knows no family of.
    #[error("no way there")]
    NoWay,
    #[error("connection failed")]
    Other,
}

/// What ended one side without a FIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// RST.
    Reset,
    /// `ETIMEDOUT` from keepalive or TCP_USER_TIMEOUT.
    TimedOut,
    Other,
}

/// What a driver tells a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    Connected,
    ConnectFailed(ConnectError),
    /// So many bytes came from that side since the last such event: activity, for timers and counters. Bytes
    /// that are thrown away after [`Op::Discard`] are not told.
    Received(Side, u64),
    /// That side's FIN, after all its bytes were delivered. A client's that comes before [`Op::Relay`] is told
    /// at once, and once more by this rule.
    Eof(Side),
    /// Before [`Op::Relay`]: the client's FIN, and not a byte before it.
    LeftUnserved,
    /// That side is gone.
    Failed(Side, Failure),
    /// That side takes no more, and bytes for it wait; told again when it took some and still more wait.
    /// Only its own timer runs meanwhile.
    Blocked(Side),
    /// That side has taken all that waited for it.
    Flowing(Side),
    /// After [`Op::ReportQuiet`]: nothing came from the server for that long (or it is gone), everything was
    /// written to the client, and its kernel has acknowledged it.
    Quiet,
    /// After [`Op::ReportQuiet`], while not quiet: the client has acknowledged more than at the last look.
    Taken,
    Timer,
    /// A place was reserved for this waiting session.
    Granted(ServerKey),
    /// Servers or the master changed while it waits. Told to sessions that wait for a server or
    /// pause between two attempts; harmless to others.
    Reconsider,
    /// The snapshot changed: told to every session, so that it obeys the new config.
    Refreshed,
    Cut(CutReason),
    /// A failover of its server has been decided: nothing more is sent there, replies are still taken.
    Freeze,
    /// Another server is about to be promoted: what this one answers from now on is not told to a frozen client.
    Withhold,
    /// The server stays.
    Thaw,
    /// The process stops now.
    Stop,
}

/// When bytes are spliced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Splicing {
    /// While they are bulk.
    Bulk,
    Always,
}

/// How a side is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// After everything on its way there was written.
    Fin,
    /// At once, with RST.
    Reset,
}

/// What a session asks of its driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Look at what the client has said, without taking it: answered at once by `Session::said`. Rules decide
    /// by the first bytes; those stay where they are until [`Op::Relay`].
    Peek,
    /// Look at what the server has said, without taking it: answered at once by `Session::heard`. For a server whose
    /// way to the client is paused.
    Overhear,
    /// Take so many of these bytes and throw them away: a PROXY header, which is not the client's.
    Take(usize),
    /// Open a connection; answered by `Connected` or `ConnectFailed`. At most one is under way.
    Connect(Box<ConnectSpec>),
    /// Give up the connection, or the attempt, to the server.
    DropServer,
    /// Before [`Op::Relay`]: move bytes of that side without copying them, where the driver can. Changes nothing
    /// of what is told and when.
    Splice(Side, Splicing),
    /// Begin to move bytes both ways.
    Relay,
    /// Pass a FIN on to that side.
    Shutdown(Side),
    /// From now on read that side and throw the bytes away, with those that it sent before and the other side
    /// could not take yet: a server that is cut off gets no further command. A FIN that waited behind them
    /// goes out.
    Discard(Side),
    /// Tell `Event::Quiet` when nothing has come from the server for `Duration` and nothing waits to be read, or it
    /// is gone, and the client's kernel has acknowledged everything.
    ReportQuiet(Duration),
    /// Nothing more goes from that side to the other one (freeze): it is not read, and what was read before and
    /// the other one could not take yet stays here. A FIN of it waits likewise; its RST is told as ever.
    /// [`Op::Discard`] ends that, too.
    Pause(Side),
    /// It goes on, where it stopped.
    Resume(Side),
    /// Before the client is reset: it is not to hear of it (`silent-drop`).
    Hush,
    /// Packets to the client bear that from now on, if this process may say so.
    Mark(Marking),
    Close(Side, Close),
    /// Hand the client's socket to a service, with what `Session::into_admission` gives. Not a byte of it has
    /// been read. The session ends for the worker without `End`.
    Serve,
    /// Take `Session::record` to the log now.
    Log,
    /// The session is over; both sides are closed by now or are closed plainly.
    End,
}
