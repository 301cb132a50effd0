//! What an HTTP request says: its head in, values out.
//!
//! Some things have several values, such as a header that is repeated or parted by commas. A condition holds if it
//! does for one of them; a sample is the last of them, of parameters the first, as in HAProxy.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::facts::{Facts, Order, Request};
use super::matching;
use crate::config::model::http::{Cast, Field, Values};
use crate::config::model::{Fetch, HttpFact, Value};

/// What an `Authorization` header says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Login {
    /// As written: `Basic`.
    pub scheme: Vec<u8>,
    pub user: Vec<u8>,
    pub password: Vec<u8>,
    /// Of `Bearer`.
    pub token: Vec<u8>,
}

/// The login of a header; `None` if it is none that HAProxy reads.
pub fn login(header: &[u8]) -> Option<Login> {
    let at = header.iter().position(|byte| *byte == b' ')?;
    let (scheme, rest) = (&header[..at], header[at..].trim_ascii());
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return Some(Login { scheme: scheme.to_vec(), token: rest.to_vec(), ..Login::default() });
    }
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    let decoded = STANDARD.decode(rest).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let (user, password) = (decoded[..colon].to_vec(), decoded[colon + 1..].to_vec());
    Some(Login { scheme: scheme.to_vec(), user, password, token: Vec::new() })
}

/// The value of something that has one.
pub(super) fn value(fact: &HttpFact, request: &Request<'_>) -> Option<Value> {
    let text = |text: &str| Some(Value::Text(text.as_bytes().to_vec()));
    let target = request.target;
    let (before, query) = target.split_once('?').unwrap_or((target, ""));
    match fact {
        HttpFact::Method => text(request.method),
        HttpFact::Url => text(target),
        HttpFact::Path => text(path(before)),
        HttpFact::PathAndQuery => text(path(target)),
        HttpFact::Query => target.contains('?').then(|| Value::Text(query.into())),
        HttpFact::Version => text(request.version),
        HttpFact::Base => Some(Value::Text(based(request, path(before)))),
        HttpFact::BaseAndQuery => Some(Value::Text(based(request, path(target)))),
        HttpFact::Spoken => Some(Value::Bool(true)),
        HttpFact::First => Some(Value::Bool(request.order == Order::First)),
        HttpFact::Values(values) => one(values, request),
        HttpFact::Count(field, name) => {
            Some(Value::Integer(i64::try_from(raw(*field, name, request).len()).unwrap_or(i64::MAX)))
        }
        HttpFact::User => said(request, |login| login.user),
        HttpFact::Password => said(request, |login| login.password),
        HttpFact::Scheme => said(request, |login| login.scheme),
        HttpFact::Bearer => said(request, |login| login.token),
        HttpFact::Login(list) => {
            said(request, |login| login.user)?;
            Some(Value::Bool(request.lists.contains(list)))
        }
        HttpFact::Member(list) => said(request, |login| login.user).filter(|_| request.lists.contains(list)),
    }
}

/// All values of something that may have several, where no single one is asked for.
pub(super) fn all_values(fetch: &Fetch, facts: &impl Facts) -> Option<Vec<Value>> {
    let Fetch::Http(HttpFact::Values(values)) = fetch else { return None };
    if values.occurrence != 0 {
        return None;
    }
    let Some(request) = facts.request() else { return Some(Vec::new()) };
    Some(
        raw(values.field, &values.name, &request)
            .into_iter()
            .filter_map(|text| cast(text, values.cast))
            .collect(),
    )
}

fn said(request: &Request<'_>, part: impl FnOnce(Login) -> Vec<u8>) -> Option<Value> {
    let (_, header) = request.headers.iter().find(|(name, _)| name == "authorization")?;
    let part = part(login(header)?);
    Some(Value::Text(part)).filter(|value| *value != Value::Text(Vec::new()))
}

fn one(values: &Values, request: &Request<'_>) -> Option<Value> {
    let all = raw(values.field, &values.name, request);
    let back = usize::try_from(values.occurrence.unsigned_abs()).unwrap_or(usize::MAX);
    let at = match (values.occurrence, values.field) {
        (0, Field::Parameter(_)) => Some(0),
        (0, _) => all.len().checked_sub(1),
        // Of parameters the second argument is something else.
        (occurrence, _) if occurrence > 0 => Some(back - 1),
        _ => all.len().checked_sub(back),
    };
    cast(all.get(at?)?, values.cast)
}

/// The texts, in their order.
fn raw<'a>(field: Field, name: &str, request: &Request<'a>) -> Vec<&'a [u8]> {
    let named = |known: &str| name.is_empty() || known == name;
    match field {
        Field::WholeHeader => {
            request.headers.iter().filter(|(known, _)| named(known)).map(|(_, value)| &**value).collect()
        }
        Field::Header => {
            let lines = request.headers.iter().filter(|(known, _)| named(known));
            lines.flat_map(|(_, value)| parted(value, b',')).map(<[u8]>::trim_ascii).collect()
        }
        Field::Cookie => {
            let lines = request.headers.iter().filter(|(known, _)| known == "cookie");
            let pairs = lines.flat_map(|(_, value)| parted(value, b';')).map(<[u8]>::trim_ascii);
            pairs.filter_map(|pair| valued(pair, name)).collect()
        }
        Field::Parameter(delimiter) => {
            let target = request.target.as_bytes();
            let at = target.iter().position(|byte| *byte == delimiter);
            let query = at.map(|at| &target[at + 1..]).unwrap_or_default();
            let pairs = query.split(move |byte| *byte == b'&' || *byte == b';');
            pairs.filter_map(|pair| valued(pair, name)).collect()
        }
    }
}

/// The value of `NAME=VALUE`; any if no name is asked for.
fn valued<'a>(pair: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let equals = pair.iter().position(|byte| *byte == b'=')?;
    (name.is_empty() || pair[..equals].trim_ascii() == name.as_bytes())
        .then(|| pair[equals + 1..].trim_ascii())
}

/// The parts of a header's value: a delimiter between quotes is none.
fn parted(value: &[u8], delimiter: u8) -> Vec<&[u8]> {
    let (mut parts, mut from, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, byte) in value.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            byte if *byte == delimiter && !quoted => {
                parts.push(&value[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&value[from..]);
    parts
}

fn cast(text: &[u8], cast: Cast) -> Option<Value> {
    let text = Value::Text(text.to_vec());
    match cast {
        Cast::Text => Some(text),
        Cast::Integer => matching::integer(&text).map(Value::Integer),
        Cast::Address => matching::address(&text).map(Value::Address),
    }
}

/// The host, and what follows it.
fn based(request: &Request<'_>, rest: &str) -> Vec<u8> {
    let host = request.headers.iter().find(|(name, _)| name == "host");
    let host = host.map(|(_, value)| value.as_slice()).unwrap_or_default();
    [host, rest.as_bytes()].concat()
}

/// Without scheme and host.
fn path(target: &str) -> &str {
    let Some((_, rest)) = target.split_once("://") else { return target };
    rest.find('/').map_or("/", |at| &rest[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_read_from_its_header() {
        let told = |header: &str| {
            let login = login(header.as_bytes())?;
            let text = |bytes| String::from_utf8(bytes).unwrap();
            Some([login.scheme, login.user, login.password, login.token].map(text).join("/"))
        };
        assert_eq!(told("Basic YTpiOmM=").as_deref(), Some("Basic/a/b:c/"));
        assert_eq!(told("bearer tok x").as_deref(), Some("bearer///tok x"));
        for header in ["", "Basic", "Basic ???", "Basic bm9jb2xvbg==", "Digest x", "BasicYTpi"] {
            assert_eq!(told(header), None, "{header}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_header_is_parted(text in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
            let parts = parted(&text, b',');
            proptest::prop_assert_eq!(parts.join(&b','), text.clone());
            let _ = login(&text);
        }
    }
}
