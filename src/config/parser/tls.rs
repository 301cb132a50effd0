//! TLS options of `bind` and `server` lines, and those that `global` presets for all of them (manual sections
//! 3.1, 5.1 and 5.2). Each reader is a row of the table of the line that it belongs to.

use super::bind::Reader as BindReader;
use super::context::Context;
use super::options::{Options, Taken};
use super::server::Reader as ServerReader;
use super::statement::Statement;
use crate::config::ast::{BindOptions, Global, ServerSettings, ServerVerify, Spanned};
use crate::config::ast::{Speaks, TlsVersion, VersionRange};
use crate::config::diagnostic::Diagnostic;
use crate::config::keyword::Scope;
use crate::config::model::{ClientVerify, ServerSni, Tickets};
use crate::config::rule::fetch;

use TlsVersion::{Ssl3, Tls10, Tls11, Tls12, Tls13};

/// Of bind lines.
pub(super) const BIND: &[(&str, BindReader)] = &[
    ("alpn", |context, bind, options| protocols(context, &mut bind.tls.alpn, options)),
    ("ca-file", |context, bind, options| {
        file(context, &mut bind.tls.ca_file, options, "missing CAfile path")
    }),
    ("crt", |context, bind, options| {
        let crt = place(context, options, "missing certificate location")?;
        bind.tls.crts.push(crt);
        Some(())
    }),
    ("crt-list", |context, bind, options| {
        let list = place(context, options, "missing certificate location")?;
        bind.tls.lists.push(list);
        Some(())
    }),
    ("force-tlsv12", |_, bind, options| force(&mut bind.tls.versions, options, Tls12)),
    ("force-tlsv13", |_, bind, options| force(&mut bind.tls.versions, options, Tls13)),
    ("no-alpn", |_, bind, _| {
        bind.tls.alpn = Some(Vec::new());
        Some(())
    }),
    ("no-sslv3", |_, bind, _| without(&mut bind.tls.versions, Ssl3)),
    ("no-strict-sni", |_, bind, _| {
        bind.tls.strict_sni = false;
        Some(())
    }),
    ("no-tls-tickets", |_, bind, _| {
        bind.tls.tickets = Tickets::NotGiven;
        Some(())
    }),
    ("no-tlsv10", |_, bind, _| without(&mut bind.tls.versions, Tls10)),
    ("no-tlsv11", |_, bind, _| without(&mut bind.tls.versions, Tls11)),
    ("no-tlsv12", |_, bind, _| without(&mut bind.tls.versions, Tls12)),
    ("no-tlsv13", |_, bind, _| without(&mut bind.tls.versions, Tls13)),
    ("ssl", |_, bind, options| {
        bind.tls.ssl = Some(options.place());
        Some(())
    }),
    ("ssl-max-ver", |context, bind, options| version(context, &mut bind.tls.versions.max, options)),
    ("ssl-min-ver", |context, bind, options| version(context, &mut bind.tls.versions.min, options)),
    ("strict-sni", |_, bind, _| {
        bind.tls.strict_sni = true;
        Some(())
    }),
    ("tls-tickets", |_, bind, _| {
        bind.tls.tickets = Tickets::Given;
        Some(())
    }),
    ("verify", client_verify),
];

/// Of server lines.
pub(super) const SERVER: &[(&str, ServerReader)] = &[
    ("alpn", |context, server, options| protocols(context, &mut server.tls.alpn, options)),
    ("ca-file", |context, server, options| {
        file(context, &mut server.tls.ca_file, options, "missing CAfile path.")
    }),
    ("check-alpn", |context, server, options| protocols(context, &mut server.tls.check_alpn, options)),
    ("check-sni", |context, server, options| {
        server.tls.check_sni = Some(options.string(context, "'check-sni' : missing SNI")?);
        Some(())
    }),
    ("check-ssl", |_, server, _| speak(&mut server.tls.checks, Speaks::Tls)),
    ("crt", |context, server, options| {
        file(context, &mut server.tls.crt, options, "missing certificate file path")
    }),
    ("force-tlsv12", |_, server, options| force(&mut server.tls.versions, options, Tls12)),
    ("force-tlsv13", |_, server, options| force(&mut server.tls.versions, options, Tls13)),
    ("no-check-ssl", |_, server, _| speak(&mut server.tls.checks, Speaks::Plain)),
    ("no-ssl", |_, server, _| speak(&mut server.tls.traffic, Speaks::Plain)),
    ("no-sslv3", |_, server, _| without(&mut server.tls.versions, Ssl3)),
    ("no-tlsv10", |_, server, _| without(&mut server.tls.versions, Tls10)),
    ("no-tlsv11", |_, server, _| without(&mut server.tls.versions, Tls11)),
    ("no-tlsv12", |_, server, _| without(&mut server.tls.versions, Tls12)),
    ("no-tlsv13", |_, server, _| without(&mut server.tls.versions, Tls13)),
    ("no-verifyhost", |_, server, _| {
        server.tls.verifyhost = None;
        Some(())
    }),
    ("sni", sni),
    ("ssl", |_, server, _| speak(&mut server.tls.traffic, Speaks::Tls)),
    ("ssl-max-ver", |context, server, options| version(context, &mut server.tls.versions.max, options)),
    ("ssl-min-ver", |context, server, options| version(context, &mut server.tls.versions.min, options)),
    ("verify", server_verify),
    ("verifyhost", |context, server, options| {
        server.tls.verifyhost =
            Some(options.string(context, "'verifyhost' : missing hostname to verify against.")?);
        Some(())
    }),
];

/// Words of `ssl-default-bind-options` and `ssl-default-server-options`, as far as they are options of a line.
const PRESETS: &[&str] = &[
    "force-tlsv12",
    "force-tlsv13",
    "no-sslv3",
    "no-tls-tickets",
    "no-tlsv10",
    "no-tlsv11",
    "no-tlsv12",
    "no-tlsv13",
    "ssl-max-ver",
    "ssl-min-ver",
    "strict-sni",
    "tls-tickets",
];

/// Words that they also take, and that change nothing here.
const EMPTY_PRESETS: &[&str] =
    &["prefer-client-ciphers", "renegotiate", "no-renegotiate", "ssl-reuse", "no-ssl-reuse"];

fn place(context: &mut Context<'_>, options: &mut Options<'_>, missing: &str) -> Option<Spanned<String>> {
    let text = options.string(context, &format!("'{}' : {missing}", options.name()))?;
    Some(Spanned::new(text, options.place()))
}

fn file(
    context: &mut Context<'_>,
    slot: &mut Option<Spanned<String>>,
    options: &mut Options<'_>,
    missing: &str,
) -> Taken {
    *slot = Some(place(context, options, missing)?);
    Some(())
}

fn speak(slot: &mut Speaks, speaks: Speaks) -> Taken {
    *slot = speaks;
    Some(())
}

fn force(range: &mut VersionRange, options: &Options<'_>, only: TlsVersion) -> Taken {
    let only = Some(Spanned::new(only, options.place()));
    (range.min, range.max) = (only, only);
    Some(())
}

fn without(range: &mut VersionRange, version: TlsVersion) -> Taken {
    range.without.push(version);
    Some(())
}

fn version(
    context: &mut Context<'_>,
    slot: &mut Option<Spanned<TlsVersion>>,
    options: &mut Options<'_>,
) -> Taken {
    let text = options.string(context, &format!("'{}' : missing version", options.name()))?;
    let version = match text.as_str() {
        "SSLv3" => Ssl3,
        "TLSv1.0" => Tls10,
        "TLSv1.1" => Tls11,
        "TLSv1.2" => Tls12,
        "TLSv1.3" => Tls13,
        other => {
            let help = Some("write 'TLSv1.2' or 'TLSv1.3'");
            return options.wrong(context, &format!("'{other}' : unknown ssl/tls version"), help);
        }
    };
    *slot = Some(Spanned::new(version, options.place()));
    Some(())
}

/// Comma-separated names, each of at most 255 bytes (RFC 7301).
fn protocols(context: &mut Context<'_>, slot: &mut Option<Vec<Vec<u8>>>, options: &mut Options<'_>) -> Taken {
    let expected = format!("'{}' : missing the comma-delimited ALPN protocol suite", options.name());
    let text = options.string(context, &expected)?;
    match alpn(&text) {
        Ok(list) => *slot = Some(list),
        Err(message) => return options.wrong(context, &message, None),
    }
    Some(())
}

/// The names of a list.
pub(super) fn alpn(text: &str) -> Result<Vec<Vec<u8>>, String> {
    let names: Vec<Vec<u8>> = text.split(',').map(|name| name.as_bytes().to_vec()).collect();
    match names.iter().find(|name| name.is_empty() || name.len() > 255) {
        Some(_) => Err(format!("'{text}' : a protocol's name has 1 to 255 bytes")),
        None => Ok(names),
    }
}

fn client_verify(context: &mut Context<'_>, bind: &mut BindOptions, options: &mut Options<'_>) -> Taken {
    let text = options.string(context, "'verify' : missing verify method")?;
    bind.tls.verify = Some(match text.as_str() {
        "none" => ClientVerify::None,
        "optional" => ClientVerify::Optional,
        "required" => ClientVerify::Required,
        other => {
            let message = format!(
                "'verify' : unknown verify method '{other}', only 'none', 'optional', and 'required' are supported"
            );
            return options.wrong(context, &message, None);
        }
    });
    Some(())
}

fn server_verify(context: &mut Context<'_>, server: &mut ServerSettings, options: &mut Options<'_>) -> Taken {
    let text = options.string(context, "'verify' : missing verify method.")?;
    let Some(verify) = verify_named(&text) else {
        let message =
            format!("'verify' : unknown verify method '{text}', only 'none' and 'required' are supported.");
        return options.wrong(context, &message, None);
    };
    server.tls.verify = Some(verify);
    Some(())
}

fn verify_named(text: &str) -> Option<ServerVerify> {
    match text {
        "none" => Some(ServerVerify::None),
        "required" => Some(ServerVerify::Required),
        _ => None,
    }
}

fn sni(context: &mut Context<'_>, server: &mut ServerSettings, options: &mut Options<'_>) -> Taken {
    let text = options.string(context, "'sni' : missing sni expression.")?;
    let literal = text.strip_prefix("str(").and_then(|rest| rest.strip_suffix(')'));
    server.tls.sni = Some(match (literal, text.as_str()) {
        (Some(name), _) => ServerSni::Name(name.to_owned()),
        (None, "ssl_fc_sni") => ServerSni::Client,
        (None, other) => {
            let name = other.split(['(', ',']).next().unwrap_or(other);
            let (message, help) = match fetch::find(name) {
                None => (format!("unknown fetch method '{name}'"), None),
                Some(_) => (
                    format!("'{other}' is not supported there in this version of rolecall"),
                    Some("write 'sni str(NAME)' or 'sni ssl_fc_sni'"),
                ),
            };
            let message = format!("error detected while parsing sni expression : {message}");
            return options.wrong(context, &message, help);
        }
    });
    Some(())
}

/// `ca-base`, `crt-base`.
pub(super) fn base(context: &mut Context<'_>, slot: &mut Option<String>, line: &Statement<'_>) {
    let name = line.text(0);
    if let Some(first) = slot {
        let message = format!("'{name}' already specified ('{first}').");
        return context.error(line.span(), message);
    }
    *slot = line.string(
        context,
        1,
        &format!("global statement '{name}' expects a directory path as an argument."),
    );
    line.no_more(context, &name, 2);
}

/// `ssl-server-verify`.
pub(super) fn verify_by_default(context: &mut Context<'_>, global: &mut Global, line: &Statement<'_>) {
    let verify = verify_named(&line.text(1));
    if verify.is_none() {
        let message = "'ssl-server-verify' expects 'none' or 'required' as argument.";
        return context.error(line.span_of(1), message);
    }
    if line.no_more(context, "ssl-server-verify", 2) {
        global.tls.server_verify = verify;
    }
}

/// `ssl-default-bind-options`.
pub(super) fn bind_presets(context: &mut Context<'_>, global: &mut Global, line: &Statement<'_>) {
    let mut preset = BindOptions { tls: std::mem::take(&mut global.tls.bind), ..BindOptions::default() };
    presets(context, line, (Scope::Bind, BIND), &mut preset);
    global.tls.bind = preset.tls;
}

/// `ssl-default-server-options`.
pub(super) fn server_presets(context: &mut Context<'_>, global: &mut Global, line: &Statement<'_>) {
    let mut preset =
        ServerSettings { tls: std::mem::take(&mut global.tls.server), ..ServerSettings::default() };
    presets(context, line, (Scope::Server, SERVER), &mut preset);
    global.tls.server = preset.tls;
}

type Row<T> = (&'static str, fn(&mut Context<'_>, &mut T, &mut Options<'_>) -> Taken);

fn presets<T>(
    context: &mut Context<'_>,
    line: &Statement<'_>,
    (scope, readers): (Scope, &[Row<T>]),
    preset: &mut T,
) {
    let keyword = line.text(0);
    if line.argument(1).is_none() {
        let message = format!("global statement '{keyword}' expects an option as an argument.");
        return context.error(line.span(), message);
    }
    let mut options = Options::new(scope, line, 1, format!("global statement '{keyword}'"));
    while let Some(word) = options.next_name() {
        let name = word.str();
        let reader = readers.iter().find(|(known, _)| PRESETS.contains(known) && *known == name);
        match reader {
            Some((_, read)) => {
                // What is wrong with it has been reported.
                let _ = read(context, preset, &mut options);
            }
            None if EMPTY_PRESETS.contains(&&*name) => {}
            None if scope == Scope::Server && name == "no-tls-tickets" => {}
            None => {
                let message = format!("unknown option '{name}' on global statement '{keyword}'.");
                return context.report(
                    Diagnostic::error(word.span, message)
                        .help("for example 'ssl-min-ver TLSv1.2', 'no-tls-tickets'"),
                );
            }
        }
    }
}
