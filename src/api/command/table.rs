//! The rows, in the order of `help`.

use super::Action::{self, Ask, Lower, Say, Timeout};
use super::{Command, Level, Target};
use crate::api::patterns::{Noun, Verb as Change};
use crate::api::request::{
    self, AgentChange, Clear, Fault, FrontendOrder, Request, ServerList, ServerOrder, State, Switch, Words,
};
use crate::api::table::Verb;

const MASTER: &[Target] = &[Target::Master];
const WORKER: &[Target] = &[Target::Worker];
const BOTH: &[Target] = &[Target::Master, Target::Worker];

type Read = fn(Words<'_>) -> Result<Action, Fault>;

/// See the module.
pub static TABLE: &[Command] = &[
    prefix("@!<pid>", "send a command to the <pid> process"),
    prefix("@<relative pid>", "send a command to the <relative pid> process"),
    prefix("@master", "send a command to the master process"),
    // HAProxy lists it nowhere; `expose-fd` says who may.
    user("", &["_getsocks"], "", |_| Ok(Action::GiveSockets)),
    user("add acl [@<ver>] <acl> <pattern>", &["add", "acl"], "add a pattern to a list", |words| {
        Ok(Ask(request::patterns(Noun::Acl, Change::Add, words)?))
    }),
    user(
        "add map [@<ver>] <map> <key> <val>",
        &["add", "map"],
        "add an entry to a map (or a payload of keys and values)",
        |words| Ok(Ask(request::patterns(Noun::Map, Change::Add, words)?)),
    ),
    admin("add server <bk>/<srv>", &["add", "server"], "create a new server", |words| {
        Ok(Ask(request::add_server(words)?))
    }),
    user("clear acl [@<ver>] <acl>", &["clear", "acl"], "remove all patterns of a list", |words| {
        Ok(Ask(request::patterns(Noun::Acl, Change::Clear, words)?))
    }),
    operator(
        "clear counters [all]",
        &["clear", "counters"],
        "clear max statistics counters (or all counters)",
        |_| Ok(Ask(Request::ClearCounters(Clear::Maxima))),
    ),
    admin("", &["clear", "counters", "all"], "", |_| Ok(Ask(Request::ClearCounters(Clear::All)))),
    user("clear map [@<ver>] <map>", &["clear", "map"], "remove all entries of a map", |words| {
        Ok(Ask(request::patterns(Noun::Map, Change::Clear, words)?))
    }),
    user(
        "commit acl @<ver> <acl>",
        &["commit", "acl"],
        "put a prepared version of a list into use",
        |words| Ok(Ask(request::patterns(Noun::Acl, Change::Commit, words)?)),
    ),
    user(
        "commit map @<ver> <map>",
        &["commit", "map"],
        "put a prepared version of a map into use",
        |words| Ok(Ask(request::patterns(Noun::Map, Change::Commit, words)?)),
    ),
    user(
        "clear table <table> [<filter>]*",
        &["clear", "table"],
        "remove entries of a table (filter: data/key)",
        |words| Ok(Ask(request::table(Verb::Clear, words)?)),
    ),
    user("del acl <acl> [<key>|#<ref>]", &["del", "acl"], "remove patterns from a list", |words| {
        Ok(Ask(request::patterns(Noun::Acl, Change::Delete, words)?))
    }),
    user("del map <map> [<key>|#<ref>]", &["del", "map"], "remove entries from a map", |words| {
        Ok(Ask(request::patterns(Noun::Map, Change::Delete, words)?))
    }),
    admin("del server <bk>/<srv>", &["del", "server"], "remove a dynamically added server", |words| {
        Ok(Ask(request::delete_server(words)?))
    }),
    admin("disable agent <bk>/<srv>", &["disable", "agent"], "disable agent checks", |words| {
        Ok(Ask(request::server(words, ServerOrder::Agent(AgentChange::Switch(Switch::Off)))?))
    }),
    admin(
        "disable frontend <frontend>",
        &["disable", "frontend"],
        "pause a frontend: its clients are refused",
        |words| Ok(Ask(request::frontend(words, FrontendOrder::Disable)?)),
    ),
    admin("disable health <bk>/<srv>", &["disable", "health"], "disable health checks", |words| {
        Ok(Ask(request::server(words, ServerOrder::Checks(Switch::Off))?))
    }),
    admin(
        "disable server <bk>/<srv>",
        &["disable", "server"],
        "put a server into maintenance (or 'set server')",
        |words| Ok(Ask(request::server(words, ServerOrder::State(State::Maintenance))?)),
    ),
    admin("enable agent <bk>/<srv>", &["enable", "agent"], "enable agent checks", |words| {
        Ok(Ask(request::server(words, ServerOrder::Agent(AgentChange::Switch(Switch::On)))?))
    }),
    admin("enable frontend <frontend>", &["enable", "frontend"], "let a paused frontend go on", |words| {
        Ok(Ask(request::frontend(words, FrontendOrder::Enable)?))
    }),
    admin("enable health <bk>/<srv>", &["enable", "health"], "enable health checks", |words| {
        Ok(Ask(request::server(words, ServerOrder::Checks(Switch::On))?))
    }),
    admin(
        "enable server <bk>/<srv>",
        &["enable", "server"],
        "take a server out of maintenance (or 'set server')",
        |words| Ok(Ask(request::server(words, ServerOrder::State(State::Ready))?)),
    ),
    admin("", &["experimental-mode"], "", mode),
    admin("", &["expert-mode"], "", mode),
    user(
        "get acl <acl> <value>",
        &["get", "acl"],
        "report which pattern of a list a value matches",
        |words| Ok(Ask(request::patterns(Noun::Acl, Change::Get, words)?)),
    ),
    user(
        "get map <map> <value>",
        &["get", "map"],
        "report which key a value matches, and what it has",
        |words| Ok(Ask(request::patterns(Noun::Map, Change::Get, words)?)),
    ),
    user(
        "get weight <bk>/<srv>",
        &["get", "weight"],
        "report a server's weight, now and configured",
        |words| Ok(Ask(Request::GetWeight(request::server_name(words)?))),
    ),
    Command {
        targets: BOTH,
        ..operator(
            "operator",
            &["operator"],
            "lower the level of the current CLI session to operator",
            |_| Ok(Lower(Level::Operator)),
        )
    },
    user(
        "prepare acl <acl>",
        &["prepare", "acl"],
        "begin a version of a list, to replace it at once",
        |words| Ok(Ask(request::patterns(Noun::Acl, Change::Prepare, words)?)),
    ),
    user(
        "prepare map <map>",
        &["prepare", "map"],
        "begin a version of a map, to replace it at once",
        |words| Ok(Ask(request::patterns(Noun::Map, Change::Prepare, words)?)),
    ),
    Command {
        targets: MASTER,
        ..admin("reload", &["reload"], "reload haproxy", |_| Ok(Ask(Request::Reload)))
    },
    user("set map <map> [<key>|#<ref>] <value>", &["set", "map"], "change the value of a key", |words| {
        Ok(Ask(request::patterns(Noun::Map, Change::Set, words)?))
    }),
    admin(
        "set maxconn frontend <frontend> <n>",
        &["set", "maxconn", "frontend"],
        "change a frontend's maxconn",
        |words| Ok(Ask(request::frontend_maxconn(words)?)),
    ),
    admin("set maxconn global <n>", &["set", "maxconn", "global"], "change the process's maxconn", |words| {
        Ok(Ask(request::global_maxconn(words)?))
    }),
    admin(
        "set maxconn server <bk>/<srv> <n>",
        &["set", "maxconn", "server"],
        "change a server's maxconn",
        |words| Ok(Ask(request::server_maxconn(words)?)),
    ),
    admin(
        "set rate-limit <setting> <value>",
        &["set", "rate-limit"],
        "change how many clients may come a second",
        |words| Ok(Ask(request::rate_limit(words)?)),
    ),
    admin(
        "set redis guard <bk> on|off|observe",
        &["set", "redis", "guard"],
        "guard a backend otherwise until the next reload",
        |words| Ok(Ask(request::set_guard(words)?)),
    ),
    admin(
        "set redis master <bk>/<srv> [epoch <n>]",
        &["set", "redis", "master"],
        "make a server master as soon as it says role:master",
        |words| Ok(Ask(request::set_master(words)?)),
    ),
    admin(
        "set server <bk>/<srv> [opts]",
        &["set", "server"],
        "change a server's state, weight, address or health",
        |words| Ok(Ask(request::set_server(words)?)),
    ),
    user(
        "set severity-output [none|number|string]",
        &["set", "severity-output"],
        "answers carry no severity",
        |_| Ok(Say(String::new())),
    ),
    user(
        "set table <table> key <k> [data.* <v>]*",
        &["set", "table"],
        "update or create an entry of a table",
        |words| Ok(Ask(request::table(Verb::Set, words)?)),
    ),
    user(
        "set timeout [cli] <delay>",
        &["set", "timeout"],
        "change how long this session may be silent",
        |words| Ok(Timeout(request::cli_timeout(words)?)),
    ),
    admin(
        "set weight <bk>/<srv> <n>[%]",
        &["set", "weight"],
        "change a server's weight (or 'set server')",
        |words| Ok(Ask(request::set_weight(words)?)),
    ),
    user(
        "show acl [[@<ver>] <acl>]",
        &["show", "acl"],
        "list the lists of patterns, or what is in one of them",
        |words| Ok(Ask(request::patterns(Noun::Acl, Change::Show, words)?)),
    ),
    user("show activity", &["show", "activity"], "show what each thread has to do", |_| {
        Ok(Ask(Request::ShowActivity))
    }),
    user("show backend", &["show", "backend"], "list backends in the current running config", |_| {
        Ok(Ask(Request::ShowBackends))
    }),
    Command {
        targets: BOTH,
        ..user(
            "show cli level",
            &["show", "cli", "level"],
            "display the level of the current CLI session",
            |_| Ok(Action::Level),
        )
    },
    Command {
        targets: BOTH,
        ..user("show cli sockets", &["show", "cli", "sockets"], "dump list of cli sockets", |_| {
            Ok(Ask(Request::ShowCliSockets))
        })
    },
    operator(
        "show env [var]",
        &["show", "env"],
        "dump environment variables known to the process",
        |words| Ok(Ask(Request::ShowEnv(request::named(words)))),
    ),
    operator(
        "show errors [<px>]",
        &["show", "errors"],
        "report errors captured for each proxy (there are none)",
        |words| Ok(Ask(Request::ShowErrors(request::named(words)))),
    ),
    user(
        "show failovers [<bk>] [json]",
        &["show", "failovers"],
        "show the last failovers with their course, and each change of the master",
        |words| Ok(Ask(request::failovers(words))),
    ),
    user(
        "show info [desc|json|typed|float]*",
        &["show", "info"],
        "report information about the running process",
        |words| Ok(Ask(request::info(words))),
    ),
    user(
        "show map [[@<ver>] <map>]",
        &["show", "map"],
        "list the maps, or what is in one of them",
        |words| Ok(Ask(request::patterns(Noun::Map, Change::Show, words)?)),
    ),
    user("show pools", &["show", "pools"], "report how much memory the process has", |_| {
        Ok(Ask(Request::ShowPools))
    }),
    Command {
        targets: MASTER,
        ..user("show proc", &["show", "proc"], "show processes status", |_| Ok(Ask(Request::ShowProc)))
    },
    user(
        "show redis [<backend>] [json]",
        &["show", "redis"],
        "show roles, offsets, proofs and who is held why",
        |words| Ok(Ask(request::redis(words))),
    ),
    user(
        "show resolvers [id]",
        &["show", "resolvers"],
        "dump counters of resolvers and their name servers",
        |words| Ok(Ask(Request::ShowResolvers(request::named(words)))),
    ),
    user("show schema json", &["show", "schema", "json"], "report schema used for stats", |_| {
        Ok(Ask(Request::ShowSchema))
    }),
    user(
        "show servers conn [<backend>]",
        &["show", "servers", "conn"],
        "show connections of servers",
        |words| Ok(Ask(Request::ShowServers(ServerList::Connections, request::named(words)))),
    ),
    user(
        "show servers state [<backend>]",
        &["show", "servers", "state"],
        "show states of servers, as in a state file",
        |words| Ok(Ask(Request::ShowServers(ServerList::State, request::named(words)))),
    ),
    operator(
        "show sess [id|all]",
        &["show", "sess"],
        "report the list of current sessions or one of them",
        |words| Ok(Ask(request::sessions(words))),
    ),
    Command {
        targets: BOTH,
        ..operator(
            "show startup-logs",
            &["show", "startup-logs"],
            "report logs emitted during startup",
            |_| Ok(Ask(Request::ShowStartupLogs)),
        )
    },
    user(
        "show stat [desc|json|no-maint|typed|up]*",
        &["show", "stat"],
        "report counters for each proxy and server",
        |words| Ok(Ask(request::stat(words))),
    ),
    user(
        "show table [<table>] [<filter>]*",
        &["show", "table"],
        "report stick tables, or what is in one of them (filter: data/key)",
        |words| Ok(Ask(request::table(Verb::Show, words)?)),
    ),
    user("show threads", &["show", "threads"], "show the worker threads and their sessions", |_| {
        Ok(Ask(Request::ShowThreads))
    }),
    Command {
        targets: BOTH,
        ..user("show version", &["show", "version"], "show version of the current process", |_| {
            Ok(Ask(Request::ShowVersion))
        })
    },
    admin(
        "shutdown frontend <frontend>",
        &["shutdown", "frontend"],
        "stop a frontend until a reload",
        |words| Ok(Ask(request::frontend(words, FrontendOrder::Shutdown)?)),
    ),
    admin("shutdown session [id]", &["shutdown", "session"], "end a session", |words| {
        Ok(Ask(request::shutdown_session(words)?))
    }),
    admin(
        "shutdown sessions server <bk>/<srv>",
        &["shutdown", "sessions", "server"],
        "end all sessions of a server",
        |words| Ok(Ask(Request::ShutdownSessions(request::server_name(words)?))),
    ),
    Command {
        targets: BOTH,
        ..user("user", &["user"], "lower the level of the current CLI session to user", |_| {
            Ok(Lower(Level::User))
        })
    },
    own("help [<command>]", &["help"], "list matching or all commands", |_| Ok(Action::Help)),
    own("prompt", &["prompt"], "toggle interactive mode with prompt", |_| Ok(Action::Prompt)),
    own("quit", &["quit"], "disconnect", |_| Ok(Action::Quit)),
];

/// Listed only: read by the session before the table is asked.
const fn prefix(usage: &'static str, help: &'static str) -> Command {
    Command { targets: MASTER, ..user(usage, &[], help, |_| Ok(Say(String::new()))) }
}

const fn own(usage: &'static str, words: &'static [&'static str], help: &'static str, read: Read) -> Command {
    Command { targets: BOTH, ..user(usage, words, help, read) }
}

const fn user(
    usage: &'static str,
    words: &'static [&'static str],
    help: &'static str,
    read: Read,
) -> Command {
    Command { usage, help, words, targets: WORKER, level: Level::User, read }
}

const fn operator(
    usage: &'static str,
    words: &'static [&'static str],
    help: &'static str,
    read: Read,
) -> Command {
    Command { level: Level::Operator, ..user(usage, words, help, read) }
}

const fn admin(
    usage: &'static str,
    words: &'static [&'static str],
    help: &'static str,
    read: Read,
) -> Command {
    Command { level: Level::Admin, ..user(usage, words, help, read) }
}

/// Nothing here is for experts only, so the modes are taken and change nothing.
fn mode(words: Words<'_>) -> Result<Action, Fault> {
    Ok(Say(if words.is_empty() { "expert-mode is OFF\n".to_owned() } else { String::new() }))
}
