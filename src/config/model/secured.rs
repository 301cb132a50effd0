//! What may be asked of a certificate (manual section 7.3.4, `ssl_c_*`, `ssl_f_*`, `ssl_s_*`).

/// Who showed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    Client,
    /// The frontend, to the client.
    Frontend,
    Server,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateFact {
    /// All of it.
    Der,
    Sha1,
    Serial,
    Version,
    SignatureAlgorithm,
    KeyAlgorithm,
    /// `YYMMDDhhmmssZ`
    NotBefore,
    NotAfter,
    Subject(NamePart),
    Issuer(NamePart),
}

/// Of a distinguished name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamePart {
    Whole(NameForm),
    Entry(NameEntry),
}

/// How a whole one is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameForm {
    /// `/C=FR/CN=a`
    Slashes,
    /// `CN=a,C=FR` (RFC 2253).
    Rfc2253,
}

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameEntry {
    /// `CN`, or an object identifier.
    pub name: String,
    /// Which one of several: from 1; from the end if it is negative.
    pub occurrence: i64,
}
