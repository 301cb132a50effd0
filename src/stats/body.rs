//! A reply's body as hyper takes it. It is not over before it was asked for, even if it is empty: of a body that is
//! over hyper writes the length behind all other headers, and HAProxy before them.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::Full;
use hyper::body::{Body, Bytes, Frame, SizeHint};

/// See the module.
#[derive(Debug)]
pub(super) struct Page(Full<Bytes>);

impl From<Vec<u8>> for Page {
    fn from(bytes: Vec<u8>) -> Page {
        Page(Full::new(Bytes::from(bytes)))
    }
}

impl Body for Page {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.0).poll_frame(context)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
