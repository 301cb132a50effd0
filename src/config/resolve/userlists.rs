//! Userlists: which user is in which group, whichever line said it.

use super::Resolver;
use crate::config::ast;
use crate::config::diagnostic::{Diagnostic, Heading};
use crate::config::model::Userlist;
use crate::config::model::http::User;

impl Resolver<'_, '_> {
    /// Every list; users and groups that nobody defined are reported.
    pub(super) fn userlists(&mut self, lists: &[ast::Userlist]) -> Vec<Userlist> {
        lists.iter().map(|list| self.userlist(list)).collect()
    }

    fn userlist(&mut self, list: &ast::Userlist) -> Userlist {
        let mut report = |(what, name): (&str, &ast::Spanned<String>), (by, whose): (&str, &str)| {
            let message = format!(
                "userlist '{}': no such {what} '{}' specified in {by} '{whose}'",
                list.name.value, name.value
            );
            self.context.report(Diagnostic::error(name.span, message).heading(Heading::Bare));
        };
        for group in &list.groups {
            for name in &group.users {
                if !list.users.iter().any(|user| user.name == name.value) {
                    report(("user", name), ("group", &group.name));
                }
            }
        }
        let mut users = Vec::with_capacity(list.users.len());
        for user in &list.users {
            for name in &user.groups {
                if !list.groups.iter().any(|group| group.name == name.value) {
                    report(("group", name), ("user", &user.name));
                }
            }
            let own = user.groups.iter().map(|name| name.value.clone());
            let lists_it = |group: &&ast::Group| group.users.iter().any(|name| name.value == user.name);
            let others = list.groups.iter().filter(lists_it).map(|group| group.name.clone());
            let groups = own.chain(others).collect();
            users.push(User { name: user.name.clone(), password: user.password.clone(), groups });
        }
        let groups = list.groups.iter().map(|group| group.name.clone()).collect();
        Userlist { name: list.name.value.clone(), users, groups }
    }
}
