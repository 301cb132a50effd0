//! Whether a server's certificate will do, by HAProxy's rules: the chain must lead to an authority of the line's
//! `ca-file`; a name is only looked at where one was asked for (`sni`) or `verifyhost` gives one.
//!
//! Two things that OpenSSL takes and webpki does not are taken here as well, for people's Redis certificates are
//! like that: a certificate that stands itself in `ca-file`, though it says that it is an authority; and a
//! common name where there are no alternative names.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

use super::connector::{name, no_name};
use crate::config::certificate;
use crate::config::model::{Authorities, PROVIDER};

/// See the module.
#[derive(Debug)]
pub(super) struct ServerVerifier {
    /// `None`: `verify none`.
    authorities: Option<Authorities>,
    /// Where no name was asked for.
    verifyhost: Option<ServerName<'static>>,
}

impl ServerVerifier {
    pub(super) fn new(authorities: Option<Authorities>, verifyhost: Option<&str>) -> ServerVerifier {
        ServerVerifier { authorities, verifyhost: verifyhost.map(|host| name(Some(host))) }
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(authorities) = &self.authorities else { return Ok(ServerCertVerified::assertion()) };
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let algorithms = PROVIDER.signature_verification_algorithms.all;
        let roots = &authorities.roots;
        match verify_server_cert_signed_by_trust_anchor(&parsed, roots, intermediates, now, algorithms) {
            Ok(()) => {}
            Err(error) if is_an_authority(&error) && authorities.certificates.contains(end_entity) => {}
            Err(error) => return Err(error),
        }
        let asked = (*server_name != no_name()).then(|| server_name.to_owned());
        let Some(expected) = asked.or_else(|| self.verifyhost.clone()) else {
            return Ok(ServerCertVerified::assertion());
        };
        match verify_server_name(&parsed, &expected) {
            Err(_) if carries(end_entity, &expected) => {}
            other => other?,
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.authorities {
            // Whoever it is will do; so will a certificate that webpki cannot read.
            None => Ok(HandshakeSignatureValid::assertion()),
            Some(_) => verify_tls12_signature(
                message,
                certificate,
                signed,
                &PROVIDER.signature_verification_algorithms,
            ),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.authorities {
            None => Ok(HandshakeSignatureValid::assertion()),
            Some(_) => verify_tls13_signature(
                message,
                certificate,
                signed,
                &PROVIDER.signature_verification_algorithms,
            ),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        PROVIDER.signature_verification_algorithms.supported_schemes()
    }
}

/// It was refused for being an authority; webpki has looked at its dates before that.
fn is_an_authority(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(other)) = error else { return false };
    matches!(other.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}

fn carries(certificate: &CertificateDer<'_>, expected: &ServerName<'_>) -> bool {
    let ServerName::DnsName(host) = expected else { return false };
    certificate::names(certificate).iter().any(|name| certificate::covers(name, host.as_ref()))
}
