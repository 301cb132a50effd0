//! The line that an agent says: words between blanks and commas, in any order, the last of a kind counts. Pure.
//!
//! | word | is |
//! |---|---|
//! | `up`, `down`, `fail`, `stopped` | health; behind a `#` the reason, to the end of the line |
//! | `ready`, `drain`, `maint` | the administrative state |
//! | `75%`, `weight:75%`, `weight:75` | the weight (the prefix is newer than HAProxy 2.6) |
//! | `maxconn:30` | that |
//!
//! What is none of these is an error that is told beside the rest, as in HAProxy.

use super::AgentState;

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Told {
    pub(super) state: Option<AgentState>,
    pub(super) weight: Option<String>,
    pub(super) maxconn: Option<String>,
    pub(super) health: Option<Health>,
    /// The first word that means nothing.
    pub(super) stray: Option<String>,
}

/// What a line says of health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Health {
    pub(super) up: bool,
    /// As the agent wrote it.
    pub(super) word: String,
    pub(super) reason: String,
}

/// Where the line ends in what has come so far; `None`: it goes on. Behind a NUL HAProxy sees nothing, so that no
/// end of a line is there.
pub(super) fn end(input: &[u8]) -> Option<usize> {
    let at = input.iter().position(|byte| matches!(byte, b'\r' | b'\n' | 0))?;
    (input[at] != 0).then_some(at)
}

/// Reads a line without its end.
pub(super) fn read(line: &[u8]) -> Told {
    let line = String::from_utf8_lossy(line);
    let mut told = Told::default();
    let mut reason = "";
    let mut rest = line.trim_start_matches(SEPARATORS);
    while !rest.is_empty() {
        if let Some(text) = rest.strip_prefix('#') {
            reason = text.trim_start_matches([' ', '\t']);
            break;
        }
        let (word, after) = rest.split_at(rest.find(SEPARATORS).unwrap_or(rest.len()));
        told.take(word);
        rest = after.trim_start_matches(SEPARATORS);
    }
    if let Some(health) = &mut told.health {
        health.reason = reason.to_owned();
    }
    told
}

const SEPARATORS: [char; 3] = [' ', '\t', ','];

impl Told {
    fn take(&mut self, word: &str) {
        let lower = word.to_ascii_lowercase();
        match lower.as_str() {
            "up" | "down" | "fail" | "stopped" => {
                self.health =
                    Some(Health { up: lower == "up", word: word.to_owned(), reason: String::new() });
            }
            "ready" => self.state = Some(AgentState::Ready),
            "drain" => self.state = Some(AgentState::Drain),
            "maint" => self.state = Some(AgentState::Maintenance),
            _ if lower.starts_with(|c: char| c.is_ascii_digit()) && lower.contains('%') => {
                self.weight = Some(lower);
            }
            _ => match lower.split_once(':') {
                Some(("weight", value)) => self.weight = Some(value.to_owned()),
                Some(("maxconn", value)) => self.maxconn = Some(value.to_owned()),
                _ if self.stray.is_none() => self.stray = Some(word.to_owned()),
                _ => {}
            },
        }
    }

    /// What is shown of it, as `last_agt`; `warning` is what was wrong with its orders.
    pub(super) fn words(&self, warning: Option<&str>) -> String {
        let complaint = self.stray.as_deref().or(warning).unwrap_or_default();
        let Some(Health { up, word, reason }) = &self.health else {
            return match (&self.stray, warning) {
                (Some(stray), _) => format!("agent reports an error : {stray}"),
                (None, Some(warning)) => format!("agent warns : {warning}"),
                (None, None) => String::new(),
            };
        };
        // Why a server is down matters more than an odd word beside it.
        let shown = match (reason.is_empty() || *up, complaint.is_empty()) {
            (true, false) => complaint,
            _ => reason,
        };
        match shown {
            "" => format!("via agent : {word}"),
            shown => format!("via agent : {word} ({shown})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded from HAProxy 2.6.12.
    #[test]
    fn words_are_haproxys() {
        for (line, warning, words) in [
            ("up", None, "via agent : up"),
            ("UP,READY\tdrain", None, "via agent : UP"),
            ("stopped # gone fishing", None, "via agent : stopped (gone fishing)"),
            ("fail#out of tune", None, "agent reports an error : fail#out"),
            ("75", None, "agent reports an error : 75"),
            ("foo bar", None, "agent reports an error : foo"),
            ("up foo", None, "via agent : up (foo)"),
            ("down foo", None, "via agent : down (foo)"),
            ("down foo #why", None, "via agent : down (why)"),
            ("up foo #why", None, "via agent : up (foo)"),
            ("up #why", None, "via agent : up (why)"),
            ("up 75%x", Some("garbage"), "via agent : up (garbage)"),
            ("75%x", Some("garbage"), "agent warns : garbage"),
            ("failed", None, "agent reports an error : failed"),
            ("#only", None, ""),
            ("", None, ""),
            ("up ready 100% maxconn:5 #fine", None, "via agent : up (fine)"),
        ] {
            assert_eq!(read(line.as_bytes()).words(warning), words, "{line}");
        }
    }

    #[test]
    fn the_last_word_of_a_kind_counts() {
        let told = read(b"up 10% maint,ready maxconn:3 down weight:7 MAXCONN:4");
        assert_eq!(told.state, Some(AgentState::Ready));
        assert_eq!((told.weight.as_deref(), told.maxconn.as_deref()), (Some("7"), Some("4")));
        assert!(told.health.is_some_and(|health| !health.up) && told.stray.is_none());
        assert_eq!(read(b" ,\t,"), Told::default());
        assert!(read(b"\xff\xfe%").stray.is_some());
    }

    #[test]
    fn a_line_ends_at_the_first_end_of_line() {
        for (input, at) in [
            (&b"up\r\nxx"[..], Some(2)),
            (b"up\n", Some(2)),
            (b"\n", Some(0)),
            (b"up", None),
            (b"\0up\n", None),
            (b"", None),
        ] {
            assert_eq!(end(input), at);
        }
    }
}
