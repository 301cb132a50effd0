//! Termination codes with their meaning (manual section 8.5): for the page's legend and the tests.

/// One code, as `%ts` writes it, and what happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meaning {
    pub code: &'static str,
    pub text: &'static str,
}

/// Every code that a session of this program can end with.
pub const TABLE: &[Meaning] = &[
    meaning("--", "ended normally"),
    meaning("CD", "the client aborted while data was under way, or while it waited or connected"),
    meaning("CC", "the client aborted before the server answered the connect"),
    meaning("CQ", "the client aborted in the queue"),
    meaning("cD", "the client was silent for `timeout client`"),
    meaning("SC", "no server, or the server refused the connection"),
    meaning("SD", "the server aborted while data was under way"),
    meaning("sC", "the server did not answer the connect within `timeout connect`"),
    meaning("sQ", "no place at a server within `timeout queue`"),
    meaning("sD", "the server was silent for `timeout server`"),
    meaning("PC", "the proxy refused to connect"),
    meaning("PR", "a rule refused the session"),
    meaning("LR", "the proxy answered by itself (stats page, monitor)"),
    meaning("RC", "no local resource was left to connect to the server"),
    meaning("I-", "an internal error"),
    meaning("D-", "cut: the server was marked down, lost its role, or another was chosen"),
    meaning("U-", "cut: the server is a backup, and an active server came back"),
    meaning("K-", "killed by the operator, or at the end of the process"),
];

const fn meaning(code: &'static str, text: &'static str) -> Meaning {
    Meaning { code, text }
}

/// What a code means.
pub fn explain(code: &str) -> Option<&'static str> {
    TABLE.iter().find(|meaning| meaning.code == code).map(|meaning| meaning.text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Cause, Phase, Termination};

    #[test]
    fn codes_are_explained() {
        let code = Termination::new(Cause::ServerTimeout, Phase::Queue).to_string();
        assert_eq!(explain(&code), Some("no place at a server within `timeout queue`"));
        assert_eq!(explain(&Termination::NORMAL.to_string()), Some("ended normally"));
        assert_eq!(explain("??"), None);
    }

    #[test]
    fn no_code_stands_twice() {
        let mut codes: Vec<_> = TABLE.iter().map(|meaning| meaning.code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), TABLE.len());
    }
}
