//! Everything outside the config texts that a load depends on, gathered beforehand, so that loading is a
//! pure function: parent and worker run it on the same bundle and get the same config.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What `process` gathers and `config::load` reads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    /// Name as given and content, in command-line order.
    pub files: Vec<(String, Vec<u8>)>,
    pub environment: BTreeMap<String, String>,
    /// Host names of servers and logs. A name that is missing here has not been looked up yet; an empty
    /// list is one that did not resolve.
    pub hosts: BTreeMap<String, Vec<IpAddr>>,
    /// User names to uid; `None` is an unknown one.
    pub users: BTreeMap<String, Option<u32>>,
    /// Group names to gid.
    pub groups: BTreeMap<String, Option<u32>>,
    /// Files of patterns (`acl ... -f`) by their names; `None` is one that cannot be read.
    pub patterns: BTreeMap<String, Option<Vec<u8>>>,
    /// `/etc/resolv.conf`; `None` if it cannot be read.
    pub resolv_conf: Option<Vec<u8>>,
    /// Certificates, keys and authorities by the names of their files.
    pub pems: BTreeMap<String, Stored>,
    /// This machine's host name.
    pub hostname: String,
    /// `-dr`: a server whose name has no address does not refuse the config; it starts disabled.
    pub ignore_unresolved: bool,
}

/// What a load would have liked to find in the bundle. The gatherer looks them up and loads again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    pub hosts: Vec<String>,
    pub users: Vec<String>,
    pub groups: Vec<String>,
    pub patterns: Vec<String>,
    pub pems: Vec<String>,
}

impl Wanted {
    /// Whether the bundle had everything.
    pub fn is_empty(&self) -> bool {
        [&self.hosts, &self.users, &self.groups, &self.patterns, &self.pems]
            .iter()
            .all(|list| list.is_empty())
    }
}

/// What stands under the name of a file with certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stored {
    /// The system's words for why it cannot be read.
    Unreadable(String),
    File(Sealed),
    /// The files of a directory by their names, in the order of these.
    Directory(Vec<(String, Sealed)>),
}

/// Bytes that may hold a private key: never shown; between parent and worker they travel as base64.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// Takes the bytes in.
    pub fn new(bytes: Vec<u8>) -> Sealed {
        Sealed(bytes)
    }

    /// Gives the bytes out, to read keys and certificates from; never for text.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Serialize for Sealed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Sealed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Sealed, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Sealed).map_err(|_| D::Error::custom("not base64"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_travel_and_are_not_shown() {
        let stored = Stored::File(Sealed::new(b"-----BEGIN PRIVATE KEY-----".to_vec()));
        let text = serde_json::to_string(&stored).unwrap();
        assert_eq!(serde_json::from_str::<Stored>(&text).unwrap(), stored);
        assert_eq!(format!("{stored:?}"), "File(27 bytes)");
    }
}
