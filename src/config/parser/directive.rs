//! Messages of the file's author, on lines that begin with a dot; `condition` has read `.if` and family.

use super::context::Context;
use super::statement::Statement;
use crate::config::diagnostic::{Diagnostic, Heading};
use crate::config::suggest;

/// The last four take one word.
const NAMES: [&str; 8] = [".if", ".elif", ".else", ".endif", ".notice", ".warning", ".alert", ".diag"];

/// Reads one directive.
pub(super) fn read(context: &mut Context<'_>, line: &Statement<'_>) {
    let span = line.span();
    if let Some(surplus) = line.argument(2).filter(|_| NAMES[4..].contains(&&*line.text(0))) {
        let message = format!(
            "Unexpected argument '{}' for '{}'. Use quotes if the message should contain spaces.",
            surplus.str(),
            line.text(0)
        );
        return context.report(Diagnostic::error(surplus.span, message).heading(Heading::Line));
    }
    let said = format!("'{}'.", line.text(1));
    let diagnostic = match &*line.text(0) {
        ".notice" => Diagnostic::notice(span, said),
        ".warning" => Diagnostic::warning(span, said),
        ".alert" => Diagnostic::error(span, said),
        // Printed with `-dD` only, which asks for advice on a config that is fine.
        ".diag" => return,
        other => {
            let near = suggest::nearest_of(other, NAMES);
            let mut unknown = Diagnostic::error(span, format!("unknown directive '{other}'."));
            unknown.help = near.map(|near| format!("did you mean '{near}'?"));
            unknown
        }
    };
    context.report(diagnostic.heading(Heading::Line));
}
