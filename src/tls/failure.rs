//! Why there was no handshake, in HAProxy's words.

use std::io;
use std::net::SocketAddr;

use nix::errno::Errno;
use rustls::{CertificateError, Error};

use crate::proxy_protocol::{Announced, HeaderError};
use crate::socks4::Refusal;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    #[error("SSL handshake failure")]
    Refused,
    /// The name that was asked for is not in the certificate.
    #[error("Server presented an SSL certificate different from the expected one")]
    NotTheExpected,
    /// `verifyhost` is not in the certificate.
    #[error("Server presented an SSL certificate different from the configured one")]
    NotTheConfigured,
    #[error("Connection closed during SSL handshake")]
    Closed,
    #[error("Connection error during SSL handshake")]
    Broken,
    #[error("Timeout during SSL handshake")]
    TimedOut,
    /// No descriptors, or no threads.
    #[error("out of resources for SSL")]
    Resources,
}

/// Why a client is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    /// The PROXY header that it has to begin with.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The handshake of whom a header announced, if one did.
    #[error("{error}")]
    Handshake { error: HandshakeError, announced: Option<Announced> },
}

impl AcceptError {
    /// Whom the log names: a header that was taken tells it.
    pub fn client(&self) -> Option<SocketAddr> {
        match self {
            AcceptError::Handshake { announced: Some(Announced(addresses)), .. } => {
                addresses.map(|addresses| addresses.source)
            }
            AcceptError::Handshake { announced: None, .. } | AcceptError::Header(_) => None,
        }
    }
}

impl From<HandshakeError> for AcceptError {
    fn from(error: HandshakeError) -> AcceptError {
        AcceptError::Handshake { error, announced: None }
    }
}

/// Why a server cannot be spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// The connection did not come up.
    #[error("{0}")]
    Connect(Errno),
    /// Nor did a SOCKS4 proxy make it.
    #[error("{0}")]
    Proxy(#[from] Refusal),
    #[error("{0}")]
    Handshake(#[from] HandshakeError),
}

/// Whether a handshake asked for a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Name,
    Nothing,
}

impl HandshakeError {
    /// What an error of the handshake means.
    pub(super) fn of(error: &io::Error, asked: Asked) -> HandshakeError {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => return HandshakeError::Closed,
            io::ErrorKind::InvalidData => {}
            _ => return HandshakeError::Broken,
        }
        let refused = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        let wrong_name = matches!(
            refused,
            Some(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
            ))
        );
        match (wrong_name, asked) {
            (false, _) => HandshakeError::Refused,
            (true, Asked::Name) => HandshakeError::NotTheExpected,
            (true, Asked::Nothing) => HandshakeError::NotTheConfigured,
        }
    }
}
