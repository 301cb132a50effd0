//! Lists of patterns, as they are met: words of ACLs, and files that ACLs (`-f`) and maps name. A file is read once
//! for each way to read it, whoever names it, and its list is known under one number (manual section 7.1, `-M`, `-u`).
//!
//! Numbers are given in the order of the lines once all is read ([`Lists::finish`]), because maps are met late: a
//! converter stands in many kinds of lines.

use std::collections::HashSet;
use std::sync::Arc;

use super::context::Context;
use crate::config::ast::MapStep;
use crate::config::lexer::Word;
use crate::config::model::{
    Columns, Entry, ListId, ListReader, Matcher, Output, PatternList, Reader, unreadable,
};
use crate::config::rule::matching::{Method, Reading};
use crate::config::source::{Sources, Span};

/// All that were met.
#[derive(Debug, Default)]
pub struct Lists {
    drafts: Vec<Draft>,
    numbers: HashSet<u32>,
}

/// Who names a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    pub span: Span,
    pub by: User,
    /// Which one of several in the same place.
    pub at: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    Acl,
    /// An ACL, of a map (`-M`).
    AclOfMap,
    /// A converter.
    Map,
}

#[derive(Debug)]
struct Draft {
    list: PatternList,
    uses: Vec<Use>,
    /// `-u`
    number: Option<u32>,
    /// Lines are numbered in this order: file and place.
    order: (u32, u32),
    /// What ACLs compare with, for each of the readers that one uses.
    matchers: Vec<Option<Arc<Matcher>>>,
}

impl Lists {
    /// Takes the words of an ACL's line in, under the number that it asks for.
    pub fn words(&mut self, (first, end): (&Word, Span), entries: Vec<Entry>, reader: Reader) -> ListReader {
        let name = first.text.split(|byte| matches!(byte, b'(' | b',')).next().unwrap_or_default();
        let list = PatternList {
            number: 0,
            file: None,
            description: format!("acl '{}'", String::from_utf8_lossy(name)),
            columns: Columns::Pattern,
            in_acls: true,
            in_maps: false,
            readers: vec![reader],
            entries,
        };
        let using = Use { span: first.span, by: User::Acl, at: 0 };
        let order = (end.source.0, end.end);
        self.drafts.push(Draft { list, uses: vec![using], number: None, order, matchers: Vec::new() });
        ListReader { list: ListId(self.drafts.len() - 1), reader: 0 }
    }

    /// `-u`: the list that was taken in last has that number.
    pub fn claim(&mut self, number: u32) -> Result<(), String> {
        if !self.numbers.insert(number) {
            return Err("the id is already used.".to_owned());
        }
        if let Some(last) = self.drafts.last_mut() {
            last.number = Some(number);
        }
        Ok(())
    }

    /// All of them, with numbers and descriptions.
    pub fn finish(&mut self, sources: &Sources) -> Vec<Arc<PatternList>> {
        let mut drafts = std::mem::take(&mut self.drafts);
        let mut order: Vec<usize> = (0..drafts.len()).collect();
        order.sort_by_key(|at| drafts[*at].order);
        let mut next = 0;
        for at in order {
            let draft = &mut drafts[at];
            draft.list.number = draft.number.unwrap_or_else(|| {
                next += (next..).position(|number| !self.numbers.contains(&number)).unwrap_or(0) as u32 + 1;
                next - 1
            });
            draft.list.description = draft.description(sources);
        }
        drafts.into_iter().map(|draft| Arc::new(draft.list)).collect()
    }
}

impl Draft {
    fn description(&self, sources: &Sources) -> String {
        let place = |using: &Use| {
            let (file, line) = sources.place(using.span);
            format!("file '{file}' line {line}")
        };
        let Some(file) = &self.list.file else {
            return format!("{} {}", self.list.description, self.uses.first().map(place).unwrap_or_default());
        };
        let by = |using: &Use| match using.by {
            User::Acl => format!("by acl at {}", place(using)),
            User::AclOfMap | User::Map => format!("by map at {}", place(using)),
        };
        let users: Vec<String> = self.uses.iter().map(by).collect();
        format!("pattern loaded from file '{file}' used {}", users.join(", "))
    }

    fn note(&mut self, using: Use) {
        self.list.in_acls |= using.by != User::Map;
        self.list.in_maps |= using.by != User::Acl;
        if !self.uses.contains(&using) {
            self.uses.push(using);
            self.order = self.order.min((using.span.source.0, using.span.start));
        }
    }
}

/// The list of a file, read that way. `None`: the file has yet to be fetched.
pub fn of_file(
    context: &mut Context<'_>,
    name: &str,
    (columns, using): (Columns, Use),
    reader: Reader,
) -> Result<Option<ListReader>, String> {
    let known = context.lists.drafts.iter().position(|draft| draft.list.file.as_deref() == Some(name));
    let at = match known {
        Some(at) => at,
        None => {
            let Some(entries) = entries_of(context, name, columns, using.span)? else { return Ok(None) };
            let list = PatternList {
                number: 0,
                file: Some(name.to_owned()),
                description: String::new(),
                columns,
                in_acls: false,
                in_maps: false,
                readers: Vec::new(),
                entries,
            };
            let order = (using.span.source.0, using.span.start);
            let draft = Draft { list, uses: Vec::new(), number: None, order, matchers: Vec::new() };
            context.lists.drafts.push(draft);
            context.lists.drafts.len() - 1
        }
    };
    let draft = &mut context.lists.drafts[at];
    if draft.list.columns != columns {
        return Err(other_columns(name, draft.list.columns));
    }
    draft.note(using);
    let list = ListId(at);
    if let Some(reader) = draft.list.readers.iter().position(|known| *known == reader) {
        return Ok(Some(ListReader { list, reader }));
    }
    check(context, at, reader, using.span)?;
    let draft = &mut context.lists.drafts[at];
    draft.list.readers.push(reader);
    draft.matchers.push(None);
    Ok(Some(ListReader { list, reader: draft.list.readers.len() - 1 }))
}

impl MapStep {
    /// Its list, whose file is read if nobody has yet; `None`: the file has yet to be fetched.
    pub fn find(&self, context: &mut Context<'_>, using: Use) -> Result<Option<ListReader>, String> {
        let reader = Reader { method: self.method, ignore_case: false, output: Some(self.output) };
        of_file(context, &self.file, (Columns::PatternAndValue, using), reader)
    }
}

/// What an ACL compares with, of a list that [`of_file`] gave.
pub fn matcher(context: &mut Context<'_>, at: ListReader) -> Arc<Matcher> {
    let draft = &mut context.lists.drafts[at.list.0];
    if let Some(made) = &draft.matchers[at.reader] {
        return Arc::clone(made);
    }
    let mut reading = Reading::of(draft.list.readers[at.reader]);
    for entry in &draft.list.entries {
        // Each was read when the list got its reader.
        let _ = reading.pattern(&entry.key);
    }
    let made = Arc::new(reading.finish());
    draft.matchers[at.reader] = Some(Arc::clone(&made));
    made
}

fn other_columns(name: &str, columns: Columns) -> String {
    let (is, wanted) = match columns {
        Columns::Pattern => ("one", "two"),
        Columns::PatternAndValue => ("two", "one"),
    };
    format!(
        "The file \"{name}\" is already used as {is} column file and cannot be used by as {wanted} column file."
    )
}

fn entries_of(
    context: &mut Context<'_>,
    name: &str,
    columns: Columns,
    span: Span,
) -> Result<Option<Vec<Entry>>, String> {
    let bytes = match context.bundle.patterns.get(name) {
        Some(Some(bytes)) => bytes,
        // A name that is empty is no file to fetch.
        Some(None) => return Err(format!("failed to open pattern file <{name}>")),
        None if name.is_empty() => return Err(format!("failed to open pattern file <{name}>")),
        None => {
            context.wanted.patterns.push(name.to_owned());
            return Ok(None);
        }
    };
    if !context.inherit(bytes.len(), span) {
        return Ok(None);
    }
    Ok(Some(lines(bytes).map(|(_, line)| entry(line, columns)).collect()))
}

/// Whether every entry can be read that way; the place of the first that cannot.
fn check(context: &mut Context<'_>, at: usize, reader: Reader, span: Span) -> Result<(), String> {
    let (name, columns) = {
        let list = &context.lists.drafts[at].list;
        (list.file.clone().unwrap_or_default(), list.columns)
    };
    let Some(Some(bytes)) = context.bundle.patterns.get(&name) else { return Ok(()) };
    if !context.inherit(bytes.len(), span) {
        return Ok(());
    }
    for (number, line) in lines(bytes) {
        let entry = entry(line, columns);
        if reader.method == Method::Regex && !context.compile(span) {
            return Err(format!("too many regular expressions at line {number} of file '{name}'"));
        }
        let fault = fault_of_key(reader, &entry.key)
            .map(|message| message.trim_end_matches('.').to_owned())
            .or_else(|| fault_of_value(reader.output, entry.value.as_deref()));
        if let Some(fault) = fault {
            return Err(format!("{fault} at line {number} of file '{name}'"));
        }
    }
    Ok(())
}

/// Any text is a pattern for texts.
fn fault_of_key(reader: Reader, key: &[u8]) -> Option<String> {
    match reader.method {
        Method::Text(_) | Method::Found | Method::Bool => None,
        _ => Reading::of(reader).pattern(key).err(),
    }
}

fn fault_of_value(output: Option<Output>, value: Option<&[u8]>) -> Option<String> {
    let (output, value) = (output?, value?);
    output.read(value).is_none().then(|| unreadable(value))
}

/// Lines with their numbers; blank ones and those whose first character is a `#` are none.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let lines = bytes.split(|byte| *byte == b'\n').enumerate();
    lines.filter(|(_, line)| !line.starts_with(b"#")).filter_map(|(at, line)| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let begin = line.iter().position(|byte| !is_blank(*byte))?;
        Some((at + 1, &line[begin..]))
    })
}

/// A line without its first blanks. Blanks at the end belong to a pattern, and not to a value, as in HAProxy.
pub fn entry(line: &[u8], columns: Columns) -> Entry {
    if columns == Columns::Pattern {
        return Entry { key: line.to_vec(), value: None };
    }
    let end = line.iter().position(|byte| is_blank(*byte)).unwrap_or(line.len());
    let (key, rest) = line.split_at(end);
    let from = rest.iter().position(|byte| !is_blank(*byte)).unwrap_or(rest.len());
    let to = rest.iter().rposition(|byte| !is_blank(*byte)).map_or(from, |last| last + 1);
    Entry { key: key.to_vec(), value: Some(rest[from..to].to_vec()) }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_haproxy_reads_them() {
        let text = b"# no\n  # a pattern\n\n  key   two words  \r\nalone\n\t\n";
        let read = |columns| -> Vec<_> {
            let made = lines(text).map(|(number, line)| (number, entry(line, columns)));
            made.map(|(number, entry)| (number, entry.key, entry.value)).collect()
        };
        let value = |text: &str| Some(text.as_bytes().to_vec());
        let expected = vec![
            (2, b"#".to_vec(), value("a pattern")),
            (4, b"key".to_vec(), value("two words")),
            (5, b"alone".to_vec(), value("")),
        ];
        assert_eq!(read(Columns::PatternAndValue), expected);
        assert_eq!(read(Columns::Pattern)[1].1, b"key   two words  ");
    }
}
