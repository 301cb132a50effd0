//! Holds a line whose keyword has no effect against what HAProxy takes there ([`crate::config::keyword::form`]).
//! Nothing comes of such a line but its errors.

use super::address::{self, Address, AddressError, Ports};
use super::context::Context;
use super::cpu_map;
use super::option;
use super::sample;
use super::statement::{Polarity, Statement, read_time};
use super::value::{self, TimeUnit};
use crate::config::keyword::{Form, Keyword, Value, form};
use crate::config::lexer::Word;
use crate::config::rule::matching;

/// Whether HAProxy would take the line as it stands; what it would not take is reported.
pub(super) fn holds(context: &mut Context<'_>, row: &Keyword, line: &Statement<'_>) -> bool {
    let forms = form::of(row);
    if line.polarity != Polarity::Normal && forms.contains(&Form::NoNegation) {
        return !option::refuse_negation(context, line);
    }
    forms_hold(context, (row.name, forms), line, row.name.split(' ').count())
}

/// The same by name and forms; the arguments begin at the word `first`.
pub(super) fn forms_hold(
    context: &mut Context<'_>,
    (name, forms): (&str, &[Form]),
    line: &Statement<'_>,
    first: usize,
) -> bool {
    let most = forms.iter().find_map(|form| if let Form::AtMost(most) = form { Some(*most) } else { None });
    if let Some(most) = most
        && !line.no_more(context, name, first + most)
    {
        return false;
    }
    let fault = fault_in(name, forms, line.rest(first));
    if let Some(message) = &fault {
        context.error(line.span(), message);
    }
    fault.is_none()
}

/// What HAProxy would say against a keyword's arguments.
pub(super) fn fault(row: &Keyword, arguments: &[Word]) -> Option<String> {
    fault_in(row.name, form::of(row), arguments)
}

/// The same by name and forms.
pub(super) fn fault_in(name: &str, forms: &[Form], arguments: &[Word]) -> Option<String> {
    forms.iter().find_map(|form| broken(*form, name, arguments))
}

fn broken(form: Form, name: &str, arguments: &[Word]) -> Option<String> {
    let text = |place: usize| arguments.get(place).map(Word::str).unwrap_or_default();
    let from = |place: usize| arguments.get(place..).unwrap_or_default();
    match form {
        Form::AtLeast(count, expected) => {
            text(count - 1).is_empty().then(|| format!("'{name}' expects {expected}."))
        }
        Form::OneOf(place, words) => {
            let found = text(place);
            // `http-request set-var(txn.x)`: what stands in the parenthesis is an argument.
            let known = words.contains(&found.split('(').next().unwrap_or_default());
            (!known).then(|| unexpected(name, words, &found))
        }
        Form::Words(place, words) => unknown_word(words, name, from(place)),
        Form::Rule(place, words) => {
            let rule = from(place).split(is_condition).next().unwrap_or_default();
            unknown_word(words, name, rule)
        }
        Form::Every(place, words) => {
            let mut found = from(place).iter().map(Word::str).filter(|word| !word.is_empty());
            found.find(|word| !words.contains(&&**word)).map(|word| unexpected(name, words, &word))
        }
        Form::After(word, forms) => {
            forms.iter().filter(|_| text(0) == word).find_map(|form| broken(*form, name, arguments))
        }
        Form::At(place, value) => unlike(value, name, arguments.get(place)?),
        Form::Behind(word, value) => {
            let at = arguments.iter().position(|argument| argument.str() == word)?;
            unlike(value, &format!("{name} {word}"), arguments.get(at + 1)?)
        }
        Form::Between(place, low, high) => {
            let found = text(place);
            let number = value::leading_integer(&found).filter(|_| !found.is_empty());
            let fits = number.is_some_and(|number| (low..=high).contains(&number));
            let most = if high == i64::MAX { String::new() } else { format!(" and at most {high}") };
            (!fits).then(|| format!("'{name}' expects an integer of at least {low}{most}, found '{found}'."))
        }
        Form::Time(place) => read_time(&text(place), name, TimeUnit::Milliseconds).err(),
        Form::Among(words) | Form::Exclusive(words) | Form::Alone(words) => {
            together(form, name, words, arguments)
        }
        Form::AtMost(_) | Form::NoNegation => None,
    }
}

/// What is wrong with words that need each other, or do not go together.
fn together(form: Form, name: &str, words: &[&str], arguments: &[Word]) -> Option<String> {
    let count = arguments.iter().filter(|argument| words.contains(&&*argument.str())).count();
    let list = || list(words.iter().copied());
    match form {
        Form::Among(_) if count == 0 => Some(format!("'{name}' expects {}.", list())),
        Form::Exclusive(_) if count > 1 => Some(format!("'{name}' : only one of {} may stand here.", list())),
        Form::Alone(_) if count > 0 && arguments.len() > 1 => {
            Some(format!("'{name}' : {} can only be used alone.", list()))
        }
        _ => None,
    }
}

fn unexpected(name: &str, words: &[&str], found: &str) -> String {
    format!("'{name}' expects {} but got '{found}'.", list(words.iter().copied()))
}

/// Why the word is no such value; an empty one is as good as none.
fn unlike(value: Value, name: &str, word: &Word) -> Option<String> {
    let found = word.str();
    if found.is_empty() {
        return None;
    }
    let whole = |low: i64, high: i64| value::integer(&found).is_some_and(|it| (low..=high).contains(&it));
    let expected = match value {
        Value::Number(low, high) => {
            let fits = value::leading_integer(&found).is_some_and(|number| (low..=high).contains(&number));
            (!fits).then(|| format!("a number{}", bounds(low, high)))
        }
        Value::Whole(low, high) => (!whole(low, high)).then(|| format!("an integer{}", bounds(low, high))),
        Value::WholeOr(low, high, words) => {
            let fits = whole(low, high) || words.contains(&&*found);
            let words = || list(words.iter().copied());
            (!fits).then(|| format!("an integer{}, or {}", bounds(low, high), words()))
        }
        Value::Size => {
            let fits = value::size(found.trim_start_matches('-')).is_some();
            (!fits).then(|| "a size such as '4096', '64k' or '1m'".to_owned())
        }
        Value::Set => {
            let wrong = found.split(['/', ',']).any(|set| cpu_map::numbers(set).is_err());
            wrong.then(|| "'all', 'odd', 'even', or numbers from 1 to 64 such as '1-4'".to_owned())
        }
        Value::Network => matching::network(&found).is_none().then(|| "<address>[/mask]".to_owned()),
        Value::Seconds => return read_time(&found, name, TimeUnit::Seconds).err(),
        Value::Name => {
            let character = value::stray_name_character(&found)?;
            return Some(format!("character '{character}' is not permitted in '{name}' name '{found}'."));
        }
        Value::Address => return unlike_address(name, &found, Ports::Missing),
        Value::AddressWithPort => return unlike_address(name, &found, ANY_PORT),
        Value::Variable => {
            return sample::variable(&found).err().map(|reason| format!("'{name}' : {reason}"));
        }
        Value::Sample => {
            return sample::read(word).err().map(|fault| format!("'{name}' : {}", fault.message));
        }
    };
    expected.map(|expected| format!("'{name}' expects {expected}, found '{found}'."))
}

/// Whether a condition begins here.
pub(super) fn is_condition(word: &Word) -> bool {
    matches!(&*word.text, b"if" | b"unless")
}

/// The first word that is not one of these, each followed by so many of its own.
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

const ANY_PORT: Ports = Ports::Range { first: 1, last: u16::MAX };

/// ` from 1 to 9`, ` of at least 1`, or nothing.
fn bounds(low: i64, high: i64) -> String {
    match (low, high) {
        (i64::MIN, _) => String::new(),
        (_, i64::MAX) => format!(" of at least {low}"),
        _ => format!(" from {low} to {high}"),
    }
}

/// A variable in an address is not looked up where nothing comes of the line.
fn unlike_address(name: &str, text: &str, wanted: Ports) -> Option<String> {
    if text.contains('$') {
        return None;
    }
    match address::address(text) {
        Ok(Address::Inet { ports: Ports::Missing, .. }) if wanted != Ports::Missing => {
            Some(format!("'{name}' : missing port specification in '{text}'"))
        }
        Ok(_) | Err(AddressError::Prefix(_)) => None,
        Err(reason) => Some(format!("'{name}' : {reason}")),
    }
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
