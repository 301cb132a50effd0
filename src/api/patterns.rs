//! `show acl`, `add map` and their like (management guide section 9.3): words in, what is to be done or HAProxy's
//! complaint out; and how lists and what is found in them are written.

use crate::config::model::{Output, PatternList, Reader, TextMatch, Value};
use crate::config::rule::matching::{self, Method};
use crate::rules::patterns::{Element, Which};

/// What the command calls a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noun {
    Acl,
    Map,
}

/// What is to be done with a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Show,
    Get,
    Add,
    Set,
    Delete,
    Clear,
    Prepare,
    Commit,
}

/// The words after a command, and the lines that came with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub noun: Noun,
    pub verb: Verb,
    pub words: Vec<String>,
    /// After `<<`.
    pub payload: Option<String>,
}

/// Keys, and the values of a map.
pub type Entries = Vec<(String, Option<String>)>;

/// An order, read. Names of lists are as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    Lists,
    Entries {
        list: String,
        version: Option<u32>,
    },
    Lookup {
        list: String,
        value: String,
    },
    /// And what to say once the entries are in.
    Add {
        list: String,
        version: Option<u32>,
        entries: Entries,
        fault: Option<String>,
    },
    Set {
        list: String,
        which: Which,
        value: String,
    },
    Delete {
        list: String,
        which: Which,
    },
    Clear {
        list: String,
        version: Option<u32>,
    },
    Prepare {
        list: String,
    },
    Commit {
        list: String,
        version: u32,
    },
}

impl Order {
    /// What the words say.
    ///
    /// # Errors
    ///
    /// HAProxy's complaint, with its line feed.
    pub fn read(&self) -> Result<Wanted, String> {
        let noun = self.noun.name();
        let (version, words) = self.version();
        let word = |at: usize| words.get(at).filter(|word| !word.is_empty()).cloned();
        let list = || word(0).unwrap_or_default();
        let named = || word(0).ok_or_else(|| format!("Missing {noun} identifier.\n"));
        Ok(match self.verb {
            Verb::Show if self.words.is_empty() => Wanted::Lists,
            Verb::Show => Wanted::Entries { list: list(), version },
            Verb::Get => {
                let value = word(1).ok_or_else(|| format!("Missing {noun} identifier and/or key.\n"))?;
                Wanted::Lookup { list: list(), value }
            }
            Verb::Add => {
                let (entries, fault) =
                    self.entries(words).ok_or_else(|| self.noun.expectation().to_owned())?;
                Wanted::Add { list: list(), version, entries, fault }
            }
            Verb::Set => {
                let (Some(key), Some(value)) = (word(1), word(2)) else {
                    return Err("'set map' expects three parameters: map identifier, key and value.\n".into());
                };
                Wanted::Set { list: list(), which: which(&key), value }
            }
            Verb::Delete => {
                let missing = || format!("This command expects two parameters: {noun} identifier and key.\n");
                Wanted::Delete { list: list(), which: which(&word(1).ok_or_else(missing)?) }
            }
            Verb::Clear => Wanted::Clear { list: named()?, version },
            Verb::Prepare => Wanted::Prepare { list: list() },
            Verb::Commit => {
                let version = version.ok_or("Missing version number.\n")?;
                Wanted::Commit { list: named()?, version }
            }
        })
    }

    /// `@VERSION`, and the words behind it. What is no number is 0, as in HAProxy.
    fn version(&self) -> (Option<u32>, &[String]) {
        let takes_version = matches!(self.verb, Verb::Show | Verb::Add | Verb::Clear | Verb::Commit);
        let first = self.words.first().filter(|_| takes_version).and_then(|word| word.strip_prefix('@'));
        match first {
            Some(number) => (Some(number.parse().unwrap_or(0)), &self.words[1..]),
            None => (None, &self.words),
        }
    }

    /// What is to be added; `None`: words are missing.
    fn entries(&self, words: &[String]) -> Option<(Entries, Option<String>)> {
        let word = |at: usize| words.get(at).filter(|word| !word.is_empty()).cloned();
        match (self.noun, &self.payload) {
            (Noun::Acl, _) => Some((vec![(word(1)?, None)], None)),
            (Noun::Map, Some(payload)) if words.len() == 1 => Some(pairs(payload)),
            (Noun::Map, _) => Some((vec![(word(1)?, Some(word(2)?))], None)),
        }
    }
}

/// The lines of a payload, up to the first without a value, and HAProxy's complaint of that one.
fn pairs(payload: &str) -> (Entries, Option<String>) {
    let missing = |key: &str| Some(format!("Missing value for key '{key}'.\n"));
    let mut entries = Vec::new();
    for line in payload.lines() {
        let Some((key, value)) = line.split_once([' ', '\t']) else { return (entries, missing(line)) };
        entries.push((key.to_owned(), Some(value.trim_start().to_owned())));
    }
    let fault = if entries.is_empty() { missing("\n") } else { None };
    (entries, fault)
}

/// `#0x...` is what `show` has before an entry.
fn which(text: &str) -> Which {
    let number = text.strip_prefix('#').map(|text| text.strip_prefix("0x").unwrap_or(text));
    match number.and_then(|number| u64::from_str_radix(number, 16).ok()) {
        Some(number) => Which::Number(number),
        None => Which::Key(text.as_bytes().to_vec()),
    }
}

impl Noun {
    fn name(self) -> &'static str {
        match self {
            Noun::Acl => "ACL",
            Noun::Map => "map",
        }
    }

    fn expectation(self) -> &'static str {
        match self {
            Noun::Acl => "'add acl' expects two parameters: ACL identifier and pattern.\n",
            Noun::Map => {
                "'add map' expects three parameters (map identifier, key and value) or one parameter (map identifier) and a \
                 payload\n"
            }
        }
    }

    /// Said of a list that is not there; HAProxy speaks of maps where ACLs lose an entry.
    pub fn unknown(self, verb: Verb) -> String {
        let noun = if verb == Verb::Delete { "map" } else { self.name() };
        format!("Unknown {noun} identifier. Please use #<id> or <file>.\n")
    }

    /// Said of a version that nobody has prepared.
    pub fn unprepared(self) -> String {
        let noun = if self == Noun::Acl { "acl" } else { "map" };
        format!("Version number in the future, please use 'prepare {noun}' before.\n")
    }

    /// Whether commands of that name know the list.
    pub fn knows(self, list: &PatternList) -> bool {
        match self {
            Noun::Acl => list.in_acls,
            Noun::Map => list.in_maps,
        }
    }
}

/// Whether a name means the list: `#NUMBER`, or that of its file.
pub fn is_named(list: &PatternList, name: &str) -> bool {
    match name.strip_prefix('#') {
        Some(number) => number.parse() == Ok(list.number),
        None => list.file.as_deref() == Some(name),
    }
}

/// What stands above the lists.
pub const HEAD: &str = "# id (file) description\n";

/// A list's line. HAProxy counts an entry once for each way in which the list is read.
pub fn head(list: &PatternList, (current, next): (u32, u32), entries: usize) -> String {
    format!(
        "{} ({}) {}. curr_ver={current} next_ver={next} entry_cnt={}\n",
        list.number,
        list.file.as_deref().unwrap_or_default(),
        list.description,
        entries * list.readers.len()
    )
}

/// An entry's line.
pub fn entry(number: u64, element: &Element) -> String {
    let key = String::from_utf8_lossy(&element.key);
    match &element.value {
        Some(value) => format!("0x{number:012x} {key} {}\n", String::from_utf8_lossy(value)),
        None => format!("0x{number:012x} {key}\n"),
    }
}

/// What one of a list's readers makes of a value.
pub fn found(noun: Noun, reader: Reader, found: Option<&Element>, value: &Value) -> String {
    let case = if reader.ignore_case { "insensitive" } else { "sensitive" };
    let answer = if noun == Noun::Map { "found" } else { "match" };
    let head = format!("type={}, case={case}, {answer}=", kind(reader));
    let Some(element) = found else {
        let holds = reader.method == Method::Bool && crate::rules::is_true(value);
        return head + if holds { "yes, idx=tree, pattern=unknown\n" } else { "no\n" };
    };
    let key = String::from_utf8_lossy(&element.key);
    let place = if is_tree(reader, &key) { "tree" } else { "list" };
    match noun {
        Noun::Acl => format!("{head}yes, idx={place}, pattern=\"{key}\"\n"),
        Noun::Map => {
            let Some(output) = reader.output else {
                return format!("{head}yes, idx={place}, key=\"{key}\", value=none\n");
            };
            let value = element.value.as_deref().unwrap_or_default();
            let shown = String::from_utf8_lossy(value);
            let kind = kind_of_value(output, value);
            format!("{head}yes, idx={place}, key=\"{key}\", value=\"{shown}\", type=\"{kind}\"\n")
        }
    }
}

fn kind(reader: Reader) -> &'static str {
    match (reader.method, reader.output) {
        (Method::Regex, Some(Output::Expanded)) => "regm",
        (Method::Version, _) => "int",
        (method, _) => matching::name(method),
    }
}

/// Whether HAProxy keeps such a pattern in a tree.
fn is_tree(reader: Reader, key: &str) -> bool {
    match reader.method {
        Method::Text(TextMatch::Whole | TextMatch::Begin) => !reader.ignore_case,
        Method::Address => matching::network(key).is_some_and(|network| network.is_prefix()),
        _ => false,
    }
}

fn kind_of_value(output: Output, value: &[u8]) -> &'static str {
    match output.read(value) {
        Some(Value::Integer(_)) => "sint",
        Some(Value::Address(address)) if address.is_ipv6() => "ipv6",
        Some(Value::Address(_)) => "ipv4",
        _ => "str",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(noun: Noun, verb: Verb, words: &str, payload: Option<&str>) -> Result<Wanted, String> {
        let words = words.split_whitespace().map(str::to_owned).collect();
        Order { noun, verb, words, payload: payload.map(str::to_owned) }.read()
    }

    #[test]
    fn orders_are_read() {
        let list = || "#1".to_owned();
        let add = read(Noun::Map, Verb::Add, "@2 #1 a b c", None);
        let entries = vec![("a".to_owned(), Some("b".to_owned()))];
        assert_eq!(add, Ok(Wanted::Add { list: list(), version: Some(2), entries, fault: None }));
        let lines = read(Noun::Map, Verb::Add, "#1", Some("a 1\nb   2 3 \nc \n"));
        let pair = |key: &str, value: &str| (key.to_owned(), Some(value.to_owned()));
        let entries = vec![pair("a", "1"), pair("b", "2 3 "), pair("c", "")];
        assert_eq!(lines, Ok(Wanted::Add { list: list(), version: None, entries, fault: None }));
        let lacking = read(Noun::Map, Verb::Add, "#1", Some("a 1\nb\nc 2\n"));
        let (entries, fault) = (vec![pair("a", "1")], Some("Missing value for key 'b'.\n".to_owned()));
        assert_eq!(lacking, Ok(Wanted::Add { list: list(), version: None, entries, fault }));
        let nothing = read(Noun::Map, Verb::Add, "#1", Some(""));
        let fault = Some("Missing value for key '\n'.\n".to_owned());
        assert_eq!(nothing, Ok(Wanted::Add { list: list(), version: None, entries: Vec::new(), fault }));
        let which = Which::Number(0x1f);
        assert_eq!(
            read(Noun::Acl, Verb::Delete, "#1 #0x1f", None),
            Ok(Wanted::Delete { list: list(), which })
        );
        assert_eq!(
            read(Noun::Map, Verb::Commit, "@1 #1", None),
            Ok(Wanted::Commit { list: list(), version: 1 })
        );
        assert_eq!(read(Noun::Acl, Verb::Show, "", None), Ok(Wanted::Lists));
    }

    #[test]
    fn complaints_are_haproxys() {
        let said = |noun, verb, words| read(noun, verb, words, None).unwrap_err();
        assert_eq!(said(Noun::Acl, Verb::Get, "#1"), "Missing ACL identifier and/or key.\n");
        assert_eq!(said(Noun::Map, Verb::Commit, "#1"), "Missing version number.\n");
        assert_eq!(said(Noun::Acl, Verb::Commit, "@1"), "Missing ACL identifier.\n");
        assert_eq!(said(Noun::Map, Verb::Clear, ""), "Missing map identifier.\n");
        assert!(said(Noun::Map, Verb::Add, "#1 a").starts_with("'add map' expects three parameters (map"));
        let unknown = "Unknown map identifier. Please use #<id> or <file>.\n";
        assert_eq!(Noun::Acl.unknown(Verb::Delete), unknown);
    }
}
