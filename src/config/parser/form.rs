//! Holds a line whose keyword has no effect against what HAProxy takes there ([`crate::config::keyword::form`]).
//! Nothing comes of such a line but its errors.

use super::context::Context;
use super::option;
use super::statement::{Polarity, Statement, read_time};
use super::value::{self, TimeUnit};
use crate::config::keyword::{Form, Keyword, form};
use crate::config::lexer::Word;

/// Whether HAProxy would take the line as it stands; what it would not take is reported.
pub(super) fn holds(context: &mut Context<'_>, row: &Keyword, line: &Statement<'_>) -> bool {
    let forms = form::of(row);
    let first = row.name.split(' ').count();
    if line.polarity != Polarity::Normal && forms.contains(&Form::NoNegation) {
        return !option::refuse_negation(context, line);
    }
    let most = forms.iter().find_map(|form| if let Form::AtMost(most) = form { Some(*most) } else { None });
    if let Some(most) = most
        && !line.no_more(context, row.name, first + most)
    {
        return false;
    }
    let fault = fault(row, line.rest(first));
    if let Some(message) = &fault {
        context.error(line.span(), message);
    }
    fault.is_none()
}

/// What HAProxy would say against a keyword's arguments.
pub(super) fn fault(row: &Keyword, arguments: &[Word]) -> Option<String> {
    form::of(row).iter().find_map(|form| broken(*form, row.name, arguments))
}

fn broken(form: Form, name: &str, arguments: &[Word]) -> Option<String> {
    let text = |place: usize| arguments.get(place).map(Word::str).unwrap_or_default();
    match form {
        Form::AtLeast(count, expected) => {
            text(count - 1).is_empty().then(|| format!("'{name}' expects {expected}."))
        }
        Form::OneOf(place, words) => {
            let found = text(place);
            // `http-request set-var(txn.x)`: what stands in the parenthesis is an argument.
            let known = words.contains(&found.split('(').next().unwrap_or_default());
            let expected = || list(words.iter().copied());
            (!known).then(|| format!("'{name}' expects {} but got '{found}'.", expected()))
        }
        Form::Words(place, words) => unknown_word(words, name, arguments.get(place..).unwrap_or_default()),
        Form::Between(place, low, high) => {
            let found = text(place);
            let number = value::leading_integer(&found).filter(|_| !found.is_empty());
            let fits = number.is_some_and(|number| (low..=high).contains(&number));
            let most = if high == i64::MAX { String::new() } else { format!(" and at most {high}") };
            (!fits).then(|| format!("'{name}' expects an integer of at least {low}{most}, found '{found}'."))
        }
        Form::Time(place) => read_time(&text(place), name, TimeUnit::Milliseconds).err(),
        Form::AtMost(_) | Form::NoNegation => None,
    }
}

fn unknown_word(known: &[(&str, usize)], name: &str, words: &[Word]) -> Option<String> {
    let mut at = 0;
    while let Some(word) = words.get(at).filter(|word| !word.text.is_empty()) {
        let found = word.str();
        let Some((word, arguments)) = known.iter().find(|(word, _)| *word == found) else {
            let expected = list(known.iter().map(|(word, _)| *word));
            return Some(format!("'{name}' expects {expected} but got '{found}'."));
        };
        at += 1 + arguments;
        if at > words.len() {
            return Some(format!("'{name} {word}' expects an argument."));
        }
    }
    None
}

/// `'a', 'b' or 'c'`
pub(super) fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("'{word}'")).collect();
    match words.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [rest @ .., last] => format!("{} or {last}", rest.join(", ")),
    }
}
