//! Which line says what: the sections of the texts, with the first words of their lines. The resolved config has
//! values and no places; this finds the place again, in the proxy's own section or in its `defaults`.

use std::fmt;

use crate::config::keyword::{self, Scope};
use crate::config::{Source, Sources, lexer, mask};

/// Sections in order.
#[derive(Debug, Default)]
pub(super) struct Outline {
    sections: Vec<Section>,
    /// Several files: places name theirs.
    many: bool,
}

#[derive(Debug)]
struct Section {
    keyword: String,
    name: String,
    /// `from NAME`
    from: Option<String>,
    lines: Vec<Line>,
    line: u32,
}

#[derive(Debug)]
struct Line {
    file: String,
    number: u32,
    words: Vec<String>,
    /// As written, secrets masked.
    text: String,
}

/// Where a value was set.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// `None`: the proxy's own section. Else the name of the `defaults`, if it has one.
    defaults: Option<String>,
    file: Option<String>,
    line: u32,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.defaults.as_deref() {
            None => {}
            Some("") => f.write_str("defaults, ")?,
            Some(name) => write!(f, "defaults {name}, ")?,
        }
        if let Some(file) = &self.file {
            write!(f, "{file}, ")?;
        }
        write!(f, "line {}", self.line)
    }
}

impl Outline {
    pub(super) fn of(sources: &Sources) -> Outline {
        let mut outline = Outline { sections: Vec::new(), many: sources.iter().count() > 1 };
        for (_, source) in sources.iter() {
            let mut number = 1;
            while source.line_column(u32::MAX - 1).0 >= number {
                outline.add(source, number);
                number += 1;
            }
        }
        outline
    }

    fn add(&mut self, source: &Source, number: u32) {
        let raw = source.line(number);
        let words = lexer::lenient_words(raw);
        let words: Vec<String> =
            words.iter().map(|(text, _)| String::from_utf8_lossy(text).into_owned()).collect();
        let Some(first) = words.first() else { return };
        if keyword::find(Scope::File, &[first]).is_some() {
            let from = words.iter().position(|word| word == "from").and_then(|at| words.get(at + 1)).cloned();
            let name = words.get(1).filter(|name| *name != "from").cloned().unwrap_or_default();
            let keyword = first.clone();
            return self.sections.push(Section { keyword, name, from, lines: Vec::new(), line: number });
        }
        let line = Line { file: source.name.clone(), number, words, text: masked(source, number) };
        if let Some(section) = self.sections.last_mut() {
            section.lines.push(line);
        }
    }

    /// Where a section begins.
    pub(super) fn place(&self, (keyword, name): (&str, &str)) -> String {
        let found = self.position((keyword, name)).map(|at| &self.sections[at]);
        found.map(|section| format!(" (line {})", section.line)).unwrap_or_default()
    }

    fn position(&self, (keyword, name): (&str, &str)) -> Option<usize> {
        self.sections.iter().position(|section| section.keyword == keyword && section.name == name)
    }

    /// The last line of a section, or of its `defaults`, that begins with that keyword.
    pub(super) fn origin(&self, section: (&str, &str), keyword: &str) -> Option<Origin> {
        let at = self.position(section)?;
        let own = &self.sections[at];
        if let Some(line) = own.last(keyword) {
            return Some(self.at(line, None));
        }
        let mut before = self.sections[..at].iter().rev().filter(|section| section.keyword == "defaults");
        let defaults = match &own.from {
            Some(name) => before.find(|section| section.name == *name),
            None => before.next(),
        }?;
        defaults.last(keyword).map(|line| self.at(line, Some(defaults.name.clone())))
    }

    fn at(&self, line: &Line, defaults: Option<String>) -> Origin {
        Origin { defaults, file: self.many.then(|| line.file.clone()), line: line.number }
    }

    /// The lines of a section that begin so, as written.
    pub(super) fn quoted(&self, section: (&str, &str), keywords: &[&str]) -> Vec<String> {
        let Some(at) = self.position(section) else { return Vec::new() };
        let lines = self.sections[at].lines.iter();
        let wanted = lines.filter(|line| keywords.iter().any(|keyword| line.begins(keyword)));
        wanted.map(|line| format!("line {}: {}", line.number, line.text)).collect()
    }
}

impl Line {
    fn begins(&self, keyword: &str) -> bool {
        let wanted = keyword.split(' ');
        wanted.clone().eq(self.words.iter().map(String::as_str).take(wanted.count()))
    }
}

impl Section {
    fn last(&self, keyword: &str) -> Option<&Line> {
        let wanted: Vec<&str> = keyword.split(' ').collect();
        let begins = |line: &&Line| {
            let words = line.words.iter().skip(usize::from(line.words[0] == "no")).map(String::as_str);
            words.take(wanted.len()).eq(wanted.iter().copied())
        };
        self.lines.iter().rev().find(begins)
    }
}

fn masked(source: &Source, number: u32) -> String {
    let line = source.line(number);
    let mut text = Vec::new();
    let mut at = 0;
    for range in mask::secret_ranges(source, number) {
        text.extend_from_slice(line.get(at..range.start).unwrap_or_default());
        text.extend_from_slice(mask::STARS.as_bytes());
        at = range.end;
    }
    text.extend_from_slice(line.get(at..).unwrap_or_default());
    String::from_utf8_lossy(&text).trim().to_owned()
}
