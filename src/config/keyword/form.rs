//! What HAProxy wants after keywords that have no effect here. A line that it refuses is refused here too: it
//! is a mistake in the file, whatever the keyword does. Which values it takes was found by giving them to it.
//!
//! Places count from the keyword's end: 0 is its first argument. A keyword that is not listed takes anything,
//! but for an option, which takes nothing.

use super::{Keyword, small};

/// One thing that has to be so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// So many arguments at least; else what is expected: `expects TEXT`.
    AtLeast(usize, &'static str),
    /// So many arguments at most.
    AtMost(usize),
    /// The argument of the place is one of these words, its parenthesis left out.
    OneOf(usize, &'static [&'static str]),
    /// From the place on, each word is one of these and followed by so many of its own.
    Words(usize, &'static [(&'static str, usize)]),
    /// As `Words`, up to the `if` or `unless` of a condition.
    Rule(usize, &'static [(&'static str, usize)]),
    /// From the place on, each word is one of these.
    Every(usize, &'static [&'static str]),
    /// One of the arguments is one of these words.
    Among(&'static [&'static str]),
    /// At most one of these words is there.
    Exclusive(&'static [&'static str]),
    /// If one of these words is there, nothing else is.
    Alone(&'static [&'static str]),
    /// If the first argument is the word, these have to be so too.
    After(&'static str, &'static [Form]),
    /// The argument of the place, if there is one, reads as such a value.
    At(usize, Value),
    /// The argument behind the word, if it is there, reads as such a value.
    Behind(&'static str, Value),
    /// The argument of the place is an integer from one bound to the other.
    Between(usize, i64, i64),
    /// The argument of the place is a time.
    Time(usize),
    /// It has no `no` and no `default`.
    NoNegation,
}

/// What an argument reads as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// The number in front of it, 0 if it has none, is from one bound to the other.
    Number(i64, i64),
    /// An integer from one bound to the other, without anything behind it.
    Whole(i64, i64),
    /// As `Whole`, or one of these words.
    WholeOr(i64, i64, &'static [&'static str]),
    /// `64k`
    Size,
    /// Processes or threads: `all`, `odd`, `1-4`, or several of these with `/` or `,` between them.
    Set,
    /// A time; a bare number counts seconds.
    Seconds,
    /// `10.0.0.0/8`
    Network,
    /// What may name a section, a server or a user.
    Name,
    Address,
    /// An address whose port is given.
    AddressWithPort,
    /// A variable, its scope in front: `proc.x`.
    Variable,
    /// `src`, `int(5)`
    Sample,
}

use Form::{
    After, Alone, At, AtLeast, AtMost, Behind, Between, Every, Exclusive, NoNegation, OneOf, Time, Words,
};
use Value::{Network, Number, Sample, Seconds, Set, Size, Variable, Whole, WholeOr};

/// What has to be so where a keyword without effect stands.
pub fn of(keyword: &Keyword) -> &'static [Form] {
    if let Some(forms) = small::of(keyword.scopes, keyword.name) {
        return forms;
    }
    let listed = FORMS.iter().find(|(names, _)| names.contains(&keyword.name));
    match listed {
        Some((_, forms)) => forms,
        None if keyword.name.starts_with("option ") => &[AtMost(0)],
        None => &[],
    }
}

const INTEGER: &str = "an integer argument";
const ANY_NUMBER: Form = At(0, Whole(i64::MIN, i64::MAX));
const EXCEPT: Form = Behind("except", Network);
const ALGORITHMS: &[&str] = &["identity", "gzip", "deflate", "raw-deflate", "auto"];
const SWITCH: &[&str] = &["on", "off"];
/// The answers that HAProxy may give by itself.
pub(super) const STATUS: &[&str] = &[
    "200", "400", "401", "403", "404", "405", "407", "408", "410", "413", "421", "422", "425", "429", "500",
    "501", "502", "503", "504",
];

static FORMS: &[(&[&str], &[Form])] = &[
    // Proxies.
    (&["capture cookie"], &[AtLeast(3, "<cookie_name> 'len' <len>"), OneOf(1, &["len"])]),
    (
        &["capture request", "capture response"],
        &[
            AtLeast(4, "'header' <header_name> 'len' <len>"),
            OneOf(0, &["header"]),
            OneOf(2, &["len"]),
            AtMost(4),
        ],
    ),
    (
        &["compression"],
        &[
            OneOf(
                0,
                &[
                    "algo",
                    "algo-req",
                    "algo-res",
                    "type",
                    "type-req",
                    "type-res",
                    "offload",
                    "direction",
                    "minsize-req",
                    "minsize-res",
                ],
            ),
            After("algo", &[AtLeast(2, "<algorithm>"), Every(1, ALGORITHMS)]),
            After("type", &[AtLeast(2, "<type>")]),
        ],
    ),
    (
        &["cookie"],
        &[
            AtLeast(1, "<cookie_name> as argument"),
            Words(
                1,
                &[
                    ("rewrite", 0),
                    ("insert", 0),
                    ("prefix", 0),
                    ("indirect", 0),
                    ("nocache", 0),
                    ("postonly", 0),
                    ("preserve", 0),
                    ("httponly", 0),
                    ("secure", 0),
                    ("dynamic", 0),
                    ("domain", 1),
                    ("maxidle", 1),
                    ("maxlife", 1),
                    ("attr", 1),
                ],
            ),
            Behind("maxidle", Seconds),
            Behind("maxlife", Seconds),
            Exclusive(&["rewrite", "insert", "prefix"]),
        ],
    ),
    (
        &["declare capture"],
        &[
            OneOf(0, &["request", "response"]),
            OneOf(1, &["len"]),
            AtLeast(3, "a length"),
            Between(2, 1, i64::MAX),
        ],
    ),
    (&["dynamic-cookie-key"], &[AtLeast(1, "<secret_key> as argument")]),
    (
        &["email-alert level"],
        &[OneOf(0, &["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"])],
    ),
    (&["errorfile"], &[AtLeast(2, "<status_code> and <file> as arguments"), OneOf(0, STATUS)]),
    (
        &["errorloc", "errorloc302", "errorloc303"],
        &[AtLeast(2, "<status_code> and <url> as arguments"), OneOf(0, STATUS)],
    ),
    (&["errorfiles"], &[AtLeast(1, "<name> as argument"), Every(1, STATUS)]),
    (
        &["http-error"],
        &[
            AtLeast(2, "at least a <status> as arguments"),
            OneOf(0, &["status"]),
            Between(1, 200, 599),
            Words(
                2,
                &[
                    ("content-type", 1),
                    ("default-errorfiles", 0),
                    ("errorfile", 1),
                    ("errorfiles", 1),
                    ("file", 1),
                    ("lf-file", 1),
                    ("string", 1),
                    ("lf-string", 1),
                    ("hdr", 2),
                ],
            ),
        ],
    ),
    (&["http-request"], &[OneOf(0, REQUEST_RULES)]),
    (&["http-response"], &[OneOf(0, RESPONSE_RULES)]),
    (&["http-after-response"], &[OneOf(0, LAST_RULES)]),
    (&["http-reuse"], &[OneOf(0, &["never", "safe", "aggressive", "always"]), AtMost(1)]),
    (&["http-send-name-header", "unique-id-header"], &[AtLeast(1, "a header string")]),
    (&["load-server-state-from-file"], &[OneOf(0, &["global", "local", "none"])]),
    (&["max-keep-alive-queue"], &[AtLeast(1, "an integer value (or -1 to disable)"), ANY_NUMBER]),
    (&["max-session-srv-conns"], &[AtLeast(1, "a number")]),
    (
        &["retry-on"],
        &[
            AtLeast(1, "at least one keyword to specify when to retry"),
            Words(
                0,
                &[
                    ("none", 0),
                    ("conn-failure", 0),
                    ("empty-response", 0),
                    ("response-timeout", 0),
                    ("0rtt-rejected", 0),
                    ("junk-response", 0),
                    ("all-retryable-errors", 0),
                    ("401", 0),
                    ("403", 0),
                    ("404", 0),
                    ("408", 0),
                    ("425", 0),
                    ("429", 0),
                    ("500", 0),
                    ("501", 0),
                    ("502", 0),
                    ("503", 0),
                    ("504", 0),
                ],
            ),
            Alone(&["none"]),
        ],
    ),
    (&["server-state-file-name"], &[AtMost(1)]),
    (&["timeout http-keep-alive", "timeout http-request"], &[Time(0), AtMost(1)]),
    // Options.
    (&["option forwarded", "option http-use-htx", "option forceclose", "option http-tunnel"], &[]),
    (
        &["option forwardfor"],
        &[NoNegation, Words(0, &[("except", 1), ("header", 1), ("if-none", 0)]), EXCEPT],
    ),
    (&["option originalto"], &[NoNegation, Words(0, &[("except", 1), ("header", 1)]), EXCEPT]),
    (&["option http_proxy"], &[]),
    (&["option httplog"], &[NoNegation, Words(0, &[("clf", 0)]), AtMost(1)]),
    (&["option httpslog", "option external-check"], &[NoNegation]),
    (
        &["option http-restrict-req-hdr-names"],
        &[NoNegation, OneOf(0, &["preserve", "reject", "delete"]), AtMost(1)],
    ),
    // `bind` and `server` lines; that an argument is there has been seen to before.
    (&["expose-fd"], &[OneOf(0, &["listeners"])]),
    (&["id"], &[Between(0, 1, i64::MAX)]),
    (&["log-proto"], &[OneOf(0, &["legacy", "octet-count"])]),
    (&["process", "thread"], &[At(0, Set)]),
    (&["pool-purge-delay"], &[Time(0)]),
    (&["pool-max-conn"], &[At(0, Number(-1, i64::MAX))]),
    (&["shards"], &[At(0, WholeOr(1, 4096, &["by-thread", "by-group"]))]),
    (&["nice"], &[Between(0, -1024, 1024)]),
    (&["severity-output"], &[OneOf(0, &["none", "number", "string"])]),
    (&["ws"], &[OneOf(0, &["auto", "h1", "h2"])]),
    // `global`.
    (
        &[
            "busy-polling",
            "h1-accept-payload-with-any-method",
            "h2-workaround-bogus-websocket-clients",
            "insecure-fork-wanted",
            "insecure-setuid-wanted",
            "no-memory-trimming",
            "noepoll",
            "noevports",
            "nogetaddrinfo",
            "nokqueue",
            "nopoll",
            "noreuseport",
            "pp2-never-send-local",
            "set-dumpable",
            "strict-limits",
            "tune.ssl.force-private-cache",
        ],
        &[AtMost(0)],
    ),
    (
        &[
            "fd-hard-limit",
            "maxcomprate",
            "maxconnrate",
            "maxsessrate",
            "maxsslrate",
            "maxzlibmem",
            "tune.buffers.limit",
            "tune.buffers.reserve",
            "tune.http.cookielen",
            "tune.http.logurilen",
            "tune.maxaccept",
            "tune.maxpollevents",
            "tune.rcvbuf.client",
            "tune.rcvbuf.server",
            "tune.recv_enough",
            "tune.runqueue-depth",
            "tune.sndbuf.client",
            "tune.sndbuf.server",
        ],
        &[AtLeast(1, INTEGER), AtMost(1)],
    ),
    (
        &[
            "maxsslconn",
            "tune.maxrewrite",
            "tune.ssl.cachesize",
            "tune.ssl.capture-buffer-size",
            "tune.ssl.capture-cipherlist-size",
            "tune.ssl.hard-maxrecord",
            "tune.ssl.maxrecord",
            "tune.ssl.ssl-ctx-cache-size",
        ],
        &[AtLeast(1, INTEGER), Between(0, 0, i64::MAX), AtMost(1)],
    ),
    (
        &["maxcompcpuusage", "tune.pool-high-fd-ratio", "tune.pool-low-fd-ratio"],
        &[Between(0, 0, 100), AtMost(1)],
    ),
    (&["tune.comp.maxlevel"], &[Between(0, 1, 9), AtMost(1)]),
    (&["tune.http.maxhdr"], &[Between(0, 1, 32_767), AtMost(1)]),
    (&["tune.ssl.default-dh-param"], &[Between(0, 1024, i64::MAX), AtMost(1)]),
    (&["tune.pattern.cache-size"], &[Between(0, 0, i64::MAX)]),
    (&["tune.peers.max-updates-at-once"], &[Between(0, 1, i64::MAX), AtMost(1)]),
    (&["cluster-secret"], &[AtLeast(1, "an ASCII string argument")]),
    (
        &[
            "tune.vars.check-max-size",
            "tune.vars.global-max-size",
            "tune.vars.proc-max-size",
            "tune.vars.reqres-max-size",
            "tune.vars.sess-max-size",
            "tune.vars.txn-max-size",
        ],
        &[At(0, Size)],
    ),
    (&["tune.h2.header-table-size"], &[Between(0, 4096, 65_536), AtMost(1)]),
    (&["tune.h2.max-frame-size"], &[Between(0, 16_384, 16_777_215), AtMost(1)]),
    (
        &["tune.h2.initial-window-size", "tune.h2.max-concurrent-streams"],
        &[At(0, Number(0, i64::MAX)), AtMost(1)],
    ),
    (&["tune.fail-alloc"], &[At(0, Number(0, 100)), AtMost(1)]),
    (&["tune.lua.maxmem"], &[AtLeast(1, "an integer argument (Lua memory size in MB)"), ANY_NUMBER]),
    (&["tune.lua.forced-yield"], &[ANY_NUMBER]),
    (&["thread-groups"], &[AtLeast(1, INTEGER), At(0, Whole(1, 64)), AtMost(1)]),
    (&["thread-group"], &[AtLeast(1, INTEGER), At(0, Whole(1, 64))]),
    (&["external-check"], &[Words(0, &[("preserve-env", 0)])]),
    (&["httpclient.resolvers.id", "httpclient.ssl.ca-file"], &[AtMost(1)]),
    (&["ssl-propquery"], &[AtLeast(1, "a property string as an argument")]),
    (&["ssl-provider"], &[AtLeast(1, "a valid engine provider name as an argument")]),
    (
        &["ssl-load-extra-files"],
        &[
            AtLeast(1, "one or multiple arguments (none, all, bundle, sctl, ocsp, issuer, key)"),
            Words(
                0,
                &[
                    ("none", 0),
                    ("all", 0),
                    ("bundle", 0),
                    ("sctl", 0),
                    ("ocsp", 0),
                    ("issuer", 0),
                    ("key", 0),
                ],
            ),
            Alone(&["none", "all"]),
        ],
    ),
    (
        &[
            "localpeer",
            "ssl-default-bind-ciphers",
            "ssl-default-bind-ciphersuites",
            "ssl-default-bind-curves",
            "ssl-default-server-ciphers",
            "ssl-default-server-ciphersuites",
        ],
        &[AtLeast(1, "one argument"), AtMost(1)],
    ),
    (&["ssl-dh-param-file", "issuers-chain-path"], &[AtLeast(1, "a path"), AtMost(1)]),
    (&["server-state-base", "server-state-file", "ssl-provider-path"], &[AtLeast(1, "one argument: a path")]),
    (&["lua-load", "lua-load-per-thread"], &[AtLeast(1, "a file name as parameter")]),
    (&["lua-prepend-path"], &[AtLeast(1, "a <path> as argument"), AtMost(2)]),
    (&["h1-case-adjust"], &[AtLeast(2, "<from> and <to> as argument"), AtMost(2)]),
    (&["h1-case-adjust-file"], &[AtLeast(1, "<file> as argument"), AtMost(1)]),
    (&["set-var"], &[AtLeast(2, "a variable and a value"), At(0, Variable), At(1, Sample)]),
    (&["set-var-fmt"], &[AtLeast(2, "a variable and a value"), At(0, Variable)]),
    (&["profiling.tasks", "profiling.memory"], &[OneOf(0, &["on", "auto", "off"]), AtMost(1)]),
    (
        &[
            "tune.fd.edge-triggered",
            "tune.idle-pool.shared",
            "tune.listener.multi-queue",
            "tune.sched.low-latency",
            "tune.ssl.keylog",
        ],
        &[OneOf(0, SWITCH), AtMost(1)],
    ),
    (&["close-spread-time"], &[Time(0)]),
    (&["tune.idletimer", "tune.ssl.lifetime"], &[Time(0), AtMost(1)]),
    (&["tune.lua.service-timeout", "tune.lua.session-timeout", "tune.lua.task-timeout"], &[Time(0)]),
    (
        &["default-path"],
        &[
            OneOf(0, &["current", "config", "parent", "origin"]),
            Words(0, &[("current", 0), ("config", 0), ("parent", 0), ("origin", 1)]),
        ],
    ),
    (&["httpclient.resolvers.prefer"], &[OneOf(0, &["ipv4", "ipv6"]), AtMost(1)]),
    (&["httpclient.ssl.verify"], &[OneOf(0, &["none", "required"]), AtMost(1)]),
    (&["mworker-max-reloads"], &[AtMost(1)]),
    (
        &["unix-bind"],
        &[Words(0, &[("prefix", 1), ("mode", 1), ("uid", 1), ("gid", 1), ("user", 1), ("group", 1)])],
    ),
];

const REQUEST_RULES: &[&str] = &[
    "add-acl",
    "add-header",
    "allow",
    "auth",
    "cache-use",
    "capture",
    "del-acl",
    "del-header",
    "del-map",
    "deny",
    "disable-l7-retry",
    "do-log",
    "do-resolve",
    "early-hint",
    "normalize-uri",
    "pause",
    "redirect",
    "reject",
    "replace-header",
    "replace-path",
    "replace-pathq",
    "replace-uri",
    "replace-value",
    "return",
    "sc-add-gpc",
    "sc-inc-gpc",
    "sc-inc-gpc0",
    "sc-inc-gpc1",
    "sc-set-gpt",
    "sc-set-gpt0",
    "send-spoe-group",
    "set-bandwidth-limit",
    "set-bc-mark",
    "set-bc-tos",
    "set-dst",
    "set-dst-port",
    "set-fc-mark",
    "set-fc-tos",
    "set-header",
    "set-headers-bin",
    "set-log-level",
    "set-map",
    "set-mark",
    "set-method",
    "set-nice",
    "set-path",
    "set-pathq",
    "set-priority-class",
    "set-priority-offset",
    "set-query",
    "set-retries",
    "set-src",
    "set-src-port",
    "set-timeout",
    "set-tos",
    "set-uri",
    "set-var",
    "set-var-fmt",
    "silent-drop",
    "strict-mode",
    "tarpit",
    "track-sc",
    "track-sc0",
    "track-sc1",
    "track-sc2",
    "unset-var",
    "use-service",
    "wait-for-body",
    "wait-for-handshake",
];
const RESPONSE_RULES: &[&str] = &[
    "add-acl",
    "add-header",
    "allow",
    "cache-store",
    "capture",
    "del-acl",
    "del-header",
    "del-map",
    "deny",
    "do-log",
    "pause",
    "redirect",
    "replace-header",
    "replace-value",
    "return",
    "sc-add-gpc",
    "sc-inc-gpc",
    "sc-inc-gpc0",
    "sc-inc-gpc1",
    "sc-set-gpt",
    "sc-set-gpt0",
    "send-spoe-group",
    "set-bandwidth-limit",
    "set-fc-mark",
    "set-fc-tos",
    "set-header",
    "set-headers-bin",
    "set-log-level",
    "set-map",
    "set-mark",
    "set-nice",
    "set-status",
    "set-timeout",
    "set-tos",
    "set-var",
    "set-var-fmt",
    "silent-drop",
    "strict-mode",
    "track-sc0",
    "track-sc1",
    "track-sc2",
    "unset-var",
    "wait-for-body",
];
const LAST_RULES: &[&str] = &[
    "add-header",
    "allow",
    "capture",
    "del-acl",
    "del-header",
    "del-map",
    "do-log",
    "replace-header",
    "replace-value",
    "sc-add-gpc",
    "sc-inc-gpc",
    "sc-inc-gpc0",
    "sc-inc-gpc1",
    "sc-set-gpt",
    "sc-set-gpt0",
    "set-header",
    "set-headers-bin",
    "set-log-level",
    "set-map",
    "set-status",
    "set-var",
    "set-var-fmt",
    "strict-mode",
    "unset-var",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keyword::{self, Status};
    use std::collections::BTreeSet;

    #[test]
    fn every_form_belongs_to_a_keyword_without_effect_and_to_one_only() {
        let mut seen = BTreeSet::new();
        for name in FORMS.iter().flat_map(|(names, _)| *names) {
            let mut rows = keyword::all().filter(|row| row.name == *name);
            assert!(rows.any(|row| row.status != Status::Honoured), "{name}");
            assert!(seen.insert(name), "{name} twice");
        }
    }

    #[test]
    fn an_option_without_a_form_takes_nothing_and_other_keywords_take_anything() {
        let row = |words: &[&str]| keyword::find(keyword::Scope::Listen, words).expect("a keyword");
        assert_eq!(of(row(&["option", "contstats"])), &[AtMost(0)]);
        assert_eq!(of(row(&["grace"])), &[]);
        assert_eq!(of(row(&["option", "forceclose"])), &[], "what HAProxy dropped is not held against it");
    }
}
