//! `stats auth`: HTTP Basic authentication. Every request takes the same way: each user is compared, whole,
//! whether one matched before or not, so that time tells neither a name nor how far a password was right.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::{Choice, ConstantTimeEq};

use crate::config::model::StatsUser;

/// Whether the header's value names one of the users. No users: everybody may look.
pub fn allowed(header: Option<&[u8]>, users: &[StatsUser]) -> bool {
    let given = credentials(header);
    let mut known = Choice::from(u8::from(users.is_empty()));
    for user in users {
        let mut expected = user.name.clone().into_bytes();
        expected.push(b':');
        expected.extend_from_slice(user.password.expose());
        known |= same(&given, &expected);
    }
    known.into()
}

/// What `Basic BASE64` carries; nothing if there is no such header, which matches nobody.
fn credentials(header: Option<&[u8]>) -> Vec<u8> {
    let Some((scheme, rest)) = header.and_then(|header| header.split_at_checked(6)) else {
        return Vec::new();
    };
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return Vec::new();
    }
    STANDARD.decode(rest.trim_ascii()).unwrap_or_default()
}

/// Takes as long for every `expected`: the time depends on what was given alone.
fn same(given: &[u8], expected: &[u8]) -> Choice {
    let mut equal = given.len().ct_eq(&expected.len());
    for (at, byte) in given.iter().enumerate() {
        // `expected` holds at least the colon.
        equal &= byte.ct_eq(&expected[at % expected.len()]);
    }
    equal
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::Secret;

    fn users() -> Vec<StatsUser> {
        let user =
            |name: &str, password: &str| StatsUser { name: name.into(), password: Secret::new(password) };
        vec![user("admin", "pa:ss"), user("u", "")]
    }

    fn basic(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn only_users_with_their_password_come_in() {
        for (text, expected) in [
            ("admin:pa:ss", true),
            ("u:", true),
            ("admin:pa:s", false),
            ("admin:pa:sss", false),
            ("admin:", false),
            ("Admin:pa:ss", false),
            ("u", false),
            ("", false),
            ("admin:pa:ssadmin:pa:ss", false),
        ] {
            assert_eq!(allowed(Some(basic(text).as_bytes()), &users()), expected, "{text}");
        }
    }

    #[test]
    fn headers_that_are_not_basic_are_nobody() {
        let token = basic("admin:pa:ss").replace("Basic", "Bearer");
        assert!(!allowed(Some(token.as_bytes()), &users()));
        assert!(!allowed(Some(b"Basic ???"), &users()));
        assert!(!allowed(None, &users()));
        assert!(allowed(Some(basic("admin:pa:ss").replace("Basic", "bAsIc").as_bytes()), &users()));
    }

    #[test]
    fn without_users_everybody_may_look() {
        assert!(allowed(None, &[]));
    }

    proptest::proptest! {
        #[test]
        fn it_agrees_with_plain_comparison(given in "[ab:]{0,6}", name in "[ab]{0,2}", password in "[ab:]{0,3}") {
            let user = StatsUser { name: name.clone(), password: Secret::new(password.clone()) };
            let expected = given == format!("{name}:{password}");
            proptest::prop_assert_eq!(allowed(Some(basic(&given).as_bytes()), &[user]), expected);
        }

        #[test]
        fn any_header_is_judged(header in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
            proptest::prop_assert!(!allowed(Some(&header), &users()[..1]));
        }
    }
}
