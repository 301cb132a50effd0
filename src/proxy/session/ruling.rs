//! Rules on the way in: `tcp-request`, `use_backend`, and what `use-server` and conditions need to know. A
//! frontend without rules has no [`Ruling`] and pays for nothing.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::super::assign::{Choice, Pool};
use super::super::contract::{Close, Op, Side};
use super::hearing::Hearing;
use super::{Context, GONE, Session, SessionOrigin, Silence, Stage};
use crate::balance;
use crate::config::model::{
    Action, BackendId, Balance, Counter, Frontend, HashFunction, LogLevel, Rule, Rules, Server, Stick,
    TableId, Value, VariableId,
};
use crate::proxy_protocol::{Announced, HeaderError};
use crate::rules::stick::Table;
use crate::rules::{self, Truth};
use crate::state::{Cause, Notes, Phase, Termination, TrackedEntry, lock};
use crate::time::Tick;
use crate::tls::Facts;

/// What rules know and keep of one session.
#[derive(Debug, Default)]
pub(super) struct Ruling {
    pub(super) destination: Option<SocketAddr>,
    /// Where it connects to, and where from, if the log asks for it.
    pub(super) server_target: Option<SocketAddr>,
    pub(super) server_source: Option<SocketAddr>,
    /// What the handshake with the server told.
    pub(super) server_tls: Option<Box<Facts>>,
    /// Position of the listener among the frontend's.
    pub(super) bind: usize,
    /// The ends of the client's connection, if the session has others.
    pub(super) connection: Option<(Option<SocketAddr>, Option<SocketAddr>)>,
    /// A PROXY header came.
    pub(super) introduced: bool,
    /// From the accept until header and handshake were over.
    pub(super) handshake: Duration,
    pub(super) variables: Vec<(VariableId, Value)>,
    /// What is kept for the log, by slot.
    pub(super) captures: Vec<Option<Vec<u8>>>,
    /// How severely it is logged.
    pub(super) level: Option<LogLevel>,
    pub(super) tracked: [Option<TrackedEntry>; 3],
    /// What the client has said, as far as rules ask for it.
    pub(super) said: Vec<u8>,
    /// It was looked at.
    pub(super) waits: bool,
    /// Nothing more is waited for.
    pub(super) complete: bool,
    /// The content rule that is next.
    pub(super) next: usize,
    /// Rules wait for what the server says.
    pub(super) hearing: Option<Hearing>,
    /// Under which keys the server is to be remembered, once rules have let its response pass.
    pub(super) keys: Vec<(TableId, Vec<u8>)>,
    /// A rule has closed it.
    pub(super) closes: bool,
    /// A header that was taken off before.
    pub(super) announced: Option<Announced>,
    /// `expect-proxy`
    pub(super) expects_header: bool,
    /// It was refused for that.
    pub(super) refused: Option<HeaderError>,
}

/// What a list of rules comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Accepted,
    Rejected,
    /// As the last, and the client does not hear of it.
    Dropped,
    /// Of a response: no more of it, without a complaint.
    Closed,
    /// More bytes may decide it.
    Early,
}

/// The longest pause between two looks at a client that has not said enough, in milliseconds. The first look is
/// taken at once and the second a millisecond later: who begins to speak at all does so early.
const LONGEST_PAUSE: u16 = 64;

/// HAProxy's code for a session that a rule refused.
const REFUSED: Termination = Termination::new(Cause::Proxy, Phase::Request);

impl Ruling {
    /// For a session of a frontend that has rules, or one that speaks TLS.
    pub(super) fn new(origin: &SessionOrigin, now: Tick) -> Box<Ruling> {
        let SessionOrigin { destination, bind, announced, .. } = *origin;
        let handshake = now.since(origin.accepted);
        Box::new(Ruling { destination, bind, announced, handshake, ..Ruling::default() })
    }

    /// Does what a rule says with the value of its sample.
    pub(super) fn perform(&mut self, action: &Action, value: Option<Value>, context: &Context<'_>) {
        match action {
            Action::SetVariable { variable, when, .. } => self.set_variable((*variable, when), value),
            Action::UnsetVariable(variable) => self.forget(*variable),
            Action::Track { slot, table, .. } => {
                let slot = &mut self.tracked[usize::from(*slot).min(2)];
                let table = context.snapshot.tables.get(table.0);
                // As in HAProxy the first rule that tracks in a slot keeps it.
                if let (None, Some(table), Some(key)) = (&slot, table, value) {
                    *slot = TrackedEntry::of(table, &key, context.now);
                }
            }
            Action::Count { slot, counter } => {
                if let Some(Some(entry)) = self.tracked.get(usize::from(*slot)) {
                    entry.add(*counter, 1, context.now);
                    counter.rate().into_iter().for_each(|rate| entry.add(rate, 1, context.now));
                }
            }
            Action::SetTag { slot, tag, .. } => {
                let tracked = self.tracked.get(usize::from(*slot));
                if let (Some(Some(entry)), Some(Value::Integer(value))) = (tracked, value) {
                    entry.set(Counter::Tag(*tag), value, context.now);
                }
            }
            Action::ExpectProxy => self.expects_header = true,
            Action::SetLogLevel(level) => self.level = Some(*level),
            Action::Capture { slot, length, .. } => self.capture(*slot, *length, value),
            // Decided before, or done by the session itself.
            Action::Accept | Action::Reject | Action::Close | Action::SilentDrop => {}
            Action::Rewrite { .. } | Action::Mark(_) | Action::SetText { .. } => {}
        }
    }

    /// For whoever serves the client from now on.
    pub(super) fn into_notes(self) -> Notes {
        Notes { variables: self.variables, tracked: self.tracked }
    }

    /// What the server has said so far takes the place of what the client said.
    pub(super) fn hear(&mut self, bytes: &[u8], complete: bool) {
        self.said.clear();
        self.said.extend_from_slice(bytes);
        (self.complete, self.waits) = (complete, true);
    }

    /// Bytes from the client and from the server.
    pub(super) fn count_bytes(&self, [from_client, from_server]: [u64; 2]) {
        let counters = [
            (Counter::BytesIn, from_client),
            (Counter::BytesInRate, from_client),
            (Counter::BytesOut, from_server),
            (Counter::BytesOutRate, from_server),
        ];
        self.count(&counters, Tick::now());
    }

    /// Counts at every entry that it tracks.
    pub(super) fn count(&self, counters: &[(Counter, u64)], now: Tick) {
        for entry in self.tracked.iter().flatten() {
            counters.iter().for_each(|(counter, more)| entry.add(*counter, *more, now));
        }
    }

    fn forget(&mut self, variable: VariableId) {
        self.variables.retain(|(known, _)| *known != variable);
    }
}

/// Whoever is dropped without a word is reset, and does not hear of that.
pub(super) fn hush_if_dropped(verdict: Verdict, ops: &mut Vec<Op>) {
    if verdict == Verdict::Dropped {
        ops.extend([Op::Hush, Op::Close(Side::Client, Close::Reset)]);
    }
}

impl Session {
    /// Whether the rules of its frontend let the session in; if not, it is over, or owes a PROXY header.
    pub(super) fn let_in(&mut self, frontend: &Frontend, context: &Context<'_>, ops: &mut Vec<Op>) -> bool {
        let rules = &frontend.rules;
        let verdict = self.judge(&rules.connection, context, ops);
        if matches!(verdict, Verdict::Rejected | Verdict::Dropped) {
            self.admission.frontend().denied_connections.add(1);
            hush_if_dropped(verdict, ops);
            ops.push(Op::Close(Side::Client, Close::Reset));
            self.turn_away(ops);
            return false;
        }
        if let Some(Announced(addresses)) = self.ruling.as_ref().and_then(|ruling| ruling.announced) {
            self.adopt_announced(addresses);
        } else if self.owes_header(frontend) {
            self.await_header(context, ops);
            return false;
        }
        self.let_session_in(frontend, context, ops)
    }

    /// The rules for sessions, and those for what they say.
    pub(super) fn let_session_in(
        &mut self,
        frontend: &Frontend,
        context: &Context<'_>,
        ops: &mut Vec<Op>,
    ) -> bool {
        let rules = &frontend.rules;
        let verdict = self.judge(&rules.session, context, ops);
        if matches!(verdict, Verdict::Rejected | Verdict::Dropped) {
            self.admission.frontend().denied_sessions.add(1);
            hush_if_dropped(verdict, ops);
            self.turn_away(ops);
            return false;
        }
        if rules.holds_back_sessions() {
            self.admission.count_session(context.now);
        }
        if let Some(ruling) = &self.ruling {
            ruling.count(&[(Counter::Sessions, 1), (Counter::SessionRate, 1)], context.now);
        }
        self.inspect(context, ops)
    }

    /// Content rules of the proxy that it has come to: `false` if they refuse, and the session is over, or if
    /// they wait for what the client says, and the session with them.
    pub(super) fn inspect(&mut self, context: &Context<'_>, ops: &mut Vec<Op>) -> bool {
        let (Some(rules), Some(ruling)) = (self.rules_here(context), &mut self.ruling) else { return true };
        ruling.next = 0;
        // The frontend's time is not the backend's.
        let is_anew = self.backend_at != GONE && !rules.content.is_empty() && rules.inspect_delay.is_some();
        if rules.reads_payload && (!ruling.complete || is_anew) {
            let until = context.now + rules.inspect_delay.unwrap_or_default();
            self.stage = Stage::Inspecting { until, look: context.now, pause: 0 };
            self.set_limits(context);
            ops.push(Op::Peek);
            return false;
        }
        self.judge_content(rules, context, ops)
    }

    /// What the client has said so far; `ended` if it will say no more, or nobody would listen.
    pub fn said(&mut self, bytes: &[u8], ended: bool, context: &Context<'_>, ops: &mut Vec<Op>) {
        if self.is_greeting() {
            return self.hear_header(bytes, ended, context, ops);
        }
        let Stage::Inspecting { until, pause, .. } = self.stage else {
            return self.looked_at(bytes.len(), ended, context, ops);
        };
        let (Some(rules), Some(ruling)) = (self.rules_here(context), &mut self.ruling) else { return };
        let over = ended || context.now >= until;
        let before = ruling.said.len();
        ruling.said.clear();
        ruling.said.extend_from_slice(bytes);
        ruling.complete = over;
        ruling.waits = true;
        self.heard_so_far(before, bytes.len(), context.now);
        if !self.judge_content(rules, context, ops) {
            if self.silence_due() <= context.now {
                self.ended_in_rules(Cause::ClientTimeout, context, ops);
            } else if self.stage != Stage::Over {
                let pause = (pause * 2).clamp(1, LONGEST_PAUSE);
                let look = context.now + Duration::from_millis(pause.into());
                self.stage = Stage::Inspecting { until, look, pause };
            }
            return;
        }
        self.stage = Stage::New;
        self.silence = if bytes.is_empty() { Silence::Excused } else { Silence::Broken };
        if self.backend_at == GONE {
            self.choose_backend(context, ops);
        } else {
            self.choose_server(context, ops);
        }
    }

    /// The same for a client that says no more; `false` if they refuse.
    pub(super) fn judge_what_there_is(&mut self, context: &Context<'_>, ops: &mut Vec<Op>) -> bool {
        let (Some(rules), Some(ruling)) = (self.rules_here(context), &mut self.ruling) else { return true };
        ruling.complete = true;
        self.judge_content(rules, context, ops)
    }

    /// The rules of the backend once it is chosen, before that the frontend's.
    fn rules_here<'a>(&self, context: &Context<'a>) -> Option<&'a Rules> {
        match self.pool(context) {
            Some(pool) => Some(&pool.backend().rules),
            None => self.frontend(context).map(|frontend| &frontend.rules),
        }
    }

    fn judge_content(&mut self, rules: &Rules, context: &Context<'_>, ops: &mut Vec<Op>) -> bool {
        match self.judge(&rules.content, context, ops) {
            Verdict::Accepted | Verdict::Closed => return true,
            Verdict::Early => {}
            verdict @ (Verdict::Rejected | Verdict::Dropped) => {
                self.admission.frontend().traffic.denied.add(1);
                hush_if_dropped(verdict, ops);
                self.end(REFUSED, context, ops);
            }
        }
        false
    }

    /// The backend of the first condition that holds, else the default one.
    pub(super) fn chosen_backend(&self, frontend: &Frontend, context: &Context<'_>) -> Option<BackendId> {
        let conditional = &frontend.rules.backends;
        if conditional.is_empty() {
            return frontend.default_backend;
        }
        let situation = self.situation(context);
        let holds = |condition| rules::holds(Some(condition), &situation);
        let chosen = conditional.iter().find(|(_, condition)| holds(condition));
        chosen.map(|(backend, _)| *backend).or(frontend.default_backend)
    }

    /// The place that `use-server` names, if one of its conditions holds and its server may be used.
    pub(super) fn named_server(&self, pool: &Pool<'_>, context: &Context<'_>) -> Option<Choice> {
        let rules = &pool.backend().rules;
        if rules.servers.is_empty() && rules.stick.is_empty() {
            return None;
        }
        let situation = self.situation(context);
        let holds = |condition| rules::holds(Some(condition), &situation);
        let mut named = rules.servers.iter().filter(|(_, condition)| holds(condition));
        let choose = |id: u32| pool.choose_named(pool.backend().position(id)?);
        named.find_map(|(id, _)| choose(*id)).or_else(|| self.remembered_server(pool, context))
    }

    /// `balance hash`: the hash of its sample.
    pub(super) fn hash_key(&self, pool: &Pool<'_>, context: &Context<'_>) -> Option<u32> {
        let (Balance::Hash(hashing), Some(sample)) = (pool.backend().balance, &pool.backend().rules.hash)
        else {
            return None;
        };
        let value = rules::sample(sample, &self.situation(context))?;
        let key = match hashing.function {
            HashFunction::None => rules::text(&value),
            _ => rules::bytes(&value),
        };
        Some(balance::hash::digest(hashing.function, &key))
    }

    /// The place that `stick on` or `stick match` remembers.
    fn remembered_server(&self, pool: &Pool<'_>, context: &Context<'_>) -> Option<Choice> {
        let servers = &pool.backend().servers;
        let sticks = pool.backend().rules.stick.iter().filter(|stick| stick.matches);
        sticks.into_iter().find_map(|stick| {
            let (table, key) = self.stick_key(stick, context)?;
            let known = lock(table).server(&key, context.now)?;
            let by_name = |server: &Server| known.name.as_ref() == Some(&server.name);
            let by_id = |server: &Server| i64::from(server.id) == i64::from(known.id);
            let at = servers.iter().position(by_name).or_else(|| servers.iter().position(by_id))?;
            pool.choose_named(at)
        })
    }

    /// Remembers the server that it has connected to.
    pub(super) fn remember_server(&self, context: &Context<'_>) {
        let (true, Some(pool)) = (self.ruling.is_some(), self.pool(context)) else { return };
        for (table, key) in self.keys_to_store(&pool.backend().rules.stick, context) {
            self.remember_under(table, &key, context);
        }
    }

    /// Under which keys these rules remember the server.
    pub(super) fn keys_to_store(&self, sticks: &[Stick], context: &Context<'_>) -> Vec<(TableId, Vec<u8>)> {
        let stores = sticks.iter().filter(|stick| stick.stores);
        stores.filter_map(|stick| Some((stick.table, self.stick_key(stick, context)?.1))).collect()
    }

    /// Remembers the server under the keys that were kept for it, and under those of its response.
    pub(super) fn store_keys(&mut self, context: &Context<'_>) {
        let (Some(pool), Some(ruling)) = (self.pool(context), &mut self.ruling) else { return };
        let mut keys = std::mem::take(&mut ruling.keys);
        keys.extend(self.keys_to_store(&pool.backend().rules.stick_response, context));
        keys.iter().for_each(|(table, key)| self.remember_under(*table, key, context));
    }

    fn remember_under(&self, TableId(at): TableId, key: &[u8], context: &Context<'_>) {
        let (Some(pool), Some(place)) = (self.pool(context), self.server_at(context)) else { return };
        let (Some(table), Some(server)) =
            (context.snapshot.tables.get(at), pool.backend().servers.get(place))
        else {
            return;
        };
        // Without room nothing is remembered, as in HAProxy.
        let _ = lock(table).remember(key, (&server.name, server.id as i32), context.now);
    }

    /// Position of its server in the backend, once one is chosen.
    fn server_at(&self, context: &Context<'_>) -> Option<usize> {
        let live = self.server.as_ref()?;
        self.pool(context)?.view().position(live.key)
    }

    /// Its first bytes have decided what they can.
    pub(super) fn forget_said(&mut self) {
        if let Some(ruling) = &mut self.ruling {
            (ruling.said, ruling.waits) = (Vec::new(), false);
        }
    }

    /// The table and the key, if the rule concerns this session.
    fn stick_key<'a>(
        &self,
        stick: &Stick,
        context: &Context<'a>,
    ) -> Option<(&'a Arc<Mutex<Table>>, Vec<u8>)> {
        let situation = self.situation(context);
        if !rules::holds(stick.condition.as_ref(), &situation) {
            return None;
        }
        let table = context.snapshot.tables.get(stick.table.0)?;
        let value = rules::sample(&stick.key, &situation)?;
        let key = lock(table).key(&value)?;
        Some((table, key))
    }

    /// Goes through a list until a rule decides, or has to wait; then it goes on from there.
    pub(super) fn judge(&mut self, list: &[Rule], context: &Context<'_>, ops: &mut Vec<Op>) -> Verdict {
        let begin = self.ruling.as_ref().map_or(0, |ruling| ruling.next);
        for (at, rule) in list.iter().enumerate().skip(begin) {
            let situation = self.situation(context);
            match rules::evaluate(rule.condition.as_ref(), &situation) {
                Truth::Yes => {}
                Truth::Early if self.ruling.as_ref().is_some_and(|ruling| !ruling.complete) => {
                    self.ruling.get_or_insert_default().next = at;
                    return Verdict::Early;
                }
                Truth::Early | Truth::No => continue,
            }
            match &rule.action {
                Action::Accept => return Verdict::Accepted,
                Action::Reject => return Verdict::Rejected,
                Action::Close => return Verdict::Closed,
                Action::SilentDrop => return Verdict::Dropped,
                action => {
                    let value = action.sample().and_then(|sample| rules::sample(sample, &situation));
                    self.act(action, value, context, ops);
                }
            }
        }
        Verdict::Accepted
    }

    /// Whether rules refused it before it became a session.
    pub fn was_turned_away(&self) -> bool {
        self.stage == Stage::Over && self.logged
    }

    /// Ends it as if it had never been: HAProxy neither counts nor logs it as a session.
    pub(super) fn turn_away(&mut self, ops: &mut Vec<Op>) {
        self.logged = true;
        ops.push(Op::End);
        self.stage = Stage::Over;
    }
}

#[cfg(test)]
#[path = "ruling_tests.rs"]
mod tests;
