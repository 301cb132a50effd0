//! `show table`, `set table` and `clear table`: words in, what is asked for or HAProxy's complaint out; entries in,
//! HAProxy's text out. `process::runtime::tables` carries out what is asked.
//!
//! Which words are right depends on the table (what its keys are, what it stores), so they are read only once the
//! table is found.

use std::fmt::Write as _;

use super::request::{Fault, Words};
use crate::config::model::{Counter, KeyKind, StickTable, Stored, Value};
use crate::config::rule::data::{self, Data};
use crate::rules::stick::{Cell, Listed};

/// What is done with entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Show,
    Set,
    Clear,
}

/// Which entries are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chosen {
    All,
    Key(Value),
    /// Those for which all of these hold.
    Where(Vec<Filter>),
}

/// `data.TYPE OPERATOR VALUE`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filter {
    /// Position among what the table stores.
    at: usize,
    operator: Operator,
    value: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    LessOrEqual,
    GreaterOrEqual,
    Less,
    Greater,
}

static OPERATORS: &[(&str, Operator)] = &[
    ("eq", Operator::Equal),
    ("ne", Operator::NotEqual),
    ("le", Operator::LessOrEqual),
    ("ge", Operator::GreaterOrEqual),
    ("lt", Operator::Less),
    ("gt", Operator::Greater),
];

/// As many as HAProxy takes.
const MOST_FILTERS: usize = 4;

/// Words that stand before the filters: `show table NAME`.
const BEFORE: usize = 3;

const NOT_STORED: &str = "Data type not stored in this table\n";

impl Verb {
    /// The table's name.
    pub fn name(self, words: Words<'_>) -> Result<&str, Fault> {
        words.first().copied().ok_or_else(|| self.usage().to_owned())
    }

    fn usage(self) -> &'static str {
        match self {
            Verb::Show => {
                "Optional argument only supports \"data.<store_data_type>\" <operator> <value> and key <key>\n"
            }
            Verb::Set => "Required arguments: <table> key <key> [data.<store_data_type> <value>]*\n",
            Verb::Clear => {
                "Required arguments: <table> \"data.<store_data_type>\" <operator> <value> or <table> key <key>\n"
            }
        }
    }

    /// Which entries the words after the table's name mean.
    pub fn chosen(self, words: Words<'_>, table: &StickTable) -> Result<Chosen, Fault> {
        match words.first() {
            None => Ok(Chosen::All),
            Some(&"key") => self.key(words.get(1).copied(), table.key).map(Chosen::Key),
            Some(word) if word.starts_with("data.") => match self {
                Verb::Set => {
                    Err("content-based lookup is only supported with the \"show\" and \"clear\" actions\n"
                        .to_owned())
                }
                Verb::Show | Verb::Clear => filters(words, table).map(Chosen::Where),
            },
            Some(_) => Err(self.usage().to_owned()),
        }
    }

    fn key(self, word: Option<&str>, kind: KeyKind) -> Result<Value, Fault> {
        let word = word.filter(|word| !word.is_empty()).ok_or("Key value expected\n")?;
        let value = match kind {
            KeyKind::V4 => {
                word.parse().ok().map(|address: std::net::Ipv4Addr| Value::Address(address.into()))
            }
            KeyKind::V6 => {
                word.parse().ok().map(|address: std::net::Ipv6Addr| Value::Address(address.into()))
            }
            KeyKind::Integer => word.parse().ok().map(|number: u32| Value::Integer(number.into())),
            KeyKind::Text(_) => Some(Value::Text(word.as_bytes().to_vec())),
            KeyKind::Binary(_) => {
                let doing = match self {
                    Verb::Show => "Showing keys from",
                    Verb::Set => "Inserting keys into",
                    Verb::Clear => "Removing keys from",
                };
                let kinds = "tables of type other than ip, ipv6, string and integer is not supported";
                return Err(format!("{doing} {kinds}\n"));
            }
        };
        value.ok_or_else(|| "Invalid key\n".to_owned())
    }
}

fn filters(words: Words<'_>, table: &StickTable) -> Result<Vec<Filter>, Fault> {
    let mut filters = Vec::new();
    let mut entries = words.chunks(3);
    for entry in entries.by_ref().take(MOST_FILTERS) {
        let fault = |message: &str| format!("Filter entry #{}: {message}\n", filters.len() + 1);
        let stored = stored(entry[0], table).map_err(|message| fault(message.trim_end()))?;
        let at = table.store.iter().position(|known| known == stored).unwrap_or_default();
        let operator = OPERATORS.iter().find(|(name, _)| entry.get(1) == Some(name)).ok_or_else(|| {
            fault("Require and operator among \"eq\", \"ne\", \"le\", \"ge\", \"lt\", \"gt\"")
        })?;
        let value = entry.get(2).and_then(|value| value.parse().ok());
        let value = value.ok_or_else(|| fault("Require a valid integer value to compare against"))?;
        filters.push(Filter { at, operator: operator.1, value });
    }
    if entries.next().is_some() {
        let (number, last) = (BEFORE + 3 * MOST_FILTERS + 1, words[3 * MOST_FILTERS - 1]);
        return Err(format!("Detected extra data in filter, {number}th word of input, after '{last}'\n"));
    }
    Ok(filters)
}

/// `data.TYPE`, if the table stores it.
fn stored<'a>(word: &str, table: &'a StickTable) -> Result<&'a Stored, &'static str> {
    let name = word.strip_prefix("data.").unwrap_or_default();
    let (_, data) = data::find(name).ok_or("Unknown data type\n")?;
    let counter = match data {
        Data::One(counter) | Data::Rate(counter) => counter,
        Data::Many(_) | Data::ManyRates(_) => return Err(NOT_STORED),
    };
    table.store.iter().find(|stored| stored.counter == counter).ok_or(NOT_STORED)
}

/// `data.TYPE VALUE ...`: those up to the first that is wrong, and what is wrong with it. As by HAProxy those are
/// set all the same.
pub fn changes(words: Words<'_>, table: &StickTable) -> (Vec<(Counter, i64)>, Option<Fault>) {
    let mut changes = Vec::new();
    for pair in words.chunks(2) {
        match change(pair, table) {
            Ok(change) => changes.push(change),
            Err(message) => return (changes, Some(message.to_owned())),
        }
    }
    (changes, None)
}

fn change(pair: Words<'_>, table: &StickTable) -> Result<(Counter, i64), &'static str> {
    if !pair[0].starts_with("data.") {
        return Err("\"data.<type>\" followed by a value expected\n");
    }
    let counter = stored(pair[0], table)?.counter;
    let value = pair.get(1).and_then(|value| value.parse().ok()).filter(|_| counter != Counter::ServerKey);
    Ok((counter, value.ok_or("Require a valid integer value to store\n")?))
}

impl Filter {
    /// Whether the entry is one of those that are meant. Names are compared with no number.
    pub fn holds(&self, entry: &Listed) -> bool {
        let Some(Cell::Number(number)) = entry.cells.get(self.at) else { return false };
        match self.operator {
            Operator::Equal => *number == self.value,
            Operator::NotEqual => *number != self.value,
            Operator::LessOrEqual => *number <= self.value,
            Operator::GreaterOrEqual => *number >= self.value,
            Operator::Less => *number < self.value,
            Operator::Greater => *number > self.value,
        }
    }
}

/// The line before the entries.
pub fn head(table: &StickTable, used: usize) -> String {
    format!("# table: {}, type: {}, size:{}, used:{used}\n", table.name, table.key.word(), table.size)
}

/// What whoever may not see entries is told instead.
pub const HIDDEN: &str = "# contents not dumped due to insufficient privileges\n";

/// An entry's line.
pub fn line(table: &StickTable, entry: &Listed) -> String {
    let (id, key) = (entry.id, key_text(table.key, &entry.key));
    let mut text = format!("0x{id:x}: key={key} use={} exp={}", entry.trackers, entry.left);
    for (stored, cell) in table.store.iter().zip(&entry.cells) {
        text.push(' ');
        text.push_str(&data::name(stored));
        if let Some(period) = stored.period {
            let _ = write!(text, "({})", period.as_millis());
        }
        let _ = match cell {
            Cell::Number(number) => write!(text, "={number}"),
            Cell::Name(name) => write!(text, "={}", name.as_deref().unwrap_or("-")),
        };
    }
    text.push('\n');
    text
}

fn key_text(kind: KeyKind, key: &[u8]) -> String {
    match (kind, key.len()) {
        (KeyKind::V4, 4) => {
            std::net::Ipv4Addr::from(<[u8; 4]>::try_from(key).unwrap_or_default()).to_string()
        }
        (KeyKind::V6, 16) => {
            std::net::Ipv6Addr::from(<[u8; 16]>::try_from(key).unwrap_or_default()).to_string()
        }
        (KeyKind::Integer, _) => u32::from_le_bytes(key.try_into().unwrap_or_default()).to_string(),
        (KeyKind::Text(_), _) => key.iter().map(|byte| escaped(*byte)).collect(),
        _ => key.iter().map(|byte| format!("{byte:02X}")).collect(),
    }
}

fn escaped(byte: u8) -> String {
    match byte {
        b' ' | b'\\' | b'=' => format!("\\{}", char::from(byte)),
        b'\t' => "\\t".to_owned(),
        b'\n' => "\\n".to_owned(),
        b'\r' => "\\r".to_owned(),
        0x1b => "\\e".to_owned(),
        byte if byte.is_ascii_graphic() => char::from(byte).to_string(),
        byte => format!("\\x{byte:02X}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn table(key: KeyKind) -> StickTable {
        let rate = Stored {
            counter: Counter::ConnectionRate,
            period: Some(Duration::from_secs(3)),
            place: data::find("conn_rate").unwrap().0,
        };
        let gpc0 =
            Stored { counter: Counter::General(0), period: None, place: data::find("gpc0").unwrap().0 };
        let store = data::servers().take(1).chain([gpc0, rate]).chain(data::servers().skip(1)).collect();
        StickTable { name: "t".into(), key, size: 100, expire: None, nopurge: false, store }
    }

    fn entry(key: &[u8], cells: Vec<Cell>) -> Listed {
        Listed { key: key.to_vec(), id: 255, trackers: 2, left: 1500, cells }
    }

    #[test]
    fn entries_are_written_as_haproxy_writes_them() {
        let cells = || vec![Cell::Number(-1), Cell::Number(7), Cell::Number(4), Cell::Name(None)];
        let line = |kind, key: &[u8]| line(&table(kind), &entry(key, cells()));
        let rest = "use=2 exp=1500 server_id=-1 gpc0=7 conn_rate(3000)=4 server_key=-\n";
        assert_eq!(line(KeyKind::V4, &[1, 2, 3, 4]), format!("0xff: key=1.2.3.4 {rest}"));
        assert_eq!(line(KeyKind::Integer, &[0, 1, 0, 0]), format!("0xff: key=256 {rest}"));
        assert_eq!(
            line(KeyKind::Text(9), b"a b=\n\x01\xff"),
            format!("0xff: key=a\\ b\\=\\n\\x01\\xFF {rest}")
        );
        assert_eq!(line(KeyKind::Binary(2), &[10, 0]), format!("0xff: key=0A00 {rest}"));
        assert_eq!(head(&table(KeyKind::V6), 3), "# table: t, type: ipv6, size:100, used:3\n");
    }

    #[test]
    fn filters_choose_entries() {
        let table = table(KeyKind::V4);
        let chosen = |text: &str| Verb::Show.chosen(&text.split(' ').collect::<Vec<_>>(), &table);
        let Ok(Chosen::Where(filters)) = chosen("data.gpc0 gt 2 data.conn_rate le 4") else {
            panic!("no filters")
        };
        let holds = |gpc0, rate| {
            let cells = vec![Cell::Number(1), Cell::Number(gpc0), Cell::Number(rate), Cell::Name(None)];
            filters.iter().all(|filter| filter.holds(&entry(&[0; 4], cells.clone())))
        };
        assert!(holds(3, 4) && !holds(2, 4) && !holds(3, 5));
        for (words, fault) in [
            ("data.foo gt 3", "Filter entry #1: Unknown data type\n"),
            ("data.gpc1 gt 3", "Filter entry #1: Data type not stored in this table\n"),
            (
                "data.gpc0 gt 1 data.gpc0",
                "Filter entry #2: Require and operator among \"eq\", \"ne\", \"le\", \"ge\", \"lt\", \"gt\"\n",
            ),
            ("data.gpc0 gt x", "Filter entry #1: Require a valid integer value to compare against\n"),
            (
                "data.gpc0 eq 1 data.gpc0 eq 1 data.gpc0 eq 1 data.gpc0 eq 3 more",
                "Detected extra data in filter, 16th word of input, after '3'\n",
            ),
            ("key", "Key value expected\n"),
            ("key x", "Invalid key\n"),
        ] {
            assert_eq!(chosen(words), Err(fault.to_owned()), "{words}");
        }
    }

    #[test]
    fn what_is_right_is_set_up_to_what_is_wrong() {
        let table = table(KeyKind::V4);
        let read = |text: &str| changes(&text.split(' ').collect::<Vec<_>>(), &table);
        assert_eq!(
            read("data.gpc0 5 data.conn_rate -1").0,
            [(Counter::General(0), 5), (Counter::ConnectionRate, -1)]
        );
        let (set, fault) = read("data.gpc0 5 data.server_key 1");
        assert_eq!((set.len(), fault.as_deref()), (1, Some("Require a valid integer value to store\n")));
        assert_eq!(read("gpc0 5").1.as_deref(), Some("\"data.<type>\" followed by a value expected\n"));
    }
}
