//! `balance ALGORITHM` (manual section 4.2).

use super::context::Context;
use super::statement::Statement;
use crate::config::ast::Proxy;
use crate::config::diagnostic::Diagnostic;
use crate::config::lexer::split_arguments;
use crate::config::model::Balance;

const ALGORITHMS: [(&str, Balance); 5] = [
    ("roundrobin", Balance::RoundRobin),
    ("static-rr", Balance::StaticRr),
    ("leastconn", Balance::LeastConn),
    ("first", Balance::First),
    ("source", Balance::Source),
];

/// `random` draws two unless told otherwise.
const DEFAULT_DRAWS: u32 = 2;

/// `balance ...`; without an argument it is roundrobin.
pub(super) fn line(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    let text = line.text(1);
    let algorithm = match &*text {
        "" => Some(Balance::RoundRobin),
        random if random.starts_with("random") => draws(context, line, random),
        other => {
            ALGORITHMS.iter().find(|(name, _)| *name == other).map(|(_, balance)| *balance).or_else(|| {
                context.report(
                    Diagnostic::error(line.span_of(1), format!("balance does not support '{other}'"))
                        .help("use 'roundrobin', 'static-rr', 'leastconn', 'first', 'source' or 'random(2)'"),
                );
                None
            })
        }
    };
    if let Some(algorithm) = algorithm {
        proxy.settings.balance = algorithm;
        line.no_more(context, "balance", 2);
    }
}

fn draws(context: &mut Context<'_>, line: &Statement<'_>, text: &str) -> Option<Balance> {
    let call =
        split_arguments(text.as_bytes()).ok().filter(|call| call.name == b"random" && call.rest.is_empty());
    let draws = call.and_then(|call| match call.arguments.as_deref() {
        None | Some([]) => Some(DEFAULT_DRAWS),
        Some([one]) => {
            String::from_utf8_lossy(one).parse().ok().filter(|draws| (1..=MOST_DRAWS).contains(draws))
        }
        Some(_) => None,
    });
    if draws.is_none() {
        context.report(
            Diagnostic::error(line.span_of(1), format!("balance random : unexpected argument in '{text}'"))
                .help("write 'random' or 'random(N)' with N from 1 to 1000"),
        );
    }
    draws.map(Balance::Random)
}

const MOST_DRAWS: u32 = 1_000;
