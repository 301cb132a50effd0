//! How servers are checked, as written: the last check option, and the lines of both kinds of scripts.

use std::rc::Rc;
use std::time::Duration;

use super::Spanned;
use crate::config::model::{CheckFormat, CheckRule, Secret};
use crate::config::parser::address::Address;
use crate::config::source::Span;

/// The last check option, and the `tcp-check` and `http-check` rules whether that option wants them or not.
#[derive(Debug, Clone, Default)]
pub struct Check {
    pub kind: CheckKind,
    pub rules: Rc<Vec<Spanned<CheckRule>>>,
    /// The rules came from `defaults`: a proxy's first own rule replaces them.
    pub inherited: bool,
    /// The last standalone comment: it names the steps after it.
    pub standing_comment: Option<String>,
    pub http: HttpCheck,
    /// Where `http-check disable-on-404` and `send-state` stand.
    pub disable_on_404: Option<Span>,
    pub send_state: Option<Span>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum CheckKind {
    #[default]
    Layer4,
    TcpCheck,
    RedisCheck,
    HttpCheck,
    /// With a user to log in as.
    Mysql(Option<(String, MysqlLogin)>),
    /// The user.
    Pgsql(String),
    /// The greeting: `HELO localhost`.
    Smtp(String),
    Ldap,
    Spop,
    SslHello,
}

/// How a MySQL client says who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MysqlLogin {
    /// From MySQL 4.1 on.
    Post41,
    Pre41,
}

/// `option httpchk` and the `http-check` rules that belong to it.
#[derive(Debug, Clone, Default)]
pub struct HttpCheck {
    /// What the option and the first `send` say of the first request, the later one over the earlier.
    pub first: HttpRequest,
    pub rules: Rc<Vec<Spanned<HttpRule>>>,
    /// All this came from `defaults`: a proxy's first own rule, or its option, replaces it.
    pub inherited: bool,
    pub standing_comment: Option<String>,
}

/// One `http-check` line.
#[derive(Debug, Clone)]
pub enum HttpRule {
    /// `connect`, `expect`, `comment`
    Plain(CheckRule),
    Send(HttpRequest, Option<String>),
}

/// What a line says of a request.
#[derive(Debug, Clone, Default)]
pub struct HttpRequest {
    pub method: Option<String>,
    pub uri: Option<CheckFormat>,
    pub version: Option<String>,
    /// Names and values.
    pub headers: Vec<(String, CheckFormat)>,
    pub body: Option<CheckFormat>,
}

impl HttpRequest {
    /// What `uri`, `uri-lf`, `body` and `body-lf` set.
    pub fn text(&mut self, name: &str) -> &mut Option<CheckFormat> {
        if name.starts_with("uri") { &mut self.uri } else { &mut self.body }
    }

    /// Takes over whatever `other` says; headers as a whole.
    pub fn overlay(&mut self, other: HttpRequest) {
        self.method = other.method.or(self.method.take());
        self.uri = other.uri.or(self.uri.take());
        self.version = other.version.or(self.version.take());
        self.body = other.body.or(self.body.take());
        if !other.headers.is_empty() {
            self.headers = other.headers;
        }
    }
}

/// `agent-check`, `agent-addr`, `agent-port`, `agent-inter`, `agent-send`.
#[derive(Debug, Clone, Default)]
pub struct AgentSettings {
    pub check: bool,
    pub addr: Option<Spanned<Address>>,
    pub port: Option<u16>,
    pub inter: Option<Duration>,
    pub send: Option<Secret>,
}
