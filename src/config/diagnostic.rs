//! What is wrong with a config, as plain data. Collected in order, rendered in `render`: as a source block
//! with carets, and as HAProxy's one line.
//!
//! Wording: lower case, no full stop, the user's text in quotes, expected X found Y, then what to do.

use super::source::Span;

/// How bad it is. Errors refuse the config; warnings do only with `zero-warning` or `-dW`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Notice,
    Warning,
    Error,
}

/// What HAProxy's line has between `config : ` and the message. Tools match on it, so each fault has the one
/// that HAProxy gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Heading {
    /// `parsing [file:line] : `; what a keyword says.
    #[default]
    Statement,
    /// `parsing [file:line]: `; what the lexical layer and the sections say.
    Line,
    /// As `Line`; the source line and a caret follow.
    Excerpt,
    /// `[file:line] : `; what is said of a server.
    Place,
    /// Nothing: the message names the proxy.
    Bare,
}

/// When HAProxy finds it: `Error(s) found in configuration file` closes the errors of reading one file, and
/// what the checks afterwards find comes after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stage {
    #[default]
    Reading,
    Checking,
}

/// One thing to tell the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    /// Where; `None` for what has no place (a file that cannot be read).
    pub span: Option<Span>,
    pub heading: Heading,
    pub stage: Stage,
    pub message: String,
    /// Other places that matter: "first defined here".
    pub labels: Vec<(Span, String)>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// Something that refuses the config.
    pub fn error(span: impl Into<Option<Span>>, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Error, span, message)
    }

    /// Something that is taken, but not as written.
    pub fn warning(span: impl Into<Option<Span>>, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Warning, span, message)
    }

    /// Something worth knowing.
    pub fn notice(span: impl Into<Option<Span>>, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Notice, span, message)
    }

    /// Adds what to do.
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// Says how HAProxy introduces it.
    pub fn heading(mut self, heading: Heading) -> Diagnostic {
        self.heading = heading;
        self
    }

    /// Says when HAProxy finds it.
    pub fn stage(mut self, stage: Stage) -> Diagnostic {
        self.stage = stage;
        self
    }

    /// Adds another place.
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Diagnostic {
        self.labels.push((span, text.into()));
        self
    }

    fn new(severity: Severity, span: impl Into<Option<Span>>, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity,
            span: span.into(),
            heading: Heading::default(),
            stage: Stage::default(),
            message: message.into(),
            labels: Vec::new(),
            help: None,
        }
    }
}
