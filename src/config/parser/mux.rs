//! What servers and checks are spoken to with: `proto` and `check-proto` of a server, `proto` of a step that connects
//! (manual sections 4.2 and 5.2). A name goes in; out comes what it means, or why it is not to be had.
//!
//! HAProxy names its multiplexers so. Of them rolecall has those that connections and checks have by themselves, so
//! that naming one changes nothing: it has to be the right one, which shows when the whole proxy is known.

use super::context::Context;
use super::options::{Options, Taken};
use super::statement::Statement;
use crate::config::ast::{Mux, Spanned};

/// `proto NAME`, `check-proto NAME`
pub(super) fn of_server(context: &mut Context<'_>, options: &mut Options<'_>) -> Option<Spanned<Mux>> {
    let name = options.name().to_owned();
    let Some(word) = options.word() else {
        return options.wrong(context, &format!("'{name}' : missing value."), None);
    };
    match Mux::named(&word.str()) {
        Some(mux) => Some(Spanned::new(mux, word.span)),
        None => {
            let message = format!("'{name}' :  unknown MUX protocol '{}'.", word.str());
            options.wrong(context, &message, Some("write 'none'"))
        }
    }
}

/// `proto NAME` of `http-check connect` or `tcp-check connect`, the name being word `at`.
pub(super) fn of_step(context: &mut Context<'_>, line: &Statement<'_>, at: usize) -> Taken {
    let kind = line.text(0);
    let subject = format!("'{kind} connect' : 'proto'");
    let expected = format!("{subject} expects a MUX protocol as argument..");
    let name = line.string(context, at, &expected)?;
    let spoken = if kind == "http-check" { Mux::H1 } else { Mux::None };
    let fault = match Mux::named(&name) {
        Some(mux) if mux == spoken => return Some(()),
        Some(Mux::H2 | Mux::Fcgi) => {
            format!("{subject} : '{name}' is not supported: HTTP checks of rolecall speak HTTP/1.")
        }
        Some(_) => format!("{subject} : invalid MUX protocol '{name}' for {kind}."),
        None => format!("{subject} : unknown MUX protocol '{name}'.."),
    };
    context.error(line.span_of(at), fault);
    None
}
