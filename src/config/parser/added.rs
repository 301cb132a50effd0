//! The server of an `add server`, with the options that HAProxy takes there: those whose worth does not have to be
//! known while all other lines are read.

use super::address::Address;
use super::context::Context;
use super::options::Options;
use super::server::{Named, is_stray, server};
use super::statement::{Polarity, Statement};
use crate::config::ast::{Proxy, Server, Spanned};
use crate::config::diagnostic::{Diagnostic, Heading};
use crate::config::keyword::Scope;
use crate::config::lexer::Word;

/// HAProxy 2.6's list (management guide, `add server`), and the opposites that it takes too.
const OPTIONS: &[&str] = &[
    "addr",
    "agent-addr",
    "agent-check",
    "agent-inter",
    "agent-port",
    "agent-send",
    "allow-0rtt",
    "alpn",
    "backup",
    "ca-file",
    "check",
    "check-alpn",
    "check-proto",
    "check-send-proxy",
    "check-sni",
    "check-ssl",
    "check-via-socks4",
    "ciphers",
    "ciphersuites",
    "crl-file",
    "crt",
    "disabled",
    "downinter",
    "enabled",
    "error-limit",
    "fall",
    "fastinter",
    "force-sslv3",
    "force-tlsv10",
    "force-tlsv11",
    "force-tlsv12",
    "force-tlsv13",
    "id",
    "inter",
    "maxconn",
    "maxqueue",
    "minconn",
    "no-backup",
    "no-send-proxy",
    "no-send-proxy-v2",
    "no-ssl-reuse",
    "no-sslv3",
    "no-tfo",
    "no-tls-tickets",
    "no-tlsv10",
    "no-tlsv11",
    "no-tlsv12",
    "no-tlsv13",
    "npn",
    "observe",
    "on-error",
    "on-marked-down",
    "on-marked-up",
    "pool-low-conn",
    "pool-max-conn",
    "pool-purge-delay",
    "port",
    "proto",
    "proxy-v2-options",
    "rise",
    "send-proxy",
    "send-proxy-v2",
    "send-proxy-v2-ssl",
    "send-proxy-v2-ssl-cn",
    "slowstart",
    "sni",
    "source",
    "ssl",
    "ssl-max-ver",
    "ssl-min-ver",
    "tfo",
    "tls-tickets",
    "track",
    "usesrc",
    "verify",
    "verifyhost",
    "weight",
    "ws",
];

/// `server NAME ADDR [OPTION...]`; `None` once something has been reported.
pub fn added_server(context: &mut Context<'_>, proxy: &Proxy, words: &[Word]) -> Option<Server> {
    let line = Statement { words, polarity: Polarity::Normal, place: ("(null)", 0) };
    let (Some(name), Some(written)) = (line.argument(1), line.argument(2)) else {
        context.error(line.span(), "'server' expects <name> and <addr>[:<port>] as arguments.");
        return None;
    };
    let name = Spanned::new(name.str().into_owned(), name.span);
    if is_stray(context, &name, "server name") {
        return None;
    }
    let subject = format!("'server {}/{}'", proxy.name.value, name.value);
    let options = Options::new(Scope::Server, &line, 3, subject).only(OPTIONS);
    let server = server(context, proxy, Named { name, written }, options)?;
    if let Address::Sentinels(slot) = &server.address.value {
        let message = format!("'{}' stands in the config only: write it there and reload.", slot.written());
        context.report(Diagnostic::error(server.address.span, message).heading(Heading::Place));
        return None;
    }
    Some(server)
}
