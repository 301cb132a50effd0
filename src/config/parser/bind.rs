//! `bind ADDRESS[,ADDRESS...] [OPTION...]` (manual section 5.1).

use super::address::{self, Address, Ports};
use super::context::Context;
use super::options::{Options, Taken};
use super::statement::{Statement, UNBOUNDED};
use super::tls;
use super::value::TimeUnit;
use crate::config::ast::{Account, Bind, BindOptions, Global, Proxy, Spanned};
use crate::config::diagnostic::Diagnostic;
use crate::config::keyword::Scope;
use crate::config::lexer::{Word, expand_unquoted};
use crate::config::model::Level;

/// Reads one option; its arguments are taken from the cursor.
pub(super) type Reader = fn(&mut Context<'_>, &mut BindOptions, &mut Options<'_>) -> Taken;

/// Every option that has an effect.
pub(super) const READERS: &[(&str, Reader)] = &[
    ("accept-proxy", |_, bind, _| set(&mut bind.accept_proxy)),
    ("backlog", |context, bind, options| {
        bind.backlog = Some(options.number(context, 0..=UNBOUNDED)?);
        Some(())
    }),
    ("defer-accept", |_, bind, _| set(&mut bind.defer_accept)),
    ("expose-fd", expose),
    ("gid", |context, bind, options| {
        let id = options.number(context, 0..=UNBOUNDED)?;
        bind.group = Some(Spanned::new(Account::Id(id), options.place()));
        Some(())
    }),
    ("group", |context, bind, options| {
        let name = options.string(context, "'group' : missing group name")?;
        bind.group = Some(Spanned::new(Account::Name(name), options.place()));
        Some(())
    }),
    ("interface", |context, bind, options| {
        bind.interface = Some(options.string(context, "'interface' : missing interface name")?);
        Some(())
    }),
    ("level", level),
    ("maxconn", |context, bind, options| {
        bind.maxconn = Some(options.number(context, 0..=UNBOUNDED)?).filter(|most| *most > 0);
        Some(())
    }),
    ("mode", mode),
    ("mss", |context, bind, options| {
        let mss: i64 = options.number(context, -65_535..=65_535)?;
        if mss == 0 {
            let message = "'mss' expects an MSS with an absolute value between 1 and 65535";
            return options.wrong(context, message, None);
        }
        // A negative one is relative to what the path offers, which Linux has no option for.
        bind.mss = u32::try_from(mss).ok();
        Some(())
    }),
    ("name", |context, bind, options| {
        bind.name = Some(options.string(context, "'name' : missing name")?);
        Some(())
    }),
    ("tcp-ut", |context, bind, options| {
        bind.tcp_ut = Some(options.time(context, TimeUnit::Milliseconds)?);
        Some(())
    }),
    ("tfo", |_, bind, _| set(&mut bind.tfo)),
    ("transparent", |_, bind, _| set(&mut bind.transparent)),
    ("uid", |context, bind, options| {
        let id = options.number(context, 0..=UNBOUNDED)?;
        bind.user = Some(Spanned::new(Account::Id(id), options.place()));
        Some(())
    }),
    ("user", |context, bind, options| {
        let name = options.string(context, "'user' : missing user name")?;
        bind.user = Some(Spanned::new(Account::Name(name), options.place()));
        Some(())
    }),
    ("v4v6", |_, bind, _| set(&mut bind.v4v6)),
    ("v6only", |_, bind, _| set(&mut bind.v6only)),
];

fn expose(context: &mut Context<'_>, bind: &mut BindOptions, options: &mut Options<'_>) -> Taken {
    let what = options.string(context, "'expose-fd' : missing fd type")?;
    if what != "listeners" {
        let message = format!("'expose-fd' only supports 'listeners' (got '{what}')");
        return options.wrong(context, &message, None);
    }
    set(&mut bind.expose_listeners)
}

fn level(context: &mut Context<'_>, bind: &mut BindOptions, options: &mut Options<'_>) -> Taken {
    let expected = "'level' expects 'user', 'operator', or 'admin'";
    let name = options.string(context, expected)?;
    let Some(level) = Level::named(&name) else {
        return options.wrong(context, &format!("{expected}, found '{name}'"), None);
    };
    bind.level = Some(level);
    Some(())
}

fn mode(context: &mut Context<'_>, bind: &mut BindOptions, options: &mut Options<'_>) -> Taken {
    let text = options.string(context, "'mode' : missing mode (octal integer expected)")?;
    let Ok(mode) = u32::from_str_radix(&text, 8) else {
        return options.wrong(context, &format!("'mode' expects an octal integer, found '{text}'"), None);
    };
    bind.mode = Some(mode & 0o777);
    Some(())
}

fn set(flag: &mut bool) -> Taken {
    *flag = true;
    Some(())
}

/// `bind` in a frontend or listen.
pub(super) fn line(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>) {
    proxy.listens = true;
    let Some(word) = line.argument(1) else {
        let message = "'bind' expects {<path>|[addr1]:port1[-end1]}{,[addr]:port[-end]}... as arguments.";
        return context.report(
            Diagnostic::error(line.span(), message)
                .help("for example 'bind :6379' or 'bind 10.0.0.1:6379-6381'"),
        );
    };
    let Some(addresses) = addresses(context, word) else { return };
    let subject = format!("'bind {}' in section '{}'", word.str(), proxy.kind.keyword());
    let mut options = Options::new(Scope::Bind, line, 2, subject);
    let mut bind = BindOptions::default();
    bind.tls.address = word.str().into_owned();
    if options.read_all(context, &[READERS, tls::BIND], &mut bind) {
        proxy.binds.push(Bind { addresses, options: bind, origin: origin(line) });
    }
}

/// `stats socket` in `global`: a bind line whose clients give commands.
pub(super) fn stats_socket(context: &mut Context<'_>, global: &mut Global, line: &Statement<'_>) {
    global.has_commands = true;
    let Some(word) = line.argument(2) else {
        let message = "'stats socket' in section 'global' expects an address or a path to a UNIX socket.";
        return context.report(
            Diagnostic::error(line.span(), message)
                .help("for example 'stats socket /run/rolecall.sock mode 660 level admin'"),
        );
    };
    let Some(addresses) = addresses(context, word) else { return };
    let subject = format!("'stats socket' in section 'global', on '{}'", word.str());
    let mut options = Options::new(Scope::StatsSocket, line, 3, subject);
    let mut bind = BindOptions::default();
    if options.read_all(context, &[READERS], &mut bind) {
        global.stats_sockets.push(Bind { addresses, options: bind, origin: origin(line) });
    }
}

/// What `unix-bind` says of every file.
const FILE: [&str; 5] = ["gid", "group", "mode", "uid", "user"];

/// `unix-bind` in `global`: for the files of all `bind` lines. A later line adds to an earlier one.
pub(super) fn unix_bind(context: &mut Context<'_>, global: &mut Global, line: &Statement<'_>) {
    let mut options = Options::argument(line);
    while let Some(word) = options.next_name() {
        let name = word.str();
        let reader = READERS.iter().find(|(known, _)| *known == name && FILE.contains(known));
        let read = match reader {
            Some((_, read)) => read(context, &mut global.unix_bind, &mut options),
            None if name == "prefix" => {
                options.string(context, "'prefix' : missing prefix").map(|prefix| global.unix_prefix = prefix)
            }
            None => {
                let message = "'unix-bind' only supports the 'prefix', 'mode', 'uid', 'gid', 'user' and 'group' \
                               options.";
                return context.report(
                    Diagnostic::error(word.span, message.to_owned())
                        .help("for example 'unix-bind mode 660 group redis'"),
                );
            }
        };
        if read.is_none() {
            return;
        }
    }
}

/// `listen NAME ADDRESS`, which HAProxy dropped: an address and nothing else.
pub(super) fn legacy(context: &mut Context<'_>, proxy: &mut Proxy, line: &Statement<'_>, word: &Word) {
    proxy.listens = true;
    if let Some(addresses) = addresses(context, word) {
        let bind = Bind { addresses, options: BindOptions::default(), origin: origin(line) };
        proxy.binds.push(bind);
    }
}

fn origin(line: &Statement<'_>) -> (String, u32) {
    (line.place.0.to_owned(), line.place.1)
}

/// The comma-separated addresses of a word; `None`, once reported, if one is wrong.
fn addresses(context: &mut Context<'_>, word: &Word) -> Option<Vec<Spanned<Address>>> {
    let text = expand_unquoted(&word.text, &context.environment);
    let text = String::from_utf8_lossy(&text);
    let mut addresses = Vec::new();
    // HAProxy takes a comma at the end.
    for part in text.strip_suffix(',').unwrap_or(&text).split(',') {
        match checked(part) {
            Ok(address) => {
                context.listen(count(&address), word.span).then_some(())?;
                addresses.push(Spanned::new(address, word.span));
            }
            Err(message) => {
                context.report(Diagnostic::error(word.span, format!("'bind' : {message}")).help(HELP));
                return None;
            }
        }
    }
    Some(addresses)
}

const HELP: &str = "an address is written ADDRESS:PORT, ':PORT' or '*:PORT' with a port from 1 to 65535, \
                    '[IPV6]:PORT', or '/PATH' for a unix socket";

fn checked(text: &str) -> Result<Address, String> {
    let address = address::stream(text).map_err(|error| error.to_string())?;
    match &address {
        Address::Inet { ports: Ports::Missing, .. } => Err(format!("missing port specification in '{text}'")),
        Address::Inet { ports: Ports::Offset(_), .. } => {
            Err(format!("port offset not permitted here in '{text}'"))
        }
        Address::Inet { ports: Ports::Range { first: 0, .. }, .. } => Err("invalid port '0'".to_owned()),
        Address::Unix(path) if path.is_empty() => Err(format!("missing path in '{text}'")),
        Address::Abstract(name) if name.is_empty() => Err(format!("missing name in '{text}'")),
        _ => Ok(address),
    }
}

fn count(address: &Address) -> usize {
    match address {
        Address::Inet { ports: Ports::Range { first, last }, .. } => usize::from(last - first) + 1,
        _ => 1,
    }
}
