//! `acl NAME EXPRESSION [FLAGS] [--] PATTERN...`, and the same without a name between braces.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::context::Context;
use super::sample::{self, Fault};
use super::statement::Statement;
use super::value;
use crate::config::ast::{Acl, Proxy, ProxyKind, Test};
use crate::config::diagnostic::{Diagnostic, Heading};
use crate::config::lexer::Word;
use crate::config::model::Matcher;
use crate::config::rule::matching::{self, Method, Reading};
use crate::config::source::Span;

/// Reads one line of an ACL; lines of one name are alternatives.
pub(super) fn line(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    if !rules_may_stand(context, proxy, line) {
        return;
    }
    let name = line.text(1).into_owned();
    if name.is_empty() {
        let message = "'acl' expects a name, and what it tests.";
        return context
            .report(Diagnostic::error(line.span(), message).help("for example: acl local src 10.0.0.0/8"));
    }
    if let Some(character) = value::stray_name_character(&name) {
        let message = format!("character '{character}' is not permitted in acl name '{name}'.");
        return context.error(line.span_of(1), message);
    }
    if name.eq_ignore_ascii_case("or") {
        let message = format!(
            "acl name '{name}' will never match. 'or' is used to express a logical disjunction within a condition."
        );
        return context.error(line.span_of(1), message);
    }
    match read(context, line.rest(2), line.span()) {
        Ok(test) => add(&mut proxy.settings.rules.acls, name, test),
        Err(fault) => {
            let message = format!("error detected while parsing ACL '{name}' : {}", fault.message);
            let mut diagnostic = Diagnostic::error(fault.span, message);
            diagnostic.help = fault.help;
            context.report(diagnostic);
        }
    }
}

/// Rules of any kind need a section with a name: a `defaults` without one hands none down.
pub(super) fn rules_may_stand(context: &mut Context<'_>, proxy: &Proxy, line: &Statement<'_>) -> bool {
    let anonymous = proxy.kind == ProxyKind::Defaults && proxy.name.value.is_empty();
    if anonymous {
        let message = format!("'{}' not allowed in anonymous 'defaults' section.", line.text(0));
        context.report(Diagnostic::error(line.span(), message).help("give the 'defaults' section a name"));
    }
    !anonymous
}

fn add(acls: &mut Vec<(String, Acl)>, name: String, test: Test) {
    match acls.iter().find(|(known, _)| *known == name) {
        Some((_, acl)) => acl.borrow_mut().push(Rc::new(test)),
        None => acls.push((name, Rc::new(RefCell::new(vec![Rc::new(test)])))),
    }
}

/// Reads expression, flags and patterns.
pub(super) fn read(context: &mut Context<'_>, words: &[Word], whole: Span) -> Result<Test, Fault> {
    let Some(first) = words.first() else {
        return Err(Fault::new(whole, "missing fetch method in ACL expression ''."));
    };
    let sample = sample::read(first)?;
    if sample.unsupported().is_some() {
        // What it would be matched with is not known either; it is refused where it is used.
        return Ok(Test { sample, matcher: Arc::new(Matcher::Found) });
    }
    let named = sample.fetch.method.filter(|_| sample.steps.is_empty()).and_then(matching::find);
    let method = named.or_else(|| matching::default_for(sample.kind()));
    let mut flags =
        Flags { at: 1, method, ignore_case: false, files: Vec::new(), explicit: false, names: true };
    flags.read(words, whole)?;
    let Some(method) = flags.method else {
        let message = format!(
            "matching method must be specified first (using '-m') when using a sample fetch of this type ('{}').",
            sample.name
        );
        return Err(Fault::new(first.span, message));
    };
    if !matching::fits(method, sample.kind()) {
        let message = format!(
            "matching method '{}' cannot be used with fetch keyword '{}'.",
            matching::name(method),
            sample.name
        );
        return Err(Fault::new(first.span, message));
    }
    let mut reading = Reading::new(method);
    reading.ignore_case = flags.ignore_case;
    for (name, span) in &flags.files {
        patterns_of_file(context, &mut reading, name, *span)?;
    }
    let patterns = words.get(flags.at..).unwrap_or_default();
    for word in patterns {
        if method == Method::Regex && !context.compile(word.span) {
            break;
        }
        let resolved = flags.names.then(|| host(context, method, word)).flatten();
        let text = resolved.as_deref().unwrap_or(&word.text);
        reading.word(text).map_err(|message| Fault::new(word.span, message))?;
    }
    let none = patterns.is_empty() && flags.files.is_empty() && !flags.explicit;
    if none && !matches!(method, Method::Found | Method::Bool) {
        warn_of_no_pattern(context, first);
    }
    Ok(Test { sample, matcher: Arc::new(reading.finish()) })
}

fn warn_of_no_pattern(context: &mut Context<'_>, word: &Word) {
    let message = format!(
        "parsing acl keyword '{}' : no pattern to match against were provided, so this ACL will never match.",
        word.str()
    );
    let help = "add a pattern; '-m found' matches whatever is there, '-m bool' any number but 0, and '--' keeps this quiet";
    context.report(Diagnostic::warning(word.span, message).heading(Heading::Bare).help(help));
}

/// A host name among addresses stands for its first address; `None` if the word is fine as it is.
fn host(context: &mut Context<'_>, method: Method, word: &Word) -> Option<Vec<u8>> {
    if method != Method::Address || matching::network(&word.str()).is_some() {
        return None;
    }
    let name = word.str();
    if name.contains('/') || name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    match context.bundle.hosts.get(&*name) {
        Some(found) => found.first().map(|ip| ip.to_string().into_bytes()),
        None => {
            context.wanted.hosts.push(name.into_owned());
            Some(b"0.0.0.0".to_vec())
        }
    }
}

/// What stands between expression and patterns.
struct Flags {
    at: usize,
    method: Option<Method>,
    ignore_case: bool,
    files: Vec<(String, Span)>,
    /// `--`
    explicit: bool,
    /// Not under `-n`.
    names: bool,
}

impl Flags {
    fn read(&mut self, words: &[Word], whole: Span) -> Result<(), Fault> {
        while let Some(word) = words.get(self.at).filter(|word| word.text.starts_with(b"-")) {
            let value = words.get(self.at + 1);
            match &*word.text {
                b"-i" => self.ignore_case = true,
                b"-n" => self.names = false,
                b"-M" => {}
                b"--" => {
                    self.explicit = true;
                    self.at += 1;
                    return Ok(());
                }
                b"-f" | b"-m" | b"-u" => {
                    let Some(value) = value else {
                        let message =
                            format!("missing argument for flag '{}' in ACL expression.", word.str());
                        return Err(Fault::new(whole, message));
                    };
                    self.valued(&word.text, value)?;
                    self.at += 1;
                }
                // A negative number is a pattern.
                [b'-', b'0'..=b'9' | b':', ..] => return Ok(()),
                _ => {
                    let message = format!(
                        "'{}' is not a valid ACL option. Please use '--' before any pattern beginning with a '-'.",
                        word.str()
                    );
                    return Err(Fault::new(word.span, message));
                }
            }
            self.at += 1;
        }
        Ok(())
    }

    fn valued(&mut self, flag: &[u8], value: &Word) -> Result<(), Fault> {
        match flag {
            b"-f" => self.files.push((value.str().into_owned(), value.span)),
            b"-m" => {
                let method = matching::find(&value.str()).filter(|method| *method != Method::Version);
                let Some(method) = method else {
                    let message =
                        format!("unknown matching method '{}' when parsing ACL expression.", value.str());
                    return Err(Fault::new(value.span, message));
                };
                self.method = Some(method);
            }
            // A number for the runtime socket, which knows ACLs by their position.
            _ => {}
        }
        Ok(())
    }
}

/// `-f`: a pattern a line; blank lines and those that begin with `#` are none.
fn patterns_of_file(
    context: &mut Context<'_>,
    reading: &mut Reading,
    name: &str,
    span: Span,
) -> Result<(), Fault> {
    let bytes = match context.bundle.patterns.get(name) {
        Some(Some(bytes)) => bytes,
        Some(None) => {
            return Err(Fault::new(span, format!("failed to open pattern file <{name}>.")));
        }
        None => {
            context.wanted.patterns.push(name.to_owned());
            return Ok(());
        }
    };
    // Every line that names the file has its own copy of the patterns.
    if !context.inherit(bytes.len(), span) {
        return Ok(());
    }
    for (number, text) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let text = text.strip_suffix(b"\r").unwrap_or(text).trim_ascii_start();
        if text.is_empty() || text.starts_with(b"#") {
            continue;
        }
        if reading.method == Method::Regex && !context.compile(span) {
            break;
        }
        let fault = |message| {
            Fault::new(
                span,
                format!("{message} when loading patterns from file '{name}', line {}", number + 1),
            )
        };
        reading.pattern(text).map_err(fault)?;
    }
    Ok(())
}
