//! What conditions may ask.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::config::Config;
use crate::config::model::{
    BackendFact, BackendId, Change, Counter, End, FrontendFact, FrontendId, ListReader, ServerFact,
    TableFact, TableId, Tracked, UserlistId, Value, VariableId,
};
use crate::tls;

/// What a client has said so far.
#[derive(Debug, Clone, Copy)]
pub struct Payload<'a> {
    pub bytes: &'a [u8],
    /// Nothing more is waited for.
    pub complete: bool,
}

/// A request to a `mode http` proxy.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub method: &'a str,
    pub target: &'a str,
    /// `1.1`
    pub version: &'a str,
    /// Names in lower case.
    pub headers: &'a [(String, Vec<u8>)],
    /// Whether none came before it on its connection.
    pub order: Order,
    /// The userlists that know its login.
    pub lists: &'a [UserlistId],
}

/// Where a request stands on its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    First,
    Later,
}

/// A session's server, as far as it is known.
#[derive(Debug, Clone, Default)]
pub struct Served<'a> {
    pub name: Arc<str>,
    /// `None` if a reload has removed it.
    pub id: Option<u32>,
    /// The ends of the connection to it.
    pub source: Option<SocketAddr>,
    pub address: Option<SocketAddr>,
    /// What its handshake told, if it is spoken to in TLS.
    pub tls: Option<&'a tls::Facts>,
}

/// The world as a rule sees it. Whoever does not know something says `None`, and what asks for it matches
/// nothing.
pub trait Facts {
    fn config(&self) -> &Config;
    fn client(&self) -> Option<SocketAddr>;
    /// Where the client came to.
    fn destination(&self) -> Option<SocketAddr>;
    /// The ends of the client's connection itself, whatever a header or a rule says.
    fn connection(&self, end: End) -> Option<SocketAddr> {
        match end {
            End::Source => self.client(),
            End::Destination => self.destination(),
        }
    }
    /// Whether a PROXY header came.
    fn is_introduced(&self) -> bool {
        false
    }
    /// What a rule has captured.
    fn captured(&self, _slot: usize) -> Option<&[u8]> {
        None
    }
    fn frontend(&self) -> Option<FrontendId>;
    fn backend(&self) -> Option<BackendId>;
    /// Position of the listener among the frontend's.
    fn bind(&self) -> Option<usize>;
    fn listener_connections(&self) -> Option<u32>;
    /// Threads that serve.
    fn workers(&self) -> usize;
    fn uptime_seconds(&self) -> u64;
    fn frontend_fact(&self, fact: FrontendFact, id: FrontendId) -> Option<i64>;
    fn backend_fact(&self, fact: BackendFact, id: BackendId) -> Option<i64>;
    fn server_fact(&self, fact: ServerFact, id: BackendId, server: u32) -> Option<i64>;
    fn counter(&self, whose: Tracked, counter: Counter, table: TableId) -> Option<i64>;
    /// A counter of the entry with that key; `None` if there is no such entry.
    fn looked_up(&self, key: &Value, counter: Counter, table: TableId) -> Option<i64>;
    /// Changes a counter, and says what [`Fetch::Change`](crate::config::model::Fetch::Change) says.
    fn change(&self, whose: Tracked, counter: Counter, change: Change, table: TableId) -> Option<i64>;
    fn table_fact(&self, fact: TableFact, table: TableId) -> Option<i64>;
    /// Whether the value is on a list that was changed at run time; `None`: the list is as in the config.
    fn listed(&self, list: ListReader, value: &Value) -> Option<bool>;
    /// What a map has for the value.
    fn mapped(&self, list: ListReader, value: &Value) -> Option<Value>;
    fn variable(&self, id: VariableId) -> Option<Value>;
    fn payload(&self) -> Option<Payload<'_>>;
    fn request(&self) -> Option<Request<'_>>;
    /// What the client's handshake told; `None` if it speaks no TLS to rolecall.
    fn tls(&self) -> Option<&tls::Facts>;

    /// The server that it was given.
    fn served(&self) -> Option<Served<'_>>;

    /// Whether the address is one of this machine's.
    fn is_local(&self, address: IpAddr) -> bool;
}
