//! How a check ends: the outcome in HAProxy's words, and, for a kept probe, what is still to be read before
//! the connection can be asked again.

use std::borrow::Cow;

use super::engine::{Asks, Engine, Layer, Mode, Phase};
use super::expect::{self, Miss, Needle, Words};
use super::format::{Material, Scene};
use super::http::{self, Reading};
use super::{CheckOutcome, Remark, Settled, Step, text};
use crate::config::model::{
    CheckAction, CheckExpect, CheckFormat, CheckMethod, CheckRule, Coding, ExpectPattern,
};
use crate::redis::role::Findings;
use crate::state::CheckStatus;

/// Asked in every check of a read backend whose script does not.
const ASK_ROLE: &[u8] = b"INFO replication\r\n";
/// Asked once a connection by kept probes, to learn `run_id` and uptime.
const ASK_IDENTITY: &[u8] = b"INFO server\r\n";

const NOT_HEXADECIMAL: &str = "Failed to parse hexastring resulting of eval of a log-format string";
const EMPTY: &str = "log-format string evaluated to an empty string";

impl<'a> Engine<'a> {
    /// The pattern has come, and the announced rest of its reply has not: HAProxy would have passed already.
    pub(super) fn pass_at_timeout(&mut self) -> Step<'a> {
        self.last = Some(self.at);
        self.ended = true;
        self.pass()
    }

    pub(super) fn pass(&mut self) -> Step<'a> {
        let mut wording = None;
        let status = match self.last.map(|at| &self.rules[at].action) {
            Some(CheckAction::Expect(expect)) => {
                wording = expect.on_success.as_ref().map(|format| self.render(expect, format));
                status_or(expect.ok_status, CheckStatus::L7Ok)
            }
            Some(CheckAction::Connect(_)) => self.connected_status(),
            Some(_) => CheckStatus::L7Ok,
            None => {
                wording = Some(String::new());
                self.connected_status()
            }
        };
        let (info, remark) = match wording {
            Some(info) => (info, Remark::Lasting),
            None => self.plain_info(),
        };
        let settled = if status.passed() { Settled::Pass } else { Settled::Failure };
        let outcome = CheckOutcome { remark, ..self.outcome(status, settled, info) };
        self.conclude(outcome)
    }

    fn connected_status(&self) -> CheckStatus {
        match self.passed_layer {
            Layer::Connected => CheckStatus::L4Ok,
            Layer::Secured => CheckStatus::L6Ok,
        }
    }

    /// What a pass says where no rule does.
    fn plain_info(&self) -> (String, Remark) {
        match self.method {
            CheckMethod::Builtin(_) => (self.said.info.clone(), Remark::Passing),
            _ => ("(tcp-check)".to_owned(), Remark::Lasting),
        }
    }

    /// A rule that was decided: its `status-code`, or the code and the words of the answer itself. The code of a
    /// check is that of its last rule.
    pub(super) fn note(&mut self, expect: &CheckExpect, words: Words) {
        self.said.code = self.status_code(expect).or(words.code);
        if !words.info.is_empty() {
            self.said.info = words.info;
        }
    }

    fn status_code(&self, expect: &CheckExpect) -> Option<i32> {
        self.scene(Some(expect)).number(expect.status_code.as_ref()?)
    }

    /// An answer that says itself why it does not do.
    pub(super) fn refuse(
        &mut self,
        rule: &CheckRule,
        expect: &CheckExpect,
        status: CheckStatus,
        words: Words,
    ) -> Step<'a> {
        let code = words.code;
        let info = match &expect.on_error {
            Some(format) => self.render(expect, format),
            None => words.info,
        };
        self.note(expect, Words { code, info: String::new() });
        let info = text::commented(info, rule.comment.as_deref());
        self.fail(status_or(expect.error_status, status), info)
    }

    /// An answer that ends the check by itself.
    pub(super) fn end(&mut self, status: CheckStatus, words: Words) -> Step<'a> {
        self.said.code = words.code;
        let settled = if status.passed() { Settled::Pass } else { Settled::Failure };
        let outcome = self.outcome(status, settled, words.info);
        self.done(outcome)
    }

    pub(super) fn miss(&mut self, rule: &CheckRule, expect: &CheckExpect, miss: Miss) -> Step<'a> {
        let comment = rule.comment.as_deref();
        let info = match (&expect.on_error, miss) {
            (_, Miss::Empty) => text::empty(self.at + 1, comment),
            (Some(format), _) => text::commented(self.render(expect, format), comment),
            // Only `option tcp-check` says more than the status does.
            (None, _) if matches!(self.method, CheckMethod::Builtin(_)) => {
                text::commented(String::new(), comment)
            }
            (None, _) => text::commented(text::miss(&expect.pattern, expect.inverse, self.at + 1), comment),
        };
        let status = status_or(expect.error_status, CheckStatus::L7Response);
        self.said.code = self.status_code(expect);
        let needle = self.needle(expect).unwrap_or_default();
        let definite =
            self.replies.settled() && expect::refuses_role(expect, &needle.text, self.replies.input());
        let settled = if definite { Settled::Definite } else { Settled::Failure };
        let outcome = self.outcome(status, settled, info);
        if definite { self.conclude(outcome) } else { self.done(outcome) }
    }

    pub(super) fn fail(&mut self, status: CheckStatus, info: String) -> Step<'a> {
        let outcome = self.outcome(status, Settled::Failure, info);
        self.done(outcome)
    }

    fn outcome(&mut self, status: CheckStatus, settled: Settled, info: String) -> CheckOutcome {
        let mut findings = std::mem::take(&mut self.replies.findings);
        if findings.role().is_none() && !matches!(self.method, CheckMethod::Builtin(_)) {
            // A peer that speaks no RESP may still say a role.
            findings.absorb_info(self.replies.input());
        }
        let trouble = match settled {
            Settled::Failure => {
                self.replies.last_error().map(|error| text::trouble(error, self.rules, &self.told))
            }
            Settled::Pass | Settled::Definite | Settled::Unfit => None,
        };
        CheckOutcome {
            status,
            code: text::code(status, self.said.code),
            info: text::bounded(info),
            remark: Remark::Lasting,
            duration_ms: None,
            role: findings.into_report(),
            settled,
            trouble,
        }
    }

    /// The outcome stands and the connection may live on: see to it that it can be asked again.
    pub(super) fn conclude(&mut self, outcome: CheckOutcome) -> Step<'a> {
        let is_last = self.mode == Mode::Once && self.asks == Asks::Script;
        if is_last { self.done(outcome) } else { self.drain(outcome) }
    }

    pub(super) fn drain(&mut self, outcome: CheckOutcome) -> Step<'a> {
        if self.ended || self.replies.is_full() {
            return self.done(outcome);
        }
        if !self.replies.idle() {
            self.phase = Phase::Draining(outcome);
            return Step::Wait;
        }
        if self.lacks_role(&outcome) && !self.role_asked {
            self.role_asked = true;
            self.replies.send(ASK_ROLE);
            self.phase = Phase::AskingRole(outcome);
            return Step::Send(Cow::Borrowed(ASK_ROLE));
        }
        let unknown = outcome.role.as_ref().is_some_and(|report| report.run_id.is_none());
        if unknown && self.identity.is_none() {
            self.identity = Some(Findings::default());
            self.replies.send(ASK_IDENTITY);
            self.phase = Phase::Identifying(outcome);
            return Step::Send(Cow::Borrowed(ASK_IDENTITY));
        }
        self.done(outcome)
    }

    /// The script may have asked for nothing, or by ROLE, which tells no history.
    fn lacks_role(&self, outcome: &CheckOutcome) -> bool {
        let untold = || outcome.role.as_ref().is_none_or(|report| report.replid.is_none());
        self.asks == Asks::Role && outcome.passed() && untold()
    }

    pub(super) fn hear_role(&mut self, mut outcome: CheckOutcome) -> Step<'a> {
        if !self.replies.in_step() && !self.ended && !self.replies.is_full() {
            self.phase = Phase::AskingRole(outcome);
            return Step::Wait;
        }
        let findings = std::mem::take(&mut self.replies.findings);
        outcome.role = findings.into_report().or(outcome.role);
        self.drain(outcome)
    }

    pub(super) fn identify(&mut self, outcome: CheckOutcome) -> Step<'a> {
        if !self.replies.in_step() && !self.ended && !self.replies.is_full() {
            self.phase = Phase::Identifying(outcome);
            return Step::Wait;
        }
        self.identity = Some(std::mem::take(&mut self.replies.findings));
        self.done(outcome)
    }

    pub(super) fn done(&mut self, mut outcome: CheckOutcome) -> Step<'a> {
        self.phase = Phase::Idle;
        if self.lacks_role(&outcome) && outcome.role.is_none() {
            outcome = self.roleless();
        }
        if let (Some(report), Some(identity)) = (&mut outcome.role, &self.identity) {
            identity.identify(report, self.identity_age);
        }
        Step::Done(outcome)
    }

    /// It has not said its role, most likely because it may not: its error reply is named.
    fn roleless(&mut self) -> CheckOutcome {
        let error = self.replies.last_error().map(|error| text::trouble(error, self.rules, &self.told));
        let info = error.unwrap_or_else(|| "no role in the reply to INFO replication".to_owned());
        self.outcome(CheckStatus::L7Response, Settled::Failure, info)
    }

    fn render(&self, expect: &CheckExpect, format: &CheckFormat) -> String {
        let text = self.scene(Some(expect)).render(format);
        let text = String::from_utf8_lossy(&text).into_owned();
        // What a server answers may repeat what it was sent.
        if format.constant().is_some() { text } else { text::masked(text, self.rules, &self.told) }
    }

    /// What expressions may ask; those of an HTTP check are about the answer that `expect` is about.
    pub(super) fn scene(&self, expect: Option<&CheckExpect>) -> Scene<'_> {
        let input = self.replies.input();
        let material = match expect.map(|expect| &expect.pattern) {
            Some(ExpectPattern::Http(http)) => match http::read(input, http.bodiless) {
                Reading::Answer(answer) => Material::Http(answer),
                Reading::Partial | Reading::Malformed => Material::Bytes(&[]),
            },
            _ => Material::Bytes(input),
        };
        Scene { material, bystander: &self.bystander, variables: &self.variables }
    }

    /// What the expressions of a pattern come to, once there is something to compare it with; or HAProxy's complaint.
    pub(super) fn needle(&self, expect: &CheckExpect) -> Result<Needle, &'static str> {
        let (formats, coding) = match &expect.pattern {
            ExpectPattern::Format(format, coding) => ([Some(format), None], *coding),
            ExpectPattern::Http(http) => (http.wanted.formats(), Coding::Text),
            _ => return Ok(Needle::default()),
        };
        if formats.iter().all(Option::is_none) || self.replies.input().is_empty() {
            return Ok(Needle::default());
        }
        let scene = match &expect.pattern {
            ExpectPattern::Http(_) => self.scene(Some(expect)),
            _ => self.scene(self.last_expect()),
        };
        if matches!((&expect.pattern, &scene.material), (ExpectPattern::Http(_), Material::Bytes(_))) {
            // There is no answer yet that they could be about.
            return Ok(Needle::default());
        }
        let rendered = |format: Option<&CheckFormat>| {
            let Some(format) = format else { return Ok(Vec::new()) };
            let needle = scene.bytes(format, coding).ok_or(NOT_HEXADECIMAL)?;
            if needle.is_empty() { Err(EMPTY) } else { Ok(needle) }
        };
        Ok(Needle { text: rendered(formats[0])?, value: rendered(formats[1])? })
    }

    /// The expect that was met last.
    pub(super) fn last_expect(&self) -> Option<&'a CheckExpect> {
        let rules: &'a [CheckRule] = self.rules;
        rules[..self.at.min(rules.len())].iter().rev().find_map(|rule| match &rule.action {
            CheckAction::Expect(expect) => Some(expect),
            _ => None,
        })
    }

    /// Where the check stands, for a timeout or a broken connection; only `option tcp-check` says that.
    pub(super) fn place(&self) -> String {
        if !matches!(self.method, CheckMethod::TcpCheck(_)) {
            return String::new();
        }
        let implicit = matches!(self.phase, Phase::ConnectingImplicitly);
        text::place(if implicit { None } else { self.rules.get(self.at) }, self.at + 1)
    }
}

/// The status a rule names, or HAProxy's default.
pub(super) fn status_or(name: Option<&'static str>, default: CheckStatus) -> CheckStatus {
    name.and_then(CheckStatus::from_name).unwrap_or(default)
}
