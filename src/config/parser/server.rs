//! `server NAME ADDRESS [OPTION...]`, `server-template` and `default-server OPTION...` (manual sections 4.2
//! and 5.2).
//!
//! Options may repeat, the last one counts. A server starts with what the `default-server` lines before it,
//! and those of `defaults`, have added up to.

use super::address::{self, Address, Ports};
use super::context::Context;
use super::mux;
use super::options::{Options, Taken};
use super::outgoing;
use super::resolvers;
use super::statement::{Statement, UNBOUNDED};
use super::tls;
use super::value::{TimeUnit, stray_name_character};
use crate::config::ast::{InitAddr, Proxy, Server, ServerSettings, Spanned, Speaks};
use crate::config::diagnostic::{Diagnostic, Heading};
use crate::config::keyword::Scope;
use crate::config::lexer::{Word, expand_unquoted};
use crate::config::model::{InitState, OnError, Secret};

/// Reads one option.
pub(super) type Reader = fn(&mut Context<'_>, &mut ServerSettings, &mut Options<'_>) -> Taken;

/// Every option that has an effect.
pub(super) const READERS: &[(&str, Reader)] = &[
    ("addr", |context, server, options| {
        server.check_addr = Some(ip_address(context, options)?);
        Some(())
    }),
    ("agent-addr", |context, server, options| {
        server.agent.addr = Some(ip_address(context, options)?);
        Some(())
    }),
    ("agent-check", |_, server, _| switch(&mut server.agent.check, true)),
    ("agent-inter", |context, server, options| interval(context, &mut server.agent.inter, options)),
    ("agent-port", |context, server, options| {
        server.agent.port = Some(options.number(context, 0..=65_535)?);
        Some(())
    }),
    ("agent-send", |context, server, options| {
        let text = options.string(context, "'agent-send' expects a string as argument.")?;
        server.agent.send = Some(Secret::new(text));
        Some(())
    }),
    ("backup", |_, server, _| switch(&mut server.backup, true)),
    ("check", |_, server, _| switch(&mut server.check, true)),
    ("check-proto", |context, server, options| {
        server.check_proto = Some(mux::of_server(context, options)?);
        Some(())
    }),
    ("check-send-proxy", |_, server, _| switch(&mut server.check_send_proxy, true)),
    ("check-via-socks4", |_, server, _| switch(&mut server.check_via_socks4, true)),
    ("cookie", |context, server, options| {
        server.cookie = Some(options.string(context, "'cookie' expects a value.")?);
        Some(())
    }),
    ("disabled", |_, server, _| switch(&mut server.disabled, true)),
    ("downinter", |context, server, options| interval(context, &mut server.downinter, options)),
    ("enabled", |_, server, _| switch(&mut server.disabled, false)),
    ("error-limit", |context, server, options| {
        server.error_limit = Some(options.number(context, 1..=UNBOUNDED)?);
        Some(())
    }),
    ("fall", |context, server, options| threshold(context, &mut server.fall, options, "fall")),
    ("fastinter", |context, server, options| interval(context, &mut server.fastinter, options)),
    ("id", outgoing::id),
    ("init-addr", init_addr),
    ("init-state", |context, server, options| {
        let expected = "'init-state' expects one of 'fully-up', 'up', 'down', 'fully-down' or 'none'";
        server.init_state = match options.string(context, expected)?.as_str() {
            "fully-up" => InitState::FullyUp,
            "up" | "none" => InitState::Up,
            "down" => InitState::Down,
            "fully-down" => InitState::FullyDown,
            other => return options.wrong(context, &format!("{expected} but got '{other}'"), None),
        };
        Some(())
    }),
    ("inter", |context, server, options| interval(context, &mut server.inter, options)),
    ("maxconn", |context, server, options| count(context, &mut server.maxconn, options)),
    ("maxqueue", |context, server, options| count(context, &mut server.maxqueue, options)),
    ("minconn", |context, server, options| count(context, &mut server.minconn, options)),
    ("no-agent-check", |_, server, _| {
        (server.agent.check, server.agent.send) = (false, None);
        Some(())
    }),
    ("no-backup", |_, server, _| switch(&mut server.backup, false)),
    ("no-check", |_, server, _| switch(&mut server.check, false)),
    ("no-check-send-proxy", |_, server, _| switch(&mut server.check_send_proxy, false)),
    ("no-send-proxy", |_, server, _| switch(&mut server.send_proxy.v1, false)),
    ("no-send-proxy-v2", |_, server, _| switch(&mut server.send_proxy.v2, false)),
    ("no-send-proxy-v2-ssl", |_, server, _| send_proxy_v2_ssl(server, false)),
    ("no-send-proxy-v2-ssl-cn", |_, server, _| {
        server.proxy_fields.common_name = false;
        send_proxy_v2_ssl(server, false)
    }),
    ("observe", observe),
    ("on-error", on_error),
    ("on-marked-down", |context, server, options| {
        one_word(context, options, "shutdown-sessions")?;
        switch(&mut server.shutdown_sessions, true)
    }),
    ("on-marked-up", |context, server, options| {
        one_word(context, options, "shutdown-backup-sessions")?;
        switch(&mut server.shutdown_backup_sessions, true)
    }),
    ("port", |context, server, options| {
        // 0 is the server's own.
        server.check_port = Some(options.number(context, 0..=65_535)?).filter(|port| *port > 0);
        Some(())
    }),
    ("resolve-net", resolvers::resolve_net),
    ("resolve-opts", resolvers::resolve_opts),
    ("resolve-prefer", resolvers::resolve_prefer),
    ("resolvers", resolvers::of_server),
    ("rise", |context, server, options| threshold(context, &mut server.rise, options, "rise")),
    ("send-proxy", |_, server, _| switch(&mut server.send_proxy.v1, true)),
    ("send-proxy-v2", |_, server, _| switch(&mut server.send_proxy.v2, true)),
    ("send-proxy-v2-ssl", |_, server, _| send_proxy_v2_ssl(server, true)),
    ("send-proxy-v2-ssl-cn", |_, server, _| {
        server.proxy_fields.common_name = true;
        send_proxy_v2_ssl(server, true)
    }),
    ("slowstart", |context, server, options| {
        server.slowstart = options.time(context, TimeUnit::Milliseconds)?;
        Some(())
    }),
    ("proto", |context, server, options| {
        server.proto = Some(mux::of_server(context, options)?);
        Some(())
    }),
    ("proxy-v2-options", outgoing::proxy_v2_options),
    ("socks4", outgoing::socks4),
    ("source", outgoing::source),
    ("tcp-ut", |context, server, options| {
        server.tcp_ut = Some(options.time(context, TimeUnit::Milliseconds)?);
        Some(())
    }),
    ("track", |context, server, options| {
        let written = options.string(context, "'track' expects [<proxy>/]<server> as argument.")?;
        server.track = Some(Spanned::new(written, options.place()));
        Some(())
    }),
    ("usesrc", |context, _, options| {
        let alone = "'usesrc' only allowed after a 'source' statement.";
        options.wrong(context, alone, Some("write 'source ADDRESS usesrc WHOM'"))
    }),
    ("weight", weight),
];

/// `server` in a backend or listen.
pub(super) fn line(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    let (Some(name), Some(written)) = (line.argument(1), line.argument(2)) else {
        let message = "'server' expects <name> and <addr>[:<port>] as arguments.";
        return context.report(
            Diagnostic::error(line.span(), message)
                .heading(Heading::Place)
                .help("for example 'server redis1 192.168.1.21:6379 check inter 1s'"),
        );
    };
    let name = Spanned::new(name.str().into_owned(), name.span);
    if is_stray(context, &name, "server name") {
        return;
    }
    let subject = format!("'server {}/{}'", proxy.name.value, name.value);
    let options = Options::new(Scope::Server, line, 3, subject);
    if !context.serve(line.span()) {
        return;
    }
    let Some(server) = server(context, proxy, Named { name, written }, options) else { return };
    match server.address.value {
        Address::Sentinels(_) => multiply(context, proxy, &server, (1, SLOTS), line),
        _ => proxy.servers.push(server),
    }
}

/// How many servers a `server` line with `sentinel@NAME` makes: Sentinels know a master and its replicas, and who
/// has more of them says so with `server-template`.
const SLOTS: u32 = 8;

/// `server-template PREFIX NUM|LOW-HIGH ADDRESS [OPTION...]`: a server for each number, all alike.
pub(super) fn template(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    let (Some(prefix), Some(range), Some(written)) = (line.argument(1), line.argument(2), line.argument(3))
    else {
        let message = "'server-template' expects <prefix> <nb | range> <addr>[:<port>] as arguments.";
        return context.report(
            Diagnostic::error(line.span(), message)
                .heading(Heading::Place)
                .help("for example 'server-template redis 3 redis.local:6379 check'"),
        );
    };
    let name = Spanned::new(prefix.str().into_owned(), prefix.span);
    if is_stray(context, &name, "server-template prefix") {
        return;
    }
    let Some((low, high)) = numbers(&range.str()) else {
        let message = format!("Wrong server-template number or range arg '{}'.", range.str());
        return context.report(
            Diagnostic::error(range.span, message)
                .heading(Heading::Place)
                .help("write how many servers to make, or the first and the last number: '3', '2-5'"),
        );
    };
    let subject = format!("'server-template {}/{}'", proxy.name.value, name.value);
    let options = Options::new(Scope::Server, line, 4, subject);
    let Some(server) = server(context, proxy, Named { name, written }, options) else { return };
    multiply(context, proxy, &server, (low, high), line);
}

/// Servers that are alike but for the number behind their name.
fn multiply(
    context: &mut Context<'_>,
    proxy: &mut Proxy,
    server: &Server,
    (low, high): (u32, u32),
    line: &Statement<'_>,
) {
    let prefix = &server.name.value;
    let weight = server.settings.weight_in_bytes + server.written_address.len();
    for number in low..=high {
        if !context.serve(line.span()) || !context.inherit(weight, line.span()) {
            return;
        }
        let mut server = server.clone();
        server.name.value = format!("{prefix}{number}");
        server.settings.id = server.settings.id.filter(|_| number == low);
        proxy.servers.push(server);
    }
}

/// The first and the last number; letters after a number are not looked at, as in HAProxy.
fn numbers(text: &str) -> Option<(u32, u32)> {
    let number = |text: &str| {
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        text[..digits].parse::<u32>().ok()
    };
    let (low, high) = match text.split_once('-') {
        Some((low, high)) => (number(low)?, number(high)?),
        None => (1, number(text)?),
    };
    (low <= high && high > 0).then_some((low, high))
}

pub(super) fn is_stray(context: &mut Context<'_>, name: &Spanned<String>, what: &str) -> bool {
    let Some(character) = stray_name_character(&name.value) else { return false };
    let message = format!("character '{character}' is not permitted in {what} '{}'.", name.value);
    context.report(
        Diagnostic::error(name.span, message)
            .heading(Heading::Place)
            .help("a name has letters, digits, '-', '_', '.' and ':'"),
    );
    true
}

/// A name, and the address that was written for it.
pub(super) struct Named<'a> {
    pub(super) name: Spanned<String>,
    pub(super) written: &'a Word,
}

/// What the rest of the line makes of it, on top of the `default-server` lines so far.
pub(super) fn server(
    context: &mut Context<'_>,
    proxy: &Proxy,
    Named { name, written }: Named<'_>,
    mut options: Options<'_>,
) -> Option<Server> {
    let text = expand_unquoted(&written.text, &context.environment);
    let written_address = String::from_utf8_lossy(&text).into_owned();
    let address = match server_address(&written_address) {
        Ok(address) => Spanned::new(address, written.span),
        Err(message) => {
            context.report(
                Diagnostic::error(written.span, format!("{} : {message}", options.subject()))
                    .heading(Heading::Place)
                    .help("an address is written ADDRESS:PORT with a port from 1 to 65535, or '/PATH'"),
            );
            return None;
        }
    };
    if !context.inherit(proxy.settings.default_server.weight_in_bytes, written.span) {
        return None;
    }
    let mut settings = proxy.settings.default_server.clone();
    settings.tls.offered = settings.tls.traffic == Speaks::Tls;
    // HAProxy reads it on a 'default-server' line, and no server has it from there.
    settings.check_proto = None;
    let is_right = options.read_all(context, &[READERS, tls::SERVER], &mut settings);
    if let Some(track) = settings.track.as_ref().filter(|_| settings.check) {
        let message =
            format!("{} : unable to enable checks and tracking at the same time!", options.subject());
        context.report(
            Diagnostic::error(name.span, message)
                .heading(Heading::Place)
                .label(track.span, "it tracks this one")
                .help("write 'no-check' on the line, or leave 'track' out"),
        );
    }
    let agent = &settings.agent;
    if is_right && agent.check && agent.port.or(settings.check_port).unwrap_or(0) == 0 {
        let message = format!(
            "{} : server {} does not have agent port. Agent check has been disabled.",
            options.subject(),
            name.value
        );
        context.report(
            Diagnostic::error(name.span, message)
                .heading(Heading::Place)
                .help("write 'agent-port N', or leave 'agent-check' out"),
        );
    }
    Some(Server { name, address, written_address, settings })
}

/// `default-server` in any proxy section.
pub(super) fn default_line(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    let settings = &mut proxy.settings.default_server;
    let mut options = Options::new(Scope::Server, line, 1, "'default-server'".to_owned());
    options.read_all(context, &[READERS, tls::SERVER], settings);
    if let Some(id) = settings.id.take() {
        let message = "'id' option is not accepted in default-server sections";
        context.report(Diagnostic::error(id.span, message).heading(Heading::Place));
    }
    settings.weight_in_bytes += line.words.iter().map(|word| word.text.len()).sum::<usize>();
}

fn server_address(text: &str) -> Result<Address, String> {
    if let Some(slot) = address::sentinels(text) {
        return Ok(Address::Sentinels(slot));
    }
    match address::stream(text) {
        Ok(Address::Inet { ports: Ports::Range { first, last }, .. }) if first != last => {
            Err(format!("port range not permitted here in '{text}'"))
        }
        // HAProxy maps port 0, like a missing one, to the port that the client came to.
        Ok(Address::Inet { host, ports: Ports::Range { first: 0, .. } | Ports::Missing }) => {
            Ok(Address::Inet { host, ports: Ports::Offset(0) })
        }
        Ok(Address::Fd(_)) => Err(format!("a file descriptor is not acceptable here in '{text}'")),
        Ok(address) => Ok(address),
        Err(error) => Err(error.to_string()),
    }
}

fn switch(flag: &mut bool, value: bool) -> Taken {
    *flag = value;
    Some(())
}

fn send_proxy_v2_ssl(server: &mut ServerSettings, value: bool) -> Taken {
    (server.send_proxy.v2, server.send_proxy.ssl) = (value, value);
    Some(())
}

fn count(context: &mut Context<'_>, slot: &mut u32, options: &mut Options<'_>) -> Taken {
    let number: i64 = options.number(context, i64::MIN..=UNBOUNDED)?;
    if number < 0 {
        let message =
            format!("{} : '{}' of {number} is taken as no limit", options.subject(), options.name());
        context.report(
            Diagnostic::warning(options.place(), message)
                .heading(Heading::Place)
                .help("write 0, or leave it out"),
        );
    }
    *slot = u32::try_from(number).unwrap_or(0);
    Some(())
}

fn interval(
    context: &mut Context<'_>,
    slot: &mut Option<std::time::Duration>,
    options: &mut Options<'_>,
) -> Taken {
    let time = options.time(context, TimeUnit::Milliseconds)?;
    if time.is_zero() {
        return options.wrong(context, "invalid value 0: a check interval is at least 1 ms", None);
    }
    *slot = Some(time);
    Some(())
}

fn threshold(
    context: &mut Context<'_>,
    slot: &mut Option<u32>,
    options: &mut Options<'_>,
    name: &str,
) -> Taken {
    let number: i64 = options.number(context, i64::MIN..=i64::from(MOST_CHECKS))?;
    if number < 1 {
        return options.wrong(context, &format!("'{name}' has to be > 0."), None);
    }
    *slot = u32::try_from(number).ok();
    Some(())
}

/// Keeps `rise + fall` well inside what a health counter holds.
const MOST_CHECKS: u32 = 1_000_000;

fn weight(context: &mut Context<'_>, server: &mut ServerSettings, options: &mut Options<'_>) -> Taken {
    let number: i64 = options.number(context, i64::MIN..=i64::MAX)?;
    if !(0..=256).contains(&number) {
        let message = format!("weight is not within 0 and 256 ({number}).");
        return options.wrong(context, &message, Some("weights are relative: scale all of them down"));
    }
    server.weight = u32::try_from(number).ok();
    Some(())
}

fn one_word(context: &mut Context<'_>, options: &mut Options<'_>, expected: &str) -> Taken {
    let name = options.name().to_owned();
    let text = options.string(context, &format!("'{name}' expects '{expected}' as argument."))?;
    if text != expected {
        return options.wrong(context, &format!("'{name}' expects '{expected}' but got '{text}'"), None);
    }
    Some(())
}

fn observe(context: &mut Context<'_>, server: &mut ServerSettings, options: &mut Options<'_>) -> Taken {
    let text = options.string(context, "'observe' expects one of 'none', 'layer4', 'layer7'")?;
    match text.as_str() {
        "none" => switch(&mut server.observe_layer4, false),
        "layer4" => switch(&mut server.observe_layer4, true),
        "layer7" => {
            options.wrong(context, "'observe' can only be 'layer4' at layer 4", Some("use 'observe layer4'"))
        }
        other => {
            let message = format!("'observe' expects one of 'none', 'layer4', 'layer7' but got '{other}'");
            options.wrong(context, &message, None)
        }
    }
}

fn on_error(context: &mut Context<'_>, server: &mut ServerSettings, options: &mut Options<'_>) -> Taken {
    let expected = "'on-error' expects one of 'fastinter', 'fail-check', 'sudden-death' or 'mark-down'";
    let text = options.string(context, expected)?;
    server.on_error = match text.as_str() {
        "fastinter" => OnError::Fastinter,
        "fail-check" => OnError::FailCheck,
        "sudden-death" => OnError::SuddenDeath,
        "mark-down" => OnError::MarkDown,
        other => return options.wrong(context, &format!("{expected} but got '{other}'"), None),
    };
    Some(())
}

fn init_addr(context: &mut Context<'_>, server: &mut ServerSettings, options: &mut Options<'_>) -> Taken {
    server.init_addr.clear();
    // HAProxy takes the bare word for the default.
    let text = options.word().map(Word::str).unwrap_or_default();
    for method in text.split(',').filter(|method| !method.is_empty()) {
        let method = match method {
            "none" => InitAddr::None,
            "libc" => InitAddr::Libc,
            "last" => InitAddr::Last,
            other => match other.parse() {
                Ok(ip) => InitAddr::Ip(ip),
                Err(_) => {
                    let message = format!(
                        "'init-addr' : unknown init-addr method '{other}', supported methods are 'libc', 'last', 'none'."
                    );
                    return options.wrong(context, &message, None);
                }
            },
        };
        if !server.init_addr.contains(&method) {
            server.init_addr.push(method);
        }
    }
    Some(())
}

pub(super) fn ip_address(context: &mut Context<'_>, options: &mut Options<'_>) -> Option<Spanned<Address>> {
    let name = options.name().to_owned();
    let Some(word) = options.word() else {
        return options.wrong(context, &format!("'{name}' expects an address as argument."), None);
    };
    let text = expand_unquoted(&word.text, &context.environment);
    match address::address(&String::from_utf8_lossy(&text)) {
        Ok(address @ Address::Inet { .. }) => Some(Spanned::new(address, word.span)),
        Ok(_) => options.wrong(context, &format!("'{name}' expects an IP address"), None),
        Err(error) => options.wrong(context, &format!("'{name}' : {error}"), None),
    }
}
