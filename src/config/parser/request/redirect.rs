//! `redirect location|prefix|scheme PLACE [OPTION...]` (manual section 4.2).

use super::super::sample::Fault;
use super::super::statement::Statement;
use super::super::wording;
use super::{ACTION, needed};
use crate::config::ast::Sample;
use crate::config::model::http::{Empty, Query, Redirect, Slash, To, Wording};

/// The redirection, and where what follows it begins. As in HAProxy the last word of a kind counts.
pub(super) fn read(line: &Statement<'_>) -> Result<(Redirect<Sample>, usize), Fault> {
    let written_as_rule = line.text(1) != "redirect";
    let mut place = None;
    let mut made = Redirect {
        to: To::Location,
        place: Wording(Vec::new()),
        code: 302,
        query: Query::Kept,
        slash: Slash::AsIs,
        cookie: None,
        empty: Empty::Taken,
    };
    let mut at = ACTION + 1;
    while let Some(word) = line.argument(at).filter(|word| !matches!(&*word.text, b"if" | b"unless")) {
        let word = word.str();
        let argument = || needed(line, at + 1, &format!("missing argument for '{word}'"));
        at += match &*word {
            "location" | "prefix" | "scheme" => {
                argument()?;
                place = Some((at + 1, to(&word)));
                2
            }
            "code" => {
                made.code = code(line, at + 1, &argument()?)?;
                2
            }
            "set-cookie" => {
                made.cookie = Some(format!("{}; path=/;", argument()?));
                2
            }
            "clear-cookie" => {
                made.cookie = Some(format!("{}; path=/; Max-Age=0;", argument()?));
                2
            }
            "drop-query" => {
                made.query = Query::Dropped;
                1
            }
            "append-slash" => {
                made.slash = Slash::Appended;
                1
            }
            "ignore-empty" => {
                made.empty = Empty::Ignored;
                1
            }
            other => {
                let message = format!(
                    "expects 'code', 'prefix', 'location', 'scheme', 'set-cookie', 'clear-cookie', 'drop-query', \
                     'ignore-empty' or 'append-slash' (was '{other}')"
                );
                return Err(Fault::new(line.span_of(at), message));
            }
        };
    }
    let Some((place, to)) = place else {
        let message = "redirection type expected ('prefix', 'location', or 'scheme')";
        return Err(Fault::new(line.span_of(ACTION), message));
    };
    made.to = to;
    let word = &line.words[place];
    made.place = if written_as_rule { wording::read(word)? } else { Wording::plain(word.text.clone()) };
    Ok((made, at))
}

fn to(word: &str) -> To {
    match word {
        "prefix" => To::Prefix,
        "scheme" => To::Scheme,
        _ => To::Location,
    }
}

fn code(line: &Statement<'_>, at: usize, text: &str) -> Result<u16, Fault> {
    let code = text.parse().ok().filter(|code| matches!(code, 301 | 302 | 303 | 307 | 308));
    code.ok_or_else(|| {
        let message =
            format!("'code': unsupported HTTP code '{text}' (must be one of 301, 302, 303, 307 or 308)");
        Fault::new(line.span_of(at), message)
    })
}
