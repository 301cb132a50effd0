//! What HAProxy wants in the small sections, of which nothing has an effect here: their headers, and after
//! their keywords. A name such as `server` or `timeout server` means something else in a proxy, so that these
//! forms stand apart from those of `form`.

use super::Scope::{self, Cache, HttpErrors, Mailers, Peers, Ring};
use super::form::Form::{self, At, AtLeast, AtMost, Between, OneOf, Time};
use super::form::STATUS;
use super::form::Value::{Address, AddressWithPort, Name, Whole};

/// What has to be so on the line that opens a section, and at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub section: &'static str,
    pub forms: &'static [Form],
    pub repeats: Repeats,
    /// A keyword without which the section says nothing, and what HAProxy says then.
    pub needs: Option<(&'static str, &'static str)>,
}

/// Whether two sections of a kind may have one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeats {
    Never,
    Freely,
}

const NAME: Form = AtLeast(1, "a name");
const ONE: &[Form] = &[NAME, At(0, Name), AtMost(1)];
/// HAProxy does not look at what stands behind the name.
const FIRST: &[Form] = &[NAME, At(0, Name)];

static HEADERS: &[Header] = &[
    header("peers", ONE, Repeats::Never, None),
    header("userlist", ONE, Repeats::Freely, None),
    header("mailers", FIRST, Repeats::Never, None),
    header("ring", FIRST, Repeats::Never, None),
    header("http-errors", FIRST, Repeats::Never, None),
    header("cache", ONE, Repeats::Freely, Some(("total-max-size", "has no 'total-max-size'"))),
    header("program", ONE, Repeats::Never, Some(("command", "lacks a 'command' to launch"))),
    header("fcgi-app", ONE, Repeats::Never, Some(("docroot", "has no 'docroot'"))),
];

const fn header(
    section: &'static str,
    forms: &'static [Form],
    repeats: Repeats,
    needs: Option<(&'static str, &'static str)>,
) -> Header {
    Header { section, forms, repeats, needs }
}

/// What is known of a section's header; nothing for those of later versions.
pub fn header_of(section: &str) -> Option<&'static Header> {
    HEADERS.iter().find(|header| header.section == section)
}

/// The forms of a keyword of a small section; `None` where the table has no such line.
pub(super) fn of(scopes: &[Scope], name: &str) -> Option<&'static [Form]> {
    let row = FORMS.iter().find(|(scope, names, _)| scopes.contains(scope) && names.contains(&name));
    row.map(|(_, _, forms)| *forms)
}

const SERVER: &str = "<name> and <addr>[:<port>] as arguments";

static FORMS: &[(Scope, &[&str], &[Form])] = &[
    // The address of the machine itself may stand on a `bind` line instead.
    (Peers, &["peer", "server"], &[At(0, Name), At(1, Address)]),
    (Peers, &["bind"], &[At(0, AddressWithPort)]),
    (Peers, &["shards"], &[AtLeast(1, "a number")]),
    (Mailers, &["mailer"], &[AtLeast(2, SERVER), At(0, Name), At(1, AddressWithPort)]),
    (Mailers, &["timeout mail"], &[AtLeast(1, "<time> as argument"), Time(0)]),
    (Cache, &["total-max-size"], &[AtMost(1), AtLeast(1, "a size in megabytes"), At(0, Whole(1, 4095))]),
    (Cache, &["max-object-size"], &[AtMost(1), AtLeast(1, "a size in bytes"), At(0, Whole(1, i64::MAX))]),
    (
        Cache,
        &["max-secondary-entries"],
        &[AtMost(1), AtLeast(1, "a number"), At(0, Whole(i64::MIN, i64::MAX))],
    ),
    (Cache, &["max-age", "process-vary"], &[AtMost(1)]),
    (Ring, &["description"], &[AtLeast(1, "a text")]),
    (
        Ring,
        &["format"],
        &[OneOf(0, &["local", "rfc3164", "rfc5424", "priority", "short", "timed", "iso", "raw"])],
    ),
    (Ring, &["maxlen", "size"], &[Between(0, 1, i64::MAX)]),
    (Ring, &["timeout connect", "timeout server"], &[AtLeast(1, "<time> as argument"), Time(0)]),
    (Ring, &["server"], &[AtLeast(2, SERVER), At(0, Name), At(1, Address)]),
    (Ring, &["backing-file"], &[AtLeast(1, "a file name")]),
    (HttpErrors, &["errorfile"], &[AtLeast(2, "<status_code> and <file> as arguments"), OneOf(0, STATUS)]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keyword::{self, Status};

    #[test]
    fn every_form_belongs_to_a_keyword_of_its_section() {
        for (scope, names, _) in FORMS {
            for name in *names {
                let mut rows = keyword::all().filter(|row| row.name == *name && row.scopes.contains(scope));
                assert!(rows.any(|row| matches!(row.status, Status::Accepted(_))), "{scope}: {name}");
            }
        }
    }

    #[test]
    fn a_name_of_two_places_has_the_forms_of_each() {
        assert_eq!(of(&[Mailers], "timeout mail").map(<[Form]>::len), Some(2));
        assert_eq!(of(&[Scope::Listen], "server"), None);
    }
}
