//! `option httpchk` with its `http-check` lines as a script: requests as bytes, and what nobody wrote.

use crate::config::ast::{Check, HttpRequest, HttpRule};
use crate::config::model::{
    CheckAction, CheckExpect, CheckFormat, CheckPiece, CheckRule, Coding, ExpectPattern, HttpExpect,
    HttpWanted, OnNotFound, Secret,
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
        let format = text(request, method, self.check.send_state.is_some());
        let action = match format.constant() {
            Some(bytes) => CheckAction::Send(Secret::new(bytes)),
            None => CheckAction::SendFormat { format, coding: Coding::Text },
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
        let last = self.rules.iter().rev().find(|rule| rule.action.is_step());
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

/// A request; one that tells how the server stands says so behind the headers that were written.
fn text(request: &HttpRequest, method: &str, tells_state: bool) -> CheckFormat {
    let written = request.version.as_deref().unwrap_or("HTTP/1.0");
    let persistent = written.strip_prefix("HTTP/").is_some_and(|number| number >= "1.1");
    let version = if persistent { "HTTP/1.1" } else { written };
    let mut text = CheckFormat::text(format!("{method} "));
    match &request.uri {
        None => text.push_text(b"/"),
        Some(uri) if uri.constant().is_some() => text.push(uri),
        Some(uri) => text.pieces.push(CheckPiece::Path(uri.clone())),
    }
    text.push_text(format!(" {version}\r\n").as_bytes());
    let mut says_connection = false;
    for (name, value) in &request.headers {
        let name = name.to_ascii_lowercase();
        // What the body is, is known better here.
        if name == "content-length" || name == "transfer-encoding" {
            continue;
        }
        says_connection |= name == "connection";
        text.push_text(format!("{name}: ").as_bytes());
        text.push(value);
        text.push_text(b"\r\n");
    }
    if tells_state {
        text.push_text(b"x-haproxy-server-state: ");
        text.pieces.push(CheckPiece::ServerState);
        text.push_text(b"\r\n");
    }
    let body = request.body.clone().unwrap_or_default();
    let length = body.constant().map(|body| body.len());
    if length != Some(0) || !WITHOUT_BODY.contains(&method) {
        text.push_text(b"content-length: ");
        match length {
            Some(length) => text.push_text(length.to_string().as_bytes()),
            None => text.pieces.push(CheckPiece::LengthOf(body.clone())),
        }
        text.push_text(b"\r\n");
    }
    if persistent && !says_connection {
        text.push_text(b"connection: close\r\n");
    }
    text.push_text(b"\r\n");
    text.push(&body);
    text
}
