//! The table of converters: name, how many arguments, and what they make.

use std::net::IpAddr;

use crate::config::model::{Alphabet, Arithmetic, Converter, Counter, HashFunction, Mixing};
use crate::config::parser::value;

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct ConverterRow {
    pub name: &'static str,
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
    /// HAProxy knows it, rolecall does not.
    Unsupported,
}

/// The row of that name.
pub fn find(name: &str) -> Option<ConverterRow> {
    let known = CONVERTERS.iter().find(|row| row.name == name).copied();
    known.or_else(|| {
        let name = OTHERS.iter().find(|other| **other == name)?;
        let help = "not known to this version of rolecall";
        Some(ConverterRow { name, arguments: (0, 9), makes: Makes::Unsupported, help })
    })
}

/// Every row that rolecall evaluates.
pub fn all() -> impl Iterator<Item = &'static ConverterRow> {
    CONVERTERS.iter()
}

/// Every name, for suggestions.
pub fn names() -> impl Iterator<Item = &'static str> {
    CONVERTERS.iter().map(|row| row.name)
}

const fn row(
    name: &'static str,
    arguments: (usize, usize),
    make: fn(&[Vec<u8>]) -> Option<Converter>,
    help: &'static str,
) -> ConverterRow {
    ConverterRow { name, arguments, makes: Makes::Plain(make), help }
}

const fn looked(name: &'static str, counter: Counter, help: &'static str) -> ConverterRow {
    ConverterRow { name, arguments: (1, 1), makes: Makes::Looked(counter), help }
}

const fn looked_at(name: &'static str, counter: fn(u8) -> Counter, help: &'static str) -> ConverterRow {
    ConverterRow { name, arguments: (2, 2), makes: Makes::LookedAt(counter), help }
}

static CONVERTERS: &[ConverterRow] = &[
    row("lower", (0, 0), |_| Some(Converter::Lower), "in lower case"),
    row("upper", (0, 0), |_| Some(Converter::Upper), "in upper case"),
    row("length", (0, 0), |_| Some(Converter::Length), "how long it is"),
    row("hex", (0, 0), |_| Some(Converter::Hex), "as hex digits"),
    row("hex2i", (0, 0), |_| Some(Converter::HexToInteger), "hex digits as a number"),
    row("crc32", (0, 1), |args| hash(HashFunction::Crc32, args), "its CRC-32"),
    row("crc32c", (0, 1), |args| hash(HashFunction::Crc32c, args), "its CRC-32C"),
    row("djb2", (0, 1), |args| hash(HashFunction::Djb2, args), "its hash by Daniel J. Bernstein's function"),
    row("sdbm", (0, 1), |args| hash(HashFunction::Sdbm, args), "its hash by the sdbm library's function"),
    row("base64", (0, 0), |_| Some(Converter::Base64(Alphabet::Standard)), "in Base64"),
    row("b64dec", (0, 0), |_| Some(Converter::FromBase64(Alphabet::Standard)), "out of Base64"),
    row("ub64enc", (0, 0), |_| Some(Converter::Base64(Alphabet::Url)), "in the Base64 of URLs"),
    row("ub64dec", (0, 0), |_| Some(Converter::FromBase64(Alphabet::Url)), "out of the Base64 of URLs"),
    row("url_dec", (0, 1), |_| Some(Converter::UrlDecode), "without the escapes of URLs"),
    row("htonl", (0, 0), |_| Some(Converter::NetworkOrder), "a number as four bytes"),
    row("cut_crlf", (0, 0), |_| Some(Converter::CutLineEnd), "up to the end of its first line"),
    row("ipmask", (1, 2), ip_mask, "an address without its last bits"),
    row("bool", (0, 0), |_| Some(Converter::Bool), "whether it is not 0"),
    row("not", (0, 0), |_| Some(Converter::Not), "whether it is 0"),
    row("neg", (0, 0), |_| Some(Converter::Neg), "with the other sign"),
    row("odd", (0, 0), |_| Some(Converter::Odd), "whether it is odd"),
    row("even", (0, 0), |_| Some(Converter::Even), "whether it is even"),
    row("cpl", (0, 0), |_| Some(Converter::Complement), "all bits the other way round"),
    row("add", (1, 1), |args| arithmetic(Arithmetic::Add, args), "plus a number"),
    row("sub", (1, 1), |args| arithmetic(Arithmetic::Sub, args), "minus a number"),
    row("mul", (1, 1), |args| arithmetic(Arithmetic::Mul, args), "times a number"),
    row("div", (1, 1), |args| arithmetic(Arithmetic::Div, args), "divided by a number"),
    row("mod", (1, 1), |args| arithmetic(Arithmetic::Mod, args), "the rest of a division"),
    row("and", (1, 1), |args| arithmetic(Arithmetic::And, args), "the bits both have"),
    row("or", (1, 1), |args| arithmetic(Arithmetic::Or, args), "the bits one of them has"),
    row("xor", (1, 1), |args| arithmetic(Arithmetic::Xor, args), "the bits only one has"),
    row("bytes", (1, 2), bytes, "some bytes of it"),
    row("field", (2, 3), |args| part(args, Part::Field), "a part between delimiters"),
    row("word", (2, 3), |args| part(args, Part::Word), "a part between delimiters, empty ones left out"),
    row("ltrim", (1, 1), |args| Some(Converter::TrimLeft(args[0].clone())), "without its first blanks"),
    row("rtrim", (1, 1), |args| Some(Converter::TrimRight(args[0].clone())), "without its last blanks"),
    row("concat", (1, 3), concatenate, "with a text behind it"),
    row("regsub", (2, 3), replace, "with an expression replaced"),
    row("iif", (2, 2), |args| Some(Converter::Choose(args[0].clone(), args[1].clone())), "one of two texts"),
    ConverterRow {
        name: "in_table",
        arguments: (1, 1),
        makes: Makes::InTable,
        help: "whether a table has it",
    },
    looked("table_conn_cnt", Counter::Connections, "connections of that entry"),
    looked("table_conn_cur", Counter::ConnectionsNow, "present connections of that entry"),
    looked("table_conn_rate", Counter::ConnectionRate, "connections of that entry in a period"),
    looked("table_sess_cnt", Counter::Sessions, "sessions of that entry"),
    looked("table_sess_rate", Counter::SessionRate, "sessions of that entry in a period"),
    looked("table_gpc0", Counter::General(0), "the counter of that entry"),
    looked("table_gpc0_rate", Counter::GeneralRate(0), "its growth in a period"),
    looked("table_gpc1", Counter::General(1), "the second counter of that entry"),
    looked("table_gpc1_rate", Counter::GeneralRate(1), "its growth in a period"),
    looked("table_gpt0", Counter::Tag(0), "the tag of that entry"),
    looked("table_kbytes_in", Counter::BytesIn, "kilobytes that entry has sent"),
    looked("table_kbytes_out", Counter::BytesOut, "kilobytes that entry has got"),
    looked("table_bytes_in_rate", Counter::BytesInRate, "bytes that entry has sent in a period"),
    looked("table_bytes_out_rate", Counter::BytesOutRate, "bytes that entry has got in a period"),
    looked("table_http_req_cnt", Counter::Requests, "HTTP requests of that entry: none are seen"),
    looked("table_http_req_rate", Counter::RequestRate, "the same in a period"),
    looked("table_http_err_cnt", Counter::RequestErrors, "HTTP errors of that entry: none are seen"),
    looked("table_http_err_rate", Counter::RequestErrorRate, "the same in a period"),
    looked("table_http_fail_cnt", Counter::RequestFailures, "HTTP failures of that entry: none are seen"),
    looked("table_http_fail_rate", Counter::RequestFailureRate, "the same in a period"),
    looked("table_server_id", Counter::ServerId, "the number of the server of that entry"),
    looked_at("table_gpc", Counter::General, "one of several counters of that entry"),
    looked_at("table_gpc_rate", Counter::GeneralRate, "its growth in a period"),
    looked_at("table_gpt", Counter::Tag, "one of several tags of that entry"),
    looked("table_trackers", Counter::Trackers, "sessions that track that entry"),
];

/// What HAProxy 2.6 knows besides.
#[rustfmt::skip]
static OTHERS: &[&str] = &[
    "add_item", "aes_gcm_dec", "be2dec", "be2hex", "capture-req", "capture-res", 
    "debug", "digest", "fix_is_valid", "fix_tag_value", "hmac", "host_only",
    "http_date", "json", "json_query", "jwt_header_query", "jwt_payload_query", "jwt_verify",
    "language", "ltime", "map", "map_beg", "map_dir", "map_dom", "map_end", "map_int", "map_ip", "map_reg",
    "map_regm", "map_str", "map_sub", "mqtt_field_value", "mqtt_is_valid", "nbsrv", "port_only", "protobuf",
    "secure_memcmp", "set-var", "sha1", "sha2", "srv_queue", "strcmp", "table_expire", "table_idle",
    "ungrpc", "unset-var", "url_enc", "utime", "wt6", "xxh3", "xxh32",
    "xxh64",
];

/// An optional number; `Err` if there is one that is none.
fn number(arguments: &[Vec<u8>], at: usize) -> Option<i64> {
    value::integer(std::str::from_utf8(arguments.get(at)?).ok()?)
}

fn hash(function: HashFunction, arguments: &[Vec<u8>]) -> Option<Converter> {
    let mixing = match arguments.first() {
        None => Mixing::Plain,
        Some(_) if number(arguments, 0)? == 0 => Mixing::Plain,
        Some(_) => Mixing::Avalanche,
    };
    Some(Converter::Hash(function, mixing))
}

fn arithmetic(operation: Arithmetic, arguments: &[Vec<u8>]) -> Option<Converter> {
    Some(Converter::Arithmetic(operation, number(arguments, 0)?))
}

fn ip_mask(arguments: &[Vec<u8>]) -> Option<Converter> {
    let v6 = match arguments.get(1) {
        Some(_) => u8::try_from(number(arguments, 1)?).ok().filter(|bits| *bits <= 128)?,
        None => 128,
    };
    Some(Converter::IpMask { v4: mask_bits(&arguments[0])?, v6 })
}

/// `24`, or `255.255.255.0`.
fn mask_bits(text: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(text).ok()?;
    if let Ok(IpAddr::V4(mask)) = text.parse() {
        let bits = u32::from(mask);
        return (bits.leading_ones() + bits.trailing_zeros() >= 32).then_some(bits.leading_ones() as u8);
    }
    text.parse().ok().filter(|bits| *bits <= 32)
}

fn bytes(arguments: &[Vec<u8>]) -> Option<Converter> {
    let offset = usize::try_from(number(arguments, 0)?).ok()?;
    let length = match arguments.get(1) {
        Some(_) => Some(usize::try_from(number(arguments, 1)?).ok()?),
        None => None,
    };
    Some(Converter::Bytes { offset, length })
}

/// Whether empty parts count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Field,
    Word,
}

fn part(arguments: &[Vec<u8>], kind: Part) -> Option<Converter> {
    let index = number(arguments, 0).filter(|index| *index != 0)?;
    let delimiters = arguments.get(1)?.clone();
    let count = if arguments.len() > 2 { number(arguments, 2)? } else { 1 };
    Some(match kind {
        Part::Field => Converter::Field { index, delimiters, count },
        Part::Word => Converter::Word { index, delimiters, count },
    })
}

/// With variables between the texts it would need the session; those are refused.
fn concatenate(arguments: &[Vec<u8>]) -> Option<Converter> {
    let variable = arguments.get(1).is_some_and(|name| !name.is_empty());
    (!variable).then(|| Converter::Concatenate([arguments[0].as_slice(), last(arguments)].concat()))
}

fn last(arguments: &[Vec<u8>]) -> &[u8] {
    arguments.get(2).map(Vec::as_slice).unwrap_or_default()
}

fn replace(arguments: &[Vec<u8>]) -> Option<Converter> {
    let flags = last(arguments);
    let regex = super::matching::regex(&arguments[0], flags.contains(&b'i')).ok()?;
    // HAProxy writes `\1` where the library wants `${1}`.
    let mut by = Vec::new();
    let mut rest = arguments[1].iter().peekable();
    while let Some(byte) = rest.next() {
        match (byte, rest.peek()) {
            (b'\\', Some(digit)) if digit.is_ascii_digit() => {
                by.extend([b'$', b'{', **digit, b'}']);
                rest.next();
            }
            (b'$', _) => by.extend(b"$$"),
            _ => by.push(*byte),
        }
    }
    Some(Converter::Replace { regex, by, all: flags.contains(&b'g') })
}
