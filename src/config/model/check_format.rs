//! Texts of checks that may hold expressions (`send-lf`, `string-lf`, `on-error`, `set-var`; manual section 4.2),
//! read once when the config is; the check puts the values in.

use super::convert::Converter;
use crate::config::secret::Secret;

/// Pieces of a text, in their order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CheckFormat {
    pub pieces: Vec<CheckPiece>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum CheckPiece {
    /// May hold a password.
    Text(Secret),
    /// Empty if it has no value.
    Sample(CheckSample),
    /// The value of `X-Haproxy-Server-State`.
    ServerState,
    /// How many bytes the other text has.
    LengthOf(CheckFormat),
    /// The other text, or `/` if it comes to nothing.
    Path(CheckFormat),
}

/// A fetch and its converters, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckSample {
    pub fetch: CheckFetch,
    pub converters: Vec<CheckConverter>,
}

/// What an expression in a check may begin with.
#[derive(Debug, Clone, PartialEq)]
pub enum CheckFetch {
    /// `str(...)`, `env(...)`
    Text(Secret),
    Integer(i64),
    Bool(bool),
    BackendName,
    BackendId,
    ServerName,
    ServerId,
    Hostname,
    /// Seconds since 1970, and so many more.
    Date(i64),
    /// Below that bound.
    Random(u32),
    /// `check.NAME`, as written.
    Variable(String),
    InputLength,
    /// So many bytes from an offset; 0: all there are.
    Input {
        offset: usize,
        length: usize,
    },
    Status,
    Body,
    /// In lower case.
    Header(String),
}

#[derive(Debug, Clone, PartialEq)]
pub enum CheckConverter {
    /// Up to the end of the first line.
    CutCrlf,
    Plain(Converter),
}

/// What `set-var` and `set-var-fmt` give a variable.
#[derive(Debug, Clone, PartialEq)]
pub enum VariableValue {
    Sample(CheckSample),
    Format(CheckFormat),
}

/// What the bytes of a format are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    Text,
    /// Written in hexadecimal: `send-binary-lf`, `binary-lf`.
    Hexadecimal,
}

impl CheckFormat {
    /// A text without any expression.
    pub fn text(text: impl Into<Vec<u8>>) -> CheckFormat {
        CheckFormat { pieces: vec![CheckPiece::Text(Secret::new(text))] }
    }

    /// One expression and nothing else.
    pub fn of(fetch: CheckFetch, converters: impl Into<Vec<CheckConverter>>) -> CheckFormat {
        let sample = CheckSample { fetch, converters: converters.into() };
        CheckFormat { pieces: vec![CheckPiece::Sample(sample)] }
    }

    /// The whole text, if it is the same in every check.
    pub fn constant(&self) -> Option<Vec<u8>> {
        let mut whole = Vec::new();
        for piece in &self.pieces {
            let CheckPiece::Text(text) = piece else { return None };
            whole.extend_from_slice(text.expose());
        }
        Some(whole)
    }

    /// Adds a text behind the others.
    pub fn push_text(&mut self, text: &[u8]) {
        self.pieces.push(CheckPiece::Text(Secret::new(text)));
    }

    /// Adds all of another one behind the others.
    pub fn push(&mut self, other: &CheckFormat) {
        self.pieces.extend(other.pieces.iter().cloned());
    }
}
