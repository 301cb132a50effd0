//! Rules on the way in: `tcp-request`, `use_backend`, and what `use-server` and conditions need to know. A
//! frontend without rules has no [`Ruling`] and pays for nothing.

use std::net::SocketAddr;

use super::super::assign::{Choice, Pool};
use super::super::contract::{Close, Op, Side};
use super::{Context, GONE, Session, Stage};
use crate::config::model::{Action, BackendId, Frontend, FrontendId, Rule, Value, VariableId};
use crate::rules::{self, Truth};
use crate::state::{Cause, Phase, Situation, Termination};

/// What rules know and keep of one session.
#[derive(Debug, Default)]
pub(super) struct Ruling {
    destination: Option<SocketAddr>,
    /// Position of the listener among the frontend's.
    bind: usize,
    variables: Vec<(VariableId, Value)>,
}

/// What a list of rules comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Accepted,
    Rejected,
}

/// HAProxy's code for a session that a rule refused.
const REFUSED: Termination = Termination::new(Cause::Proxy, Phase::Request);

impl Ruling {
    /// For a session of a frontend that has rules.
    pub(super) fn new(destination: Option<SocketAddr>, bind: usize) -> Box<Ruling> {
        Box::new(Ruling { destination, bind, variables: Vec::new() })
    }

    fn perform(&mut self, action: &Action, situation: &Situation<'_>) {
        match action {
            Action::SetVariable { variable, sample } => {
                let value = rules::sample(sample, situation);
                self.forget(*variable);
                self.variables.extend(value.map(|value| (*variable, value)));
            }
            Action::UnsetVariable(variable) => self.forget(*variable),
            Action::Accept
            | Action::Reject
            | Action::Track { .. }
            | Action::Count { .. }
            | Action::SetTag { .. } => {}
        }
    }

    fn forget(&mut self, variable: VariableId) {
        self.variables.retain(|(known, _)| *known != variable);
    }
}

impl Session {
    /// Whether the rules of its frontend let the session in; if not, it is over.
    pub(super) fn let_in(&mut self, frontend: &Frontend, context: &Context<'_>, ops: &mut Vec<Op>) -> bool {
        let rules = &frontend.rules;
        if self.judge(&rules.connection, context) == Verdict::Rejected {
            self.admission.frontend().denied_connections.add(1);
            ops.push(Op::Close(Side::Client, Close::Reset));
            self.turn_away(ops);
            return false;
        }
        if self.judge(&rules.session, context) == Verdict::Rejected {
            self.admission.frontend().denied_sessions.add(1);
            self.turn_away(ops);
            return false;
        }
        if rules.holds_back_sessions() {
            self.admission.count_session(context.now);
        }
        self.inspect(&rules.content, context, ops)
    }

    /// Content rules; if they refuse, the session is over.
    pub(super) fn inspect(&mut self, rules: &[Rule], context: &Context<'_>, ops: &mut Vec<Op>) -> bool {
        let accepted = self.judge(rules, context) == Verdict::Accepted;
        if !accepted {
            self.admission.frontend().traffic.denied.add(1);
            self.end(REFUSED, context, ops);
        }
        accepted
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
        let named = &pool.backend().rules.servers;
        if named.is_empty() {
            return None;
        }
        let situation = self.situation(context);
        let holds = |condition| rules::holds(Some(condition), &situation);
        named.iter().filter(|(_, condition)| holds(condition)).find_map(|(at, _)| pool.choose_named(*at))
    }

    /// What is true for this session now.
    pub(super) fn situation<'a>(&'a self, context: &Context<'a>) -> Situation<'a> {
        let ruling = self.ruling.as_deref();
        Situation {
            frontend: (self.frontend_at != GONE).then_some(FrontendId(self.frontend_at as usize)),
            backend: (self.backend_at != GONE).then_some(BackendId(self.backend_at as usize)),
            client: self.client,
            destination: ruling.and_then(|ruling| ruling.destination),
            bind: ruling.map(|ruling| ruling.bind),
            variables: ruling.map(|ruling| ruling.variables.as_slice()).unwrap_or_default(),
            ..Situation::of(context.snapshot, context.now)
        }
    }

    /// Goes through a list until a rule decides.
    fn judge(&mut self, list: &[Rule], context: &Context<'_>) -> Verdict {
        for rule in list {
            let situation = self.situation(context);
            if rules::evaluate(rule.condition.as_ref(), &situation) != Truth::Yes {
                continue;
            }
            match &rule.action {
                Action::Accept => return Verdict::Accepted,
                Action::Reject => return Verdict::Rejected,
                action => {
                    let mut ruling = self.ruling.take().unwrap_or_default();
                    ruling.perform(action, &self.situation(context));
                    self.ruling = Some(ruling);
                }
            }
        }
        Verdict::Accepted
    }

    /// Ends it as if it had never been: HAProxy neither counts nor logs it as a session.
    fn turn_away(&mut self, ops: &mut Vec<Op>) {
        self.logged = true;
        ops.push(Op::End);
        self.stage = Stage::Over;
    }
}
