//! The steps of health checks and their options.

use super::Scope::{self, Backend, CheckConnect, CheckExpect, Defaults, HttpExpect, HttpSend, Listen};
use super::{Keyword, because, honoured, rejected};

const STEPS: &[Scope] = &[Defaults, Backend, Listen];
const CONNECT: &[Scope] = &[CheckConnect];
const EXPECT: &[Scope] = &[CheckExpect];
const HTTP_SEND: &[Scope] = &[HttpSend];
const HTTP_EXPECT: &[Scope] = &[HttpExpect];
const BOTH_EXPECTS: &[Scope] = &[CheckExpect, HttpExpect];

const CUSTOM: &str = "is not supported: HAProxy has it for itself, and for no config";

pub(super) static KEYWORDS: &[Keyword] = &[
    honoured("tcp-check connect", STEPS, "opens the connection of a check"),
    honoured("tcp-check send", STEPS, "sends text"),
    honoured("tcp-check send-binary", STEPS, "sends bytes written in hexadecimal"),
    honoured("tcp-check expect", STEPS, "waits for an answer and compares it"),
    honoured("tcp-check comment", STEPS, "names the steps after it in reports"),
    honoured("tcp-check send-lf", STEPS, "sends text with expressions"),
    honoured("tcp-check send-binary-lf", STEPS, "sends bytes with expressions"),
    honoured("tcp-check set-var", STEPS, "sets a variable of the check"),
    honoured("tcp-check set-var-fmt", STEPS, "sets a variable of the check from a text"),
    honoured("tcp-check unset-var", STEPS, "removes a variable of the check"),
    honoured("http-check connect", STEPS, "opens the connection of an HTTP check"),
    honoured("http-check send", STEPS, "sends an HTTP request"),
    honoured("http-check expect", STEPS, "waits for an HTTP answer and compares it"),
    honoured("http-check comment", STEPS, "names the steps after it in reports"),
    honoured("http-check disable-on-404", STEPS, "a 404 takes new sessions from a server that is up"),
    honoured("http-check send-state", STEPS, "tells the server how it stands here"),
    honoured("http-check set-var", STEPS, "sets a variable of the check"),
    honoured("http-check set-var-fmt", STEPS, "sets a variable of the check from a text"),
    honoured("http-check unset-var", STEPS, "removes a variable of the check"),
    rejected("external-check command", STEPS, because::SCRIPT, "the program that checks servers"),
    rejected("external-check path", STEPS, because::SCRIPT, "where that program looks for others"),
    honoured("addr", CONNECT, "the address to connect to"),
    honoured("port", CONNECT, "the port to connect to"),
    honoured("comment", CONNECT, "names the step in reports"),
    honoured("default", CONNECT, "connects as the server line says"),
    honoured("linger", CONNECT, "ends the connection with FIN and not with RST"),
    honoured("send-proxy", CONNECT, "sends a PROXY header first"),
    honoured("via-socks4", CONNECT, "connects through the SOCKS4 proxy of the server line"),
    honoured("ssl", CONNECT, "speaks TLS"),
    honoured("sni", CONNECT, "the host name to ask for"),
    honoured("alpn", CONNECT, "protocols to announce"),
    honoured("proto", CONNECT, "the protocol of the step: 'h1' of 'http-check', 'none' of 'tcp-check'"),
    honoured("!", EXPECT, "the answer must not match"),
    honoured("string", EXPECT, "text that the answer must hold"),
    honoured("rstring", EXPECT, "a regular expression that the answer must match"),
    honoured("binary", EXPECT, "bytes that the answer must hold"),
    honoured("rbinary", EXPECT, "a regular expression that the answer's hexadecimal dump must match"),
    honoured("comment", BOTH_EXPECTS, "names the step in reports"),
    honoured("min-recv", BOTH_EXPECTS, "bytes to wait for before a miss counts"),
    honoured("ok-status", BOTH_EXPECTS, "the status of a check that ends here well"),
    honoured("error-status", BOTH_EXPECTS, "the status of a check that fails here"),
    honoured("tout-status", BOTH_EXPECTS, "the status of a check that waits here too long"),
    honoured("on-success", BOTH_EXPECTS, "the text of a check that ends here well"),
    honoured("on-error", BOTH_EXPECTS, "the text of a check that fails here"),
    honoured("status-code", BOTH_EXPECTS, "an expression for the code of a check"),
    honoured("string-lf", EXPECT, "text with expressions that the answer must hold"),
    honoured("binary-lf", EXPECT, "bytes with expressions that the answer must hold"),
    rejected("custom", EXPECT, CUSTOM, "a function of the program's own"),
    honoured("!", HTTP_EXPECT, "the answer must not match"),
    honoured("status", HTTP_EXPECT, "status codes and ranges of them"),
    honoured("rstatus", HTTP_EXPECT, "a regular expression that the status must match"),
    honoured("string", HTTP_EXPECT, "text that the body must hold"),
    honoured("rstring", HTTP_EXPECT, "a regular expression that the body must match"),
    honoured("hdr", HTTP_EXPECT, "a header, each of its comma-separated values"),
    honoured("fhdr", HTTP_EXPECT, "a header, its value as a whole"),
    honoured("string-lf", HTTP_EXPECT, "text with expressions that the body must hold"),
    rejected("custom", HTTP_EXPECT, CUSTOM, "a function of the program's own"),
    honoured("meth", HTTP_SEND, "the method"),
    honoured("uri", HTTP_SEND, "what is asked for"),
    honoured("ver", HTTP_SEND, "the version"),
    honoured("hdr", HTTP_SEND, "a header"),
    honoured("body", HTTP_SEND, "the body"),
    honoured("comment", HTTP_SEND, "names the step in reports"),
    honoured("uri-lf", HTTP_SEND, "what is asked for, with expressions"),
    honoured("body-lf", HTTP_SEND, "the body, with expressions"),
];
