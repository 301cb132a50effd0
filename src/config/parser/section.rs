//! Section headers: `defaults [NAME] [from D]`, `frontend|backend|listen NAME [from D]`, `global`, and the
//! sections that are taken or refused as a whole.

use std::collections::HashMap;

use super::admit;
use super::bind;
use super::context::Context;
use super::inheritance::{Heirs, Way};
use super::resolvers;
use super::sentinels;
use super::small::{Names, Small};
use super::statement::Statement;
use super::userlist;
use super::value::stray_name_character;
use crate::config::ast::{
    Global, Peers, Proxy, ProxyKind, Resolvers, Sentinels, Settings, Spanned, Tree, Userlist,
};
use crate::config::diagnostic::{Diagnostic, Heading};
use crate::config::keyword::{self, Scope};

/// Where the next line belongs.
#[derive(Debug)]
pub(super) enum Section<'a> {
    /// Before the first section of a file.
    None,
    Global(&'a mut Global),
    Proxy(&'a mut Proxy),
    Resolvers(&'a mut Resolvers),
    Sentinels(&'a mut Sentinels),
    Peers(&'a mut Peers),
    /// One without effect.
    Small(&'a mut Small),
    Userlist(&'a mut Userlist),
    /// A section of which nothing is read.
    Skipped,
}

#[derive(Debug, Default)]
enum Open {
    #[default]
    None,
    Global,
    Proxy(Box<Proxy>),
    Resolvers(Box<Resolvers>),
    Sentinels(Box<Sentinels>),
    Peers(Peers),
    Small(Box<Small>),
    Userlist(Userlist),
    Skipped(&'static str),
}

/// What has been read so far.
#[derive(Debug, Default)]
pub(super) struct Sections {
    tree: Tree,
    open: Open,
    /// Every `defaults` that is complete.
    defaults: Vec<Proxy>,
    named: HashMap<String, Vec<usize>>,
    heirs: Heirs,
    small: Names,
}

impl Sections {
    /// Every file begins outside of any section; the `defaults` in force stay.
    pub(super) fn begin_file(&mut self, context: &mut Context<'_>) {
        self.close(context);
    }

    /// The keyword that opened the section; empty before the first.
    pub(super) fn keyword(&self) -> &'static str {
        match &self.open {
            Open::None => "",
            Open::Global => "global",
            Open::Proxy(proxy) => proxy.kind.keyword(),
            Open::Resolvers(_) => "resolvers",
            Open::Sentinels(_) => "sentinels",
            Open::Peers(_) => "peers",
            Open::Small(small) => small.section,
            Open::Userlist(_) => "userlist",
            Open::Skipped(keyword) => keyword,
        }
    }

    /// Where a line belongs.
    pub(super) fn current(&mut self) -> Section<'_> {
        match &mut self.open {
            Open::None => Section::None,
            Open::Global => Section::Global(&mut self.tree.global),
            Open::Proxy(proxy) => Section::Proxy(proxy),
            Open::Resolvers(resolvers) => Section::Resolvers(resolvers),
            Open::Sentinels(sentinels) => Section::Sentinels(sentinels),
            Open::Peers(peers) => Section::Peers(peers),
            Open::Small(small) => Section::Small(small),
            Open::Userlist(users) => Section::Userlist(users),
            Open::Skipped(_) => Section::Skipped,
        }
    }

    /// The whole.
    pub(super) fn finish(mut self, context: &mut Context<'_>) -> Tree {
        self.close(context);
        self.tree
    }

    /// Opens the section that the line names.
    pub(super) fn open(&mut self, context: &mut Context<'_>, line: &Statement<'_>) {
        self.close(context);
        let kind = match &*line.text(0) {
            "global" => {
                line.no_more(context, "global", 1);
                self.open = Open::Global;
                return;
            }
            "defaults" => ProxyKind::Defaults,
            "frontend" => ProxyKind::Frontend,
            "backend" => ProxyKind::Backend,
            "listen" => ProxyKind::Listen,
            "resolvers" => {
                let started = resolvers::start(context, line).map(Box::new);
                self.open = started.map_or(Open::Skipped("resolvers"), Open::Resolvers);
                return;
            }
            "sentinels" => {
                let started = sentinels::start(context, line).map(Box::new);
                self.open = started.map_or(Open::Skipped("sentinels"), Open::Sentinels);
                return;
            }
            "userlist" => {
                let started = userlist::start(context, line, &self.tree.userlists);
                self.open = started.map_or(Open::Skipped("userlist"), Open::Userlist);
                return;
            }
            other => return self.open_other(context, line, other),
        };
        self.open = self
            .start(context, line, kind)
            .map_or(Open::Skipped(kind.keyword()), |proxy| Open::Proxy(Box::new(proxy)));
    }

    fn open_other(&mut self, context: &mut Context<'_>, line: &Statement<'_>, name: &str) {
        let Some(row) = keyword::find(Scope::File, &[name]) else {
            let message = format!("unknown keyword '{name}' out of section.");
            return context.report(Diagnostic::error(line.span_of(0), message).heading(Heading::Line));
        };
        admit::keyword(context, row, Scope::File, line.span());
        let small = Small::open(context, &mut self.small, line, row.name);
        self.open = match row.name {
            "peers" => Open::Peers(Peers { name: line.text(1).into_owned(), tables: Vec::new() }),
            _ => Open::Small(Box::new(small)),
        };
    }

    fn close(&mut self, context: &mut Context<'_>) {
        let proxy = match std::mem::take(&mut self.open) {
            Open::Proxy(proxy) => proxy,
            Open::Resolvers(resolvers) => return self.tree.resolvers.push(*resolvers),
            Open::Sentinels(sentinels) => return self.tree.sentinels.push(*sentinels),
            Open::Peers(peers) => return self.tree.peers.push(peers),
            Open::Small(small) => return small.close(context),
            Open::Userlist(users) => return self.tree.userlists.push(users),
            Open::None | Open::Global | Open::Skipped(_) => return,
        };
        if proxy.kind == ProxyKind::Defaults {
            if !proxy.name.value.is_empty() {
                self.named.entry(proxy.name.value.clone()).or_default().push(self.defaults.len());
            }
            self.defaults.push(*proxy);
        } else {
            self.tree.proxies.push(*proxy);
        }
    }

    fn start(&mut self, context: &mut Context<'_>, line: &Statement<'_>, kind: ProxyKind) -> Option<Proxy> {
        let keyword = kind.keyword();
        let anonymous = kind == ProxyKind::Defaults && matches!(&*line.text(1), "" | "from");
        if line.argument(1).is_none() && !anonymous {
            context.report(
                Diagnostic::error(line.span(), format!("'{keyword}' expects an <id> argument"))
                    .help(format!("give the section a name: '{keyword} redis'")),
            );
            return None;
        }
        let name = if anonymous { String::new() } else { line.text(1).into_owned() };
        if let Some(character) = stray_name_character(&name) {
            let message = format!("character '{character}' is not permitted in '{keyword}' name '{name}'.");
            context.report(
                Diagnostic::error(line.span_of(1), message)
                    .help("a name has letters, digits, '-', '_', '.' and ':'"),
            );
        }
        let mut at = if anonymous { 1 } else { 2 };
        let old_address = line.argument(at).filter(|word| word.text != b"from" && is_listener(kind));
        at += usize::from(old_address.is_some());
        let settings = self.inherited(context, line, kind, at)?;
        let name = Spanned::new(name, line.span_of(usize::from(!anonymous)));
        let mut proxy = Proxy::new(kind, name, settings);
        if let Some(word) = old_address {
            let message = "please use the 'bind' keyword for listening addresses.";
            context.report(Diagnostic::warning(word.span, message).help(format!(
                "HAProxy dropped this form: write 'bind {}' on a line of its own",
                word.str()
            )));
            bind::legacy(context, &mut proxy, line, word);
        }
        Some(proxy)
    }

    /// The settings of the `defaults` in force, or of the one that `from` names at word `at`.
    fn inherited(
        &mut self,
        context: &mut Context<'_>,
        line: &Statement<'_>,
        kind: ProxyKind,
        at: usize,
    ) -> Option<Settings> {
        let (place, used, way) = if line.text(at) == "from" {
            (self.named_defaults(context, line, at + 1), at + 2, Way::Named)
        } else if kind == ProxyKind::Defaults {
            (None, at, Way::Preceding)
        } else {
            (self.defaults.len().checked_sub(1), at, Way::Preceding)
        };
        if kind == ProxyKind::Defaults {
            line.left_out(context, "defaults", used);
        } else {
            line.no_more(context, kind.keyword(), used);
        }
        let source = place.and_then(|place| Some((place, self.defaults.get(place)?)));
        let Some((place, source)) = source else { return Some(Settings::default()) };
        self.heirs.add(context, (line, kind), (place, source), way);
        if !context.inherit(source.settings.weight_in_bytes, line.span()) {
            return None;
        }
        let mut settings = source.settings.clone();
        settings.check.inherited = true;
        settings.check.http.inherited = true;
        settings.stats_inherited = settings.stats.is_some();
        settings.inherited_timeouts = settings.timeouts;
        // A section sees only its own ACLs; inherited rules keep those that they were written with.
        settings.rules.acls.clear();
        Some(settings)
    }

    fn named_defaults(&self, context: &mut Context<'_>, line: &Statement<'_>, at: usize) -> Option<usize> {
        let user = line.text(1);
        let Some(name) = line.argument(at) else {
            context.error(line.span(), "'from' expects the name of a 'defaults' section");
            return None;
        };
        let text = name.str();
        let positions = self.named.get(&*text).map(Vec::as_slice).unwrap_or_default();
        match positions {
            [] => {
                let message = format!("defaults section '{text}' not found for proxy '{user}'.");
                context.report(
                    Diagnostic::error(name.span, message)
                        .help("a 'defaults' section has to stand before its users"),
                );
                None
            }
            [one] => Some(*one),
            [first, .., last] => {
                let message =
                    format!("ambiguous defaults section name '{text}' referenced by proxy '{user}'");
                let mut diagnostic =
                    Diagnostic::error(name.span, message).help("give each of them its own name");
                for position in [first, last] {
                    if let Some(defaults) = self.defaults.get(*position) {
                        diagnostic =
                            diagnostic.label(defaults.name.span, format!("'{text}' is defined here"));
                    }
                }
                context.report(diagnostic);
                None
            }
        }
    }
}

fn is_listener(kind: ProxyKind) -> bool {
    matches!(kind, ProxyKind::Frontend | ProxyKind::Listen)
}
