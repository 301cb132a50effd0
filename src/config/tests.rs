//! Whole texts through [`load`](super::load).

mod blunted;
mod broken;
mod check_formats;
mod checks;
mod hostile;
mod models;
mod seeds;

use std::net::IpAddr;

use super::{Bundle, Config, Diagnostic, Loaded, Sealed, Severity, Stored, load};

/// A machine as Debian has it: no group `nobody`.
fn bundle(text: &str) -> Bundle {
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    Bundle {
        pems: [
            ("/none.pem", Stored::Unreadable("No such file or directory".to_owned())),
            ("/bad.pem", Stored::File(Sealed::new(b"garbage".to_vec()))),
            ("/empty", Stored::Directory(Vec::new())),
            ("/list", Stored::File(Sealed::new(b"# of names\n/none.pem a\n/b.pem [alpn h2] b\n".to_vec()))),
        ]
        .map(|(name, stored)| (name.to_owned(), stored))
        .into(),
        patterns: Default::default(),
        files: vec![("test.cfg".to_owned(), text.as_bytes().to_vec())],
        environment: [("PW", "hunter2"), ("HOST", "10.0.0.9"), ("PORT", "6380")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        hosts: [
            ("localhost", vec![ip("::1"), ip("127.0.0.1")]),
            ("six.example", vec![ip("2001:db8::6")]),
            ("nowhere.invalid", vec![]),
        ]
        .map(|(name, addresses)| (name.to_owned(), addresses))
        .into(),
        users: [("nobody", Some(65534)), ("ghost", None)].map(|(name, id)| (name.to_owned(), id)).into(),
        groups: [("nobody", None), ("nogroup", Some(65534)), ("ghost", None)]
            .map(|(name, id)| (name.to_owned(), id))
            .into(),
        hostname: "balancer1".to_owned(),
        resolv_conf: None,
        ignore_unresolved: false,
    }
}

fn loaded(text: &str) -> Loaded {
    load(&bundle(text))
}

/// One line a diagnostic: severity, line, the text of the span, message, other places, help.
fn told(loaded: &Loaded) -> String {
    loaded.diagnostics.iter().map(|diagnostic| tell(loaded, diagnostic)).collect()
}

fn tell(loaded: &Loaded, diagnostic: &Diagnostic) -> String {
    let severity = match diagnostic.severity {
        Severity::Notice => "notice",
        Severity::Warning => "warning",
        Severity::Error => "error",
    };
    let place = diagnostic.span.map_or("-".to_owned(), |span| {
        let source = loaded.sources.source(span.source);
        let (line, column) = source.line_column(span.start);
        format!("{line}:{column}-{}", column + span.end - span.start)
    });
    let mut text = format!("{severity} {place} {}\n", diagnostic.message);
    for (span, label) in &diagnostic.labels {
        text += &format!("    line {}: {label}\n", loaded.sources.place(*span).1);
    }
    if let Some(help) = &diagnostic.help {
        text += &format!("    = {help}\n");
    }
    text
}

/// The config of a text that has nothing wrong but warnings.
fn config(text: &str) -> Config {
    let loaded = loaded(text);
    let told = told(&loaded);
    loaded.config.unwrap_or_else(|| panic!("{told}"))
}
