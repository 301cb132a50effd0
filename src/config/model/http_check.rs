//! What `http-check expect` asks of an HTTP answer (manual section 4.2).

use std::ops::RangeInclusive;

use regex::bytes::Regex;

use super::check_format::CheckFormat;

/// One `http-check expect`.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpExpect {
    pub wanted: HttpWanted,
    /// The answer belongs to a HEAD request and has no body, whatever its header says.
    pub bodiless: bool,
    pub on_404: OnNotFound,
}

/// `http-check disable-on-404`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnNotFound {
    /// A status like any other.
    #[default]
    Count,
    /// A server that is up stays up and takes no new sessions (NOLB).
    Stop,
}

#[derive(Debug, Clone, PartialEq)]
pub enum HttpWanted {
    /// `status 200-299,301`
    Status(Vec<RangeInclusive<u32>>),
    /// `rstatus`: the three digits against an expression.
    Rstatus(Expression),
    /// `string`, in the body.
    Body(Vec<u8>),
    /// `string-lf`
    BodyFormat(CheckFormat),
    /// `rstring`
    Rbody(Expression),
    /// `hdr`, `fhdr`
    Header(HeaderWanted),
}

impl HttpWanted {
    /// What has to be put together anew for each answer: a text of the body or the name of a header, and its value.
    pub fn formats(&self) -> [Option<&CheckFormat>; 2] {
        match self {
            HttpWanted::BodyFormat(format) => [Some(format), None],
            HttpWanted::Header(wanted) => {
                [wanted.name.format(), wanted.value.as_ref().and_then(TextWanted::format)]
            }
            _ => [None, None],
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct HeaderWanted {
    /// Compared without regard to case.
    pub name: TextWanted,
    /// `None`: that it is there.
    pub value: Option<TextWanted>,
    pub parts: HeaderParts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderParts {
    /// `hdr`: each of a list with commas for itself.
    Each,
    /// `fhdr`: the value as a whole.
    Full,
}

/// `[-m str|beg|end|sub|reg] TEXT`
#[derive(Debug, Clone, PartialEq)]
pub enum TextWanted {
    Text(TextPlace, String),
    /// `name-lf`, `value-lf`
    Format(TextPlace, CheckFormat),
    Matching(Expression),
}

/// Where a text has to stand in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextPlace {
    Whole,
    Beginning,
    End,
    Part,
}

impl TextWanted {
    /// What has to be put together anew for each answer.
    pub fn format(&self) -> Option<&CheckFormat> {
        if let TextWanted::Format(_, format) = self { Some(format) } else { None }
    }
}

/// A regular expression; two are the same if they are written alike.
#[derive(Debug, Clone)]
pub struct Expression {
    pub text: String,
    pub regex: Regex,
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
