//! The shell around the check engine: opens the socket, moves bytes, keeps the time. No policy.
//!
//! A probe has one socket at most. Unless its script says `linger` the socket is closed by RST, as HAProxy
//! does: a check every few milliseconds must not leave a trail of TIME_WAIT on either side. The socket is
//! told so when it is opened, so that a probe that is dropped half-way leaves nothing behind either.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use nix::errno::Errno;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::client::TlsStream;

pub use super::target::{Greeting, Target};
use super::tcp_check::{CheckOutcome, Engine, Step};
use super::timing::Patience;
use crate::config::model::{CheckConnect, CheckTls, CheckTransport, SendProxy, ServerTls, TlsChecks};
use crate::proxy_protocol::{self, Addresses, Told};
use crate::socks4::{self, Refusal, Request};
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
    /// The SOCKS4 proxy on the way was reached, and the server was not.
    #[error(transparent)]
    Proxy(#[from] Refusal),
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
                    self.connect(engine, how).await
                }
                Step::Send(bytes) => self.send(engine, &bytes).await,
                Step::Wait => self.receive(engine).await,
            };
        }
    }

    async fn connect<'s>(&mut self, engine: &mut Engine<'s>, how: &CheckConnect) -> Step<'s> {
        let until = match self.patience.answer {
            Some(_) => Instant::now() + self.patience.connect,
            None => self.deadline,
        };
        let opened = match timeout_at(until, open(self.target, how)).await {
            Err(_) => return engine.on_timeout(),
            Ok(Err(error)) => return unopened(engine, &error),
            Ok(Ok(opened)) => opened,
        };
        self.lost = false;
        if let Some(answer) = self.patience.answer {
            self.deadline = Instant::now() + answer;
        }
        let securing = Securing::of(&how.transport, self.tls);
        let begun = match (timeout_at(self.deadline, begin(opened, self.target, how)).await, &securing) {
            (Ok(Ok(begun)), _) => begun,
            // Whatever is missing before the handshake is a handshake that was missed, as in HAProxy.
            (Err(_), Some(_)) => return engine.on_handshake_timeout(),
            (Err(_), None) => return engine.on_proxy_timeout(),
            (Ok(Err(ProbeError::Proxy(refusal))), Some(_)) => {
                return engine.on_handshake_failed(&refusal.to_string());
            }
            (Ok(Err(error)), _) => return unopened(engine, &error),
        };
        let Some(securing) = securing else {
            self.connection = Some(begun);
            return engine.on_connected();
        };
        match timeout_at(self.deadline, begun.secured(securing)).await {
            Err(_) => engine.on_handshake_timeout(),
            Ok(Err(error)) => engine.on_handshake_failed(&error.to_string()),
            Ok(Ok(secured)) => {
                self.connection = Some(secured);
                engine.on_secured()
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

fn unopened<'s>(engine: &mut Engine<'s>, error: &ProbeError) -> Step<'s> {
    match error {
        ProbeError::Connect(error) => engine.on_connect_failed(&words(error)),
        ProbeError::Socket(error) => engine.on_socket_error(&words(error)),
        ProbeError::Proxy(refusal) => engine.on_proxy_refused(&refusal.to_string()),
        ProbeError::NoAddress | ProbeError::NoPort => engine.on_socket_error(&error.to_string()),
    }
}

/// A connection that is ready for a handshake, or for the script.
pub(super) async fn reach(target: &Target, how: &CheckConnect) -> Result<Connection, ProbeError> {
    begin(open(target, how).await?, target, how).await
}

/// Says what comes before everything else: to a SOCKS4 proxy where it is to connect to, then a PROXY header.
pub(super) async fn begin(
    mut connection: Connection,
    target: &Target,
    how: &CheckConnect,
) -> Result<Connection, ProbeError> {
    let (greeting, to) = (target.greeting(), target.place(how)?);
    if greeting.proxy(how.via).is_some() {
        connection.ask(&socks4::request(to)).await?;
    }
    if let Some(form) = greeting.form(how.header) {
        let ends = connection.own_address().zip(to);
        let ends = ends.map(|(source, destination)| Addresses { source, destination });
        let header = proxy_protocol::encode(form, ends.filter(|_| form == SendProxy::V1), &Told::default());
        connection.write_all(&header).await.map_err(ProbeError::Connect)?;
    }
    Ok(connection)
}

/// Opens a connection to the server, or to the SOCKS4 proxy on the way; [`begin`] comes next.
pub(super) async fn open(target: &Target, how: &CheckConnect) -> Result<Connection, ProbeError> {
    match target {
        Target::None => Err(ProbeError::NoAddress),
        Target::Unix { path, .. } => {
            UnixStream::connect(path).await.map(Connection::Unix).map_err(ProbeError::Connect)
        }
        Target::Tcp { source, interface, greeting, .. } => {
            let to = target.place(how)?.ok_or(ProbeError::NoAddress)?;
            let to = match greeting.proxy(how.via) {
                Some(_) if !socks4::may_ask_for(to) => return Err(ProbeError::Connect(no_way())),
                Some(proxy) => proxy,
                None => to,
            };
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

/// HAProxy's words for an IPv6 server behind a SOCKS4 proxy.
fn no_way() -> io::Error {
    io::Error::other(format!("General socket error ({})", Errno::EINVAL.desc()))
}

impl Connection {
    /// `None` for a unix socket.
    fn own_address(&self) -> Option<SocketAddr> {
        let Connection::Tcp(stream) = self else { return None };
        stream.local_addr().ok()
    }

    async fn ask(&mut self, request: &Request) -> Result<(), Refusal> {
        match self {
            Connection::Tcp(stream) => socks4::ask(stream, request).await,
            Connection::Unix(stream) => socks4::ask(stream, request).await,
            // Only a connection that has just been opened is asked.
            Connection::SecuredTcp(_) | Connection::SecuredUnix(_) => Ok(()),
        }
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
