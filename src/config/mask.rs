//! Which words of a statement are secret, so that no diagnostic, page or dump shows them: what AUTH and
//! HELLO carry in a check, passwords of the stats page and of userlists, values given to variables.
//!
//! The renderer has raw lines, perhaps of a file that makes no sense, and asks for [`secret_ranges`]: it reads
//! them leniently and in doubt hides too much. A misspelt keyword must not bring a password to light.

use std::ops::Range;

use super::keyword;
use super::lexer;
use super::source::Source;

/// What stands in the place of a secret.
pub const STARS: &str = "***";

/// Lines longer than this are read up to here; see [`secret_ranges`].
const LONGEST_READ: usize = 4096;

/// How many lines before a `tcp-check send` may hold the AUTH that it belongs to.
const MEMORY: u32 = 16;

/// Which words of a statement are secret, given their texts.
pub fn secret_words(texts: &[&[u8]]) -> Option<Range<usize>> {
    let skipped = usize::from(matches!(texts.first(), Some(&b"no" | &b"default")));
    let words = &texts[skipped.min(texts.len())..];
    let found = by_keyword(words).or_else(|| by_content(words)).or_else(|| behind_password(words))?;
    let found = found.start + skipped..(found.end + skipped).min(texts.len());
    (!found.is_empty()).then_some(found)
}

/// The bytes of a line that are secret, and what they say. `number` counts from 1. Of a very long line only
/// the beginning is read; the renderer shows nothing beyond it.
pub fn secret_ranges(source: &Source, number: u32) -> Vec<Range<usize>> {
    let line = readable(source, number);
    let words = lexer::lenient_words(line);
    let texts: Vec<&[u8]> = words.iter().map(|(text, _)| text.as_slice()).collect();
    let secret = match secret_words(&texts) {
        None if is_send(&texts) && continues_auth(source, number) => Some(2..texts.len()),
        found => found,
    };
    // An unquoted `#` in a password makes a comment of its rest.
    let comment = comment(line, words.last().map_or(0, |(_, place)| place.end));
    let comment = comment.filter(|range| secret.is_some() || mentions(&line[range.clone()], true));
    let words = secret.into_iter().flat_map(|range| words[range].iter().map(|(_, place)| place.clone()));
    words.chain(comment).collect()
}

/// Hides in a message what the secret words of a line say.
pub fn scrub(message: &str, source: &Source, number: u32) -> String {
    let line = readable(source, number);
    let ranges = secret_ranges(source, number);
    let mut clean = message.to_owned();
    for (text, place) in lexer::lenient_words(line) {
        if !ranges.contains(&place) {
            continue;
        }
        for secret in [String::from_utf8_lossy(&text), String::from_utf8_lossy(&line[place])] {
            clean = clean.replace(&format!("'{secret}'"), &format!("'{STARS}'"));
            // A short one may be part of any word of the message.
            if secret.len() > 3 {
                clean = clean.replace(secret.as_ref(), STARS);
            }
        }
    }
    clean
}

/// The bytes of a line that may be looked at and shown.
pub fn readable(source: &Source, number: u32) -> &[u8] {
    let line = source.line(number);
    &line[..line.len().min(LONGEST_READ)]
}

fn by_keyword(words: &[&[u8]]) -> Option<Range<usize>> {
    let end = words.len();
    let first = *words.first()?;
    match (first, words.get(1).copied().unwrap_or_default()) {
        (b"stats", b"auth") => Some(2..end),
        // A misspelt `stats auth`.
        (b"stats", second) if second != b"socket" => {
            words.iter().position(|word| word.contains(&b':')).map(|at| at..end)
        }
        (b"tcp-check", second) => {
            let all = words[1..].concat();
            let secret =
                mentions(&all, false) || (second.starts_with(b"send-b") && mentions(&hex(&all), false));
            (secret && second != b"connect" && second != b"expect" && second != b"comment").then_some(2..end)
        }
        (b"setenv" | b"presetenv", _) => Some(2..end),
        (b"user", _) if end > 2 => {
            // Wherever it stands, and from the first to the last if there are two.
            let is_one = |word: &&[u8]| word.ends_with(b"password");
            let Some(first) = words[2..].iter().position(is_one) else { return Some(2..end) };
            let last = words[2..].iter().rposition(is_one).unwrap_or(first);
            Some(first + 3..(last + 4).min(end))
        }
        (b"auth-pass" | b"auth-user" | b"anonkey" | b"cluster-secret" | b"dynamic-cookie-key", _) => {
            Some(1..end)
        }
        (b"server" | b"default-server" | b"server-template", _) => after(words, b"agent-send"),
        (b"bind", _) => after(words, b"ca-sign-pass"),
        (b"http-check", b"expect" | b"comment" | b"connect") => None,
        (b"http-check", _) => http_secret(words),
        // Headers that hide in the version.
        (b"option", b"httpchk") => words.iter().position(|word| authorizes(word)).map(|at| at..end),
        _ => None,
    }
}

/// What follows a header that carries a password, and a body, which may be a login; an address with a user or
/// a question.
fn http_secret(words: &[&[u8]]) -> Option<Range<usize>> {
    let is_body = |word: &[u8]| word.starts_with(b"body");
    let secret = |word: &&[u8]| authorizes(word) || is_body(word) || is_private(word);
    let before = words.iter().skip(1).position(secret)?;
    let at = before + 1;
    let named = words[before] == b"hdr" || is_body(words[at]);
    Some(at + usize::from(named)..words.len())
}

/// Whether an address may hold a password: `http://user:password@host/`, `/?password=x`.
fn is_private(word: &[u8]) -> bool {
    word.contains(&b'/') && (word.contains(&b'@') || word.contains(&b'?'))
}

/// A line whose keyword nobody knows may be a misspelt check or login: a word that speaks of AUTH or HELLO,
/// and all that follows it.
fn by_content(words: &[&[u8]]) -> Option<Range<usize>> {
    let first = words.first()?;
    let known = keyword::scopes_of(&String::from_utf8_lossy(first)).next().is_some();
    if known || matches!(*first, b"stats" | b"option" | b"timeout") {
        return None;
    }
    // A misspelt `auth-pass`.
    if first.windows(4).any(|part| part.eq_ignore_ascii_case(b"auth") || part.eq_ignore_ascii_case(b"pass")) {
        return Some(1..words.len());
    }
    let speaks = |word: &&[u8]| mentions(word, true) || mentions(&hex(word), true);
    let speaks = words.iter().skip(1).position(speaks).map(|at| at + 1..words.len());
    // A misspelt `http-check send`.
    let sends = words.iter().any(|word| matches!(*word, b"send" | b"hdr"));
    speaks.or_else(|| http_secret(words).filter(|_| sends))
}

/// What follows `insecure-password`, or hangs on it, whatever the line is taken for: a misspelt `user`.
fn behind_password(words: &[&[u8]]) -> Option<Range<usize>> {
    let speaks = |word: &&[u8]| word.windows(8).any(|part| part.eq_ignore_ascii_case(b"password"));
    let at = words.iter().position(speaks)?;
    Some(at + usize::from(words[at].ends_with(b"password"))..words.len())
}

fn is_send(texts: &[&[u8]]) -> bool {
    texts.len() > 2 && texts[0] == b"tcp-check" && texts[1].starts_with(b"send")
}

/// What follows the last word, which ends at `end`.
fn comment(line: &[u8], end: usize) -> Option<Range<usize>> {
    let start = end + line[end..].iter().position(|byte| !byte.is_ascii_whitespace())?;
    Some(start..line.len())
}

/// Whether an AUTH stands in the sends just before, so that this one may be its argument: the pieces of a
/// command may be sent by several lines.
fn continues_auth(source: &Source, number: u32) -> bool {
    for before in (number.saturating_sub(MEMORY).max(1)..number).rev() {
        let words = lexer::lenient_words(readable(source, before));
        let texts: Vec<&[u8]> = words.iter().map(|(text, _)| text.as_slice()).collect();
        if texts.is_empty() || texts.starts_with(&[b"tcp-check", b"comment"]) {
            continue;
        }
        if !is_send(&texts) {
            return false;
        }
        if secret_words(&texts).is_some() {
            // A line's end closes an inline command, but not one that is written as RESP.
            return !completes(&texts);
        }
    }
    false
}

/// Whether a send that mentions AUTH has its arguments too: `AUTH\ password\r\n`.
fn completes(texts: &[&[u8]]) -> bool {
    let text = texts[2..].concat();
    let text = if texts[1].starts_with(b"send-b") { hex(&text) } else { text };
    let inline = !text.starts_with(b"*") && !text.starts_with(b"$");
    inline && text.ends_with(b"\n") && text.trim_ascii().contains(&b' ')
}

/// Whether a text names a header that carries a password or a token.
fn authorizes(text: &[u8]) -> bool {
    const HEADERS: [&[u8]; 4] = [b"auth", b"cookie", b"token", b"api-key"];
    let text = text.to_ascii_lowercase();
    HEADERS.iter().any(|header| text.windows(header.len()).any(|window| window == *header))
}

fn after(words: &[&[u8]], name: &[u8]) -> Option<Range<usize>> {
    words.iter().position(|word| *word == name).map(|at| at + 1..at + 2)
}

/// Whether a text names a command that carries a password; `apart`: only as a word of its own.
fn mentions(text: &[u8], apart: bool) -> bool {
    const COMMANDS: [&[u8]; 4] = [b"auth", b"hello", b"requirepass", b"masterauth"];
    COMMANDS.iter().any(|command| {
        text.windows(command.len()).enumerate().any(|(at, window)| {
            let end = at + command.len();
            let alone = |byte: Option<&u8>| byte.is_none_or(|byte| !byte.is_ascii_alphanumeric());
            window.eq_ignore_ascii_case(command)
                && (!apart || (alone(text[..at].last()) && alone(text.get(end))))
        })
    })
}

/// Reads hexadecimal as far as it goes.
fn hex(text: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16).map(|value| value as u8);
    text.chunks_exact(2).map_while(|pair| Some(digit(pair[0])? * 16 + digit(pair[1])?)).collect()
}

#[cfg(test)]
mod tests;
