//! What a client's handshake has told, for rules and logs.

use super::subject;
use rustls::{CipherSuite, ProtocolVersion, ServerConnection};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The host name that the client asked for.
    pub sni: Option<String>,
    /// `TLSv1.3`
    pub protocol: &'static str,
    /// In OpenSSL's words.
    pub cipher: &'static str,
    /// The protocol that was agreed on.
    pub alpn: Option<Vec<u8>>,
    pub certificate: Certificate,
    /// The name in the client's certificate.
    pub common_name: Option<Vec<u8>>,
    pub handshake: Handshake,
}

/// Whether the client showed a certificate. One that was not good enough has not come this far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificate {
    Shown,
    NotShown,
}

/// Whether the client has been here before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handshake {
    Full,
    Resumed,
}

impl Facts {
    /// Of a connection whose handshake is over.
    pub(super) fn of(connection: &ServerConnection) -> Facts {
        let suite = connection.negotiated_cipher_suite().map(|suite| suite.suite());
        Facts {
            sni: connection.server_name().map(str::to_owned),
            protocol: match connection.protocol_version() {
                Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
                Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
                _ => "",
            },
            cipher: CIPHERS.iter().find(|(known, _)| Some(*known) == suite).map_or("", |(_, name)| name),
            alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
            certificate: match connection.peer_certificates() {
                Some(_) => Certificate::Shown,
                None => Certificate::NotShown,
            },
            common_name: connection
                .peer_certificates()
                .and_then(|chain| subject::common_name(chain.first()?))
                .map(<[u8]>::to_vec),
            handshake: match connection.handshake_kind() {
                Some(rustls::HandshakeKind::Resumed) => Handshake::Resumed,
                _ => Handshake::Full,
            },
        }
    }
}

/// What rustls speaks, by OpenSSL's names (openssl-ciphers(1)).
static CIPHERS: &[(CipherSuite, &str)] = &[
    (CipherSuite::TLS13_AES_128_GCM_SHA256, "TLS_AES_128_GCM_SHA256"),
    (CipherSuite::TLS13_AES_256_GCM_SHA384, "TLS_AES_256_GCM_SHA384"),
    (CipherSuite::TLS13_CHACHA20_POLY1305_SHA256, "TLS_CHACHA20_POLY1305_SHA256"),
    (CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, "ECDHE-ECDSA-AES128-GCM-SHA256"),
    (CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, "ECDHE-ECDSA-AES256-GCM-SHA384"),
    (CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, "ECDHE-ECDSA-CHACHA20-POLY1305"),
    (CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, "ECDHE-RSA-AES128-GCM-SHA256"),
    (CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, "ECDHE-RSA-AES256-GCM-SHA384"),
    (CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, "ECDHE-RSA-CHACHA20-POLY1305"),
];
