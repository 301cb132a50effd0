//! How many replies will what a check sends bring? Inline lines and RESP arrays, as Redis takes them.
//!
//! A script sends raw bytes; the count of commands in them says when every reply has come. Bytes whose
//! number of replies is not certain are said to be unclear, and the check then waits as HAProxy does.

/// What some sent bytes hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Commands {
    /// Complete commands, each of which brings one reply.
    pub complete: u32,
    /// Bytes at the end that are the beginning of another command.
    pub unfinished: usize,
}

/// What a send is for, to a probe that stays connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Only AUTH and HELLO.
    Login,
    /// Ends with QUIT.
    Quit,
    Ask,
}

/// Commands that bring no reply, several, or an endless stream of them.
const UNCLEAR: [&[u8]; 10] = [
    b"subscribe",
    b"psubscribe",
    b"ssubscribe",
    b"unsubscribe",
    b"punsubscribe",
    b"sunsubscribe",
    b"monitor",
    b"sync",
    b"psync",
    b"shutdown",
];

/// Counts the commands in `bytes`; `None` if that is unclear.
pub fn count(bytes: &[u8]) -> Option<Commands> {
    let mut commands = Commands::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        match next(rest)? {
            Next::Unfinished => {
                commands.unfinished = rest.len();
                return Some(commands);
            }
            Next::Blank { used } => rest = &rest[used..],
            Next::Command { used, words } => {
                if is_unclear(&words) {
                    return None;
                }
                commands.complete += 1;
                rest = &rest[used..];
            }
        }
    }
    Some(commands)
}

fn is_unclear(words: &[&[u8]]) -> bool {
    let is = |at: usize, name: &[u8]| words.get(at).is_some_and(|word| word.eq_ignore_ascii_case(name));
    UNCLEAR.iter().any(|name| is(0, name)) || (is(0, b"client") && is(1, b"reply"))
}

/// What the bytes of one send are for.
pub fn purpose(bytes: &[u8]) -> Purpose {
    let (mut logins, mut others, mut quits) = (0, 0, false);
    for_each_command(bytes, |words| match words.first().map(|name| name.to_ascii_lowercase()).as_deref() {
        Some(b"auth" | b"hello") => logins += 1,
        Some(b"quit") => quits = true,
        _ => others += 1,
    });
    match () {
        () if quits => Purpose::Quit,
        () if logins > 0 && others == 0 => Purpose::Login,
        () => Purpose::Ask,
    }
}

/// The arguments of AUTH and HELLO in `bytes`: what no text may show.
pub fn secrets(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for_each_command(bytes, |words| {
        let name = words.first().map(|name| name.to_ascii_lowercase());
        if matches!(name.as_deref(), Some(b"auth" | b"hello")) {
            found.extend(words[1..].iter().filter(|word| !is_syntax(word)).map(|word| word.to_vec()));
        }
    });
    found
}

/// Words of HELLO's own, and its protocol version.
fn is_syntax(word: &[u8]) -> bool {
    word.len() < 2 || word.eq_ignore_ascii_case(b"auth") || word.eq_ignore_ascii_case(b"setname")
}

/// The AUTH and HELLO commands in `bytes`, verbatim. Bytes that are no commands end the search.
pub fn logins(bytes: &[u8]) -> Vec<u8> {
    let mut found = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let used = match next(rest) {
            Some(Next::Command { used, words }) => {
                if words.first().is_some_and(|name| is_login(name)) {
                    found.extend_from_slice(&rest[..used]);
                }
                used
            }
            Some(Next::Blank { used }) => used,
            Some(Next::Unfinished) | None => break,
        };
        rest = &rest[used..];
    }
    found
}

fn is_login(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"auth") || name.eq_ignore_ascii_case(b"hello")
}

/// The words of the complete commands in `bytes`, and how many bytes at the end are the beginning of another.
/// Bytes that are no commands end the list.
pub fn split(bytes: &[u8]) -> (Vec<Vec<&[u8]>>, usize) {
    let mut commands = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        match next(rest) {
            Some(Next::Command { used, words }) => {
                commands.push(words);
                rest = &rest[used..];
            }
            Some(Next::Blank { used }) => rest = &rest[used..],
            Some(Next::Unfinished) => return (commands, rest.len()),
            None => break,
        }
    }
    (commands, 0)
}

fn for_each_command(bytes: &[u8], mut each: impl FnMut(&[&[u8]])) {
    let mut rest = bytes;
    while !rest.is_empty() {
        match next(rest) {
            Some(Next::Command { used, words }) => {
                each(&words);
                rest = &rest[used..];
            }
            Some(Next::Blank { used }) => rest = &rest[used..],
            Some(Next::Unfinished) | None => return,
        }
    }
}

enum Next<'a> {
    Command { used: usize, words: Vec<&'a [u8]> },
    Blank { used: usize },
    Unfinished,
}

fn next(bytes: &[u8]) -> Option<Next<'_>> {
    if bytes.first() == Some(&b'*') { array(bytes) } else { inline(bytes) }
}

/// A line of words. Only what looks like text is taken for one.
fn inline(bytes: &[u8]) -> Option<Next<'_>> {
    let Some(end) = memchr::memchr(b'\n', bytes) else {
        return looks_like_text(bytes).then_some(Next::Unfinished);
    };
    let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
    let words: Vec<&[u8]> = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
    if words.is_empty() {
        return Some(Next::Blank { used: end + 1 });
    }
    looks_like_text(line).then_some(Next::Command { used: end + 1, words })
}

fn looks_like_text(line: &[u8]) -> bool {
    let starts = line.iter().find(|byte| !byte.is_ascii_whitespace()).is_none_or(u8::is_ascii_alphabetic);
    starts && line.iter().all(|byte| !byte.is_ascii_control() || byte.is_ascii_whitespace())
}

/// `*2\r\n$4\r\nINFO\r\n$11\r\nreplication\r\n`
fn array(bytes: &[u8]) -> Option<Next<'_>> {
    let Some((elements, mut at)) = number(bytes, b'*')? else { return Some(Next::Unfinished) };
    if elements == 0 {
        return Some(Next::Blank { used: at });
    }
    let mut words = Vec::new();
    for _ in 0..elements {
        if at == bytes.len() {
            return Some(Next::Unfinished);
        }
        let Some((length, used)) = number(&bytes[at..], b'$')? else { return Some(Next::Unfinished) };
        let start = at + used;
        let Some(word) = bytes.get(start..start + length) else { return Some(Next::Unfinished) };
        match bytes.get(start + length..start + length + 2) {
            Some(b"\r\n") => {}
            Some(_) => return None,
            None => return Some(Next::Unfinished),
        }
        words.push(word);
        at = start + length + 2;
    }
    Some(Next::Command { used: at, words })
}

/// A type byte, a number and CRLF: the number and the bytes used, `Some(None)` if the line is not whole.
#[allow(clippy::option_option, reason = "no number here, and not yet, are two answers to two callers")]
fn number(bytes: &[u8], kind: u8) -> Option<Option<(usize, usize)>> {
    if bytes.first() != Some(&kind) {
        return None;
    }
    let Some(end) = memchr::memchr(b'\n', bytes) else {
        return (bytes.len() < 12).then_some(None);
    };
    let digits = bytes[1..end].strip_suffix(b"\r")?;
    if digits.is_empty() || digits.len() > 7 {
        return None;
    }
    let value: usize = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(Some((value, end + 1)))
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
