//! The rows of the table of fetches that ask for something of an HTTP request: known where a proxy serves pages.

use super::fetch::Kind::{Address, Bool, Integer, Text};
use super::fetch::Takes::{Count, Nothing, Userlist, Values};
use super::fetch::{FetchRow, Takes, http};
use crate::config::model::http::{Cast, Field};
use crate::config::model::{Fetch, HttpFact};

/// Every row.
pub(super) fn all() -> impl Iterator<Item = &'static FetchRow> {
    ROWS.iter()
}

static METHOD: Fetch = Fetch::Http(HttpFact::Method);
static VERSION: Fetch = Fetch::Http(HttpFact::Version);
static SPOKEN: Fetch = Fetch::Http(HttpFact::Spoken);
const PATH: Takes = Nothing(&Fetch::Http(HttpFact::Path));
const URL: Takes = Nothing(&Fetch::Http(HttpFact::Url));
const BASE: Takes = Nothing(&Fetch::Http(HttpFact::Base));
const HEADER: Takes = Values(Field::Header, Cast::Text);
const WHOLE: Takes = Values(Field::WholeHeader, Cast::Text);
const COOKIE: Takes = Values(Field::Cookie, Cast::Text);
const PARAMETER: Takes = Values(Field::Parameter(b'?'), Cast::Text);

/// One that has a way to match of its own.
const fn matched(name: &'static str, takes: Takes, method: &'static str, help: &'static str) -> FetchRow {
    http(name, takes, Text, Some(method), help)
}

const fn text(name: &'static str, takes: Takes, help: &'static str) -> FetchRow {
    http(name, takes, Text, None, help)
}

const fn number(name: &'static str, takes: Takes, help: &'static str) -> FetchRow {
    http(name, takes, Integer, None, help)
}

#[rustfmt::skip]
static ROWS: &[FetchRow] = &[
    text("method", Nothing(&METHOD), "an HTTP request's method"),
    text("capture.req.method", Nothing(&METHOD), "as 'method'"),
    text("path", PATH, "an HTTP request's path"),
    matched("path_beg", PATH, "beg", "how the path begins"),
    matched("path_dir", PATH, "dir", "a part of the path between slashes"),
    matched("path_dom", PATH, "dom", "a part of the path between dots"),
    matched("path_end", PATH, "end", "how the path ends"),
    matched("path_len", PATH, "len", "how long the path is"),
    matched("path_reg", PATH, "reg", "the path by an expression"),
    matched("path_sub", PATH, "sub", "what stands somewhere in the path"),
    text("pathq", Nothing(&Fetch::Http(HttpFact::PathAndQuery)), "path and query"),
    text("query", Nothing(&Fetch::Http(HttpFact::Query)), "what follows the '?'"),
    text("url", URL, "an HTTP request's target"),
    text("capture.req.uri", URL, "as 'url'"),
    matched("url_beg", URL, "beg", "how the target begins"),
    matched("url_dir", URL, "dir", "a part of the target between slashes"),
    matched("url_dom", URL, "dom", "a part of the target between dots"),
    matched("url_end", URL, "end", "how the target ends"),
    matched("url_len", URL, "len", "how long the target is"),
    matched("url_reg", URL, "reg", "the target by an expression"),
    matched("url_sub", URL, "sub", "what stands somewhere in the target"),
    text("base", BASE, "host and path of an HTTP request"),
    matched("base_beg", BASE, "beg", "how host and path begin"),
    matched("base_dir", BASE, "dir", "a part of host and path between slashes"),
    matched("base_dom", BASE, "dom", "a part of host and path between dots"),
    matched("base_end", BASE, "end", "how host and path end"),
    matched("base_len", BASE, "len", "how long host and path are"),
    matched("base_reg", BASE, "reg", "host and path by an expression"),
    matched("base_sub", BASE, "sub", "what stands somewhere in host and path"),
    text("baseq", Nothing(&Fetch::Http(HttpFact::BaseAndQuery)), "host, path and query"),
    text("req.ver", Nothing(&VERSION), "the version of HTTP"),
    text("req_ver", Nothing(&VERSION), "the version of HTTP"),
    http("req.proto_http", Nothing(&SPOKEN), Bool, None, "whether it is HTTP"),
    http("req_proto_http", Nothing(&SPOKEN), Bool, None, "whether it is HTTP"),
    http("http_first_req", Nothing(&Fetch::Http(HttpFact::First)), Bool, None, "whether it is the connection's first request"),
    text("hdr", HEADER, "a header of an HTTP request"),
    text("req.hdr", HEADER, "a header of an HTTP request"),
    text("req.fhdr", WHOLE, "a header of an HTTP request, commas and all"),
    matched("hdr_beg", HEADER, "beg", "how a header begins"),
    matched("hdr_dir", HEADER, "dir", "a part of a header between slashes"),
    matched("hdr_dom", HEADER, "dom", "a part of a header between dots"),
    matched("hdr_end", HEADER, "end", "how a header ends"),
    matched("hdr_len", HEADER, "len", "how long a header is"),
    matched("hdr_reg", HEADER, "reg", "a header by an expression"),
    matched("hdr_sub", HEADER, "sub", "what stands somewhere in a header"),
    http("hdr_ip", Values(Field::Header, Cast::Address), Address, None, "a header as an address"),
    http("req.hdr_ip", Values(Field::Header, Cast::Address), Address, None, "a header as an address"),
    number("hdr_val", Values(Field::Header, Cast::Integer), "a header as a number"),
    number("req.hdr_val", Values(Field::Header, Cast::Integer), "a header as a number"),
    number("hdr_cnt", Count(Field::Header), "how many such headers there are"),
    number("req.hdr_cnt", Count(Field::Header), "how many such headers there are"),
    number("req.fhdr_cnt", Count(Field::WholeHeader), "how many such headers there are, commas and all"),
    text("cook", COOKIE, "a cookie of an HTTP request"),
    text("req.cook", COOKIE, "a cookie of an HTTP request"),
    matched("cook_beg", COOKIE, "beg", "how a cookie begins"),
    matched("cook_dir", COOKIE, "dir", "a part of a cookie between slashes"),
    matched("cook_dom", COOKIE, "dom", "a part of a cookie between dots"),
    matched("cook_end", COOKIE, "end", "how a cookie ends"),
    matched("cook_len", COOKIE, "len", "how long a cookie is"),
    matched("cook_reg", COOKIE, "reg", "a cookie by an expression"),
    matched("cook_sub", COOKIE, "sub", "what stands somewhere in a cookie"),
    number("cook_val", Values(Field::Cookie, Cast::Integer), "a cookie as a number"),
    number("req.cook_val", Values(Field::Cookie, Cast::Integer), "a cookie as a number"),
    number("cook_cnt", Count(Field::Cookie), "how many such cookies there are"),
    number("req.cook_cnt", Count(Field::Cookie), "how many such cookies there are"),
    text("url_param", PARAMETER, "a parameter of the query"),
    text("urlp", PARAMETER, "a parameter of the query"),
    matched("urlp_beg", PARAMETER, "beg", "how a parameter begins"),
    matched("urlp_dir", PARAMETER, "dir", "a part of a parameter between slashes"),
    matched("urlp_dom", PARAMETER, "dom", "a part of a parameter between dots"),
    matched("urlp_end", PARAMETER, "end", "how a parameter ends"),
    matched("urlp_len", PARAMETER, "len", "how long a parameter is"),
    matched("urlp_reg", PARAMETER, "reg", "a parameter by an expression"),
    matched("urlp_sub", PARAMETER, "sub", "what stands somewhere in a parameter"),
    number("urlp_val", Values(Field::Parameter(b'?'), Cast::Integer), "a parameter as a number"),
    http("http_auth", Userlist(HttpFact::Login), Bool, None, "whether the login is one of a userlist"),
    matched("http_auth_group", Userlist(HttpFact::Member), "auth", "whose login it is, by the groups of a userlist"),
    text("http_auth_user", Nothing(&Fetch::Http(HttpFact::User)), "the user of the login"),
    text("http_auth_pass", Nothing(&Fetch::Http(HttpFact::Password)), "the password of the login"),
    text("http_auth_type", Nothing(&Fetch::Http(HttpFact::Scheme)), "what kind of login it is"),
    text("http_auth_bearer", Nothing(&Fetch::Http(HttpFact::Bearer)), "the token of a 'Bearer' login"),
];
