//! Stick tables and the rules that remember servers in them: names of tables become ids.

use super::Resolver;
use super::rules::Scene;
use crate::config::ast::{self, Proxy, Tree};
use crate::config::diagnostic::{Diagnostic, Heading};
use crate::config::model::{Config, Rules, Stick, StickTable, TableId};
use crate::config::rule::data;
use crate::config::rule::place::Place;
use crate::config::source::Span;

impl Resolver<'_, '_> {
    /// Every stick table: those of `peers` sections, then those of proxies in their order.
    pub(super) fn tables(&mut self, tree: &Tree) -> Vec<StickTable> {
        let own = |proxy: &'_ Proxy| {
            let table = proxy.settings.rules.table.clone()?;
            Some((proxy.name.value.clone(), table.value))
        };
        let shared = tree.peers.iter().flat_map(|peers| &peers.tables);
        let shared = shared.map(|(name, table)| (name.clone(), table.value.clone()));
        let tables: Vec<(String, ast::Table)> = shared.chain(tree.proxies.iter().filter_map(own)).collect();
        for (name, table) in &tables {
            let Some(peers) = &table.peers else { continue };
            if tree.peers.iter().all(|known| known.name != peers.value) {
                let message = format!("Proxy '{name}': unable to find sync peers '{}'.", peers.value);
                self.context.report(Diagnostic::error(peers.span, message).heading(Heading::Bare));
            }
        }
        tables
            .into_iter()
            .map(|(name, ast::Table { key, size, expire, nopurge, store, .. })| StickTable {
                name,
                key,
                size,
                expire,
                nopurge,
                store,
            })
            .collect()
    }

    pub(super) fn sticks(&mut self, written: &[ast::Stick], scene: Scene<'_>) -> Vec<Stick> {
        let mut sticks = Vec::new();
        for stick in written {
            self.refuse_unknown_key(stick, scene);
            let condition = stick.condition.as_ref().map(|condition| self.condition(condition, scene));
            let (key, table) =
                (self.sample(&stick.key, scene), self.table_of(stick.table.as_ref(), scene, stick.key.span));
            if let (Some(key), Some(table)) = (key, table) {
                sticks.push(Stick { key, table, matches: stick.matches, stores: stick.stores, condition });
            }
        }
        sticks
    }

    /// A key that is not there yet, or no more, would keep nobody.
    fn refuse_unknown_key(&mut self, stick: &ast::Stick, scene: Scene<'_>) {
        let sample = &stick.key;
        if sample.fetch.seen.is_known_at(scene.place) {
            return;
        }
        let early = scene.place == Place::StickStore;
        let (from, when) = match early {
            true => ("request buffer", "for 'store-response'"),
            false => ("response buffer", "during request"),
        };
        let message = format!(
            "'stick': fetch method '{}' extracts information from '{from}', none of which is available {when}.",
            sample.name
        );
        let help = if early { "write 'stick store-request'" } else { "write 'stick store-response'" };
        self.context.report(Diagnostic::error(sample.span, message).help(help));
    }

    pub(super) fn table_of(
        &mut self,
        name: Option<&ast::Spanned<String>>,
        scene: Scene<'_>,
        span: Span,
    ) -> Option<TableId> {
        let (name, span) = name.map_or((&scene.proxy.name.value, span), |name| (&name.value, name.span));
        let found = self.table(scene.proxies, name);
        if found.is_none() {
            let message = format!("Proxy '{}': unable to find stick-table '{name}'.", scene.proxy.name.value);
            self.context.report(
                Diagnostic::error(span, message)
                    .heading(Heading::Bare)
                    .help(format!("add a 'stick-table' line to '{name}'")),
            );
        }
        found
    }

    /// Position of the table among all.
    pub(super) fn table(&self, proxies: &[Proxy], name: &str) -> Option<TableId> {
        let shared = self.shared.iter().position(|known| known == name);
        let mut tables = proxies.iter().filter(|proxy| proxy.settings.rules.table.is_some());
        let own = tables.position(|proxy| proxy.name.value == name);
        shared.or(own.map(|at| at + self.shared.len())).map(TableId)
    }
}

/// Tables that remember servers keep these, whether or not `store` says so.
pub(super) fn note_servers(config: &mut Config) {
    let of = |rules: &'_ Rules| rules.stick.iter().chain(&rules.stick_response).cloned().collect::<Vec<_>>();
    let sticks = config.backends.iter().flat_map(|backend| of(&backend.rules));
    let stores: Vec<TableId> = sticks.filter(|stick| stick.stores).map(|stick| stick.table).collect();
    for TableId(at) in stores {
        let Some(table) = config.tables.get_mut(at) else { continue };
        for stored in data::servers() {
            if table.store.iter().all(|known| known.counter != stored.counter) {
                table.store.push(stored);
            }
        }
        table.store.sort_by_key(|stored| stored.place);
    }
}
