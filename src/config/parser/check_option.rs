//! `option tcp-check`, `httpchk`, `mysql-check` and the like (manual section 4.2): each chooses how servers
//! are checked, and the last of them counts.

use super::context::Context;
use super::http_send;
use super::option::refuse_negation;
use super::statement::Statement;
use crate::config::ast::{CheckKind, HttpCheck, HttpRule, MysqlLogin, Proxy};
use crate::config::diagnostic::Diagnostic;

/// Who HAProxy says it is where a mail server is not told otherwise.
const SMTP_GREETING: &str = "HELO localhost";

/// An option without arguments.
pub(super) fn bare(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>, kind: CheckKind) {
    if !refuse_negation(context, line) && no_more(context, line, 2) {
        proxy.settings.check.kind = kind;
    }
}

fn no_more(context: &mut Context<'_>, line: &Statement<'_>, used: usize) -> bool {
    line.no_more(context, &format!("option {}", line.text(1)), used)
}

/// `option httpchk [[METHOD] URI [VERSION]]`
pub(super) fn httpchk(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    if refuse_negation(context, line) || !no_more(context, line, 5) {
        return;
    }
    let Some(request) = http_send::of_option(context, line) else { return };
    let check = &mut proxy.settings.check;
    check.kind = CheckKind::HttpCheck;
    if check.http.inherited {
        check.http = HttpCheck::default();
    }
    let sends = check.http.rules.iter().any(|rule| matches!(rule.value, HttpRule::Send(..)));
    if sends {
        check.http.first.overlay(request);
    } else {
        check.http.first = request;
    }
}

/// `option mysql-check [user NAME [post-41|pre-41]]`
pub(super) fn mysql(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    if refuse_negation(context, line) {
        return;
    }
    let login = match (&*line.text(2), &*line.text(4)) {
        ("", _) => {
            proxy.settings.check.kind = CheckKind::Mysql(None);
            return;
        }
        ("user", "" | "post-41") => MysqlLogin::Post41,
        ("user", "pre-41") => MysqlLogin::Pre41,
        ("user", other) => {
            let message = format!("keyword 'user' only supports 'post-41' and 'pre-41' (got '{other}').");
            return context.error(line.span_of(4), message);
        }
        (other, _) => {
            let message =
                format!("'option mysql-check' only supports optional values: 'user' (got '{other}').");
            return context.error(line.span_of(2), message);
        }
    };
    let expected = "'option mysql-check user' expects <username> as argument.";
    let Some(user) = line.string(context, 3, expected) else { return };
    if no_more(context, line, 5) {
        proxy.settings.check.kind = CheckKind::Mysql(Some((user, login)));
    }
}

/// `option pgsql-check user NAME`
pub(super) fn pgsql(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    if refuse_negation(context, line) {
        return;
    }
    let (Some(keyword), Some(user)) = (line.argument(2), line.argument(3)) else {
        let message = "'option pgsql-check' expects 'user <username>' as argument.";
        return context.report(
            Diagnostic::error(line.span(), message).help("for example: option pgsql-check user haproxy"),
        );
    };
    if keyword.text != b"user" {
        return context.error(keyword.span, "'option pgsql-check' only supports optional values: 'user'.");
    }
    if no_more(context, line, 4) {
        proxy.settings.check.kind = CheckKind::Pgsql(user.str().into_owned());
    }
}

/// `option smtpchk [HELO|EHLO DOMAIN]`; like HAProxy, it says HELO localhost to whatever else stands there.
pub(super) fn smtp(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    if refuse_negation(context, line) || !no_more(context, line, 4) {
        return;
    }
    let (hello, domain) = (line.text(2), line.text(3));
    let known = matches!(&*hello, "HELO" | "EHLO") && !domain.is_empty();
    let greeting = if known { format!("{hello} {domain}") } else { SMTP_GREETING.to_owned() };
    proxy.settings.check.kind = CheckKind::Smtp(greeting);
}
