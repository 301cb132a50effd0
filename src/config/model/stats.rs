//! `stats enable` and family: who may see which page where.

use std::time::Duration;

use super::{Condition, RequestRule};
use crate::config::secret::Secret;

/// `stats enable` and family.
#[derive(Debug, Clone, PartialEq)]
pub struct StatsPage {
    /// Prefix of the path; default `/haproxy?stats`.
    pub uri: String,
    pub realm: String,
    pub users: Vec<StatsUser>,
    pub refresh: Option<Duration>,
    pub hide_version: bool,
    pub show_legends: bool,
    /// `stats show-node [NAME]`.
    pub node: Option<String>,
    /// `stats show-desc [TEXT]`.
    pub description: Option<String>,
    /// Names of the proxies shown; `.` is resolved to the page's own.
    pub scope: Vec<String>,
    /// `stats admin`: who fulfils one of them may change the states of servers.
    pub admin: Vec<Condition>,
    /// `stats http-request`: asked of whoever asks for the page.
    pub requests: Vec<RequestRule>,
}

impl StatsPage {
    /// Whether conditions decide how a request is answered.
    pub fn asks_of_requests(&self) -> bool {
        !self.admin.is_empty() || !self.requests.is_empty()
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct StatsUser {
    pub name: String,
    pub password: Secret,
}
