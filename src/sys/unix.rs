//! Addresses of unix sockets. An abstract name is padded with zeros to the full length of the kernel's
//! field, as HAProxy's `abns@` does, so that both find each other's sockets.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use socket2::SockAddr;

/// Length of `sun_path`.
const NAME_LENGTH: usize = 108;

/// The address of a socket file.
pub fn path(path: &Path) -> io::Result<SockAddr> {
    SockAddr::unix(path)
}

/// The address of an abstract name.
pub fn abstract_name(name: &str) -> io::Result<SockAddr> {
    if name.len() >= NAME_LENGTH {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "abstract name is longer than 107 bytes"));
    }
    let mut padded = [0; NAME_LENGTH];
    padded[1..=name.len()].copy_from_slice(name.as_bytes());
    SockAddr::unix(OsStr::from_bytes(&padded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abstract_names_are_padded_and_bounded() {
        assert_eq!(abstract_name("x").unwrap().len() as usize, 2 + NAME_LENGTH);
        assert!(abstract_name(&"n".repeat(107)).is_ok());
        assert!(abstract_name(&"n".repeat(108)).is_err());
        assert!(path(Path::new("/tmp/a.sock")).unwrap().is_unix());
    }
}
