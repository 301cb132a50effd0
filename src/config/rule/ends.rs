//! The fetches about both connections of a session (manual section 7.3.3) and about what remote desktop clients say
//! (section 7.3.5).

use super::fetch::Kind::{Address, Bool, Integer, Text};
use super::fetch::{FetchRow, Kind, Takes, row};
use super::place::Seen;
use crate::config::model::{AddressFact, End, Fetch, SessionFact};

const fn own(name: &'static str, fact: SessionFact, kind: Kind, help: &'static str) -> FetchRow {
    row(name, Takes::Session(fact), kind, Seen::Always, help)
}

const fn at(end: End, fact: AddressFact) -> SessionFact {
    SessionFact::Connection(end, fact)
}

const SOURCE: End = End::Source;
const DESTINATION: End = End::Destination;

static ROWS: &[FetchRow] = &[
    own("fc_src", at(SOURCE, AddressFact::Ip), Address, "the address that the client connects from"),
    own("fc_src_port", at(SOURCE, AddressFact::Port), Integer, "the port that the client connects from"),
    own("fc_src_is_local", at(SOURCE, AddressFact::IsLocal), Bool, "whether that is this machine's"),
    own("fc_dst", at(DESTINATION, AddressFact::Ip), Address, "the address that the client connects to"),
    own("fc_dst_port", at(DESTINATION, AddressFact::Port), Integer, "the port that the client connects to"),
    own("fc_dst_is_local", at(DESTINATION, AddressFact::IsLocal), Bool, "whether that is this machine's"),
    own("fc_rcvd_proxy", SessionFact::Announced, Bool, "whether a PROXY header came"),
    own("fc_err", SessionFact::NoError, Integer, "what went wrong with the client: 0"),
    own("fc_err_str", SessionFact::NoErrorText, Text, "the same as a text: 'Success'"),
    row("fc_http_major", Takes::Nothing(&Fetch::Never), Integer, Seen::Always, "nothing: no HTTP is spoken"),
    row(
        "bc_err",
        Takes::Session(SessionFact::NoError),
        Integer,
        Seen::Server,
        "what went wrong with the server: 0",
    ),
    row(
        "bc_err_str",
        Takes::Session(SessionFact::NoErrorText),
        Text,
        Seen::Server,
        "the same as a text: 'Success'",
    ),
    row("bc_http_major", Takes::Nothing(&Fetch::Never), Integer, Seen::Server, "nothing: no HTTP is spoken"),
    own("fe_client_timeout", SessionFact::ClientTimeout, Integer, "the frontend's 'timeout client'"),
    backend("be_server_timeout", SessionFact::ServerTimeout, "the backend's 'timeout server'"),
    backend("be_tunnel_timeout", SessionFact::TunnelTimeout, "the backend's 'timeout tunnel'"),
    row("capture.req.hdr", Takes::Captured, Text, Seen::Always, "what the rule of that number has captured"),
    row("rdp_cookie", Takes::RdpCookie, Text, Seen::Request, "a cookie of a remote desktop client"),
    row("req.rdp_cookie", Takes::RdpCookie, Text, Seen::Request, "a cookie of a remote desktop client"),
    row("req_rdp_cookie", Takes::RdpCookie, Text, Seen::Request, "a cookie of a remote desktop client"),
    row("rdp_cookie_cnt", Takes::RdpCookieCount, Integer, Seen::Request, "whether there is such a cookie"),
    row(
        "req.rdp_cookie_cnt",
        Takes::RdpCookieCount,
        Integer,
        Seen::Request,
        "whether there is such a cookie",
    ),
    row(
        "req_rdp_cookie_cnt",
        Takes::RdpCookieCount,
        Integer,
        Seen::Request,
        "whether there is such a cookie",
    ),
];

const fn backend(name: &'static str, fact: SessionFact, help: &'static str) -> FetchRow {
    row(name, Takes::Session(fact), Integer, Seen::Backend, help)
}

pub(super) fn rows() -> impl Iterator<Item = &'static FetchRow> {
    ROWS.iter()
}
