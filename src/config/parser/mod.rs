//! Lines of words to the tree: which section a line stands in, and which reader gets it.
//!
//! The keyword table is asked first (`admit`); what may stand here goes to the reader of its name in
//! `global`, `proxy`, `option`, `server`, `bind`, ... Names stay names: [`super::resolve`] looks them up.
//! Reading goes on after an error, so that one run reports all of them.

mod acl;
mod action;
mod added;
pub mod address;
mod admit;
mod balance;
mod bind;
mod check_connect;
mod check_format;
mod check_option;
mod check_variable;
mod condition;
pub mod context;
mod cpu_map;
mod directive;
mod dispatch;
mod expect;
mod form;
mod global;
mod http_check;
mod http_expect;
mod http_send;
mod inheritance;
pub mod lists;
mod log;
mod mux;
mod option;
mod options;
mod outgoing;
mod proxy;
mod request;
mod resolvers;
mod rule;
pub mod sample;
mod section;
mod sentinels;
mod server;
mod small;
mod statement;
mod stats;
mod stick;
mod switching;
mod tcp_check;
pub mod template;
#[cfg(test)]
mod tests;
mod tls;
mod unknown;
mod unnamed;
mod userlist;
pub mod value;
mod wording;

pub use self::added::added_server;
use self::context::Context;
use self::section::{Section, Sections};
use self::statement::{Polarity, Statement};
use super::ast::Tree;
use super::condition::{Blocks, Reading};
use super::diagnostic::{Diagnostic, Heading};
use super::keyword::Scope;
use super::lexer::{self, LineContext, Word};
use super::source::{Source, SourceId, Sources, Span};
use super::suggest;

/// HAProxy lets a line grow without bound; nobody writes one of this length.
const LONGEST_LINE: usize = 64 << 10;

/// How much of a line is cited where all of it is wrong.
const LONGEST_CITED: usize = 80;

/// Reads every text into one tree; what is wrong is in the context.
pub fn parse(sources: &Sources, context: &mut Context<'_>) -> Tree {
    let mut sections = Sections::default();
    for (id, source) in sources.iter() {
        sections.begin_file(context);
        read_source(id, source, context, &mut sections);
        if let Some(diagnostic) = lexer::missing_newline(id, source) {
            context.report(diagnostic);
        }
    }
    sections.finish(context)
}

fn read_source(id: SourceId, source: &Source, context: &mut Context<'_>, sections: &mut Sections) {
    let mut blocks = Blocks::default();
    let mut last = Span::new(id, 0..0);
    for (number, start, bytes) in lexer::lines(source) {
        last = Span::new(id, start..start + bytes.len().min(LONGEST_CITED));
        if context.is_full() {
            return context.report(Diagnostic::error(last, "too many errors: the rest is not read"));
        }
        if bytes.len() > LONGEST_LINE {
            let message = format!("line too long: {} bytes, at most {LONGEST_LINE} are taken", bytes.len());
            context.report(
                Diagnostic::error(last, message).heading(Heading::Line).help("is this a config file?"),
            );
            continue;
        }
        let place = LineContext { file: &source.name, line: number, section: sections.keyword() };
        if bytes.contains(&0) {
            // Not a text: whatever follows would be noise, and HAProxy stops here too.
            if let Err(diagnostic) = lexer::split(id, start, bytes, &context.environment, &place) {
                context.report(diagnostic.help("this is not a text file; is it the config that was meant?"));
            }
            return;
        }
        let words = match lexer::split(id, start, bytes, &context.environment, &place) {
            Ok(words) => words,
            Err(diagnostic) => {
                context.report(diagnostic);
                continue;
            }
        };
        match blocks.line(&words, &context.environment) {
            Ok(Reading::Read) => read_line(context, sections, &words, (&source.name, number)),
            Ok(Reading::Skip) => {}
            // Which lines count cannot be told from here on.
            Err(diagnostic) => return context.report(diagnostic),
        }
    }
    if let Some(diagnostic) = blocks.finish(last) {
        context.report(diagnostic);
    }
}

fn read_line(context: &mut Context<'_>, sections: &mut Sections, words: &[Word], place: (&str, u32)) {
    if words[0].text.starts_with(b".") {
        return directive::read(context, &Statement { words, polarity: Polarity::Normal, place });
    }
    let Some((polarity, words)) = polarity(context, words) else { return };
    let line = Statement { words, polarity, place };
    let keyword = line.text(0);
    if Scope::of_section(&keyword).is_some() && polarity == Polarity::Normal {
        return sections.open(context, &line);
    }
    match sections.current() {
        Section::None => {
            let message = format!("unknown keyword '{keyword}' out of section.");
            let near = suggest::nearest(Scope::File, &[&keyword]);
            let help = near.map_or(FIRST_SECTION.to_owned(), |near| format!("did you mean '{near}'?"));
            context.report(Diagnostic::error(line.span_of(0), message).heading(Heading::Line).help(help));
        }
        Section::Skipped => {}
        Section::Small(small) => small.line(context, &line),
        Section::Global(global) => admit::global_statement(context, global, &line),
        Section::Proxy(proxy) => admit::proxy_statement(context, proxy, &line),
        Section::Resolvers(resolvers) => admit::resolvers_statement(context, resolvers, &line),
        Section::Peers(peers) => stick::peers_line(context, peers, &line),
        Section::Userlist(users) => userlist::line(context, users, &line),
        Section::Sentinels(sentinels) => admit::sentinels_statement(context, sentinels, &line),
    }
}

const FIRST_SECTION: &str = "begin with 'global', 'defaults', 'frontend', 'backend' or 'listen'";

const NEGATABLE: [&str; 7] = [
    "option",
    "log",
    "busy-polling",
    "set-dumpable",
    "strict-limits",
    "insecure-fork-wanted",
    "numa-cpu-mapping",
];

/// Takes `no` or `default` off; `None`, once reported, if the keyword has no such form.
fn polarity<'a>(context: &mut Context<'_>, words: &'a [Word]) -> Option<(Polarity, &'a [Word])> {
    let polarity = match &*words[0].text {
        b"no" => Polarity::No,
        b"default" => Polarity::Default,
        _ => return Some((Polarity::Normal, words)),
    };
    let rest = &words[1..];
    // The keywords of `global` know `no` only.
    let known = if polarity == Polarity::Default { &NEGATABLE[..2] } else { &NEGATABLE[..] };
    let negatable = rest.first().is_some_and(|word| known.contains(&&*word.str()));
    if !negatable {
        let message = "negation/default currently supported only for options, log, busy-polling, set-dumpable, \
                       strict-limits, insecure-fork-wanted and numa-cpu-mapping.";
        context.report(Diagnostic::error(words[0].span, message).heading(Heading::Line));
        return None;
    }
    Some((polarity, rest))
}

/// The words from here to the end of the line as one text, as `description` takes them.
fn join(words: &[Word]) -> String {
    words.iter().map(Word::str).collect::<Vec<_>>().join(" ")
}
