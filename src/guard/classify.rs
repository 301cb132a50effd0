//! What a check script asks for, found out by asking it: the engine that checks the servers runs the script
//! against a canned master and a canned replica, and whom it accepts says what the backend is. So every way
//! to ask counts (inline or RESP, text or binary, a pattern or its inverse, INFO, ROLE or a write), and
//! nobody has to understand the script, its password least of all.
//!
//! | accepts the master | accepts the replica | the backend is |
//! |---|---|---|
//! | yes | no | one for the master |
//! | no | yes | one for replicas |
//! | yes | yes | plain: PING, a connect |
//! | no | no | plain: it asks for something else, such as a Sentinel |
//!
//! Generations of Redis word things differently; one of them in which the script tells the two apart is
//! enough.

use super::canned::{Canned, Dialect};
use crate::config::model::{Backend, CheckMethod, GuardMode, Origin};
use crate::config::{Config, Diagnostic};
use crate::health::tcp_check::rehearse;
use crate::redis::Role;
use crate::state::Guarding;

/// What applies to a backend, by its check and its `option redis-*`. `bufsize` is `tune.bufsize`.
///
/// One master includes proof: nobody is master unproven, so `no option redis-proof` alone changes nothing
/// there. Without both of them the backend is as HAProxy's.
pub fn classify(backend: &Backend, bufsize: usize) -> Guarding {
    let options = &backend.redis;
    if options.guard == GuardMode::Off || !runs_checks(backend) {
        return Guarding::None;
    }
    if options.replica.is_some() {
        // Whatever the script asks for: health judges the role by a question of its own.
        let proves = options.guard == GuardMode::On && options.proof;
        return if proves { Guarding::Replicas } else { Guarding::None };
    }
    let Some(role) = asked_for(&backend.check, bufsize) else { return Guarding::None };
    let wants_one_master = role == Role::Master && options.single_master;
    match (options.guard, wants_one_master) {
        (GuardMode::Observe, true) => Guarding::Observe,
        // Only choices are worth watching.
        (GuardMode::Observe, false) => Guarding::None,
        (_, true) => Guarding::Master,
        (_, false) if !options.proof => Guarding::None,
        (_, false) if role == Role::Master => Guarding::Masters,
        (_, false) => Guarding::Replicas,
    }
}

/// Whether the script is ever run. The config's own servers say so: one that is added at run time changes nothing
/// about those that are there, and where there are none, whoever comes has to pass.
fn runs_checks(backend: &Backend) -> bool {
    let mut own = backend.servers.iter().filter(|server| server.origin == Origin::Config).peekable();
    own.peek().is_none() || own.any(|server| server.check.is_some())
}

/// What an operator should know before the guard acts: servers that can never prove themselves.
pub fn advice(config: &Config) -> Vec<Diagnostic> {
    let guarded =
        config.backends.iter().filter(|backend| classify(backend, config.global.bufsize).needs_proof());
    let unchecked = guarded.flat_map(|backend| {
        let servers = backend.servers.iter().filter(|server| server.check.is_none());
        servers.map(move |server| (backend.name.as_str(), server.name.as_str()))
    });
    let unchecked = unchecked.map(|(backend, server)| {
        let message = format!("server '{backend}/{server}' has no 'check' and will get no clients");
        Diagnostic::warning(None, message).help(
            "the checks of this backend ask for the role, so a server without one proves nothing: add 'check', \
             or set 'option redis-guard off'",
        )
    });
    unchecked.chain(contradictions(config)).collect()
}

/// Read backends whose own script refuses every replica.
fn contradictions(config: &Config) -> impl Iterator<Item = Diagnostic> {
    let asks_for_master = |backend: &&Backend| {
        backend.redis.replica.is_some()
            && asked_for(&backend.check, config.global.bufsize) == Some(Role::Master)
    };
    config.backends.iter().filter(asks_for_master).map(|backend| {
        let message = format!(
            "backend '{}' has 'option redis-replica', and its checks ask for the master: no replica can pass",
            backend.name
        );
        Diagnostic::warning(None, message).help(
            "leave the role out of the 'tcp-check' lines, or use 'option redis-check': the role is asked for anyway",
        )
    })
}

/// The role that the script accepts while it refuses the other; `None` if it does not ask for one.
pub fn asked_for(check: &CheckMethod, bufsize: usize) -> Option<Role> {
    if !matches!(check, CheckMethod::TcpCheck(_)) {
        return None;
    }
    let accepts = |role, dialect| {
        let mut canned = Canned::new(role, dialect);
        rehearse(check, bufsize, |sent| canned.answer(sent)).passed()
    };
    let verdicts =
        Dialect::ALL.map(|dialect| (accepts(Role::Master, dialect), accepts(Role::Replica, dialect)));
    if verdicts.contains(&(true, false)) {
        return Some(Role::Master);
    }
    verdicts.contains(&(false, true)).then_some(Role::Replica)
}

#[cfg(test)]
#[path = "classify_tests.rs"]
mod tests;
