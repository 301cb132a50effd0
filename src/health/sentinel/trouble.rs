//! Why a Sentinel is of no use, in words that name what to do about it and never a secret.

use std::fmt;

/// Longer error replies are cut.
const LONGEST: usize = 160;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// In the system's words.
    Connect(String),
    ConnectTimeout,
    /// It is connected and says nothing.
    Silent,
    /// It closed the connection, or broke it.
    Closed,
    NotResp,
    /// A Redis that is no Sentinel.
    NotSentinel,
    /// It does not watch a master of that name.
    NoSuchMaster(String),
    /// Any other error reply.
    Refused(String),
    /// SENTINEL MYID is not what was announced.
    OtherId,
    /// Redis before 6.2 does not know SENTINEL MYID.
    NoIdentity,
    /// It answers with the identity of another one that is watched.
    SameAs(String),
    /// No Redis that it names is a server of the backend.
    NotOurs(String),
    /// A reply of another form than Sentinels give.
    Unreadable(&'static str),
}

impl Trouble {
    /// Reads an error reply.
    pub(super) fn refused(error: &[u8], master: &str) -> Trouble {
        let shown: String = error.iter().take(4 * LONGEST).map(|byte| char::from(*byte)).collect();
        let shown: String =
            shown.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect();
        let lower = shown.to_ascii_lowercase();
        if lower.contains("no such master with that name") {
            return Trouble::NoSuchMaster(master.to_owned());
        }
        if lower.contains("unknown command") && lower.contains("sentinel") {
            return Trouble::NotSentinel;
        }
        // Redis repeats what it was sent, passwords too.
        let end = [", with args beginning with", " `", " '"].iter().filter_map(|mark| shown.find(mark)).min();
        let mut text = shown;
        text.truncate(end.unwrap_or(LONGEST).min(LONGEST));
        Trouble::Refused(text)
    }

    /// Whether the peer may be well and only slow: it did not answer, and did not hang up or refuse either.
    pub(super) fn may_be_slowness(&self) -> bool {
        matches!(self, Trouble::Silent | Trouble::ConnectTimeout)
    }

    /// Whether the peer has shown that it is not who was announced.
    pub(super) fn is_final(&self) -> bool {
        matches!(
            self,
            Trouble::NotResp
                | Trouble::NotSentinel
                | Trouble::OtherId
                | Trouble::NoSuchMaster(_)
                | Trouble::Unreadable(_)
        )
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Connect(error) => write!(f, "cannot connect: {error}"),
            Trouble::ConnectTimeout => f.write_str("cannot connect: no answer in time"),
            Trouble::Silent => f.write_str("does not answer in time"),
            Trouble::Closed => f.write_str("closed the connection"),
            Trouble::NotResp => f.write_str("speaks another protocol than Redis"),
            Trouble::NotSentinel => f.write_str("is a Redis, and no Sentinel"),
            Trouble::NoSuchMaster(name) => write!(f, "watches no master '{name}'"),
            Trouble::Refused(error) => write!(f, "answers {error}"),
            Trouble::NoIdentity => {
                f.write_str("does not know SENTINEL MYID; name it in a 'sentinels' section")
            }
            Trouble::OtherId => f.write_str("has another identity than was announced"),
            Trouble::SameAs(name) => write!(f, "is the same Sentinel as {name}"),
            Trouble::NotOurs(node) => {
                write!(
                    f,
                    "watches {node}, which is no server of this backend, and neither is a replica of it"
                )
            }
            Trouble::Unreadable(what) => write!(f, "gives no readable answer to {what}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_named_without_secrets() {
        let named = |error: &str| Trouble::refused(error.as_bytes(), "mymaster").to_string();
        let table = [
            ("ERR No such master with that name", "watches no master 'mymaster'"),
            (
                "ERR unknown command `SENTINEL`, with args beginning with: `MYID`",
                "is a Redis, and no Sentinel",
            ),
            (
                "ERR unknown command 'SENTINEL', with args beginning with: 'MYID' ",
                "is a Redis, and no Sentinel",
            ),
            ("NOAUTH Authentication required.", "answers NOAUTH Authentication required."),
            (
                "ERR unknown command 'AUTH', with args beginning with: 'hunter2'",
                "answers ERR unknown command",
            ),
            ("LOADING Redis is loading\r the dataset", "answers LOADING Redis is loading? the dataset"),
        ];
        for (error, expected) in table {
            assert_eq!(named(error), expected);
        }
        assert!(named(&"x".repeat(5000)).len() < 200);
    }
}
