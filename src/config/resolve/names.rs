//! Names of proxies and what refers to them. A frontend and a backend may share a name, and a `listen` is
//! both; two of one capability may not.

use std::collections::HashMap;

use super::Resolver;
use crate::config::ast::{Proxy, Spanned};
use crate::config::diagnostic::{Diagnostic, Heading, Stage};
use crate::config::model::{BackendId, FrontendId};
use crate::config::suggest;

/// Where a frontend leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) id: BackendId,
    /// Position among all proxies.
    pub(super) proxy: usize,
}

/// The names of one load, resolved.
#[derive(Debug)]
pub(super) struct Names {
    /// By position of the proxy.
    targets: Vec<Option<Target>>,
    backends: HashMap<String, Target>,
    frontends: HashMap<String, FrontendId>,
}

impl Names {
    /// Checks that names differ and follows each `use_backend` and `default_backend`; a `listen` with neither
    /// leads to itself.
    pub(super) fn new(resolver: &mut Resolver<'_, '_>, proxies: &[Proxy]) -> Names {
        let mut frontends: HashMap<&str, usize> = HashMap::new();
        let mut backends: HashMap<&str, usize> = HashMap::new();
        let mut ids = vec![None; proxies.len()];
        let mut next = 0;
        for (index, proxy) in proxies.iter().enumerate() {
            let name = proxy.name.value.as_str();
            let mut first = None;
            if proxy.kind.has_frontend() {
                first = first.or(frontends.get(name).copied());
                frontends.entry(name).or_insert(index);
            }
            if proxy.kind.has_backend() {
                first = first.or(backends.get(name).copied());
                backends.entry(name).or_insert(index);
                ids[index] = Some(Target { id: BackendId(next), proxy: index });
                next += 1;
            }
            if let Some(first) = first {
                duplicate(resolver, proxy, &proxies[first]);
            }
        }
        // So far HAProxy comes while it reads.
        resolver.context.stage = Stage::Checking;
        let targets = proxies.iter().enumerate().map(|(index, proxy)| {
            if !proxy.kind.has_frontend() {
                return None;
            }
            let mut decides = None;
            for reference in references(proxy) {
                let found = backends.get(reference.name.value.as_str()).and_then(|index| ids[*index]);
                if found.is_none() && !proxy.settings.disabled {
                    missing(resolver, proxy, &reference, (&frontends, &backends));
                }
                if found.is_some_and(|found| found.proxy == index) {
                    going_round(resolver, proxy, &reference);
                }
                if reference.always {
                    decides = decides.or(Some(found));
                }
            }
            decides.unwrap_or(ids[index])
        });
        let targets = targets.collect();
        let known = |(name, index): (&&str, &usize)| Some(((*name).to_owned(), ids[*index]?));
        let fronts = proxies.iter().filter(|proxy| proxy.kind.has_frontend()).enumerate();
        let mut by_name = HashMap::new();
        for (at, proxy) in fronts {
            by_name.entry(proxy.name.value.clone()).or_insert(FrontendId(at));
        }
        Names { targets, backends: backends.iter().filter_map(known).collect(), frontends: by_name }
    }

    /// Every backend.
    pub(super) fn all_backends(&self) -> impl Iterator<Item = (&str, Target)> {
        self.backends.iter().map(|(name, target)| (name.as_str(), *target))
    }

    /// The backend of that name.
    pub(super) fn backend(&self, name: &str) -> Option<Target> {
        self.backends.get(name).copied()
    }

    /// The frontend of that name.
    pub(super) fn frontend(&self, name: &str) -> Option<FrontendId> {
        self.frontends.get(name).copied()
    }

    /// Where the proxy at this position leads.
    pub(super) fn default_backend(&self, index: usize) -> Option<Target> {
        self.targets.get(index).copied().flatten()
    }
}

/// A backend as a frontend names it.
struct Reference<'a> {
    keyword: &'static str,
    name: &'a Spanned<String>,
    /// Whatever a condition says.
    always: bool,
}

/// In the order in which they decide.
fn references(proxy: &Proxy) -> impl Iterator<Item = Reference<'_>> {
    let named = proxy.use_backends.iter().filter(|choice| choice.made.is_none());
    let rules = named.map(|choice| Reference {
        keyword: "use_backend",
        name: &choice.name,
        always: choice.condition.is_none(),
    });
    let default = proxy.settings.default_backend.iter();
    rules.chain(default.map(|name| Reference { keyword: "default_backend", name, always: true }))
}

/// Names beyond this are not searched for a likeness.
const MOST_COMPARED: usize = 200;

fn duplicate(resolver: &mut Resolver<'_, '_>, proxy: &Proxy, first: &Proxy) {
    let message = format!(
        "{} '{}' has the same name as {} '{}' declared at {}.",
        proxy.kind.noun(),
        proxy.name.value,
        first.kind.noun(),
        first.name.value,
        resolver.place(first.name.span)
    );
    resolver.context.report(
        Diagnostic::error(proxy.name.span, message)
            .heading(Heading::Line)
            .label(first.name.span, "first declared here")
            .help("give one of them another name"),
    );
}

fn missing(
    resolver: &mut Resolver<'_, '_>,
    proxy: &Proxy,
    reference: &Reference<'_>,
    (frontends, backends): (&HashMap<&str, usize>, &HashMap<&str, usize>),
) {
    let Reference { keyword, name: named, .. } = reference;
    let message =
        format!("Proxy '{}': unable to find required {keyword}: '{}'.", proxy.name.value, named.value);
    let known = backends.keys().copied().take(MOST_COMPARED);
    let help = match suggest::nearest_of(&named.value, known) {
        _ if frontends.contains_key(named.value.as_str()) => {
            format!("'{}' is a frontend: a backend has to be named", named.value)
        }
        Some(near) => format!("did you mean '{near}'?"),
        None => format!("add a section 'backend {}'", named.value),
    };
    resolver.context.report(Diagnostic::error(named.span, message).heading(Heading::Bare).help(help));
}

fn going_round(resolver: &mut Resolver<'_, '_>, proxy: &Proxy, reference: &Reference<'_>) {
    let Reference { keyword, name, .. } = reference;
    let message = format!("Proxy '{}': loop detected for {keyword}: '{}'.", proxy.name.value, name.value);
    resolver.context.report(
        Diagnostic::error(name.span, message)
            .heading(Heading::Bare)
            .help("leave the line out: a 'listen' section leads to its own servers"),
    );
}
