//! The sockets of `stats socket` and their clients: one task a socket, one a client.
//!
//! Bounds: `stats maxconn` clients at a time, the others queue in the kernel; one line of 16 KiB; an answer is
//! written part by part, and a client that takes nothing, or says nothing, for `stats timeout` is let go.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{Answer, Ask};
use crate::api::command::{Level, Target};
use crate::api::{Processes, Reply, Session, Step};
use crate::config::model::Global;
use crate::process::takeover;
use crate::state::{Command, Listener, Published, Workers};

/// How long a socket is left alone when descriptors or memory are short.
const BACK_OFF: Duration = Duration::from_millis(100);

/// The sockets that are served.
#[derive(Debug)]
pub struct CommandSockets {
    asks: UnboundedSender<Ask>,
    published: Arc<Published>,
    workers: Workers,
    tasks: Vec<JoinHandle<()>>,
    places: (u32, Arc<Semaphore>),
    timeout: Duration,
}

impl CommandSockets {
    /// None yet; questions go to `asks`.
    pub fn new(asks: UnboundedSender<Ask>, published: Arc<Published>, workers: Workers) -> CommandSockets {
        CommandSockets {
            asks,
            published,
            workers,
            tasks: Vec::new(),
            places: (0, Arc::new(Semaphore::new(0))),
            timeout: Duration::ZERO,
        }
    }

    /// Serves the sockets of a config, `listeners` in the order of its lines. Clients that are there stay.
    pub fn apply(&mut self, global: &Global, listeners: Vec<Arc<Listener>>) {
        self.close();
        self.timeout = global.stats_timeout;
        if self.places.0 != global.stats_maxconn {
            self.places = (global.stats_maxconn, Arc::new(Semaphore::new(global.stats_maxconn as usize)));
        }
        for (socket, listener) in global.stats_sockets.iter().zip(listeners) {
            // A second descriptor of the same socket: the task before may still have its own registered.
            let Ok(descriptor) = listener.socket.try_clone() else { continue };
            let exposed =
                socket.exposes_listeners.then(|| (Arc::clone(&self.published), self.workers.clone()));
            let clients = Clients { exposed, ..self.clients(socket.level) };
            self.tasks.push(tokio::spawn(accept_all(descriptor, clients, Arc::clone(&self.places.1))));
        }
    }

    /// Takes no more clients.
    pub fn close(&mut self) {
        self.tasks.drain(..).for_each(|task| task.abort());
    }

    /// Serves a client that came another way.
    pub fn serve(&self, client: OwnedFd, level: Level) {
        let client = std::os::unix::net::UnixStream::from(client);
        // Out of descriptors: it finds its connection closed.
        let unblocked = client.set_nonblocking(true);
        let Ok(client) = unblocked.and_then(|()| tokio::net::UnixStream::from_std(client)) else { return };
        let clients = self.clients(level);
        tokio::spawn(async move {
            // One that goes away in the middle is normal.
            let _ = clients.serve(Box::pin(client)).await;
        });
    }

    fn clients(&self, level: Level) -> Clients {
        Clients { asks: self.asks.clone(), level, timeout: self.timeout, exposed: None }
    }
}

impl Drop for CommandSockets {
    fn drop(&mut self) {
        self.close();
    }
}

/// A listening socket on the runtime.
enum Door {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

impl Door {
    fn new(listener: OwnedFd) -> io::Result<Door> {
        Ok(match is_tcp(&listener)? {
            true => Door::Tcp(tokio::net::TcpListener::from_std(listener.into())?),
            false => Door::Unix(tokio::net::UnixListener::from_std(listener.into())?),
        })
    }

    async fn next(&self) -> io::Result<Pin<Box<dyn Stream>>> {
        Ok(match self {
            Door::Tcp(listener) => Box::pin(listener.accept().await?.0),
            Door::Unix(listener) => Box::pin(listener.accept().await?.0),
        })
    }
}

async fn accept_all(listener: OwnedFd, clients: Clients, places: Arc<Semaphore>) {
    // Only a runtime that ends refuses a descriptor.
    let Ok(door) = Door::new(listener) else { return };
    loop {
        // Only ever closed with the process.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match door.next().await {
            Ok(stream) => {
                let clients = clients.clone();
                tokio::spawn(async move {
                    // One that goes away in the middle is normal.
                    let _ = clients.serve(stream).await;
                    drop(place);
                });
            }
            Err(_) => tokio::time::sleep(BACK_OFF).await,
        }
    }
}

/// How clients of one socket are served.
#[derive(Debug, Clone)]
struct Clients {
    asks: UnboundedSender<Ask>,
    level: Level,
    timeout: Duration,
    /// Where the listening sockets are, for who may have them.
    exposed: Option<(Arc<Published>, Workers)>,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {
    /// A second descriptor of it, if descriptors can go through it.
    fn unix(&self) -> Option<OwnedFd>;
}

impl Stream for tokio::net::UnixStream {
    fn unix(&self) -> Option<OwnedFd> {
        // Out of descriptors, it gets none.
        self.as_fd().try_clone_to_owned().ok()
    }
}

impl Stream for tokio::net::TcpStream {
    fn unix(&self) -> Option<OwnedFd> {
        None
    }
}

fn is_tcp(socket: &OwnedFd) -> io::Result<bool> {
    Ok(SockRef::from(&socket.as_fd()).local_addr()?.as_socket().is_some())
}

impl Clients {
    async fn serve(self, stream: Pin<Box<dyn Stream>>) -> io::Result<()> {
        let session = Session::new(Target::Worker, self.level);
        let exposed = self.exposed;
        let mut client = Client { stream, session, asks: self.asks, limit: self.timeout, exposed };
        client.run().await?;
        client.stream.shutdown().await
    }
}

/// One client.
struct Client {
    stream: Pin<Box<dyn Stream>>,
    session: Session,
    asks: UnboundedSender<Ask>,
    limit: Duration,
    exposed: Option<(Arc<Published>, Workers)>,
}

impl Client {
    async fn run(&mut self) -> io::Result<()> {
        let mut bytes = [0; 4096];
        loop {
            while let Some(step) = self.session.next(&Processes::default()) {
                match step {
                    Step::Write(text) => self.write(&text).await?,
                    Step::Ask(request) => {
                        let reply = self.ask(request).await?;
                        self.reply(reply).await?;
                    }
                    Step::Timeout(limit) => {
                        self.limit = limit;
                        self.write(self.session.end_of_answer()).await?;
                    }
                    Step::GiveSockets => return self.give_sockets().await,
                    // A runtime socket has no other process behind it.
                    Step::Forward(..) => {}
                    Step::Close => return Ok(()),
                }
            }
            match timeout(self.limit, self.stream.read(&mut bytes)).await?? {
                0 => self.session.finish(),
                count => self.session.receive(&bytes[..count]),
            }
        }
    }

    /// Without the right, or over TCP, the connection just ends, as HAProxy ends it.
    async fn give_sockets(&mut self) -> io::Result<()> {
        let (Some((published, workers)), Some(taker)) = (&self.exposed, self.stream.unix()) else {
            return Ok(());
        };
        let snapshot = published.load_full();
        let listeners: Vec<_> = snapshot.listeners.iter().flatten().flatten().cloned().collect();
        listeners.iter().for_each(|listener| listener.share());
        workers.broadcast(|| Command::Share);
        let giving = tokio::task::spawn_blocking(move || takeover::give(taker, &listeners));
        giving.await.map_err(io::Error::other)?
    }

    async fn ask(&mut self, request: crate::api::Request) -> io::Result<Reply> {
        let (answer, answered) = oneshot::channel();
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.asks.send(Ask { request, level: self.session.level(), answer }).map_err(|_| gone(()))?;
        match answered.await.map_err(|_| gone(()))? {
            Answer::Now(reply) => Ok(reply),
            Answer::Later(reply) => Ok(reply.await),
        }
    }

    async fn reply(&mut self, reply: Reply) -> io::Result<()> {
        let end = self.session.end_of_answer();
        match reply {
            // In one piece, so that a tool which reads once reads all of a short answer.
            Reply::Text(text) => self.write(&(text + end)).await,
            Reply::Parts(parts) => {
                let mut ready = String::new();
                for part in parts {
                    ready.push_str(&part);
                    if ready.len() >= PIECE {
                        self.write(&ready).await?;
                        ready.clear();
                        // Parts are made on the control thread, which has more to do.
                        tokio::task::yield_now().await;
                    }
                }
                self.write(&(ready + end)).await
            }
        }
    }

    /// Writes all of it, as long as the client takes some of it in time.
    async fn write(&mut self, text: &str) -> io::Result<()> {
        let mut left = text.as_bytes();
        while !left.is_empty() {
            let count = timeout(self.limit, self.stream.write(left)).await??;
            if count == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            left = &left[count..];
        }
        Ok(())
    }
}

/// Parts are collected until they are worth a write.
const PIECE: usize = 16 * 1024;
