//! Expressions as HAProxy's library (PCRE2) reads them, rewritten for ours: what only one of both knows, or
//! reads otherwise, and has an equal in the other. Look-around and back references have none; the compiler
//! refuses them by name.

use std::borrow::Cow;

/// The same expression for `regex::bytes` without its Unicode mode.
pub fn translated(pattern: &str) -> Cow<'_, str> {
    if !pattern.contains(['{', '\\', '[', '$']) {
        return Cow::Borrowed(pattern);
    }
    let mut made = String::with_capacity(pattern.len() + 16);
    let ends_lines = has_multiline(pattern);
    let mut rest = pattern;
    while let Some(next) = rest.chars().next() {
        let taken = match next {
            '\\' => escape(rest, &mut made),
            '[' => class(rest, &mut made),
            '{' if !is_quantifier(rest) => literal(r"\{", &mut made),
            // At the end, or before a line feed that ends all.
            '$' if !ends_lines => literal(r"(?:\n?\z)", &mut made),
            other => {
                made.push(other);
                other.len_utf8()
            }
        };
        rest = &rest[taken..];
    }
    Cow::Owned(made)
}

/// Stands for one byte of the pattern.
fn literal(text: &str, made: &mut String) -> usize {
    made.push_str(text);
    1
}

/// A backslash and what it stands for; how many bytes of the pattern that was.
fn escape(rest: &str, made: &mut String) -> usize {
    let Some(letter) = rest.chars().nth(1) else { return literal("\\", made) };
    let text = match letter {
        'Q' => {
            let quoted = &rest[2..];
            let end = quoted.find(r"\E");
            made.push_str(&regex::escape(&quoted[..end.unwrap_or(quoted.len())]));
            return end.map_or(rest.len(), |end| end + 4);
        }
        'E' => "",
        'Z' => r"(?:\n?\z)",
        'R' => r"(?:\r\n|[\n\x0b\x0c\r\x85])",
        'h' => r"[\t \xa0]",
        'H' => r"[^\t \xa0]",
        'N' => r"[^\n]",
        'e' => r"\x1b",
        // Ours takes them for the borders of words.
        '<' => "<",
        '>' => ">",
        _ => &rest[..1 + letter.len_utf8()],
    };
    made.push_str(text);
    1 + letter.len_utf8()
}

/// A class up to its bracket, in which ours knows sets within sets; how many bytes it was.
fn class(rest: &str, made: &mut String) -> usize {
    let mut at = 1 + usize::from(rest[1..].starts_with('^'));
    made.push_str(&rest[..at]);
    // The first bracket is one of the characters.
    if rest[at..].starts_with(']') {
        made.push_str(r"\]");
        at += 1;
    }
    while let Some(next) = rest[at..].chars().next() {
        at += match next {
            ']' => {
                made.push(']');
                return at + 1;
            }
            '[' => named(&rest[at..], made),
            '&' | '~' => {
                made.push('\\');
                made.push(next);
                1
            }
            '\\' => escape_in_class(&rest[at..], made),
            other => {
                made.push(other);
                other.len_utf8()
            }
        };
    }
    at
}

/// `[:alpha:]`, or a bracket that is a character.
fn named(rest: &str, made: &mut String) -> usize {
    match rest.starts_with("[:").then(|| rest.find(":]")).flatten() {
        Some(end) => {
            made.push_str(&rest[..end + 2]);
            end + 2
        }
        None => literal(r"\[", made),
    }
}

fn escape_in_class(rest: &str, made: &mut String) -> usize {
    let Some(letter) = rest.chars().nth(1) else { return literal("\\", made) };
    let text = match letter {
        'h' => r"\t \xa0",
        'e' => r"\x1b",
        '<' => "<",
        '>' => ">",
        _ => &rest[..1 + letter.len_utf8()],
    };
    made.push_str(text);
    1 + letter.len_utf8()
}

/// `{2}`, `{2,}`, `{2,3}`; any other brace is a character.
fn is_quantifier(rest: &str) -> bool {
    let Some((inside, _)) = rest[1..].split_once('}') else { return false };
    let (least, most) = inside.split_once(',').unwrap_or((inside, "0"));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    !least.is_empty() && digits(least) && digits(most)
}

/// `(?m)` and the like, after which a dollar ends each line in both.
fn has_multiline(pattern: &str) -> bool {
    pattern
        .split("(?")
        .skip(1)
        .any(|flags| flags.bytes().take_while(u8::is_ascii_alphabetic).any(|flag| flag == b'm'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &[u8]) -> bool {
        let built = regex::bytes::RegexBuilder::new(&translated(pattern)).unicode(false).build();
        built.unwrap_or_else(|error| panic!("{pattern}: {error}")).is_match(text)
    }

    #[test]
    fn what_only_pcre_reads_so_is_matched_as_pcre_does() {
        for (pattern, text) in [
            (r#"{"role":"master""#, &br#"[{"role":"master"}]"#[..]),
            ("a{,3}", b"a{,3}"),
            (r"^\+OK\r$", b"+OK\r\n"),
            (r"^\+OK\r\Z", b"+OK\r\n"),
            (r"role:master\R", b"role:master\r\nconnected"),
            (r"\Qa.b{\E$", b"a.b{"),
            (r"a\hb[\h]c", b"a\tb c"),
            ("^[[a]+$", b"a[a"),
            ("^[]a]$", b"]"),
            ("^[a&&b]+$", b"a&b"),
            (r"\<a\>", b"<a>"),
            ("^[[:digit:]]{2,}$", b"2026"),
            (r"(?m)^role:master\r$", b"x\r\nrole:master\r\ny"),
            (r"[^\]]x\$", b"ax$"),
        ] {
            assert!(matches(pattern, text), "{pattern}");
        }
    }

    #[test]
    fn what_pcre_does_not_match_is_not_matched() {
        for (pattern, text) in [
            (r"\Qa.b\E", &b"axb"[..]),
            ("a{,3}", b"aaa"),
            ("^a{2}$", b"aaa"),
            (r"^\+OK$", b"+OK\r\n"),
            ("^[a&&b]$", b"c"),
        ] {
            assert!(!matches(pattern, text), "{pattern}");
        }
    }

    #[test]
    fn broken_expressions_come_out_broken_and_nothing_panics() {
        for pattern in ["\\", "[", "[^", "[[:", "[\\", "{", "(", "é\\é[é", "\\Q", "[]"] {
            let _ = regex::bytes::Regex::new(&translated(pattern));
        }
        assert_eq!(translated("role:master"), "role:master");
    }
}
