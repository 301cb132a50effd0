//! Changes from the page (`stats admin`): the body of its form in, an [`Order`] out, and the codes by which HAProxy's
//! page says what became of it (`;st=DONE`). Pure; the control side carries orders out ([`Change`]).
//!
//! HAProxy asks nothing of where a form came from. Here a browser that says so (`Origin`, else `Referer`) has to have
//! had it from this page: whoever is logged in could otherwise be led to submit somebody else's. Tools send neither.

use tokio::sync::oneshot;

/// What is done to the servers that were ticked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Ready,
    Drain,
    Maintenance,
    /// Only the one flag, as older pages did: maintenance.
    Disable,
    Enable,
    /// Likewise: drain.
    Stop,
    Start,
    ChecksOff,
    ChecksOn,
    ForceUp,
    ForceNoBalance,
    ForceDown,
    AgentOff,
    AgentOn,
    AgentUp,
    AgentDown,
    Shutdown,
}

/// Words in a form, and what the page calls them; older words are understood and not offered.
pub const ACTIONS: &[(&str, Action, Option<&str>)] = &[
    ("ready", Action::Ready, Some("Set state to READY")),
    ("drain", Action::Drain, Some("Set state to DRAIN")),
    ("maint", Action::Maintenance, Some("Set state to MAINT")),
    ("dhlth", Action::ChecksOff, Some("Health: disable checks")),
    ("ehlth", Action::ChecksOn, Some("Health: enable checks")),
    ("hrunn", Action::ForceUp, Some("Health: force UP")),
    ("hnolb", Action::ForceNoBalance, Some("Health: force NOLB")),
    ("hdown", Action::ForceDown, Some("Health: force DOWN")),
    ("dagent", Action::AgentOff, Some("Agent: disable checks")),
    ("eagent", Action::AgentOn, Some("Agent: enable checks")),
    ("arunn", Action::AgentUp, Some("Agent: force UP")),
    ("adown", Action::AgentDown, Some("Agent: force DOWN")),
    ("shutdown", Action::Shutdown, Some("Kill Sessions")),
    ("disable", Action::Disable, None),
    ("enable", Action::Enable, None),
    ("stop", Action::Stop, None),
    ("start", Action::Start, None),
];

/// What a form asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its name, or `#` and its number.
    pub backend: String,
    pub action: Action,
    pub servers: Vec<String>,
}

/// An order on its way to the control side.
#[derive(Debug)]
pub struct Change {
    pub order: Order,
    /// `stats scope`: the only proxies that the page may touch; empty: all.
    pub scope: Vec<String>,
    pub answer: oneshot::Sender<Code>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    Done,
    Partly,
    Nothing,
    Failed,
    Denied,
    TooLong,
    Unknown,
}

/// HAProxy's word for each, and ours for people.
const CODES: &[(Code, &str, &str)] = &[
    (Code::Done, "DONE", "Done."),
    (Code::Partly, "PART", "Done to some of the servers only."),
    (Code::Nothing, "NONE", "Nothing changed."),
    (Code::Failed, "ERRP", "Not done: check the names of the backend, the servers and the action."),
    (Code::Denied, "DENY", "Denied: you may not change anything here."),
    (Code::TooLong, "EXCD", "Not done: too many servers at once."),
    (Code::Unknown, "UNKN", "Unexpected error."),
];

impl Code {
    /// After `st=`.
    pub fn word(self) -> &'static str {
        CODES.iter().find(|(code, ..)| *code == self).map_or("UNKN", |(_, word, _)| word)
    }

    /// What the page says of a word.
    pub fn text(word: &str) -> Option<&'static str> {
        CODES.iter().find(|(_, known, _)| *known == word).map(|(.., text)| *text)
    }

    /// Of so many servers that the action concerned, so many were changed.
    pub fn of(altered: usize, concerned: usize) -> Code {
        match altered {
            _ if concerned == 0 => Code::Nothing,
            0 => Code::Failed,
            _ if altered == concerned => Code::Done,
            _ => Code::Partly,
        }
    }
}

/// Bytes of a form that are read, and of one field in it, as in HAProxy.
pub const LONGEST_FORM: usize = 15 * 1024;
const LONGEST_FIELD: usize = 2048;

impl Order {
    /// Reads a form. Of several backends and actions the last one counts; servers come last first, as in HAProxy.
    pub fn read(body: &[u8]) -> Result<Order, Code> {
        let (mut backend, mut action, mut servers) = (None, None, Vec::new());
        for field in body.rsplit(|byte| *byte == b'&') {
            if field.len() >= LONGEST_FIELD {
                return Err(Code::Failed);
            }
            let mut parts = field.splitn(2, |byte| *byte == b'=');
            let (key, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            let value = decoded(value).ok_or(Code::Failed)?;
            match decoded(key).as_deref() {
                Some("b") if backend.is_none() => backend = Some(value),
                Some("action") if action.is_none() => {
                    let known = ACTIONS.iter().find(|(word, ..)| *word == value);
                    action = Some(known.ok_or(Code::Failed)?.1);
                }
                Some("s") => servers.push(value),
                _ => {}
            }
        }
        let (Some(backend), Some(action), false) = (backend, action, servers.is_empty()) else {
            return Err(Code::Nothing);
        };
        Ok(Order { backend, action, servers })
    }
}

/// `application/x-www-form-urlencoded`; `None` for a broken escape.
fn decoded(text: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(*rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            other => *other,
        });
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Where a form came from, as far as the browser says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// From this page, or nobody says.
    Here,
    Elsewhere,
}

/// Judges by the headers of that name. The scheme is not compared: TLS may end before us.
pub fn origin(host: Option<&[u8]>, origin: Option<&[u8]>, referer: Option<&[u8]>) -> Origin {
    let Some(claimed) = origin.or(referer) else { return Origin::Here };
    let authority = std::str::from_utf8(claimed).ok().and_then(|claimed| claimed.split_once("://"));
    let authority = authority.and_then(|(_, rest)| rest.split(['/', '?', '#']).next());
    match authority.zip(host) {
        Some((authority, host)) if authority.as_bytes().eq_ignore_ascii_case(host) => Origin::Here,
        _ => Origin::Elsewhere,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded from HAProxy 2.6.12, as far as a form alone decides.
    #[test]
    fn forms_are_read_as_haproxy_reads_them() {
        let order = |action, servers: &[&str]| {
            let servers = servers.iter().map(|name| (*name).to_owned()).collect();
            Ok(Order { backend: "b1".to_owned(), action, servers })
        };
        for (body, expected) in [
            ("s=a&action=ready&b=b1", order(Action::Ready, &["a"])),
            ("b=b1&s=a&action=drain", order(Action::Drain, &["a"])),
            ("x=y&s=a&s=c&action=maint&b=b1", order(Action::Maintenance, &["c", "a"])),
            ("b=b2&action=maint&s=a&b=b1&s=c&action=shutdown", order(Action::Shutdown, &["c", "a"])),
            ("s=%61&action=re%61dy&b=b%31", order(Action::Ready, &["a"])),
            ("s=&action=ready&b=b1", order(Action::Ready, &[""])),
            ("s=a&action=bogus&b=b1", Err(Code::Failed)),
            ("s=a&action=&b=b1", Err(Code::Failed)),
            ("s=a&b=b1", Err(Code::Nothing)),
            ("action=ready&b=b1", Err(Code::Nothing)),
            ("s=a&action=ready", Err(Code::Nothing)),
            ("", Err(Code::Nothing)),
            ("s=%6", Err(Code::Failed)),
        ] {
            assert_eq!(Order::read(body.as_bytes()), expected, "{body}");
        }
        let long = format!("s=a&action=ready&b=b1&{}", "x".repeat(LONGEST_FIELD));
        assert_eq!(Order::read(long.as_bytes()), Err(Code::Failed));
    }

    #[test]
    fn codes_are_haproxys() {
        let words = [(0, 0), (0, 2), (1, 2), (2, 2)].map(|(altered, all)| Code::of(altered, all).word());
        assert_eq!(words, ["NONE", "ERRP", "PART", "DONE"]);
        assert_eq!((Code::TooLong.word(), Code::Denied.word()), ("EXCD", "DENY"));
        assert!(Code::text("DONE").is_some() && Code::text("<b>").is_none());
    }

    #[test]
    fn a_browser_that_says_where_the_form_came_from_says_here() {
        let host = Some(&b"box:8080"[..]);
        for (from, expected) in [
            (None, Origin::Here),
            (Some("http://box:8080"), Origin::Here),
            (Some("https://BOX:8080"), Origin::Here),
            (Some("http://box"), Origin::Elsewhere),
            (Some("http://evil"), Origin::Elsewhere),
            (Some("http://evil/box:8080"), Origin::Elsewhere),
            (Some("http://box:8080@evil"), Origin::Elsewhere),
            (Some("null"), Origin::Elsewhere),
            (Some(""), Origin::Elsewhere),
        ] {
            assert_eq!(origin(host, from.map(str::as_bytes), None), expected, "{from:?}");
        }
        let page = Some(&b"http://box:8080/stats;up"[..]);
        assert_eq!(origin(host, None, page), Origin::Here);
        assert_eq!(origin(host, Some(b"http://evil"), page), Origin::Elsewhere);
        assert_eq!(origin(None, None, page), Origin::Elsewhere);
    }

    proptest::proptest! {
        #[test]
        fn any_form_is_read_or_refused(body in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            if let Ok(order) = Order::read(&body) {
                proptest::prop_assert!(!order.servers.is_empty());
            }
        }
    }
}
