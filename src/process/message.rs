//! What parent and worker say to each other, as frames.
//!
//! The parent hands over everything a load depends on, with the sockets that the load will ask for; the
//! worker says whether it took them. Neither trusts the other's numbers: names and descriptors must match
//! in count, and each name must be one that the worker's own load asks for.

use std::os::fd::OwnedFd;

use serde::{Deserialize, Serialize};

use super::frame::Frame;
use super::reload::SocketName;
use crate::config::Bundle;
use crate::config::model::{Level, LogAddress};

/// A config as the parent sees it, and the sockets for what is new in it.
#[derive(Debug, Default)]
pub struct Handover {
    pub bundle: Bundle,
    pub listeners: Vec<(SocketName, OwnedFd)>,
    pub logs: Vec<(LogAddress, OwnedFd)>,
}

/// What a worker answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The config of the last handover is in force, and clients are served.
    Applied,
    /// It is not, and nothing has changed.
    Refused(String),
}

/// Why a frame was no message.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    #[error("not a message: {0}")]
    Text(#[from] serde_json::Error),
    #[error("a message whose lengths do not match what came with it")]
    Lengths,
    #[error("a client of an unknown level")]
    Level,
}

/// What a parent sends.
#[derive(Debug)]
pub enum FromParent {
    Handover(Box<Handover>),
    /// The parent could not read the new config; for the worker's log.
    ReloadFailed(String),
    /// A client of the master socket with commands for the worker, and what it may do.
    Client(OwnedFd, Level),
}

#[derive(Serialize, Deserialize)]
enum Letter {
    /// With the name of its level.
    Client(String),
    Handover(Box<Head>),
    ReloadFailed(String),
}

/// The bundle without the files' bytes, which travel raw.
#[derive(Serialize, Deserialize)]
struct Head {
    /// Names and lengths.
    files: Vec<(String, usize)>,
    /// Without files.
    bundle: Bundle,
    listeners: Vec<SocketName>,
    logs: Vec<LogAddress>,
}

impl Handover {
    /// As a frame; the descriptors go with it.
    pub fn into_frame(self) -> Result<Frame, MessageError> {
        let mut bundle = self.bundle;
        let files = std::mem::take(&mut bundle.files);
        let (listeners, mut descriptors): (Vec<_>, Vec<_>) = self.listeners.into_iter().unzip();
        let (logs, log_descriptors): (Vec<_>, Vec<_>) = self.logs.into_iter().unzip();
        descriptors.extend(log_descriptors);
        let lengths = files.iter().map(|(name, bytes)| (name.clone(), bytes.len())).collect();
        let head = Head { files: lengths, bundle, listeners, logs };
        let raw = files.into_iter().flat_map(|(_, bytes)| bytes).collect();
        Ok(Frame { text: serde_json::to_vec(&Letter::Handover(Box::new(head)))?, raw, descriptors })
    }

    fn from_parts(head: Head, frame: Frame) -> Result<Handover, MessageError> {
        if frame.descriptors.len() != head.listeners.len() + head.logs.len() {
            return Err(MessageError::Lengths);
        }
        let mut rest = frame.raw.as_slice();
        let mut files = Vec::new();
        for (name, length) in head.files {
            let Some((bytes, after)) = rest.split_at_checked(length) else {
                return Err(MessageError::Lengths);
            };
            files.push((name, bytes.to_vec()));
            rest = after;
        }
        if !rest.is_empty() {
            return Err(MessageError::Lengths);
        }
        let mut descriptors = frame.descriptors.into_iter();
        let listeners = head.listeners.into_iter().zip(descriptors.by_ref()).collect();
        let logs = head.logs.into_iter().zip(descriptors).collect();
        let bundle = Bundle { files, ..head.bundle };
        Ok(Handover { bundle, listeners, logs })
    }
}

impl FromParent {
    /// From a frame.
    pub fn from_frame(frame: Frame) -> Result<FromParent, MessageError> {
        match serde_json::from_slice(&frame.text)? {
            Letter::Handover(head) => Ok(FromParent::Handover(Box::new(Handover::from_parts(*head, frame)?))),
            Letter::ReloadFailed(reason) => Ok(FromParent::ReloadFailed(reason)),
            Letter::Client(level) => {
                let level = Level::named(&level).ok_or(MessageError::Level)?;
                let mut descriptors = frame.descriptors.into_iter();
                match (descriptors.next(), descriptors.next()) {
                    (Some(client), None) => Ok(FromParent::Client(client, level)),
                    _ => Err(MessageError::Lengths),
                }
            }
        }
    }

    /// The frame of a [`FromParent::Client`].
    pub fn client(client: OwnedFd, level: Level) -> Result<Frame, MessageError> {
        let text = serde_json::to_vec(&Letter::Client(level.name().to_owned()))?;
        Ok(Frame { text, descriptors: vec![client], ..Frame::default() })
    }

    /// The frame of a [`FromParent::ReloadFailed`]; a long reason is cut.
    pub fn reload_failed(reason: &str) -> Result<Frame, MessageError> {
        let reason = reason.chars().take(4096).collect();
        Ok(Frame { text: serde_json::to_vec(&Letter::ReloadFailed(reason))?, ..Frame::default() })
    }
}

impl Answer {
    /// As a frame; a long reason is cut.
    pub fn to_frame(&self) -> Result<Frame, MessageError> {
        let cut = match self {
            Answer::Refused(reason) => Answer::Refused(reason.chars().take(32 << 10).collect()),
            Answer::Applied => Answer::Applied,
        };
        Ok(Frame { text: serde_json::to_vec(&cut)?, ..Frame::default() })
    }

    /// From a frame.
    pub fn from_frame(frame: &Frame) -> Result<Answer, MessageError> {
        Ok(serde_json::from_slice(&frame.text)?)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use std::fs::File;
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::*;
    use crate::config::model::BindAddress;

    fn taken(frame: Frame) -> Result<Handover, MessageError> {
        match FromParent::from_frame(frame)? {
            FromParent::Handover(handover) => Ok(*handover),
            other => panic!("{other:?}"),
        }
    }

    proptest! {
        #[test]
        fn a_handover_survives_the_way(
            files in prop::collection::vec(("[a-z/.]{1,12}", prop::collection::vec(any::<u8>(), 0..400)), 0..4),
            environment in prop::collection::btree_map("[A-Z_]{1,8}", "\\PC{0,20}", 0..4),
            hosts in prop::collection::btree_map("[a-z.]{1,8}", prop::collection::vec(any::<IpAddr>(), 0..3), 0..4),
            ports in prop::collection::vec(1_u16.., 0..4),
        ) {
            let bundle = Bundle { files, environment, hosts, ..Bundle::default() };
            let name = |port: &u16| SocketName {
                address: BindAddress::Tcp(([127, 0, 0, 1], *port).into()),
                occurrence: 0,
            };
            let open = || OwnedFd::from(File::open("/dev/null").unwrap());
            let listeners = ports.iter().map(|port| (name(port), open())).collect();
            let logs = vec![(LogAddress::Unix(PathBuf::from("/dev/log")), open())];
            let sent = Handover { bundle: bundle.clone(), listeners, logs };
            let came = taken(sent.into_frame().unwrap()).unwrap();
            prop_assert_eq!(came.bundle, bundle);
            let names: Vec<_> = came.listeners.into_iter().map(|(name, _)| name).collect();
            prop_assert_eq!(names, ports.iter().map(name).collect::<Vec<_>>());
            prop_assert_eq!(came.logs.len(), 1);
        }

        #[test]
        fn other_bytes_are_an_error(text in prop::collection::vec(any::<u8>(), 0..100)) {
            let frame = Frame { text, ..Frame::default() };
            prop_assert!(Answer::from_frame(&frame).is_err());
            prop_assert!(FromParent::from_frame(frame).is_err());
        }
    }

    #[test]
    fn lengths_must_match() {
        let bundle = Bundle { files: vec![("a".to_owned(), b"xyz".to_vec())], ..Bundle::default() };
        let frame = || {
            let handover = Handover { bundle: bundle.clone(), ..Handover::default() };
            handover.into_frame().unwrap()
        };
        let mut longer = frame();
        longer.raw.push(b'x');
        let mut shorter = frame();
        shorter.raw.pop();
        let mut surplus = frame();
        surplus.descriptors.push(File::open("/dev/null").unwrap().into());
        for wrong in [longer, shorter, surplus] {
            assert!(matches!(taken(wrong), Err(MessageError::Lengths)));
        }
    }

    #[test]
    fn a_client_arrives_with_its_level() {
        let open = || OwnedFd::from(File::open("/dev/null").unwrap());
        let frame = FromParent::client(open(), Level::Operator).unwrap();
        assert!(matches!(FromParent::from_frame(frame), Ok(FromParent::Client(_, Level::Operator))));
        let mut without = FromParent::client(open(), Level::Admin).unwrap();
        without.descriptors.clear();
        assert!(matches!(FromParent::from_frame(without), Err(MessageError::Lengths)));
    }

    #[test]
    fn answers_come_back_as_they_went() {
        for answer in [Answer::Applied, Answer::Refused("no\nnot this".to_owned())] {
            assert_eq!(Answer::from_frame(&answer.to_frame().unwrap()).unwrap(), answer);
        }
    }
}
