//! `balance ALGORITHM`, `hash-type` and `hash-balance-factor` (manual section 4.2).

use std::rc::Rc;

use super::context::Context;
use super::form;
use super::sample;
use super::statement::{Statement, UNBOUNDED};
use crate::config::ast::Proxy;
use crate::config::diagnostic::{Diagnostic, Heading};
use crate::config::keyword::{Form, Value};
use crate::config::lexer::split_arguments;
use crate::config::model::{Balance, HashFunction, HashMethod, Hashing};

const ALGORITHMS: [(&str, Balance); 5] = [
    ("roundrobin", Balance::RoundRobin),
    ("static-rr", Balance::StaticRr),
    ("leastconn", Balance::LeastConn),
    ("first", Balance::First),
    ("source", Balance::Source(NOT_SAID_YET)),
];

/// `hash-type` may stand before or after `balance`: what it says is put in when the tree is resolved.
const NOT_SAID_YET: Hashing = Hashing {
    method: HashMethod::MapBased,
    function: HashFunction::Sdbm,
    avalanche: false,
    balance_factor: None,
};

/// `random` draws two unless told otherwise.
const DEFAULT_DRAWS: u32 = 2;

/// `balance ...`; without an argument it is roundrobin.
pub(super) fn line(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    let text = line.text(1);
    if text == "hash" {
        return hash(context, proxy, line);
    }
    let algorithm = match &*text {
        "" => Some(Balance::RoundRobin),
        random if random.starts_with("random") => draws(context, line, random),
        http if is_http(http) => {
            if let Some(fault) = wrong_part(http, line) {
                return context.error(line.span_of(2), fault);
            }
            let message = "Layer 7 hash not possible (needs 'mode http'). Falling back to round robin.";
            context.report(Diagnostic::warning(line.span_of(1), message).heading(Heading::Bare));
            proxy.settings.balance = Some(Balance::RoundRobin);
            return;
        }
        other => {
            ALGORITHMS.iter().find(|(name, _)| *name == other).map(|(_, balance)| *balance).or_else(|| {
                context.report(
                    Diagnostic::error(line.span_of(1), format!("balance does not support '{other}'"))
                        .help("use 'roundrobin', 'static-rr', 'leastconn', 'first', 'source', 'hash' or 'random(2)'"),
                );
                None
            })
        }
    };
    if let Some(algorithm) = algorithm {
        proxy.settings.balance = Some(algorithm);
        line.left_out(context, "balance", 2);
    }
}

/// `balance hash EXPR`
fn hash(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    let Some(word) = line.argument(2) else {
        return context.report(
            Diagnostic::error(line.span(), "balance hash requires a sample expression.")
                .help("for example 'balance hash src,ipmask(24)'"),
        );
    };
    if let Some(surplus) = line.argument(3) {
        let message = format!("balance hash takes no other argument (got '{}').", surplus.str());
        return context.error(surplus.span, message);
    }
    match sample::read(word) {
        Ok(sample) => {
            proxy.settings.hash = Some(Rc::new(sample));
            proxy.settings.balance = Some(Balance::Hash(NOT_SAID_YET));
        }
        Err(fault) => {
            let message = format!("failed to parse 'balance hash' expression : {}", fault.message);
            let mut diagnostic = Diagnostic::error(fault.span, message);
            diagnostic.help = fault.help;
            context.report(diagnostic);
        }
    }
}

/// Algorithms that hash a part of an HTTP request.
fn is_http(algorithm: &str) -> bool {
    matches!(algorithm, "uri" | "url_param") || algorithm.starts_with("hdr(")
}

/// What HAProxy would say of the words after such an algorithm.
fn wrong_part(algorithm: &str, line: &Statement<'_>) -> Option<String> {
    let forms = match algorithm {
        "uri" => URI,
        "url_param" => URL_PARAM,
        "hdr()" => return Some("balance hdr requires an http header field name.".to_owned()),
        _ => HEADER,
    };
    form::fault_in(&format!("balance {algorithm}"), forms, line.rest(2))
}

const URI: &[Form] = &[
    Form::Words(0, &[("len", 1), ("depth", 1), ("whole", 0), ("path-only", 0)]),
    Form::Behind("len", Value::Whole(1, i64::MAX)),
    Form::Behind("depth", Value::Whole(1, i64::MAX)),
];
const URL_PARAM: &[Form] = &[Form::AtLeast(1, "an URL parameter name"), Form::OneOf(1, &["", "check_post"])];
const HEADER: &[Form] = &[Form::Words(0, &[("use_domain_only", 0)])];

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

const FUNCTIONS: &str = "'hash-type' only supports 'sdbm', 'djb2', 'crc32', or 'wt6' hash functions.";

/// `hash-type map-based|consistent [FUNCTION [avalanche]]`. Without a function HAProxy mixes the bits of a
/// consistent hash, and not those of a map-based one.
pub(super) fn hash_type(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    let method = match &*line.text(1) {
        "map-based" => HashMethod::MapBased,
        "consistent" => HashMethod::Consistent,
        "avalanche" => {
            let message = "experimental feature 'hash-type avalanche' is not supported anymore, please use 'hash-type \
                           map-based sdbm avalanche' instead.";
            return context.error(line.span_of(1), message);
        }
        _ => {
            let message = "'hash-type' only supports 'consistent' and 'map-based'.";
            return context.error(line.span_of(1), message);
        }
    };
    let function = match &*line.text(2) {
        "" | "sdbm" => Some(HashFunction::Sdbm),
        "djb2" => Some(HashFunction::Djb2),
        "crc32" => Some(HashFunction::Crc32),
        "none" => Some(HashFunction::None),
        // Described nowhere but in HAProxy's source; only 'balance hash' needs one in its place.
        "wt6" => None,
        _ => return context.error(line.span_of(2), FUNCTIONS),
    };
    let avalanche = match (&*line.text(2), &*line.text(3)) {
        ("", _) => method == HashMethod::Consistent,
        (_, "") => false,
        (_, "avalanche") => true,
        _ => {
            let message = "'hash-type' only supports 'avalanche' as a modifier for hash functions.";
            return context.error(line.span_of(3), message);
        }
    };
    proxy.settings.foreign_hash = function.is_none().then(|| line.span_of(2));
    let hashing = &mut proxy.settings.hashing;
    (hashing.method, hashing.avalanche) = (method, avalanche);
    hashing.function = function.unwrap_or_default();
}

/// `hash-balance-factor PERCENT`; 0 is none.
pub(super) fn factor(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    let Some(factor) = line.number::<u32>(context, 1, "hash-balance-factor", 0..=UNBOUNDED) else { return };
    if (1..=100).contains(&factor) {
        let message = "'hash-balance-factor' must be 0 or greater than 100.";
        return context.error(line.span_of(1), message);
    }
    proxy.settings.hashing.balance_factor = (factor > 0).then_some(factor);
}
