//! `on-success`, `on-error` and `status-code`: text with the few `%[...]` expressions that make sense over a
//! check's input.
//!
//! Known are the fetches `res.len` and `res.payload(offset,length)` over bytes, `status` and `res.body` over an
//! HTTP answer, `int(n)`, and the converters `cut_crlf`, `lower`, `upper`, `ltrim` (of blanks) and
//! `bytes(offset[,length])`. An expression that is not known gives nothing, as a fetch without a
//! result does in HAProxy.

use super::http::Answer;

/// What expressions are about.
#[derive(Debug)]
pub(super) enum Material<'a> {
    Bytes(&'a [u8]),
    /// As in HAProxy, `res.payload` finds nothing in it.
    Http(Answer),
}

/// The number that an expression gives.
pub(super) fn number(expression: &str, material: &Material<'_>) -> Option<i32> {
    let value = value(expression, material)?;
    std::str::from_utf8(&value).ok()?.trim().parse().ok()
}

/// The text of `format` over `material`.
pub(super) fn render(format: &str, material: &Material<'_>) -> String {
    let mut out = Vec::new();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        let after = &rest[at + 1..];
        if let Some(tail) = after.strip_prefix('%') {
            out.push(b'%');
            rest = tail;
        } else if let Some((expression, tail)) =
            after.strip_prefix('[').and_then(|inner| inner.split_once(']'))
        {
            out.extend(value(expression, material).unwrap_or_default());
            rest = tail;
        } else {
            out.push(b'%');
            rest = after;
        }
    }
    out.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&out).into_owned()
}

fn value(expression: &str, material: &Material<'_>) -> Option<Vec<u8>> {
    let mut calls = calls(expression).into_iter();
    let (fetch, arguments) = calls.next()?;
    let mut value = match (fetch, material) {
        ("res.len", Material::Bytes(input)) => input.len().to_string().into_bytes(),
        ("res.payload", Material::Bytes(input)) => slice(input, &arguments),
        ("status", Material::Http(answer)) => answer.code.to_string().into_bytes(),
        ("res.body", Material::Http(answer)) => answer.body.clone(),
        ("int", _) => arguments.first()?.to_string().into_bytes(),
        _ => return None,
    };
    for (converter, arguments) in calls {
        match converter {
            "cut_crlf" => {
                let end = value.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
                value.truncate(end.unwrap_or(value.len()));
            }
            "ltrim" => value = value.trim_ascii_start().to_vec(),
            "lower" => value.make_ascii_lowercase(),
            "upper" => value.make_ascii_uppercase(),
            "bytes" => value = slice(&value, &arguments),
            _ => return None,
        }
    }
    Some(value)
}

/// `a(1,2),b` as names with their numbers.
fn calls(expression: &str) -> Vec<(&str, Vec<usize>)> {
    let mut found = Vec::new();
    let mut rest = expression.trim();
    while !rest.is_empty() {
        let end = rest.find(['(', ',']).unwrap_or(rest.len());
        let name = rest[..end].trim();
        rest = &rest[end..];
        let mut arguments = Vec::new();
        if let Some((inner, tail)) = rest.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
            arguments = inner.split(',').filter_map(|number| number.trim().parse().ok()).collect();
            rest = tail;
        }
        found.push((name, arguments));
        rest = rest.strip_prefix([',', '(']).unwrap_or(rest);
    }
    found
}

/// From an offset, so many bytes; none or 0 is all the rest.
fn slice(input: &[u8], arguments: &[usize]) -> Vec<u8> {
    let start = arguments.first().copied().unwrap_or(0).min(input.len());
    let rest = &input[start..];
    match arguments.get(1) {
        None | Some(0) => rest.to_vec(),
        Some(length) => rest[..rest.len().min(*length)].to_vec(),
    }
}
