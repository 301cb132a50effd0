//! Where conditions stand, and what is known there (the capability matrix of `haproxy -dKsmp`).

use std::fmt;

/// A rule that has a condition. `Display` is HAProxy's name for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Connection,
    Session,
    FrontendContent,
    FrontendHttp,
    UseBackend,
    BackendContent,
    BackendHttp,
    /// `use-server`, `stick on|match|store-request`.
    UseServer,
    /// `tcp-response content` of a backend.
    Response,
    StickStore,
    /// The line at the end of a session.
    Log,
}

/// From when on a fetch has something to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Wherever there is a session.
    Always,
    /// Once the client's handshake is over; HAProxy has rules for connections before that.
    Handshake,
    /// From the first byte of the client to the choice of a server.
    Request,
    /// As the last, and as a key of `stick store-response`.
    Either,
    /// Wherever bytes of a side may be waited for.
    Said,
    /// Once a backend is chosen.
    Backend,
    /// Once a server is chosen.
    Server,
    /// With the first byte of the server.
    Response,
}

impl Seen {
    /// Whether a rule at that place can know it.
    pub fn is_known_at(self, place: Place) -> bool {
        use Place::{BackendContent, BackendHttp, Log, Response, StickStore, UseServer};
        match self {
            Seen::Always => true,
            Seen::Handshake => place != Place::Connection,
            Seen::Request => {
                !matches!(place, Place::Connection | Place::Session | Response | StickStore | Log)
            }
            Seen::Either => Seen::Request.is_known_at(place) || place == StickStore,
            Seen::Said => Seen::Request.is_known_at(place) || matches!(place, Response | StickStore),
            Seen::Backend => {
                matches!(place, BackendContent | BackendHttp | UseServer | Response | StickStore | Log)
            }
            Seen::Server | Seen::Response => matches!(place, Response | StickStore | Log),
        }
    }
}

impl Place {
    /// The keyword that HAProxy's warnings name; none where they name only the place.
    pub fn keyword(self) -> Option<&'static str> {
        match self {
            Place::Connection => Some("tcp-request connection"),
            Place::Session => Some("tcp-request session"),
            Place::FrontendContent | Place::BackendContent => Some("tcp-request content"),
            Place::Response => Some("tcp-response content"),
            _ => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Place::Connection => "frontend tcp-request connection rule",
            Place::Session => "frontend tcp-request session rule",
            Place::FrontendContent => "frontend tcp-request content rule",
            Place::FrontendHttp => "frontend http-request header rule",
            Place::UseBackend => "frontend use-backend rule",
            Place::BackendContent => "backend tcp-request content rule",
            Place::BackendHttp => "backend http-request header rule",
            Place::UseServer => "backend use-server, balance or stick-match rule",
            Place::Response => "backend tcp-response content rule",
            Place::StickStore => "backend stick-store rule",
            Place::Log => "log format",
        })
    }
}
