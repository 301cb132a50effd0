//! What a server's connections are like from its side: where they come from (`source`, manual sections 4.2 and 5.2)
//! and through whom (`socks4`), and what the PROXY header before them holds (`proxy-v2-options`).

use super::address::{self, Address, Ports};
use super::context::Context;
use super::options::{Options, Taken};
use super::server;
use super::statement::Statement;
use super::value::leading_integer;
use crate::config::ast::{AsIfFrom, ServerSettings, Source, Spanned};
use crate::config::lexer::expand_unquoted;

/// `source ADDRESS[:PORTS] [usesrc WHOM] [interface NAME]`
pub(super) fn source(
    context: &mut Context<'_>,
    settings: &mut ServerSettings,
    options: &mut Options<'_>,
) -> Taken {
    settings.source = Some(read_source(context, options)?);
    Some(())
}

/// The same for a whole backend.
pub(super) fn source_line(context: &mut Context<'_>, line: &Statement<'_>) -> Option<Source> {
    let mut options = Options::argument(line);
    let source = read_source(context, &mut options)?;
    one_port(context, &source.address)?;
    if options.next_name().is_some() {
        return options.wrong(
            context,
            "'source' only supports optional keywords 'interface' and 'usesrc'.",
            None,
        );
    }
    Some(source)
}

fn read_source(context: &mut Context<'_>, options: &mut Options<'_>) -> Option<Source> {
    let mut source =
        Source { address: server::ip_address(context, options)?, as_if_from: None, interface: None };
    loop {
        if options.take("usesrc") {
            source.as_if_from = Some(as_if_from(context, options)?);
        } else if options.take("interface") {
            let Some(name) = options.word() else {
                return options.wrong(context, "'interface' : missing interface name.", None);
            };
            source.interface = Some(name.str().into_owned());
        } else {
            return Some(source);
        }
    }
}

/// `socks4 ADDRESS:PORT`
pub(super) fn socks4(
    context: &mut Context<'_>,
    settings: &mut ServerSettings,
    options: &mut Options<'_>,
) -> Taken {
    let Some(word) = options.word() else {
        return options.wrong(context, "'socks4' expects <addr>:<port> as argument.", None);
    };
    let text = expand_unquoted(&word.text, &context.environment);
    let text = String::from_utf8_lossy(&text);
    let fault = match address::address(&text) {
        Ok(Address::Inet { host, ports: Ports::Range { first, last } }) if first == last && first > 0 => {
            let address = Address::Inet { host, ports: Ports::Range { first, last } };
            settings.socks4 = Some(Spanned::new(address, word.span));
            return Some(());
        }
        Ok(Address::Inet { ports: Ports::Missing, .. }) => format!("missing port specification in '{text}'"),
        Ok(Address::Inet { ports: Ports::Offset(_), .. }) => {
            format!("port offset not permitted here in '{text}'")
        }
        Ok(Address::Inet { ports: Ports::Range { first: 0, last: 0 }, .. }) => "invalid port '0'".to_owned(),
        Ok(Address::Inet { .. }) => format!("port range not permitted here in '{text}'"),
        Ok(Address::Fd(_)) => format!("a file descriptor is not acceptable here in '{text}'"),
        Ok(Address::Unix(_) | Address::Abstract(_) | Address::Sentinels(_)) => {
            "a proxy is reached over TCP: write its address and port".to_owned()
        }
        Err(error) => error.to_string(),
    };
    options.wrong(context, &format!("'socks4 {text}' : {fault}."), None)
}

/// `id N`: a number of its own; HAProxy reads what stands in front of a stray character.
pub(super) fn id(
    context: &mut Context<'_>,
    settings: &mut ServerSettings,
    options: &mut Options<'_>,
) -> Taken {
    let Some(word) = options.word() else {
        return options.wrong(context, "'id' : expects an integer argument.", None);
    };
    let number = leading_integer(&word.str()).and_then(|number| u32::try_from(number).ok());
    let Some(number) = number.filter(|number| *number > 0) else {
        return options.wrong(context, "'id' : custom id has to be > 0.", None);
    };
    settings.id = Some(Spanned::new(number, word.span));
    Some(())
}

/// Ranges are for servers' own lines.
fn one_port(context: &mut Context<'_>, address: &Spanned<Address>) -> Option<()> {
    match address.value {
        Address::Inet { ports: Ports::Range { first, last }, .. } if first != last => {
            context.error(address.span, "'source' : port range not permitted here");
            None
        }
        _ => Some(()),
    }
}

fn as_if_from(context: &mut Context<'_>, options: &mut Options<'_>) -> Option<AsIfFrom> {
    if options.take("client") {
        return Some(AsIfFrom::Client);
    }
    if options.take("clientip") {
        return Some(AsIfFrom::ClientIp);
    }
    let Some(word) = options.word() else {
        let message = "'usesrc' expects <addr>[:<port>], 'client', or 'clientip' as argument.";
        return options.wrong(context, message, None);
    };
    let text = word.str().into_owned();
    if text.starts_with("hdr_ip(") {
        let message = "'usesrc hdr_ip' is not supported: a layer 4 proxy does not see HTTP";
        return options.wrong(context, message, None);
    }
    match address::address(&text) {
        Ok(address @ Address::Inet { .. }) => {
            let address = Spanned::new(address, word.span);
            one_port(context, &address)?;
            Some(AsIfFrom::Address(address))
        }
        Ok(_) => options.wrong(context, "'usesrc' expects an IP address", None),
        Err(error) => options.wrong(context, &format!("'usesrc' : {error}"), None),
    }
}

/// `proxy-v2-options LIST`
pub(super) fn proxy_v2_options(
    context: &mut Context<'_>,
    settings: &mut ServerSettings,
    options: &mut Options<'_>,
) -> Taken {
    let Some(word) = options.word() else {
        return options.wrong(context, "'proxy-v2-options' expects a list of options.", None);
    };
    let text = word.str().into_owned();
    let fields = &mut settings.proxy_fields;
    for name in text.split(',') {
        match name {
            "ssl" => fields.ssl = true,
            "cert-cn" => (fields.ssl, fields.common_name) = (true, true),
            "ssl-cipher" => (fields.ssl, fields.cipher) = (true, true),
            "authority" => fields.authority = true,
            "crc32c" => fields.crc32c = true,
            "unique-id" => fields.unique_id = true,
            "cert-sig" => (fields.ssl, fields.signature) = (true, true),
            "cert-key" => (fields.ssl, fields.key) = (true, true),
            _ => {
                return options.wrong(context, &format!("'{name}' : proxy v2 option not implemented."), None);
            }
        }
    }
    Some(())
}
