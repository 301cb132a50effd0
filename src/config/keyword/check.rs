//! The steps of health checks and their options.

use super::Scope::{self, Backend, CheckConnect, CheckExpect, Defaults, Listen};
use super::{Keyword, accepted, because, honoured, rejected};

const STEPS: &[Scope] = &[Defaults, Backend, Listen];
const CONNECT: &[Scope] = &[CheckConnect];
const EXPECT: &[Scope] = &[CheckExpect];

const LOG_FORMAT_TEXT: &str = "is not supported in this version of rolecall; use the form without log-format";
const VARIABLES: &str = "is not supported in this version of rolecall, which has no variables in checks";

pub(super) static KEYWORDS: &[Keyword] = &[
    honoured("tcp-check connect", STEPS, "opens the connection of a check"),
    honoured("tcp-check send", STEPS, "sends text"),
    honoured("tcp-check send-binary", STEPS, "sends bytes written in hexadecimal"),
    honoured("tcp-check expect", STEPS, "waits for an answer and compares it"),
    honoured("tcp-check comment", STEPS, "names the steps after it in reports"),
    rejected("tcp-check send-lf", STEPS, LOG_FORMAT_TEXT, "sends text with variables"),
    rejected("tcp-check send-binary-lf", STEPS, LOG_FORMAT_TEXT, "sends bytes with variables"),
    rejected("tcp-check set-var", STEPS, VARIABLES, "sets a variable"),
    rejected("tcp-check set-var-fmt", STEPS, VARIABLES, "sets a variable from a format"),
    rejected("tcp-check unset-var", STEPS, VARIABLES, "removes a variable"),
    rejected("http-check", STEPS, because::CHECK_TYPE, "a step of an HTTP check"),
    rejected("external-check command", STEPS, because::SCRIPT, "the program that checks servers"),
    rejected("external-check path", STEPS, because::SCRIPT, "where that program looks for others"),
    honoured("addr", CONNECT, "the address to connect to"),
    honoured("port", CONNECT, "the port to connect to"),
    honoured("comment", CONNECT, "names the step in reports"),
    honoured("default", CONNECT, "connects as the server line says"),
    honoured("linger", CONNECT, "ends the connection with FIN and not with RST"),
    rejected("send-proxy", CONNECT, because::PROXY_PROTOCOL, "sends a PROXY header first"),
    rejected(
        "via-socks4",
        CONNECT,
        "is not supported: rolecall connects directly",
        "connects through a SOCKS proxy",
    ),
    rejected("ssl", CONNECT, because::TLS, "speaks TLS"),
    accepted("sni", CONNECT, because::NO_TLS_SETTING, "the host name to ask for"),
    accepted("alpn", CONNECT, because::NO_TLS_SETTING, "protocols to announce"),
    rejected("proto", CONNECT, "is not supported: rolecall forwards TCP only", "forces a protocol"),
    honoured("!", EXPECT, "the answer must not match"),
    honoured("string", EXPECT, "text that the answer must hold"),
    honoured("rstring", EXPECT, "a regular expression that the answer must match"),
    honoured("binary", EXPECT, "bytes that the answer must hold"),
    honoured("rbinary", EXPECT, "a regular expression that the answer's hexadecimal dump must match"),
    honoured("comment", EXPECT, "names the step in reports"),
    honoured("min-recv", EXPECT, "bytes to wait for before a miss counts"),
    honoured("ok-status", EXPECT, "the status of a check that ends here well"),
    honoured("error-status", EXPECT, "the status of a check that fails here"),
    honoured("tout-status", EXPECT, "the status of a check that waits here too long"),
    honoured("on-success", EXPECT, "the text of a check that ends here well"),
    honoured("on-error", EXPECT, "the text of a check that fails here"),
    rejected("string-lf", EXPECT, LOG_FORMAT_TEXT, "text with variables"),
    rejected("binary-lf", EXPECT, LOG_FORMAT_TEXT, "bytes with variables"),
    rejected("custom", EXPECT, LOG_FORMAT_TEXT, "a function of the program's own"),
    accepted(
        "status-code",
        EXPECT,
        "has no effect: a Redis answer has no status code",
        "an expression for the status code",
    ),
];
