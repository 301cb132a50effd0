//! TLS of bind and server lines (manual sections 3.1, 5.1 and 5.2): keys and certificates that have been read
//! and belong together, authorities, and what was said about their use. `crate::tls` makes rustls's own settings
//! of it, once for each line, when the first connection asks.

use std::fmt;
use std::sync::{Arc, LazyLock, OnceLock};

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// Where all cryptography comes from.
pub static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(ring::default_provider()));

/// A certificate with its chain and its key.
#[derive(Clone)]
pub struct Identity {
    pub key: Arc<CertifiedKey>,
    /// Host names that it is for, in lower case; `*.` begins one that holds for any first label.
    pub names: Vec<String>,
}

/// The key belongs to the certificate, so that one tells the other.
impl PartialEq for Identity {
    fn eq(&self, other: &Identity) -> bool {
        self.key.cert == other.key.cert
    }
}

impl Eq for Identity {}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identity").field(&self.names).finish()
    }
}

/// `ca-file`
#[derive(Clone)]
pub struct Authorities {
    pub roots: Arc<RootCertStore>,
    /// As in the file: a server may show one of these itself.
    pub certificates: Arc<Vec<CertificateDer<'static>>>,
}

impl PartialEq for Authorities {
    fn eq(&self, other: &Authorities) -> bool {
        self.certificates == other.certificates
    }
}

impl Eq for Authorities {}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} authorities", self.roots.len())
    }
}

/// `verify` of a bind line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientVerify {
    #[default]
    None,
    Optional,
    Required,
}

/// The versions that may be spoken; one of them at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versions {
    Tls12,
    Tls13,
    Both,
}

/// `bind ... ssl`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindTls {
    /// In the order of the line; a client that names no known host gets the first. At least one.
    pub identities: Vec<Identity>,
    /// Never `None` with `Optional` or `Required`.
    pub authorities: Option<Authorities>,
    pub verify: ClientVerify,
    pub alpn: Vec<Vec<u8>>,
    pub versions: Versions,
    /// Refuses clients that name no known host.
    pub strict_sni: bool,
    pub tickets: Tickets,
    pub made: Made<ServerConfig>,
}

/// Whether clients may resume a session by a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tickets {
    #[default]
    Given,
    /// `no-tls-tickets`
    NotGiven,
}

/// What a server is spoken to with: `ssl`, `check-ssl`, `tcp-check connect ssl`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTls {
    /// Whom its certificate must come from; `None` is `verify none`.
    pub authorities: Option<Authorities>,
    /// `crt`: shown to a server that asks.
    pub identity: Option<Identity>,
    pub sni: Option<ServerSni>,
    /// The name that the certificate must carry where none is asked for.
    pub verifyhost: Option<String>,
    pub alpn: Vec<Vec<u8>>,
    pub versions: Versions,
    pub made: Made<ClientConfig>,
}

/// `sni`: the host name that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerSni {
    /// `str(NAME)`
    Name(String),
    /// `ssl_fc_sni`: the one that the client asked for.
    Client,
}

/// What is made of the rest of a line when it is first used.
pub struct Made<T>(OnceLock<Result<Arc<T>, rustls::Error>>);

impl<T> Made<T> {
    /// The thing, made now if it was not.
    pub fn or_make(&self, make: impl FnOnce() -> Result<T, rustls::Error>) -> Result<Arc<T>, rustls::Error> {
        self.0.get_or_init(|| make().map(Arc::new)).clone()
    }
}

impl<T> Default for Made<T> {
    fn default() -> Made<T> {
        Made(OnceLock::new())
    }
}

impl<T> Clone for Made<T> {
    fn clone(&self) -> Made<T> {
        Made(self.0.clone())
    }
}

/// It follows from what it was made of.
impl<T> PartialEq for Made<T> {
    fn eq(&self, _: &Made<T>) -> bool {
        true
    }
}

impl<T> Eq for Made<T> {}

impl<T> fmt::Debug for Made<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Made")
    }
}
