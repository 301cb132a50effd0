//! The PROXY header before a client's handshake (`bind ... ssl ... accept-proxy`).
//!
//! What has come is looked at where it lies, as a session does it for a plain client, and only the header is taken:
//! the ClientHello behind it is rustls's. No more is looked at than a buffer holds.

use std::io;
use std::os::fd::AsFd;

use tokio::time::{Instant, timeout_at};

use super::stream::Stream;
use crate::proxy_protocol::{Announced, Decoded, HeaderError, decode};
use crate::sys::socket::{self, Moved};

/// Takes the header off; `room` is how many bytes it may have. Without `until` it is waited for as long as it takes.
pub(super) async fn announced(
    stream: &Stream,
    room: usize,
    until: Option<Instant>,
) -> Result<Announced, HeaderError> {
    let mut seen = 0;
    let heard = hear(stream, room, &mut seen);
    match until {
        None => heard.await,
        Some(until) => match timeout_at(until, heard).await {
            Ok(heard) => heard,
            Err(_) if seen > 0 => Err(HeaderError::Truncated),
            Err(_) => Err(HeaderError::TimedOut),
        },
    }
}

async fn hear(stream: &Stream, room: usize, seen: &mut usize) -> Result<Announced, HeaderError> {
    loop {
        // Asked for before the look, so that what came before the FIN is seen.
        let closed = stream.ready_to_read().await.map_err(|_| HeaderError::Closed)?;
        let look = || match peek(stream, room)? {
            (_, Ok(Decoded::Header { length, addresses })) => {
                take(stream, length);
                Ok(Ok(Announced(addresses)))
            }
            (_, Err(error)) => Ok(Err(error)),
            (count, Ok(Decoded::Incomplete)) => {
                *seen = count;
                match (count, closed) {
                    (0, true) => Ok(Err(HeaderError::Closed)),
                    (_, true) => Ok(Err(HeaderError::Truncated)),
                    // Whatever comes next wakes it again, though this lies there still.
                    (_, false) => Err(io::ErrorKind::WouldBlock.into()),
                }
            }
        };
        match stream.try_read_by(look) {
            Ok(heard) => return heard,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return Err(HeaderError::Closed),
        }
    }
}

/// How many bytes there are, and what they are. An end without a byte is [`Moved::End`], which `closed` tells, too.
fn peek(stream: &Stream, room: usize) -> io::Result<(usize, Result<Decoded, HeaderError>)> {
    let mut bytes = vec![0; room];
    let count = match socket::peek(&stream.as_fd(), &mut bytes) {
        Moved::Bytes(count) => count,
        Moved::Later | Moved::End => 0,
        Moved::Failed(errno) => return Err(errno.into()),
    };
    Ok((count, decode(&bytes[..count], room)))
}

fn take(stream: &Stream, length: usize) {
    let mut left = vec![0; length];
    while !left.is_empty() {
        match socket::receive(&stream.as_fd(), &mut left) {
            Moved::Bytes(count) => left.truncate(left.len() - count),
            // Broken meanwhile: the handshake finds out.
            Moved::End | Moved::Later | Moved::Failed(_) => return,
        }
    }
}
