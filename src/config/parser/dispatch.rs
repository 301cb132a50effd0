//! `dispatch ADDRESS:PORT`: one address that takes all connections (manual section 4.2).
//!
//! It becomes a server without a line, of which the rest of the program needs to know only that pages do not
//! show it: so retries, timeouts, counters and logs are those of every session.

use super::address::{self, Address, Ports};
use super::context::Context;
use super::statement::Statement;
use crate::config::ast::{Proxy, Server, ServerSettings, Spanned};
use crate::config::lexer::expand_unquoted;
use crate::config::model::DISPATCH;

/// The last one counts.
pub(super) fn line(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    let Some(written) = line.argument(1) else {
        return context.error(line.span(), "'dispatch' expects <addr>:<port> as argument");
    };
    let text = expand_unquoted(&written.text, &context.environment);
    let written_address = String::from_utf8_lossy(&text).into_owned();
    let wrong = |problem: &str| format!("'dispatch' : {problem} in '{written_address}'");
    let address = match address::address(&written_address) {
        Ok(Address::Inet { ports: Ports::Range { first, last }, .. }) if first != last => {
            Err(wrong("port range not permitted here"))
        }
        Ok(Address::Inet { ports: Ports::Offset(_), .. }) => Err(wrong("port offset not permitted here")),
        Ok(Address::Inet { ports: Ports::Missing, .. }) => Err(wrong("missing port specification")),
        Ok(Address::Fd(_)) => Err(wrong("file descriptor not permitted here")),
        Ok(address) => Ok(address),
        Err(error) => Err(format!("'dispatch' : {error}")),
    };
    let address = match address {
        Ok(address) => Spanned::new(address, written.span),
        Err(message) => return context.error(written.span, message),
    };
    if line.no_more(context, "dispatch", 2) {
        let name = Spanned::new(DISPATCH.to_owned(), line.span());
        let settings = ServerSettings::default();
        proxy.dispatch = Some(Server { name, address, written_address, settings });
    }
}
