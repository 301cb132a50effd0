//! What may be made of a sample (manual section 7.3.1), resolved. `rules` does it.

use jiff::tz::TimeZone;

use super::{Counter, HashFunction, Map, Secret, TableId, VariableId};

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
    UrlDecode(Plus),
    UrlEncode,
    /// Four bytes, the most significant first.
    NetworkOrder,
    CutLineEnd,
    IpMask {
        v4: u8,
        /// `None`: an IPv6 address comes to nothing.
        v6: Option<u8>,
    },
    Bool,
    Not,
    Neg,
    Odd,
    Even,
    Complement,
    Arithmetic(Arithmetic, i64),
    /// Fewer where there are not so many.
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
    /// A text behind what is there and a delimiter.
    Item {
        delimiter: Vec<u8>,
        text: Vec<u8>,
    },
    Replace {
        regex: regex::bytes::Regex,
        by: Vec<u8>,
        all: bool,
    },
    Equals(Vec<u8>),
    Choose(Vec<u8>, Vec<u8>),
    InTable(TableId),
    Looked(Counter, TableId),
    /// The same of an entry that may be missing, and what stands in for it.
    LookedOr(Counter, TableId, Option<i64>),
    Map(Map),
    /// With a variable's value.
    Joined(Joined, VariableId),
    Digest(DigestKind),
    /// Under a key.
    Hmac(DigestKind, Secret),
    Xxh(Xxh, u64),
    JsonEscape(JsonInput),
    JsonQuery(JsonQuery),
    BigEndian(BigEndian),
    Host,
    Port,
    Moment(Moment),
    /// How many servers of the backend of that name get sessions.
    UsableServers,
    /// How many sessions wait for the server `BACKEND/SERVER`.
    ServerQueue,
    /// `debug`
    Same,
}

/// Where a `+` stands for a blank (`url_dec`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plus {
    InQuery,
    Everywhere,
}

/// What is done with a sample and a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Joined {
    /// As texts, like C's `strcmp`: how far apart the first bytes are that differ.
    Compare,
    /// In a time that does not tell where they differ.
    CompareSecretly,
    /// The variable's value and another text behind it.
    Concatenate {
        before: Vec<u8>,
        after: Vec<u8>,
    },
    /// The same; the delimiter only where something stands before it.
    AddItem {
        delimiter: Vec<u8>,
        after: Vec<u8>,
    },
    Arithmetic(Arithmetic),
    /// Under the variable's value as a key, which is in Base64.
    Hmac(DigestKind),
}

/// Digests by OpenSSL's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DigestKind {
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    Sha512Of224,
    Sha512Of256,
}

/// Yann Collet's hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Xxh {
    Xxh32,
    Xxh64,
    Xxh3,
}

/// How `json` reads its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonInput {
    /// Each byte is a character.
    Ascii,
    /// What is no UTF-8 comes to nothing.
    Utf8,
    /// What is no UTF-8 is left out.
    Utf8Lenient,
}

/// `json_query`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonQuery {
    pub path: Vec<Hop>,
    pub numbers: JsonNumbers,
}

/// One step into a JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hop {
    Member(String),
    Element(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonNumbers {
    /// As a text, with six digits that count.
    Text,
    /// The digits before the point.
    Integer,
}

/// `be2dec`, `be2hex`: chunks of bytes, the most significant first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BigEndian {
    pub radix: Radix,
    pub separator: Vec<u8>,
    pub chunk: usize,
    pub last: LastChunk,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Radix {
    Decimal,
    Hexadecimal,
}

/// What becomes of a chunk that is too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastChunk {
    Kept,
    Dropped,
}

/// A moment as a text: `http_date`, `utime`, `ltime`.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    pub offset: i64,
    pub unit: SampleUnit,
    pub zone: TimeZone,
    /// For `strftime`; `None`: as HTTP has it.
    pub format: Option<String>,
}

/// What an integer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleUnit {
    Seconds,
    Milliseconds,
    Microseconds,
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
