//! Looking at the sessions of all workers: `show sess`, `shutdown session`.
//!
//! Sessions belong to their workers, so whoever wants to see them asks: each worker describes its own, once,
//! and whoever asked waits for as many answers as there are workers. A worker that is gone answers by dropping
//! its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc::UnboundedSender;

use super::backend::BackendLive;
use super::frontend::FrontendLive;
use super::mailbox::SessionToken;
use super::server::ServerLive;

/// One session as it stands.
#[derive(Debug, Clone)]
pub struct SessionView {
    pub token: SessionToken,
    pub frontend: Arc<FrontendLive>,
    pub backend: Option<Arc<BackendLive>>,
    /// The one it is connecting or connected to.
    pub server: Option<Arc<ServerLive>>,
    /// `None` for unix sockets.
    pub client: Option<SocketAddr>,
    pub accepted: SystemTime,
    pub age: Duration,
    /// Since the last byte of either side.
    pub idle: Duration,
    /// Until its next timer.
    pub expires: Option<Duration>,
    /// From the client, from the server.
    pub bytes: [u64; 2],
    /// Where it stands, in a word.
    pub stage: &'static str,
    pub retries: u32,
}

/// The question to one worker: its sessions go there, all at once.
#[derive(Debug, Clone)]
pub struct Survey(UnboundedSender<Vec<SessionView>>);

impl Survey {
    /// Unbounded: there is one answer a worker.
    pub fn new(answers: UnboundedSender<Vec<SessionView>>) -> Survey {
        Survey(answers)
    }

    /// A worker's answer.
    pub fn answer(&self, sessions: Vec<SessionView>) {
        // Whoever asked may have gone away meanwhile.
        let _ = self.0.send(sessions);
    }
}
