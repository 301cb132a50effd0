//! Messages of the file's author, on lines that begin with a dot; `condition` has read `.if` and family.

use super::context::Context;
use super::statement::Statement;
use crate::config::diagnostic::{Diagnostic, Heading};
use crate::config::suggest;

const NAMES: [&str; 7] = [".if", ".elif", ".else", ".endif", ".notice", ".warning", ".alert"];

/// Reads one directive.
pub(super) fn read(context: &mut Context<'_>, line: &Statement<'_>) {
    let span = line.span();
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
