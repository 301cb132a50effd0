//! The table of converters: name, types, how many arguments, and what they make.
//!
//! * `table`: the rows.
//! * `arguments`: what the arguments come to.

mod arguments;
mod table;

pub use arguments::Made;

use self::table::{CONVERTERS, MAPS};
use super::fetch::Kind;
use super::matching::Method;
use crate::config::model::{Converter, Counter, Output};

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct ConverterRow {
    pub name: &'static str,
    /// What goes in, and what comes out.
    pub kinds: (Kind, Kind),
    /// The fewest and the most arguments.
    pub arguments: (usize, usize),
    pub makes: Makes,
    /// One line: what it does.
    pub help: &'static str,
}

/// What a converter's arguments make.
#[derive(Debug, Clone, Copy)]
pub enum Makes {
    /// `None`: the arguments are of no use.
    Plain(fn(&[Vec<u8>]) -> Option<Converter>),
    /// It looks into a table.
    InTable,
    Looked(Counter),
    /// By a number before the name of the table.
    LookedAt(fn(u8) -> Counter),
    /// The same, with a number for entries that are missing.
    LookedOr(Counter),
    /// It may take a variable.
    Joined(fn(&[Vec<u8>]) -> Option<Made>),
    /// It looks into a file.
    Map(Method, Output),
    /// HAProxy knows it, rolecall does not.
    Unsupported,
}

/// The row of that name.
pub fn find(name: &str) -> Option<ConverterRow> {
    let known = all().find(|row| row.name == name).copied();
    known.or_else(|| {
        let name = OTHERS.iter().find(|other| **other == name)?;
        let help = "not known to this version of rolecall";
        let kinds = (Kind::Any, Kind::Any);
        Some(ConverterRow { name, kinds, arguments: (0, 9), makes: Makes::Unsupported, help })
    })
}

/// Every row that rolecall evaluates.
pub fn all() -> impl Iterator<Item = &'static ConverterRow> {
    CONVERTERS.iter().chain(MAPS)
}

/// Every name, for suggestions.
pub fn names() -> impl Iterator<Item = &'static str> {
    all().map(|row| row.name)
}

/// What HAProxy 2.6 knows besides. What `wt6` does is written nowhere but in HAProxy's source.
#[rustfmt::skip]
static OTHERS: &[&str] = &[
    "aes_gcm_dec", "capture-req", "capture-res", "fix_is_valid", "fix_tag_value", "jwt_header_query",
    "jwt_payload_query", "jwt_verify", "language", "mqtt_field_value", "mqtt_is_valid", "protobuf", "set-var",
    "ungrpc", "unset-var", "wt6",
];

impl Kind {
    /// Whether HAProxy makes one of the other out of it, if it can.
    pub fn fits(self, wanted: Kind) -> bool {
        match (self, wanted) {
            (Kind::Any, _) | (_, Kind::Any) => true,
            (Kind::Integer | Kind::Text, _) => true,
            (Kind::Address, wanted) => wanted != Kind::Bool,
            (Kind::Bool, wanted) => wanted != Kind::Address,
            (Kind::Binary, wanted) => matches!(wanted, Kind::Binary | Kind::Text),
        }
    }
}
