//! Files of certificates, keys and authorities for a load: read while there are the privileges to, and kept in
//! the bundle, so that a worker without any loads the same. What is read is never shown.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::gather::reason;
use crate::config::{Sealed, Stored};

/// Of one name: a bundle of all public authorities has some 200 KiB.
const MOST_BYTES: u64 = 4 << 20;
const MOST_FILES: usize = 1000;

/// Reads what stands under a name; `@system-ca` are this system's authorities.
pub(super) fn read(name: &str) -> Stored {
    if name == "@system-ca" {
        return system();
    }
    let path = Path::new(name);
    let read = if path.is_dir() { directory(path) } else { file(path, MOST_BYTES).map(Stored::File) };
    read.unwrap_or_else(|error| Stored::Unreadable(reason(&error)))
}

fn file(path: &Path, room: u64) -> io::Result<Sealed> {
    let mut bytes = Vec::new();
    File::open(path)?.take(room + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > room {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {MOST_BYTES} bytes")));
    }
    Ok(Sealed::new(bytes))
}

fn directory(path: &Path) -> io::Result<Stored> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path)?.take(MOST_FILES) {
        names.push(entry?.file_name());
    }
    names.sort();
    let mut room = MOST_BYTES;
    let mut files = Vec::new();
    for name in names {
        let path = path.join(&name);
        if !path.is_file() {
            continue;
        }
        let bytes = file(&path, room)?;
        room -= bytes.expose().len() as u64;
        files.push((name.to_string_lossy().into_owned(), bytes));
    }
    Ok(Stored::Directory(files))
}

/// As PEM, as if they stood in a file.
fn system() -> Stored {
    let found = rustls_native_certs::load_native_certs();
    let mut text = String::new();
    for certificate in &found.certs {
        use base64::Engine as _;
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        let body = base64::engine::general_purpose::STANDARD.encode(certificate);
        for line in body.as_bytes().chunks(64) {
            text.push_str(&String::from_utf8_lossy(line));
            text.push('\n');
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    match found.errors.first() {
        Some(error) if found.certs.is_empty() => Stored::Unreadable(error.to_string()),
        _ => Stored::File(Sealed::new(text.into_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_directories_are_read_and_missing_ones_say_why() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("inner")).unwrap();
        for name in ["b.pem", "a.pem"] {
            std::fs::write(directory.path().join(name), name).unwrap();
        }
        let Stored::Directory(files) = read(&directory.path().display().to_string()) else {
            unreachable!("a directory is one")
        };
        let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a.pem", "b.pem"]);
        let one = read(&directory.path().join("a.pem").display().to_string());
        assert_eq!(one, Stored::File(Sealed::new(b"a.pem".to_vec())));
        assert_eq!(read("/nonexistent"), Stored::Unreadable("No such file or directory".to_owned()));
        assert_eq!(read("/dev/zero"), Stored::Unreadable(format!("larger than {MOST_BYTES} bytes")));
    }
}
