//! What HAProxy lacks: proof, one master, hold, freeze, Sentinels; said only where it is in force.

use super::words::{self, Page};
use crate::config::Config;
use crate::config::model::{Backend, GuardMode, Lag};
use crate::state::Guarding;

pub(super) fn explain(page: &mut Page, config: &Config, backend: &Backend, guarding: Guarding) {
    match guarding {
        Guarding::None => nothing(page, backend),
        Guarding::Replicas => replicas(page, backend),
        Guarding::Masters => {
            page.say(
                "Role-checked: the check accepts a master and refuses a replica. A server gets its first client \
                 only after a check has passed, and its clients are cut when it says another role. Several \
                 masters may get clients ('no option redis-single-master').",
            );
        }
        Guarding::Observe => {
            page.say(
                "Role-checked, and only observed ('option redis-guard observe'): what the guard would do is \
                 logged, and clients are treated as HAProxy treats them.",
            );
        }
        Guarding::Master => master(page, config, backend),
    }
}

fn nothing(page: &mut Page, backend: &Backend) {
    let why = match backend.redis.guard {
        GuardMode::Off => "'option redis-guard off' stands here",
        _ if backend.servers.iter().all(|server| server.check.is_none()) => "no server is checked",
        _ => "its check does not tell a master from a replica, or its options switch the guard off",
    };
    page.say(format!("Behaves as HAProxy, without a guard: {why}."));
}

fn replicas(page: &mut Page, backend: &Backend) {
    match backend.redis.replica {
        Some(options) => {
            let lag = match options.max_lag {
                None => String::new(),
                Some(Lag::Bytes(bytes)) => format!(" and at most {bytes} bytes behind"),
                Some(Lag::Time(time)) => format!(" and at most {} behind", words::time(time)),
            };
            page.say(format!(
                "A read backend ('option redis-replica'): a server gets clients while it says that it is a \
                 replica whose link to the master is up{lag}."
            ));
        }
        None => page.say("Role-checked for replicas: the check accepts a replica and refuses the master."),
    }
    page.say(
        "A server gets its first client only after a check has passed; its clients are cut when it says another \
         role.",
    );
}

fn master(page: &mut Page, config: &Config, backend: &Backend) {
    page.say(
        "Role-checked: the check accepts a master and refuses a replica. That proves the master: a server gets \
         its first client only after a check has passed, at the start, after a reload and after a change of \
         address.",
    );
    page.say(
        "One master: of several servers that say role:master exactly one gets clients. It is the one that a \
         running failover of Sentinel selected, else the one that a majority of the Sentinels names, else the \
         one whose replication history continues the present master's, else the present one. The others are \
         held: shown with the reason on the page, and never chosen.",
    );
    page.say(
        "When the master changes, clients of the old one are cut after the last reply that it sent them. A \
         timeout, a refused connect or an error reply cuts nobody by itself.",
    );
    match backend.redis.hold {
        Some(time) => page.say(format!(
            "Hold: without a master new clients wait instead of being refused, for {} from the moment the \
             backend lost it ('option redis-hold', else 'timeout queue', else 5s).",
            words::time(time)
        )),
        None => page.say("Without a master clients are refused at once ('no option redis-hold')."),
    }
    page.say(format!(
        "Freeze: once Sentinel has decided a failover, nothing more is sent to the old master, for {} at most \
         ('timeout freeze'). Its replies still arrive for a moment; new clients wait for the outcome.",
        words::time(backend.redis.freeze)
    ));
    sentinels(page, config, backend);
}

fn sentinels(page: &mut Page, config: &Config, backend: &Backend) {
    let found = "Sentinels are found by what they announce on the servers (channel __sentinel__:hello), with the \
                 login of the check; what they say is a hint, and a server must say role:master itself.";
    let named: Vec<&str> = config.sentinels.iter().map(|group| group.name.as_str()).collect();
    match (backend.redis.discovery, named.is_empty()) {
        (true, true) => page.say(found),
        (true, false) => {
            page.say(format!("Sentinels are named in {}. Others: {found}", words::list(named)));
        }
        (false, false) => page.say(format!("Sentinels are those of {} only.", words::list(named))),
        (false, true) => page.say(
            "Sentinels are not looked for ('no option redis-sentinel-discovery'): the guard goes by the \
             servers' own words.",
        ),
    }
}
