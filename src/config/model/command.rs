//! `stats socket`: where commands come in, and what they may do (manual section 3.1).

use super::Bind;

/// What a client of the runtime socket may do; each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Level {
    User,
    /// HAProxy's default.
    #[default]
    Operator,
    Admin,
}

impl Level {
    const ALL: [Level; 3] = [Level::User, Level::Operator, Level::Admin];

    /// As `level` in the config and `show cli level` say it.
    pub fn name(self) -> &'static str {
        match self {
            Level::User => "user",
            Level::Operator => "operator",
            Level::Admin => "admin",
        }
    }

    /// The level of that name.
    pub fn named(name: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| level.name() == name)
    }
}

/// One `stats socket`.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandSocket {
    pub bind: Bind,
    pub level: Level,
    /// `expose-fd listeners`: who connects may have the process's listening sockets.
    pub exposes_listeners: bool,
}

/// Mode and owner of a unix socket's file; what is left out is as the process makes it (`mode`, `user`, `group`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileAccess {
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
}

impl FileAccess {
    /// With the other's word where it has none of its own.
    pub fn or(self, other: FileAccess) -> FileAccess {
        FileAccess {
            mode: self.mode.or(other.mode),
            uid: self.uid.or(other.uid),
            gid: self.gid.or(other.gid),
        }
    }
}
