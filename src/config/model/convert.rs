//! What may be made of a sample (manual section 7.3.1), resolved. `rules` does it.

use super::{Counter, HashFunction, TableId};

/// What is made of a sample.
#[derive(Debug, Clone)]
pub enum Converter {
    Lower,
    Upper,
    Length,
    Hex,
    HexToInteger,
    /// A hash of the bytes; mixed, if that is asked for.
    Hash(HashFunction, Mixing),
    Base64(Alphabet),
    FromBase64(Alphabet),
    UrlDecode,
    /// Four bytes, the most significant first.
    NetworkOrder,
    CutLineEnd,
    IpMask {
        v4: u8,
        v6: u8,
    },
    Bool,
    Not,
    Neg,
    Odd,
    Even,
    Complement,
    Arithmetic(Arithmetic, i64),
    Bytes {
        offset: usize,
        length: Option<usize>,
    },
    Field {
        index: i64,
        delimiters: Vec<u8>,
        count: i64,
    },
    Word {
        index: i64,
        delimiters: Vec<u8>,
        count: i64,
    },
    TrimLeft(Vec<u8>),
    TrimRight(Vec<u8>),
    Concatenate(Vec<u8>),
    Replace {
        regex: regex::bytes::Regex,
        by: Vec<u8>,
        all: bool,
    },
    Equals(Vec<u8>),
    Choose(Vec<u8>, Vec<u8>),
    InTable(TableId),
    Looked(Counter, TableId),
}

/// Whether a hash's bits are mixed in the end (`crc32(1)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mixing {
    Plain,
    Avalanche,
}

/// Of Base64 (RFC 4648): the usual one with padding, or the one of URLs without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alphabet {
    Standard,
    Url,
}

/// `add(N)` and its like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    And,
    Or,
    Xor,
}

impl PartialEq for Converter {
    /// Expressions are compared by their text.
    fn eq(&self, other: &Converter) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}
