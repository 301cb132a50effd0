//! A log format (manual section 8.2.6), resolved: what stands between its items, and the items.

/// `log-format`, `log-format-sd`, `error-log-format`, `unique-id-format`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Template {
    pub parts: Vec<Part>,
    /// All that it asks for is known when the server has answered: the line goes out then.
    pub at_connect: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    Text(String),
    Variable(LogVariable, Look),
    /// Position in [`super::SessionLog::samples`]; `None`: one that rolecall does not know.
    Sample(Option<usize>, Look),
}

/// `{+Q,+E,+X}`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Look {
    /// Between quotes.
    pub quoted: bool,
    /// With a backslash before quotes, backslashes and closing brackets.
    pub escaped: bool,
    /// Addresses, ports and some numbers in hexadecimal.
    pub hexadecimal: bool,
    /// What is not there is nothing; else it is a dash.
    pub optional: bool,
}

/// What a `%NAME` stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogVariable {
    ClientIp,
    ClientPort,
    FrontendIp,
    FrontendPort,
    SourceIp,
    SourcePort,
    ServerIp,
    ServerPort,
    Frontend,
    FrontendTransport,
    Backend,
    Server,
    DateUtc,
    DateLocal,
    DateMilliseconds,
    Seconds,
    Milliseconds,
    WaitTime,
    ConnectTime,
    DataTime,
    HandshakeTime,
    TotalTime,
    UserTime,
    BytesIn,
    BytesOut,
    ProcessConnections,
    FrontendConnections,
    BackendConnections,
    ServerConnections,
    Retries,
    ServerQueue,
    BackendQueue,
    LogCounter,
    Pid,
    SessionNumber,
    Termination,
    TerminationCookies,
    /// A text once the config is read.
    Hostname,
    UniqueId,
    Status,
    Cipher,
    TlsVersion,
    /// What rules captured, between braces.
    Captures,
    /// The same, one beside the other.
    CaptureList,
    /// Of responses: there are none, and no part of a template is that.
    NoCaptures,
    /// Of requests, which rolecall does not log.
    Http,
}
