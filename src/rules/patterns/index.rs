//! Where a value is found among many patterns, one index for each way in which a list is read. Texts and networks are
//! looked up in as many steps as there are lengths, the longest first; all others are compared one after the other
//! (manual section 7.1).
//!
//! Patterns have numbers; of equal ones that with the lowest comes first. A pattern that is not of the version in use
//! is passed over, which is why whoever asks says which numbers count.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use crate::config::model::{Matcher, Network, Reader, TextMatch, Value};
use crate::config::rule::matching::{Method, Reading, network};
use crate::rules::matching::{address, matches, text};

/// Numbers of patterns that are equal, in their order.
type Numbers = Vec<u64>;

/// See the module.
#[derive(Debug, Clone)]
pub(super) enum Index {
    Whole(HashMap<Vec<u8>, Numbers>),
    /// By length.
    Begin(BTreeMap<Reverse<usize>, HashMap<Vec<u8>, Numbers>>),
    Networks(Networks),
    /// One after the other.
    Rest(BTreeMap<u64, Matcher>),
}

/// By the length of the prefix.
#[derive(Debug, Clone, Default)]
pub(super) struct Networks {
    v4: BTreeMap<Reverse<u32>, HashMap<u128, Numbers>>,
    v6: BTreeMap<Reverse<u32>, HashMap<u128, Numbers>>,
    /// Those whose masks are no prefixes.
    odd: BTreeMap<u64, Matcher>,
}

impl Index {
    pub(super) fn new(reader: Reader) -> Index {
        match (reader.method, reader.ignore_case) {
            (Method::Text(TextMatch::Whole), _) => Index::Whole(HashMap::new()),
            // Without regard to case HAProxy takes the first and not the longest.
            (Method::Text(TextMatch::Begin), false) => Index::Begin(BTreeMap::new()),
            (Method::Address, _) => Index::Networks(Networks::default()),
            _ => Index::Rest(BTreeMap::new()),
        }
    }

    /// Takes a pattern in, or says in HAProxy's words why it is none.
    pub(super) fn insert(&mut self, reader: Reader, number: u64, key: &[u8]) -> Result<(), String> {
        match self {
            Index::Whole(patterns) => patterns.entry(folded(reader, key)).or_default().push(number),
            Index::Begin(lengths) => {
                let patterns = lengths.entry(Reverse(key.len())).or_default();
                patterns.entry(key.to_vec()).or_default().push(number);
            }
            Index::Networks(networks) => networks.insert(number, &String::from_utf8_lossy(key))?,
            Index::Rest(patterns) => {
                patterns.insert(number, single(reader, key)?);
            }
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, reader: Reader, number: u64, key: &[u8]) {
        match self {
            Index::Whole(patterns) => forget(patterns, &folded(reader, key), number),
            Index::Begin(lengths) => {
                let Some(patterns) = lengths.get_mut(&Reverse(key.len())) else { return };
                forget(patterns, key, number);
                if patterns.is_empty() {
                    lengths.remove(&Reverse(key.len()));
                }
            }
            Index::Networks(networks) => networks.remove(number, &String::from_utf8_lossy(key)),
            Index::Rest(patterns) => {
                patterns.remove(&number);
            }
        }
    }

    /// The pattern that the value comes under.
    pub(super) fn find(&self, reader: Reader, value: &Value, counts: impl Fn(u64) -> bool) -> Option<u64> {
        let first = |numbers: &Numbers| numbers.iter().copied().find(|number| counts(*number));
        match self {
            Index::Whole(patterns) => first(patterns.get(&folded(reader, &text(value)))?),
            Index::Begin(lengths) => {
                let text = text(value);
                lengths.iter().find_map(|(Reverse(length), patterns)| {
                    patterns.get(text.get(..*length)?).and_then(first)
                })
            }
            Index::Networks(networks) => networks.find(address(value)?, counts),
            Index::Rest(patterns) => {
                // Cast once, and not for each pattern.
                let cast = match reader.method {
                    Method::Integer | Method::Version | Method::Bool | Method::Binary => value.clone(),
                    _ => Value::Text(text(value)),
                };
                scan(patterns, &cast, counts)
            }
        }
    }

    /// The expression of that number.
    pub(super) fn matcher(&self, number: u64) -> Option<&Matcher> {
        match self {
            Index::Rest(patterns) => patterns.get(&number),
            _ => None,
        }
    }
}

impl Networks {
    fn insert(&mut self, number: u64, key: &str) -> Result<(), String> {
        let network = network(key).ok_or_else(|| format!("'{key}' is not a valid IPv4 or IPv6 address."))?;
        match prefix(network) {
            Some((length, bits)) => {
                let networks = self.of_mut(network.address).entry(Reverse(length)).or_default();
                networks.entry(bits).or_default().push(number);
            }
            None => {
                self.odd.insert(number, Matcher::Address(vec![network]));
            }
        }
        Ok(())
    }

    fn remove(&mut self, number: u64, key: &str) {
        let Some(network) = network(key) else { return };
        let Some((length, bits)) = prefix(network) else {
            self.odd.remove(&number);
            return;
        };
        let lengths = self.of_mut(network.address);
        let Some(networks) = lengths.get_mut(&Reverse(length)) else { return };
        forget(networks, &bits, number);
        if networks.is_empty() {
            lengths.remove(&Reverse(length));
        }
    }

    fn of_mut(&mut self, address: IpAddr) -> &mut BTreeMap<Reverse<u32>, HashMap<u128, Numbers>> {
        if address.is_ipv4() { &mut self.v4 } else { &mut self.v6 }
    }

    /// Among the networks of its own kind first; an IPv4 address is also one of `::ffff:0:0/96`.
    fn find(&self, address: IpAddr, counts: impl Fn(u64) -> bool) -> Option<u64> {
        let longest = |address: IpAddr| {
            let lengths = if address.is_ipv4() { &self.v4 } else { &self.v6 };
            lengths.iter().find_map(|(Reverse(length), networks)| {
                let numbers = networks.get(&(bits(address) & mask(address, *length)))?;
                numbers.iter().copied().find(|number| counts(*number))
            })
        };
        let other = match address {
            IpAddr::V4(v4) => Some(IpAddr::V6(v4.to_ipv6_mapped())),
            IpAddr::V6(v6) => v6.to_ipv4_mapped().map(IpAddr::V4),
        };
        longest(address)
            .or_else(|| longest(other?))
            .or_else(|| scan(&self.odd, &Value::Address(address), &counts))
    }
}

fn scan(patterns: &BTreeMap<u64, Matcher>, value: &Value, counts: impl Fn(u64) -> bool) -> Option<u64> {
    let mut found = patterns.iter().filter(|(number, matcher)| counts(**number) && matches(matcher, value));
    found.next().map(|(number, _)| *number)
}

fn forget<K, Q>(patterns: &mut HashMap<K, Numbers>, key: &Q, number: u64)
where
    K: std::hash::Hash + Eq + std::borrow::Borrow<Q>,
    Q: std::hash::Hash + Eq + ?Sized,
{
    let Some(numbers) = patterns.get_mut(key) else { return };
    numbers.retain(|known| *known != number);
    if numbers.is_empty() {
        patterns.remove(key);
    }
}

fn folded(reader: Reader, text: &[u8]) -> Vec<u8> {
    if reader.ignore_case { text.to_ascii_lowercase() } else { text.to_vec() }
}

fn single(reader: Reader, key: &[u8]) -> Result<Matcher, String> {
    let mut reading = Reading::of(reader);
    reading.pattern(key)?;
    Ok(reading.finish())
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

fn mask(address: IpAddr, length: u32) -> u128 {
    match address {
        IpAddr::V4(_) => u32::MAX.checked_shl(32 - length).unwrap_or(0).into(),
        IpAddr::V6(_) => u128::MAX.checked_shl(128 - length).unwrap_or(0),
    }
}

/// Length and bits, if the mask is that of a prefix.
fn prefix(network: Network) -> Option<(u32, u128)> {
    network.is_prefix().then(|| (network.mask.count_ones(), bits(network.address) & network.mask))
}
