//! How a backend's servers are checked, step by step. What a script sends is shown only where it is a command that
//! carries no secret.

use super::words::{self, Page};
use crate::config::model::{Backend, CheckAction, CheckExpect, CheckMethod, CheckRule, ExpectPattern};
use crate::health::tcp_check::repeatable;
use crate::redis::command::{Purpose, purpose};
use crate::state::Guarding;

/// Commands whose words may be shown.
const PLAIN: &[&str] =
    &["ping", "info", "role", "quit", "sentinel", "client", "select", "readonly", "command", "echo"];

pub(super) fn explain(page: &mut Page, backend: &Backend, guarding: Guarding) {
    let agents = backend.servers.iter().filter(|server| server.agent.is_some()).count();
    if agents > 0 {
        page.say(format!(
            "{agents} of its servers have an agent that may take them out and back, and set their weight and limit \
             ('agent-check')."
        ));
    }
    if backend.servers.iter().all(|server| server.check.is_none()) {
        return;
    }
    match &backend.check {
        CheckMethod::Layer4 => {
            page.say("A check is a connect and nothing else: it passes if the port answers.")
        }
        CheckMethod::RedisCheck => page.say("A check sends PING and passes at +PONG ('option redis-check')."),
        CheckMethod::Builtin(_) => page.say("A check is the built-in one that an 'option' names."),
        CheckMethod::TcpCheck(rules) if rules.is_empty() => {
            page.say("A check is a connect: 'option tcp-check' without a step.");
        }
        CheckMethod::TcpCheck(rules) => {
            page.head("A check passes if all of this goes well, in order:");
            rules.iter().filter_map(step).for_each(|step| page.item(step));
        }
    }
    let reads = backend.redis.replica.is_some();
    let wanted = backend.redis.kept_probe.unwrap_or(guarding != Guarding::None || reads);
    if wanted && repeatable(&backend.check) {
        page.say(
            "The connection of a check is kept: it logs in once and repeats only the questions, so that short \
             intervals cost little.",
        );
    }
    if let Some(time) = backend.timeout_check {
        page.say(format!("An answer is waited for {} at most ('timeout check').", words::time(time)));
    }
}

fn step(rule: &CheckRule) -> Option<String> {
    let text = match &rule.action {
        CheckAction::Comment | CheckAction::SetVariable { .. } | CheckAction::UnsetVariable(_) => {
            return None;
        }
        CheckAction::Connect(connect) => match (connect.addr, connect.port) {
            (None, None) => "connects".to_owned(),
            (None, Some(port)) => format!("connects to port {port}"),
            (Some(addr), None) => format!("connects to {addr}"),
            (Some(addr), Some(port)) => format!("connects to {addr}, port {port}"),
        },
        CheckAction::Send(bytes) | CheckAction::SendBinary(bytes) => sends(bytes.expose()),
        CheckAction::SendFormat { .. } => "sends what its expressions come to (not shown)".to_owned(),
        CheckAction::Expect(expect) => expects(expect),
    };
    Some(match &rule.comment {
        Some(comment) => format!("{text} ({comment})"),
        None => text,
    })
}

fn sends(bytes: &[u8]) -> String {
    if purpose(bytes) == Purpose::Login {
        return "logs in (what it sends is not shown)".to_owned();
    }
    let text = String::from_utf8_lossy(bytes);
    let marks = |line: &&str| !line.is_empty() && !line.starts_with(['*', '$']);
    let words: Vec<&str> = text.lines().filter(marks).flat_map(str::split_whitespace).collect();
    let known = words.first().is_some_and(|word| PLAIN.contains(&word.to_ascii_lowercase().as_str()));
    let shown = words.iter().all(|word| word.chars().all(|c| c.is_ascii_graphic()));
    let login = words.iter().any(|word| matches!(word.to_ascii_lowercase().as_str(), "auth" | "hello"));
    match known && shown && !login {
        true => format!("sends {}", words.join(" ")),
        false => format!("sends {} bytes (not shown)", bytes.len()),
    }
}

fn expects(expect: &CheckExpect) -> String {
    let not = if expect.inverse { "must not " } else { "must " };
    let printable = |bytes: &[u8]| String::from_utf8_lossy(bytes).escape_debug().to_string();
    match &expect.pattern {
        ExpectPattern::String(bytes) => format!("the answer {not}hold '{}'", printable(bytes)),
        ExpectPattern::Binary(bytes) => format!("the answer {not}hold the bytes '{}'", printable(bytes)),
        ExpectPattern::Rstring(text, _) => format!("the answer {not}match the expression '{text}'"),
        ExpectPattern::Rbinary(text, _) => format!("the answer, in hexadecimal, {not}match '{text}'"),
        ExpectPattern::Format(..) => format!("the answer {not}hold what its expressions come to"),
        ExpectPattern::Http(_) | ExpectPattern::Application(_) => {
            "the answer must be as the option says".to_owned()
        }
    }
}
