//! What a request to a `mode http` proxy is answered with: `monitor-uri`, the stats page, or HAProxy's 503 of
//! a proxy without servers. Pure: request in, reply out.

use std::net::SocketAddr;

use super::action::{Code, Origin};
use super::request::{Format, Refresh, View};
use super::{ProcessFacts, auth, csv, html, json, prometheus, rows};
use crate::config::model::{BackendId, FrontendId, RequestAction, RequestRule, StatsPage};
use crate::log::Clock;
use crate::rules;
use crate::state::{Situation, Snapshot};
use crate::time::Tick;

/// What there is to answer with.
#[derive(Debug)]
pub struct World<'a> {
    pub snapshot: &'a Snapshot,
    pub facts: &'a ProcessFacts,
    pub clock: &'a Clock,
    pub now: Tick,
}

/// What matters of a request.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub method: Method,
    /// As in the request line.
    pub target: &'a str,
    pub authorization: Option<&'a [u8]>,
    pub client: Option<SocketAddr>,
    /// Of a form.
    pub origin: Origin,
    /// All of it, for conditions.
    pub http: rules::Request<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// GET or HEAD: the shell leaves the body out for HEAD.
    Read,
    Post,
    Other,
}

/// What a request comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Reply(Reply),
    /// Its body says what is to be done.
    Act(Act),
}

impl From<Reply> for Outcome {
    fn from(reply: Reply) -> Outcome {
        Outcome::Reply(reply)
    }
}

/// A form that may change something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    uri: String,
    view: View,
    /// `stats scope`
    pub scope: Vec<String>,
}

impl Act {
    /// Back to the page, which then says what became of it.
    pub fn done(&self, code: Code) -> Reply {
        let mut reply = reply(303, "text/plain", String::new(), Answerer::Stats);
        reply.headers.push(("location", format!("{}{}", self.uri, self.view.after(code))));
        if code == Code::TooLong {
            // The rest of the form is not read.
            reply.then = Then::Close;
        }
        reply
    }
}

/// An answer. The shell adds the length and what the protocol version asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
    pub by: Answerer,
    /// After a refused login HAProxy closes.
    pub then: Then,
}

/// Who answered: for counters and for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answerer {
    /// `monitor-uri`: never logged.
    Monitor,
    /// `<STATS>`
    Stats,
    /// `http-request deny`.
    Rule,
    /// Nobody: there is no server.
    NoServer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    KeepAlive,
    Close,
}

/// Answers one request that came to `frontend` and, if it led there, `backend`.
pub fn answer(
    world: &World<'_>,
    (frontend, backend): (FrontendId, Option<BackendId>),
    nonce: &str,
    request: Request<'_>,
) -> Outcome {
    let config = &world.snapshot.config;
    let Some(front) = config.frontends.get(frontend.0) else { return no_server().into() };
    let target = super::request::origin_form(request.target);
    let situation = situation(world, frontend, request);
    let monitored = front.monitor_uri.as_deref();
    // It may be written as a proxy's client writes it, with scheme and host.
    if (monitored == Some(target) || monitored == Some(request.target)) && request.method == Method::Read {
        let fails = front.monitor_fail.iter().any(|condition| rules::holds(Some(condition), &situation));
        return if fails { monitor_failed() } else { monitor() }.into();
    }
    let holds = |condition| rules::holds(Some(condition), &situation);
    let chosen = || front.rules.backends.iter().find(|(_, condition)| holds(condition)).map(|(id, _)| *id);
    let back =
        backend.or_else(chosen).or(front.default_backend).and_then(|BackendId(at)| config.backends.get(at));
    for list in [Some(&front.requests), back.map(|back| &back.requests)].into_iter().flatten() {
        match list.iter().find(|rule| rules::holds(rule.condition.as_ref(), &situation)) {
            Some(RequestRule { action: RequestAction::Export, .. }) => return export(world, target).into(),
            Some(RequestRule { action: RequestAction::Deny { status }, .. }) => {
                return refused(*status).into();
            }
            Some(RequestRule { action: RequestAction::Allow, .. }) | None => {}
        }
    }
    let page = front.stats.as_ref().or_else(|| back.and_then(|back| back.stats.as_ref()));
    let Some(page) = page else { return no_server().into() };
    let Some(view) = View::parse(&page.uri, target) else { return no_server().into() };
    if !auth::allowed(request.authorization, &page.users) {
        return unauthorized(&page.realm).into();
    }
    let may_change = page.admin.iter().any(|condition| rules::holds(Some(condition), &situation));
    match request.method {
        Method::Read => show(world, page, (&view, may_change), nonce).into(),
        Method::Post => {
            // HAProxy reads `;norefresh` only where there is a refresh.
            let refresh = if page.refresh.is_some() { view.refresh } else { Refresh::AsConfigured };
            let view = View { refresh, ..view };
            let act = Act { uri: page.uri.clone(), view, scope: page.scope.clone() };
            match may_change && request.origin == Origin::Here {
                true => Outcome::Act(act),
                false => act.done(Code::Denied).into(),
            }
        }
        Method::Other => no_server().into(),
    }
}

fn show(world: &World<'_>, settings: &StatsPage, (view, may_change): (&View, bool), nonce: &str) -> Reply {
    let World { snapshot, facts, clock, now } = *world;
    let page = html::Page { snapshot, facts, settings, view, may_change, clock, now };
    let table = || rows(snapshot, &page.selection(), now);
    let (kind, body) = match view.format {
        Format::Html => ("text/html; charset=utf-8", html::document(&page, nonce)),
        Format::Fragment => ("text/html; charset=utf-8", html::fragment(&page)),
        Format::Csv => ("text/plain", csv::render(&table())),
        Format::Json => ("application/json", json::render(&table())),
    };
    let mut reply = reply(200, kind, body, Answerer::Stats);
    match view.format {
        // The document refreshes itself: by its script, or by its own meta element without scripts.
        Format::Html => reply.headers.extend(document_headers(nonce)),
        Format::Fragment => {}
        Format::Csv | Format::Json => {
            let every = settings.refresh.filter(|_| view.refresh == Refresh::AsConfigured);
            reply.headers.extend(every.map(|every| ("refresh", every.as_secs().max(1).to_string())));
        }
    }
    reply.headers.push(("x-content-type-options", "nosniff".to_owned()));
    reply
}

/// Nothing from elsewhere, no script but ours, no frame around it. A browser that may not say where its form comes
/// from says `null`, so it may, to us alone.
fn document_headers(nonce: &str) -> [(&'static str, String); 2] {
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; \
         img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    [("content-security-policy", policy), ("referrer-policy", "same-origin".to_owned())]
}

fn monitor() -> Reply {
    let body = "<html><body><h1>200 OK</h1>\nService ready.\n</body></html>\n";
    reply(200, "text/html", body.to_owned(), Answerer::Monitor)
}

/// What conditions may ask of a request.
fn situation<'a>(world: &World<'a>, frontend: FrontendId, request: Request<'a>) -> Situation<'a> {
    Situation {
        frontend: Some(frontend),
        client: request.client,
        request: Some(request.http),
        ..Situation::of(world.snapshot, world.now)
    }
}

fn export(world: &World<'_>, target: &str) -> Reply {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let Some(wanted) = prometheus::Wanted::parse(query) else { return bad_request() };
    let body = prometheus::render(world.snapshot, world.facts, &wanted, world.now);
    reply(200, "text/plain; version=0.0.4", body, Answerer::Stats)
}

fn bad_request() -> Reply {
    let body =
        "<html><body><h1>400 Bad request</h1>\nYour browser sent an invalid request.\n</body></html>\n";
    reply(400, "text/html", body.to_owned(), Answerer::Stats)
}

fn monitor_failed() -> Reply {
    Reply { by: Answerer::Monitor, ..no_server() }
}

fn no_server() -> Reply {
    let body = "<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n\
                </body></html>\n";
    reply(503, "text/html", body.to_owned(), Answerer::NoServer)
}

fn unauthorized(realm: &str) -> Reply {
    let body = "<html><body><h1>401 Unauthorized</h1>\nYou need a valid user and password to access this \
                content.\n</body></html>\n";
    let mut reply = reply(401, "text/html", body.to_owned(), Answerer::Stats);
    reply.headers.push(("www-authenticate", format!("Basic realm=\"{}\"", quoted(realm))));
    reply.then = Then::Close;
    reply
}

/// `http-request deny`: HAProxy closes after it.
fn refused(status: u16) -> Reply {
    let (reason, why) = match status {
        404 => ("Not Found", "The resource could not be found."),
        429 => ("Too Many Requests", "You have sent too many requests in a given amount of time."),
        500 => ("Internal Server Error", "An internal server error occurred."),
        503 => ("Service Unavailable", "No server is available to handle this request."),
        _ => ("Forbidden", "Request forbidden by administrative rules."),
    };
    let body = format!("<html><body><h1>{status} {reason}</h1>\n{why}\n</body></html>\n");
    Reply { then: Then::Close, ..reply(status, "text/html", body, Answerer::Rule) }
}

fn reply(status: u16, kind: &str, body: String, by: Answerer) -> Reply {
    let headers = vec![("cache-control", "no-cache".to_owned()), ("content-type", kind.to_owned())];
    Reply { status, headers, body, by, then: Then::KeepAlive }
}

/// A quoted-string of RFC 9110: quotes and backslashes escaped.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
