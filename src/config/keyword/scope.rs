//! Places where a keyword may stand: the sections, and the lines that have options of their own.

use std::fmt;

/// One place. `Display` is the word that opens the section, or the line's keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Between sections, and anywhere: section keywords and the `.if` family.
    File,
    Global,
    Defaults,
    Frontend,
    Backend,
    Listen,
    /// Options of `server`, `default-server` and `server-template`.
    Server,
    /// Options of `bind`.
    Bind,
    /// Options of `stats socket`, which is a `bind` line with rights.
    StatsSocket,
    /// Options of `tcp-check connect` and `http-check connect`.
    CheckConnect,
    /// Options of `tcp-check expect`.
    CheckExpect,
    /// Options of `http-check send`.
    HttpSend,
    /// Options of `http-check expect`.
    HttpExpect,
    Resolvers,
    Peers,
    Userlist,
    Mailers,
    Cache,
    Ring,
    HttpErrors,
    Sentinels,
    /// Sections of which rolecall takes or refuses the whole: what stands in them is not looked at.
    Other,
}

impl Scope {
    /// Every place, in the order of the table.
    pub const ALL: [Scope; 22] = [
        Scope::File,
        Scope::Global,
        Scope::Defaults,
        Scope::Frontend,
        Scope::Backend,
        Scope::Listen,
        Scope::Server,
        Scope::Bind,
        Scope::StatsSocket,
        Scope::CheckConnect,
        Scope::CheckExpect,
        Scope::HttpSend,
        Scope::HttpExpect,
        Scope::Resolvers,
        Scope::Peers,
        Scope::Userlist,
        Scope::Mailers,
        Scope::Cache,
        Scope::Ring,
        Scope::HttpErrors,
        Scope::Sentinels,
        Scope::Other,
    ];

    /// The section that a word opens.
    pub fn of_section(word: &str) -> Option<Scope> {
        Some(match word {
            "global" => Scope::Global,
            "defaults" => Scope::Defaults,
            "frontend" => Scope::Frontend,
            "backend" => Scope::Backend,
            "listen" => Scope::Listen,
            "resolvers" => Scope::Resolvers,
            "peers" => Scope::Peers,
            "userlist" => Scope::Userlist,
            "mailers" => Scope::Mailers,
            "cache" => Scope::Cache,
            "ring" => Scope::Ring,
            "http-errors" => Scope::HttpErrors,
            "sentinels" => Scope::Sentinels,
            "program" | "log-forward" | "fcgi-app" | "log-profile" | "traces" | "crt-store" | "acme"
            | "healthcheck" => Scope::Other,
            _ => return None,
        })
    }

    /// Whether it is a section, not a line's options.
    pub fn is_section(self) -> bool {
        !matches!(
            self,
            Scope::Server
                | Scope::Bind
                | Scope::CheckConnect
                | Scope::CheckExpect
                | Scope::HttpSend
                | Scope::HttpExpect
                | Scope::StatsSocket
        )
    }

    /// ` on a bind line` and the like; nothing for sections, whose messages name the place themselves.
    pub(super) fn place(self) -> &'static str {
        match self {
            Scope::Server => " on a server line",
            Scope::Bind => " on a bind line",
            Scope::CheckConnect => " on a 'tcp-check connect' or 'http-check connect' line",
            Scope::StatsSocket => " on a 'stats socket' line",
            Scope::CheckExpect => " on a 'tcp-check expect' line",
            Scope::HttpSend => " on an 'http-check send' line",
            Scope::HttpExpect => " on an 'http-check expect' line",
            _ => "",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Scope::File => "file",
            Scope::Global => "global",
            Scope::Defaults => "defaults",
            Scope::Frontend => "frontend",
            Scope::Backend => "backend",
            Scope::Listen => "listen",
            Scope::Server => "server",
            Scope::Bind => "bind",
            Scope::CheckConnect => "tcp-check connect, http-check connect",
            Scope::StatsSocket => "stats socket",
            Scope::CheckExpect => "tcp-check expect",
            Scope::HttpSend => "http-check send",
            Scope::HttpExpect => "http-check expect",
            Scope::Resolvers => "resolvers",
            Scope::Peers => "peers",
            Scope::Userlist => "userlist",
            Scope::Mailers => "mailers",
            Scope::Cache => "cache",
            Scope::Ring => "ring",
            Scope::HttpErrors => "http-errors",
            Scope::Sentinels => "sentinels",
            Scope::Other => "other sections",
        })
    }
}
