//! One fetch: what its arguments name is looked up.

use super::Resolver;
use super::ids::server_number;
use super::rules::{Scene, literal};
use crate::config::ast::{ProxyKind, Sample};
use crate::config::model::http::{Cast, Field, Values};
use crate::config::model::{
    BackendId, Change, Counter, Fetch, HttpFact, NameEntry, NameForm, NamePart, PayloadFact, ProcessFact,
    TableId, Tracked, UserlistId, Value,
};
use crate::config::rule::fetch::{Array, Takes};

impl Resolver<'_, '_> {
    /// `None`, once reported, if an argument names nothing.
    pub(super) fn fetch(&mut self, sample: &Sample, scene: Scene<'_>) -> Option<Fetch> {
        let number = |at: usize| -> Option<i64> { text(sample, at).parse().ok() };
        let position = |at: usize| number(at).and_then(|number| usize::try_from(number).ok());
        Some(match sample.fetch.takes {
            Takes::Unsupported => return None,
            Takes::Nothing(fetch) => fetch.clone(),
            Takes::Session(fact) => Fetch::Session(fact),
            Takes::Backend(fact) => Fetch::Backend(fact, self.backend_named(sample, scene)?.0),
            Takes::Frontend(fact) => Fetch::Frontend(fact, self.frontend_named(sample, scene)?),
            Takes::Server(fact) => {
                let (backend, server) = self.server_named(sample, scene)?;
                self.referenced.insert((backend, server));
                Fetch::Server(fact, backend, server)
            }
            Takes::SourceCounter(counter) => {
                Fetch::Counter(Tracked::Source, counter, self.table_named(sample, 0, (counter, scene))?)
            }
            Takes::SlotCounter(Some(slot), counter) => self.slot(sample, slot, (0, counter), scene)?,
            Takes::SlotCounter(None, counter) => {
                let slot = u8::try_from(number(0)?).unwrap_or(u8::MAX);
                self.slot(sample, slot, (1, counter), scene)?
            }
            Takes::SourceChange(counter, change) => Fetch::Change(
                Tracked::Source,
                counter,
                change,
                self.table_named(sample, 0, (counter, scene))?,
            ),
            Takes::SlotChange(Some(slot), counter, change) => {
                changed(self.slot(sample, slot, (0, counter), scene)?, change)
            }
            Takes::SlotChange(None, counter, change) => {
                let slot = u8::try_from(number(0)?).unwrap_or(u8::MAX);
                changed(self.slot(sample, slot, (1, counter), scene)?, change)
            }
            Takes::SourceArray(array) => {
                let counter = array.counter(u8::try_from(number(0)?).ok()?);
                let table = self.table_named(sample, 1, (counter, scene))?;
                array.fetch(Fetch::Counter(Tracked::Source, counter, table))
            }
            Takes::SlotArray(array) => {
                let counter = array.counter(u8::try_from(number(0)?).ok()?);
                let slot = u8::try_from(number(1)?).unwrap_or(u8::MAX);
                array.fetch(self.slot(sample, slot, (2, counter), scene)?)
            }
            Takes::Table(fact) => Fetch::Table(fact, self.table_named(sample, 0, (Counter::Tracked, scene))?),
            Takes::Literal => Fetch::Constant(literal(sample.fetch.name, sample.arguments.first()?)?),
            Takes::Environment => {
                let name = sample.arguments.first().map(Vec::as_slice).unwrap_or_default();
                let value = self.context.environment.get(name);
                value.map_or(Fetch::Never, |value| Fetch::Constant(Value::Text(value.to_vec())))
            }
            Takes::Hostname => Fetch::Constant(Value::Text(self.bundle.hostname.clone().into_bytes())),
            Takes::Date => Fetch::Process(ProcessFact::Date(number(0).unwrap_or(0))),
            Takes::Random => {
                let bound = number(0).and_then(|bound| u32::try_from(bound).ok());
                Fetch::Process(ProcessFact::Random(bound.unwrap_or(u32::MAX).max(1)))
            }
            Takes::Variable => Fetch::Variable(self.variable(&text(sample, 0))),
            Takes::Bytes => Fetch::Payload(PayloadFact::Bytes { offset: position(0)?, length: position(1)? }),
            Takes::CountedBytes => {
                let third = text(sample, 2);
                let skip = third.parse::<i64>().ok().and_then(|skip| usize::try_from(skip.abs()).ok());
                let relative = third.starts_with(['+', '-']);
                Fetch::Payload(PayloadFact::Counted {
                    offset: position(0)?,
                    size: position(1)?,
                    skip: skip.map(|skip| (relative, skip)),
                })
            }
            Takes::Name(holder, fact) => Fetch::Certificate(holder, fact(name_part(sample))),
            Takes::Captured => Fetch::Captured(position(0)?),
            Takes::RdpCookie => Fetch::Payload(PayloadFact::RdpCookie(text(sample, 0).into_bytes())),
            Takes::RdpCookieCount => {
                Fetch::Payload(PayloadFact::RdpCookieCount(text(sample, 0).into_bytes()))
            }
            Takes::Values(field, cast) => Fetch::Http(HttpFact::Values(values(sample, field, cast))),
            Takes::Count(field) => Fetch::Http(HttpFact::Count(field, name_of(sample, field))),
            Takes::Userlist(make) => Fetch::Http(make(self.userlist_named(sample, scene)?)),
        })
    }

    fn slot(
        &mut self,
        sample: &Sample,
        slot: u8,
        (at, counter): (usize, Counter),
        scene: Scene<'_>,
    ) -> Option<Fetch> {
        let table = if text(sample, at).is_empty() {
            // Whatever table the slot tracks an entry of.
            TableId(usize::MAX)
        } else {
            self.table_named(sample, at, (counter, scene))?
        };
        Some(Fetch::Counter(Tracked::Slot(slot), counter, table))
    }

    fn table_named(
        &mut self,
        sample: &Sample,
        at: usize,
        (_, scene): (Counter, Scene<'_>),
    ) -> Option<TableId> {
        let name = own_or(&text(sample, at), scene);
        let found = self.table(scene.proxies, &name);
        if found.is_none() {
            self.unresolved(sample, scene, &format!("unable to find table '{name}' referenced"));
        }
        found
    }

    fn userlist_named(&mut self, sample: &Sample, scene: Scene<'_>) -> Option<UserlistId> {
        let name = text(sample, 0);
        let found = self.lists.iter().position(|list| list.name == name);
        match found {
            None if name.is_empty() => self.unresolved(sample, scene, "missing userlist name"),
            None => self.unresolved(sample, scene, &format!("unable to find userlist '{name}' referenced")),
            Some(_) => {}
        }
        found.map(UserlistId)
    }

    /// The backend, and its position among the proxies.
    fn backend_named(&mut self, sample: &Sample, scene: Scene<'_>) -> Option<(BackendId, usize)> {
        let name = own_or(&text(sample, 0), scene);
        if let Some(target) = scene.names.backend(&name) {
            return Some((target.id, target.proxy));
        }
        let is_frontend = scene.names.frontend(&name).is_some();
        let what = match is_frontend {
            true => format!("proxy '{name}', which has not backend capability, referenced"),
            false => format!("unable to find backend '{name}' referenced"),
        };
        self.unresolved(sample, scene, &what);
        None
    }

    fn frontend_named(
        &mut self,
        sample: &Sample,
        scene: Scene<'_>,
    ) -> Option<crate::config::model::FrontendId> {
        let name = own_or(&text(sample, 0), scene);
        let found = scene.names.frontend(&name);
        if found.is_none() {
            self.unresolved(sample, scene, &format!("unable to find frontend '{name}' referenced"));
        }
        found
    }

    /// `[BACKEND/]SERVER`
    fn server_named(&mut self, sample: &Sample, scene: Scene<'_>) -> Option<(BackendId, u32)> {
        let whole = text(sample, 0);
        if whole.is_empty() {
            self.unresolved(sample, scene, "missing server name");
            return None;
        }
        let (backend, server) = match whole.split_once('/') {
            Some((backend, server)) => (backend.to_owned(), server),
            None => (scene.proxy.name.value.clone(), whole.as_str()),
        };
        let Some(target) = scene.names.backend(&backend) else {
            let what = match scene.proxy.kind {
                ProxyKind::Frontend if !whole.contains('/') => {
                    format!("unable to find server '{server}' in proxy '{backend}', referenced")
                }
                _ => format!("unable to find proxy '{backend}' referenced"),
            };
            self.unresolved(sample, scene, &what);
            return None;
        };
        let servers = &scene.proxies[target.proxy].servers;
        let found = servers.iter().position(|known| known.name.value == server);
        if found.is_none() {
            let what = format!("unable to find server '{server}' in proxy '{backend}', referenced");
            self.unresolved(sample, scene, &what);
        }
        Some((target.id, server_number(servers, found?)))
    }
}

impl Array {
    /// The one of that number.
    fn counter(self, at: u8) -> Counter {
        match self {
            Array::Value(counter) => counter(at),
            Array::Change(_) => Counter::General(at),
        }
    }

    fn fetch(self, value: Fetch) -> Fetch {
        match self {
            Array::Value(_) => value,
            Array::Change(change) => changed(value, change),
        }
    }
}

/// `(ENTRY,OCCURRENCE,FORM)`, any of them left out.
fn name_part(sample: &Sample) -> NamePart {
    let name = text(sample, 0);
    if !name.is_empty() {
        let occurrence = text(sample, 1).parse().ok().filter(|at| *at != 0).unwrap_or(1);
        return NamePart::Entry(NameEntry { name, occurrence });
    }
    NamePart::Whole(if text(sample, 2).is_empty() { NameForm::Slashes } else { NameForm::Rfc2253 })
}

fn changed(value: Fetch, change: Change) -> Fetch {
    match value {
        Fetch::Counter(whose, counter, table) => Fetch::Change(whose, counter, change, table),
        other => other,
    }
}

/// Names of headers are the same in any case.
fn name_of(sample: &Sample, field: Field) -> String {
    match field {
        Field::Header | Field::WholeHeader => text(sample, 0).to_ascii_lowercase(),
        Field::Cookie | Field::Parameter(_) => text(sample, 0),
    }
}

fn values(sample: &Sample, field: Field, cast: Cast) -> Values {
    let name = name_of(sample, field);
    let occurrence = text(sample, 1).parse().unwrap_or(0);
    let field = match field {
        Field::Parameter(_) => Field::Parameter(text(sample, 1).bytes().next().unwrap_or(b'?')),
        other => other,
    };
    Values { field, name, occurrence, cast }
}

fn text(sample: &Sample, at: usize) -> String {
    sample.arguments.get(at).map(|text| String::from_utf8_lossy(text).into_owned()).unwrap_or_default()
}

fn own_or(name: &str, scene: Scene<'_>) -> String {
    if name.is_empty() { scene.proxy.name.value.clone() } else { name.to_owned() }
}
