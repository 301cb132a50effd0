//! TLS options of bind and server lines, as written.

use super::Spanned;
use crate::config::model::{ClientVerify, ServerSni, Tickets};
use crate::config::source::Span;

/// A version by its name in configs, the oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    Ssl3,
    Tls10,
    Tls11,
    Tls12,
    Tls13,
}

/// Which versions a line allows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VersionRange {
    pub min: Option<Spanned<TlsVersion>>,
    pub max: Option<Spanned<TlsVersion>>,
    /// `no-tlsv12` and family; they only count where neither bound is given.
    pub without: Vec<TlsVersion>,
}

/// Of a `bind` line.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BindTls {
    /// Where the line says `ssl`.
    pub ssl: Option<Span>,
    /// The address as written, for messages.
    pub address: String,
    pub crts: Vec<Spanned<String>>,
    pub lists: Vec<Spanned<String>>,
    pub ca_file: Option<Spanned<String>>,
    pub verify: Option<ClientVerify>,
    pub alpn: Option<Vec<Vec<u8>>>,
    pub versions: VersionRange,
    pub strict_sni: bool,
    pub tickets: Tickets,
}

/// Whether TLS is spoken to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Speaks {
    /// Nobody said it.
    #[default]
    Unsaid,
    Plain,
    Tls,
}

/// Whether a server's certificate is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerVerify {
    None,
    Required,
}

/// Of a `server` or `default-server` line.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServerTls {
    /// `ssl`
    pub traffic: Speaks,
    /// The `default-server` says `ssl`, whatever the line does.
    pub offered: bool,
    /// `check-ssl`
    pub checks: Speaks,
    pub verify: Option<ServerVerify>,
    pub ca_file: Option<Spanned<String>>,
    pub crt: Option<Spanned<String>>,
    pub sni: Option<ServerSni>,
    pub verifyhost: Option<String>,
    pub alpn: Option<Vec<Vec<u8>>>,
    pub check_sni: Option<String>,
    pub check_alpn: Option<Vec<Vec<u8>>>,
    pub versions: VersionRange,
}

/// Of the global section.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TlsDefaults {
    pub ca_base: Option<String>,
    pub crt_base: Option<String>,
    /// `ssl-server-verify`
    pub server_verify: Option<ServerVerify>,
    /// `ssl-default-bind-options`
    pub bind: BindTls,
    /// `ssl-default-server-options`
    pub server: ServerTls,
}
