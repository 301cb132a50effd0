//! The texts and expressions of a check ([`CheckFormat`]) over what is known while it runs: its server, its variables,
//! what has come. Pure, but for the clock and chance that an expression asks for.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use super::Bystander;
use super::http::Answer;
use crate::config::model::{CheckConverter, CheckFetch, CheckFormat, CheckPiece, CheckSample, Coding, Value};
use crate::rules::{plain_convert, text};

/// What is longer is cut: HAProxy has a buffer for it.
const LONGEST: usize = 16 << 10;

/// What expressions are about.
#[derive(Debug)]
pub(super) enum Material<'a> {
    Bytes(&'a [u8]),
    /// As in HAProxy, `res.payload` finds nothing in it.
    Http(Answer),
}

/// Variables of one check, by their names.
pub(super) type Variables = HashMap<String, Value>;

/// All that expressions may ask.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub(super) material: Material<'a>,
    pub(super) bystander: &'a Bystander,
    pub(super) variables: &'a Variables,
}

impl Scene<'_> {
    /// The number that an expression gives, which of a text is the digits that it begins with.
    pub(super) fn number(&self, sample: &CheckSample) -> Option<i32> {
        let value = text(&self.value(sample)?);
        let digits = value.iter().enumerate().take_while(|(at, byte)| is_of_number(*at, **byte)).count();
        std::str::from_utf8(&value[..digits]).ok()?.parse().ok()
    }

    /// The bytes of a format; `None`: they are to be hexadecimal, and are not.
    pub(super) fn bytes(&self, format: &CheckFormat, coding: Coding) -> Option<Vec<u8>> {
        let bytes = self.render(format);
        match coding {
            Coding::Text => Some(bytes),
            Coding::Hexadecimal => unhex(&bytes),
        }
    }

    /// The text of a format.
    pub(super) fn render(&self, format: &CheckFormat) -> Vec<u8> {
        let mut out = Vec::new();
        for piece in &format.pieces {
            match piece {
                CheckPiece::Text(text) => out.extend_from_slice(text.expose()),
                CheckPiece::Sample(sample) => {
                    out.extend(self.value(sample).map(|value| text(&value)).unwrap_or_default());
                }
                CheckPiece::ServerState => out.extend_from_slice(self.bystander.announced.as_bytes()),
                CheckPiece::LengthOf(other) => out.extend(self.render(other).len().to_string().into_bytes()),
                CheckPiece::Path(other) => {
                    let path = self.render(other);
                    out.extend_from_slice(if path.is_empty() { b"/" } else { &path });
                }
            }
            out.truncate(LONGEST);
        }
        out
    }

    /// The value of an expression.
    pub(super) fn value(&self, sample: &CheckSample) -> Option<Value> {
        let mut value = self.fetch(&sample.fetch)?;
        for converter in &sample.converters {
            value = match converter {
                CheckConverter::Plain(converter) => plain_convert(converter, value)?,
                CheckConverter::CutCrlf => {
                    let mut text = text(&value);
                    let end = text.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
                    text.truncate(end.unwrap_or(text.len()));
                    Value::Text(text)
                }
            };
        }
        Some(value)
    }

    fn fetch(&self, fetch: &CheckFetch) -> Option<Value> {
        let known = self.bystander;
        let text = |text: &str| Some(Value::Text(text.as_bytes().to_vec()));
        match (fetch, &self.material) {
            (CheckFetch::Text(constant), _) => Some(Value::Text(constant.expose().to_vec())),
            (CheckFetch::Integer(number), _) => Some(Value::Integer(*number)),
            (CheckFetch::Bool(truth), _) => Some(Value::Bool(*truth)),
            (CheckFetch::BackendName, _) => text(&known.backend.name),
            (CheckFetch::BackendId, _) => Some(Value::Integer(known.backend.id.into())),
            (CheckFetch::ServerName, _) => text(&known.server.name),
            (CheckFetch::ServerId, _) => Some(Value::Integer(known.server.id.into())),
            (CheckFetch::Hostname, _) => text(&nix::unistd::gethostname().ok()?.to_string_lossy()),
            (CheckFetch::Date(more), _) => {
                // A clock before 1970 is taken for 1970.
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Some(Value::Integer(i64::try_from(since.as_secs()).ok()?.saturating_add(*more)))
            }
            (CheckFetch::Random(bound), _) => Some(Value::Integer(i64::from(random() % (*bound).max(1)))),
            (CheckFetch::Variable(name), _) => self.variables.get(name).cloned(),
            (CheckFetch::InputLength, Material::Bytes(input)) => Some(Value::Integer(input.len() as i64)),
            (CheckFetch::Input { offset, length }, Material::Bytes(input)) => {
                let rest = &input[(*offset).min(input.len())..];
                let length = if *length == 0 { rest.len() } else { (*length).min(rest.len()) };
                Some(Value::Text(rest[..length].to_vec()))
            }
            (CheckFetch::Status, Material::Http(answer)) => Some(Value::Integer(answer.code.into())),
            (CheckFetch::Body, Material::Http(answer)) => Some(Value::Text(answer.body.clone())),
            (CheckFetch::Header(name), Material::Http(answer)) => {
                let mut values = answer.values(|found| found == name);
                values.next().map(|value| Value::Text(value.to_vec()))
            }
            _ => None,
        }
    }
}

fn is_of_number(at: usize, byte: u8) -> bool {
    byte.is_ascii_digit() || (at == 0 && byte == b'-')
}

/// Spreads what checks send; no secret depends on it.
fn random() -> u32 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0) as u32
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}
