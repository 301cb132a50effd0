//! Lines that begin with a dot: messages of the file's author, and conditions, which are refused by name
//! until they are evaluated. Skipping either branch unseen could drop what protects a server.

use super::context::Context;
use super::statement::Statement;
use crate::config::diagnostic::{Diagnostic, Heading};
use crate::config::keyword::{self, Scope};

/// Reads one directive.
pub(super) fn read(context: &mut Context<'_>, line: &Statement<'_>) {
    let name = line.text(0);
    let span = line.span();
    let said = || format!("'{}'.", line.text(1));
    let diagnostic = match &*name {
        ".notice" => Diagnostic::notice(span, said()),
        ".warning" => Diagnostic::warning(span, said()),
        ".alert" => Diagnostic::error(span, said()),
        // Printed with `-dD` only, which asks for advice on a config that is fine.
        ".diag" => return,
        ".if" | ".elif" | ".else" | ".endif" => {
            let row = keyword::find(Scope::File, &[&name]).and_then(|row| row.message(Scope::File));
            let message = row.unwrap_or_else(|| format!("'{name}' is not supported"));
            Diagnostic::error(span, message).help("keep the lines that apply here and remove the others")
        }
        other => Diagnostic::error(span, format!("unknown directive '{other}'")),
    };
    context.report(diagnostic.heading(Heading::Line));
}
