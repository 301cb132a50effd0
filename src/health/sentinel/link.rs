//! One connection to a Sentinel or a server: opens, writes, and hands out complete replies. No policy.

use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::io::ReadBuf;
use tokio::time::{Instant, timeout_at};

use super::trouble::Trouble;
use crate::config::model::{CheckConnect, CheckTls};
use crate::health::probe::{self, Connection, Greeting, ProbeError, Securing, Target};
use crate::health::timing::Dice;
use crate::redis::reply::Inbox;

/// Bytes taken from the socket at a time.
const READ: usize = 4096;

/// See the module.
#[derive(Debug)]
pub(super) struct Link {
    connection: Connection,
    inbox: Inbox,
}

impl Link {
    /// To a Sentinel.
    pub(super) async fn to(address: SocketAddr, timeout: Duration) -> Result<Link, Trouble> {
        let target = Target::Tcp {
            interface: None,
            ip: address.ip(),
            port: Some(address.port()),
            source: None,
            greeting: Greeting::NONE,
        };
        Link::open(&target, &CheckConnect::default(), None, timeout).await
    }

    /// To a server, by its check's address; `how` is what the script's own connect says, `tls` what the server
    /// line says of TLS in checks.
    pub(super) async fn open(
        target: &Target,
        how: &CheckConnect,
        tls: Option<&CheckTls>,
        timeout: Duration,
    ) -> Result<Link, Trouble> {
        let deadline = Instant::now() + timeout;
        let connection = match timeout_at(deadline, probe::reach(target, how)).await {
            Err(_) => return Err(Trouble::ConnectTimeout),
            Ok(Ok(connection)) => connection,
            Ok(Err(ProbeError::Connect(error) | ProbeError::Socket(error))) => {
                return Err(Trouble::Connect(probe::words(&error)));
            }
            Ok(Err(error)) => return Err(Trouble::Connect(error.to_string())),
        };
        let connection = match Securing::of(&how.transport, tls) {
            None => connection,
            Some(securing) => match timeout_at(deadline, connection.secured(securing)).await {
                Err(_) => return Err(Trouble::ConnectTimeout),
                Ok(secured) => secured.map_err(|error| Trouble::Connect(error.to_string()))?,
            },
        };
        Ok(Link { connection, inbox: Inbox::default() })
    }

    pub(super) async fn send(&mut self, bytes: &[u8], deadline: Instant) -> Result<(), Trouble> {
        match timeout_at(deadline, self.connection.write_all(bytes)).await {
            Err(_) => Err(Trouble::Silent),
            Ok(sent) => sent.map_err(|_| Trouble::Closed),
        }
    }

    /// The next complete reply before `deadline`. Dropping the future loses nothing.
    pub(super) async fn reply(&mut self, deadline: Instant) -> Result<Vec<u8>, Trouble> {
        loop {
            if let Some(frame) = self.inbox.next_frame().map_err(|_| Trouble::NotResp)? {
                return Ok(frame);
            }
            match timeout_at(deadline, self.receive()).await {
                Err(_) => return Err(Trouble::Silent),
                Ok(received) => received?,
            }
        }
    }

    async fn receive(&mut self) -> Result<(), Trouble> {
        let Link { connection, inbox } = self;
        poll_fn(|cx| {
            let mut space = [const { MaybeUninit::uninit() }; READ];
            let mut buffer = ReadBuf::uninit(&mut space);
            let read = ready!(connection.poll_read(cx, &mut buffer));
            Poll::Ready(match read {
                // The error says no more than the end itself.
                Err(_) => Err(Trouble::Closed),
                Ok(()) if buffer.filled().is_empty() => Err(Trouble::Closed),
                Ok(()) => inbox.receive(buffer.filled()).map_err(|_| Trouble::NotResp),
            })
        })
        .await
    }
}

/// Pauses between attempts: they double up to a limit, and vary by a quarter so that many do not come at once.
#[derive(Debug)]
pub(super) struct Pauses {
    next: Duration,
    longest: Duration,
    dice: Dice,
}

const SHORTEST: Duration = Duration::from_millis(100);
/// The longest pause to a peer that has answered before.
const PROVEN_LONGEST: Duration = Duration::from_secs(2);

impl Pauses {
    pub(super) fn new(longest: Duration, seed: u64) -> Pauses {
        Pauses { next: SHORTEST, longest, dice: Dice::new(seed) }
    }

    /// It went well: the next pause is the shortest again, and none is long from now on.
    pub(super) fn reset(&mut self) {
        self.next = SHORTEST;
        self.longest = self.longest.min(PROVEN_LONGEST);
    }

    /// How long to wait now.
    pub(super) fn take(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        pause - pause / 4 + (pause / 2).mul_f64(f64::from(self.dice.roll()) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_limit_and_start_over() {
        let longest = Duration::from_secs(2);
        let mut pauses = Pauses::new(longest, 7);
        let taken: Vec<Duration> = (0..8).map(|_| pauses.take()).collect();
        assert!(taken[0] >= SHORTEST * 3 / 4 && taken[0] <= SHORTEST * 5 / 4);
        assert!(taken.iter().all(|pause| *pause <= longest * 5 / 4));
        assert!(taken[7] >= longest * 3 / 4);
        pauses.reset();
        assert!(pauses.take() <= SHORTEST * 5 / 4);
    }
}
