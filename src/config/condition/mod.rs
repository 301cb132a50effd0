//! What stands after `.if` and `.elif`, and in `-cc`: text in, true, false or a fault out.
//!
//! The words of the line are joined by one blank before they come here, so quotes of the line are gone; the
//! arguments of a predicate are quoted once more. `||` binds least, then `&&`, then `!`. Nothing at all is
//! false. Versions compare with the HAProxy version that rolecall shows.

mod blocks;

pub use blocks::{Blocks, Reading};

use super::lexer::{self, Environment};

/// The HAProxy version that `version_atleast()` answers for.
const VERSION: [u32; 3] = [2, 6, 12];

/// How deep parentheses may nest: each costs a little of the stack.
const DEEPEST: usize = 64;

/// Build features that `feature()` affirms, as HAProxy names them: what they stand for is there, whoever does it.
/// Without `OPENSSL` a file would lose its TLS lines, and its clients would be served in the clear.
const FEATURES: [&str; 11] = [
    "ACCEPT4",
    "EPOLL",
    "GETADDRINFO",
    "LINUX_SPLICE",
    "LINUX_TPROXY",
    "OPENSSL",
    "PROMEX",
    "SYSTEMD",
    "TFO",
    "THREAD",
    "TPROXY",
];

/// What `openssl_version_atleast()` is compared with: the version whose TLS 1.2 and 1.3 files are written for.
const OPENSSL: (&[u8], [u32; 3]) = (b"OpenSSL", [3, 0, 0]);

/// Build options that `enabled()` affirms, and that could be switched off in HAProxy.
const SWITCHES: [&str; 3] = ["EPOLL", "GETADDRINFO", "POLL"];

/// Why a condition has no value; worded as HAProxy words it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConditionFault {
    #[error("unparsable conditional expression '{0}'")]
    Unparsable(String),
    #[error("expected ')' after conditional expression '{0}'")]
    Unclosed(String),
    #[error("unexpected character '{found}' at the end of conditional expression '{text}'")]
    Trailing { found: char, text: String },
    #[error("'{name}' expects {expected} arguments, found {found}, in conditional expression '{text}'")]
    Arguments { name: String, expected: usize, found: usize, text: String },
    #[error("too many parentheses in conditional expression")]
    TooDeep,
}

/// Whether a condition holds. `ROLECALL` counts as defined, so that one file can serve both programs.
pub fn evaluate(text: &str, environment: &Environment) -> Result<bool, ConditionFault> {
    if text.trim().is_empty() {
        return Ok(false);
    }
    let mut reader = Reader { text, rest: text.trim_start(), environment, depth: 0 };
    let value = reader.any()?;
    match reader.rest.chars().next() {
        None => Ok(value),
        Some(found) => Err(ConditionFault::Trailing { found, text: text.to_owned() }),
    }
}

struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
    environment: &'a Environment,
    depth: usize,
}

impl Reader<'_> {
    /// Both sides are always read, so that a fault shows whatever the values are.
    fn any(&mut self) -> Result<bool, ConditionFault> {
        let mut value = self.all()?;
        while self.take("||") {
            value |= self.all()?;
        }
        Ok(value)
    }

    fn all(&mut self) -> Result<bool, ConditionFault> {
        let mut value = self.term()?;
        while self.take("&&") {
            value &= self.term()?;
        }
        Ok(value)
    }

    fn term(&mut self) -> Result<bool, ConditionFault> {
        let mut negated = false;
        while self.take("!") {
            negated = !negated;
        }
        let value = if self.rest.starts_with('(') { self.group()? } else { self.atom()? };
        self.rest = self.rest.trim_start();
        Ok(value != negated)
    }

    fn group(&mut self) -> Result<bool, ConditionFault> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(ConditionFault::TooDeep);
        }
        self.take("(");
        let value = self.any()?;
        self.depth -= 1;
        if self.take(")") { Ok(value) } else { Err(ConditionFault::Unclosed(self.text.to_owned())) }
    }

    /// An integer or a predicate.
    fn atom(&mut self) -> Result<bool, ConditionFault> {
        let sign = usize::from(self.rest.starts_with(['-', '+']));
        let digits = self.rest[sign..].bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 {
            let (number, rest) = self.rest.split_at(sign + digits);
            self.rest = rest;
            return Ok(number.bytes().any(|byte| (b'1'..=b'9').contains(&byte)));
        }
        let unparsable = || ConditionFault::Unparsable(self.rest.to_owned());
        let name = self.rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        if name == 0 || !self.rest[name..].starts_with('(') {
            return Err(unparsable());
        }
        let call = lexer::split_arguments(self.rest.as_bytes()).map_err(|_| unparsable())?;
        let arguments = call.arguments.unwrap_or_default();
        let value = self.predicate(&self.rest[..name], &arguments)?;
        self.rest = &self.rest[self.rest.len() - call.rest.len()..];
        Ok(value)
    }

    fn predicate(&self, name: &str, arguments: &[Vec<u8>]) -> Result<bool, ConditionFault> {
        let expected = match name {
            "streq" | "strneq" | "strstr" => 2,
            "defined" | "feature" | "version_atleast" | "version_before" | "enabled" => 1,
            "openssl_version_atleast" | "openssl_version_before" | "ssllib_name_startswith" => 1,
            _ => return Err(ConditionFault::Unparsable(self.rest.to_owned())),
        };
        let one = |at: usize| arguments.get(at).map(Vec::as_slice).unwrap_or_default();
        // `defined()` and its like ask for an empty name.
        if arguments.len() != expected && !(expected == 1 && arguments.is_empty()) {
            return Err(ConditionFault::Arguments {
                name: name.to_owned(),
                expected,
                found: arguments.len(),
                text: self.text.to_owned(),
            });
        }
        Ok(match name {
            "streq" => one(0) == one(1),
            "strneq" => one(0) != one(1),
            "strstr" => memchr::memmem::find(one(0), one(1)).is_some(),
            "defined" => one(0) == b"ROLECALL" || self.environment.get(one(0)).is_some(),
            "feature" => FEATURES.iter().any(|feature| feature.as_bytes() == one(0)),
            "version_atleast" => VERSION >= version(one(0)),
            "version_before" => VERSION < version(one(0)),
            "enabled" => SWITCHES.iter().any(|switch| switch.as_bytes() == one(0)),
            "openssl_version_atleast" => OPENSSL.1 >= version(one(0)),
            "openssl_version_before" => OPENSSL.1 < version(one(0)),
            _ => OPENSSL.0.starts_with(one(0)),
        })
    }

    fn take(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }
}

/// Up to three numbers between dots; what is missing or no number is 0, and so is what follows a dash.
fn version(text: &[u8]) -> [u32; 3] {
    let text = String::from_utf8_lossy(text);
    let mut numbers = [0; 3];
    let plain = text.split('-').next().unwrap_or_default();
    for (number, part) in numbers.iter_mut().zip(plain.split('.')) {
        *number = part.parse().unwrap_or_default();
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(text: &str) -> Result<bool, String> {
        evaluate(text, &Environment::from([("A", "1")])).map_err(|fault| fault.to_string())
    }

    /// Recorded from HAProxy 2.6.12, but for `ROLECALL`, `strstr` (later) and the features.
    #[test]
    fn conditions_have_haproxys_value() {
        let holds = [
            "1",
            "2",
            "-1",
            "01",
            "!!1",
            "1&&1",
            "1 || 0 && 0",
            "(1)",
            "defined(A)",
            "defined(\"A\")",
            "feature(EPOLL)",
            "streq(a,a)",
            "streq(\"a b\",a b)",
            "strneq(a,b)",
            "version_atleast(2.6)",
            "version_before(3)",
            "version_atleast(2.6-dev1)",
            "version_atleast(x)",
            "strstr(abc,b)",
            "enabled(EPOLL)",
            "feature(OPENSSL) && feature(PROMEX)",
            "openssl_version_atleast(1.1.1) && !openssl_version_before(1.1.1)",
            "ssllib_name_startswith(OpenSSL) && !ssllib_name_startswith(LibreSSL)",
            "defined(ROLECALL)",
            "!defined(NOPE) && !(0 || 0)",
        ];
        for text in holds {
            assert_eq!(value(text), Ok(true), "{text}");
        }
        let fails = [
            "",
            " ",
            "0",
            "!1",
            "! 1",
            "1 && 0",
            "( 1 || 0 ) && 0",
            "defined(NOPE)",
            "defined()",
            "feature(X)",
            "version_atleast(2.6.13)",
            "version_before(2.6.12)",
            "strstr(b,abc)",
            "enabled(SPLICE)",
        ];
        for text in fails {
            assert_eq!(value(text), Ok(false), "{text}");
        }
    }

    #[test]
    fn faults_are_worded_as_haproxy_does() {
        let cases = [
            ("foo", "unparsable conditional expression 'foo'"),
            ("&& 1", "unparsable conditional expression '&& 1'"),
            ("(1", "expected ')' after conditional expression '(1'"),
            ("1)", "unexpected character ')' at the end of conditional expression '1)'"),
            ("1 2", "unexpected character '2' at the end of conditional expression '1 2'"),
            ("1 &", "unexpected character '&' at the end of conditional expression '1 &'"),
            ("1a", "unexpected character 'a' at the end of conditional expression '1a'"),
            ("streq(a)", "'streq' expects 2 arguments, found 1, in conditional expression 'streq(a)'"),
            ("defined(a", "unparsable conditional expression 'defined(a'"),
            ("0 && foo(1)", "unparsable conditional expression 'foo(1)'"),
        ];
        for (text, fault) in cases {
            assert_eq!(value(text), Err(fault.to_owned()), "{text}");
        }
        assert_eq!(
            value(&"(".repeat(100_000)),
            Err("too many parentheses in conditional expression".to_owned())
        );
    }

    proptest! {
        #[test]
        fn any_text_has_a_value_or_a_fault(text in r#"([a-z(),!&|"' 0-9é-]|defined\(|streq\(){0,30}"#) {
            let _ = value(&text);
        }
    }
}
