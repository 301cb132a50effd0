//! What can be said of a script without running it against a server.

use std::sync::LazyLock;

use super::{CheckOutcome, Engine, Mode, Step};
use crate::config::model::{
    CheckAction, CheckConverter, CheckExpect, CheckFetch, CheckFormat, CheckMethod, CheckRule, ExpectPattern,
    Secret,
};
use crate::redis::command::{self, Purpose};

/// What a rule is to a probe that keeps its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Repeated every time.
    Every,
    /// Connecting, AUTH and HELLO, and what is expected of them: once a connection.
    Login,
    /// QUIT and what is expected of it: never.
    Quit,
}

/// The part of each rule; an expect belongs to the send before it.
pub(super) fn parts(rules: &[CheckRule]) -> Vec<Part> {
    let mut part = Part::Every;
    let of = |rule: &CheckRule| {
        part = match &rule.action {
            CheckAction::Connect(_) => Part::Login,
            CheckAction::Send(bytes) | CheckAction::SendBinary(bytes) => {
                match command::purpose(bytes.expose()) {
                    Purpose::Login => Part::Login,
                    Purpose::Quit => Part::Quit,
                    Purpose::Ask => Part::Every,
                }
            }
            // Never part of a script that is repeated.
            CheckAction::SendFormat { .. } => Part::Every,
            CheckAction::Expect(_)
            | CheckAction::Comment
            | CheckAction::SetVariable { .. }
            | CheckAction::UnsetVariable(_) => part,
        };
        part
    };
    rules.iter().map(of).collect()
}

/// Whether a script can be asked again and again on one connection: it connects once and first, each send
/// is whole commands that bring one reply each, and something is left to ask beside the login.
pub fn repeatable(method: &CheckMethod) -> bool {
    let rules: &[CheckRule] = match method {
        CheckMethod::Layer4 | CheckMethod::Builtin(_) => return false,
        CheckMethod::RedisCheck => return true,
        CheckMethod::TcpCheck(rules) => rules,
    };
    let mut asks = 0;
    let mut sent = false;
    for (rule, part) in rules.iter().zip(parts(rules)) {
        match &rule.action {
            CheckAction::Comment => {}
            CheckAction::SendFormat { .. }
            | CheckAction::SetVariable { .. }
            | CheckAction::UnsetVariable(_) => return false,
            CheckAction::Connect(_) if sent => return false,
            CheckAction::Connect(_) => sent = true,
            CheckAction::Send(bytes) | CheckAction::SendBinary(bytes) => {
                sent = true;
                let whole = |commands: command::Commands| commands.complete > 0 && commands.unfinished == 0;
                if !command::count(bytes.expose()).is_some_and(whole) {
                    return false;
                }
            }
            CheckAction::Expect(_) if !sent => return false,
            CheckAction::Expect(_) => asks += usize::from(part == Part::Every),
        }
    }
    asks > 0
}

/// What a script sends to log in, verbatim: its AUTH and HELLO commands, however many sends they are spread over.
pub fn login(method: &CheckMethod) -> Vec<u8> {
    let CheckMethod::TcpCheck(rules) = method else { return Vec::new() };
    let sends = rules.iter().filter_map(|rule| match &rule.action {
        CheckAction::Send(bytes) | CheckAction::SendBinary(bytes) => Some(bytes.expose()),
        _ => None,
    });
    command::logins(&sends.collect::<Vec<_>>().concat())
}

/// `option redis-check` as a script: exactly what HAProxy sends, expects and reports.
pub(super) static REDIS_CHECK: LazyLock<[CheckRule; 2]> = LazyLock::new(|| {
    let expect = CheckExpect {
        error_status: Some("L7STS"),
        on_success: Some(CheckFormat::text("Redis server is ok")),
        on_error: Some(CheckFormat::of(
            CheckFetch::Input { offset: 0, length: 0 },
            [CheckConverter::CutCrlf],
        )),
        ..CheckExpect::of(ExpectPattern::String(b"+PONG\r\n".to_vec()))
    };
    let send = CheckAction::Send(Secret::new(*b"*1\r\n$4\r\nPING\r\n"));
    [send, CheckAction::Expect(expect)].map(|action| CheckRule { action, comment: None })
});

/// Runs a script against a peer that is played by `answer`: called with each send, it gives the bytes that
/// come back. When the script waits for more than that, the timeout strikes.
pub fn rehearse(
    method: &CheckMethod,
    bufsize: usize,
    mut answer: impl FnMut(&[u8]) -> Vec<u8>,
) -> CheckOutcome {
    let mut engine = Engine::new(method, bufsize, Mode::Once);
    let mut pending = Vec::new();
    let mut step = engine.begin();
    loop {
        step = match step {
            Step::Done(outcome) => return outcome,
            Step::Connect(_) => {
                pending.clear();
                engine.on_connected()
            }
            Step::Send(bytes) => {
                pending.extend(answer(&bytes));
                engine.on_sent()
            }
            Step::Wait if pending.is_empty() => engine.on_timeout(),
            Step::Wait => engine.on_bytes(&std::mem::take(&mut pending)),
        };
    }
}
