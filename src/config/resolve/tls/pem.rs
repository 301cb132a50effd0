//! PEM texts to certificates and keys that belong together. Pure; no text of a key leaves.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::config::certificate;
use crate::config::model::{Authorities, Identity, PROVIDER};

/// What a file with a certificate comes to.
pub(super) enum Pair {
    Whole(Identity),
    /// A certificate, and no key with it.
    Keyless,
}

/// Why it is of no use.
pub(super) enum Fault {
    NoCertificate,
    /// The key is of another certificate.
    Mismatch,
    /// In words of the library, which name the kind of trouble and nothing of the key.
    BadKey(String),
}

/// The first certificate, the rest as its chain, and the first key of this text or of the other one.
pub(super) fn pair(text: &[u8], key: Option<&[u8]>) -> Result<Pair, Fault> {
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(text).collect::<Result<_, _>>().map_err(|_| Fault::NoCertificate)?;
    let Some(first) = chain.first() else { return Err(Fault::NoCertificate) };
    let names = certificate::names(first);
    let found =
        [Some(text), key].into_iter().flatten().find_map(|text| PrivateKeyDer::from_pem_slice(text).ok());
    let Some(found) = found else { return Ok(Pair::Keyless) };
    let key =
        PROVIDER.key_provider.load_private_key(found).map_err(|error| Fault::BadKey(error.to_string()))?;
    let certified = CertifiedKey::new(chain, key);
    if let Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) =
        certified.keys_match()
    {
        return Err(Fault::Mismatch);
    }
    Ok(Pair::Whole(Identity { key: Arc::new(certified), names }))
}

/// All certificates of these texts; `None` if none of them can be an authority.
pub(super) fn authorities<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> Option<Authorities> {
    let certificates: Vec<CertificateDer<'static>> = texts
        .into_iter()
        // What is no certificate between others does not matter, as with OpenSSL.
        .flat_map(|text| CertificateDer::pem_slice_iter(text).filter_map(Result::ok).collect::<Vec<_>>())
        .collect();
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(certificates.iter().cloned());
    (usable > 0).then(|| Authorities { roots: Arc::new(roots), certificates: Arc::new(certificates) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbage_is_no_certificate() {
        assert!(matches!(pair(b"garbage", None), Err(Fault::NoCertificate)));
        assert!(authorities([b"garbage".as_slice()]).is_none());
    }
}
