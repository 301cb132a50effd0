//! Every config in `examples/` loads, without an error or a warning.

#![allow(clippy::panic, reason = "a panic is how a test fails")]

use std::path::Path;

use rolecall::config::{Bundle, Sealed, Severity, Stored, load};

/// What `quickstart.sh` fills in.
const PLACES: [&str; 6] = ["PORT", "STATS", "LOG", "REDIS1", "REDIS2", "REDIS3"];

#[test]
fn every_example_loads() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("the examples are there") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "cfg") {
            continue;
        }
        seen += 1;
        let mut text = std::fs::read_to_string(&path).expect("an example can be read");
        for (at, place) in PLACES.iter().enumerate() {
            text = text.replace(&format!("@{place}@"), &(7000 + at).to_string());
        }
        let placeless = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        assert!(!placeless.clone().any(|line| line.contains('@')), "a place is left in {}", path.display());
        let mut bundle = Bundle {
            files: vec![(path.display().to_string(), text.into_bytes())],
            users: [("nobody".to_owned(), Some(65534))].into(),
            groups: [("nobody".to_owned(), Some(65534))].into(),
            ..Bundle::default()
        };
        let mut loaded = load(&bundle);
        if !loaded.wanted.pems.is_empty() {
            let stored = Stored::File(Sealed::new(certificates().into_bytes()));
            bundle.pems = loaded.wanted.pems.iter().map(|name| (name.clone(), stored.clone())).collect();
            loaded = load(&bundle);
        }
        let faults: Vec<_> =
            loaded.diagnostics.iter().filter(|found| found.severity != Severity::Notice).collect();
        assert!(faults.is_empty(), "{}: {faults:?}", path.display());
        assert!(loaded.config.is_some(), "{}: {:?}", path.display(), loaded.wanted);
    }
    assert!(seen > 0, "there is no example");
}

/// A certificate with its key, which serves as an authority as well.
fn certificates() -> String {
    let made = rcgen::generate_simple_self_signed(vec!["redis.example".to_owned()]).expect("a certificate");
    format!("{}{}", made.cert.pem(), made.signing_key.serialize_pem())
}
