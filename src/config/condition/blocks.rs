//! `.if` blocks: which lines of a text are read. Every line is split into words first, as HAProxy does, so
//! that an open quote is a fault even where nothing is read.

use super::super::diagnostic::{Diagnostic, Heading};
use super::super::lexer::{Environment, Word};
use super::super::source::Span;
use super::evaluate;

/// How deep blocks may nest.
const DEEPEST: usize = 64;

/// The open blocks of one text, outermost first.
#[derive(Debug, Clone, Default)]
pub struct Blocks {
    open: Vec<Block>,
}

/// What to do with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    Read,
    /// It stands in a part that does not count, or was one of `.if` and family.
    Skip,
}

#[derive(Debug, Clone, Copy)]
struct Block {
    part: Part,
    has_else: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Its condition holds.
    Taken,
    /// No condition has held so far.
    Waiting,
    /// An earlier one held, or the whole block stands where nothing counts.
    Done,
}

impl Blocks {
    /// Looks at the words of a line. After a fault nothing that follows makes sense: HAProxy stops there.
    pub fn line(&mut self, words: &[Word], environment: &Environment) -> Result<Reading, Diagnostic> {
        let Some(first) = words.first() else { return Ok(Reading::Skip) };
        match first.text.as_slice() {
            b".if" => self.begin(words, environment)?,
            b".elif" => self.next(words, ".elif", environment)?,
            b".else" => self.next(words, ".else", environment)?,
            b".endif" => {
                no_arguments(words, ".endif")?;
                self.open.pop().ok_or_else(|| lone(first.span, ".endif"))?;
            }
            _ if self.counts() => return Ok(Reading::Read),
            _ => {}
        }
        Ok(Reading::Skip)
    }

    /// What is wrong at the end of a text whose last line is at `span`.
    pub fn finish(&self, span: Span) -> Option<Diagnostic> {
        let help = "close the block with '.endif'";
        (!self.open.is_empty()).then(|| fault(span, "non-terminated '.if' block.").help(help))
    }

    fn counts(&self) -> bool {
        self.open.iter().all(|block| block.part == Part::Taken)
    }

    fn begin(&mut self, words: &[Word], environment: &Environment) -> Result<(), Diagnostic> {
        if self.open.len() == DEEPEST {
            return Err(fault(words[0].span, format!("'.if' blocks nest deeper than {DEEPEST}")));
        }
        let part = match self.counts() {
            false => Part::Done,
            true if holds(words, ".if", environment)? => Part::Taken,
            true => Part::Waiting,
        };
        self.open.push(Block { part, has_else: false });
        Ok(())
    }

    /// `.elif` and `.else`: a new part, which counts if none before it did.
    fn next(&mut self, words: &[Word], name: &str, environment: &Environment) -> Result<(), Diagnostic> {
        let span = words[0].span;
        let is_else = name == ".else";
        if is_else {
            no_arguments(words, name)?;
        }
        let block = self.open.last_mut().ok_or_else(|| lone(span, name))?;
        if block.has_else {
            return Err(fault(span, format!("'{name}' after '.else' is not permitted.")));
        }
        block.has_else = is_else;
        block.part = match block.part {
            Part::Waiting if is_else || holds(words, name, environment)? => Part::Taken,
            Part::Waiting => Part::Waiting,
            Part::Taken | Part::Done => Part::Done,
        };
        Ok(())
    }
}

fn holds(words: &[Word], name: &str, environment: &Environment) -> Result<bool, Diagnostic> {
    let texts: Vec<String> = words[1..].iter().map(|word| word.str().into_owned()).collect();
    let span = words.get(1).map_or(words[0].span, |first| first.span.to(words[words.len() - 1].span));
    evaluate(&texts.join(" "), environment).map_err(|reason| {
        fault(span, format!("{reason} in '{name}' at position 1:")).heading(Heading::Excerpt)
    })
}

fn no_arguments(words: &[Word], name: &str) -> Result<(), Diagnostic> {
    match words.get(1) {
        None => Ok(()),
        Some(extra) => Err(fault(extra.span, format!("Unexpected argument '{}' for '{name}'.", extra.str()))),
    }
}

fn lone(span: Span, name: &str) -> Diagnostic {
    fault(span, format!("lone '{name}' with no matching '.if'."))
}

fn fault(span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(span, message).heading(Heading::Line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::lexer::{LineContext, split};
    use crate::config::source::SourceId;

    /// The lines that are read, or the first fault.
    fn read(text: &str) -> Result<String, String> {
        let environment = Environment::from([("A", "1")]);
        let mut blocks = Blocks::default();
        let mut read = String::new();
        for line in text.split('/') {
            let context = LineContext::default();
            let words = split(SourceId(0), 0, line.as_bytes(), &environment, &context).unwrap();
            if blocks.line(&words, &environment).map_err(|fault| fault.message)? == Reading::Read {
                read.push_str(line);
            }
        }
        blocks.finish(Span::default()).map_or(Ok(read), |fault| Err(fault.message))
    }

    #[test]
    fn only_the_part_that_counts_is_read() {
        let cases = [
            ("a/.if 1/b/.else/c/.endif/d", "abd"),
            ("a/.if 0/b/.else/c/.endif/d", "acd"),
            (".if 0/a/.elif 1/b/.elif 1/c/.else/d/.endif", "b"),
            (".if 1/.if 0/a/.else/b/.endif/c/.endif", "bc"),
            (".if 0/.if 1/a/.else/b/.endif/c/.endif/d", "d"),
            (".if 0/.if foo/.endif/.endif/a", "a"),
            (".if 1/.elif foo/.endif/a", "a"),
            (".if defined(A) && streq(\"$A\",1)/a/.endif", "a"),
            (".if/a/.endif/b", "b"),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn faults_are_haproxys() {
        let cases = [
            (".if 1", "non-terminated '.if' block."),
            (".endif", "lone '.endif' with no matching '.if'."),
            (".else", "lone '.else' with no matching '.if'."),
            (".elif 1", "lone '.elif' with no matching '.if'."),
            (".if 1/.else/.else", "'.else' after '.else' is not permitted."),
            (".if 1/.else/.elif 1", "'.elif' after '.else' is not permitted."),
            (".if 1/.endif x", "Unexpected argument 'x' for '.endif'."),
            (".if 1/.else x", "Unexpected argument 'x' for '.else'."),
            (".if 0/.elif foo", "unparsable conditional expression 'foo' in '.elif' at position 1:"),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), Err(expected.to_owned()), "{text}");
        }
        assert_eq!(read(&".if 1/".repeat(70)), Err("'.if' blocks nest deeper than 64".to_owned()));
    }
}
