//! Answers: HAProxy's pages for a status, logins, and what rules of the config word. The heads are HAProxy's, in
//! its order.

use std::borrow::Cow;

use crate::config::model::http::{Answer, Body, Empty, Query, Redirect, Slash, To};
use crate::config::rule::status;
use crate::rules::{self, Facts};

/// An answer. The shell adds what the protocol version asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    /// With the length, in their order.
    pub headers: Vec<(Cow<'static, str>, String)>,
    pub body: Vec<u8>,
    pub by: Answerer,
    /// After a refused login to the page HAProxy closes.
    pub then: Then,
}

/// Who answered: for counters and for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answerer {
    /// `monitor-uri`: never logged.
    Monitor,
    /// `<STATS>`
    Stats,
    /// `http-request deny`, `reject`.
    Rule,
    /// `http-request tarpit`
    Tarpit,
    /// `http-request auth`, `return`, `redirect`.
    Config,
    /// Nobody: there is no server.
    NoServer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    KeepAlive,
    Close,
}

impl Reply {
    /// A text of that type that no cache may keep.
    pub(super) fn new(status: u16, kind: &str, body: impl Into<Vec<u8>>, by: Answerer) -> Reply {
        let mut reply = Reply::bare(status, body, by);
        reply.push("cache-control", "no-cache");
        reply.push("content-type", kind);
        reply
    }

    /// A text without a word about it but its length.
    fn bare(status: u16, body: impl Into<Vec<u8>>, by: Answerer) -> Reply {
        let mut reply = Reply { status, headers: Vec::new(), body: body.into(), by, then: Then::KeepAlive };
        reply.push_length();
        reply
    }

    pub(super) fn push(&mut self, name: &'static str, value: impl Into<String>) {
        self.headers.push((Cow::Borrowed(name), value.into()));
    }

    /// No content has no length either (RFC 9110, 8.6).
    fn push_length(&mut self) {
        if self.status != 204 {
            let length = self.body.len().to_string();
            self.push("content-length", length);
        }
    }

    /// HAProxy's own page for a status.
    pub(super) fn page(status: u16, by: Answerer) -> Reply {
        Reply::new(status, "text/html", status::page(status).unwrap_or_default(), by)
    }

    /// Asks for a login.
    pub(super) fn login(realm: &str, by: Answerer) -> Reply {
        let mut reply = Reply::page(401, by);
        reply.push("www-authenticate", format!("Basic realm=\"{}\"", quoted(realm)));
        reply
    }

    /// What `return`, `deny` and `tarpit` say.
    pub(super) fn configured(answer: &Answer, facts: &impl Facts, by: Answerer) -> Reply {
        let (kind, body) = match &answer.body {
            Body::Standard => return Reply::page(answer.status, by),
            Body::Empty => (None, Vec::new()),
            Body::Text(kind, text) => {
                (Some(kind).filter(|kind| !kind.is_empty()), rules::worded(text, facts))
            }
        };
        let mut reply = Reply { status: answer.status, headers: Vec::new(), body, by, then: Then::KeepAlive };
        for (name, value) in &answer.headers {
            let value = String::from_utf8_lossy(&rules::worded(value, facts)).into_owned();
            reply.headers.push((Cow::Owned(name.clone()), value));
        }
        reply.push_length();
        reply.headers.extend(kind.map(|kind| (Cow::Borrowed("content-type"), kind.clone())));
        reply
    }

    /// Sends the client elsewhere; `None` if the rule says that this is nowhere.
    pub(super) fn redirect(redirect: &Redirect, facts: &impl Facts) -> Option<Reply> {
        let place = rules::worded(&redirect.place, facts);
        if place.is_empty() && redirect.empty == Empty::Ignored {
            return None;
        }
        let place = located(redirect, &String::from_utf8_lossy(&place), facts);
        let mut reply = Reply::bare(redirect.code, Vec::new(), Answerer::Config);
        reply.push("location", place);
        if !matches!(redirect.code, 301 | 308) {
            reply.push("cache-control", "no-cache");
        }
        if let Some(cookie) = &redirect.cookie {
            reply.push("set-cookie", cookie.clone());
        }
        Some(reply)
    }
}

fn located(redirect: &Redirect, place: &str, facts: &impl Facts) -> String {
    let request = facts.request();
    let target = request.map_or("/", |request| request.target);
    let target = match redirect.to {
        To::Location => return place.to_owned(),
        To::Prefix | To::Scheme => super::request::origin_form(target),
    };
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let query = query.filter(|_| redirect.query == Query::Kept);
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let slash = if redirect.slash == Slash::Appended && !path.ends_with('/') { "/" } else { "" };
    let before = match redirect.to {
        To::Scheme => {
            let headers = request.map(|request| request.headers).unwrap_or_default();
            let host = headers.iter().find(|(name, _)| name == "host");
            let host = host.map(|(_, value)| String::from_utf8_lossy(value)).unwrap_or_default();
            format!("{place}://{host}")
        }
        // The path brings its own slash.
        _ if place == "/" => String::new(),
        _ => place.to_owned(),
    };
    format!("{before}{path}{slash}{query}")
}

/// A quoted-string of RFC 9110: quotes and backslashes escaped.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
