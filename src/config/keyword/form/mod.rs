//! What HAProxy wants after keywords that have no effect here. A line that it refuses is refused here too: it
//! is a mistake in the file, whatever the keyword does. Which values it takes was found by giving them to it.
//!
//! Places count from the keyword's end: 0 is its first argument. A keyword that is not listed takes anything,
//! but for an option, which takes nothing.

mod global;
mod lines;

use super::{Keyword, small};

pub(super) use lines::STATUS;

/// One thing that has to be so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// So many arguments at least; else what is expected: `expects TEXT`.
    AtLeast(usize, &'static str),
    /// So many arguments at most.
    AtMost(usize),
    /// The argument of the place is one of these words, its parenthesis left out.
    OneOf(usize, &'static [&'static str]),
    /// From the place on, each word is one of these and followed by so many of its own.
    Words(usize, &'static [(&'static str, usize)]),
    /// As `Words`, up to the `if` or `unless` of a condition.
    Rule(usize, &'static [(&'static str, usize)]),
    /// From the place on, each word is one of these.
    Every(usize, &'static [&'static str]),
    /// One of the arguments is one of these words.
    Among(&'static [&'static str]),
    /// At most one of these words is there.
    Exclusive(&'static [&'static str]),
    /// If one of these words is there, nothing else is.
    Alone(&'static [&'static str]),
    /// If the first argument is the word, these have to be so too.
    After(&'static str, &'static [Form]),
    /// The argument of the place, if there is one, reads as such a value.
    At(usize, Value),
    /// The argument behind the word, if it is there, reads as such a value.
    Behind(&'static str, Value),
    /// The argument of the place is an integer from one bound to the other.
    Between(usize, i64, i64),
    /// The argument of the place is a time.
    Time(usize),
    /// It has no `no` and no `default`.
    NoNegation,
}

/// What an argument reads as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// The number in front of it, 0 if it has none, is from one bound to the other.
    Number(i64, i64),
    /// An integer from one bound to the other, without anything behind it.
    Whole(i64, i64),
    /// As `Whole`, or one of these words.
    WholeOr(i64, i64, &'static [&'static str]),
    /// `64k`
    Size,
    /// Processes or threads: `all`, `odd`, `1-4`, or several of these with `/` or `,` between them.
    Set,
    /// A time; a bare number counts seconds.
    Seconds,
    /// `10.0.0.0/8`
    Network,
    /// What may name a section, a server or a user.
    Name,
    Address,
    /// An address whose port is given.
    AddressWithPort,
    /// A variable, its scope in front: `proc.x`.
    Variable,
    /// `src`, `int(5)`
    Sample,
}

/// What has to be so where a keyword without effect stands.
pub fn of(keyword: &Keyword) -> &'static [Form] {
    if let Some(forms) = small::of(keyword.scopes, keyword.name) {
        return forms;
    }
    let listed = lines::FORMS.iter().chain(global::FORMS).find(|(names, _)| names.contains(&keyword.name));
    match listed {
        Some((_, forms)) => forms,
        None if keyword.name.starts_with("option ") => &[Form::AtMost(0)],
        None => &[],
    }
}

const INTEGER: &str = "an integer argument";
const ANY_NUMBER: Form = Form::At(0, Value::Whole(i64::MIN, i64::MAX));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keyword::{self, Status};
    use std::collections::BTreeSet;

    #[test]
    fn every_form_belongs_to_a_keyword_without_effect_and_to_one_only() {
        let mut seen = BTreeSet::new();
        for name in lines::FORMS.iter().chain(global::FORMS).flat_map(|(names, _)| *names) {
            let mut rows = keyword::all().filter(|row| row.name == *name);
            assert!(rows.any(|row| row.status != Status::Honoured), "{name}");
            assert!(seen.insert(name), "{name} twice");
        }
    }

    #[test]
    fn an_option_without_a_form_takes_nothing_and_other_keywords_take_anything() {
        let row = |words: &[&str]| keyword::find(keyword::Scope::Listen, words).expect("a keyword");
        assert_eq!(of(row(&["option", "contstats"])), &[Form::AtMost(0)]);
        assert_eq!(of(row(&["grace"])), &[]);
        assert_eq!(of(row(&["option", "forceclose"])), &[], "what HAProxy dropped is not held against it");
    }
}
