//! The options that follow an address on `server`, `default-server` and `bind` lines: a cursor over the
//! words that gives each option's reader its arguments and reports in the line's name.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::admit::{self, Verdict};
use super::context::Context;
use super::form;
use super::statement::{NUMBER_HELP, Statement, TIME_HELP, read_number, read_time};
use super::value::TimeUnit;
use crate::config::diagnostic::{Diagnostic, Heading};
use crate::config::keyword::{self, Scope, Status};
use crate::config::lexer::Word;
use crate::config::source::Span;
use crate::config::suggest;

/// `None` once something has been reported.
pub(super) type Taken = Option<()>;

/// A table of option readers.
pub(super) type Readers<T> = [(&'static str, fn(&mut Context<'_>, &mut T, &mut Options<'_>) -> Taken)];

/// The options of one line and how far they have been read.
#[derive(Debug)]
pub(super) struct Options<'a> {
    scope: Scope,
    words: &'a [Word],
    at: usize,
    /// The option that is being read.
    name: String,
    place: Span,
    /// What the messages begin with: `'server b/s'`.
    subject: String,
    heading: Heading,
    /// The only ones that may stand here, where not all may.
    only: Option<&'static [&'static str]>,
}

impl<'a> Options<'a> {
    /// No others than these may stand here (`add server`).
    pub(super) fn only(self, names: &'static [&'static str]) -> Options<'a> {
        Options { only: Some(names), ..self }
    }

    /// Starts at word `at` of a line.
    pub(super) fn new(scope: Scope, line: &Statement<'a>, at: usize, subject: String) -> Options<'a> {
        // HAProxy leaves out the word `parsing` on server lines.
        let heading = if matches!(scope, Scope::Bind | Scope::StatsSocket) {
            Heading::Statement
        } else {
            Heading::Place
        };
        Options {
            scope,
            words: line.words,
            at,
            name: String::new(),
            place: line.span(),
            subject,
            heading,
            only: None,
        }
    }

    /// The arguments of a keyword that reads as an option does.
    pub(super) fn argument(line: &Statement<'a>) -> Options<'a> {
        let mut options = Options::new(Scope::Bind, line, 1, format!("'{}'", line.text(0)));
        options.name = line.text(0).into_owned();
        options
    }

    /// Reads to the end of the line; says whether all of it was right.
    pub(super) fn read_all<T>(
        &mut self,
        context: &mut Context<'_>,
        readers: &[&Readers<T>],
        target: &mut T,
    ) -> bool {
        let mut right = true;
        while let Some(word) = self.words.get(self.at).filter(|word| !word.text.is_empty()) {
            self.at += 1;
            self.name = word.str().into_owned();
            self.place = word.span;
            if self.is_excluded() {
                let message = format!("'{}' option is not accepted for dynamic server", self.name);
                self.fault(context, self.place, &message, None);
                return false;
            }
            let reader = readers.iter().copied().flatten().find(|(name, _)| *name == self.name);
            if reader.is_none() && !self.holds(context) {
                right = false;
                continue;
            }
            match admit::option(context, self.scope, &self.name, &self.subject, word.span) {
                Verdict::Unknown if reader.is_none() => {
                    self.unknown(context);
                    return false;
                }
                Verdict::Refused => {
                    right = false;
                    self.skip_arguments();
                }
                _ => match reader {
                    Some((_, read)) => right &= read(context, target, self).is_some(),
                    None => self.skip_arguments(),
                },
            }
        }
        right
    }

    /// Goes on to the next word as an option's name.
    pub(super) fn next_name(&mut self) -> Option<&'a Word> {
        let word = self.word()?;
        self.name = word.str().into_owned();
        Some(word)
    }

    /// Where the word stands that was read last.
    pub(super) fn place(&self) -> Span {
        self.place
    }

    /// The next word as text; `expected` is reported if there is none.
    pub(super) fn string(&mut self, context: &mut Context<'_>, expected: &str) -> Option<String> {
        let word = self.word();
        if word.is_none() {
            self.fault(context, self.place, expected, None);
        }
        word.map(|word| word.str().into_owned())
    }

    /// The next word as an integer within `range`.
    pub(super) fn number<T: TryFrom<i64>>(
        &mut self,
        context: &mut Context<'_>,
        range: RangeInclusive<i64>,
    ) -> Option<T> {
        let name = self.name.clone();
        // An empty word is what becomes of a variable that is not set: HAProxy reads it as 0.
        let text = match self.empty_word() {
            true => String::new(),
            false => self.string(context, &format!("'{name}' expects an integer argument."))?,
        };
        match read_number(&text, &name, range) {
            Ok((number, stray)) => {
                if let Some(stray) = stray {
                    let message = format!("{} : {stray}", self.subject);
                    context.report(
                        Diagnostic::warning(self.place, message).heading(self.heading).help(NUMBER_HELP),
                    );
                }
                T::try_from(number).ok()
            }
            Err(message) => {
                self.fault(context, self.place, &message, None);
                None
            }
        }
    }

    /// The next word as a time.
    pub(super) fn time(&mut self, context: &mut Context<'_>, bare: TimeUnit) -> Option<Duration> {
        let name = self.name.clone();
        let text = self.string(context, &format!("'{name}' expects a delay as argument."))?;
        match read_time(&text, &name, bare) {
            Ok((value, stray)) => {
                if let Some(stray) = stray {
                    let message = format!("{} : {stray}", self.subject);
                    context.report(
                        Diagnostic::warning(self.place, message).heading(self.heading).help(TIME_HELP),
                    );
                }
                Some(value)
            }
            Err(message) => {
                self.fault(context, self.place, &message, Some(TIME_HELP));
                None
            }
        }
    }

    /// The next word, whatever it is; its place becomes that of the next report.
    pub(super) fn word(&mut self) -> Option<&'a Word> {
        let word = self.words.get(self.at).filter(|word| !word.text.is_empty())?;
        self.at += 1;
        self.place = word.span;
        Some(word)
    }

    /// Takes the next word if it is there and empty.
    fn empty_word(&mut self) -> bool {
        let empty = self.words.get(self.at).filter(|word| word.text.is_empty());
        if let Some(word) = empty {
            self.at += 1;
            self.place = word.span;
        }
        empty.is_some()
    }

    /// What the messages begin with.
    pub(super) fn subject(&self) -> &str {
        &self.subject
    }
    /// The option that is being read.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Takes the next word if it is `text`.
    pub(super) fn take(&mut self, text: &str) -> bool {
        let found = self.words.get(self.at).is_some_and(|word| word.text == text.as_bytes());
        self.at += usize::from(found);
        found
    }

    /// Reports the word that was read last.
    pub(super) fn wrong<T>(&self, context: &mut Context<'_>, message: &str, help: Option<&str>) -> Option<T> {
        self.fault(context, self.place, message, help);
        None
    }

    fn is_excluded(&self) -> bool {
        let is_known = || keyword::find(self.scope, &[&self.name]).is_some();
        self.only.is_some_and(|names| !names.contains(&self.name.as_str())) && is_known()
    }

    fn fault(&self, context: &mut Context<'_>, span: Span, message: &str, help: Option<&str>) {
        let mut diagnostic =
            Diagnostic::error(span, format!("{} : {message}", self.subject)).heading(self.heading);
        diagnostic.help = help.map(str::to_owned);
        context.report(diagnostic);
    }

    fn unknown(&self, context: &mut Context<'_>) {
        let near = suggest::nearest(self.scope, &[&self.name]);
        let separator = if matches!(self.scope, Scope::Bind | Scope::StatsSocket) { ":" } else { " :" };
        let maybe = near.map(|near| format!("; did you mean '{near}' maybe ?")).unwrap_or_default();
        let message = format!("{}{separator} unknown keyword '{}'{maybe}", self.subject, self.name);
        context.report(Diagnostic::error(self.place, message).heading(self.heading));
    }

    /// An option that is not read here takes its arguments with it.
    fn skip_arguments(&mut self) {
        self.at = (self.at + self.arguments()).min(self.words.len());
    }

    /// Whether HAProxy would take the arguments of an option that has no effect; reported if not.
    fn holds(&mut self, context: &mut Context<'_>) -> bool {
        let row = keyword::find(self.scope, &[&self.name]);
        let Some(row) = row.filter(|row| matches!(row.status, Status::Accepted(_))) else { return true };
        let arguments = self.words.get(self.at..self.at + self.arguments());
        let fault = match arguments {
            None => Some(format!("'{}' expects an argument.", self.name)),
            Some(arguments) if arguments.iter().any(|word| word.text.is_empty()) => {
                Some(format!("'{}' expects an argument, and this one is empty.", self.name))
            }
            Some(arguments) => form::fault(row, arguments),
        };
        if let Some(message) = &fault {
            self.fault(context, self.place, message, None);
            self.skip_arguments();
        }
        fault.is_none()
    }

    fn arguments(&self) -> usize {
        ARGUMENTS.iter().find(|(name, _)| *name == self.name).map_or(0, |(_, count)| *count)
    }
}

/// How many words follow the options that are known but not read.
pub(super) const ARGUMENTS: &[(&str, usize)] = &[
    ("accept-netscaler-cip", 1),
    ("alpn", 1),
    ("ca-file", 1),
    ("ca-ignore-err", 1),
    ("ca-sign-file", 1),
    ("ca-sign-pass", 1),
    ("ca-verify-file", 1),
    ("cc", 1),
    ("check-alpn", 1),
    ("check-pool-conn-name", 1),
    ("check-sni", 1),
    ("ciphers", 1),
    ("ciphersuites", 1),
    ("client-sigalgs", 1),
    ("crl-file", 1),
    ("crt", 1),
    ("crt-ignore-err", 1),
    ("crt-list", 1),
    ("curves", 1),
    ("default-crt", 1),
    ("ecdhe", 1),
    ("ech", 1),
    ("expose-fd", 1),
    ("gid", 1),
    ("group", 1),
    ("guid", 1),
    ("guid-prefix", 1),
    ("hash-key", 1),
    ("id", 1),
    ("idle-ping", 1),
    ("label", 1),
    ("level", 1),
    ("log-bufsize", 1),
    ("log-proto", 1),
    ("max-reuse", 1),
    ("mode", 1),
    ("namespace", 1),
    ("nbconn", 1),
    ("nice", 1),
    ("npn", 1),
    ("ocsp-update", 1),
    ("pool-conn-name", 1),
    ("pool-low-conn", 1),
    ("pool-max-conn", 1),
    ("pool-purge-delay", 1),
    ("process", 1),
    ("proto", 1),
    ("proxy-v2-options", 1),
    ("quic-cc-algo", 1),
    ("quic-socket", 1),
    ("redir", 1),
    ("set-proxy-v2-tlv-fmt", 1),
    ("severity-output", 1),
    ("shard", 1),
    ("shards", 1),
    ("sigalgs", 1),
    ("sni", 1),
    ("ssl-max-ver", 1),
    ("ssl-min-ver", 1),
    ("tcp-md5sig", 1),
    ("tcp-ss", 1),
    ("thread", 1),
    ("tls-ticket-keys", 1),
    ("track", 1),
    ("uid", 1),
    ("user", 1),
    ("usesrc", 1),
    ("verify", 1),
    ("verifyhost", 1),
    ("ws", 1),
];
