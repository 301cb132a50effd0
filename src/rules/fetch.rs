//! A sample from the facts.

use std::cell::Cell;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::facts::{Facts, Payload};
use super::{http, rdp, tls};
use crate::config::model::{
    AddressFact, CertificateFact, Fetch, Holder, PayloadFact, ProcessFact, ServerFact, SessionFact, TlsFact,
    Value,
};
use crate::tls::{Facts as Handshake, certificate, facts};

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sampled {
    Value(Value),
    /// There is none.
    Missing,
    /// There may be one once more bytes have come.
    Early,
}

impl From<Option<Value>> for Sampled {
    fn from(value: Option<Value>) -> Sampled {
        value.map_or(Sampled::Missing, Sampled::Value)
    }
}

/// Asks for one.
pub fn fetch(fetch: &Fetch, facts: &impl Facts) -> Sampled {
    let integer = |number: Option<i64>| Sampled::from(number.map(Value::Integer));
    match fetch {
        Fetch::Never => Sampled::Missing,
        Fetch::Constant(value) => Sampled::Value(value.clone()),
        Fetch::Session(fact) => session(*fact, facts).into(),
        Fetch::Process(fact) => Sampled::Value(process(*fact, facts)),
        Fetch::Frontend(fact, id) => integer(facts.frontend_fact(*fact, *id)),
        Fetch::Backend(fact, id) => integer(facts.backend_fact(*fact, *id)),
        Fetch::Server(ServerFact::IsUp, id, server) => {
            let up = facts.server_fact(ServerFact::IsUp, *id, *server);
            Sampled::from(up.map(|up| Value::Bool(up != 0)))
        }
        Fetch::Server(fact, id, server) => integer(facts.server_fact(*fact, *id, *server)),
        Fetch::Counter(whose, counter, table) => integer(facts.counter(*whose, *counter, *table)),
        Fetch::Change(whose, counter, change, table) => {
            integer(facts.change(*whose, *counter, *change, *table))
        }
        Fetch::Table(fact, table) => integer(facts.table_fact(*fact, *table)),
        Fetch::Variable(id) => facts.variable(*id).into(),
        Fetch::Payload(fact) => facts.payload().map_or(Sampled::Missing, |said| payload(fact, said)),
        Fetch::Certificate(holder, fact) => certificate(*holder, fact, facts).into(),
        Fetch::Captured(slot) => facts.captured(*slot).map(|text| Value::Text(text.to_vec())).into(),
        Fetch::Http(fact) => facts.request().and_then(|request| http::value(fact, &request)).into(),
    }
}

fn session(fact: SessionFact, facts: &impl Facts) -> Option<Value> {
    let address = |address: Option<SocketAddr>| address.map(|address| Value::Address(address.ip()));
    let port = |address| port(address);
    let local = |address: Option<SocketAddr>| address.map(|address| facts.is_local(address.ip()));
    let time = |time: Option<Duration>| Value::Integer(time.map_or(0, |time| time.as_millis() as i64));
    let text = |text: &str| Value::Text(text.as_bytes().to_vec());
    let config = facts.config();
    let frontend = || config.frontends.get(facts.frontend()?.0);
    let backend = || config.backends.get(facts.backend()?.0);
    let bind = || frontend()?.binds.get(facts.bind()?);
    match fact {
        SessionFact::Source => address(facts.client()),
        SessionFact::SourcePort => port(facts.client()),
        SessionFact::SourceIsLocal => local(facts.client()).map(Value::Bool),
        SessionFact::Destination => address(facts.destination()),
        SessionFact::DestinationPort => port(facts.destination()),
        SessionFact::DestinationIsLocal => local(facts.destination()).map(Value::Bool),
        SessionFact::DestinationConnections => {
            facts.listener_connections().map(|count| Value::Integer(count.into()))
        }
        SessionFact::ListenerId => bind().map(|bind| Value::Integer(bind.id.into())),
        SessionFact::ListenerName => bind()?.name.as_deref().map(text),
        SessionFact::FrontendId => frontend().map(|frontend| Value::Integer(frontend.proxy_id.into())),
        SessionFact::FrontendName => frontend().map(|frontend| text(&frontend.name)),
        SessionFact::FrontendDefault => {
            let id = frontend()?.default_backend?;
            config.backends.get(id.0).map(|backend| text(&backend.name))
        }
        SessionFact::BackendId => backend().map(|backend| Value::Integer(backend.proxy_id.into())),
        SessionFact::BackendName => backend().map(|backend| text(&backend.name)),
        SessionFact::ServerId => facts.served()?.id.map(|id| Value::Integer(id.into())),
        SessionFact::ServerName => facts.served().map(|server| text(&server.name)),
        SessionFact::ServerSource => address(facts.served()?.source),
        SessionFact::ServerSourcePort => port(facts.served()?.source),
        SessionFact::ServerAddress => address(facts.served()?.address),
        SessionFact::ServerPort => port(facts.served()?.address),
        SessionFact::Tls(fact) => handshake(fact, facts.tls()),
        SessionFact::ServerTls(fact) => handshake(fact, facts.served()?.tls),
        SessionFact::Connection(end, fact) => match fact {
            AddressFact::Ip => address(facts.connection(end)),
            AddressFact::Port => port(facts.connection(end)),
            AddressFact::IsLocal => local(facts.connection(end)).map(Value::Bool),
        },
        SessionFact::Announced => Some(Value::Bool(facts.is_introduced())),
        SessionFact::ClientTimeout => Some(time(frontend()?.timeout_client)),
        SessionFact::ServerTimeout => Some(time(backend()?.timeout_server)),
        SessionFact::TunnelTimeout => Some(time(backend()?.timeout_tunnel)),
        SessionFact::NoError => Some(Value::Integer(0)),
        SessionFact::NoErrorText => Some(text("Success")),
    }
}

/// As in HAProxy port 0 is none.
fn port(address: Option<SocketAddr>) -> Option<Value> {
    let port = address.map(|address| address.port()).filter(|port| *port != 0)?;
    Some(Value::Integer(port.into()))
}

/// What a certificate says, if one was shown.
fn certificate(holder: Holder, fact: &CertificateFact, facts: &impl Facts) -> Option<Value> {
    let shown = match holder {
        Holder::Client => facts.tls()?.peer.as_ref(),
        Holder::Frontend => facts.tls()?.own.as_ref(),
        Holder::Server => facts.served()?.tls?.peer.as_ref(),
    };
    certificate::told(shown?, fact)
}

/// Of a client that speaks plainly only what it has not done is known.
fn handshake(fact: TlsFact, told: Option<&Handshake>) -> Option<Value> {
    let text = |text: &str| Value::Text(text.as_bytes().to_vec());
    let never = matches!(fact, TlsFact::Spoken | TlsFact::Resumed | TlsFact::HasServerName);
    let Some(told) = told else { return never.then_some(Value::Bool(false)) };
    match fact {
        TlsFact::Spoken => Some(Value::Bool(true)),
        TlsFact::ServerName => told.sni.as_deref().map(text),
        TlsFact::HasServerName => Some(Value::Bool(told.sni.is_some())),
        TlsFact::Protocol => Some(text(told.protocol)),
        TlsFact::Cipher => Some(text(told.cipher)),
        TlsFact::Alpn => told.alpn.clone().map(Value::Text),
        TlsFact::HasCertificate => Some(Value::Bool(told.certificate == facts::Certificate::Shown)),
        TlsFact::KeySize => told.key_size().map(Value::Integer),
        TlsFact::Early => Some(Value::Bool(false)),
        TlsFact::Verified => Some(Value::Integer(0)),
        TlsFact::Resumed => Some(Value::Bool(told.handshake == facts::Handshake::Resumed)),
    }
}

fn process(fact: ProcessFact, facts: &impl Facts) -> Value {
    let since = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Value::Integer(match fact {
        ProcessFact::Date(more) => i64::try_from(since().as_secs()).unwrap_or(i64::MAX).saturating_add(more),
        ProcessFact::Microseconds => since().subsec_micros().into(),
        ProcessFact::Random(bound) => i64::from(random() % bound.max(1)),
        ProcessFact::Threads => facts.workers() as i64,
        // A process that stops takes no clients, so that nobody can ask it.
        ProcessFact::Stopping => return Value::Bool(false),
        ProcessFact::Uptime => i64::try_from(facts.uptime_seconds()).unwrap_or(i64::MAX),
    })
}

/// Spreads well enough for sending a part of the clients elsewhere (xorshift); no secret depends on it.
fn random() -> u32 {
    thread_local!(static STATE: Cell<u64> = const { Cell::new(0) });
    STATE.with(|state| {
        let mut word = state.get();
        if word == 0 {
            use std::hash::{BuildHasher, RandomState};
            word = RandomState::new().hash_one(0) | 1;
        }
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        state.set(word);
        (word >> 32) as u32
    })
}

/// Whether more bytes may give it another value, so that a `no` of now is none yet.
pub(super) fn may_grow(fetch: &Fetch, facts: &impl Facts) -> bool {
    let growing = matches!(fetch, Fetch::Payload(PayloadFact::Length | PayloadFact::Bytes { length: 0, .. }));
    growing && facts.payload().is_some_and(|said| !said.complete)
}

fn payload(fact: &PayloadFact, said: Payload<'_>) -> Sampled {
    let missing = || if said.complete { Sampled::Missing } else { Sampled::Early };
    let cut = |from: usize, length: usize| -> Sampled {
        match (said.bytes.get(from..), length) {
            (Some(rest), 0) if said.complete || !rest.is_empty() => {
                Sampled::Value(Value::Binary(rest.to_vec()))
            }
            (Some(rest), length) if length > 0 && rest.len() >= length => {
                Sampled::Value(Value::Binary(rest[..length].to_vec()))
            }
            _ => missing(),
        }
    };
    match *fact {
        PayloadFact::Length => Sampled::Value(Value::Integer(said.bytes.len() as i64)),
        PayloadFact::Complete if said.complete => Sampled::Value(Value::Bool(true)),
        PayloadFact::Complete => Sampled::Early,
        PayloadFact::Bytes { offset, length } => cut(offset, length),
        PayloadFact::Counted { offset, size, skip } => {
            let Some(field) = said.bytes.get(offset..offset.saturating_add(size.min(8))) else {
                return missing();
            };
            let count = field.iter().fold(0usize, |sum, byte| sum << 8 | usize::from(*byte));
            let end = offset + size;
            let from = match skip {
                Some((true, more)) => end.saturating_add(more),
                Some((false, at)) => at,
                None => end,
            };
            if count == 0 { Sampled::Missing } else { cut(from, count) }
        }
        PayloadFact::TlsServerName => tls::server_name(said.bytes).sampled(missing()),
        PayloadFact::TlsCurves => tls::curves(said.bytes).sampled(missing()),
        PayloadFact::TlsTicket => tls::ticket(said.bytes).sampled(missing()),
        PayloadFact::RdpCookie(ref name) => rdp::cookie(said.bytes, name).sampled(missing()),
        PayloadFact::RdpCookieCount(ref name) => rdp::count(said.bytes, name).sampled(missing()),
        PayloadFact::TlsAlpn => tls::alpn(said.bytes).sampled(missing()),
        PayloadFact::TlsHelloType => tls::hello_type(said.bytes).sampled(missing()),
        PayloadFact::TlsVersion => tls::version(said.bytes).sampled(missing()),
    }
}
