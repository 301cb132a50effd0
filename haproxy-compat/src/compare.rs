//! Two outcomes and what is meant to differ between them enter; what differs otherwise leaves. Pure.

use similar::{ChangeTag, TextDiff};

use crate::case::Meant;

/// `None` if rolecall does what HAProxy does, but for what is meant. Otherwise all lines of both: `-` is
/// HAProxy's only, `+` rolecall's only, and each is marked that nobody meant.
pub fn difference(theirs: &[String], ours: &[String], meant: &[Meant]) -> Option<String> {
    let (theirs, ours) = (text(theirs), text(ours));
    let diff = TextDiff::from_lines(&theirs, &ours);
    let mut expected: Vec<&str> = meant.iter().flat_map(|meant| &meant.lines).map(String::as_str).collect();
    let mut shown = String::new();
    let mut failed = false;
    for change in diff.iter_all_changes() {
        let line = change.value().trim_end_matches('\n');
        let line = match change.tag() {
            ChangeTag::Equal => format!("  {line}"),
            ChangeTag::Delete => format!("- {line}"),
            ChangeTag::Insert => format!("+ {line}"),
        };
        let remark = match expected.iter().position(|known| *known == line) {
            _ if change.tag() == ChangeTag::Equal => "",
            Some(at) => {
                expected.remove(at);
                "   (as meant)"
            }
            None => {
                failed = true;
                "   <-- not meant"
            }
        };
        shown += &format!("    {line}{remark}\n");
    }
    for line in &expected {
        shown += &format!("    {line}   <-- is meant to differ, and does not\n");
    }
    (failed || !expected.is_empty()).then_some(shown)
}

fn text(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.split(',').map(str::to_owned).collect()
    }

    #[test]
    fn only_what_is_meant_may_differ() {
        let meant = |text: &str| vec![Meant { reason: "why".to_owned(), lines: lines(text) }];
        assert_eq!(difference(&lines("a,b"), &lines("a,b"), &[]), None);
        assert_eq!(difference(&lines("a,b"), &lines("a,c"), &meant("- b,+ c")), None);
        let told = difference(&lines("a,b"), &lines("a,c"), &meant("- b")).expect("a difference");
        assert!(told.contains("- b   (as meant)\n    + c   <-- not meant"), "{told}");
        let told = difference(&lines("a"), &lines("a"), &meant("- a")).expect("a difference");
        assert!(told.contains("- a   <-- is meant to differ"), "{told}");
    }
}
