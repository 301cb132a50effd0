//! The machine itself: walks over the rules, stops where I/O is needed, and words the end.

use std::time::Duration;

use super::expect::{self, Miss, Verdict};
use super::replies::Replies;
use super::script::{self, Part, REDIS_CHECK};
use super::{CheckOutcome, Settled, Step, text};
use crate::config::model::{CheckAction, CheckExpect, CheckMethod, CheckRule};
use crate::redis::role::Findings;
use crate::state::CheckStatus;

/// Whether the connection outlives the check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The whole script, then close.
    Once,
    /// All but QUIT; then [`Engine::again`] repeats all but connecting and the login.
    Kept,
}

/// Asked once a connection by kept probes, to learn `run_id` and uptime.
const ASK_IDENTITY: &[u8] = b"INFO server\r\n";

#[derive(Debug)]
enum Phase {
    Idle,
    ConnectingImplicitly,
    Connecting,
    Sending,
    Receiving,
    /// The outcome stands; the rest of the replies is read so that the connection can be asked again.
    Draining(CheckOutcome),
    /// The outcome stands; INFO server is on its way, or its reply is.
    Identifying(CheckOutcome),
}

/// See the module above. Borrows its script.
#[derive(Debug)]
pub struct Engine<'a> {
    method: &'a CheckMethod,
    rules: &'a [CheckRule],
    parts: Vec<Part>,
    mode: Mode,
    /// On a connection that has passed the login.
    repeating: bool,
    at: usize,
    /// The rule that was carried out last.
    last: Option<usize>,
    phase: Phase,
    ended: bool,
    replies: Replies,
    /// What INFO server said on this connection; `None`: not asked yet.
    identity: Option<Findings>,
    /// How long ago that was.
    identity_age: Duration,
}

impl<'a> Engine<'a> {
    /// A machine for the servers of one backend; `bufsize` is `tune.bufsize`.
    pub fn new(method: &'a CheckMethod, bufsize: usize, mode: Mode) -> Engine<'a> {
        let rules: &'a [CheckRule] = match method {
            CheckMethod::Layer4 => &[],
            CheckMethod::TcpCheck(rules) => rules,
            CheckMethod::RedisCheck => REDIS_CHECK.as_slice(),
        };
        Engine {
            method,
            rules,
            parts: script::parts(rules),
            mode,
            repeating: false,
            at: 0,
            last: None,
            phase: Phase::Idle,
            ended: false,
            replies: Replies::new(bufsize),
            identity: None,
            identity_age: Duration::ZERO,
        }
    }

    /// Starts a check on a new connection.
    pub fn begin(&mut self) -> Step<'a> {
        self.restart(false);
        (self.identity, self.identity_age) = (None, Duration::ZERO);
        let first = self.rules.iter().find(|rule| rule.action != CheckAction::Comment);
        if matches!(first.map(|rule| &rule.action), Some(CheckAction::Connect(_))) {
            return self.run();
        }
        self.phase = Phase::ConnectingImplicitly;
        Step::Connect { port: None, addr: None, linger: false }
    }

    /// Starts a check on the connection of the last one, opened `age` ago; only after [`Engine::reusable`].
    pub fn again(&mut self, age: Duration) -> Step<'a> {
        self.identity_age = age;
        self.restart(true);
        self.run()
    }

    /// As given to [`Engine::new`].
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether the connection can be kept: the check is over and no reply is outstanding.
    pub fn reusable(&self) -> bool {
        self.mode == Mode::Kept && !self.ended && self.replies.in_step() && matches!(self.phase, Phase::Idle)
    }

    fn restart(&mut self, repeating: bool) {
        self.repeating = repeating;
        (self.at, self.last) = (0, None);
        self.phase = Phase::Idle;
        self.replies.next_check();
    }

    /// The connection stands.
    pub fn on_connected(&mut self) -> Step<'a> {
        self.replies.connected();
        self.ended = false;
        if matches!(self.phase, Phase::Connecting) {
            self.last = Some(self.at);
            self.at += 1;
        }
        self.run()
    }

    /// Everything was written.
    pub fn on_sent(&mut self) -> Step<'a> {
        if let Phase::Identifying(_) = self.phase {
            return Step::Wait;
        }
        self.last = Some(self.at);
        self.at += 1;
        self.run()
    }

    /// Bytes came.
    pub fn on_bytes(&mut self, bytes: &[u8]) -> Step<'a> {
        self.replies.receive(bytes);
        self.look()
    }

    /// The peer closed.
    pub fn on_eof(&mut self) -> Step<'a> {
        self.ended = true;
        self.look()
    }

    /// The connection broke; `error` in the system's words. With data received, the data decides.
    pub fn on_io_error(&mut self, error: &str) -> Step<'a> {
        self.ended = true;
        let receiving = !matches!(self.phase, Phase::Sending);
        if receiving && (!self.replies.input().is_empty() || self.has_outcome()) {
            return self.look();
        }
        let info = format!("{error}{}", self.place());
        self.done(self.outcome(CheckStatus::SocketError, Settled::Failure, info))
    }

    /// The connection did not come up; `error` in the system's words.
    pub fn on_connect_failed(&mut self, error: &str) -> Step<'a> {
        let info = format!("{error}{}", self.place());
        self.done(self.outcome(CheckStatus::L4Connection, Settled::Failure, info))
    }

    /// No socket could be had, or nothing to connect to.
    pub fn on_socket_error(&mut self, error: &str) -> Step<'a> {
        self.done(self.outcome(CheckStatus::SocketError, Settled::Failure, error.to_owned()))
    }

    /// The time for this check is over.
    pub fn on_timeout(&mut self) -> Step<'a> {
        if self.has_outcome() {
            self.ended = true;
            return self.look();
        }
        let status = match (&self.phase, self.expect_here()) {
            (Phase::ConnectingImplicitly | Phase::Connecting, _) => CheckStatus::L4Timeout,
            (Phase::Receiving, Some((rule, expect))) => {
                self.replies.stop_counting();
                match expect::evaluate(expect, &self.replies, self.ended) {
                    Verdict::Pass if self.only_goodbye_left() => return self.pass_at_timeout(),
                    Verdict::Fail(miss) => return self.miss(rule, expect, miss),
                    Verdict::Pass | Verdict::Wait => status_or(expect.tout_status, CheckStatus::L7Timeout),
                }
            }
            _ => CheckStatus::L7Timeout,
        };
        self.done(self.outcome(status, Settled::Failure, self.place()))
    }

    fn has_outcome(&self) -> bool {
        matches!(self.phase, Phase::Draining(_) | Phase::Identifying(_))
    }

    /// Goes on after input, or after its end.
    fn look(&mut self) -> Step<'a> {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Draining(outcome) => self.drain(outcome),
            Phase::Identifying(outcome) => self.identify(outcome),
            Phase::Receiving => self.run(),
            waiting => {
                self.phase = waiting;
                Step::Wait
            }
        }
    }

    /// Carries out rules until one needs I/O.
    fn run(&mut self) -> Step<'a> {
        let rules = self.rules;
        while let Some(rule) = rules.get(self.at) {
            if self.skips(self.at) {
                self.at += 1;
                continue;
            }
            match &rule.action {
                CheckAction::Comment => {
                    self.at += 1;
                    continue;
                }
                CheckAction::Connect(connect) => {
                    self.phase = Phase::Connecting;
                    return Step::Connect { port: connect.port, addr: connect.addr, linger: connect.linger };
                }
                CheckAction::Send(bytes) | CheckAction::SendBinary(bytes) => {
                    self.replies.send(bytes.expose());
                    self.phase = Phase::Sending;
                    return Step::Send(bytes.expose());
                }
                CheckAction::Expect(expect) => match expect::evaluate(expect, &self.replies, self.ended) {
                    Verdict::Pass => {}
                    Verdict::Wait => {
                        self.at = self.head_of_inverse_run(self.at);
                        self.phase = Phase::Receiving;
                        return Step::Wait;
                    }
                    Verdict::Fail(miss) => return self.miss(rule, expect, miss),
                },
            }
            self.last = Some(self.at);
            self.at += 1;
        }
        self.pass()
    }

    fn skips(&self, at: usize) -> bool {
        self.mode == Mode::Kept
            && match self.parts[at] {
                Part::Every => false,
                Part::Login => self.repeating,
                Part::Quit => true,
            }
    }

    /// After a wait, evaluation starts over at the first of the inverse expects before this one.
    fn head_of_inverse_run(&self, at: usize) -> usize {
        let mut head = at;
        for before in (0..at).rev() {
            match &self.rules[before].action {
                CheckAction::Expect(expect) if expect.inverse => head = before,
                CheckAction::Comment => {}
                _ => break,
            }
        }
        head
    }

    fn expect_here(&self) -> Option<(&'a CheckRule, &'a CheckExpect)> {
        let rule = self.rules.get(self.at)?;
        match &rule.action {
            CheckAction::Expect(expect) => Some((rule, expect)),
            _ => None,
        }
    }

    /// Whether behind this rule there is nothing but comments and QUIT.
    fn only_goodbye_left(&self) -> bool {
        let rest = self.at + 1..self.rules.len();
        rest.into_iter()
            .all(|at| self.parts[at] == Part::Quit || self.rules[at].action == CheckAction::Comment)
    }

    /// The pattern has come, and the announced rest of its reply has not: HAProxy would have passed already.
    fn pass_at_timeout(&mut self) -> Step<'a> {
        self.last = Some(self.at);
        self.ended = true;
        self.pass()
    }

    fn pass(&mut self) -> Step<'a> {
        let (status, info) = match self.last.map(|at| &self.rules[at].action) {
            Some(CheckAction::Expect(expect)) => {
                let info = expect.on_success.as_deref().map(|format| self.render(format));
                (
                    status_or(expect.ok_status, CheckStatus::L7Ok),
                    info.unwrap_or_else(|| "(tcp-check)".to_owned()),
                )
            }
            Some(CheckAction::Connect(_)) => (CheckStatus::L4Ok, "(tcp-check)".to_owned()),
            Some(_) => (CheckStatus::L7Ok, "(tcp-check)".to_owned()),
            None => (CheckStatus::L4Ok, String::new()),
        };
        let settled = if status.passed() { Settled::Pass } else { Settled::Failure };
        let outcome = self.outcome(status, settled, info);
        self.conclude(outcome)
    }

    fn miss(&mut self, rule: &CheckRule, expect: &CheckExpect, miss: Miss) -> Step<'a> {
        let comment = rule.comment.as_deref();
        let info = match (&expect.on_error, miss) {
            (_, Miss::Empty) => text::empty(self.at + 1, comment),
            (Some(format), _) => text::commented(self.render(format), comment),
            (None, _) => text::commented(text::miss(&expect.pattern, expect.inverse, self.at + 1), comment),
        };
        let status = status_or(expect.error_status, CheckStatus::L7Response);
        let definite = self.replies.settled() && expect::refuses_role(expect, self.replies.input());
        let settled = if definite { Settled::Definite } else { Settled::Failure };
        let outcome = self.outcome(status, settled, info);
        if definite { self.conclude(outcome) } else { self.done(outcome) }
    }

    fn outcome(&self, status: CheckStatus, settled: Settled, info: String) -> CheckOutcome {
        let mut findings = self.replies.findings.clone();
        if findings.role().is_none() {
            // A peer that speaks no RESP may still say a role.
            findings.absorb_info(self.replies.input());
        }
        let trouble = match settled {
            Settled::Failure => self.replies.last_error().map(|error| text::trouble(error, self.rules)),
            Settled::Pass | Settled::Definite => None,
        };
        CheckOutcome {
            status,
            code: text::code(status),
            info: text::bounded(info),
            duration_ms: 0,
            role: findings.report(),
            settled,
            trouble,
        }
    }

    /// The outcome stands and the connection may live on: see to it that it can be asked again.
    fn conclude(&mut self, outcome: CheckOutcome) -> Step<'a> {
        if self.mode == Mode::Once { self.done(outcome) } else { self.drain(outcome) }
    }

    fn drain(&mut self, outcome: CheckOutcome) -> Step<'a> {
        if self.ended || self.replies.is_full() {
            return self.done(outcome);
        }
        if !self.replies.in_step() {
            self.phase = Phase::Draining(outcome);
            return Step::Wait;
        }
        let unknown = outcome.role.as_ref().is_some_and(|report| report.run_id.is_none());
        if unknown && self.identity.is_none() {
            self.identity = Some(Findings::default());
            self.replies.findings = Findings::default();
            self.replies.send(ASK_IDENTITY);
            self.phase = Phase::Identifying(outcome);
            return Step::Send(ASK_IDENTITY);
        }
        self.done(outcome)
    }

    fn identify(&mut self, outcome: CheckOutcome) -> Step<'a> {
        if !self.replies.in_step() && !self.ended && !self.replies.is_full() {
            self.phase = Phase::Identifying(outcome);
            return Step::Wait;
        }
        self.identity = Some(std::mem::take(&mut self.replies.findings));
        self.done(outcome)
    }

    fn done(&mut self, mut outcome: CheckOutcome) -> Step<'a> {
        self.phase = Phase::Idle;
        if let (Some(report), Some(identity)) = (&mut outcome.role, &self.identity) {
            identity.identify(report, self.identity_age);
        }
        Step::Done(outcome)
    }

    fn render(&self, format: &str) -> String {
        // What a server answers may repeat what it was sent.
        text::masked(super::format::render(format, self.replies.input()), self.rules)
    }

    /// Where the check stands, for a timeout or a broken connection; only `option tcp-check` says that.
    fn place(&self) -> String {
        if !matches!(self.method, CheckMethod::TcpCheck(_)) {
            return String::new();
        }
        let implicit = matches!(self.phase, Phase::ConnectingImplicitly);
        text::place(if implicit { None } else { self.rules.get(self.at) }, self.at + 1)
    }
}

fn status_or(name: Option<&'static str>, default: CheckStatus) -> CheckStatus {
    name.and_then(CheckStatus::from_name).unwrap_or(default)
}
