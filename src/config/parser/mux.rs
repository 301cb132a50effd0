//! What a check speaks on its connections: `check-proto` of a server and `proto` of a step that connects (manual
//! sections 4.2 and 5.2). A name goes in; out comes what it means, or why it is not to be had.
//!
//! HAProxy names its multiplexers so. Of them rolecall has the two that checks have by themselves, so that naming
//! one changes nothing: it has to be the right one.

use super::context::Context;
use super::options::{Options, Taken};
use super::statement::Statement;
use crate::config::ast::{CheckProto, ServerSettings, Spanned};

/// Reads a name.
fn read(name: &str) -> Result<CheckProto, String> {
    match name {
        "h1" => Ok(CheckProto::Http1),
        "none" => Ok(CheckProto::None),
        "h2" | "fcgi" => Err(format!("'{name}' is not supported: HTTP checks of rolecall speak HTTP/1")),
        other => Err(format!("unknown MUX protocol '{other}'.")),
    }
}

/// `check-proto NAME` on a server line; whether it suits the check shows when that is known.
pub(super) fn of_server(
    context: &mut Context<'_>,
    server: &mut ServerSettings,
    options: &mut Options<'_>,
) -> Taken {
    let name = options.string(context, "'check-proto' : missing value.")?;
    match read(&name) {
        Ok(proto) => server.check_proto = Some(Spanned::new(proto, options.place())),
        Err(reason) => return options.wrong(context, &format!("'check-proto' :  {reason}"), None),
    }
    Some(())
}

/// `proto NAME` of `http-check connect` or `tcp-check connect`, the name being word `at`.
pub(super) fn of_step(context: &mut Context<'_>, line: &Statement<'_>, at: usize) -> Taken {
    let kind = line.text(0);
    let subject = format!("'{kind} connect' : 'proto'");
    let expected = format!("{subject} expects a MUX protocol as argument..");
    let name = line.string(context, at, &expected)?;
    let fault = match read(&name) {
        Ok(proto) if proto == CheckProto::of_family(&kind) => return Some(()),
        Ok(_) => format!("{subject} : invalid MUX protocol '{name}' for {kind}."),
        Err(reason) => format!("{subject} : {reason}."),
    };
    context.error(line.span_of(at), fault);
    None
}
