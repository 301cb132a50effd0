//! Lines that begin with a dot: conditions, which decide whether the lines after them are read, and messages
//! of the file's author. A block begins and ends in one file.

use super::context::Context;
use super::statement::Statement;
use crate::config::condition::evaluate;
use crate::config::diagnostic::{Diagnostic, Heading};
use crate::config::source::Span;
use crate::config::suggest;

/// HAProxy's limit.
const DEEPEST: usize = 64;

/// The blocks that are open, the innermost last.
#[derive(Debug, Default)]
pub(super) struct Conditions(Vec<Block>);

#[derive(Debug)]
struct Block {
    /// The `.if`.
    span: Span,
    branch: Branch,
    /// `.else` has come.
    last: bool,
}

/// What becomes of the lines of a branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Branch {
    Read,
    /// No condition has held so far.
    Skipped,
    /// An earlier branch was read, or the whole block stands in one that is not.
    Settled,
}

impl Conditions {
    /// Whether the lines here count.
    pub(super) fn reading(&self) -> bool {
        self.0.last().is_none_or(|block| block.branch == Branch::Read)
    }

    /// Reports what is still open at the end of a file.
    pub(super) fn end_file(&mut self, context: &mut Context<'_>) {
        for block in self.0.drain(..) {
            let message = "non-terminated '.if' block.";
            context.report(
                Diagnostic::error(block.span, message).heading(Heading::Line).help("end it with '.endif'"),
            );
        }
    }

    /// Reads one directive.
    pub(super) fn read(&mut self, context: &mut Context<'_>, line: &Statement<'_>) {
        match &*line.text(0) {
            ".if" => self.begin(context, line),
            ".elif" | ".else" => self.next_branch(context, line),
            ".endif" => {
                if self.0.pop().is_none() {
                    lone(context, line);
                }
            }
            _ if self.reading() => message(context, line),
            _ => {}
        }
    }

    fn begin(&mut self, context: &mut Context<'_>, line: &Statement<'_>) {
        if self.0.len() >= DEEPEST {
            let message = format!("too many nested '.if', max is {DEEPEST}.");
            context.report(Diagnostic::error(line.span(), message).heading(Heading::Line));
        }
        let branch = if self.reading() { condition(context, line) } else { Branch::Settled };
        self.0.push(Block { span: line.span(), branch, last: false });
    }

    fn next_branch(&mut self, context: &mut Context<'_>, line: &Statement<'_>) {
        let keyword = line.text(0);
        let Some(block) = self.0.last_mut() else { return lone(context, line) };
        if block.last {
            let message = format!("'{keyword}' after '.else' is not permitted.");
            return context.report(
                Diagnostic::error(line.span(), message)
                    .heading(Heading::Line)
                    .label(block.span, "the block begins here"),
            );
        }
        block.last = keyword == ".else";
        block.branch = match block.branch {
            Branch::Read | Branch::Settled => Branch::Settled,
            Branch::Skipped if block.last => Branch::Read,
            Branch::Skipped => condition(context, line),
        };
    }
}

/// The words are joined by one blank, as HAProxy does.
fn condition(context: &mut Context<'_>, line: &Statement<'_>) -> Branch {
    match evaluate(&super::join(line.rest(1)), &context.environment) {
        Ok(true) => Branch::Read,
        Ok(false) => Branch::Skipped,
        Err(fault) => {
            context.report(Diagnostic::error(line.span(), format!("{fault}.")).heading(Heading::Line));
            Branch::Settled
        }
    }
}

fn lone(context: &mut Context<'_>, line: &Statement<'_>) {
    let message = format!("lone '{}' with no matching '.if'.", line.text(0));
    context.report(Diagnostic::error(line.span(), message).heading(Heading::Line));
}

fn message(context: &mut Context<'_>, line: &Statement<'_>) {
    let span = line.span();
    let said = format!("'{}'.", line.text(1));
    let diagnostic = match &*line.text(0) {
        ".notice" => Diagnostic::notice(span, said),
        ".warning" => Diagnostic::warning(span, said),
        ".alert" => Diagnostic::error(span, said),
        // Printed with `-dD` only, which asks for advice on a config that is fine.
        ".diag" => return,
        other => {
            let near = suggest::nearest_of(
                other,
                [".if", ".elif", ".else", ".endif", ".notice", ".warning", ".alert"],
            );
            let mut unknown = Diagnostic::error(span, format!("unknown directive '{other}'."));
            unknown.help = near.map(|near| format!("did you mean '{near}'?"));
            unknown
        }
    };
    context.report(diagnostic.heading(Heading::Line));
}
