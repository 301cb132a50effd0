//! `sentinels NAME`: which Sentinels watch a master, and how to log in there. Ours; HAProxy has no such section,
//! so that a file for both keeps it in `.if defined(ROLECALL)`.

use super::address::{self, Address, Ports};
use super::context::Context;
use super::statement::Statement;
use super::value::{TimeUnit, stray_name_character};
use crate::config::ast::{Sentinel, Sentinels, Spanned};
use crate::config::diagnostic::{Diagnostic, Heading};
use crate::config::lexer::expand_unquoted;
use crate::config::model::Secret;

/// Where Sentinels listen unless they are told otherwise.
const PORT: u16 = 26379;

/// Reads one keyword's arguments into the section.
pub(super) type Reader = fn(&mut Context<'_>, &mut Sentinels, &Statement<'_>);

/// Every keyword of the section.
pub(super) const READERS: &[(&str, Reader)] = &[
    ("auth-pass", |context, section, line| {
        if let Some(word) = argument(context, line, "'auth-pass' expects a password.") {
            section.auth_pass = Some(Secret::new(word.value.into_bytes()));
        }
    }),
    ("auth-user", |context, section, line| {
        section.auth_user = argument(context, line, "'auth-user' expects a user name.");
    }),
    ("master", |context, section, line| {
        section.master = argument(context, line, "'master' expects the name that the Sentinels use.");
    }),
    ("sentinel", sentinel),
    ("timeout", |context, section, line| {
        let Some(time) = line.time(context, 1, "timeout", TimeUnit::Milliseconds) else { return };
        if time.is_zero() {
            return context.error(line.span_of(1), "'timeout' has to be longer than 0");
        }
        section.timeout = Some(time);
        line.no_more(context, "timeout", 2);
    }),
];

/// Opens the section.
pub(super) fn start(context: &mut Context<'_>, line: &Statement<'_>) -> Option<Sentinels> {
    let Some(name) = line.argument(1) else {
        context.report(
            Diagnostic::error(line.span(), "'sentinels' expects an <id> argument")
                .help("give the section a name: 'sentinels redis'"),
        );
        return None;
    };
    line.no_more(context, "sentinels", 2);
    Some(Sentinels {
        name: Spanned::new(name.str().into_owned(), name.span),
        master: None,
        sentinels: Vec::new(),
        auth_user: None,
        auth_pass: None,
        timeout: None,
    })
}

fn argument(context: &mut Context<'_>, line: &Statement<'_>, expected: &str) -> Option<Spanned<String>> {
    let text = line.string(context, 1, expected)?;
    line.no_more(context, &line.text(0), 2).then(|| Spanned::new(text, line.span_of(1)))
}

fn sentinel(context: &mut Context<'_>, section: &mut Sentinels, line: &Statement<'_>) {
    let (Some(id), Some(written)) = (line.argument(1), line.argument(2)) else {
        return context.report(
            Diagnostic::error(line.span(), "'sentinel' expects <id> and <addr>[:<port>] as arguments.")
                .help("for example 'sentinel s1 192.168.1.11:26379'"),
        );
    };
    line.no_more(context, "sentinel", 3);
    let id = Spanned::new(id.str().into_owned(), id.span);
    if let Some(character) = stray_name_character(&id.value) {
        let message = format!("character '{character}' is not permitted in sentinel name '{}'.", id.value);
        return context.report(
            Diagnostic::error(id.span, message).help("a name has letters, digits, '-', '_', '.' and ':'"),
        );
    }
    let text = expand_unquoted(&written.text, &context.environment);
    let written_address = String::from_utf8_lossy(&text).into_owned();
    match one_address(&written_address) {
        Ok(address) => {
            let address = Spanned::new(address, written.span);
            section.sentinels.push(Sentinel { id, address, written_address });
        }
        Err(message) => context.report(
            Diagnostic::error(written.span, format!("'sentinel {}' : {message}", id.value))
                .heading(Heading::Place)
                .help("an address is written ADDRESS or ADDRESS:PORT with a port from 1 to 65535"),
        ),
    }
}

/// A host and one port.
fn one_address(text: &str) -> Result<Address, String> {
    match address::address(text).map_err(|error| error.to_string())? {
        Address::Inet { host: address::Host::Any(_), .. } => Err(format!("'{text}' names no host")),
        Address::Inet { host, ports: Ports::Missing } => {
            Ok(Address::Inet { host, ports: Ports::Range { first: PORT, last: PORT } })
        }
        Address::Inet { host, ports: Ports::Range { first, last } } if first == last && first > 0 => {
            Ok(Address::Inet { host, ports: Ports::Range { first, last } })
        }
        _ => Err(format!("'{text}' is not a host with a port")),
    }
}
