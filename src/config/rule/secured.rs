//! The fetches about TLS that rolecall speaks itself (manual section 7.3.4): of the client's handshake, of that with
//! the server, and of the certificates that were shown. What rustls does not tell (randoms, secrets, session ids, the
//! client's lists of ciphers) is refused by name, so that no rule waits for it.

use super::fetch::Kind::{Binary, Bool, Integer, Text};
use super::fetch::{FetchRow, Kind, Takes, row};
use super::place::Seen;
use crate::config::model::{CertificateFact as C, Fetch, Holder, SessionFact, TlsFact};

const fn client(name: &'static str, fact: TlsFact, kind: Kind, help: &'static str) -> FetchRow {
    row(name, Takes::Session(SessionFact::Tls(fact)), kind, Seen::Handshake, help)
}

const fn server(name: &'static str, fact: TlsFact, kind: Kind, help: &'static str) -> FetchRow {
    row(name, Takes::Session(SessionFact::ServerTls(fact)), kind, Seen::Server, help)
}

const fn plain(name: &'static str, fetch: &'static Fetch, kind: Kind, help: &'static str) -> FetchRow {
    row(name, Takes::Nothing(fetch), kind, Seen::Handshake, help)
}

const fn name(name: &'static str, takes: Takes, help: &'static str) -> FetchRow {
    row(name, takes, Text, Seen::Handshake, help)
}

macro_rules! certificate {
    ($prefix:literal, $holder:expr, $whose:literal) => {
        [
            plain(
                concat!($prefix, "_der"),
                &Fetch::Certificate($holder, C::Der),
                Binary,
                concat!($whose, " certificate"),
            ),
            plain(
                concat!($prefix, "_sha1"),
                &Fetch::Certificate($holder, C::Sha1),
                Binary,
                concat!("the SHA-1 of ", $whose, " certificate"),
            ),
            plain(
                concat!($prefix, "_serial"),
                &Fetch::Certificate($holder, C::Serial),
                Binary,
                concat!("the serial number of ", $whose, " certificate"),
            ),
            plain(
                concat!($prefix, "_version"),
                &Fetch::Certificate($holder, C::Version),
                Integer,
                concat!("the version of ", $whose, " certificate"),
            ),
            plain(
                concat!($prefix, "_sig_alg"),
                &Fetch::Certificate($holder, C::SignatureAlgorithm),
                Text,
                concat!("how ", $whose, " certificate is signed"),
            ),
            plain(
                concat!($prefix, "_key_alg"),
                &Fetch::Certificate($holder, C::KeyAlgorithm),
                Text,
                concat!("the kind of key in ", $whose, " certificate"),
            ),
            plain(
                concat!($prefix, "_notbefore"),
                &Fetch::Certificate($holder, C::NotBefore),
                Text,
                concat!("from when on ", $whose, " certificate holds"),
            ),
            plain(
                concat!($prefix, "_notafter"),
                &Fetch::Certificate($holder, C::NotAfter),
                Text,
                concat!("until when ", $whose, " certificate holds"),
            ),
            name(
                concat!($prefix, "_s_dn"),
                Takes::Name($holder, C::Subject),
                concat!("whom ", $whose, " certificate names, or a part of that"),
            ),
            name(
                concat!($prefix, "_i_dn"),
                Takes::Name($holder, C::Issuer),
                concat!("who issued ", $whose, " certificate, or a part of that"),
            ),
        ]
    };
}

static CERTIFICATES: [&[FetchRow]; 3] = [
    &certificate!("ssl_c", Holder::Client, "the client's"),
    &certificate!("ssl_f", Holder::Frontend, "the frontend's"),
    &certificate!("ssl_s", Holder::Server, "the server's"),
];

const SNI: TlsFact = TlsFact::ServerName;

static HANDSHAKES: &[FetchRow] = &[
    client("ssl_fc", TlsFact::Spoken, Bool, "whether the client speaks TLS to rolecall"),
    client("ssl_fc_sni", SNI, Text, "the host name that the client asked rolecall for"),
    FetchRow { method: Some("end"), ..client("ssl_fc_sni_end", SNI, Text, "how that host name ends") },
    FetchRow {
        method: Some("reg"),
        ..client("ssl_fc_sni_reg", SNI, Text, "that host name by an expression")
    },
    client("ssl_fc_has_sni", TlsFact::HasServerName, Bool, "whether the client asked for a host name"),
    client("ssl_fc_protocol", TlsFact::Protocol, Text, "the version of TLS: 'TLSv1.3'"),
    client("ssl_fc_cipher", TlsFact::Cipher, Text, "the cipher, by OpenSSL's name"),
    client("ssl_fc_alg_keysize", TlsFact::KeySize, Integer, "bits of the cipher's key"),
    client("ssl_fc_use_keysize", TlsFact::KeySize, Integer, "bits of the cipher's key"),
    client("ssl_fc_alpn", TlsFact::Alpn, Text, "the protocol that was agreed on"),
    client("ssl_fc_has_crt", TlsFact::HasCertificate, Bool, "whether the client showed a certificate"),
    client("ssl_fc_has_early", TlsFact::Early, Bool, "whether bytes came before the handshake was over: no"),
    client("ssl_fc_is_resumed", TlsFact::Resumed, Bool, "whether the client resumed an earlier TLS session"),
    client("ssl_fc_err", TlsFact::Verified, Integer, "what went wrong in a handshake: 0"),
    plain("ssl_fc_err_str", &Fetch::Never, Text, "the same as a text: none"),
    client("ssl_c_used", TlsFact::HasCertificate, Bool, "whether the client showed a certificate"),
    client("ssl_c_verify", TlsFact::Verified, Integer, "0: who shows a bad certificate does not get in"),
    client("ssl_c_err", TlsFact::Verified, Integer, "0, as 'ssl_c_verify'"),
    client("ssl_c_ca_err", TlsFact::Verified, Integer, "0, as 'ssl_c_verify'"),
    client("ssl_c_ca_err_depth", TlsFact::Verified, Integer, "0, as 'ssl_c_verify'"),
    server("ssl_bc", TlsFact::Spoken, Bool, "whether rolecall speaks TLS to the server"),
    server("ssl_bc_protocol", TlsFact::Protocol, Text, "the version of TLS that the server speaks"),
    server("ssl_bc_cipher", TlsFact::Cipher, Text, "the cipher that was agreed on with the server"),
    server("ssl_bc_alg_keysize", TlsFact::KeySize, Integer, "bits of that cipher's key"),
    server("ssl_bc_use_keysize", TlsFact::KeySize, Integer, "bits of that cipher's key"),
    server("ssl_bc_alpn", TlsFact::Alpn, Text, "the protocol that was agreed on with the server"),
    server("ssl_bc_is_resumed", TlsFact::Resumed, Bool, "whether an earlier TLS session was resumed"),
    server("ssl_bc_err", TlsFact::Verified, Integer, "what went wrong in that handshake: 0"),
    row("ssl_bc_err_str", Takes::Nothing(&Fetch::Never), Text, Seen::Server, "the same as a text: none"),
];

pub(super) fn rows() -> impl Iterator<Item = &'static FetchRow> {
    HANDSHAKES.iter().chain(CERTIFICATES.into_iter().flatten())
}
