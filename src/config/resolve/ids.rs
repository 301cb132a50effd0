//! The numbers of proxies (`id`, manual section 4): sections in the order of the files enter, a number each
//! leaves.
//!
//! HAProxy counts every section on, also one with a number of its own, and passes over numbers that any section
//! asks for: what stands in front of a section without `id` decides its number, and what follows can only push
//! it up.

use std::collections::HashMap;

use super::Resolver;
use crate::config::ast::Proxy;
use crate::config::diagnostic::{Diagnostic, Heading};

impl Resolver<'_, '_> {
    /// A number for each of `proxies`; the first that counts is `next`.
    pub(super) fn proxy_ids(&mut self, proxies: &[Proxy], mut next: u32) -> Vec<u32> {
        let taken = self.written_ids(proxies);
        let mut ids = Vec::with_capacity(proxies.len());
        for proxy in proxies {
            let id = proxy.id.map_or_else(
                || {
                    while taken.contains_key(&next) {
                        next += 1;
                    }
                    next
                },
                |id| id.value,
            );
            next += 1;
            ids.push(id);
        }
        ids
    }

    /// Who asks for which number.
    fn written_ids<'a>(&mut self, proxies: &'a [Proxy]) -> HashMap<u32, &'a Proxy> {
        let mut taken: HashMap<u32, &Proxy> = HashMap::new();
        for proxy in proxies {
            let Some(id) = proxy.id else { continue };
            match taken.get(&id.value) {
                Some(first) => self.reused_id(proxy, first),
                None => drop(taken.insert(id.value, proxy)),
            }
        }
        taken
    }

    fn reused_id(&mut self, proxy: &Proxy, first: &Proxy) {
        let (file, line) = self.sources.place(first.name.span);
        let message = format!(
            "{} {} reuses same custom id as {} {} (declared at {file}:{line}).",
            proxy.kind.keyword(),
            proxy.name.value,
            first.kind.keyword(),
            first.name.value
        );
        let span = proxy.id.as_ref().map_or(proxy.name.span, |id| id.span);
        self.context.report(
            Diagnostic::error(span, message)
                .heading(Heading::Line)
                .label(first.name.span, "this one has it")
                .help("give one of them another number, or none"),
        );
    }
}
