//! The small sections that have no effect here: `mailers`, `ring`, `cache` and the like. Lines go in, and only
//! what is wrong with them comes out: a section that was never meant (a `backend` line forgotten, say) would
//! take servers with it in silence.
//!
//! What HAProxy takes in each stands in [`crate::config::keyword::small`]. Sections of later versions, and the
//! lines of those that are accepted as a whole (`program`, `fcgi-app`), are not looked at.

use std::collections::HashMap;

use super::admit::{borrowed, first_words};
use super::context::Context;
use super::statement::Statement;
use super::{form, log, unknown};
use crate::config::diagnostic::{Diagnostic, Heading};
use crate::config::keyword::small::{Header, Repeats, header_of};
use crate::config::keyword::{self, Scope};
use crate::config::source::Span;

/// Where each section of a kind and name stands.
pub(super) type Names = HashMap<(&'static str, String), Span>;

/// One section, open.
#[derive(Debug)]
pub(super) struct Small {
    /// Its keyword.
    pub(super) section: &'static str,
    name: String,
    place: Span,
    /// What it still lacks, and what is to be said then.
    lacks: Option<(&'static str, &'static str)>,
}

impl Small {
    /// Opens the section.
    pub(super) fn open(
        context: &mut Context<'_>,
        names: &mut Names,
        line: &Statement<'_>,
        section: &'static str,
    ) -> Small {
        let header = header_of(section);
        if let Some(header) = header
            && form::forms_hold(context, (section, header.forms), line, 1)
        {
            notice_repeat(context, names, line, header);
        }
        let lacks = header.and_then(|header| header.needs);
        Small { section, name: line.text(1).into_owned(), place: line.span(), lacks }
    }

    /// Reads one of its lines.
    pub(super) fn line(&mut self, context: &mut Context<'_>, line: &Statement<'_>) {
        if self.lacks.is_some_and(|(keyword, _)| line.text(0) == keyword) {
            self.lacks = None;
        }
        match Scope::of_section(self.section) {
            None | Some(Scope::Other) => {}
            Some(scope) => self::line(context, scope, line),
        }
    }

    /// Ends the section.
    pub(super) fn close(&self, context: &mut Context<'_>) {
        if let Some((keyword, said)) = self.lacks {
            let message = format!("{} '{}' {said}.", self.section, self.name);
            context.report(
                Diagnostic::error(self.place, message)
                    .heading(Heading::Line)
                    .help(format!("add a '{keyword}' line, or leave the section out")),
            );
        }
    }
}

/// Looks at a line of a section without effect.
pub(super) fn line(context: &mut Context<'_>, scope: Scope, line: &Statement<'_>) {
    let words = first_words(line);
    let Some(row) = keyword::find(scope, &borrowed(&words)) else {
        return unknown::report(context, scope, line);
    };
    if row.name == "log" {
        return log::look_at(context, line);
    }
    form::holds(context, row, line);
}

fn notice_repeat(context: &mut Context<'_>, names: &mut Names, line: &Statement<'_>, header: &Header) {
    let name = line.text(1).into_owned();
    let message = format!("{} section '{name}' has the same name as another one.", header.section);
    let before = names.insert((header.section, name), line.span());
    let Some(first) = before.filter(|_| header.repeats == Repeats::Never) else { return };
    context.report(
        Diagnostic::error(line.span(), message)
            .heading(Heading::Line)
            .label(first, "first declared here")
            .help("give each its own name, or put their lines together"),
    );
}
