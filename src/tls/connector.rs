//! A server line to the settings of its handshakes, and the name that one of them asks for.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;

use super::protocols;
use super::verify::ServerVerifier;
use crate::config::model::{PROVIDER, ServerSni, ServerTls};

/// No host name: none is sent, and none is held against the certificate but `verifyhost`.
pub(super) fn no_name() -> ServerName<'static> {
    ServerName::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

/// The settings of a line, made when they are first needed. `alpn` takes the place of the line's own list.
pub fn connector(tls: &ServerTls, alpn: Option<&[Vec<u8>]>) -> Result<Arc<ClientConfig>, rustls::Error> {
    let own = tls.made.or_make(|| make(tls))?;
    match alpn.filter(|alpn| *alpn != tls.alpn) {
        None => Ok(own),
        Some(alpn) => {
            let mut other = ClientConfig::clone(&own);
            other.alpn_protocols = alpn.to_vec();
            Ok(Arc::new(other))
        }
    }
}

/// The name that traffic to a server asks for; `client` is the one that its client asked for.
pub fn asked<'a>(tls: &'a ServerTls, client: Option<&'a str>) -> Option<&'a str> {
    match tls.sni.as_ref()? {
        ServerSni::Name(name) => Some(name),
        ServerSni::Client => client,
    }
}

/// As rustls wants it. What is no name at all is asked of nobody, and no certificate carries it.
pub(super) fn name(asked: Option<&str>) -> ServerName<'static> {
    let unknowable = || ServerName::from(IpAddr::V4(Ipv4Addr::BROADCAST));
    match asked {
        None | Some("") => no_name(),
        Some(text) => ServerName::try_from(text.to_owned()).unwrap_or_else(|_| unknowable()),
    }
}

fn make(tls: &ServerTls) -> Result<ClientConfig, rustls::Error> {
    let verifier = ServerVerifier::new(tls.authorities.clone(), tls.verifyhost.as_deref());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&PROVIDER))
        .with_protocol_versions(protocols(tls.versions))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match &tls.identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&identity.key))))
        }
    };
    config.alpn_protocols.clone_from(&tls.alpn);
    Ok(config)
}
