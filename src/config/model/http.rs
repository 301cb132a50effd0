//! What is asked of requests to a `mode http` proxy that serves pages, and what becomes of them: `userlist`
//! sections, HTTP fetches, `http-request` rules and the answers that they give. Resolved; `rules` evaluates the
//! fetches and `stats` the rules.
//!
//! Answers are written over the sample they hold: the parser fills them with what is written, `resolve` with what
//! it means.

use std::sync::Arc;

use super::{Action, Condition, Sample};
use crate::config::secret::Secret;

/// Position of a `userlist` in [`super::Config::userlists`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserlistId(pub usize);

/// `userlist NAME`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Userlist {
    pub name: String,
    pub users: Vec<User>,
    /// Their names.
    pub groups: Vec<String>,
}

/// `user NAME ...`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub password: Password,
    /// Names of the groups that it belongs to, wherever that was said.
    pub groups: Vec<String>,
}

/// How a user proves who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Password {
    /// Nobody can.
    None,
    /// `insecure-password`
    Plain(Secret),
    /// `password`: what crypt(3) made of it.
    Crypted(Secret),
}

impl Userlist {
    /// The users of a group; `None` if there is no such group.
    pub fn members<'a>(&'a self, group: &'a str) -> Option<impl Iterator<Item = &'a User>> {
        self.groups
            .iter()
            .any(|known| known == group)
            .then(|| self.users.iter().filter(move |user| user.groups.iter().any(|own| own == group)))
    }
}

/// What a request to a `mode http` proxy of ours says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpFact {
    Method,
    Path,
    PathAndQuery,
    Url,
    Query,
    Version,
    /// `base`, `baseq`: the host, then the path.
    Base,
    BaseAndQuery,
    /// Whether it is HTTP at all.
    Spoken,
    /// Whether it is the first on its connection.
    First,
    Values(Values),
    /// How many of them there are.
    Count(Field, String),
    /// What its `Authorization` header says: the user, the password, the kind of it, a token.
    User,
    Password,
    Scheme,
    Bearer,
    /// Whether the login is one of that list.
    Login(UserlistId),
    /// The user's name, if so.
    Member(UserlistId),
}

/// Values that have the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Values {
    pub field: Field,
    /// Empty: all of them, whatever their names.
    pub name: String,
    /// From 1 on, or from the last one backwards from -1 on; 0: a condition holds if it does for any, and a
    /// sample is the one that HAProxy takes.
    pub occurrence: i64,
    pub cast: Cast,
}

/// Where values of one name come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// Headers, parted at commas.
    Header,
    /// Headers, commas and all.
    WholeHeader,
    Cookie,
    /// What follows the first such byte of the target.
    Parameter(u8),
}

/// What a value is read as; what cannot be is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cast {
    Text,
    Integer,
    Address,
}

/// `http-request` and `stats http-request` of a proxy that serves pages, and its `redirect` lines.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestRule {
    pub action: RequestAction,
    /// `None`: always.
    pub condition: Option<Condition>,
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum RequestAction {
    /// No later rule of the same section is asked.
    Allow,
    /// Asks for a login.
    Auth {
        realm: String,
    },
    Deny(Arc<Answer>),
    /// As the last, after a while.
    Tarpit(Arc<Answer>),
    /// The connection is closed without an answer.
    Reject,
    /// And the client does not hear of it.
    SilentDrop,
    Return(Arc<Answer>),
    Redirect(Arc<Redirect>),
    /// `use-service prometheus-exporter`.
    Export,
    /// Keeps or counts something; the next rule follows.
    Act {
        action: Action,
        lasts: Lasts,
    },
}

/// How long a variable lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasts {
    /// `txn`, `req`
    Request,
    /// `sess`
    Connection,
}

/// An answer that the config words.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer<S = Sample> {
    pub status: u16,
    pub headers: Vec<(String, Wording<S>)>,
    pub body: Body<S>,
}

/// What an answer says.
#[derive(Debug, Clone, PartialEq)]
pub enum Body<S = Sample> {
    /// HAProxy's own page for the status.
    Standard,
    Empty,
    /// Content type and text.
    Text(String, Wording<S>),
}

/// `redirect`
#[derive(Debug, Clone, PartialEq)]
pub struct Redirect<S = Sample> {
    pub to: To,
    pub place: Wording<S>,
    pub code: u16,
    /// `drop-query`, `append-slash`: of `prefix`.
    pub query: Query,
    pub slash: Slash,
    /// The value of `set-cookie`.
    pub cookie: Option<String>,
    /// `ignore-empty`: an empty place is none.
    pub empty: Empty,
}

/// What a redirection's place is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    Location,
    Prefix,
    Scheme,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Query {
    Kept,
    Dropped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slash {
    AsIs,
    Appended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Empty {
    Taken,
    Ignored,
}

/// A text with samples in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Wording<S = Sample>(pub Vec<Said<S>>);

#[derive(Debug, Clone, PartialEq)]
pub enum Said<S = Sample> {
    Text(Vec<u8>),
    Sample(S),
}

impl<S> Wording<S> {
    /// A text as it stands.
    pub fn plain(text: impl Into<Vec<u8>>) -> Wording<S> {
        Wording(vec![Said::Text(text.into())])
    }

    /// The same with other samples; `None` if one of them cannot be had.
    pub fn with<T>(&self, make: &mut impl FnMut(&S) -> Option<T>) -> Option<Wording<T>> {
        let part = |part: &Said<S>| {
            Some(match part {
                Said::Text(text) => Said::Text(text.clone()),
                Said::Sample(sample) => Said::Sample(make(sample)?),
            })
        };
        self.0.iter().map(part).collect::<Option<_>>().map(Wording)
    }
}

impl<S> Answer<S> {
    /// HAProxy's own page for a status.
    pub fn standard(status: u16) -> Answer<S> {
        Answer { status, headers: Vec::new(), body: Body::Standard }
    }

    /// As [`Wording::with`].
    pub fn with<T>(&self, make: &mut impl FnMut(&S) -> Option<T>) -> Option<Answer<T>> {
        let mut headers = Vec::with_capacity(self.headers.len());
        for (name, value) in &self.headers {
            headers.push((name.clone(), value.with(make)?));
        }
        let body = match &self.body {
            Body::Standard => Body::Standard,
            Body::Empty => Body::Empty,
            Body::Text(kind, text) => Body::Text(kind.clone(), text.with(make)?),
        };
        Some(Answer { status: self.status, headers, body })
    }
}

impl<S> Redirect<S> {
    /// As [`Wording::with`].
    pub fn with<T>(&self, make: &mut impl FnMut(&S) -> Option<T>) -> Option<Redirect<T>> {
        let place = self.place.with(make)?;
        let Redirect { to, code, query, slash, empty, .. } = *self;
        Some(Redirect { to, place, code, query, slash, cookie: self.cookie.clone(), empty })
    }
}
