//! The bytes of one leg, both ways, until both ways have ended.
//!
//! The session is the one that keeps time: when it is over its end of the socket pair is closed, and the leg has
//! only to deliver what it still holds. That is looked for where a leg could wait for ever: after its way out has
//! ended, and while a write finds no room.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::pin::{Pin, pin};
use std::task::{Poll, ready};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// Bytes taken at a time: what a TLS record holds at most (RFC 8446 section 5.1).
const CHUNK: usize = 16 * 1024;
/// How long the peer of an ended session may take nothing of what is left for it.
const STALL: Duration = Duration::from_secs(10);
/// Between two looks whether the session is over, once nothing goes outwards any more.
const FIRST_LOOK: Duration = Duration::from_millis(5);
const LONGEST_LOOK: Duration = Duration::from_secs(1);

/// Runs until both ways have ended, one has failed, or the session is gone and everything was delivered. What
/// happened is told to nobody: each side sees the end of its socket, as with any other peer.
pub(super) async fn relay<S: AsyncRead + AsyncWrite>(secured: S, plain: &UnixStream) {
    let (mut read, mut write) = tokio::io::split(secured);
    let mut inwards = pin!(inwards(&mut read, plain));
    let mut outwards = pin!(outwards(plain, &mut write));
    let out_is_over = tokio::select! {
        ended = &mut outwards => ended.is_ok(),
        ended = &mut inwards => {
            if ended.is_ok() {
                // Its errors are the end of the leg, as its success is.
                let _ = outwards.await;
            }
            return;
        }
    };
    let mut look = FIRST_LOOK;
    while out_is_over && timeout(look, &mut inwards).await.is_err() && !is_gone(plain) {
        look = (look * 2).min(LONGEST_LOOK);
    }
}

/// From the peer to the session.
async fn inwards(read: &mut (impl AsyncRead + Unpin), plain: &UnixStream) -> io::Result<()> {
    loop {
        let bytes = match take(read).await {
            Ok(bytes) => bytes,
            // A FIN without `close_notify`: what came before it is whole records.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Vec::new(),
            Err(error) => return Err(error),
        };
        if bytes.is_empty() {
            crate::sys::socket::shutdown_write(&plain.as_fd());
            return Ok(());
        }
        if put(plain, &bytes).await.is_err() {
            // The session is over; what it has still to say goes out.
            return Ok(());
        }
    }
}

/// From the session to the peer.
async fn outwards(plain: &UnixStream, write: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    loop {
        plain.readable().await?;
        let bytes = match try_take(plain) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            // It was closed with bytes unread.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut sending = pin!(async {
            if bytes.is_empty() {
                return write.shutdown().await;
            }
            write.write_all(&bytes).await?;
            write.flush().await
        });
        loop {
            match timeout(STALL, &mut sending).await {
                Ok(sent) => break sent?,
                Err(_) if is_gone(plain) => return Err(ErrorKind::TimedOut.into()),
                Err(_) => {}
            }
        }
        if bytes.is_empty() {
            return Ok(());
        }
    }
}

/// Some bytes; none at the end. The room for them is on the stack, and only while they are taken: an idle leg has
/// no buffer.
async fn take(read: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    poll_fn(|cx| {
        let mut space = [const { MaybeUninit::uninit() }; CHUNK];
        let mut buffer = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut *read).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().to_vec()))
    })
    .await
}

fn try_take(plain: &UnixStream) -> io::Result<Vec<u8>> {
    let mut space = [0; CHUNK];
    plain.try_read(&mut space).map(|count| space[..count].to_vec())
}

async fn put(plain: &UnixStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        plain.writable().await?;
        match plain.try_write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether the session has closed its end, and not only said that it sends no more.
fn is_gone(plain: &UnixStream) -> bool {
    let mut asked = [PollFd::new(plain.as_fd(), PollFlags::empty())];
    let found = poll(&mut asked, PollTimeout::ZERO).is_ok();
    found && asked[0].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP))
}
