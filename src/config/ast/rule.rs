//! Conditions and rules as written. The lines of one ACL are shared by all that name it, so that a line which
//! comes after its use still counts, as in HAProxy.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::{Format, Spanned};
use crate::config::model::http::{Answer, Redirect};
use crate::config::model::{
    Converter, Counter, End, Half, Joined, KeyKind, Listed, LogLevel, Marking, Output, Stored, Value, When,
};
use crate::config::rule::fetch::{FetchRow, Kind};
use crate::config::rule::matching::Method;
use crate::config::source::Span;

/// The lines of one ACL, each an alternative.
pub type Acl = Rc<RefCell<Vec<Rc<Test>>>>;

/// A sample and its patterns.
#[derive(Debug, Clone)]
pub struct Test {
    pub sample: Sample,
    pub listed: Vec<Listed>,
}

/// `FETCH[(ARGUMENT,...)][,CONVERTER[(ARGUMENT,...)]...]`
#[derive(Debug, Clone)]
pub struct Sample {
    pub fetch: FetchRow,
    /// As written, for messages.
    pub name: String,
    pub arguments: Vec<Vec<u8>>,
    pub steps: Vec<Step>,
    /// The type after all converters.
    pub kind: Kind,
    pub span: Span,
}

/// A converter.
#[derive(Debug, Clone)]
pub enum Step {
    Plain(Converter),
    /// By the name of the table.
    InTable(String),
    Looked(Counter, String),
    /// With what stands in for an entry that is missing.
    LookedOr(Counter, String, Option<i64>),
    /// With the variable of that name.
    Joined(Joined, String),
    Map(MapStep),
    /// HAProxy has it, rolecall has not.
    Unsupported(&'static str),
}

/// `map_METHOD_OUTPUT(FILE[,DEFAULT])`
#[derive(Debug, Clone)]
pub struct MapStep {
    pub name: &'static str,
    pub method: Method,
    pub output: Output,
    pub file: String,
    pub default: Option<Value>,
}

/// `if` or `unless`, and alternatives of terms.
#[derive(Debug, Clone)]
pub struct Condition {
    pub unless: bool,
    pub any: Vec<Vec<Term>>,
    pub span: Span,
}

#[derive(Debug, Clone)]
pub struct Term {
    pub negated: bool,
    pub acl: Acl,
    /// `None`: between braces.
    pub name: Option<String>,
    pub span: Span,
}

/// `use_backend`, `use-server`.
#[derive(Debug, Clone)]
pub struct Choice {
    pub name: Spanned<String>,
    /// The name is made for each client.
    pub made: Option<MadeName>,
    pub condition: Option<Condition>,
}

/// `BEFORE%[SAMPLE]AFTER`
#[derive(Debug, Clone)]
pub struct MadeName {
    pub before: String,
    pub sample: Sample,
    pub after: String,
}

/// What stands in rules, by the list that it belongs to.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    pub acls: Vec<(String, Acl)>,
    pub connection: Vec<Rule>,
    pub session: Vec<Rule>,
    pub content: Vec<Rule>,
    pub response: Vec<Rule>,
    pub inspect_delay: Option<Duration>,
    pub response_delay: Option<Duration>,
    pub monitor_fail: Vec<Condition>,
    pub requests: Vec<RequestRule>,
    /// Lines of `http-request` without effect.
    pub changes: Vec<Change>,
    /// `redirect`
    pub redirects: Vec<RequestRule>,
    pub table: Option<Spanned<Table>>,
    pub stick: Vec<Stick>,
    /// `stick store-response`
    pub stick_response: Vec<Stick>,
}

#[derive(Debug, Clone)]
pub struct Rule {
    pub action: Action,
    pub condition: Option<Condition>,
    pub span: Span,
}

/// `http-request`, `stats http-request`, `block`, `redirect`
#[derive(Debug, Clone)]
pub struct RequestRule {
    pub action: RequestAction,
    pub condition: Option<Condition>,
    pub span: Span,
}

/// What a line of `http-request` would change of the request or of what is known of the client, and does not.
#[derive(Debug, Clone)]
pub struct Change {
    pub action: String,
    /// The word behind it, in lower case: the name of a header.
    pub subject: String,
    pub span: Span,
}

/// As [`crate::config::model::RequestAction`].
#[derive(Debug, Clone)]
pub enum RequestAction {
    Allow,
    /// The realm, if it is not the proxy's name.
    Auth(Option<String>),
    Deny(Arc<Answer<Sample>>),
    Tarpit(Arc<Answer<Sample>>),
    Reject,
    SilentDrop,
    Return(Arc<Answer<Sample>>),
    Redirect(Arc<Redirect<Sample>>),
    Export,
    Act(Action),
}

#[derive(Debug, Clone)]
pub enum Action {
    Accept,
    Reject,
    /// `silent-drop`: the client does not hear of it.
    SilentDrop,
    /// Of a response.
    Close,
    /// `expect-proxy layer4`
    ExpectProxy,
    Track {
        slot: u8,
        key: Sample,
        table: Option<Spanned<String>>,
    },
    SetVariable {
        name: String,
        sample: Sample,
        when: Vec<When>,
    },
    /// `set-var-fmt`
    SetText {
        name: String,
        format: Spanned<Format>,
        when: Vec<When>,
    },
    UnsetVariable(String),
    Count {
        slot: u8,
        counter: Counter,
    },
    SetTag {
        slot: u8,
        tag: u8,
        sample: Sample,
    },
    /// `set-src` and its like
    Rewrite {
        end: End,
        half: Half,
        sample: Sample,
    },
    Mark(Marking),
    SetLogLevel(LogLevel),
    Capture {
        sample: Sample,
        length: usize,
    },
    /// It has no effect, of which the user was told.
    Nothing,
}

/// `stick-table`
#[derive(Debug, Clone)]
pub struct Table {
    pub key: KeyKind,
    pub size: usize,
    pub expire: Option<Duration>,
    pub nopurge: bool,
    pub store: Vec<Stored>,
    /// Whom it would be shared with.
    pub peers: Option<Spanned<String>>,
}

/// `stick on|match|store-request`
#[derive(Debug, Clone)]
pub struct Stick {
    pub key: Sample,
    pub table: Option<Spanned<String>>,
    pub matches: bool,
    pub stores: bool,
    pub condition: Option<Condition>,
}
