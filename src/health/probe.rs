//! The shell around the check engine: opens the socket, moves bytes, keeps the time. No policy.
//!
//! A probe has one socket at most. Unless its script says `linger` the socket is closed by RST, as HAProxy
//! does: a check every few milliseconds must not leave a trail of TIME_WAIT on either side. The socket is
//! told so when it is opened, so that a probe that is dropped half-way leaves nothing behind either.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use nix::errno::Errno;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::client::TlsStream;

use super::tcp_check::{CheckOutcome, Engine, Step};
use super::timing::Patience;
use crate::config::model::{
    CheckConnect, CheckHeader, CheckTls, CheckTransport, SendProxy, Server, ServerAddress, ServerPort,
    ServerTls, TlsChecks,
};
use crate::proxy_protocol::{self, Addresses, Told};
use crate::tls::HandshakeError;
use crate::tls::bridge::handshake;
use crate::tls::connector::connector;

/// Bytes taken from the socket at a time; on the stack, and only while they are handed over.
const READ: usize = 4096;

/// Why a probe has no connection.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error("the server has no address")]
    NoAddress,
    /// A port that follows the client's, and no `port` for checks.
    #[error("the server has neither service port nor check port")]
    NoPort,
    #[error("cannot create a socket: {0}")]
    Socket(io::Error),
    /// The server refused or could not be reached.
    #[error("cannot connect: {0}")]
    Connect(io::Error),
}

/// Where a server is checked, before a script's own `connect port` and `addr`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Tcp {
        ip: IpAddr,
        port: Option<u16>,
        source: Option<IpAddr>,
        interface: Option<Arc<str>>,
        greeting: Greeting,
    },
    /// A path, or an abstract name with a NUL in front.
    Unix {
        path: PathBuf,
        greeting: Greeting,
    },
    None,
}

/// The PROXY header that connections of checks begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Greeting {
    /// Where the script leaves it to the server line.
    own: Option<SendProxy>,
    /// Where the script asks for one.
    asked: SendProxy,
}

impl Greeting {
    /// None but where a script asks for one.
    pub const NONE: Greeting = Greeting { own: None, asked: SendProxy::V1 };

    fn form(self, header: CheckHeader) -> Option<SendProxy> {
        match header {
            CheckHeader::Never => None,
            CheckHeader::AsServer => self.own,
            CheckHeader::Always => Some(self.asked),
        }
    }
}

impl Target {
    /// The server's address, with `addr` and `port` of its line put over it.
    pub fn of(server: &Server) -> Target {
        let check = server.check.as_ref();
        let (addr, port) = check.map_or((None, None), |check| (check.addr, check.port));
        let greeting = Greeting {
            own: check.map_or(server.send_proxy, |check| check.send_proxy),
            asked: server.send_proxy.unwrap_or(SendProxy::V1),
        };
        match &server.address {
            Some(ServerAddress::Ip { ip, port: own }) => {
                let own = match own {
                    ServerPort::Fixed(port) => Some(*port),
                    ServerPort::Mapped(_) => None,
                };
                let (ip, port) = (addr.unwrap_or(*ip), port.or(own));
                Target::Tcp {
                    ip,
                    port,
                    source: server.source,
                    interface: server.leaves.interface.clone(),
                    greeting,
                }
            }
            Some(ServerAddress::Unix(path)) => Target::Unix { path: path.clone(), greeting },
            Some(ServerAddress::Abstract(name)) => {
                Target::Unix { path: PathBuf::from(format!("\0{name}")), greeting }
            }
            None => Target::None,
        }
    }

    fn greeting(&self) -> Greeting {
        match self {
            Target::Tcp { greeting, .. } | Target::Unix { greeting, .. } => *greeting,
            Target::None => Greeting::NONE,
        }
    }
}

/// An open connection of either kind.
#[derive(Debug)]
pub(super) enum Connection {
    Tcp(TcpStream),
    Unix(UnixStream),
    SecuredTcp(Box<TlsStream<TcpStream>>),
    SecuredUnix(Box<TlsStream<UnixStream>>),
}

/// How a connection is to speak TLS.
#[derive(Debug, Clone, Copy)]
pub(super) struct Securing<'a> {
    settings: &'a ServerTls,
    sni: Option<&'a str>,
    alpn: Option<&'a [Vec<u8>]>,
}

impl<'a> Securing<'a> {
    /// What a step asks for, with what the server line says of TLS in checks.
    pub(super) fn of(transport: &'a CheckTransport, line: Option<&'a CheckTls>) -> Option<Securing<'a>> {
        let line = line?;
        match transport {
            CheckTransport::Plain => None,
            CheckTransport::AsServer => (line.when == TlsChecks::AsServer).then(|| Securing {
                settings: &line.settings,
                sni: line.sni.as_deref(),
                alpn: line.alpn.as_deref(),
            }),
            CheckTransport::Tls { sni, alpn } => {
                Some(Securing { settings: &line.settings, sni: sni.as_deref(), alpn: alpn.as_deref() })
            }
        }
    }
}

/// How one run of the engine ended.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) outcome: CheckOutcome,
    /// The peer closed or broke the connection meanwhile.
    pub(super) lost: bool,
}

/// One check from connect to close.
pub async fn check_once(engine: &mut Engine<'_>, target: &Target, patience: Patience) -> CheckOutcome {
    let first = engine.begin();
    Line::new(target, patience).run(engine, first).await.outcome
}

/// A server's check address, and the connection to it while there is one.
#[derive(Debug)]
pub(super) struct Line<'a> {
    target: &'a Target,
    /// What the server line says of TLS in checks.
    tls: Option<&'a CheckTls>,
    patience: Patience,
    connection: Option<Connection>,
    /// When the present phase of the run has to be over.
    deadline: Instant,
    /// The peer has closed or broken the connection.
    lost: bool,
}

impl<'a> Line<'a> {
    pub(super) fn new(target: &'a Target, patience: Patience) -> Line<'a> {
        Line { target, tls: None, patience, connection: None, deadline: Instant::now(), lost: false }
    }

    /// The same, by a line that speaks TLS in checks.
    pub(super) fn securing(self, tls: Option<&'a CheckTls>) -> Line<'a> {
        Line { tls, ..self }
    }

    pub(super) fn is_open(&self) -> bool {
        self.connection.is_some()
    }

    pub(super) fn hang_up(&mut self) {
        self.connection = None;
    }

    /// Carries out steps until the engine is done. The connection is left open for the caller to keep.
    pub(super) async fn run<'s>(&mut self, engine: &mut Engine<'s>, first: Step<'s>) -> Run {
        let started = Instant::now();
        self.deadline = started + self.patience.answer.unwrap_or(self.patience.connect);
        self.lost = false;
        let mut step = first;
        loop {
            step = match step {
                Step::Done(mut outcome) => {
                    outcome.duration_ms = Some(started.elapsed().as_millis() as u64);
                    return Run { outcome, lost: self.lost };
                }
                Step::Connect(how) => {
                    self.connection = None;
                    let securing = Securing::of(&how.transport, self.tls);
                    self.connect(engine, open(self.target, how), securing).await
                }
                Step::Send(bytes) => self.send(engine, &bytes).await,
                Step::Wait => self.receive(engine).await,
            };
        }
    }

    async fn connect<'s>(
        &mut self,
        engine: &mut Engine<'s>,
        opening: impl Future<Output = Result<Connection, ProbeError>>,
        securing: Option<Securing<'_>>,
    ) -> Step<'s> {
        let until = match self.patience.answer {
            Some(_) => Instant::now() + self.patience.connect,
            None => self.deadline,
        };
        match timeout_at(until, opening).await {
            Err(_) => engine.on_timeout(),
            Ok(Err(ProbeError::Connect(error))) => engine.on_connect_failed(&words(&error)),
            Ok(Err(ProbeError::Socket(error))) => engine.on_socket_error(&words(&error)),
            Ok(Err(error)) => engine.on_socket_error(&error.to_string()),
            Ok(Ok(opened)) => {
                self.lost = false;
                if let Some(answer) = self.patience.answer {
                    self.deadline = Instant::now() + answer;
                }
                let Some(securing) = securing else {
                    self.connection = Some(opened);
                    return engine.on_connected();
                };
                match timeout_at(self.deadline, opened.secured(securing)).await {
                    Err(_) => engine.on_handshake_timeout(),
                    Ok(Err(error)) => engine.on_handshake_failed(&error.to_string()),
                    Ok(Ok(secured)) => {
                        self.connection = Some(secured);
                        engine.on_secured()
                    }
                }
            }
        }
    }

    async fn send<'s>(&mut self, engine: &mut Engine<'s>, bytes: &[u8]) -> Step<'s> {
        let Some(connection) = &mut self.connection else {
            return engine.on_io_error(Errno::ENOTCONN.desc());
        };
        match timeout_at(self.deadline, connection.write_all(bytes)).await {
            Err(_) => engine.on_timeout(),
            Ok(Ok(())) => engine.on_sent(),
            Ok(Err(error)) => {
                self.lost = true;
                engine.on_io_error(&words(&error))
            }
        }
    }

    /// Waits for bytes and hands them to the engine.
    async fn receive<'s>(&mut self, engine: &mut Engine<'s>) -> Step<'s> {
        let Some(connection) = &mut self.connection else {
            return engine.on_io_error(Errno::ENOTCONN.desc());
        };
        if self.lost {
            // Nothing more can come, so there is nothing left to wait for.
            return engine.on_timeout();
        }
        let arrival = poll_fn(|cx| {
            let mut space = [const { MaybeUninit::uninit() }; READ];
            let mut buffer = ReadBuf::uninit(&mut space);
            let read = ready!(connection.poll_read(cx, &mut buffer));
            Poll::Ready(read.map(|()| {
                let bytes = buffer.filled();
                (!bytes.is_empty()).then(|| engine.on_bytes(bytes))
            }))
        });
        let arrived = timeout_at(self.deadline, arrival).await;
        self.lost |= matches!(arrived, Ok(Ok(None) | Err(_)));
        match arrived {
            Err(_) => engine.on_timeout(),
            Ok(Ok(Some(step))) => step,
            Ok(Ok(None)) => engine.on_eof(),
            Ok(Err(error)) => engine.on_io_error(&words(&error)),
        }
    }

    /// Resolves when the peer closes, breaks the connection, or speaks unasked; never without a connection.
    pub(super) async fn disturbed(&mut self) {
        let Some(connection) = &mut self.connection else { return std::future::pending().await };
        poll_fn(|cx| {
            let mut space = [const { MaybeUninit::uninit() }; 1];
            connection.poll_read(cx, &mut ReadBuf::uninit(&mut space)).map(drop)
        })
        .await;
    }
}

/// Opens a connection, and begins it with a PROXY header if it has to.
pub(super) async fn open(target: &Target, how: &CheckConnect) -> Result<Connection, ProbeError> {
    let mut connection = open_bare(target, how).await?;
    if let Some(form) = target.greeting().form(how.header) {
        let header = proxy_protocol::encode(
            form,
            connection.ends().filter(|_| form == SendProxy::V1),
            &Told::default(),
        );
        connection.write_all(&header).await.map_err(ProbeError::Connect)?;
    }
    Ok(connection)
}

async fn open_bare(target: &Target, how: &CheckConnect) -> Result<Connection, ProbeError> {
    match target {
        Target::None => Err(ProbeError::NoAddress),
        Target::Unix { path, .. } => {
            UnixStream::connect(path).await.map(Connection::Unix).map_err(ProbeError::Connect)
        }
        Target::Tcp { ip, port: own, source, interface, .. } => {
            let port = how.port.or(*own).ok_or(ProbeError::NoPort)?;
            let to = SocketAddr::new(how.addr.unwrap_or(*ip), port);
            let socket = if to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
            let socket = socket.map_err(ProbeError::Socket)?;
            if let Some(interface) = interface {
                socket.bind_device(Some(interface.as_bytes())).map_err(ProbeError::Socket)?;
            }
            if let Some(source) = source {
                socket.bind(SocketAddr::new(*source, 0)).map_err(ProbeError::Socket)?;
            }
            if !how.linger {
                SockRef::from(&socket).set_linger(Some(Duration::ZERO)).map_err(ProbeError::Socket)?;
            }
            let stream = socket.connect(to).await.map_err(ProbeError::Connect)?;
            // A request is one write; waiting for another would only delay it. Without it checks still work.
            let _ = stream.set_nodelay(true);
            Ok(Connection::Tcp(stream))
        }
    }
}

impl Connection {
    /// Its own addresses; `None` for a unix socket.
    fn ends(&self) -> Option<Addresses> {
        let Connection::Tcp(stream) = self else { return None };
        Some(Addresses { source: stream.local_addr().ok()?, destination: stream.peer_addr().ok()? })
    }

    pub(super) async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Connection::Tcp(stream) => stream.write_all(bytes).await,
            Connection::Unix(stream) => stream.write_all(bytes).await,
            Connection::SecuredTcp(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
            Connection::SecuredUnix(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
        }
    }

    /// Shakes hands.
    pub(super) async fn secured(self, how: Securing<'_>) -> Result<Connection, HandshakeError> {
        let config = connector(how.settings, how.alpn).map_err(|_| HandshakeError::Refused)?;
        match self {
            Connection::Tcp(stream) => {
                let stream = handshake(stream, config, how.sni).await?;
                Ok(Connection::SecuredTcp(Box::new(stream)))
            }
            Connection::Unix(stream) => {
                let stream = handshake(stream, config, how.sni).await?;
                Ok(Connection::SecuredUnix(Box::new(stream)))
            }
            secured => Ok(secured),
        }
    }

    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Connection::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Connection::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
            Connection::SecuredTcp(stream) => end_is_end(Pin::new(stream).poll_read(cx, buffer)),
            Connection::SecuredUnix(stream) => end_is_end(Pin::new(stream).poll_read(cx, buffer)),
        }
    }
}

/// A FIN without `close_notify` is an end like any other: many servers leave that out.
fn end_is_end(read: Poll<io::Result<()>>) -> Poll<io::Result<()>> {
    match read {
        Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
        other => other,
    }
}

/// An error in the system's words, without its number.
pub(super) fn words(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => Errno::from_raw(number).desc().to_owned(),
        None => error.to_string(),
    }
}

#[cfg(test)]
#[path = "probe_tests.rs"]
mod tests;
