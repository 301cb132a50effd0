//! The machine itself: walks over the rules and stops where I/O is needed. How it ends stands in `ending`.

use std::borrow::Cow;
use std::time::Duration;

use super::ending::status_or;
use super::expect::{self, Needle, Verdict, Words};
use super::format::Variables;
use super::replies::Replies;
use super::script::{self, Part, REDIS_CHECK};
use super::{Bystander, CheckOutcome, Step, text};
use crate::config::model::{
    CheckAction, CheckConnect, CheckExpect, CheckFormat, CheckMethod, CheckRule, Coding, Value, VariableValue,
};
use crate::redis::command;
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

/// Whether the role is to be known at the end, beside what the script wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    Script,
    /// After a script that passes, INFO replication is asked unless its replies have told all of that.
    Role,
}

/// What a connection has come to before its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layer {
    Connected,
    Secured,
}

#[derive(Debug)]
pub(super) enum Phase {
    Idle,
    ConnectingImplicitly,
    Connecting,
    Sending,
    Receiving,
    /// The outcome stands; the rest of the replies is read so that the connection can be asked again.
    Draining(CheckOutcome),
    /// The script has passed; INFO replication is on its way, or its reply is.
    AskingRole(CheckOutcome),
    /// The outcome stands; INFO server is on its way, or its reply is.
    Identifying(CheckOutcome),
}

/// See the module above. Borrows its script.
#[derive(Debug)]
pub struct Engine<'a> {
    pub(super) method: &'a CheckMethod,
    pub(super) rules: &'a [CheckRule],
    parts: Vec<Part>,
    pub(super) mode: Mode,
    pub(super) asks: Asks,
    /// In this check.
    pub(super) role_asked: bool,
    /// On a connection that has passed the login.
    repeating: bool,
    pub(super) at: usize,
    /// The rule that was carried out last.
    pub(super) last: Option<usize>,
    pub(super) phase: Phase,
    pub(super) ended: bool,
    pub(super) passed_layer: Layer,
    pub(super) replies: Replies,
    /// What the answers of this check have said themselves: the last code, the last words.
    pub(super) said: Words,
    /// What the checked server is known to be.
    pub(super) bystander: Bystander,
    /// Of this check.
    pub(super) variables: Variables,
    /// Secrets of what was put together for this check.
    pub(super) told: Vec<Vec<u8>>,
    /// What INFO server said on this connection; `None`: not asked yet.
    pub(super) identity: Option<Findings>,
    /// How long ago that was.
    pub(super) identity_age: Duration,
}

impl<'a> Engine<'a> {
    /// A machine for the servers of one backend; `bufsize` is `tune.bufsize`.
    pub fn new(method: &'a CheckMethod, bufsize: usize, mode: Mode) -> Engine<'a> {
        let rules: &'a [CheckRule] = match method {
            CheckMethod::Layer4 => &[],
            CheckMethod::TcpCheck(rules) | CheckMethod::Builtin(rules) => rules,
            CheckMethod::RedisCheck => REDIS_CHECK.as_slice(),
        };
        Engine {
            method,
            rules,
            parts: script::parts(rules),
            mode,
            asks: Asks::Script,
            role_asked: false,
            repeating: false,
            at: 0,
            last: None,
            phase: Phase::Idle,
            ended: false,
            passed_layer: Layer::Connected,
            replies: Replies::new(bufsize),
            said: Words::default(),
            bystander: Bystander::default(),
            variables: Variables::default(),
            told: Vec::new(),
            identity: None,
            identity_age: Duration::ZERO,
        }
    }

    /// The same machine, asking for more or less.
    pub fn asking(self, asks: Asks) -> Engine<'a> {
        Engine { asks, ..self }
    }

    /// Starts a check on a new connection.
    pub fn begin(&mut self) -> Step<'a> {
        self.restart(false);
        // What an earlier connection brought says nothing about a server that now cannot be reached.
        self.replies.connected();
        (self.identity, self.identity_age) = (None, Duration::ZERO);
        self.passed_layer = Layer::Connected;
        let first = self.rules.iter().find(|rule| rule.action.is_step());
        if matches!(first.map(|rule| &rule.action), Some(CheckAction::Connect(_))) {
            return self.run();
        }
        self.phase = Phase::ConnectingImplicitly;
        Step::Connect(&CheckConnect::IMPLICIT)
    }

    /// Starts a check on the connection of the last one, opened `age` ago; only after [`Engine::reusable`].
    pub fn again(&mut self, age: Duration) -> Step<'a> {
        self.identity_age = age;
        self.restart(true);
        self.run()
    }

    /// What the server is known to be, before a check whose script mentions that
    /// ([`CheckMethod::mentions_server`]).
    pub fn know(&mut self, bystander: Bystander) {
        self.bystander = bystander;
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
        (self.at, self.last, self.role_asked) = (0, None, false);
        self.phase = Phase::Idle;
        self.said = Words::default();
        self.variables.clear();
        self.told.clear();
        self.replies.next_check();
    }

    /// The connection stands.
    pub fn on_connected(&mut self) -> Step<'a> {
        self.replies.connected();
        if matches!(self.method, CheckMethod::Builtin(_)) {
            // Another protocol, even where it looks like this one.
            self.replies.stop_counting();
        }
        self.ended = false;
        if matches!(self.phase, Phase::Connecting) {
            self.last = Some(self.at);
            self.at += 1;
        }
        self.run()
    }

    /// The connection stands, and speaks TLS.
    pub fn on_secured(&mut self) -> Step<'a> {
        self.passed_layer = Layer::Secured;
        self.on_connected()
    }

    /// The connection stands, and there was no handshake; `error` in HAProxy's words.
    pub fn on_handshake_failed(&mut self, error: &str) -> Step<'a> {
        let info = format!("{error}{}", self.place());
        self.fail(CheckStatus::L6Response, info)
    }

    /// The same, for want of time.
    pub fn on_handshake_timeout(&mut self) -> Step<'a> {
        let place = self.place();
        self.fail(CheckStatus::L6Timeout, place)
    }

    /// The SOCKS4 proxy was reached, and has not connected; `error` in HAProxy's words.
    pub fn on_proxy_refused(&mut self, error: &str) -> Step<'a> {
        let info = format!("{error}{}", self.place());
        self.fail(CheckStatus::SocketError, info)
    }

    /// The same, for want of time. The connection did come up.
    pub fn on_proxy_timeout(&mut self) -> Step<'a> {
        let place = self.place();
        self.fail(CheckStatus::L7Timeout, place)
    }

    /// Everything was written.
    pub fn on_sent(&mut self) -> Step<'a> {
        if let Phase::AskingRole(_) | Phase::Identifying(_) = self.phase {
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
        self.fail(CheckStatus::SocketError, info)
    }

    /// The connection did not come up; `error` in the system's words.
    pub fn on_connect_failed(&mut self, error: &str) -> Step<'a> {
        let info = format!("{error}{}", self.place());
        self.fail(CheckStatus::L4Connection, info)
    }

    /// No socket could be had, or nothing to connect to.
    pub fn on_socket_error(&mut self, error: &str) -> Step<'a> {
        self.fail(CheckStatus::SocketError, error.to_owned())
    }

    /// The time for this check is over.
    pub fn on_timeout(&mut self) -> Step<'a> {
        if let Phase::AskingRole(_) = self.phase {
            return self.fail(CheckStatus::L7Timeout, "INFO replication was not answered".to_owned());
        }
        if self.has_outcome() {
            self.ended = true;
            return self.look();
        }
        let status = match (&self.phase, self.expect_here()) {
            (Phase::ConnectingImplicitly | Phase::Connecting, _) => CheckStatus::L4Timeout,
            (Phase::Receiving, Some((rule, expect))) => {
                self.replies.stop_counting();
                let needle = self.needle(expect).unwrap_or_default();
                match expect::evaluate(expect, &self.replies, &self.present(&needle)) {
                    Verdict::Pass if self.only_goodbye_left() => return self.pass_at_timeout(),
                    Verdict::Fail(miss) => return self.miss(rule, expect, miss),
                    // Answers with words of their own have been heard when they came.
                    _ => status_or(expect.tout_status, CheckStatus::L7Timeout),
                }
            }
            _ => CheckStatus::L7Timeout,
        };
        self.fail(status, self.place())
    }

    fn has_outcome(&self) -> bool {
        matches!(self.phase, Phase::Draining(_) | Phase::AskingRole(_) | Phase::Identifying(_))
    }

    /// Goes on after input, or after its end.
    fn look(&mut self) -> Step<'a> {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Draining(outcome) => self.drain(outcome),
            Phase::AskingRole(outcome) => self.hear_role(outcome),
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
                    return Step::Connect(connect);
                }
                CheckAction::Send(bytes) | CheckAction::SendBinary(bytes) => {
                    self.replies.send(bytes.expose());
                    self.phase = Phase::Sending;
                    return Step::Send(Cow::Borrowed(bytes.expose()));
                }
                CheckAction::SetVariable { name, value } => {
                    self.set_variable(name, value);
                    self.at += 1;
                    continue;
                }
                CheckAction::UnsetVariable(name) => {
                    self.variables.remove(name);
                    self.at += 1;
                    continue;
                }
                CheckAction::SendFormat { format, coding } => return self.send_format(format, *coding),
                CheckAction::Expect(expect) => {
                    let needle = match self.needle(expect) {
                        Ok(needle) => needle,
                        Err(reason) => {
                            let info = text::commented(reason.to_owned(), rule.comment.as_deref());
                            return self.fail(CheckStatus::L7Response, info);
                        }
                    };
                    match expect::evaluate(expect, &self.replies, &self.present(&needle)) {
                        Verdict::Pass => self.note(expect, Words::default()),
                        Verdict::Met(words) => self.note(expect, words),
                        Verdict::Wait => {
                            self.at = self.head_of_inverse_run(self.at);
                            self.phase = Phase::Receiving;
                            return Step::Wait;
                        }
                        Verdict::Fail(miss) => return self.miss(rule, expect, miss),
                        Verdict::Missed(status, words) => return self.refuse(rule, expect, status, words),
                        Verdict::Over(status, words) => return self.end(status, words),
                    }
                }
            }
            self.last = Some(self.at);
            self.at += 1;
        }
        self.pass()
    }

    fn present<'n>(&self, needle: &'n Needle) -> expect::Present<'n> {
        expect::Present { ended: self.ended, needle, server: self.bystander.present }
    }

    /// An expression without a value leaves the variable as it is.
    fn set_variable(&mut self, name: &str, value: &VariableValue) {
        let scene = self.scene(self.last_expect());
        let value = match value {
            VariableValue::Sample(sample) => scene.value(sample),
            VariableValue::Format(format) => Some(Value::Text(scene.render(format))),
        };
        if let Some(value) = value {
            self.variables.insert(name.to_owned(), value);
        }
    }

    fn send_format(&mut self, format: &CheckFormat, coding: Coding) -> Step<'a> {
        let Some(bytes) = self.scene(self.last_expect()).bytes(format, coding) else {
            let step = self.at + 1;
            let info = format!("tcp-check send : failed to build log-format string at step {step}");
            return self.fail(CheckStatus::L7Response, info);
        };
        self.told.extend(command::secrets(&bytes));
        self.replies.send(&bytes);
        self.phase = Phase::Sending;
        Step::Send(Cow::Owned(bytes))
    }

    fn skips(&self, at: usize) -> bool {
        match self.parts[at] {
            Part::Every => false,
            Part::Login => self.repeating,
            Part::Quit => self.mode == Mode::Kept || self.asks == Asks::Role,
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
        rest.into_iter().all(|at| self.parts[at] == Part::Quit || !self.rules[at].action.is_step())
    }
}
