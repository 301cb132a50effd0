//! What every keyword's reader shares: the environment that `setenv` changes, the list of what is wrong,
//! and the bounds that keep hostile texts from costing memory out of proportion.

use crate::config::bundle::{Bundle, Wanted};
use crate::config::diagnostic::{Diagnostic, Severity, Stage};
use crate::config::lexer::Environment;
use crate::config::parser::lists::Lists;
use crate::config::source::Span;

/// Reading stops after so many errors: a file with more is not a config.
const MOST_ERRORS: usize = 1_000;

/// Warnings and notices beyond this are counted, not kept.
const MOST_WARNINGS: usize = 20_000;

/// What copies of `defaults` and of `default-server` may add up to, in bytes of text.
const MOST_INHERITED: usize = 64 << 20;

/// Addresses that bind lines may add up to, ranges spread out.
const MOST_LISTENERS: usize = 200_000;

/// Servers of all proxies: a `server-template` line can ask for any number.
pub const MOST_SERVERS: usize = 50_000;

/// Compiled expressions are large beside the text that asks for them.
const MOST_REGEXES: usize = 2_000;

/// Shared by all readers of one load.
#[derive(Debug)]
pub struct Context<'a> {
    pub environment: Environment,
    pub bundle: &'a Bundle,
    /// What is reported now belongs there.
    pub stage: Stage,
    /// What conditions would have liked to find in the bundle.
    pub wanted: Wanted,
    /// What ACLs and maps compare with.
    pub lists: Lists,
    diagnostics: Vec<Diagnostic>,
    errors: usize,
    untold: usize,
    inherited: usize,
    listeners: usize,
    regexes: usize,
    servers: usize,
}

impl<'a> Context<'a> {
    /// Starts with the bundle's environment and the variables that HAProxy sets.
    pub fn new(bundle: &'a Bundle) -> Context<'a> {
        Context {
            environment: environment(bundle),
            bundle,
            stage: Stage::Reading,
            wanted: Wanted::default(),
            lists: Lists::default(),
            diagnostics: Vec::new(),
            errors: 0,
            untold: 0,
            inherited: 0,
            listeners: 0,
            regexes: 0,
            servers: 0,
        }
    }

    /// Takes note of something wrong.
    pub fn report(&mut self, diagnostic: Diagnostic) {
        if diagnostic.severity == Severity::Error {
            self.errors += 1;
        } else if self.diagnostics.len() >= MOST_WARNINGS {
            self.untold += 1;
            return;
        }
        self.diagnostics.push(diagnostic.stage(self.stage));
    }

    /// Takes note of an error that needs no further help.
    pub fn error(&mut self, span: Span, message: impl Into<String>) {
        self.report(Diagnostic::error(span, message));
    }

    /// Takes note of something that is taken, but not as written.
    pub fn warning(&mut self, span: Span, message: impl Into<String>) {
        self.report(Diagnostic::warning(span, message));
    }

    /// Whether there is no point in reading on.
    pub fn is_full(&self) -> bool {
        self.errors >= MOST_ERRORS
    }

    /// Whether anything refuses the config.
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// Counts text that is copied; `false`, once reported, when it has become too much.
    pub fn inherit(&mut self, bytes: usize, span: Span) -> bool {
        let before = self.inherited;
        self.inherited = before.saturating_add(bytes);
        if before <= MOST_INHERITED && self.inherited > MOST_INHERITED {
            self.error(span, format!("what is copied (settings of 'defaults', files of patterns) exceeds {MOST_INHERITED} bytes"));
        }
        self.inherited <= MOST_INHERITED
    }

    /// Counts listeners; `false`, once reported, when they have become too many.
    pub fn listen(&mut self, count: usize, span: Span) -> bool {
        let before = self.listeners;
        self.listeners = before.saturating_add(count);
        if before <= MOST_LISTENERS && self.listeners > MOST_LISTENERS {
            self.error(span, format!("more than {MOST_LISTENERS} addresses to listen on"));
        }
        self.listeners <= MOST_LISTENERS
    }

    /// Counts a server; `false`, once reported, when they have become too many.
    pub fn serve(&mut self, span: Span) -> bool {
        self.servers += 1;
        if self.servers == MOST_SERVERS + 1 {
            self.error(span, format!("more than {MOST_SERVERS} servers"));
        }
        self.servers <= MOST_SERVERS
    }

    /// Counts regular expressions; `false`, once reported, when they have become too many.
    pub fn compile(&mut self, span: Span) -> bool {
        self.regexes += 1;
        if self.regexes == MOST_REGEXES + 1 {
            self.error(span, format!("more than {MOST_REGEXES} regular expressions"));
        }
        self.regexes <= MOST_REGEXES
    }

    /// Everything reported, in the order of the texts; what has no place comes last.
    pub fn into_diagnostics(mut self) -> Vec<Diagnostic> {
        self.diagnostics.sort_by_key(|diagnostic| {
            diagnostic.span.map_or((u32::MAX, u32::MAX), |span| (span.source.0, span.start))
        });
        // A line of `defaults` is looked up once for each proxy that inherits it.
        self.diagnostics.dedup();
        if self.untold > 0 {
            let message = format!("{} more warnings are not shown", self.untold);
            self.diagnostics.push(Diagnostic::notice(None, message));
        }
        self.diagnostics
    }
}

/// The process's variables and those that HAProxy sets for its configs.
fn environment(bundle: &Bundle) -> Environment {
    let mut environment = Environment::from(bundle);
    let files: Vec<&str> = bundle.files.iter().map(|(name, _)| name.as_str()).collect();
    environment.set("HAPROXY_CFGFILES", files.join(";"));
    environment.set("HAPROXY_STARTUP_VERSION", "2.6.12");
    environment.set("HAPROXY_BRANCH", "2.6");
    if environment.get(b"HAPROXY_LOCALPEER").is_none() {
        environment.set("HAPROXY_LOCALPEER", bundle.hostname.as_str());
    }
    environment
}
