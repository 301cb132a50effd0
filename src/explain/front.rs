//! A frontend, or the front half of a `listen`: where clients come in, and where they go.

use super::outline::Outline;
use super::words::{self, Page};
use crate::config::Config;
use crate::config::model::{Frontend, LogFormat, Mode, RequestAction, StatsPage};

pub(super) fn explain(page: &mut Page, config: &Config, frontend: &Frontend, outline: &Outline) {
    let section = (if frontend.is_listen { "listen" } else { "frontend" }, frontend.name.as_str());
    let half = if frontend.is_listen { ", clients" } else { "" };
    page.title(format!("{} {}{half}{}", section.0.to_uppercase(), frontend.name, outline.place(section)));
    if frontend.disabled {
        return page.say("Disabled: it does not listen.");
    }
    listens(page, frontend);
    rules(page, frontend, section, outline);
    destination(page, config, frontend, section, outline);
    limits(page, frontend, section, outline);
    logs(page, frontend);
}

fn listens(page: &mut Page, frontend: &Frontend) {
    let addresses: Vec<String> = frontend.binds.iter().map(|bind| words::bind(&bind.address)).collect();
    page.say(format!("Listens on {}.", words::list(addresses.iter().map(String::as_str))));
    for bind in frontend.binds.iter().filter(|bind| bind.accept_proxy) {
        page.say(format!(
            "Who comes by {} must begin with a PROXY header, within 'timeout client'; it says who the client is.",
            words::bind(&bind.address)
        ));
    }
}

fn rules(page: &mut Page, frontend: &Frontend, section: (&str, &str), outline: &Outline) {
    let lines = outline.quoted(section, &["acl", "tcp-request", "http-request deny", "http-request allow"]);
    let lists = [&frontend.rules.connection, &frontend.rules.session, &frontend.rules.content];
    if lists.iter().all(|list| list.is_empty()) {
        return;
    }
    page.head("Who may come in is decided by these lines, those for connections first:");
    lines.iter().for_each(|line| page.item(line));
}

fn destination(
    page: &mut Page,
    config: &Config,
    frontend: &Frontend,
    section: (&str, &str),
    outline: &Outline,
) {
    if frontend.mode == Mode::Http {
        return pages(page, frontend);
    }
    let default = frontend.default_backend.map(|id| config.backends[id.0].name.as_str());
    let own = default.filter(|name| frontend.is_listen && *name == frontend.name);
    let conditional = outline.quoted(section, &["use_backend"]);
    if !conditional.is_empty() {
        page.head("Clients go by the first of these lines that holds:");
        conditional.iter().for_each(|line| page.item(line));
    }
    match (own, default, conditional.is_empty()) {
        (Some(_), _, _) => page.say("Clients go to the servers below."),
        (None, Some(name), true) => page.say(format!("Every client goes to backend {name}.")),
        (None, Some(name), false) => page.say(format!("Everybody else goes to backend {name}.")),
        (None, None, _) => page.say("Everybody else is refused: there is no 'default_backend'."),
    }
}

fn pages(page: &mut Page, frontend: &Frontend) {
    page.say("Serves pages over HTTP; no client of it reaches a server.");
    if let Some(stats) = &frontend.stats {
        page.item(stats_page(stats));
    }
    if let Some(uri) = &frontend.monitor_uri {
        let fails =
            if frontend.monitor_fail.is_empty() { "" } else { ", 503 when a 'monitor fail' line holds" };
        page.item(format!("{uri}: 200 to say that it is alive{fails}"));
    }
    type Is = fn(&RequestAction) -> bool;
    let told: [(Is, &str); 5] = [
        (
            |action| matches!(action, RequestAction::Auth { .. }),
            "a login is asked for, as 'http-request auth' says",
        ),
        (
            |action| {
                use RequestAction::{Deny, Reject, SilentDrop, Tarpit};
                matches!(action, Deny(_) | Tarpit(_) | Reject | SilentDrop)
            },
            "some requests are refused, as 'http-request deny' and its kin say",
        ),
        (
            |action| matches!(action, RequestAction::Return(_)),
            "texts of the config's own, as 'http-request return' says",
        ),
        (
            |action| matches!(action, RequestAction::Redirect(_)),
            "some requests are sent elsewhere, as 'redirect' says",
        ),
        (
            |action| *action == RequestAction::Export,
            "the Prometheus exporter, where 'http-request use-service' says so",
        ),
    ];
    let rules = || frontend.requests.iter().chain(&frontend.redirects);
    for (is, text) in told {
        if rules().any(|rule| is(&rule.action)) {
            page.item(text);
        }
    }
}

/// Who sees a stats page, and whether it is more than a page.
pub(super) fn stats_page(stats: &StatsPage) -> String {
    let who = match stats.users.len() {
        0 => "for everybody".to_owned(),
        count => format!("for {} with a password", words::count(count, "user")),
    };
    let form = if stats.admin.is_empty() {
        ""
    } else {
        "; servers are changed there, where 'stats admin' allows it"
    };
    format!("{}: the stats page, {who}{form}", stats.uri)
}

fn limits(page: &mut Page, frontend: &Frontend, section: (&str, &str), outline: &Outline) {
    page.head("Limits:");
    let mut setting = |name: &str, value: Option<String>, missing: &str| {
        let origin = outline.origin(section, name).map(|origin| origin.to_string());
        let value = value.unwrap_or_else(|| missing.to_owned());
        page.setting(name, &value, &origin.unwrap_or_else(|| "not set".to_owned()));
    };
    let maxconn = (frontend.maxconn > 0).then(|| frontend.maxconn.to_string());
    setting("maxconn", maxconn, "the process's");
    setting("timeout client", frontend.timeout_client.map(words::time), "for ever");
    if let Some(time) = frontend.timeout_client_fin {
        setting("timeout client-fin", Some(words::time(time)), "");
    }
    if let Some(rate) = frontend.rate_limit_sessions {
        setting("rate-limit sessions", Some(format!("{rate}/s")), "");
    }
}

fn logs(page: &mut Page, frontend: &Frontend) {
    let log = &frontend.log;
    let format = if log.template.is_some() { "log-format" } else { "option tcplog" };
    let early = log.template.as_ref().is_some_and(|template| template.at_connect);
    page.say(match (log.targets.is_empty(), log.format) {
        (true, _) => "Logs no session: it has no 'log' line.".to_owned(),
        (false, LogFormat::Connect) => "Logs each connection as it comes (no 'option tcplog').".to_owned(),
        (false, LogFormat::Tcp) if log.as_soon_as_possible => {
            format!("Logs each session as soon as it has its server ('{format}', 'option logasap').")
        }
        (false, LogFormat::Tcp) if early => {
            format!("Logs each session as soon as it has its server ('{format}' asks for nothing later).")
        }
        (false, LogFormat::Tcp) => format!("Logs each session when it ends ('{format}')."),
    });
}
