//! A client's socket as hyper reads it: bytes taken off before come first, what passes is counted at the
//! frontend, and silence in both directions ends it.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, Sleep, sleep};

use crate::state::FrontendLive;

/// See the module.
pub(super) struct Metered {
    stream: Stream,
    /// Bytes that were read before, from `.1` on.
    before: (Vec<u8>, usize),
    frontend: Arc<FrontendLive>,
    patience: Duration,
    silence: Pin<Box<Sleep>>,
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Metered {
    /// Takes the socket over; must be called on the runtime that will drive it.
    pub(super) fn new(
        socket: OwnedFd,
        already_read: Vec<u8>,
        frontend: Arc<FrontendLive>,
        patience: Duration,
    ) -> io::Result<Metered> {
        let socket = socket2::Socket::from(socket);
        socket.set_nonblocking(true)?;
        let stream = match socket.domain()? {
            socket2::Domain::UNIX => Stream::Unix(UnixStream::from_std(socket.into())?),
            _ => Stream::Tcp(TcpStream::from_std(socket.into())?),
        };
        frontend.traffic.bytes_in.add(already_read.len() as u64);
        let silence = Box::pin(sleep(patience));
        Ok(Metered { stream, before: (already_read, 0), frontend, patience, silence })
    }

    /// Something passed: the silence begins anew.
    fn stir(&mut self) {
        self.silence.as_mut().reset(Instant::now() + self.patience);
    }

    /// Nothing can pass now: an error once that has lasted too long.
    fn pending<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        ready!(self.silence.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Metered {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let (bytes, at) = &mut this.before;
        if *at < bytes.len() {
            let take = buffer.remaining().min(bytes.len() - *at);
            buffer.put_slice(&bytes[*at..*at + take]);
            *at += take;
            return Poll::Ready(Ok(()));
        }
        let filled = buffer.filled().len();
        let read = match &mut this.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
        };
        if read.is_pending() {
            return this.pending(context);
        }
        this.frontend.traffic.bytes_in.add((buffer.filled().len() - filled) as u64);
        this.stir();
        read
    }
}

impl AsyncWrite for Metered {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = match &mut this.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
        };
        let Poll::Ready(written) = written else { return this.pending(context) };
        if let Ok(count) = written {
            this.frontend.traffic.bytes_out.add(count as u64);
            this.stir();
        }
        Poll::Ready(written)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Stream::Unix(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
