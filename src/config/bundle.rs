//! Everything outside the config texts that a load depends on, gathered beforehand, so that loading is a
//! pure function: parent and worker run it on the same bundle and get the same config.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

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
}

impl Wanted {
    /// Whether the bundle had everything.
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty() && self.users.is_empty() && self.groups.is_empty() && self.patterns.is_empty()
    }
}
