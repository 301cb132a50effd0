//! `bind ... ssl` (manual section 5.1).

use std::sync::Arc;

use super::super::Resolver;
use super::Subject;
use crate::config::ast::{self, Proxy, Spanned};
use crate::config::bundle::Stored;
use crate::config::diagnostic::{Diagnostic, Heading};
use crate::config::model::{BindTls, ClientVerify, Identity, Made, Tickets};

impl Resolver<'_, '_> {
    /// `None` for a line without `ssl`, and for one of which something is wanted or, once reported, wrong.
    pub(in super::super) fn bind_tls(&mut self, proxy: &Proxy, line: &ast::Bind) -> Option<Arc<BindTls>> {
        let (written, preset) = (&line.options.tls, self.tls.bind.clone());
        let subject = Subject {
            text: format!("'bind {}' in section '{}'", written.address, proxy.kind.keyword()),
            heading: Heading::Statement,
        };
        // What is named is read even where nobody speaks TLS, as in HAProxy.
        let mut identities = Vec::new();
        for crt in &written.crts {
            identities.extend(self.identities(&subject, crt));
        }
        for list in &written.lists {
            identities.extend(self.crt_list(&subject, list));
        }
        let authorities = written.ca_file.as_ref().map(|file| self.authorities(&subject, file));
        let ssl = written.ssl?;
        let (file, number) = &line.origin;
        let whose = format!("for bind '{}' at [{file}:{number}]", written.address);
        let verify = written.verify.unwrap_or_default();
        if verify != ClientVerify::None && authorities.is_none() {
            let message =
                format!("Proxy '{}': verify is enabled but no CA file specified {whose}.", proxy.name.value);
            self.context.report(
                Diagnostic::error(ssl, message)
                    .heading(Heading::Bare)
                    .help("add 'ca-file FILE' with the authorities that clients' certificates come from"),
            );
            return None;
        }
        if written.crts.is_empty() && written.lists.is_empty()
            || self.is_empty_directory(written, &identities)
        {
            let message =
                format!("Proxy '{}': no SSL certificate specified {whose} (use 'crt').", proxy.name.value);
            self.context.report(
                Diagnostic::error(ssl, message)
                    .heading(Heading::Bare)
                    .help("add 'crt FILE': a PEM file with the certificate, its chain and its key"),
            );
            return None;
        }
        let versions = self.versions(&written.versions, &preset.versions, (&proxy.name.value, &whose));
        let tickets = match (written.tickets, preset.tickets) {
            (Tickets::Given, Tickets::Given) => Tickets::Given,
            _ => Tickets::NotGiven,
        };
        if identities.is_empty() {
            return None;
        }
        Some(Arc::new(BindTls {
            identities,
            authorities: authorities.flatten(),
            verify,
            alpn: written.alpn.clone().unwrap_or_default(),
            versions,
            strict_sni: written.strict_sni || preset.strict_sni,
            tickets,
            made: Made::default(),
        }))
    }

    /// Directories were named, all were read, and none has a certificate.
    fn is_empty_directory(&self, written: &ast::BindTls, identities: &[Identity]) -> bool {
        let empty = |crt: &Spanned<String>| {
            let path = super::based(self.tls.crt_base.as_deref(), &crt.value);
            matches!(self.bundle.pems.get(&path), Some(Stored::Directory(files)) if files.is_empty())
        };
        identities.is_empty() && written.lists.is_empty() && written.crts.iter().all(empty)
    }

    /// `crt-list FILE`: a certificate a line, and the host names that it is for (manual section 5.1).
    fn crt_list(&mut self, subject: &Subject, list: &Spanned<String>) -> Vec<Identity> {
        let bytes = match self.stored(&list.value) {
            None => return Vec::new(),
            Some(Stored::File(bytes)) => bytes.expose(),
            Some(Stored::Unreadable(reason)) => {
                let message = format!("'crt-list' : cannot open file '{}' : {reason}", list.value);
                self.fault(subject, list, &message, None);
                return Vec::new();
            }
            Some(Stored::Directory(_)) => {
                let message = format!("'crt-list' : cannot open file '{}' : Is a directory", list.value);
                self.fault(subject, list, &message, None);
                return Vec::new();
            }
        };
        let text = String::from_utf8_lossy(bytes);
        let mut identities = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if line.contains('[') {
                let message = format!(
                    "'crt-list' : options in brackets are not supported in file '{}' line {}",
                    list.value,
                    number + 1
                );
                let help = "write the option on the bind line, for all certificates".to_owned();
                self.fault(subject, list, &message, Some(help));
                continue;
            }
            let mut words = line.split_whitespace();
            let Some(path) = words.next() else { continue };
            let crt = Spanned::new(path.to_owned(), list.span);
            // `!NAME` takes a name out of a wildcard, which here means: of no use to itself.
            let filters: Vec<String> =
                words.filter(|name| !name.starts_with('!')).map(str::to_ascii_lowercase).collect();
            for mut identity in self.identities(subject, &crt) {
                if !filters.is_empty() {
                    identity.names.clone_from(&filters);
                }
                identities.push(identity);
            }
        }
        identities
    }
}
