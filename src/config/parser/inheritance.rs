//! Who may inherit from a `defaults` section (manual section 4, "defaults"): the section that inherits and the
//! one it inherits from enter; what HAProxy says against it leaves as a diagnostic.
//!
//! Rules are the reason. Those of a connection belong to a frontend, those of a response to a backend, and a
//! set of rules that both halves inherit would be applied twice.

use std::collections::HashMap;

use super::context::Context;
use super::statement::Statement;
use super::unnamed;
use crate::config::ast::{Proxy, ProxyKind};
use crate::config::diagnostic::{Diagnostic, Heading};

/// How a section came to its `defaults`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// `from NAME`
    Named,
    /// It stands after it.
    Preceding,
}

/// Who inherited from which `defaults` so far, by its place among them.
#[derive(Debug, Default)]
pub(super) struct Heirs(HashMap<usize, Vec<(ProxyKind, Way)>>);

impl Heirs {
    /// One more; reported if it may not.
    pub(super) fn add(
        &mut self,
        context: &mut Context<'_>,
        (line, kind): (&Statement<'_>, ProxyKind),
        (at, defaults): (usize, &Proxy),
        way: Way,
    ) {
        let others = self.0.entry(at).or_default();
        let refused = refusal(kind, defaults, others);
        let mixed = !defaults.name.value.is_empty() && others.iter().any(|(_, other)| *other != way);
        let is_first = others.is_empty();
        others.push((kind, way));
        let first = "this section defines them";
        if let Some(message) = refused {
            return context.report(
                Diagnostic::error(line.span(), message)
                    .heading(Heading::Line)
                    .label(defaults.name.span, first)
                    .help("give the rules to the proxies themselves"),
            );
        }
        if is_first {
            unnamed::report(context, defaults);
        }
        if mixed {
            let name = &defaults.name.value;
            let message = format!(
                "defaults section '{name}' is explicitly referenced by another proxy and implicitly used here. To \
                 avoid any ambiguity don't mix both usage. Add a last defaults section not explicitly used or always \
                 use explicit references."
            );
            context.report(Diagnostic::warning(line.span(), message).label(defaults.name.span, "this one"));
        }
    }
}

fn refusal(kind: ProxyKind, defaults: &Proxy, others: &[(ProxyKind, Way)]) -> Option<String> {
    let rules = &defaults.settings.rules;
    let early = !rules.connection.is_empty() || !rules.session.is_empty();
    let late = !rules.response.is_empty();
    if !early && !late && rules.content.is_empty() && rules.requests.is_empty() {
        return None;
    }
    let has = |wanted: ProxyKind| others.iter().any(|(other, _)| *other == wanted);
    let what = match kind {
        ProxyKind::Defaults | ProxyKind::Listen => "TCP/HTTP rules",
        ProxyKind::Backend if early => "'tcp-request connection' or 'tcp-request session' rules",
        ProxyKind::Frontend if late => "'tcp-response content' rules",
        ProxyKind::Frontend if has(ProxyKind::Backend) => return Some(BOTH.to_owned()),
        ProxyKind::Backend if has(ProxyKind::Frontend) => return Some(BOTH.to_owned()),
        ProxyKind::Frontend | ProxyKind::Backend => return None,
    };
    Some(format!("a {} section cannot inherit from a defaults section defining {what}.", kind.keyword()))
}

const BOTH: &str =
    "frontends and backends cannot inherit from the same defaults section if it defines TCP/HTTP rules.";
