//! The config language: texts in, an immutable [`Config`] or diagnostics out.
//!
//! ```text
//! bytes --lexer--> lines of words --parser--> ast (names, spans) --resolve--> model (ids, durations)
//! ```
//!
//! * `lexer` knows quotes, escapes, comments and environment variables, nothing of keywords (nom).
//! * `condition` says which lines count (`.if` and family).
//! * `keyword` is the one table of what may be written where: honoured, accepted, rejected.
//! * `parser` gives each statement its typed form; it resolves no name.
//! * `resolve` inherits from `defaults`, fills in defaults, turns names into ids, checks references.
//! * `dynamic` reads the one server of an `add server`, by the same readers.
//! * `rule` has the vocabulary of conditions: fetches, converters, ways to match.
//! * `render` shows diagnostics to tools and to people, `suggest` guesses what was meant, and `mask` sees to it
//!   that no secret is shown.
//!
//! [`load`] is pure: everything it depends on is in the [`Bundle`]. It reports all that is wrong in one run.

pub mod ast;
pub mod bundle;
pub mod certificate;
pub mod condition;
pub mod diagnostic;
pub mod dynamic;
pub mod keyword;
pub mod lexer;
pub mod mask;
pub mod model;
pub mod parser;
pub mod render;
pub mod resolve;
pub mod rule;
pub mod secret;
pub mod source;
pub mod suggest;
#[cfg(test)]
mod tests;

use self::parser::context::Context;

pub use bundle::{Bundle, Sealed, Stored, Wanted};
pub use diagnostic::{Diagnostic, Heading, Severity, Stage};
pub use model::Config;
pub use source::{Source, SourceId, Sources, Span};

/// What came of a load.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// `None` if anything was an error.
    pub config: Option<Config>,
    /// In the order of the texts.
    pub diagnostics: Vec<Diagnostic>,
    /// For rendering the diagnostics.
    pub sources: Sources,
    /// What was missing from the bundle.
    pub wanted: Wanted,
}

/// Texts that are larger are no configs; places in a text are 32-bit numbers.
const LARGEST_TEXT: usize = 64 << 20;

/// Reads all texts of a bundle. Pure: the same bundle gives the same config.
pub fn load(bundle: &Bundle) -> Loaded {
    let mut sources = Sources::default();
    let mut context = Context::new(bundle);
    for (name, bytes) in &bundle.files {
        if bytes.len() > LARGEST_TEXT {
            let message =
                format!("'{name}' is too large: {} bytes, at most {LARGEST_TEXT} are read", bytes.len());
            context.report(Diagnostic::error(None, message));
            continue;
        }
        sources.add(Source::new(name.as_str(), bytes.as_slice()));
    }
    let tree = parser::parse(&sources, &mut context);
    let (config, wanted) = resolve::resolve(&tree, &sources, &mut context);
    let usable = !context.has_errors() && wanted.is_empty();
    Loaded { config: usable.then_some(config), diagnostics: context.into_diagnostics(), sources, wanted }
}
