//! `option httpchk` with its `http-check` lines as a script: requests as bytes, and what nobody wrote.

use crate::config::ast::{Check, HttpRequest, HttpRule};
use crate::config::model::{
    CheckAction, CheckExpect, CheckRule, ExpectPattern, HttpExpect, HttpWanted, OnNotFound, Secret,
};

/// Methods whose requests need no length (RFC 9110, 8.6).
const WITHOUT_BODY: [&str; 4] = ["GET", "HEAD", "OPTIONS", "DELETE"];

/// The whole check: the first request is the option's if no line sends one, and the last answer has to be a
/// 2xx or 3xx if no line expects anything of it.
pub(super) fn script(check: &Check) -> Vec<CheckRule> {
    let mut script = Script { check, rules: Vec::new(), bodiless: false, sent: false };
    for rule in check.http.rules.iter() {
        match &rule.value {
            HttpRule::Send(request, comment) if script.sent => script.send(request, comment.clone()),
            HttpRule::Send(_, comment) => script.send(&check.http.first, comment.clone()),
            HttpRule::Plain(rule) => script.plain(rule.clone()),
        }
    }
    script.finish()
}

struct Script<'a> {
    check: &'a Check,
    rules: Vec<CheckRule>,
    /// The last request was a HEAD.
    bodiless: bool,
    sent: bool,
}

impl Script<'_> {
    fn send(&mut self, request: &HttpRequest, comment: Option<String>) {
        let method = request.method.as_deref().unwrap_or("OPTIONS");
        self.bodiless = method == "HEAD";
        self.sent = true;
        let (head, tail) = bytes(request, method);
        let action = match self.check.send_state {
            Some(_) => {
                let head = [head.as_slice(), b"x-haproxy-server-state: "].concat();
                let tail = [b"\r\n", tail.as_slice()].concat();
                CheckAction::SendWithState { head: Secret::new(head), tail: Secret::new(tail) }
            }
            None => CheckAction::Send(Secret::new([head, tail].concat())),
        };
        self.rules.push(CheckRule { action, comment });
    }

    fn plain(&mut self, mut rule: CheckRule) {
        if let CheckAction::Expect(expect) = &mut rule.action {
            if !self.sent {
                self.send(&self.check.http.first, None);
            }
            if let ExpectPattern::Http(http) = &mut expect.pattern {
                http.bodiless = self.bodiless;
                http.on_404 = self.on_404();
            }
        }
        self.rules.push(rule);
    }

    fn on_404(&self) -> OnNotFound {
        if self.check.disable_on_404.is_some() { OnNotFound::Stop } else { OnNotFound::Count }
    }

    fn finish(mut self) -> Vec<CheckRule> {
        if !self.sent {
            self.send(&self.check.http.first, None);
        }
        let last = self.rules.iter().rev().find(|rule| rule.action != CheckAction::Comment);
        let expected = last.is_some_and(|rule| matches!(rule.action, CheckAction::Expect(_)));
        if !expected {
            let wanted = HttpWanted::Status(vec![200..=399]);
            let http = HttpExpect { wanted, bodiless: self.bodiless, on_404: self.on_404() };
            let expect = CheckExpect::of(ExpectPattern::Http(Box::new(http)));
            self.rules.push(CheckRule { action: CheckAction::Expect(expect), comment: None });
        }
        self.rules
    }
}

/// A request in two parts, between which another header may be put.
fn bytes(request: &HttpRequest, method: &str) -> (Vec<u8>, Vec<u8>) {
    let written = request.version.as_deref().unwrap_or("HTTP/1.0");
    let persistent = written.strip_prefix("HTTP/").is_some_and(|number| number >= "1.1");
    let version = if persistent { "HTTP/1.1" } else { written };
    let uri = request.uri.as_deref().unwrap_or("/");
    let mut head = format!("{method} {uri} {version}\r\n").into_bytes();
    let mut tail = Vec::new();
    let mut says_connection = false;
    for (name, value) in &request.headers {
        let name = name.to_ascii_lowercase();
        // What the body is, is known better here.
        if name == "content-length" || name == "transfer-encoding" {
            continue;
        }
        says_connection |= name == "connection";
        for part in [name.as_bytes(), b": ", value.expose(), b"\r\n"] {
            head.extend_from_slice(part);
        }
    }
    let body = request.body.as_ref().map_or(&[][..], Secret::expose);
    if !body.is_empty() || !WITHOUT_BODY.contains(&method) {
        tail.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
    }
    if persistent && !says_connection {
        tail.extend_from_slice(b"connection: close\r\n");
    }
    tail.extend_from_slice(b"\r\n");
    tail.extend_from_slice(body);
    (head, tail)
}
