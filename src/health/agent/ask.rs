//! One question to an agent: connect, send, and read up to the end of a line. No policy.

use std::future::poll_fn;
use std::mem::MaybeUninit;

use tokio::io::ReadBuf;
use tokio::time::{Instant, timeout_at};

use super::line;
use crate::config::model::{CheckConnect, CheckHeader, CheckTransport, CheckWay};
use crate::health::probe::{Connection, ProbeError, Target, begin, open, words};
use crate::health::timing::Patience;
use crate::state::CheckStatus;

/// Agents are spoken to in the clear, and get no PROXY header.
const HOW: CheckConnect = CheckConnect {
    port: None,
    addr: None,
    linger: false,
    via: CheckWay::AsServer,
    header: CheckHeader::Never,
    transport: CheckTransport::Plain,
};

/// Bytes taken from the socket at a time.
const READ: usize = 1024;

/// How a question ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Without its end.
    Line(Vec<u8>),
    /// The agent hung up inside a line, or the line is longer than a buffer.
    Incomplete,
    Failed(CheckStatus, String),
}

/// Asks once; what comes is looked at up to `bufsize` bytes.
pub(super) async fn ask(target: &Target, send: &[u8], patience: Patience, bufsize: usize) -> Heard {
    let now = Instant::now();
    let opened = match timeout_at(now + patience.connect, open(target, &HOW)).await {
        Ok(Ok(opened)) => opened,
        Ok(Err(ProbeError::Connect(error))) => {
            return Heard::Failed(CheckStatus::L4Connection, words(&error));
        }
        Ok(Err(ProbeError::Socket(error))) => return Heard::Failed(CheckStatus::SocketError, words(&error)),
        Ok(Err(error)) => return Heard::Failed(CheckStatus::SocketError, error.to_string()),
        Err(_) => return Heard::Failed(CheckStatus::L4Timeout, String::new()),
    };
    let deadline = match patience.answer {
        Some(answer) => Instant::now() + answer,
        None => now + patience.connect,
    };
    match timeout_at(deadline, converse(opened, (target, send), bufsize)).await {
        Ok(heard) => heard,
        Err(_) => Heard::Failed(CheckStatus::L7Timeout, String::new()),
    }
}

async fn converse(opened: Connection, (target, send): (&Target, &[u8]), bufsize: usize) -> Heard {
    let mut connection = match begin(opened, target, &HOW).await {
        Ok(connection) => connection,
        Err(error) => return Heard::Failed(CheckStatus::SocketError, error.to_string()),
    };
    if let Err(error) = connection.write_all(send).await {
        return Heard::Failed(CheckStatus::SocketError, words(&error));
    }
    let mut input = Vec::new();
    loop {
        let mut space = [const { MaybeUninit::uninit() }; READ];
        let mut buffer = ReadBuf::uninit(&mut space);
        let read = poll_fn(|cx| connection.poll_read(cx, &mut buffer)).await;
        match (read, buffer.filled()) {
            (Err(error), _) if input.is_empty() => {
                return Heard::Failed(CheckStatus::SocketError, words(&error));
            }
            (Ok(()), []) if input.is_empty() => {
                // The step is HAProxy's: an agent's check is a script of a send and an expect.
                let info = "TCPCHK got an empty response at step 2".to_owned();
                return Heard::Failed(CheckStatus::L7Response, info);
            }
            (Err(_), _) | (Ok(()), []) => return Heard::Incomplete,
            (Ok(()), bytes) => input.extend_from_slice(bytes),
        }
        if let Some(end) = line::end(&input) {
            input.truncate(end);
            return Heard::Line(input);
        }
        if input.len() >= bufsize {
            return Heard::Incomplete;
        }
    }
}
