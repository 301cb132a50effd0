//! The threads that shake hands and encrypt, and what workers ask of them.
//!
//! They start with the first connection that needs them, after privileges were dropped. There are as many as
//! workers. Whoever asks gets an answer by a callback on one of these threads, which must not block: it posts to a
//! mailbox. The number of legs is bounded by the sessions that they belong to.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Pair;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ServerConfig};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::server::TlsStream as ServerStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::acceptor::watched;
use super::announced::announced;
use super::connector;
use super::facts::Facts;
use super::failure::{AcceptError, Asked, DialError, HandshakeError};
use super::relay::relay;
use super::stream::Stream;
use crate::proxy_protocol::Announced;
use crate::socks4;

/// See the module. Clones share the threads.
#[derive(Debug, Clone)]
pub struct Bridge(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    threads: usize,
    /// `None` in it: they could not be started.
    runtime: OnceLock<Option<Runtime>>,
    legs: Arc<Legs>,
}

/// Counts legs, for those who wait until there is none.
#[derive(Debug, Default)]
struct Legs {
    count: Mutex<usize>,
    none_left: Condvar,
}

/// A leg, as long as it lives.
#[derive(Debug)]
struct Leg(Arc<Legs>);

/// A client, and what it has to do.
#[derive(Debug)]
pub struct Client {
    pub socket: OwnedFd,
    pub config: Arc<ServerConfig>,
    /// How long all of it may take; `None`: for ever.
    pub patience: Option<Duration>,
    /// A PROXY header comes before the handshake, of so many bytes at most.
    pub header: Option<usize>,
}

/// What became of a client.
#[derive(Debug)]
pub struct Secured {
    /// What it says, decrypted.
    pub socket: OwnedFd,
    pub facts: Facts,
    /// Its header, where one had to come.
    pub announced: Option<Announced>,
}

/// A connection to a server that was begun, and how to go on with it.
#[derive(Debug)]
pub struct Dial {
    pub socket: OwnedFd,
    pub config: Arc<ClientConfig>,
    /// The host name to ask for.
    pub sni: Option<String>,
    /// What a SOCKS4 proxy is asked first, if there is one on the way.
    pub request: Option<socks4::Request>,
    /// What goes out before the handshake: a PROXY header.
    pub preface: Vec<u8>,
}

/// A server that was reached.
#[derive(Debug)]
pub struct Reached {
    /// What it says, decrypted.
    pub socket: OwnedFd,
    pub facts: Facts,
}

/// A dial that is under way: dropped, it is given up.
#[derive(Debug)]
pub struct Dialing {
    _alive: oneshot::Sender<()>,
}

impl Bridge {
    /// One that will have so many threads.
    pub fn new(threads: usize) -> Bridge {
        Bridge(Arc::new(Inner { threads: threads.max(1), runtime: OnceLock::new(), legs: Arc::default() }))
    }

    /// Shakes hands with a client. What it says goes to `done`'s socket then.
    pub fn accept(&self, client: Client, done: impl FnOnce(Result<Secured, AcceptError>) + Send + 'static) {
        let Some(runtime) = self.runtime() else { return done(Err(HandshakeError::Resources.into())) };
        let leg = Leg::new(&self.0.legs);
        runtime.spawn(async move {
            let _leg = leg;
            let welcomed = welcome(client).await;
            let paired = welcomed.and_then(|come| Ok((come, pair().map_err(|_| HandshakeError::Resources)?)));
            match paired {
                Err(error) => done(Err(error)),
                Ok(((stream, own, announced), (plain, socket))) => {
                    let facts = Facts::of(stream.get_ref().1, own);
                    done(Ok(Secured { socket, facts, announced }));
                    relay(stream, &plain).await;
                }
            }
        });
    }

    /// Goes on with a connection to a server. Without a deadline: whoever waits drops the [`Dialing`].
    pub fn dial(
        &self,
        dial: Dial,
        done: impl FnOnce(Result<Reached, DialError>) + Send + 'static,
    ) -> Dialing {
        let (alive, given_up) = oneshot::channel();
        let dialing = Dialing { _alive: alive };
        let Some(runtime) = self.runtime() else {
            done(Err(HandshakeError::Resources.into()));
            return dialing;
        };
        let leg = Leg::new(&self.0.legs);
        runtime.spawn(async move {
            let _leg = leg;
            let shaken = tokio::select! {
                shaken = shake(dial) => shaken,
                _ = given_up => return,
            };
            let paired =
                shaken.and_then(|stream| Ok((stream, pair().map_err(|_| HandshakeError::Resources)?)));
            match paired {
                Err(error) => done(Err(error)),
                Ok((stream, (plain, socket))) => {
                    let facts = Facts::of_server(stream.get_ref().1);
                    done(Ok(Reached { socket, facts }));
                    relay(stream, &plain).await;
                }
            }
        });
        dialing
    }

    /// Waits until no leg is left, at most so long. For the end of a worker: what its sessions had to say is to
    /// go out before the process ends.
    pub fn settle(&self, patience: Duration) {
        let legs = &self.0.legs;
        let count = legs.count.lock().unwrap_or_else(PoisonError::into_inner);
        // How it ended makes no difference.
        let _ = legs.none_left.wait_timeout_while(count, patience, |count| *count > 0);
    }

    /// How many legs there are.
    pub fn legs(&self) -> usize {
        *self.0.legs.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn runtime(&self) -> Option<&Runtime> {
        let start = || {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(self.0.threads).thread_name("tls").enable_io().enable_time().build().ok()
        };
        self.0.runtime.get_or_init(start).as_ref()
    }
}

impl Drop for Inner {
    /// The last to go may be a task of another runtime, where waiting is not allowed.
    fn drop(&mut self) {
        if let Some(Some(runtime)) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Leg {
    fn new(legs: &Arc<Legs>) -> Leg {
        *legs.count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Leg(Arc::clone(legs))
    }
}

impl Drop for Leg {
    fn drop(&mut self) {
        let mut count = self.0.count.lock().unwrap_or_else(PoisonError::into_inner);
        *count -= 1;
        if *count == 0 {
            self.0.none_left.notify_all();
        }
    }
}

/// A client, the certificate that it was shown, and its header.
type Welcomed = (ServerStream<Stream>, Option<CertificateDer<'static>>, Option<Announced>);

/// The header if there has to be one, then the handshake.
async fn welcome(client: Client) -> Result<Welcomed, AcceptError> {
    let until = client.patience.map(|patience| Instant::now() + patience);
    let stream = Stream::new(client.socket).map_err(|_| HandshakeError::Resources)?;
    let announced = match client.header {
        Some(room) => Some(announced(&stream, room, until).await?),
        None => None,
    };
    let (config, watch) = watched(&client.config);
    let shaking = async {
        let accepted = TlsAcceptor::from(Arc::new(config)).accept(stream).await;
        accepted.map_err(|error| HandshakeError::of(&error, Asked::Nothing))
    };
    let shaken = match until {
        Some(until) => timeout_at(until, shaking).await.unwrap_or(Err(HandshakeError::TimedOut)),
        None => shaking.await,
    };
    let stream = shaken.map_err(|error| AcceptError::Handshake { error, announced })?;
    Ok((stream, watch.chosen(), announced))
}

async fn shake(dial: Dial) -> Result<tokio_rustls::client::TlsStream<Stream>, DialError> {
    let mut stream = Stream::new(dial.socket).map_err(|_| HandshakeError::Resources)?;
    stream.connected().await.map_err(DialError::Connect)?;
    if let Some(request) = &dial.request {
        socks4::ask(&mut stream, request).await?;
    }
    if !dial.preface.is_empty() {
        stream.write_all(&dial.preface).await.map_err(|error| HandshakeError::of(&error, Asked::Nothing))?;
    }
    Ok(handshake(stream, dial.config, dial.sni.as_deref()).await?)
}

/// As a client, on a connection that stands.
pub async fn handshake<S>(
    stream: S,
    config: Arc<ClientConfig>,
    sni: Option<&str>,
) -> Result<tokio_rustls::client::TlsStream<S>, HandshakeError>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let asked = if sni.is_some_and(|name| !name.is_empty()) { Asked::Name } else { Asked::Nothing };
    let connected = TlsConnector::from(config).connect(connector::name(sni), stream).await;
    connected.map_err(|error| HandshakeError::of(&error, asked))
}

/// One end for here, one for a session.
fn pair() -> io::Result<(UnixStream, OwnedFd)> {
    let (here, there) = Pair::pair()?;
    here.set_nonblocking(true)?;
    there.set_nonblocking(true)?;
    Ok((UnixStream::from_std(here)?, there.into()))
}
