//! Rules: `tcp-request` and family, `http-request` and family, and the header rules of old.

use super::Scope::{self, Backend, Defaults, Frontend, Listen};
use super::{Keyword, accepted, because, rejected};

const ALL: &[Scope] = &[Defaults, Frontend, Backend, Listen];
const FRONT: &[Scope] = &[Defaults, Frontend, Listen];

const HTTP: &str = because::HTTP;
const REMOVED: &str = because::REMOVED_HTTP;
const CONDITION: &str = because::CONDITION;
const NOTHING_REFUSES: &str = "has no effect: no other rule refuses anything";

pub(super) static KEYWORDS: &[Keyword] = &[
    accepted("tcp-request inspect-delay", ALL, NOTHING_REFUSES, "how long rules may wait for data"),
    accepted("tcp-request connection accept", FRONT, NOTHING_REFUSES, "takes a connection"),
    accepted("tcp-request session accept", FRONT, NOTHING_REFUSES, "takes a session"),
    accepted("tcp-request content accept", ALL, NOTHING_REFUSES, "takes a session by what it says"),
    rejected("tcp-request connection", FRONT, CONDITION, "a rule for new connections"),
    rejected("tcp-request session", FRONT, CONDITION, "a rule for new sessions"),
    rejected("tcp-request content", ALL, CONDITION, "a rule for what clients say"),
    accepted("tcp-response inspect-delay", ALL, NOTHING_REFUSES, "how long rules may wait for data"),
    accepted("tcp-response content accept", ALL, NOTHING_REFUSES, "takes what a server says"),
    rejected("tcp-response content", ALL, CONDITION, "a rule for what servers say"),
    rejected("quic-initial", FRONT, CONDITION, "a rule for new QUIC connections"),
    accepted(
        "http-request use-service",
        ALL,
        "has no effect in this version of rolecall: it serves the stats page and no other service",
        "answers from within the program, such as the Prometheus exporter",
    ),
    rejected("http-request auth", ALL, because::ACCESS, "asks for a password"),
    rejected("http-request deny", ALL, because::ACCESS, "refuses requests"),
    rejected("http-request reject", ALL, because::ACCESS, "drops requests"),
    rejected("http-request silent-drop", ALL, because::ACCESS, "drops requests without a word"),
    rejected("http-request tarpit", ALL, because::ACCESS, "keeps unwanted clients waiting"),
    accepted("http-request", ALL, HTTP, "a rule for requests"),
    accepted("http-response", ALL, HTTP, "a rule for responses"),
    accepted("http-after-response", ALL, HTTP, "a rule for responses of any origin"),
    accepted("redirect", ALL, HTTP, "sends clients to another place"),
    rejected("block", ALL, because::ACCESS, "refuses requests"),
    accepted("reqadd", ALL, REMOVED, "adds a request header"),
    accepted("reqallow", ALL, REMOVED, "takes requests"),
    accepted("reqdel", ALL, REMOVED, "removes request headers"),
    rejected("reqdeny", ALL, because::ACCESS, "refuses requests"),
    accepted("reqiallow", ALL, REMOVED, "takes requests"),
    accepted("reqidel", ALL, REMOVED, "removes request headers"),
    rejected("reqideny", ALL, because::ACCESS, "refuses requests"),
    accepted("reqipass", ALL, REMOVED, "leaves requests as they are"),
    accepted("reqirep", ALL, REMOVED, "changes request headers"),
    rejected("reqitarpit", ALL, because::ACCESS, "keeps unwanted clients waiting"),
    accepted("reqpass", ALL, REMOVED, "leaves requests as they are"),
    accepted("reqrep", ALL, REMOVED, "changes request headers"),
    accepted("reqsetbe", ALL, REMOVED, "chooses a backend"),
    accepted("reqisetbe", ALL, REMOVED, "chooses a backend"),
    rejected("reqtarpit", ALL, because::ACCESS, "keeps unwanted clients waiting"),
    accepted("rspadd", ALL, REMOVED, "adds a response header"),
    accepted("rspdel", ALL, REMOVED, "removes response headers"),
    rejected("rspdeny", ALL, because::ACCESS, "refuses responses"),
    accepted("rspidel", ALL, REMOVED, "removes response headers"),
    rejected("rspideny", ALL, because::ACCESS, "refuses responses"),
    accepted("rspirep", ALL, REMOVED, "changes response headers"),
    accepted("rsprep", ALL, REMOVED, "changes response headers"),
];
