//! Logins against userlists: what a request says in, the lists that know it out. Slow where passwords are crypted,
//! so that the shell asks in a thread that has nothing else to do, for one request at a time.
//!
//! Time tells nothing: names and passwords are compared whole, and a name that nobody has costs as much as one with
//! a crypted password.

use subtle::ConstantTimeEq;

use crate::config::model::http::{Password, User};
use crate::config::model::{Userlist, UserlistId};
use crate::rules::Login;
use crate::sys::crypt;

/// The lists that know the login.
pub fn lists(login: &Login, lists: &[Userlist]) -> Vec<UserlistId> {
    let known = |(at, list): (usize, &Userlist)| knows(list, login).then_some(UserlistId(at));
    lists.iter().enumerate().filter_map(known).collect()
}

fn knows(list: &Userlist, login: &Login) -> bool {
    let is = |user: &&User| bool::from(user.name.as_bytes().ct_eq(&login.user));
    match list.users.iter().find(is) {
        Some(user) => fits(&user.password, &login.password),
        None => {
            let crypted = |user: &&User| matches!(user.password, Password::Crypted(_));
            let _ = list.users.iter().find(crypted).map(|user| fits(&user.password, &login.password));
            false
        }
    }
}

fn fits(password: &Password, given: &[u8]) -> bool {
    match password {
        Password::None => false,
        Password::Plain(secret) => secret.expose().ct_eq(given).into(),
        Password::Crypted(secret) => {
            let hash = secret.expose();
            crypt::crypted(given, hash).is_some_and(|answer| bool::from(answer.ct_eq(hash)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::Secret;

    fn list(name: &str, users: &[(&str, Password)]) -> Userlist {
        let user = |(name, password): &(&str, Password)| User {
            name: (*name).to_owned(),
            password: password.clone(),
            groups: Vec::new(),
        };
        Userlist { name: name.to_owned(), users: users.iter().map(user).collect(), groups: Vec::new() }
    }

    #[test]
    fn a_login_is_known_by_the_lists_that_have_it() {
        let plain = Password::Plain(Secret::new("pw"));
        let crypted = Password::Crypted(Secret::new("$1$abcdefgh$OG8ThcMs28pRS0i6HKg9B/"));
        let all = [
            list("one", &[("alice", plain.clone()), ("bob", crypted.clone()), ("carol", Password::None)]),
            list("two", &[("alice", crypted), ("dave", Password::Plain(Secret::new("")))]),
        ];
        let known = |user: &str, password: &str| {
            let login = Login { user: user.into(), password: password.into(), ..Login::default() };
            lists(&login, &all).into_iter().map(|UserlistId(at)| at).collect::<Vec<_>>()
        };
        assert_eq!(known("alice", "pw"), [0]);
        assert_eq!(known("alice", "builder"), [1]);
        assert_eq!(known("bob", "builder"), [0]);
        assert_eq!(known("dave", ""), [1]);
        for (user, password) in
            [("alice", "p"), ("bob", "pw"), ("bob", ""), ("carol", ""), ("eve", "builder"), ("", "")]
        {
            assert_eq!(known(user, password), [0; 0], "{user}:{password}");
        }
    }
}
