//! The table of log variables: name, what it is, from when on it is known, and in which mode.

use crate::config::model::LogVariable as V;

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct VariableRow {
    pub name: &'static str,
    pub variable: V,
    pub known: Known,
}

/// From when on a variable has its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// When the server has answered, at the latest.
    AtConnect,
    AtEnd,
    /// Only in `mode http`, at the end.
    Http,
}

/// The row of that name.
pub fn find(name: &str) -> Option<&'static VariableRow> {
    VARIABLES.iter().find(|row| row.name == name)
}

/// Every name, for suggestions.
pub fn names() -> impl Iterator<Item = &'static str> {
    VARIABLES.iter().map(|row| row.name)
}

const fn early(name: &'static str, variable: V) -> VariableRow {
    VariableRow { name, variable, known: Known::AtConnect }
}

const fn late(name: &'static str, variable: V) -> VariableRow {
    VariableRow { name, variable, known: Known::AtEnd }
}

const fn http(name: &'static str) -> VariableRow {
    VariableRow { name, variable: V::Http, known: Known::Http }
}

/// Which of them a line waits for is as HAProxy 2.6 shows it.
static VARIABLES: &[VariableRow] = &[
    early("ci", V::ClientIp),
    early("cp", V::ClientPort),
    early("fi", V::FrontendIp),
    early("fp", V::FrontendPort),
    early("bi", V::SourceIp),
    early("bp", V::SourcePort),
    early("si", V::ServerIp),
    early("sp", V::ServerPort),
    early("f", V::Frontend),
    early("ft", V::FrontendTransport),
    early("b", V::Backend),
    early("s", V::Server),
    early("T", V::DateUtc),
    early("Tl", V::DateLocal),
    early("t", V::DateMilliseconds),
    early("Ts", V::Seconds),
    early("ms", V::Milliseconds),
    late("Tw", V::WaitTime),
    late("Tc", V::ConnectTime),
    late("Td", V::DataTime),
    late("Th", V::HandshakeTime),
    late("Tt", V::TotalTime),
    late("Tu", V::UserTime),
    late("U", V::BytesIn),
    late("B", V::BytesOut),
    late("ac", V::ProcessConnections),
    late("fc", V::FrontendConnections),
    late("bc", V::BackendConnections),
    late("sc", V::ServerConnections),
    late("rc", V::Retries),
    late("sq", V::ServerQueue),
    late("bq", V::BackendQueue),
    early("lc", V::LogCounter),
    early("pid", V::Pid),
    early("rt", V::SessionNumber),
    late("ts", V::Termination),
    early("tsc", V::TerminationCookies),
    early("H", V::Hostname),
    late("ID", V::UniqueId),
    early("ST", V::Status),
    early("sslc", V::Cipher),
    early("sslv", V::TlsVersion),
    early("hr", V::Captures),
    early("hrl", V::CaptureList),
    early("hs", V::NoCaptures),
    early("hsl", V::NoCaptures),
    http("CC"),
    http("CS"),
    http("HM"),
    http("HP"),
    http("HPO"),
    http("HQ"),
    http("HU"),
    http("HV"),
    http("Ta"),
    http("Ti"),
    http("Tq"),
    http("TR"),
    http("Tr"),
    http("r"),
    http("tr"),
    http("trg"),
    http("trl"),
];
