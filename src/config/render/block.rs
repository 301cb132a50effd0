//! The source block: title, place, line, carets, other places, help; drawn by annotate-snippets.

use std::fmt::Write;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::super::diagnostic::{Diagnostic, Severity};
use super::super::source::{Source, Sources, Span};
use super::excerpt::Excerpt;

/// Whether the block goes to something that shows colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Plain,
    Coloured,
}

/// One cited place, ready to be drawn.
struct Place {
    file: String,
    line: u32,
    /// In characters of the file, from 1; the excerpt may have been cut or starred before it.
    column: usize,
    excerpt: Excerpt,
    label: Option<String>,
    kind: AnnotationKind,
}

/// Adds the block of a diagnostic, indented so that it cannot be taken for one of HAProxy's lines.
pub(super) fn write(out: &mut String, diagnostic: &Diagnostic, sources: &Sources, look: Look) {
    let place = |span: Span, label: Option<&str>, kind| {
        let (file, line) = sources.place(span);
        let source = sources.source(span.source);
        let excerpt = Excerpt::new(source, line, span);
        let column = character_column(source, span);
        Place { file: file.to_owned(), line, column, excerpt, label: label.map(str::to_owned), kind }
    };
    let own = diagnostic.span.map(|span| place(span, None, AnnotationKind::Primary));
    let others =
        diagnostic.labels.iter().map(|(span, text)| place(*span, Some(text), AnnotationKind::Context));
    let places: Vec<Place> = own.into_iter().chain(others).collect();
    let level = match diagnostic.severity {
        Severity::Notice => Level::NOTE,
        Severity::Warning => Level::WARNING,
        Severity::Error => Level::ERROR,
    };
    let title = super::message(diagnostic, sources);
    // HAProxy's wording ends with a colon where its excerpt follows; a title does not.
    let mut group = Group::with_title(level.primary_title(title.trim_end_matches(':').to_owned()));
    for place in &places {
        // The drawn column is the excerpt's; where that is not the file's, the place is said apart.
        let drawn = place.excerpt.text[..place.excerpt.marked.start].chars().count() + 1;
        let snippet = snippet(place);
        group = if drawn == place.column {
            group.element(snippet.path(place.file.as_str()))
        } else {
            group.element(origin(place)).element(snippet)
        };
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let renderer = match look {
        Look::Plain => Renderer::plain(),
        Look::Coloured => Renderer::styled(),
    };
    for line in renderer.render(&[group]).lines() {
        let _ = writeln!(out, "  {}", line.trim_end());
    }
}

fn character_column(source: &Source, span: Span) -> usize {
    let (line, column) = source.line_column(span.start);
    let before = source.line(line);
    String::from_utf8_lossy(&before[..before.len().min(column as usize - 1)]).chars().count() + 1
}

fn origin(place: &Place) -> Origin<'_> {
    Origin::path(place.file.as_str()).line(place.line as usize).char_column(place.column)
}

fn snippet(place: &Place) -> Snippet<'_, Annotation<'_>> {
    let annotation = place.kind.span(place.excerpt.marked.clone()).label(place.label.as_deref());
    Snippet::source(place.excerpt.text.as_str()).line_start(place.line as usize).annotation(annotation)
}
