//! `acl NAME EXPRESSION [FLAGS] [--] PATTERN...`, and the same without a name between braces.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::context::Context;
use super::lists::{self, Use, User};
use super::sample::{self, Fault};
use super::statement::Statement;
use super::value;
use crate::config::ast::{Acl, Proxy, ProxyKind, Test};
use crate::config::diagnostic::{Diagnostic, Heading};
use crate::config::lexer::Word;
use crate::config::model::{Columns, Entry, Listed, Matcher, Reader};
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
        return Ok(Test { sample, listed: Vec::new() });
    }
    sample.maps().try_for_each(|(at, map)| {
        let found = map.find(context, Use { span: first.span, by: User::Map, at });
        let within = |message| format!("invalid args in converter '{}' : {message}", map.name);
        let message = |fault| format!("{} in ACL expression '{}'.", within(fault), first.str());
        found.map(drop).map_err(|fault| Fault::new(first.span, message(fault)))
    })?;
    let named = sample.fetch.method.filter(|_| sample.steps.is_empty()).and_then(matching::find);
    let method = named.or_else(|| matching::default_for(sample.kind));
    let mut flags = Flags { method, ..Flags::default() };
    flags.read(words, whole)?;
    let Some(method) = flags.method else {
        let message = format!(
            "matching method must be specified first (using '-m') when using a sample fetch of this type ('{}').",
            sample.name
        );
        return Err(Fault::new(first.span, message));
    };
    if !matching::fits(method, sample.kind) {
        let message = format!(
            "matching method '{}' cannot be used with fetch keyword '{}'.",
            matching::name(method),
            sample.name
        );
        return Err(Fault::new(first.span, message));
    }
    let mut listed = files(context, &flags, method)?;
    let patterns = words.get(flags.at..).unwrap_or_default();
    let reader = Reader { method, ignore_case: flags.ignore_case, output: None };
    let (entries, matcher) = own_patterns(context, patterns, reader, flags.names)?;
    let none = patterns.is_empty() && flags.files.is_empty() && !flags.explicit;
    if none && !matches!(method, Method::Found | Method::Bool) {
        warn_of_no_pattern(context, first);
    }
    let end = words.last().map_or(first.span, |last| last.span);
    let list = context.lists.words((first, end), entries, reader);
    if let Some((number, span)) = flags.number {
        context.lists.claim(number).map_err(|message| Fault::new(span, message))?;
    }
    listed.push(Listed { list: Some(list), matcher: Arc::new(matcher) });
    Ok(Test { sample, listed })
}

/// `-f`: what each of the files has.
fn files(context: &mut Context<'_>, flags: &Flags, method: Method) -> Result<Vec<Listed>, Fault> {
    let mut listed = Vec::new();
    for (at, (name, span)) in flags.files.iter().enumerate() {
        let (columns, by) = match flags.maps {
            Maps::Yes => (Columns::PatternAndValue, User::AclOfMap),
            Maps::No => (Columns::Pattern, User::Acl),
        };
        let reader = Reader { method, ignore_case: flags.ignore_case, output: None };
        let using = Use { span: *span, by, at };
        let found = lists::of_file(context, name, (columns, using), reader);
        if let Some(list) = found.map_err(|message| Fault::new(*span, format!("{message}.")))? {
            listed.push(Listed { list: Some(list), matcher: lists::matcher(context, list) });
        }
    }
    Ok(listed)
}

/// The words behind the flags.
fn own_patterns(
    context: &mut Context<'_>,
    patterns: &[Word],
    reader: Reader,
    names: Names,
) -> Result<(Vec<Entry>, Matcher), Fault> {
    let mut reading = Reading::of(reader);
    let mut entries = Vec::new();
    for word in patterns {
        if reader.method == Method::Regex && !context.compile(word.span) {
            break;
        }
        let resolved = (names == Names::LookedUp).then(|| host(context, reader.method, word)).flatten();
        let text = resolved.as_deref().unwrap_or(&word.text);
        let taken = reading.word(text).map_err(|message| Fault::new(word.span, message))?;
        entries.extend(taken.map(|key| Entry { key, value: None }));
    }
    Ok((entries, reading.finish()))
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
    names: Names,
    maps: Maps,
    /// `-u`
    number: Option<(u32, Span)>,
}

/// Whether host names may stand among addresses (not under `-n`).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    LookedUp,
    Refused,
}

/// `-M`: whether files have values as well.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Maps {
    Yes,
    No,
}

impl Default for Flags {
    fn default() -> Flags {
        Flags {
            at: 1,
            method: None,
            ignore_case: false,
            files: Vec::new(),
            explicit: false,
            names: Names::LookedUp,
            maps: Maps::No,
            number: None,
        }
    }
}

impl Flags {
    fn read(&mut self, words: &[Word], whole: Span) -> Result<(), Fault> {
        while let Some(word) = words.get(self.at).filter(|word| word.text.starts_with(b"-")) {
            let value = words.get(self.at + 1);
            match &*word.text {
                b"-i" => self.ignore_case = true,
                b"-n" => self.names = Names::Refused,
                b"-M" => self.maps = Maps::Yes,
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
            _ => {
                let number = value.str().parse().ok();
                let fault = || Fault::new(value.span, "the argument of -u must be an integer.");
                self.number = Some((number.ok_or_else(fault)?, value.span));
            }
        }
        Ok(())
    }
}
