//! A list of patterns as it is now: what the config has, and what the runtime socket has made of it (management guide
//! section 9.3, `add map`, `prepare acl` and their like). Pure: whoever shares one locks it.
//!
//! Every entry belongs to a version. One version is in use; others are prepared, and are asked by nobody until they
//! are committed, which removes all older ones at once.

mod index;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::index::Index;
use super::matching::{is_true, text};
use crate::config::model::{Matcher, Output, PatternList, Value};
use crate::config::rule::matching::Method;

/// What one list may hold, in bytes of keys and values: the runtime socket must not be able to fill the memory.
const LARGEST: usize = 256 << 20;

/// Entries are numbered from there on: the numbers look like the addresses that HAProxy shows, and nobody means one by
/// accident.
const FIRST: u64 = 0x7f00_0000_0000;

/// What an entry costs beside its texts.
const ENTRY: usize = 128;

/// The same for a compiled expression.
const EXPRESSION: usize = 8 << 10;

/// See the module.
#[derive(Debug)]
pub struct Patterns {
    list: Arc<PatternList>,
    entries: BTreeMap<u64, Element>,
    /// One for each of the list's readers.
    indexes: Vec<Index>,
    made: u64,
    size: usize,
    current: u32,
    next: u32,
}

/// One pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    pub version: u32,
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
}

/// Which entries are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    Key(Vec<u8>),
    /// `#0x...`: by its number.
    Number(u64),
}

impl Patterns {
    /// As the config has it.
    pub fn new(list: &Arc<PatternList>) -> Patterns {
        let mut patterns = Patterns {
            list: Arc::clone(list),
            entries: BTreeMap::new(),
            indexes: list.readers.iter().map(|reader| Index::new(*reader)).collect(),
            made: FIRST,
            size: 0,
            current: 0,
            next: 0,
        };
        for entry in &list.entries {
            // Each was read when the config was.
            let _ = patterns.insert(0, &entry.key, entry.value.as_deref());
        }
        patterns
    }

    /// What the config says of it.
    pub fn list(&self) -> &Arc<PatternList> {
        &self.list
    }

    /// The version in use, and the last that was prepared.
    pub fn versions(&self) -> (u32, u32) {
        (self.current, self.next)
    }

    /// Entries of all versions.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Up to so many entries of a version, from a number on.
    pub fn page(&self, version: u32, from: u64, most: usize) -> Vec<(u64, Element)> {
        let rest = self.entries.range(from..).filter(|(_, element)| element.version == version);
        rest.take(most).map(|(number, element)| (*number, element.clone())).collect()
    }

    /// The entry that the value comes under.
    pub fn find(&self, reader: usize, value: &Value) -> Option<(u64, &Element)> {
        let counts =
            |number: u64| self.entries.get(&number).is_some_and(|entry| entry.version == self.current);
        let number = self.indexes.get(reader)?.find(*self.list.readers.get(reader)?, value, counts)?;
        self.entries.get(&number).map(|element| (number, element))
    }

    /// Whether an ACL's value comes under any; ways to match that need no pattern do without.
    pub fn has(&self, reader: usize, value: &Value) -> bool {
        match self.list.readers.get(reader).map(|reader| reader.method) {
            Some(Method::Found) => true,
            Some(Method::Bool) => is_true(value),
            _ => self.find(reader, value).is_some(),
        }
    }

    /// What a map gives for the value.
    pub fn map(&self, reader: usize, value: &Value) -> Option<Value> {
        let (number, element) = self.find(reader, value)?;
        let output = self.list.readers.get(reader)?.output.unwrap_or(Output::Text);
        let found = element.value.as_deref().unwrap_or_default();
        match (output, self.indexes.get(reader)?.matcher(number)) {
            (Output::Expanded, Some(Matcher::Regex(regexes))) => {
                let text = text(value);
                let captures = regexes.first()?.captures(&text)?;
                Some(Value::Text(expanded(found, &captures)))
            }
            _ => output.read(found),
        }
    }

    /// Puts an entry at the end of a version.
    pub fn add(&mut self, version: Option<u32>, key: &[u8], value: Option<&[u8]>) -> Result<(), String> {
        if self.size.saturating_add(self.weight(key, value)) > LARGEST {
            return Err("the list is full.".to_owned());
        }
        self.insert(version.unwrap_or(self.current), key, value)
    }

    fn insert(&mut self, version: u32, key: &[u8], value: Option<&[u8]>) -> Result<(), String> {
        if let Some(fault) = value.and_then(|value| self.list.fault_of_value(value)) {
            return Err(format!("{fault}."));
        }
        let number = self.made + 1;
        let mut readers = self.list.readers.iter().zip(&mut self.indexes).enumerate();
        let refused = readers.find_map(|(at, (reader, index))| {
            index.insert(*reader, number, key).err().map(|fault| (at, fault))
        });
        if let Some((at, fault)) = refused {
            self.unindex(number, key, at);
            return Err(fault);
        }
        self.made = number;
        self.size += self.weight(key, value);
        let value = value.map(<[u8]>::to_vec);
        self.entries.insert(number, Element { version, key: key.to_vec(), value });
        Ok(())
    }

    /// Gives entries another value, those of all versions; whether there were any.
    pub fn set(&mut self, which: &Which, value: &[u8]) -> Result<bool, String> {
        if let Some(fault) = self.list.fault_of_value(value) {
            return Err(format!("{fault}."));
        }
        let mut any = false;
        let meant = self.entries.iter_mut().filter(|(number, element)| which.means(**number, element));
        for (_, element) in meant {
            self.size = self.size + value.len() - element.value.as_ref().map_or(0, Vec::len);
            element.value = Some(value.to_vec());
            any = true;
        }
        Ok(any)
    }

    /// Removes entries, those of all versions; whether there were any.
    pub fn delete(&mut self, which: &Which) -> bool {
        let before = self.len();
        self.retain(|number, element| !which.means(number, element));
        self.len() < before
    }

    /// Removes all entries of a version.
    pub fn clear(&mut self, version: Option<u32>) {
        let version = version.unwrap_or(self.current);
        self.retain(|_, element| element.version != version);
    }

    /// The number of a new version.
    pub fn prepare(&mut self) -> u32 {
        self.next = self.next.wrapping_add(1);
        self.next
    }

    /// Whether that version has been prepared.
    pub fn is_prepared(&self, version: u32) -> bool {
        self.next.wrapping_sub(version) < 1 << 31
    }

    /// From now on that version is in use; `false` if it is not one that was prepared.
    pub fn commit(&mut self, version: u32) -> bool {
        let ahead = version.wrapping_sub(self.current);
        if ahead == 0 || ahead > self.next.wrapping_sub(self.current) {
            return false;
        }
        self.current = version;
        self.retain(|_, element| version.wrapping_sub(element.version) as i32 <= 0);
        true
    }

    fn retain(&mut self, keep: impl Fn(u64, &Element) -> bool) {
        let gone: Vec<u64> = self
            .entries
            .iter()
            .filter(|(number, element)| !keep(**number, element))
            .map(|(number, _)| *number)
            .collect();
        for number in gone {
            let Some(element) = self.entries.remove(&number) else { continue };
            self.size -= self.weight(&element.key, element.value.as_deref());
            self.unindex(number, &element.key, self.indexes.len());
        }
    }

    fn weight(&self, key: &[u8], value: Option<&[u8]>) -> usize {
        let compiled = self.list.readers.iter().filter(|reader| reader.method == Method::Regex).count();
        key.len() + value.map_or(0, <[u8]>::len) + ENTRY + compiled * EXPRESSION
    }

    /// Takes an entry out of the first so many indexes.
    fn unindex(&mut self, number: u64, key: &[u8], count: usize) {
        for (reader, index) in self.list.readers.iter().zip(&mut self.indexes).take(count) {
            index.remove(*reader, number, key);
        }
    }
}

impl Which {
    fn means(&self, number: u64, element: &Element) -> bool {
        match self {
            Which::Key(key) => element.key == *key,
            Which::Number(wanted) => number == *wanted,
        }
    }
}

/// `\0` to `\9`: what the expression found; a backslash takes the meaning from any other character.
fn expanded(template: &[u8], captures: &regex::bytes::Captures<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(template.len());
    let mut rest = template.iter();
    while let Some(byte) = rest.next() {
        match (byte, rest.clone().next()) {
            (b'\\', Some(digit)) if digit.is_ascii_digit() => {
                rest.next();
                let group = captures.get(usize::from(digit - b'0'));
                out.extend_from_slice(group.map_or(&[], |group| group.as_bytes()));
            }
            (b'\\', Some(other)) => {
                rest.next();
                out.push(*other);
            }
            _ => out.push(*byte),
        }
    }
    out
}
