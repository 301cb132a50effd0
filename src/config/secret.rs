//! Bytes that must not be shown: whoever prints them prints stars.

use std::fmt;

/// The bytes of a check's `send`, or a password. `Debug` never shows the content, and there is no `Display`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes the bytes in.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Secret {
        Secret(bytes.into())
    }

    /// Gives the bytes out, for the wire or a constant-time comparison; never for text.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
