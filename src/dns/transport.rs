//! One query to one name server, over UDP or TCP (RFC 1035, section 4.2; RFC 7766). No policy: it asks once, and
//! waits as long as it may.
//!
//! A socket for every query gives every query a random source port, and `connect` keeps datagrams of others away.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::counters::{Count, Counted, Counters};
use super::message::{Answer, RecordType, Unusable, answer, query};
use crate::config::model::Transport;

/// One question.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) name: String,
    pub(super) asked: RecordType,
    pub(super) payload_size: u16,
    pub(super) patience: Duration,
}

/// What the name server answers; `None` if nothing came in time that counts.
pub(super) async fn ask(server: &Counted, question: &Question) -> Option<Answer> {
    let counters = &server.counters;
    let over_udp = match server.server.transport {
        Transport::Udp => within(question, counters, udp(server, question)).await,
        Transport::Tcp => Some(Answer::Truncated),
    };
    let answer = match over_udp {
        Some(Answer::Truncated) => {
            if server.server.transport == Transport::Udp {
                counters.count(Count::Truncated);
            }
            within(question, counters, tcp(server, question)).await
        }
        other => other,
    };
    if let Some(answer) = &answer {
        counters.count(match answer {
            Answer::Records(_) => Count::Valid,
            Answer::Empty => Count::AnyError,
            Answer::Nx => Count::Nx,
            Answer::Refused => Count::Refused,
            Answer::Other => Count::Other,
            Answer::Truncated => Count::Truncated,
        });
    }
    answer
}

async fn within(
    question: &Question,
    counters: &Counters,
    asking: impl Future<Output = io::Result<Answer>>,
) -> Option<Answer> {
    match timeout(question.patience, asking).await {
        Ok(Ok(answer)) => Some(answer),
        Ok(Err(_)) => {
            // Nobody listens there, or the network is down: as good as no answer, and counted.
            counters.count(Count::SendError);
            None
        }
        Err(_) => {
            counters.count(Count::Timeout);
            None
        }
    }
}

fn compose(question: &Question) -> io::Result<(u16, Vec<u8>)> {
    let id = getrandom::u32().map_err(|error| io::Error::other(error.to_string()))? as u16;
    let bytes = query(id, &question.name, question.asked, question.payload_size);
    Ok((id, bytes.ok_or_else(|| io::Error::other("no name of the DNS"))?))
}

async fn udp(server: &Counted, question: &Question) -> io::Result<Answer> {
    let address = server.server.address;
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(address).await?;
    let (id, bytes) = compose(question)?;
    socket.send(&bytes).await?;
    server.counters.count(Count::Sent);
    let mut buffer = vec![0; usize::from(question.payload_size) + 1];
    loop {
        let length = socket.recv(&mut buffer).await?;
        if length == buffer.len() {
            server.counters.count(Count::TooBig);
            continue;
        }
        if let Some(answer) = read(server, question, id, &buffer[..length]) {
            return Ok(answer);
        }
    }
}

async fn tcp(server: &Counted, question: &Question) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(server.server.address).await?;
    let (id, bytes) = compose(question)?;
    let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), bytes.as_slice()].concat()).await?;
    server.counters.count(Count::Sent);
    loop {
        let length = stream.read_u16().await?;
        let mut buffer = vec![0; usize::from(length)];
        stream.read_exact(&mut buffer).await?;
        if let Some(answer) = read(server, question, id, &buffer) {
            return Ok(answer);
        }
    }
}

/// `None` of what does not count: the right answer may still come.
fn read(server: &Counted, question: &Question, id: u16, bytes: &[u8]) -> Option<Answer> {
    match answer(bytes, id, &question.name, question.asked) {
        Ok(answer) => Some(answer),
        Err(Unusable::Foreign | Unusable::Broken) => {
            server.counters.count(Count::Invalid);
            None
        }
    }
}
