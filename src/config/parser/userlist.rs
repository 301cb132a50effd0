//! `userlist NAME`, and the users and groups in it (manual section 3.4). Which group a user is in may be said by
//! either line; `resolve` brings both together.

use super::context::Context;
use super::statement::Statement;
use super::unknown;
use super::value::stray_name_character;
use crate::config::ast::{Group, Spanned, User, Userlist};
use crate::config::diagnostic::{Diagnostic, Heading};
use crate::config::keyword::Scope;
use crate::config::lexer::Word;
use crate::config::model::Secret;
use crate::config::model::http::Password;

/// Opens the section; nothing, once reported, if it has no name, or one that another list has already.
pub(super) fn start(context: &mut Context<'_>, line: &Statement<'_>, known: &[Userlist]) -> Option<Userlist> {
    let Some(name) = line.argument(1) else {
        context.error(line.span(), "'userlist' expects <name> as arguments.");
        return None;
    };
    line.no_more(context, "userlist", 2);
    let text = name.str().into_owned();
    if let Some(character) = stray_name_character(&text) {
        let message = format!("character '{character}' is not permitted in 'userlist' name '{text}'.");
        context.error(name.span, message);
        return None;
    }
    if let Some(first) = known.iter().find(|list| list.name.value == text) {
        let message = format!("ignoring duplicated userlist '{text}'.");
        context.report(Diagnostic::warning(name.span, message).label(first.name.span, "this one counts"));
        return None;
    }
    Some(Userlist { name: Spanned::new(text, name.span), users: Vec::new(), groups: Vec::new() })
}

/// A line of it.
pub(super) fn line(context: &mut Context<'_>, list: &mut Userlist, line: &Statement<'_>) {
    match &*line.text(0) {
        "user" => user(context, list, line),
        "group" => group(context, list, line),
        _ => unknown::report(context, Scope::Userlist, line),
    }
}

/// `user NAME [password CRYPTED | insecure-password PASSWORD] [groups NAME,...]`; the last of a kind counts.
fn user(context: &mut Context<'_>, list: &mut Userlist, line: &Statement<'_>) {
    let Some(name) = name(context, line, "user") else { return };
    if list.users.iter().any(|known| known.name == name) {
        return duplicate(context, line, ("user", &name), list);
    }
    let mut user = User { name, password: Password::None, groups: Vec::new() };
    let mut at = 2;
    while let Some(word) = line.argument(at) {
        let secret = || Secret::new(line.words.get(at + 1).map(|word| word.text.clone()).unwrap_or_default());
        match &*word.text {
            b"password" => user.password = Password::Crypted(secret()),
            b"insecure-password" => user.password = Password::Plain(secret()),
            b"groups" => user.groups.extend(names(line.argument(at + 1))),
            _ => {
                let message = "'user' only supports 'password', 'insecure-password' and 'groups' options.";
                return context.report(Diagnostic::error(word.span, message).heading(Heading::Line));
            }
        }
        at += 2;
    }
    if matches!(&user.password, Password::Plain(secret) if secret.expose().is_empty()) {
        let message = "'user' has an empty password: whoever knows the name may log in";
        context.report(Diagnostic::warning(line.span_of(0), message));
    }
    list.users.push(user);
}

/// `group NAME [users NAME,...]`
fn group(context: &mut Context<'_>, list: &mut Userlist, line: &Statement<'_>) {
    let Some(name) = name(context, line, "group") else { return };
    if list.groups.iter().any(|known| known.name == name) {
        return duplicate(context, line, ("group", &name), list);
    }
    let mut group = Group { name, users: Vec::new() };
    let mut at = 2;
    while let Some(word) = line.argument(at) {
        if word.text != b"users" {
            let message = "'group' only supports 'users' option.";
            return context.report(Diagnostic::error(word.span, message).heading(Heading::Line));
        }
        // As in HAProxy the last list of them counts.
        group.users = names(line.argument(at + 1)).collect();
        at += 2;
    }
    list.groups.push(group);
}

fn name(context: &mut Context<'_>, line: &Statement<'_>, keyword: &str) -> Option<String> {
    line.string(context, 1, &format!("'{keyword}' expects <name> as arguments."))
}

fn duplicate(context: &mut Context<'_>, line: &Statement<'_>, (what, name): (&str, &str), list: &Userlist) {
    let message = format!("ignoring duplicated {what} '{name}' in userlist '{}'.", list.name.value);
    context.warning(line.span_of(1), message);
}

/// `NAME,NAME,...`
fn names(word: Option<&Word>) -> impl Iterator<Item = Spanned<String>> {
    let list = word.map(|word| (word.str().into_owned(), word.span));
    let (text, span) = list.unwrap_or_default();
    let names: Vec<_> = text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    names.into_iter().map(move |name| Spanned::new(name, span))
}
