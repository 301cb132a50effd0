//! The variables that config texts may name: the process's at the start, changed by `setenv` and family
//! while the texts are read. A value of its own, so that reading the texts touches nothing outside.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::super::bundle::Bundle;
use super::piece::is_name_byte;

/// Names and values; any bytes.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment {
    variables: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Environment {
    /// The value, unless it is unset.
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.variables.get(name).map(Vec::as_slice)
    }

    /// `setenv`: sets or replaces.
    pub fn set(&mut self, name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.variables.insert(name.into(), value.into());
    }

    /// `unsetenv`.
    pub fn unset(&mut self, name: &[u8]) {
        self.variables.remove(name);
    }

    /// `resetenv`: keeps only those that `keep` names.
    pub fn retain(&mut self, keep: impl Fn(&[u8]) -> bool) {
        self.variables.retain(|name, _| keep(name));
    }

    /// The value of a name as it stands in a text: pseudo variables first. A section that has not begun is
    /// an empty one.
    pub(super) fn lookup<'a>(&'a self, name: &[u8], context: &LineContext<'a>) -> Option<Cow<'a, [u8]>> {
        match name {
            b".FILE" => Some(Cow::Borrowed(context.file.as_bytes())),
            b".LINE" => Some(Cow::Owned(context.line.to_string().into_bytes())),
            b".SECTION" => Some(Cow::Borrowed(context.section.as_bytes())),
            _ => self.get(name).map(Cow::Borrowed),
        }
    }
}

impl From<&Bundle> for Environment {
    fn from(bundle: &Bundle) -> Environment {
        let own = |(name, value): (&String, &String)| (name.clone().into_bytes(), value.clone().into_bytes());
        Environment { variables: bundle.environment.iter().map(own).collect() }
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(variables: [(&str, &str); N]) -> Environment {
        let own = |(name, value): (&str, &str)| (name.into(), value.into());
        Environment { variables: variables.into_iter().map(own).collect() }
    }
}

/// Values may be passwords: only the names are shown.
impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.variables.keys().map(|name| String::from_utf8_lossy(name))).finish()
    }
}

/// What the pseudo variables `.FILE`, `.LINE` and `.SECTION` stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LineContext<'a> {
    pub file: &'a str,
    pub line: u32,
    /// The keyword that opened the section; empty before the first.
    pub section: &'a str,
}

/// Addresses have their variables expanded even outside quotes, after the lexer, and by a laxer rule: a
/// name may start with a digit, the brace need not be closed, there is no default, unset is empty.
pub fn expand_unquoted(text: &[u8], environment: &Environment) -> Vec<u8> {
    let mut expanded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(dollar) = memchr::memchr(b'$', rest) {
        expanded.extend_from_slice(&rest[..dollar]);
        rest = &rest[dollar + 1..];
        let braced = rest.first() == Some(&b'{');
        rest = &rest[usize::from(braced)..];
        let length = rest.iter().take_while(|byte| is_name_byte(**byte)).count();
        let value = environment.get(&rest[..length]).unwrap_or_default();
        // As in a line, what variables may add is bounded; no address comes near.
        if expanded.len() + value.len() <= text.len() + super::MAX_EXPANSION {
            expanded.extend_from_slice(value);
        }
        rest = &rest[length..];
        if braced && rest.first() == Some(&b'}') {
            rest = &rest[1..];
        }
    }
    expanded.extend_from_slice(rest);
    expanded
}
