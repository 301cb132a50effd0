//! What a request to a `mode http` proxy is answered with: `monitor-uri`, what rules decide, the stats page, or
//! HAProxy's 503 of a proxy without servers. Pure but for what rules count: request in, outcome out.
//!
//! The order is HAProxy's: the frontend's rules, its page, its redirections; then the backend is chosen, and the
//! same three are asked of it.

use std::net::SocketAddr;
use std::time::Duration;

use super::action::{Code, Origin};
use super::ledger::Ledger;
use super::reply::{Answerer, Reply, Then};
use super::request::{Format, Refresh, View};
use super::{ProcessFacts, auth, csv, html, json, prometheus, rows};
use crate::config::model::http::Answer;
use crate::config::model::{
    Backend, BackendId, Condition, FrontendId, RequestAction, RequestRule, StatsPage,
};
use crate::log::Clock;
use crate::rules;
use crate::state::{Situation, Snapshot};
use crate::time::Tick;
use crate::tls;

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
    /// Where it came to, and by which of the frontend's listeners.
    pub local: Option<SocketAddr>,
    pub bind: Option<usize>,
    /// What the client's handshake told.
    pub tls: Option<&'a tls::Facts>,
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
    /// `tarpit`: after so long.
    Later(Reply, Duration),
    /// The connection ends without an answer.
    Refuse(Silence),
}

/// Whether a client whose connection ends hears of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    Audible,
    Complete,
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
        let mut reply = Reply::new(303, "text/plain", "", Answerer::Stats);
        reply.push("location", format!("{}{}", self.uri, self.view.after(code)));
        if code == Code::TooLong {
            // The rest of the form is not read.
            reply.then = Then::Close;
        }
        reply
    }
}

/// Answers one request that came to `frontend` and, if it led there, `backend`.
pub fn answer(
    world: &World<'_>,
    (frontend, backend): (FrontendId, Option<BackendId>),
    nonce: &str,
    request: Request<'_>,
    ledger: &mut Ledger,
) -> Outcome {
    let config = &world.snapshot.config;
    let Some(front) = config.frontends.get(frontend.0) else { return no_server().into() };
    ledger.begin(world.now);
    let mut court = Court { world, nonce, frontend, backend: None, request, ledger };
    let target = super::request::origin_form(request.target);
    let monitored = front.monitor_uri.as_deref();
    // It may be written as a proxy's client writes it, with scheme and host.
    if (monitored == Some(target) || monitored == Some(request.target)) && request.method == Method::Read {
        let fails = front.monitor_fail.iter().any(|condition| court.holds(Some(condition)));
        return if fails { monitor_failed() } else { monitor() }.into();
    }
    let (stats, wait) = (front.stats.as_ref(), front.timeout_tarpit);
    let half = Half { requests: &front.requests, redirects: &front.redirects, stats, wait };
    if let Some(outcome) = court.pass(half) {
        return outcome;
    }
    let chosen = || front.rules.backends.iter().find(|(_, condition)| court.holds(Some(condition)));
    let back = backend.or_else(|| chosen().map(|(id, _)| *id)).or(front.default_backend);
    court.backend = back;
    let back = back.and_then(|BackendId(at)| config.backends.get(at));
    let Some(back) = back else { return no_server().into() };
    // The two halves of a `listen` have one set of rules.
    let own = front.is_listen && back.is_listen && front.name == back.name;
    let half = match own {
        true => Half { requests: &[], redirects: &[], ..Half::of_backend(back) },
        false => Half::of_backend(back),
    };
    court.pass(half).unwrap_or_else(|| no_server().into())
}

/// One request, and what is known of it so far.
struct Court<'a> {
    world: &'a World<'a>,
    nonce: &'a str,
    frontend: FrontendId,
    /// Once it is chosen.
    backend: Option<BackendId>,
    request: Request<'a>,
    ledger: &'a mut Ledger,
}

/// What a frontend or a backend says about requests.
#[derive(Clone, Copy)]
struct Half<'a> {
    requests: &'a [RequestRule],
    redirects: &'a [RequestRule],
    stats: Option<&'a StatsPage>,
    /// `timeout tarpit`
    wait: Option<Duration>,
}

impl<'a> Half<'a> {
    fn of_backend(back: &'a Backend) -> Half<'a> {
        let (stats, wait) = (back.stats.as_ref(), back.timeout_tarpit);
        Half { requests: &back.requests, redirects: &back.redirects, stats, wait }
    }
}

impl Court<'_> {
    /// What conditions may ask.
    fn situation(&self) -> Situation<'_> {
        let Request { client, local, bind, tls, http, .. } = self.request;
        let notes = self.ledger.notes();
        Situation {
            frontend: Some(self.frontend),
            backend: self.backend,
            client,
            destination: local,
            bind,
            tls,
            request: Some(http),
            variables: &notes.variables,
            tracked: &notes.tracked,
            ..Situation::of(self.world.snapshot, self.world.now)
        }
    }

    fn holds(&self, condition: Option<&Condition>) -> bool {
        rules::holds(condition, &self.situation())
    }

    /// As HAProxy: rules, then a page that is asked for, then redirections.
    fn pass(&mut self, half: Half<'_>) -> Option<Outcome> {
        if let Some(outcome) = self.judge(half.requests, half.wait) {
            return Some(outcome);
        }
        let target = super::request::origin_form(self.request.target);
        let page = half.stats.and_then(|page| Some((page, View::parse(&page.uri, target)?)));
        match page {
            Some((page, view)) => Some(self.page(page, view, half.wait)),
            None => self.judge(half.redirects, half.wait),
        }
    }

    /// Goes through a list until a rule decides.
    fn judge(&mut self, list: &[RequestRule], wait: Option<Duration>) -> Option<Outcome> {
        for rule in list {
            if !self.holds(rule.condition.as_ref()) {
                continue;
            }
            match &rule.action {
                RequestAction::Allow => return None,
                RequestAction::Act { action, lasts } => {
                    let value = action.sample().and_then(|sample| rules::sample(sample, &self.situation()));
                    let World { snapshot, now, .. } = *self.world;
                    self.ledger.perform((action, *lasts), value, snapshot, now);
                }
                decision => {
                    let decided = self.decide(decision, wait);
                    if decided.is_some() {
                        return decided;
                    }
                }
            }
        }
        None
    }

    fn decide(&self, action: &RequestAction, wait: Option<Duration>) -> Option<Outcome> {
        let configured = |answer: &Answer, by| Reply::configured(answer, &self.situation(), by);
        Some(match action {
            RequestAction::Auth { realm } => Reply::login(realm, Answerer::Config).into(),
            RequestAction::Deny(answer) => configured(answer, Answerer::Rule).into(),
            RequestAction::Return(answer) => configured(answer, Answerer::Config).into(),
            RequestAction::Tarpit(answer) => {
                Outcome::Later(configured(answer, Answerer::Tarpit), wait.unwrap_or_default())
            }
            RequestAction::Redirect(redirect) => Reply::redirect(redirect, &self.situation())?.into(),
            RequestAction::Reject => Outcome::Refuse(Silence::Audible),
            RequestAction::SilentDrop => Outcome::Refuse(Silence::Complete),
            RequestAction::Export => export(self.world, self.request.target).into(),
            RequestAction::Allow | RequestAction::Act { .. } => return None,
        })
    }

    /// The stats page.
    fn page(&mut self, page: &StatsPage, view: View, wait: Option<Duration>) -> Outcome {
        if let Some(mut outcome) = self.judge(&page.requests, wait) {
            if let Outcome::Reply(reply) = &mut outcome {
                (reply.by, reply.then) = (Answerer::Stats, Then::Close);
            }
            return outcome;
        }
        if !auth::allowed(self.request.authorization, &page.users) {
            return Reply { then: Then::Close, ..Reply::login(&page.realm, Answerer::Stats) }.into();
        }
        let may_change = page.admin.iter().any(|condition| self.holds(Some(condition)));
        match self.request.method {
            Method::Read => show(self.world, page, (&view, may_change), self.nonce).into(),
            Method::Post => {
                // HAProxy reads `;norefresh` only where there is a refresh.
                let refresh = if page.refresh.is_some() { view.refresh } else { Refresh::AsConfigured };
                let view = View { refresh, ..view };
                let act = Act { uri: page.uri.clone(), view, scope: page.scope.clone() };
                match may_change && self.request.origin == Origin::Here {
                    true => Outcome::Act(act),
                    false => act.done(Code::Denied).into(),
                }
            }
            Method::Other => no_server().into(),
        }
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
    let mut reply = Reply::new(200, kind, body, Answerer::Stats);
    match view.format {
        // The document refreshes itself: by its script, or by its own meta element without scripts.
        Format::Html => document_headers(nonce).into_iter().for_each(|(name, value)| reply.push(name, value)),
        Format::Fragment => {}
        Format::Csv | Format::Json => {
            let every = settings.refresh.filter(|_| view.refresh == Refresh::AsConfigured);
            every.into_iter().for_each(|every| reply.push("refresh", every.as_secs().max(1).to_string()));
        }
    }
    reply.push("x-content-type-options", "nosniff");
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

fn export(world: &World<'_>, target: &str) -> Reply {
    let target = super::request::origin_form(target);
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let Some(wanted) = prometheus::Wanted::parse(query) else { return Reply::page(400, Answerer::Stats) };
    let body = prometheus::render(world.snapshot, world.facts, &wanted, world.now);
    Reply::new(200, "text/plain; version=0.0.4", body, Answerer::Stats)
}

fn monitor() -> Reply {
    Reply::page(200, Answerer::Monitor)
}

fn monitor_failed() -> Reply {
    Reply::page(503, Answerer::Monitor)
}

fn no_server() -> Reply {
    Reply::page(503, Answerer::NoServer)
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
