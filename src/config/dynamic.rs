//! The one server that `add server` on the runtime socket makes (management guide, section 9.3): the words behind
//! its name in, a [`Server`] or HAProxy's sentence about what is wrong out. Pure.
//!
//! The words go through the readers of a config's server lines, so that an option means the same in both places.
//! As in HAProxy, no `default-server` counts, host names are not looked up, checks speak TLS and send PROXY headers
//! only where they are told to (`check-ssl`, `check-send-proxy`), and the server starts in maintenance unless it
//! says `enabled`. Files of certificates are those that the config has named: a process in a `chroot`
//! could read no others.

use std::collections::BTreeMap;

use super::ast::{
    self, Check, CheckKind, InitAddr, ProxyKind, ServerSettings, Settings, Spanned, Speaks, TlsDefaults,
};
use super::bundle::{Bundle, Stored};
use super::diagnostic::{Diagnostic, Severity};
use super::lexer::Word;
use super::model::{
    Backend, BackendId, Balance, CheckAction, CheckMethod, Config, DISPATCH, ExpectPattern, HashMethod, Mode,
    Origin, Server, Track,
};
use super::parser::address::{Address, Host};
use super::parser::context::{Context, MOST_SERVERS};
use super::resolve::Added;
use super::source::{Source, SourceId, Sources, Span};
use super::{parser, resolve};

/// What a server line needs of the files beside its own backend.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Presets {
    /// Of the global section.
    pub tls: TlsDefaults,
    /// Certificates, keys and authorities by the names of their files.
    pub pems: BTreeMap<String, Stored>,
}

/// A server to be added, with what there is to say of its options.
#[derive(Debug)]
pub struct NewServer {
    pub server: Server,
    pub notes: Vec<String>,
}

/// Whether servers may come and go under the backend's algorithm.
pub fn allows_changes(backend: &Backend) -> bool {
    let dispatches = backend.servers.first().is_some_and(|server| server.name == DISPATCH);
    match backend.balance {
        Balance::StaticRr => false,
        Balance::Source(hashing) | Balance::Hash(hashing) => hashing.method == HashMethod::Consistent,
        Balance::RoundRobin | Balance::LeastConn | Balance::First | Balance::Random(_) => !dispatches,
    }
}

/// Whether something of the config refers to a server, so that it has to stay.
pub fn is_referenced(config: &Config, (BackendId(at), server): (BackendId, &Server)) -> bool {
    let is_named = || config.backends[at].rules.servers.iter().any(|(id, _)| *id == server.id);
    let tracks = |track: &Track| track.backend == BackendId(at) && track.server == server.id;
    let is_tracked = || {
        config
            .backends
            .iter()
            .flat_map(|backend| &backend.servers)
            .filter_map(|s| s.track.as_ref())
            .any(tracks)
    };
    server.is_referenced || is_named() || is_tracked()
}

/// Reads `NAME ADDR[:PORT] [OPTION...]`; `Err` is HAProxy's sentence, or ours, with its line feed.
pub fn server(config: &Config, id: BackendId, words: &[String]) -> Result<NewServer, String> {
    let backend = &config.backends[id.0];
    let (text, words) = line(words);
    let mut sources = Sources::default();
    sources.add(Source::new("(null)", text.into_bytes()));
    let bundle = Bundle { pems: config.presets.pems.clone(), ..Bundle::default() };
    let mut context = Context::new(&bundle);
    let proxy = proxy(backend);
    let written = parser::added_server(&mut context, &proxy, &words).filter(|_| !context.has_errors());
    let made = match written {
        Some(mut written) => {
            may_speak(backend, &mut written)?;
            let number = number(backend, written.settings.id)?;
            let added = resolve::added_server(config, (&proxy, &written, number), &sources, &mut context);
            Some((added, written))
        }
        None => None,
    };
    let diagnostics = context.into_diagnostics();
    let subject = format!("'server {}/{}' : ", backend.name, words.get(1).map(Word::str).unwrap_or_default());
    let said = |diagnostic: &Diagnostic| {
        let message = &diagnostic.message;
        message.strip_prefix(&subject).unwrap_or(message).to_owned()
    };
    if let Some(error) = diagnostics.iter().find(|diagnostic| diagnostic.severity == Severity::Error) {
        return Err(format!("{}\n", said(error)));
    }
    // Without a server there was an error.
    let Some((Added { server, pems, hosts }, written)) = made else {
        return Err("Invalid server.\n".to_owned());
    };
    if let Some(path) = pems.first() {
        return Err(unknown_file(&written, path));
    }
    if let Some(host) = hosts.first() {
        return Err(unknown_host(&written, host));
    }
    if backend.servers.iter().any(|other| other.name == server.name) {
        return Err("Already exists a server with the same name in backend.\n".to_owned());
    }
    if config.backends.iter().map(|backend| backend.servers.len()).sum::<usize>() >= MOST_SERVERS {
        return Err(format!("There are {MOST_SERVERS} servers already.\n"));
    }
    let track = written.settings.track.as_ref().map(|track| leader(config, id, &track.value)).transpose()?;
    let server = Server { track, origin: Origin::RuntimeSocket, ..server };
    Ok(NewServer { server, notes: diagnostics.iter().map(said).collect() })
}

/// As a line of a file, its places being those in a text of its own.
fn line(words: &[String]) -> (String, Vec<Word>) {
    let mut text = String::new();
    let mut placed = Vec::new();
    for word in std::iter::once("server").chain(words.iter().map(String::as_str)) {
        let start = text.len();
        text.push_str(word);
        let span = Span::new(SourceId(0), start..text.len());
        placed.push(Word { text: word.as_bytes().to_vec(), span });
        text.push(' ');
    }
    (text, placed)
}

/// The backend as far as server lines depend on it.
fn proxy(backend: &Backend) -> ast::Proxy {
    let mut default_server =
        ServerSettings { disabled: true, init_addr: vec![InitAddr::None], ..ServerSettings::default() };
    // `ssl` alone says nothing of checks, unlike in a file.
    default_server.tls.checks = Speaks::Plain;
    let kind = if asks_http(&backend.check) { CheckKind::HttpCheck } else { CheckKind::default() };
    let check = Check { kind, ..Check::default() };
    ast::Proxy {
        kind: if backend.is_listen { ProxyKind::Listen } else { ProxyKind::Backend },
        name: Spanned::new(backend.name.clone(), Span::default()),
        id: None,
        settings: Settings { default_server, check, disabled: backend.disabled, ..Settings::default() },
        description: None,
        binds: Vec::new(),
        listens: false,
        use_backends: Vec::new(),
        use_servers: Vec::new(),
        servers: Vec::new(),
        dispatch: None,
    }
}

fn asks_http(check: &CheckMethod) -> bool {
    let CheckMethod::Builtin(rules) = check else { return false };
    rules.iter().any(|rule| match &rule.action {
        CheckAction::Expect(expect) => matches!(expect.pattern, ExpectPattern::Http(_)),
        _ => false,
    })
}

/// HAProxy wants `proto` to be one of HTTP's here, and nothing comes of it: no client is forwarded as HTTP.
fn may_speak(backend: &Backend, written: &mut ast::Server) -> Result<(), String> {
    match written.settings.proto.take() {
        Some(_) if backend.mode != Mode::Http => Err("MUX protocol is not usable for server.\n".to_owned()),
        _ => Ok(()),
    }
}

/// Its own, or the lowest one that no server has.
fn number(backend: &Backend, id: Option<Spanned<u32>>) -> Result<u32, String> {
    let Some(Spanned { value: id, .. }) = id else { return Ok(free_number(backend)) };
    match backend.servers.iter().find(|server| server.id == id) {
        Some(other) => Err(format!("'id' : custom id {id} already used ('server {}').\n", other.name)),
        None => Ok(id),
    }
}

/// The lowest one that no server has.
fn free_number(backend: &Backend) -> u32 {
    (1..).find(|number| backend.position(*number).is_none()).unwrap_or(u32::MAX)
}

/// Nothing but the server's own address may be a name that is not looked up.
fn unknown_host(written: &ast::Server, host: &str) -> String {
    let settings = &written.settings;
    let names = |address: &Option<Spanned<Address>>| {
        address.as_ref().is_some_and(|address| {
            matches!(&address.value, Address::Inet { host: Host::Name(name, _), .. } if name == host)
        })
    };
    match () {
        () if names(&settings.agent.addr) => {
            format!("parsing agent-addr failed. Check if '{host}' is correct address.\n")
        }
        () if names(&settings.check_addr) => format!("'addr' : invalid address: '{host}' in '{host}'.\n"),
        () => format!("could not resolve address '{host}'.\n"),
    }
}

fn unknown_file(written: &ast::Server, path: &str) -> String {
    let authorities = written.settings.tls.ca_file.as_ref();
    match authorities.is_some_and(|file| path.ends_with(&file.value)) {
        true => format!("'ca-file' : unable to load {path}.\n"),
        false => format!("unable to stat SSL certificate '{path}'.\n"),
    }
}

/// `track [BACKEND/]SERVER`: one of the config, so that its followers cannot lose it.
fn leader(config: &Config, own: BackendId, written: &str) -> Result<Track, String> {
    let (BackendId(at), name) = match written.split_once('/') {
        None => (own, written),
        Some((backend, name)) => {
            let at = config.backends.iter().position(|other| other.name == backend);
            let missing = || format!("unable to find required proxy '{backend}' for tracking.\n");
            (BackendId(at.ok_or_else(missing)?), name)
        }
    };
    let backend = &config.backends[at];
    let server = backend.servers.iter().find(|server| server.name == name);
    let server = server.ok_or_else(|| format!("unable to find required server '{name}' for tracking.\n"))?;
    let name = format!("{}/{}", backend.name, server.name);
    if server.check.is_none() && server.agent.is_none() && server.track.is_none() {
        let why = "as it does not have any check nor agent enabled";
        return Err(format!("unable to use {name} for tracking {why}.\n"));
    }
    if server.origin == Origin::RuntimeSocket {
        return Err(format!("unable to use {name} for tracking as it is a dynamic server.\n"));
    }
    if chain(config, server) >= resolve::LONGEST_CHAIN {
        let longest = resolve::LONGEST_CHAIN;
        return Err(format!("unable to track a chain of more than {longest} servers.\n"));
    }
    Ok(Track { backend: BackendId(at), server: server.id, name })
}

/// How many servers follow on that one.
fn chain(config: &Config, server: &Server) -> usize {
    let next = |server: &&Server| {
        let track = server.track.as_ref()?;
        let backend = config.backends.get(track.backend.0)?;
        backend.servers.get(backend.position(track.server)?)
    };
    std::iter::successors(Some(server), next).skip(1).take(resolve::LONGEST_CHAIN).count()
}

#[cfg(test)]
#[path = "dynamic_tests.rs"]
mod tests;
