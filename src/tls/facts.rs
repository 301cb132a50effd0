//! What a handshake has told, for rules and logs: that with a client, or that with a server.

use super::certificate;
use rustls::pki_types::CertificateDer;
use rustls::{CipherSuite, ClientConnection, CommonState, ProtocolVersion, ServerConnection};

use crate::config::model::{CertificateFact, NameEntry, NamePart, Value};

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
    /// Whether the other side has shown one.
    pub certificate: Certificate,
    /// That one.
    pub peer: Option<CertificateDer<'static>>,
    /// The one that the client was shown.
    pub own: Option<CertificateDer<'static>>,
    /// The name in a client's.
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
    /// Of a connection with a client whose handshake is over; `own` is the certificate that it was shown.
    pub(super) fn of(connection: &ServerConnection, own: Option<CertificateDer<'static>>) -> Facts {
        let facts = Facts::of_either(connection);
        let common_name = facts.peer.as_ref().and_then(|peer| common_name(peer));
        Facts { sni: connection.server_name().map(str::to_owned), own, common_name, ..facts }
    }

    /// Of a connection with a server.
    pub(super) fn of_server(connection: &ClientConnection) -> Facts {
        Facts::of_either(connection)
    }

    fn of_either(connection: &CommonState) -> Facts {
        let suite = connection.negotiated_cipher_suite().map(|suite| suite.suite());
        let peer = connection.peer_certificates().and_then(|chain| chain.first()).cloned();
        Facts {
            sni: None,
            protocol: match connection.protocol_version() {
                Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
                Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
                _ => "",
            },
            cipher: CIPHERS.iter().find(|(known, _)| Some(*known) == suite).map_or("", |(_, name)| name),
            alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
            certificate: if peer.is_some() { Certificate::Shown } else { Certificate::NotShown },
            common_name: None,
            peer: peer.map(CertificateDer::into_owned),
            own: None,
            handshake: match connection.handshake_kind() {
                Some(rustls::HandshakeKind::Resumed) => Handshake::Resumed,
                _ => Handshake::Full,
            },
        }
    }

    /// Bits of the cipher's key.
    pub fn key_size(&self) -> Option<i64> {
        match self.cipher {
            "" => None,
            cipher if cipher.contains("128") => Some(128),
            _ => Some(256),
        }
    }
}

/// The last one of the subject, which is the most specific.
fn common_name(certificate: &[u8]) -> Option<Vec<u8>> {
    let last = NamePart::Entry(NameEntry { name: "CN".to_owned(), occurrence: -1 });
    match certificate::told(certificate, &CertificateFact::Subject(last))? {
        Value::Text(name) => Some(name),
        _ => None,
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
