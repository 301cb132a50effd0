//! The rows of the table of converters, with the types that HAProxy gives them.

use jiff::tz::TimeZone;

use super::arguments::Part;
use super::arguments::{
    Made, add_item, arithmetic, big_endian, bytes, concatenate, digest, hash, hmac, http_date, ip_mask, json,
    json_query, local_zone, part, replace, sha2, strftime, url_decode, url_encode, variable, xxh,
};
use super::{ConverterRow, Makes};
use crate::config::model::{
    Alphabet, Arithmetic, Converter, Counter, DigestKind, HashFunction, Joined, Output, Radix, TextMatch, Xxh,
};
use crate::config::rule::fetch::Kind::{self, Address, Any, Binary, Bool, Integer, Text};
use crate::config::rule::matching::Method;

/// What goes in, and what comes out.
type Kinds = (Kind, Kind);
/// The fewest and the most.
type Count = (usize, usize);

const fn row(
    name: &'static str,
    kinds: Kinds,
    arguments: Count,
    make: fn(&[Vec<u8>]) -> Option<Converter>,
    help: &'static str,
) -> ConverterRow {
    ConverterRow { name, kinds, arguments, makes: Makes::Plain(make), help }
}

/// It may take a variable.
const fn joined(
    name: &'static str,
    kinds: Kinds,
    arguments: Count,
    make: fn(&[Vec<u8>]) -> Option<Made>,
    help: &'static str,
) -> ConverterRow {
    ConverterRow { name, kinds, arguments, makes: Makes::Joined(make), help }
}

const fn looked(name: &'static str, counter: Counter, help: &'static str) -> ConverterRow {
    ConverterRow { name, kinds: (Any, Integer), arguments: (1, 1), makes: Makes::Looked(counter), help }
}

const fn looked_at(name: &'static str, counter: fn(u8) -> Counter, help: &'static str) -> ConverterRow {
    ConverterRow { name, kinds: (Any, Integer), arguments: (2, 2), makes: Makes::LookedAt(counter), help }
}

const fn late(name: &'static str, counter: Counter, help: &'static str) -> ConverterRow {
    ConverterRow { name, kinds: (Any, Integer), arguments: (1, 2), makes: Makes::LookedOr(counter), help }
}

const fn map(name: &'static str, method: Method, output: Output) -> ConverterRow {
    let from = match method {
        Method::Integer => Integer,
        Method::Address => Address,
        _ => Text,
    };
    let (to, help) = match output {
        Output::Text => (Text, "the value that a file has for it"),
        Output::Expanded => (Text, "the same, with what the expression found in place of '\\1' and the like"),
        Output::Integer => (Integer, "the number that a file has for it"),
        Output::Address => (Address, "the address that a file has for it"),
    };
    // A name that is missing is that of no file.
    ConverterRow { name, kinds: (from, to), arguments: (0, 2), makes: Makes::Map(method, output), help }
}

pub(super) static CONVERTERS: &[ConverterRow] = &[
    row("lower", (Text, Text), (0, 0), |_| Some(Converter::Lower), "in lower case"),
    row("upper", (Text, Text), (0, 0), |_| Some(Converter::Upper), "in upper case"),
    row("length", (Text, Integer), (0, 0), |_| Some(Converter::Length), "how long it is"),
    row("hex", (Binary, Text), (0, 0), |_| Some(Converter::Hex), "as hex digits"),
    row("hex2i", (Text, Integer), (0, 0), |_| Some(Converter::HexToInteger), "hex digits as a number"),
    row("crc32", (Binary, Integer), (0, 1), |args| hash(HashFunction::Crc32, args), "its CRC-32"),
    row("crc32c", (Binary, Integer), (0, 1), |args| hash(HashFunction::Crc32c, args), "its CRC-32C"),
    row(
        "djb2",
        (Binary, Integer),
        (0, 1),
        |args| hash(HashFunction::Djb2, args),
        "its hash by Daniel J. Bernstein's function",
    ),
    row(
        "sdbm",
        (Binary, Integer),
        (0, 1),
        |args| hash(HashFunction::Sdbm, args),
        "its hash by the sdbm library's function",
    ),
    row("base64", (Binary, Text), (0, 0), |_| Some(Converter::Base64(Alphabet::Standard)), "in Base64"),
    row(
        "b64dec",
        (Text, Binary),
        (0, 0),
        |_| Some(Converter::FromBase64(Alphabet::Standard)),
        "out of Base64",
    ),
    row(
        "ub64enc",
        (Binary, Text),
        (0, 0),
        |_| Some(Converter::Base64(Alphabet::Url)),
        "in the Base64 of URLs",
    ),
    row(
        "ub64dec",
        (Text, Binary),
        (0, 0),
        |_| Some(Converter::FromBase64(Alphabet::Url)),
        "out of the Base64 of URLs",
    ),
    row("url_dec", (Text, Text), (0, 1), url_decode, "without the escapes of URLs"),
    row("htonl", (Integer, Binary), (0, 0), |_| Some(Converter::NetworkOrder), "a number as four bytes"),
    row("cut_crlf", (Text, Text), (0, 0), |_| Some(Converter::CutLineEnd), "up to the end of its first line"),
    row("ipmask", (Address, Address), (1, 2), ip_mask, "an address without its last bits"),
    row("bool", (Integer, Bool), (0, 0), |_| Some(Converter::Bool), "whether it is not 0"),
    row("not", (Integer, Bool), (0, 0), |_| Some(Converter::Not), "whether it is 0"),
    row("neg", (Integer, Integer), (0, 0), |_| Some(Converter::Neg), "with the other sign"),
    row("odd", (Integer, Bool), (0, 0), |_| Some(Converter::Odd), "whether it is odd"),
    row("even", (Integer, Bool), (0, 0), |_| Some(Converter::Even), "whether it is even"),
    row("cpl", (Integer, Integer), (0, 0), |_| Some(Converter::Complement), "all bits the other way round"),
    joined("add", (Integer, Integer), (1, 1), |args| arithmetic(Arithmetic::Add, args), "plus a number"),
    joined("sub", (Integer, Integer), (1, 1), |args| arithmetic(Arithmetic::Sub, args), "minus a number"),
    joined("mul", (Integer, Integer), (1, 1), |args| arithmetic(Arithmetic::Mul, args), "times a number"),
    joined(
        "div",
        (Integer, Integer),
        (1, 1),
        |args| arithmetic(Arithmetic::Div, args),
        "divided by a number",
    ),
    joined(
        "mod",
        (Integer, Integer),
        (1, 1),
        |args| arithmetic(Arithmetic::Mod, args),
        "the rest of a division",
    ),
    joined("and", (Integer, Integer), (1, 1), |args| arithmetic(Arithmetic::And, args), "the bits both have"),
    joined(
        "or",
        (Integer, Integer),
        (1, 1),
        |args| arithmetic(Arithmetic::Or, args),
        "the bits one of them has",
    ),
    joined(
        "xor",
        (Integer, Integer),
        (1, 1),
        |args| arithmetic(Arithmetic::Xor, args),
        "the bits only one has",
    ),
    row("bytes", (Binary, Binary), (1, 2), bytes, "some bytes of it"),
    row("field", (Text, Text), (2, 3), |args| part(args, Part::Field), "a part between delimiters"),
    row(
        "word",
        (Text, Text),
        (2, 3),
        |args| part(args, Part::Word),
        "a part between delimiters, empty ones left out",
    ),
    row(
        "ltrim",
        (Text, Text),
        (1, 1),
        |args| Some(Converter::TrimLeft(args[0].clone())),
        "without its first blanks",
    ),
    row(
        "rtrim",
        (Text, Text),
        (1, 1),
        |args| Some(Converter::TrimRight(args[0].clone())),
        "without its last blanks",
    ),
    row("regsub", (Text, Text), (2, 3), replace, "with an expression replaced"),
    row(
        "iif",
        (Bool, Text),
        (2, 2),
        |args| Some(Converter::Choose(args[0].clone(), args[1].clone())),
        "one of two texts",
    ),
    ConverterRow {
        name: "in_table",
        kinds: (Any, Bool),
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
    row("url_enc", (Text, Text), (0, 1), url_encode, "with escapes as in URLs"),
    row("json", (Text, Text), (0, 1), json, "as the inside of a JSON string"),
    row("json_query", (Text, Any), (1, 2), json_query, "a value in a JSON text, by its path"),
    row("sha1", (Binary, Binary), (0, 0), |_| Some(Converter::Digest(DigestKind::Sha1)), "its SHA-1"),
    row("sha2", (Binary, Binary), (0, 1), sha2, "its SHA-2"),
    row(
        "digest",
        (Binary, Binary),
        (1, 1),
        |args| Some(Converter::Digest(digest(args)?)),
        "a digest by its name",
    ),
    row("xxh32", (Binary, Integer), (0, 1), |args| xxh(Xxh::Xxh32, args), "its xxHash of 32 bits"),
    row("xxh64", (Binary, Integer), (0, 1), |args| xxh(Xxh::Xxh64, args), "its xxHash of 64 bits"),
    row("xxh3", (Binary, Integer), (0, 1), |args| xxh(Xxh::Xxh3, args), "its XXH3 of 64 bits"),
    row(
        "be2dec",
        (Binary, Text),
        (2, 3),
        |args| big_endian(Radix::Decimal, args),
        "chunks of bytes as decimal numbers",
    ),
    row(
        "be2hex",
        (Binary, Text),
        (0, 3),
        |args| big_endian(Radix::Hexadecimal, args),
        "chunks of bytes as hex digits",
    ),
    row("host_only", (Text, Text), (0, 0), |_| Some(Converter::Host), "without the port behind it"),
    row("port_only", (Text, Integer), (0, 0), |_| Some(Converter::Port), "the port behind it, or 0"),
    row("http_date", (Integer, Text), (0, 2), http_date, "seconds since 1970 as HTTP writes them"),
    row(
        "utime",
        (Integer, Text),
        (1, 2),
        |args| strftime(args, TimeZone::UTC),
        "seconds since 1970 by a format",
    ),
    row("ltime", (Integer, Text), (1, 2), |args| strftime(args, local_zone()), "the same in local time"),
    row(
        "nbsrv",
        (Text, Integer),
        (0, 0),
        |_| Some(Converter::UsableServers),
        "servers of the backend of that name that get sessions",
    ),
    row(
        "srv_queue",
        (Text, Integer),
        (0, 0),
        |_| Some(Converter::ServerQueue),
        "sessions that wait for the server of that name",
    ),
    row("debug", (Any, Any), (0, 2), |_| Some(Converter::Same), "the same; rolecall writes nothing about it"),
    joined(
        "strcmp",
        (Text, Integer),
        (1, 1),
        |args| variable(Joined::Compare, args),
        "whether it comes before, is, or comes after a variable",
    ),
    joined(
        "secure_memcmp",
        (Binary, Bool),
        (1, 1),
        |args| variable(Joined::CompareSecretly, args),
        "whether it is the same as a variable",
    ),
    joined("concat", (Text, Text), (1, 3), concatenate, "with texts and a variable behind it"),
    joined("add_item", (Text, Text), (2, 3), add_item, "with another item behind a delimiter"),
    joined("hmac", (Binary, Binary), (2, 2), hmac, "a digest under a key in Base64"),
    late("table_idle", Counter::Idle, "milliseconds since that entry was used"),
    late("table_expire", Counter::Expire, "milliseconds that entry has left"),
];

const WHOLE: Method = Method::Text(TextMatch::Whole);
const BEGIN: Method = Method::Text(TextMatch::Begin);
const END: Method = Method::Text(TextMatch::End);
const INSIDE: Method = Method::Text(TextMatch::Inside);
const DIRECTORY: Method = Method::Text(TextMatch::Directory);
const DOMAIN: Method = Method::Text(TextMatch::Domain);

/// By the way to match and by what comes out.
pub(super) static MAPS: &[ConverterRow] = &[
    map("map", WHOLE, Output::Text),
    map("map_str", WHOLE, Output::Text),
    map("map_beg", BEGIN, Output::Text),
    map("map_end", END, Output::Text),
    map("map_sub", INSIDE, Output::Text),
    map("map_dir", DIRECTORY, Output::Text),
    map("map_dom", DOMAIN, Output::Text),
    map("map_reg", Method::Regex, Output::Text),
    map("map_regm", Method::Regex, Output::Expanded),
    map("map_int", Method::Integer, Output::Text),
    map("map_ip", Method::Address, Output::Text),
    map("map_str_int", WHOLE, Output::Integer),
    map("map_beg_int", BEGIN, Output::Integer),
    map("map_end_int", END, Output::Integer),
    map("map_sub_int", INSIDE, Output::Integer),
    map("map_dir_int", DIRECTORY, Output::Integer),
    map("map_dom_int", DOMAIN, Output::Integer),
    map("map_reg_int", Method::Regex, Output::Integer),
    map("map_int_int", Method::Integer, Output::Integer),
    map("map_ip_int", Method::Address, Output::Integer),
    map("map_str_ip", WHOLE, Output::Address),
    map("map_beg_ip", BEGIN, Output::Address),
    map("map_end_ip", END, Output::Address),
    map("map_sub_ip", INSIDE, Output::Address),
    map("map_dir_ip", DIRECTORY, Output::Address),
    map("map_dom_ip", DOMAIN, Output::Address),
    map("map_reg_ip", Method::Regex, Output::Address),
    map("map_int_ip", Method::Integer, Output::Address),
    map("map_ip_ip", Method::Address, Output::Address),
];
