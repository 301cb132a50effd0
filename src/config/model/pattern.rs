//! Lists of patterns (manual sections 7.1 and 7.3.1, `map`): the words of an ACL's line, or the lines of a file that
//! ACLs and maps name. One list is shared by all that name its file. What is written in the config stands here;
//! `state` has the lists that the runtime socket changes.

use std::net::IpAddr;

use super::Value;
use crate::config::rule::matching::Method;

/// Position of a list in [`super::Config::lists`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListId(pub usize);

/// A list, and by which of its readers it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListReader {
    pub list: ListId,
    /// Position in [`PatternList::readers`].
    pub reader: usize,
}

/// A list as the config has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternList {
    /// The runtime socket's number for it.
    pub number: u32,
    /// `None`: the words of a line.
    pub file: Option<String>,
    /// Who uses it, in HAProxy's words.
    pub description: String,
    pub columns: Columns,
    pub in_acls: bool,
    pub in_maps: bool,
    pub readers: Vec<Reader>,
    pub entries: Vec<Entry>,
}

/// What a line of a list is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    Pattern,
    PatternAndValue,
}

/// One pattern, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub key: Vec<u8>,
    /// Of a map.
    pub value: Option<Vec<u8>>,
}

/// How the patterns of a list are read; one list may be read in several ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reader {
    pub method: Method,
    pub ignore_case: bool,
    /// What the values of a map are; `None`: whatever they are, nobody asks for them.
    pub output: Option<Output>,
}

/// What a map's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    Text,
    /// The same, with the parts that an expression has found put in (`map_regm`).
    Expanded,
    Integer,
    Address,
}

/// A map converter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    pub list: ListReader,
    pub method: Method,
    pub output: Output,
    pub default: Option<Value>,
}

impl Output {
    /// A value of a map; `None` if it is none of that type.
    pub fn read(self, text: &[u8]) -> Option<Value> {
        let form = || std::str::from_utf8(text).ok();
        match self {
            Output::Text | Output::Expanded => Some(Value::Text(text.to_vec())),
            Output::Integer => form()?.parse().ok().map(Value::Integer),
            Output::Address => form()?.parse::<IpAddr>().ok().map(Value::Address),
        }
    }
}

impl PatternList {
    /// What is wrong with an entry, for any of its readers; HAProxy's words.
    pub fn fault_of_value(&self, value: &[u8]) -> Option<String> {
        let outputs = self.readers.iter().filter_map(|reader| reader.output);
        let mut refusing = outputs.filter(|output| output.read(value).is_none());
        refusing.next().map(|_| unreadable(value))
    }
}

/// Said of a value that is none of its type.
pub fn unreadable(value: &[u8]) -> String {
    format!("unable to parse '{}'", String::from_utf8_lossy(value))
}
