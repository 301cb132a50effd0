//! Tree to model: names become ids and addresses, settings that nobody wrote get HAProxy's defaults,
//! references are checked. What comes out needs no further checking.
//!
//! The order: the names of all proxies, what each of them speaks (which depends on where it leads), then
//! the proxies one by one. Whatever the bundle lacks is noted as wanted and stands in for nothing.

mod backend;
mod check;
mod fetch;
mod frontend;
mod global;
mod hosts;
mod ids;
mod log;
mod mode;
mod names;
mod requests;
mod resolvers;
mod rules;
mod sentinels;
mod server;
mod stats;
mod tls;
mod track;

use std::collections::{BTreeSet, HashMap};

use self::names::Names;
use self::rules::Scene;
use super::ast::{Proxy, TlsDefaults, Tree};
use super::bundle::{Bundle, Wanted};
use super::model::{Config, Global, LogTarget, VariableId};
use super::parser::context::Context;
use super::rule::place::Place;
use super::source::{Sources, Span};

/// What every step needs.
struct Resolver<'a, 'b> {
    context: &'a mut Context<'b>,
    bundle: &'b Bundle,
    sources: &'a Sources,
    global: Global,
    /// The global section's, for `log global`.
    global_log: Vec<LogTarget>,
    hosts: BTreeSet<String>,
    users: BTreeSet<String>,
    groups: BTreeSet<String>,
    pems: BTreeSet<String>,
    /// The global section's.
    tls: TlsDefaults,
    variables: HashMap<String, VariableId>,
    /// Set by every sample that asks where the client came to.
    wants_destination: bool,
    /// Set by every sample that asks what the client says.
    reads_payload: bool,
}

impl Resolver<'_, '_> {
    /// File and line of a place, for messages that name another one.
    fn place(&self, span: Span) -> String {
        let (file, line) = self.sources.place(span);
        format!("{file}:{line}")
    }
}

/// Makes the model. It is only of use if the context has no errors and nothing is wanted.
pub fn resolve(tree: &Tree, sources: &Sources, context: &mut Context<'_>) -> (Config, Wanted) {
    let bundle = context.bundle;
    let mut resolver = Resolver {
        context,
        bundle,
        sources,
        global: Global::default(),
        global_log: Vec::new(),
        hosts: BTreeSet::new(),
        users: BTreeSet::new(),
        groups: BTreeSet::new(),
        pems: BTreeSet::new(),
        tls: tree.global.tls.clone(),
        variables: HashMap::new(),
        wants_destination: false,
        reads_payload: false,
    };
    let early = std::mem::take(&mut resolver.context.wanted);
    resolver.hosts.extend(early.hosts);
    resolver.global = resolver.global(&tree.global);
    resolver.global_log = resolver.global.log.clone();
    // HAProxy numbers proxies in file order; the one behind `stats socket` comes before all others.
    let first_id = 1 + u32::from(tree.global.has_commands);
    let mut config = resolver.proxies(&tree.proxies, first_id);
    config.resolvers = resolver.resolvers(&tree.resolvers);
    resolver.check_lookups(&tree.proxies, &config.resolvers);
    config.sentinels = resolver.sentinels(&tree.sentinels);
    resolver.check_slots(&tree.proxies, &tree.sentinels);
    let wanted = Wanted {
        hosts: resolver.hosts.into_iter().collect(),
        users: resolver.users.into_iter().collect(),
        groups: resolver.groups.into_iter().collect(),
        patterns: early.patterns.into_iter().collect::<BTreeSet<_>>().into_iter().collect(),
        pems: resolver.pems.into_iter().collect(),
    };
    (config, wanted)
}

impl Resolver<'_, '_> {
    fn proxies(&mut self, proxies: &[Proxy], first_id: u32) -> Config {
        let names = Names::new(self, proxies);
        let modes = self.modes(proxies, &names);
        let mut config = Config { tables: self.tables(proxies), ..Config::default() };
        let ids = self.proxy_ids(proxies, first_id);
        for (index, ((proxy, mode), id)) in proxies.iter().zip(modes).zip(ids).enumerate() {
            self.check_timeouts(proxy, mode);
            let scene = Scene { proxy, proxies, names: &names, mode, place: Place::UseBackend };
            self.check_acls(scene);
            if proxy.kind.has_frontend() {
                let mut frontend = self.frontend(proxy, id, mode, names.default_backend(index));
                frontend.order = index;
                frontend.rules = self.front_rules(scene);
                frontend.monitor_fail = self.monitor_fail(scene);
                frontend.requests = self.requests(scene);
                config.frontends.push(frontend);
            }
            if proxy.kind.has_backend() {
                let mut backend = self.backend(proxy, id, mode);
                backend.order = index;
                backend.rules = self.back_rules(scene);
                backend.requests = self.requests(scene);
                config.backends.push(backend);
            }
            self.check_lost(proxy, mode);
        }
        rules::note_needs(&mut config);
        self.tracks(proxies, &mut config.backends);
        config.global = std::mem::take(&mut self.global);
        config
    }
}
