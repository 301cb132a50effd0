//! Tree to model: names become ids and addresses, settings that nobody wrote get HAProxy's defaults,
//! references are checked. What comes out needs no further checking.
//!
//! The order: the names of all proxies, what each of them speaks (which depends on where it leads), then
//! the proxies one by one. Whatever the bundle lacks is noted as wanted and stands in for nothing.

mod actions;
mod added;
mod backend;
mod blunted;
mod check;
mod fetch;
mod frontend;
mod global;
mod hosts;
mod ids;
mod log;
mod mode;
mod mux;
mod names;
mod requests;
mod resolvers;
mod rules;
mod sentinels;
mod server;
mod stats;
mod tables;
mod template;
mod tls;
mod track;
mod userlists;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

pub use self::added::{Added, added_server};
use self::names::Names;
use self::rules::Scene;
pub use self::track::LONGEST_CHAIN;
use super::ast::{Proxy, TlsDefaults, Tree};
use super::bundle::{Bundle, Wanted};
use super::dynamic::Presets;
use super::model::{BackendId, Config, FileAccess, Global, LogTarget, StickTable, Userlist, VariableId};
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
    /// `unix-bind`
    unix_bind: FileAccess,
    unix_prefix: String,
    variables: HashMap<String, VariableId>,
    /// Servers that some sample asks about.
    referenced: HashSet<(BackendId, u32)>,
    /// Set by every sample that asks where the client came to.
    wants_destination: bool,
    /// Set by every sample that asks what the client says.
    reads_payload: bool,
    /// Every `userlist`.
    lists: Vec<Userlist>,
    /// Tables of `peers` sections, which come before those of proxies.
    shared: Vec<String>,
}

impl<'a, 'b> Resolver<'a, 'b> {
    fn new(sources: &'a Sources, context: &'a mut Context<'b>) -> Resolver<'a, 'b> {
        Resolver {
            bundle: context.bundle,
            context,
            sources,
            global: Global::default(),
            global_log: Vec::new(),
            hosts: BTreeSet::new(),
            users: BTreeSet::new(),
            groups: BTreeSet::new(),
            pems: BTreeSet::new(),
            tls: TlsDefaults::default(),
            unix_bind: FileAccess::default(),
            unix_prefix: String::new(),
            variables: HashMap::new(),
            referenced: HashSet::new(),
            lists: Vec::new(),
            shared: Vec::new(),
            wants_destination: false,
            reads_payload: false,
        }
    }

    /// File and line of a place, for messages that name another one.
    fn place(&self, span: Span) -> String {
        let (file, line) = self.sources.place(span);
        format!("{file}:{line}")
    }
}

/// Makes the model. It is only of use if the context has no errors and nothing is wanted.
pub fn resolve(tree: &Tree, sources: &Sources, context: &mut Context<'_>) -> (Config, Wanted) {
    let bundle = context.bundle;
    let mut resolver = Resolver::new(sources, context);
    resolver.tls = tree.global.tls.clone();
    resolver.unix_bind = resolver.file_access(&tree.global.unix_bind);
    resolver.unix_prefix.clone_from(&tree.global.unix_prefix);
    resolver.shared =
        tree.peers.iter().flat_map(|peers| &peers.tables).map(|(name, _)| name.clone()).collect();
    let early = std::mem::take(&mut resolver.context.wanted);
    resolver.hosts.extend(early.hosts);
    resolver.global = resolver.global(&tree.global);
    resolver.global_log = resolver.global.log.clone();
    // HAProxy numbers proxies in file order; the one behind `stats socket` comes before all others.
    let first_id = 1 + u32::from(tree.global.has_commands);
    resolver.lists = resolver.userlists(&tree.userlists);
    let tables = resolver.tables(tree);
    let mut config = resolver.proxies(&tree.proxies, tables, first_id);
    config.resolvers = resolver.resolvers(&tree.resolvers);
    resolver.check_lookups(&tree.proxies, &config.resolvers);
    config.sentinels = resolver.sentinels(&tree.sentinels);
    resolver.check_slots(&tree.proxies, &tree.sentinels);
    config.lists = resolver.context.lists.finish(sources);
    config.presets = Arc::new(Presets { tls: tree.global.tls.clone(), pems: bundle.pems.clone() });
    // Maps in rules are looked for here.
    let late = std::mem::take(&mut resolver.context.wanted.patterns);
    let patterns: BTreeSet<_> = early.patterns.into_iter().chain(late).collect();
    let wanted = Wanted {
        hosts: resolver.hosts.into_iter().collect(),
        users: resolver.users.into_iter().collect(),
        groups: resolver.groups.into_iter().collect(),
        patterns: patterns.into_iter().collect(),
        pems: resolver.pems.into_iter().collect(),
    };
    (config, wanted)
}

impl Resolver<'_, '_> {
    fn proxies(&mut self, proxies: &[Proxy], tables: Vec<StickTable>, first_id: u32) -> Config {
        let names = Names::new(self, proxies);
        let modes = self.modes(proxies, &names);
        let mut config = Config { tables, ..Config::default() };
        let ids = self.proxy_ids(proxies, first_id);
        for (index, ((proxy, mode), id)) in proxies.iter().zip(modes).zip(ids).enumerate() {
            self.check_timeouts(proxy, mode);
            let scene = Scene { proxy, proxies, names: &names, mode, place: Place::UseBackend };
            self.check_acls(scene);
            if proxy.kind.has_frontend() {
                let mut frontend = self.frontend(proxy, id, mode, names.default_backend(index));
                frontend.order = index;
                self.log_formats(scene, &mut frontend.log);
                frontend.rules = self.front_rules(scene);
                frontend.monitor_fail = self.monitor_fail(scene);
                self.stats_rules(scene, &mut frontend.stats);
                frontend.requests = self.requests(scene);
                frontend.redirects = self.redirects(scene);
                frontend.rules.wants_destination |= std::mem::take(&mut self.wants_destination);
                config.frontends.push(frontend);
            }
            if proxy.kind.has_backend() {
                let mut backend = self.backend(proxy, id, mode);
                backend.order = index;
                backend.rules = self.back_rules(scene);
                self.stats_rules(scene, &mut backend.stats);
                backend.requests = self.requests(scene);
                backend.redirects = self.redirects(scene);
                backend.rules.wants_destination |= std::mem::take(&mut self.wants_destination);
                config.backends.push(backend);
            }
            self.check_lost(proxy, mode);
        }
        rules::note_needs(&mut config);
        tables::note_servers(&mut config);
        self.tracks(proxies, &mut config.backends);
        for (BackendId(at), server) in self.referenced.drain() {
            let mut servers = config.backends[at].servers.iter_mut();
            if let Some(found) = servers.find(|found| found.id == server) {
                found.is_referenced = true;
            }
        }
        config.userlists = std::mem::take(&mut self.lists);
        config.global = std::mem::take(&mut self.global);
        config
    }
}
