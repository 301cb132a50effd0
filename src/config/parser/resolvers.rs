//! `resolvers NAME` and what stands in it (manual section 5.3.2), and the options of server lines that refer
//! to it (section 5.2).

use std::time::Duration;

use super::address;
use super::context::Context;
use super::options::{Options, Taken};
use super::statement::Statement;
use super::value::{TimeUnit, stray_name_character};
use crate::config::ast::{NameServer, Resolvers, ServerSettings, Spanned};
use crate::config::diagnostic::Diagnostic;
use crate::config::lexer::expand_unquoted;
use crate::config::model::{self, Duplicates, Hold, IpFamily, RecordWeights};
use crate::config::rule::matching::network;

/// Reads one keyword's arguments into the section.
pub(super) type Reader = fn(&mut Context<'_>, &mut Resolvers, &Statement<'_>);

/// The event of a `hold` line, and where its time goes.
type Event = (&'static str, fn(&mut Hold) -> &mut Duration);

const EVENTS: &[Event] = &[
    ("valid", |hold| &mut hold.valid),
    ("nx", |hold| &mut hold.nx),
    ("timeout", |hold| &mut hold.timeout),
    ("refused", |hold| &mut hold.refused),
    ("other", |hold| &mut hold.other),
    ("obsolete", |hold| &mut hold.obsolete),
];

/// The longest time that is taken as one: a day is beyond every use, and keeps sums in range.
const LONGEST: Duration = Duration::from_secs(86_400);
/// The shortest: a name server is not asked without a pause.
const SHORTEST: Duration = Duration::from_millis(10);

/// Every keyword of the section.
pub(super) const READERS: &[(&str, Reader)] = &[
    ("accepted_payload_size", |context, section, line| {
        let expected = "'accepted_payload_size' expects <nb> as argument.";
        if line.string(context, 1, expected).is_some() {
            let size = line.number(context, 1, "accepted_payload_size", 12..=65_535);
            section.payload_size = size.or(section.payload_size);
        }
    }),
    ("hold", hold),
    ("nameserver", nameserver),
    ("parse-resolv-conf", |_, section, line| section.resolv_conf = Some(line.span())),
    ("resolve_retries", |context, section, line| {
        if line.string(context, 1, "'resolve_retries' expects <nb> as argument.").is_some() {
            let tries: Option<u32> = line.number(context, 1, "resolve_retries", 0..=1000);
            section.retries = tries.map_or(section.retries, |tries| tries.max(1));
        }
    }),
    ("timeout", timeout),
];

/// Opens the section.
pub(super) fn start(context: &mut Context<'_>, line: &Statement<'_>) -> Option<Resolvers> {
    let Some(name) = line.argument(1) else {
        context.report(
            Diagnostic::error(line.span(), "missing name for resolvers section.")
                .help("give the section a name: 'resolvers dns'"),
        );
        return None;
    };
    let name = Spanned::new(name.str().into_owned(), name.span);
    if let Some(character) = stray_name_character(&name.value) {
        let message =
            format!("character '{character}' is not permitted in 'resolvers' name '{}'.", name.value);
        context.report(
            Diagnostic::error(name.span, message).help("a name has letters, digits, '-', '_', '.' and ':'"),
        );
        return None;
    }
    let defaults = model::Resolvers::default();
    Some(Resolvers {
        name,
        nameservers: Vec::new(),
        resolv_conf: None,
        hold: defaults.hold,
        resolve: defaults.resolve,
        retry: defaults.retry,
        retries: defaults.retries,
        payload_size: None,
    })
}

fn nameserver(context: &mut Context<'_>, section: &mut Resolvers, line: &Statement<'_>) {
    let (Some(id), Some(written)) = (line.argument(1), line.argument(2)) else {
        return context.report(
            Diagnostic::error(line.span(), "'nameserver' expects <name> and <addr>[:<port>] as arguments.")
                .help("for example 'nameserver dns1 10.0.0.53:53'"),
        );
    };
    let id = Spanned::new(id.str().into_owned(), id.span);
    let text = expand_unquoted(&written.text, &context.environment);
    let written_address = String::from_utf8_lossy(&text).into_owned();
    match address::address(&written_address) {
        Ok(address) => {
            let address = Spanned::new(address, written.span);
            section.nameservers.push(NameServer { id, address, written_address });
        }
        Err(error) => context.report(
            Diagnostic::error(written.span, format!("'nameserver {}' : {error}", id.value))
                .help("an address is written ADDRESS:PORT"),
        ),
    }
}

fn hold(context: &mut Context<'_>, section: &mut Resolvers, line: &Statement<'_>) {
    let Some((_, slot)) = EVENTS.iter().find(|(name, _)| *name == line.text(1)) else { return };
    if let Some(time) = line.time(context, 2, &format!("hold {}", line.text(1)), TimeUnit::Milliseconds) {
        *slot(&mut section.hold) = time.min(LONGEST);
    }
}

fn timeout(context: &mut Context<'_>, section: &mut Resolvers, line: &Statement<'_>) {
    let name = format!("timeout {}", line.text(1));
    let Some(time) = line.time(context, 2, &name, TimeUnit::Milliseconds) else { return };
    let time = time.clamp(SHORTEST, LONGEST);
    match &*line.text(1) {
        "resolve" => section.resolve = time,
        _ => section.retry = time,
    }
}

/// `resolvers` of a server line.
pub(super) fn of_server(
    context: &mut Context<'_>,
    server: &mut ServerSettings,
    options: &mut Options<'_>,
) -> Taken {
    let name = options.string(context, "'resolvers' expects the name of a 'resolvers' section.")?;
    server.resolvers = Some(Spanned::new(name, options.place()));
    Some(())
}

pub(super) fn resolve_prefer(
    context: &mut Context<'_>,
    server: &mut ServerSettings,
    options: &mut Options<'_>,
) -> Taken {
    let expected = "'resolve-prefer' expects either ipv4 or ipv6 as argument.";
    server.resolve_prefer = match options.string(context, expected)?.as_str() {
        "ipv4" => IpFamily::V4,
        "ipv6" => IpFamily::V6,
        _ => return options.wrong(context, expected, None),
    };
    Some(())
}

pub(super) fn resolve_opts(
    context: &mut Context<'_>,
    server: &mut ServerSettings,
    options: &mut Options<'_>,
) -> Taken {
    let text = options.string(context, "'resolve-opts' expects a list of options as argument.")?;
    (server.duplicates, server.record_weights) = (Duplicates::default(), RecordWeights::default());
    for option in text.split(',') {
        match option {
            "allow-dup-ip" => server.duplicates = Duplicates::Allowed,
            "prevent-dup-ip" => server.duplicates = Duplicates::Prevented,
            "ignore-weight" => server.record_weights = RecordWeights::Ignored,
            other => {
                let message = format!(
                    "'resolve-opts' : unknown resolve-opts option '{other}', supported methods are 'allow-dup-ip', \
                     'ignore-weight', and 'prevent-dup-ip'."
                );
                return options.wrong(context, &message, None);
            }
        }
    }
    Some(())
}

pub(super) fn resolve_net(
    context: &mut Context<'_>,
    server: &mut ServerSettings,
    options: &mut Options<'_>,
) -> Taken {
    let text = options.string(context, "'resolve-net' expects a list of networks as argument.")?;
    server.resolve_net.clear();
    for written in text.split(',').filter(|written| !written.is_empty()) {
        let Some(network) = network(written) else {
            return options.wrong(context, &format!("'resolve-net' invalid network '{written}'."), None);
        };
        server.resolve_net.push(network);
    }
    Some(())
}
