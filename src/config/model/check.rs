//! How servers are checked (manual section 5.2 and `tcp-check`).

use std::net::IpAddr;

use super::check_format::{CheckFormat, CheckSample, Coding, VariableValue};
use super::http_check::{HttpExpect, OnNotFound};
use crate::config::secret::Secret;

/// How the servers of a backend are checked.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum CheckMethod {
    /// A TCP connect and nothing else.
    #[default]
    Layer4,
    /// `option tcp-check`; no rule at all is a connect.
    TcpCheck(Vec<CheckRule>),
    /// `option redis-check`: PING, and `+PONG` anywhere in the answer.
    RedisCheck,
    /// Every other built-in check, as the script that it is short for: `option httpchk` with its `http-check`
    /// lines, `mysql-check`, `pgsql-check`, `smtpchk`, `ldap-check`, `spop-check`, `ssl-hello-chk`.
    Builtin(Vec<CheckRule>),
}

impl CheckMethod {
    /// Whether a check has to know its server: only some scripts mention its name, or depend on its state.
    pub fn mentions_server(&self) -> bool {
        let (CheckMethod::TcpCheck(rules) | CheckMethod::Builtin(rules)) = self else { return false };
        rules.iter().any(|rule| match &rule.action {
            CheckAction::SendFormat { .. } | CheckAction::SetVariable { .. } => true,
            CheckAction::Expect(expect) => expect.mentions_server(),
            _ => false,
        })
    }
}

/// One `tcp-check` line. Its step number is its position in the list plus one, comments counted.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckRule {
    pub action: CheckAction,
    /// The rule's own `comment`, or the standalone one directly before it.
    pub comment: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum CheckAction {
    Comment,
    Connect(CheckConnect),
    /// The bytes may hold a password: AUTH and HELLO arguments.
    Send(Secret),
    /// `send-binary`; HAProxy names it apart in its reports.
    SendBinary(Secret),
    /// `send-lf`, `send-binary-lf`, and HTTP requests with expressions or `X-Haproxy-Server-State`
    /// (`http-check send-state`) in them.
    SendFormat {
        format: CheckFormat,
        coding: Coding,
    },
    /// `set-var`, `set-var-fmt`
    SetVariable {
        name: String,
        value: VariableValue,
    },
    /// `unset-var`
    UnsetVariable(String),
    Expect(CheckExpect),
}

impl CheckAction {
    /// Whether it says something to the server, or hears it.
    pub fn is_step(&self) -> bool {
        !matches!(
            self,
            CheckAction::Comment | CheckAction::SetVariable { .. } | CheckAction::UnsetVariable(_)
        )
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckConnect {
    pub port: Option<u16>,
    pub addr: Option<IpAddr>,
    pub linger: bool,
    pub via: CheckWay,
    pub header: CheckHeader,
    pub transport: CheckTransport,
}

/// Which way a check's connection goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CheckWay {
    #[default]
    Direct,
    /// `default`, and a script without a connect: through the SOCKS4 proxy of a line that says `check-via-socks4`.
    AsServer,
    /// `via-socks4`: through the SOCKS4 proxy of the line, if it has one.
    Socks4,
}

/// Whether a check's connection begins with a PROXY header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CheckHeader {
    #[default]
    Never,
    /// `default`, and a script without a connect: as the server line says.
    AsServer,
    /// `send-proxy`: version 1 unless the server line names another.
    Always,
}

impl CheckConnect {
    /// The connection of a script that opens none itself: all of it is as the server line says.
    pub const IMPLICIT: CheckConnect = CheckConnect {
        port: None,
        addr: None,
        linger: false,
        via: CheckWay::AsServer,
        header: CheckHeader::AsServer,
        transport: CheckTransport::AsServer,
    };
}

impl CheckWay {
    /// This, if it says anything.
    pub fn or(self, other: CheckWay) -> CheckWay {
        if self == CheckWay::Direct { other } else { self }
    }
}

impl CheckHeader {
    /// This, if it says anything.
    pub fn or(self, other: CheckHeader) -> CheckHeader {
        if self == CheckHeader::Never { other } else { self }
    }
}

/// What a check speaks on a connection of its script.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum CheckTransport {
    #[default]
    Plain,
    /// As the server line says: `default`, and the connection of a script that opens none itself.
    AsServer,
    /// `ssl`, by the settings of the server line but for these.
    Tls { sni: Option<String>, alpn: Option<Vec<Vec<u8>>> },
}

#[derive(Debug, Clone, PartialEq)]
pub struct CheckExpect {
    /// `!`
    pub inverse: bool,
    pub pattern: ExpectPattern,
    /// `None` is HAProxy's -1: a miss waits for more bytes.
    pub min_recv: Option<usize>,
    pub ok_status: Option<&'static str>,
    pub error_status: Option<&'static str>,
    pub tout_status: Option<&'static str>,
    pub on_success: Option<CheckFormat>,
    pub on_error: Option<CheckFormat>,
    /// `status-code`: an expression that gives the check's code.
    pub status_code: Option<CheckSample>,
}

impl CheckExpect {
    /// A line that says nothing but what to expect.
    pub fn of(pattern: ExpectPattern) -> CheckExpect {
        CheckExpect {
            inverse: false,
            pattern,
            min_recv: None,
            ok_status: None,
            error_status: None,
            tout_status: None,
            on_success: None,
            on_error: None,
            status_code: None,
        }
    }

    fn mentions_server(&self) -> bool {
        let texts = [&self.on_success, &self.on_error].into_iter().flatten();
        let varies = |format: &CheckFormat| format.constant().is_none();
        match &self.pattern {
            ExpectPattern::Format(..) => true,
            ExpectPattern::Http(http) if http.on_404 == OnNotFound::Stop => true,
            ExpectPattern::Http(http) if http.wanted.formats().iter().any(Option::is_some) => true,
            _ => self.status_code.is_some() || texts.into_iter().any(varies),
        }
    }
}

#[derive(Debug, Clone)]
pub enum ExpectPattern {
    String(Vec<u8>),
    /// The text as written beside the compiled expression.
    Rstring(String, regex::bytes::Regex),
    Binary(Vec<u8>),
    /// Matched against the upper-case hex dump of what came.
    Rbinary(String, regex::bytes::Regex),
    /// `string-lf`, `binary-lf`
    Format(CheckFormat, Coding),
    /// `http-check expect`
    Http(Box<HttpExpect>),
    /// What no pattern can say.
    Application(ApplicationExpect),
}

impl PartialEq for ExpectPattern {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (ExpectPattern::String(a), ExpectPattern::String(b)) => a == b,
            (ExpectPattern::Binary(a), ExpectPattern::Binary(b)) => a == b,
            (ExpectPattern::Rstring(a, _), ExpectPattern::Rstring(b, _)) => a == b,
            (ExpectPattern::Rbinary(a, _), ExpectPattern::Rbinary(b, _)) => a == b,
            (ExpectPattern::Format(a, c), ExpectPattern::Format(b, d)) => (a, c) == (b, d),
            (ExpectPattern::Http(a), ExpectPattern::Http(b)) => a == b,
            (ExpectPattern::Application(a), ExpectPattern::Application(b)) => a == b,
            _ => false,
        }
    }
}

/// Answers of protocols whose lengths have to be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApplicationExpect {
    /// The first packet of a MySQL server: its version, or why it refuses.
    MysqlGreeting,
    /// The packet after that: whether it lets the user in.
    MysqlLogin,
    /// The answer to an anonymous LDAPv3 bind.
    LdapBind,
    /// The answer of an SPOE agent, which may ask for frames of so many bytes.
    SpopHello { largest: u32 },
}
