//! TLS of bind and server lines: certificates, keys and authorities are looked up in the bundle and read, what
//! the global section presets is filled in, and what cannot work is refused now and not at the first handshake.

mod bind;
mod pem;
mod server;

use self::pem::{Fault, Pair};
use super::Resolver;
use crate::config::ast::{Spanned, TlsVersion, VersionRange};
use crate::config::bundle::Stored;
use crate::config::diagnostic::{Diagnostic, Heading};
use crate::config::model::{Authorities, Identity, Versions};

/// On which line something stands, for messages.
struct Subject {
    /// `'bind :6379' in section 'listen'`
    text: String,
    heading: Heading,
}

/// Files beside a certificate that are none (manual section 5.1, `crt`).
const NOT_CERTIFICATES: [&str; 4] = [".issuer", ".key", ".ocsp", ".sctl"];

impl<'b> Resolver<'_, 'b> {
    /// What is stored under a name; `None` if it is wanted.
    fn stored(&mut self, path: &str) -> Option<&'b Stored> {
        let found = self.bundle.pems.get(path);
        if found.is_none() {
            self.pems.insert(path.to_owned());
        }
        found
    }

    fn fault(&mut self, subject: &Subject, at: &Spanned<String>, message: &str, help: Option<String>) {
        let text = format!("{} : {message}", subject.text);
        let mut diagnostic = Diagnostic::error(at.span, text).heading(subject.heading);
        diagnostic.help = help;
        self.context.report(diagnostic);
    }

    /// `crt FILE|DIRECTORY`: what is there, or nothing, once reported or wanted.
    fn identities(&mut self, subject: &Subject, crt: &Spanned<String>) -> Vec<Identity> {
        let path = based(self.tls.crt_base.as_deref(), &crt.value);
        match self.stored(&path) {
            None => Vec::new(),
            Some(Stored::Unreadable(reason)) => {
                let message = format!("unable to stat SSL certificate from file '{path}' : {reason}.");
                let help =
                    "name a PEM file with a certificate, its chain and its key, or a directory of such";
                self.fault(subject, crt, &message, Some(help.to_owned()));
                Vec::new()
            }
            Some(Stored::File(bytes)) => {
                self.identity(subject, crt, &path, bytes.expose()).into_iter().collect()
            }
            Some(Stored::Directory(files)) => {
                let certificates = |(name, _): &&(String, _)| {
                    !name.starts_with('.') && !NOT_CERTIFICATES.iter().any(|end| name.ends_with(end))
                };
                let mut identities = Vec::new();
                for (name, bytes) in files.iter().filter(certificates) {
                    let file = format!("{}/{name}", path.trim_end_matches('/'));
                    let key = files.iter().find(|(other, _)| *other == format!("{name}.key"));
                    let key = key.map(|(_, bytes)| bytes.expose());
                    match pem::pair(bytes.expose(), key) {
                        Ok(Pair::Whole(identity)) => identities.push(identity),
                        Ok(Pair::Keyless) => self.no_key(subject, crt, &file),
                        Err(fault) => self.bad_pair(subject, crt, &file, &fault),
                    }
                }
                identities
            }
        }
    }

    /// One file; its key may stand in another one beside it.
    fn identity(
        &mut self,
        subject: &Subject,
        crt: &Spanned<String>,
        path: &str,
        bytes: &[u8],
    ) -> Option<Identity> {
        let mut pair = pem::pair(bytes, None);
        if matches!(pair, Ok(Pair::Keyless)) {
            match self.stored(&format!("{path}.key"))? {
                Stored::File(key) => pair = pem::pair(bytes, Some(key.expose())),
                Stored::Unreadable(_) | Stored::Directory(_) => {}
            }
        }
        match pair {
            Ok(Pair::Whole(identity)) => return Some(identity),
            Ok(Pair::Keyless) => self.no_key(subject, crt, path),
            Err(fault) => self.bad_pair(subject, crt, path, &fault),
        }
        None
    }

    fn no_key(&mut self, subject: &Subject, crt: &Spanned<String>, path: &str) {
        let help =
            format!("add the private key, without a passphrase, to '{path}' or put it into '{path}.key'");
        self.fault(subject, crt, &format!("No Private Key found in '{path}.key'."), Some(help));
    }

    fn bad_pair(&mut self, subject: &Subject, crt: &Spanned<String>, path: &str, fault: &Fault) {
        let (message, help) = match fault {
            Fault::NoCertificate => (
                format!("unable to load certificate from file '{path}'."),
                "the file needs at least one '-----BEGIN CERTIFICATE-----'".to_owned(),
            ),
            Fault::Mismatch => (
                format!("inconsistencies between private key and certificate loaded '{path}'."),
                "put the key into the file that the first certificate was made for".to_owned(),
            ),
            Fault::BadKey(reason) => {
                (format!("unable to load private key from file '{path}'."), format!("the key: {reason}"))
            }
        };
        self.fault(subject, crt, &message, Some(help));
    }

    /// `ca-file`.
    fn authorities(&mut self, subject: &Subject, file: &Spanned<String>) -> Option<Authorities> {
        let path = match file.value.as_str() {
            special if special.starts_with('@') => special.to_owned(),
            plain => based(self.tls.ca_base.as_deref(), plain),
        };
        let reason = match self.stored(&path)? {
            Stored::Unreadable(reason) => reason.clone(),
            Stored::File(bytes) => match pem::authorities([bytes.expose()]) {
                Some(authorities) => return Some(authorities),
                None => "no certificate or crl found".to_owned(),
            },
            Stored::Directory(files) => match pem::authorities(files.iter().map(|(_, bytes)| bytes.expose()))
            {
                Some(authorities) => return Some(authorities),
                None => "no certificate or crl found".to_owned(),
            },
        };
        let message = match subject.heading {
            Heading::Place => format!("Couldn't open the ca-file '{path}' ({reason})."),
            _ => format!("'ca-file' : unable to load {path}"),
        };
        let help = format!("{reason}; name a PEM file with the authorities' certificates");
        self.fault(subject, file, &message, Some(help));
        None
    }

    /// The versions that a line and the presets leave; an error if rolecall speaks none of them.
    fn versions(
        &mut self,
        own: &VersionRange,
        preset: &VersionRange,
        (proxy, whose): (&str, &str),
    ) -> Versions {
        let bounds = [own.min.or(preset.min), own.max.or(preset.max)];
        let excluded = |version| {
            bounds == [None; 2] && (own.without.contains(&version) || preset.without.contains(&version))
        };
        let [min, max] = bounds;
        let allowed = |version| {
            min.is_none_or(|min| min.value <= version)
                && max.is_none_or(|max| version <= max.value)
                && !excluded(version)
        };
        let written = max.or(min).map(|bound| bound.span);
        match (allowed(TlsVersion::Tls12), allowed(TlsVersion::Tls13)) {
            (true, true) => return Versions::Both,
            (true, false) => return Versions::Tls12,
            (false, true) => return Versions::Tls13,
            (false, false) => {}
        }
        let too_old = max.is_some_and(|max| max.value < TlsVersion::Tls12);
        let diagnostic = if too_old {
            let message =
                format!("Proxy '{proxy}': no SSL/TLS version left {whose}: rolecall speaks TLS 1.2 and 1.3.");
            Diagnostic::error(written, message).help("write 'ssl-max-ver TLSv1.2' or leave it out")
        } else {
            Diagnostic::error(written, format!("Proxy '{proxy}': all SSL/TLS versions are disabled {whose}."))
        };
        self.context.report(diagnostic.heading(Heading::Bare));
        Versions::Both
    }
}

/// A relative path stands below the base.
fn based(base: Option<&str>, path: &str) -> String {
    match base {
        Some(base) if !path.starts_with('/') => format!("{base}/{path}"),
        _ => path.to_owned(),
    }
}
