//! Conditions and rules: names of backends, servers, frontends and tables become ids; what is not known where
//! a rule stands is said, and never matches.

use std::sync::Arc;

use super::Resolver;
use super::ids::server_number;
use super::names::Names;
use crate::config::ast::{self, MapStep, Proxy, ProxyKind, Step};
use crate::config::diagnostic::{Diagnostic, Heading};
use crate::config::model::{
    BackendId, Balance, Condition, Config, Converter, End, Fetch, HttpFact, Listed, Map, Matcher, Mode, Rule,
    Rules, Sample, Server, SessionFact, TableId, Term, Test, TextMatch, Texts, UserlistId, Value, VariableId,
};
use crate::config::parser::lists::{Use, User};
use crate::config::rule::place::{Place, Seen};

/// How many backends one made name may come to.
const MOST_TARGETS: usize = 1000;

/// Whose rules are resolved, and which.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) proxy: &'a Proxy,
    pub(super) proxies: &'a [Proxy],
    pub(super) names: &'a Names,
    pub(super) mode: Mode,
    pub(super) place: Place,
}

impl<'a> Scene<'a> {
    pub(super) fn at(self, place: Place) -> Scene<'a> {
        Scene { place, ..self }
    }
}

impl Resolver<'_, '_> {
    /// Every ACL, used or not: what they name has to be there.
    pub(super) fn check_acls(&mut self, scene: Scene<'_>) {
        for (_, acl) in &scene.proxy.settings.rules.acls {
            for test in acl.borrow().iter().filter(|test| test.sample.unsupported().is_none()) {
                // Only for what it reports.
                let _ = self.fetch(&test.sample, scene);
                for at in 0..test.sample.steps.len() {
                    let _ = self.converter(at, &test.sample, scene);
                }
            }
        }
    }

    /// The rules of the front half.
    pub(super) fn front_rules(&mut self, scene: Scene<'_>) -> Rules {
        let written = &scene.proxy.settings.rules;
        (self.wants_destination, self.reads_payload) = (false, false);
        let backends = self.use_backends(scene);
        Rules {
            connection: self.rules(&written.connection, scene.at(Place::Connection)),
            session: self.rules(&written.session, scene.at(Place::Session)),
            content: self.content(scene.at(Place::FrontendContent)),
            inspect_delay: written.inspect_delay,
            backends,
            servers: Vec::new(),
            stick: Vec::new(),
            hash: None,
            response: Vec::new(),
            response_delay: None,
            stick_response: Vec::new(),
            wants_destination: std::mem::take(&mut self.wants_destination),
            reads_payload: std::mem::take(&mut self.reads_payload),
            needed: false,
            headers: false,
        }
    }

    /// The rules of the back half. Those of a `listen` were evaluated at its front.
    pub(super) fn back_rules(&mut self, scene: Scene<'_>) -> Rules {
        let written = &scene.proxy.settings.rules;
        (self.wants_destination, self.reads_payload) = (false, false);
        let response = self.rules(&written.response, scene.at(Place::Response));
        let stick_response = self.sticks(&written.stick_response, scene.at(Place::StickStore));
        // What the server says is not waited for before there is one.
        self.reads_payload = false;
        let content = match scene.proxy.kind {
            ProxyKind::Backend => self.content(scene.at(Place::BackendContent)),
            _ => Vec::new(),
        };
        let servers = self.use_servers(scene.at(Place::UseServer));
        let stick = self.sticks(&written.stick, scene.at(Place::UseServer));
        let hash = self.hash_sample(scene.at(Place::UseServer));
        Rules {
            content,
            inspect_delay: written.inspect_delay,
            servers,
            stick,
            hash,
            response,
            response_delay: written.response_delay,
            stick_response,
            wants_destination: std::mem::take(&mut self.wants_destination),
            reads_payload: std::mem::take(&mut self.reads_payload),
            ..Rules::default()
        }
    }

    /// As in HAProxy, the rules for requests come after those for content.
    fn content(&mut self, scene: Scene<'_>) -> Vec<Rule> {
        let mut rules = self.rules(&scene.proxy.settings.rules.content, scene);
        rules.extend(self.requests_at_layer_4(scene));
        rules
    }

    /// `monitor fail`
    pub(super) fn monitor_fail(&mut self, scene: Scene<'_>) -> Vec<Condition> {
        let conditions = scene.proxy.settings.rules.monitor_fail.iter();
        conditions.map(|condition| self.condition(condition, scene.at(Place::FrontendHttp))).collect()
    }

    fn use_backends(&mut self, scene: Scene<'_>) -> Vec<(BackendId, Condition)> {
        let scene = scene.at(Place::UseBackend);
        let mut backends = Vec::new();
        for choice in &scene.proxy.use_backends {
            if let Some(made) = &choice.made {
                self.made_backends(made, choice.condition.as_ref(), scene, &mut backends);
                if choice.condition.is_none() {
                    break;
                }
                continue;
            }
            // What follows a choice without a condition is never asked for.
            let Some(condition) = &choice.condition else { break };
            let condition = self.condition(condition, scene);
            if let Some(target) = scene.names.backend(&choice.name.value) {
                backends.push((target.id, condition));
            }
        }
        backends
    }

    /// `use_backend BEFORE%[SAMPLE]AFTER`: one choice for each backend whose name it can come to. As in HAProxy
    /// what comes to no backend goes to the default one, whatever choices follow.
    fn made_backends(
        &mut self,
        made: &ast::MadeName,
        condition: Option<&ast::Condition>,
        scene: Scene<'_>,
        backends: &mut Vec<(BackendId, Condition)>,
    ) {
        let condition = match condition {
            Some(condition) => self.condition(condition, scene),
            None => Condition { unless: false, any: vec![Vec::new()] },
        };
        let Some(sample) = self.sample(&made.sample, scene) else { return };
        let own = scene.proxy.name.value.as_str();
        let mut targets: Vec<(BackendId, &str)> = scene
            .names
            .all_backends()
            .filter(|(name, _)| *name != own)
            .filter_map(|(name, target)| {
                let middle = name.strip_prefix(made.before.as_str())?.strip_suffix(made.after.as_str())?;
                Some((target.id, middle))
            })
            .collect();
        targets.sort_unstable();
        if targets.len() > MOST_TARGETS {
            let message = format!("'use_backend' : more than {MOST_TARGETS} backends have such a name");
            return self.context.error(made.sample.span, message);
        }
        for (id, middle) in targets {
            let patterns = [middle.as_bytes().to_vec()].into();
            let matcher = Matcher::Text(TextMatch::Whole, Texts { patterns, ignore_case: false });
            let listed = vec![Listed { list: None, matcher: Arc::new(matcher) }];
            let test = Test { sample: sample.clone(), listed };
            let mut condition = condition.clone();
            let named = Term { negated: false, tests: Arc::from([test]) };
            condition.any.iter_mut().for_each(|all| all.push(named.clone()));
            backends.push((id, condition));
        }
        let default = scene.proxy.settings.default_backend.as_ref();
        if let Some(default) = default.and_then(|name| scene.names.backend(&name.value)) {
            backends.push((default.id, condition));
        }
    }

    fn use_servers(&mut self, scene: Scene<'_>) -> Vec<(u32, Condition)> {
        let mut servers = Vec::new();
        for choice in &scene.proxy.use_servers {
            let Some(condition) = &choice.condition else { continue };
            let condition = self.condition(condition, scene);
            let name = &choice.name;
            let at = scene.proxy.servers.iter().position(|server| server.name.value == name.value);
            match at {
                Some(at) => servers.push((server_number(&scene.proxy.servers, at), condition)),
                None => {
                    let message = format!(
                        "{} '{}' : unable to find server '{}' referenced in a 'use-server' rule.",
                        scene.proxy.kind.noun(),
                        scene.proxy.name.value,
                        name.value
                    );
                    let known = scene.proxy.servers.iter().map(|server| server.name.value.as_str());
                    let near = crate::config::suggest::nearest_of(&name.value, known.take(200));
                    let mut diagnostic = Diagnostic::error(name.span, message).heading(Heading::Bare);
                    diagnostic.help = near.map(|near| format!("did you mean '{near}'?"));
                    self.context.report(diagnostic);
                }
            }
        }
        servers
    }

    fn rules(&mut self, written: &[ast::Rule], scene: Scene<'_>) -> Vec<Rule> {
        let (mut rules, mut captures) = (Vec::new(), 0);
        for rule in written {
            let condition = rule.condition.as_ref().map(|condition| self.condition(condition, scene));
            if matches!(rule.action, ast::Action::Reject | ast::Action::SilentDrop)
                && Seen::Request.is_known_at(scene.place)
            {
                self.refuse_http(rule, scene);
            }
            self.refuse_unasked(rule, scene);
            if matches!(rule.action, ast::Action::ExpectProxy) {
                self.refuse_late_header(rule, scene);
            }
            if let Some(action) = self.action(&rule.action, scene, (rule.span, &mut captures)) {
                rules.push(Rule { action, condition });
            }
        }
        rules
    }

    /// Rules for connections come after a handshake, and the header before it.
    fn refuse_late_header(&mut self, rule: &ast::Rule, scene: Scene<'_>) {
        let binds = &scene.proxy.binds;
        let Some(secured) = binds.iter().find_map(|bind| bind.options.tls.ssl) else { return };
        let message =
            "a rule cannot expect a PROXY header where clients speak TLS: it comes before the handshake";
        self.context.report(
            Diagnostic::error(rule.span, message)
                .label(secured, "TLS is spoken here")
                .help("write 'accept-proxy' on the 'bind' line"),
        );
    }

    /// What must not get in must not get in because nobody can tell.
    fn refuse_http(&mut self, rule: &ast::Rule, scene: Scene<'_>) {
        let terms = rule.condition.iter().flat_map(|condition| condition.any.iter().flatten());
        let asks_http = |sample: &ast::Sample| matches!(http_fact(sample), Some(Fetch::Http(_)));
        for term in terms {
            let acl = term.acl.borrow();
            if acl.iter().any(|test| asks_http(&test.sample)) {
                let message = match scene.mode {
                    Mode::Tcp => "this rule would never refuse anything: a layer 4 proxy does not see HTTP",
                    Mode::Http => {
                        "this rule would never refuse anything: it is asked before a request is read"
                    }
                };
                self.context.report(
                    Diagnostic::error(rule.span, message)
                        .label(term.span, "this is about HTTP")
                        .help("take the rule out, or refuse by address, port or first bytes"),
                );
            }
        }
    }

    /// `balance hash`; what no server is chosen by yet is refused, as in HAProxy.
    fn hash_sample(&mut self, scene: Scene<'_>) -> Option<Sample> {
        let (Some(Balance::Hash(_)), Some(sample)) =
            (scene.proxy.settings.balance, &scene.proxy.settings.hash)
        else {
            return None;
        };
        if let Some(span) = scene.proxy.settings.foreign_hash {
            let message = "hash function 'wt6' is not known: 'sdbm' is used in its place";
            let help = "keys are spread as evenly, but the server of a key is another one than HAProxy's; 'sdbm', 'djb2' and 'crc32' are the same in both";
            self.context.report(Diagnostic::warning(span, message).help(help));
        }
        if !sample.fetch.seen.is_known_at(scene.place) {
            let message = format!(
                "balance hash : fetch method '{}' has nothing to say before a server is chosen",
                sample.name
            );
            // Where HAProxy says it.
            let diagnostic = Diagnostic::error(scene.proxy.name.span, message);
            self.context.report(diagnostic.label(sample.span, "asked for here"));
            return None;
        }
        self.sample(sample, scene)
    }

    pub(super) fn variable(&mut self, name: &str) -> VariableId {
        let next = VariableId(self.variables.len() as u32);
        *self.variables.entry(name.to_owned()).or_insert(next)
    }

    pub(super) fn condition(&mut self, condition: &ast::Condition, scene: Scene<'_>) -> Condition {
        let any =
            condition.any.iter().map(|all| all.iter().map(|term| self.term(term, scene)).collect()).collect();
        Condition { unless: condition.unless, any }
    }

    fn term(&mut self, term: &ast::Term, scene: Scene<'_>) -> Term {
        let acl = term.acl.borrow();
        let unseen = acl.iter().all(|test| !test.sample.fetch.seen.is_known_at(scene.place));
        if let Some(first) = acl.first().filter(|_| unseen) {
            self.warn_unseen(term, &first.sample.name, scene.place);
        }
        let mut tests = Vec::new();
        for test in acl.iter() {
            if let Some(sample) = self.sample(&test.sample, scene) {
                let listed = test.listed.iter().map(|listed| self.listed(listed, test, &sample, scene));
                let listed: Option<Vec<Listed>> = listed.collect();
                tests.extend(listed.map(|listed| Test { sample, listed }));
            }
        }
        Term { negated: term.negated, tests: Arc::from(tests) }
    }

    /// Groups become their users, whose names the sample gives.
    fn listed(
        &mut self,
        listed: &Listed,
        test: &ast::Test,
        sample: &Sample,
        scene: Scene<'_>,
    ) -> Option<Listed> {
        let (Matcher::Groups(groups), Fetch::Http(HttpFact::Member(UserlistId(list)))) =
            (&*listed.matcher, &sample.fetch)
        else {
            return Some(listed.clone());
        };
        let mut fault = groups.is_empty().then(|| "no groups specified".to_owned());
        let mut texts = Texts::default();
        for group in groups {
            match self.lists[*list].members(group) {
                Some(users) => texts.patterns.extend(users.map(|user| user.name.clone().into_bytes())),
                None => fault = Some(format!("invalid group '{group}'")),
            }
        }
        if let Some(fault) = fault {
            let message = format!("proxy {}: acl {}(): {fault}.", scene.proxy.name.value, test.sample.name);
            self.context.report(Diagnostic::error(test.sample.span, message).heading(Heading::Bare));
            return None;
        }
        Some(Listed { list: None, matcher: Arc::new(Matcher::Text(TextMatch::Whole, texts)) })
    }

    fn warn_unseen(&mut self, term: &ast::Term, keyword: &str, place: Place) {
        let within = place.keyword().map(|keyword| format!(" in '{keyword}'")).unwrap_or_default();
        let message = match &term.name {
            None => format!(
                "anonymous acl will never match{within} because it uses keyword '{keyword}' which is incompatible \
                 with '{place}'"
            ),
            Some(name) => format!(
                "acl '{name}' will never match{within} because it only involves keywords that are incompatible \
                 with '{place}'"
            ),
        };
        self.context.warning(term.span, message);
    }

    pub(super) fn sample(&mut self, sample: &ast::Sample, scene: Scene<'_>) -> Option<Sample> {
        if let Some(name) = sample.unsupported() {
            if !sample.fetch.seen.is_known_at(scene.place) {
                return Some(Sample { fetch: Fetch::Never, converters: Vec::new() });
            }
            let message = format!("'{name}' is not supported in this version of rolecall");
            self.context.report(Diagnostic::error(sample.span, message).help("the rule cannot be honoured"));
            return None;
        }
        let mut fetch = self.fetch(sample, scene)?;
        if !sample.fetch.seen.is_known_at(scene.place) {
            fetch = Fetch::Never;
        }
        if matches!(fetch, Fetch::Http(_)) && scene.mode == Mode::Tcp {
            let message = format!("'{}' never matches here: a layer 4 proxy does not see HTTP", sample.name);
            self.context.warning(sample.span, message);
        }
        self.reads_payload |= matches!(fetch, Fetch::Payload(_));
        let session = Fetch::Session(SessionFact::Destination);
        self.wants_destination |= fetch == session
            || matches!(
                fetch,
                Fetch::Session(
                    SessionFact::DestinationPort
                        | SessionFact::DestinationIsLocal
                        | SessionFact::Connection(End::Destination, _)
                )
            );
        // All of them: what each needs from outside is looked up at once.
        let steps = 0..sample.steps.len();
        let converters: Vec<_> = steps.map(|at| self.converter(at, sample, scene)).collect();
        Some(Sample { fetch, converters: converters.into_iter().collect::<Option<_>>()? })
    }

    fn converter(&mut self, at: usize, sample: &ast::Sample, scene: Scene<'_>) -> Option<Converter> {
        let (name, make): (_, &dyn Fn(TableId) -> Converter) = match &sample.steps[at] {
            Step::Map(map) => return self.map(map, sample, at),
            Step::Plain(converter) => return Some(converter.clone()),
            Step::InTable(name) => (name, &Converter::InTable),
            Step::Looked(counter, name) => (name, &|table| Converter::Looked(*counter, table)),
            Step::LookedOr(counter, name, or) => (name, &|table| Converter::LookedOr(*counter, table, *or)),
            Step::Joined(joined, name) => {
                return Some(Converter::Joined(joined.clone(), self.variable(name)));
            }
            Step::Unsupported(_) => return None,
        };
        let found = self.table(scene.proxies, name);
        if found.is_none() {
            self.unresolved(sample, scene, &format!("unable to find table '{name}' referenced"));
        }
        found.map(make)
    }

    /// Of an ACL it was looked for, and told of, when its line was read.
    fn map(&mut self, map: &MapStep, sample: &ast::Sample, at: usize) -> Option<Converter> {
        match map.find(self.context, Use { span: sample.span, by: User::Map, at }) {
            Ok(list) => Some(Converter::Map(Map {
                list: list?,
                method: map.method,
                output: map.output,
                default: map.default.clone(),
            })),
            Err(fault) => {
                let message = format!("invalid args in converter '{}' : {fault}.", map.name);
                self.context.error(sample.span, message);
                None
            }
        }
    }

    /// A name among the arguments that nothing has.
    pub(super) fn unresolved(&mut self, sample: &ast::Sample, scene: Scene<'_>, what: &str) {
        let message = format!(
            "{what} in arg 1 of ACL keyword '{}' in proxy '{}'.",
            sample.name, scene.proxy.name.value
        );
        self.context.report(Diagnostic::error(sample.span, message).heading(Heading::Line));
    }
}

/// Notes at each frontend whether it, or a backend that it leads to, has rules.
pub(super) fn note_needs(config: &mut Config) {
    for frontend in &mut config.frontends {
        let backends = config.backends.iter().enumerate();
        let targets = backends.filter(|(at, _)| frontend.leads_to(BackendId(*at)));
        let headers = frontend.binds.iter().any(|bind| bind.accept_proxy);
        let mut needed = headers || !frontend.rules.is_empty() || frontend.log.needs_notes();
        let mut destination = frontend.rules.wants_destination || frontend.log.wants_destination;
        let mut payload = frontend.rules.reads_payload;
        for (_, backend) in targets {
            let anywhere = backend.servers.iter().any(Server::is_anywhere);
            needed |= anywhere || !backend.rules.is_empty();
            destination |= anywhere || backend.rules.wants_destination;
            payload |= backend.rules.reads_payload;
        }
        (frontend.rules.reads_payload, frontend.rules.headers) = (payload, headers);
        (frontend.rules.needed, frontend.rules.wants_destination) = (needed, destination);
    }
}

/// What a sample asks of a request; anything where it asks for a header.
fn http_fact(sample: &ast::Sample) -> Option<Fetch> {
    use crate::config::rule::fetch::Takes;
    match sample.fetch.takes {
        Takes::Nothing(fetch) => Some(fetch.clone()),
        Takes::Values(..) | Takes::Count(_) | Takes::Userlist(_) => Some(Fetch::Http(HttpFact::Path)),
        _ => None,
    }
    .filter(|_| sample.fetch.seen == Seen::Request)
}

/// A literal as a value.
pub(super) fn literal(name: &str, text: &[u8]) -> Option<Value> {
    let form = String::from_utf8_lossy(text);
    Some(match name {
        "int" => Value::Integer(form.parse().ok()?),
        "bool" => Value::Bool(matches!(&*form, "true" | "1")),
        "ipv4" | "ipv6" => Value::Address(form.parse().ok()?),
        "bin" => Value::Binary(crate::config::parser::value::hexadecimal(text)?),
        _ => Value::Text(text.to_vec()),
    })
}
