//! Stats pages.

use super::Resolver;
use super::rules::Scene;
use crate::config::ast::{Proxy, ProxyKind, Stats};
use crate::config::diagnostic::Diagnostic;
use crate::config::model::{Mode, StatsPage, StatsUser};
use crate::config::rule::place::Place;

/// Where HAProxy serves its page, and what it asks for, unless told otherwise.
const DEFAULT_URI: &str = "/haproxy?stats";
const DEFAULT_REALM: &str = "HAProxy Statistics";

impl Resolver<'_, '_> {
    /// The page of a proxy that speaks HTTP.
    pub(super) fn stats_page(&mut self, proxy: &Proxy, mode: Mode) -> Option<StatsPage> {
        let stats: &Stats = proxy.settings.stats.as_deref().filter(|_| mode == Mode::Http)?;
        let own = |scope: &String| if scope == "." { proxy.name.value.clone() } else { scope.clone() };
        let users = stats
            .users
            .iter()
            .map(|(name, password)| StatsUser { name: name.clone(), password: password.clone() });
        let undescribed = stats.description == Some(None) && self.global.description.is_none();
        if undescribed {
            let message = "'stats show-desc' shows nothing: neither it nor the global section has a text";
            self.context.report(
                Diagnostic::warning(stats.span, message)
                    .help("write 'stats show-desc TEXT', or 'description TEXT' in 'global'"),
            );
        }
        Some(StatsPage {
            uri: stats.uri.clone().unwrap_or_else(|| DEFAULT_URI.to_owned()),
            realm: stats.realm.clone().unwrap_or_else(|| DEFAULT_REALM.to_owned()),
            users: users.collect(),
            refresh: stats.refresh.filter(|refresh| !refresh.is_zero()),
            hide_version: stats.hide_version,
            show_legends: stats.show_legends,
            node: stats.node.clone().map(|node| node.unwrap_or_else(|| self.node())),
            description: stats.description.clone().and_then(|text| text.or(self.global.description.clone())),
            scope: stats.scope.iter().map(own).collect(),
            admin: Vec::new(),
            requests: Vec::new(),
        })
    }

    /// `stats admin` and `stats http-request`, once the page's proxy can be asked about.
    pub(super) fn stats_rules(&mut self, scene: Scene<'_>, page: &mut Option<StatsPage>) {
        let (Some(page), Some(stats)) = (page, &scene.proxy.settings.stats) else { return };
        let back = scene.proxy.kind == ProxyKind::Backend;
        let scene = scene.at(if back { Place::BackendHttp } else { Place::FrontendHttp });
        page.requests = self.request_rules(&stats.requests, scene);
        page.admin = stats.admin.iter().map(|condition| self.condition(condition, scene)).collect();
    }

    fn node(&self) -> String {
        self.global.node.clone().unwrap_or_else(|| self.bundle.hostname.clone())
    }
}
