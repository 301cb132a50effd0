//! The worker's end of the socket to its parent, on the control thread's runtime.

use std::fs::File;
use std::io;
use std::os::unix::net::UnixStream;

use tokio::io::Interest;

use super::frame::{Frame, FrameError, Incoming, Limits, Outgoing};
use super::message::Answer;

/// See the module.
#[derive(Debug)]
pub struct Link {
    socket: tokio::net::UnixStream,
    incoming: Incoming,
    nowhere: Option<File>,
}

impl Link {
    /// To be made inside the runtime. `nowhere` is kept until the standard streams may go there.
    pub fn new(socket: UnixStream, nowhere: Option<File>) -> io::Result<Link> {
        socket.set_nonblocking(true)?;
        let socket = tokio::net::UnixStream::from_std(socket)?;
        Ok(Link { socket, incoming: Incoming::new(Limits::BUNDLE), nowhere })
    }

    /// Where the standard streams are to go, the first time.
    pub fn take_nowhere(&mut self) -> Option<File> {
        self.nowhere.take()
    }

    /// Answers are small, and the parent reads: one attempt does. If it does not, the parent is gone, which
    /// the next read finds.
    pub fn answer(&self, answer: &Answer) {
        let Ok(frame) = answer.to_frame() else { return };
        let outgoing = Outgoing::new(frame, Limits::ANSWER);
        let _ = outgoing.and_then(|mut outgoing| outgoing.flush(&self.socket));
    }
}

/// The next frame; never, without a parent. What has come so far stays if the future is dropped.
pub async fn next_frame(link: &mut Option<Link>) -> Result<Frame, FrameError> {
    let Some(Link { socket, incoming, .. }) = link else { return std::future::pending().await };
    loop {
        socket.readable().await?;
        // Nothing more to read is what makes tokio wait for the next readiness.
        let read = socket.try_io(Interest::READABLE, || match incoming.read(socket) {
            Ok(None) => Err(io::ErrorKind::WouldBlock.into()),
            other => Ok(other),
        });
        match read {
            Ok(Ok(Some(frame))) => return Ok(frame),
            Ok(Err(error)) => return Err(error),
            Ok(Ok(None)) | Err(_) => {}
        }
    }
}
