//! Section keywords, the directives that may stand anywhere, and the small sections. Of the statements of a
//! section that has no effect only the forms are looked at (`small`).

use super::Scope::{self, Cache, File, HttpErrors, Mailers, Peers, Resolvers, Ring, Sentinels, Userlist};
use super::{Keyword, accepted, because, honoured, rejected};

const ANYWHERE: &[Scope] = &[File];
const DNS: &[Scope] = &[Resolvers];
const PEERS: &[Scope] = &[Peers];
const USERS: &[Scope] = &[Userlist];
const MAIL: &[Scope] = &[Mailers];
const CACHE: &[Scope] = &[Cache];
const RING: &[Scope] = &[Ring];
const ERRORS: &[Scope] = &[HttpErrors];
const SENTINELS: &[Scope] = &[Sentinels];

const NO_RING: &str = "has no effect: rolecall has no ring buffers; log to an address instead";

pub(super) static KEYWORDS: &[Keyword] = &[
    honoured("global", ANYWHERE, "opens the section of process-wide settings; may be repeated"),
    honoured(
        "defaults",
        ANYWHERE,
        "opens a section of settings for the proxies after it, or for those that name it",
    ),
    honoured("frontend", ANYWHERE, "opens a proxy that accepts clients"),
    honoured("backend", ANYWHERE, "opens a proxy that has servers"),
    honoured("listen", ANYWHERE, "opens a frontend and a backend in one"),
    honoured("resolvers", ANYWHERE, "opens a set of name servers that servers' names are asked of"),
    accepted("peers", ANYWHERE, because::PEERS, "opens a set of load balancers that share stick tables"),
    honoured("userlist", ANYWHERE, "opens a list of users and groups that rules of pages may ask"),
    accepted("mailers", ANYWHERE, because::MAIL, "opens a set of mail servers for alerts"),
    accepted("cache", ANYWHERE, because::HTTP, "opens an HTTP cache"),
    accepted("ring", ANYWHERE, NO_RING, "opens a ring buffer for logs"),
    accepted("http-errors", ANYWHERE, because::HTTP, "opens a set of HTTP error pages"),
    accepted("fcgi-app", ANYWHERE, because::HTTP, "opens the settings of a FastCGI application"),
    accepted("log-profile", ANYWHERE, because::LOG_FORMAT, "opens a set of log formats by event"),
    accepted("traces", ANYWHERE, because::TUNING, "opens the settings of developer traces"),
    accepted("crt-store", ANYWHERE, because::NO_TLS_SETTING, "opens a set of certificates"),
    accepted("acme", ANYWHERE, because::NO_TLS_SETTING, "opens the settings of a certificate authority"),
    accepted(
        "program",
        ANYWHERE,
        "has no effect: rolecall starts no other programs; let the service manager start it",
        "opens a program that the master process would run",
    ),
    rejected(
        "log-forward",
        ANYWHERE,
        "is not supported: rolecall relays no logs",
        "opens a relay of syslog messages",
    ),
    rejected("healthcheck", ANYWHERE, because::CHECK_TYPE, "opens a named health check"),
    honoured("sentinels", ANYWHERE, "opens a set of Sentinels that know who is master (not in HAProxy)"),
    honoured(".if", ANYWHERE, "reads the lines up to '.endif' only if a condition holds"),
    honoured(".elif", ANYWHERE, "reads the lines after it if no earlier condition held and this one does"),
    honoured(".else", ANYWHERE, "reads the lines after it if no earlier condition held"),
    honoured(".endif", ANYWHERE, "ends a '.if' block"),
    honoured(".notice", ANYWHERE, "prints a notice while the file is read"),
    honoured(".warning", ANYWHERE, "prints a warning while the file is read"),
    honoured(".alert", ANYWHERE, "prints an error while the file is read, and refuses it"),
    honoured(".diag", ANYWHERE, "prints a message with '-dD'"),
    honoured("nameserver", DNS, "a name server's address"),
    honoured("parse-resolv-conf", DNS, "takes the name servers of /etc/resolv.conf"),
    honoured("hold valid", DNS, "how long a good answer is kept"),
    honoured("hold obsolete", DNS, "how long an address is kept that is no more in the answer"),
    honoured("hold refused", DNS, "how long a refusal is kept"),
    honoured("hold timeout", DNS, "how long a missing answer is kept"),
    honoured("hold nx", DNS, "how long an unknown name is kept"),
    honoured("hold other", DNS, "how long any other error is kept"),
    honoured("resolve_retries", DNS, "how often a query is repeated"),
    honoured("timeout resolve", DNS, "the time between two resolutions of a name"),
    honoured("timeout retry", DNS, "the time between two queries without an answer"),
    honoured("accepted_payload_size", DNS, "the largest answer over UDP"),
    accepted("bind", PEERS, because::PEERS, "where this peer listens"),
    accepted("default-bind", PEERS, because::PEERS, "options for 'bind'"),
    accepted("default-server", PEERS, because::PEERS, "options for 'server'"),
    accepted("disabled", PEERS, because::PEERS, "switches the section off"),
    accepted("enabled", PEERS, because::PEERS, "switches the section on"),
    accepted("log", PEERS, because::PEERS, "where the section logs to"),
    accepted("peer", PEERS, because::PEERS, "a peer's name and address"),
    accepted("server", PEERS, because::PEERS, "a peer as a server line"),
    accepted("shards", PEERS, because::PEERS, "over how many peers a table is spread"),
    honoured("table", PEERS, "a stick table of the section's own"),
    honoured("user", USERS, "a user, the password and groups"),
    honoured("group", USERS, "a group and its users"),
    accepted("mailer", MAIL, because::MAIL, "a mail server"),
    accepted("timeout mail", MAIL, because::MAIL, "how long a mail server may take"),
    accepted("total-max-size", CACHE, because::HTTP, "size of the cache"),
    accepted("max-object-size", CACHE, because::HTTP, "largest object in the cache"),
    accepted("max-age", CACHE, because::HTTP, "longest stay in the cache"),
    accepted("max-secondary-entries", CACHE, because::HTTP, "variants of one object"),
    accepted("process-vary", CACHE, because::HTTP, "whether Vary headers count"),
    accepted("backing-file", RING, NO_RING, "a file that keeps the ring"),
    accepted("description", RING, NO_RING, "a text for the ring"),
    accepted("format", RING, NO_RING, "how messages are framed"),
    accepted("maxlen", RING, NO_RING, "longest message"),
    accepted("server", RING, NO_RING, "a server that gets the messages"),
    accepted("size", RING, NO_RING, "size of the ring"),
    accepted("timeout connect", RING, NO_RING, "how long a connection to the server may take"),
    accepted("timeout server", RING, NO_RING, "how long the server may be silent"),
    accepted("errorfile", ERRORS, because::HTTP, "a file that answers for a status"),
    honoured("sentinel", SENTINELS, "a Sentinel's name and address; port 26379 unless given"),
    honoured("master", SENTINELS, "what the Sentinels call the master they watch"),
    honoured("auth-user", SENTINELS, "the user that logs in at the Sentinels"),
    honoured("auth-pass", SENTINELS, "the password for the Sentinels"),
    honoured("timeout", SENTINELS, "how long a connect to a Sentinel, and each answer, may take"),
];
