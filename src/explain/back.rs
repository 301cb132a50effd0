//! A backend, or the back half of a `listen`: which server gets a client, what is checked, what is promised.

use super::front::stats_page;
use super::outline::Outline;
use super::words::{self, Page};
use super::{check, guard};
use crate::config::Config;
use crate::config::model::{Backend, BackendId, Balance, HashMethod, Mode, Redispatch, Server};
use crate::guard::classify::classify;

pub(super) fn explain(page: &mut Page, config: &Config, backend: &Backend, outline: &Outline) {
    if backend.is_listen && backend.mode == Mode::Http && backend.servers.is_empty() {
        return;
    }
    let section = (if backend.is_listen { "listen" } else { "backend" }, backend.name.as_str());
    let half = if backend.is_listen { ", servers" } else { "" };
    page.title(format!("{} {}{half}{}", section.0.to_uppercase(), backend.name, outline.place(section)));
    if backend.disabled {
        return page.say("Disabled: who is led here is refused.");
    }
    if backend.mode == Mode::Http {
        page.say("Serves pages over HTTP; no client of it reaches a server.");
        return backend.stats.iter().for_each(|stats| page.item(stats_page(stats)));
    }
    if backend.servers.is_empty() {
        return page.say("Has no server: who is led here is refused.");
    }
    let guarding = classify(backend, config.global.bufsize);
    let id = config.backends.iter().position(|other| std::ptr::eq(other, backend)).map(BackendId);
    let used = id.is_some_and(|id| config.frontends.iter().any(|frontend| frontend.leads_to(id)));
    if !used {
        page.say("No frontend leads here: it only checks its servers, for conditions of others.");
    }
    if used {
        choice(page, backend, section, outline);
    }
    servers(page, backend);
    check::explain(page, backend, guarding);
    guard::explain(page, config, backend, guarding);
    if used {
        failures(page, backend);
        limits(page, backend, section, outline);
    }
}

fn choice(page: &mut Page, backend: &Backend, section: (&str, &str), outline: &Outline) {
    if !backend.rules.content.is_empty() {
        page.head("Who may stay is decided by these lines:");
        let rules =
            outline.quoted(section, &["acl", "tcp-request", "http-request deny", "http-request allow"]);
        rules.iter().for_each(|line| page.item(line));
    }
    let rules = outline.quoted(section, &["use-server", "stick"]);
    if !(rules.is_empty() || backend.rules.servers.is_empty() && backend.rules.stick.is_empty()) {
        page.head("These lines come first; a server that is down, held or unproven is never named by one:");
        rules.iter().for_each(|line| page.item(line));
    }
    let usable = backend.servers.iter().filter(|server| !server.backup && server.weight > 0);
    if usable.count() < 2 && backend.servers.len() < 2 {
        return;
    }
    let how = match backend.balance {
        Balance::RoundRobin => "in turn, by weight".to_owned(),
        Balance::StaticRr => "in turn, by the weights of the file".to_owned(),
        Balance::LeastConn => "to the one with the fewest connections for its weight".to_owned(),
        Balance::First => "to the first one that has room".to_owned(),
        Balance::Source(hashing) if hashing.method == HashMethod::Consistent => {
            "by the client's address; a server that leaves moves only its own clients".to_owned()
        }
        Balance::Source(_) => "by the client's address".to_owned(),
        Balance::Hash(_) => "by a hash of what 'balance hash' names".to_owned(),
        Balance::Random(draws) => format!("to the least loaded of {draws} drawn at random"),
    };
    page.say(format!("Among servers that get traffic, clients are spread {how} ('balance')."));
}

fn servers(page: &mut Page, backend: &Backend) {
    page.head(format!("{}:", words::count(backend.servers.len(), "server")));
    for server in &backend.servers {
        page.item(one(server));
    }
    if backend.servers.iter().any(|server| server.backup) {
        let which = if backend.allbackups { "All backups" } else { "The first backup that is up" };
        page.say(format!("{which} take over while no other server gets traffic."));
    }
}

fn one(server: &Server) -> String {
    let mut text = format!("{} at {}", server.name, server.written_address);
    if let Some(check) = &server.check {
        let inter = words::time(check.inter);
        text.push_str(&format!(
            ": checked every {inter}, up after {} good, down after {} bad",
            check.rise, check.fall
        ));
        for (name, time) in [("while it changes", check.fastinter), ("while it is down", check.downinter)] {
            if let Some(time) = time {
                text.push_str(&format!(", every {} {name}", words::time(time)));
            }
        }
    } else if let Some(track) = &server.track {
        text.push_str(&format!(": as {} is", track.name));
    } else {
        text.push_str(": not checked, taken as up");
    }
    let mut notes = Vec::new();
    notes.extend(server.backup.then(|| "backup".to_owned()));
    notes.extend(server.disabled.then(|| "in maintenance until enabled".to_owned()));
    notes.extend((server.weight == 0).then(|| "weight 0: no new clients".to_owned()));
    notes.extend((server.maxconn > 0).then(|| format!("at most {} clients, others queue", server.maxconn)));
    notes.extend(server.send_proxy.map(|_| "told of the client by a PROXY header".to_owned()));
    notes.extend(server.socks4.map(|proxy| format!("reached through the SOCKS4 proxy at {proxy}")));
    notes.extend(server.slot.is_some().then(|| "its address comes from the Sentinels".to_owned()));
    if server.on_marked_down_shutdown_sessions {
        notes.push("its clients are cut when it goes down".to_owned());
    }
    for note in notes {
        text.push_str("; ");
        text.push_str(&note);
    }
    text
}

fn failures(page: &mut Page, backend: &Backend) {
    let again = match backend.redispatch {
        Redispatch::Off => "always at the same server",
        Redispatch::Uncounted | Redispatch::LastRetry | Redispatch::EveryNth(_) | Redispatch::FromLast(_) => {
            "at another server if there is one ('option redispatch')"
        }
    };
    match backend.retries {
        0 => page.say("A connect that fails is not tried again ('retries 0')."),
        count => page.say(format!(
            "A connect that fails is tried again, {} at most ('retries'), {again}.",
            words::count(count as usize, "time")
        )),
    }
}

fn limits(page: &mut Page, backend: &Backend, section: (&str, &str), outline: &Outline) {
    page.head("Limits:");
    let mut setting = |name: &str, value: Option<String>, missing: &str| {
        let origin = outline.origin(section, name).map(|origin| origin.to_string());
        let value = value.unwrap_or_else(|| missing.to_owned());
        page.setting(name, &value, &origin.unwrap_or_else(|| "not set".to_owned()));
    };
    setting("timeout connect", backend.timeout_connect.map(words::time), "for ever");
    setting("timeout server", backend.timeout_server.map(words::time), "for ever");
    if let Some(time) = backend.timeout_tunnel {
        setting("timeout tunnel", Some(words::time(time)), "");
    }
    let queue = backend.timeout_queue.map(words::time);
    setting("timeout queue", queue, "as connect");
    setting("timeout check", backend.timeout_check.map(words::time), "inter");
    setting("retries", Some(backend.retries.to_string()), "");
}
