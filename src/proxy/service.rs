//! What a session hands over instead of forwarding it: a client of a `mode http` proxy, which only ever gets
//! a page of ours. The control side serves it.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use tokio::sync::mpsc::UnboundedSender;

use super::session::Service;
use crate::state::{Admission, Command, Workers};

/// A client to be served; not one byte of it has been read.
#[derive(Debug)]
pub struct Served {
    /// Non-blocking.
    pub socket: OwnedFd,
    /// `None` for unix sockets.
    pub client: Option<SocketAddr>,
    pub service: Service,
    /// To be kept as long as the connection.
    pub place: Place,
}

/// Where the control side takes such clients from. Unbounded, but each of them keeps its place in the
/// `maxconn`s, so that these bound it.
pub type ServiceSink = UnboundedSender<Served>;

/// The place of a connection that has left the workers. When it is dropped, a worker hears of it if somebody
/// waits for a place.
#[derive(Debug)]
pub struct Place {
    admission: Option<Admission>,
    workers: Workers,
}

impl Place {
    pub(super) fn new(admission: Admission, workers: Workers) -> Place {
        Place { admission: Some(admission), workers }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(admission) = self.admission.take() else { return };
        let process = std::sync::Arc::clone(admission.process());
        drop(admission);
        if process.somebody_waits() {
            self.workers.post(0, Command::Admit);
        }
    }
}
