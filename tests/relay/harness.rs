//! A balancer in this process: real workers, real sockets on loopback, a config made of model values.

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use rolecall::config::Config;
use rolecall::config::model::{
    Backend, BackendId, Bind, BindAddress, Frontend, LogFormat, Server, ServerAddress, ServerPort,
    SessionLog, Splice,
};
use rolecall::proxy::service::Served;
use rolecall::proxy::worker::{EngineLoop, Shared, WorkerHandles, start_with};
use rolecall::state::{
    Command, Guarding, Listener, Published, ServerKey, SessionRecord, SessionToken, Snapshot, Workers,
};
use rolecall::sys;
use rolecall::time::Tick;
use socket2::{Domain, Socket, Type};

/// Nothing here takes longer, or it hangs.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// How the sessions of this thread's balancers are spliced.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Splicing {
    pub(crate) splice: Splice,
    pub(crate) pipesize: usize,
    pub(crate) maxpipes: u32,
}

impl Splicing {
    /// Everything, both ways, through pipes of the usual size; more sessions than pipes copy.
    pub(crate) const ALL: Splicing = Splicing {
        splice: Splice { auto: false, request: true, response: true },
        pipesize: 64 * 1024,
        maxpipes: 64,
    };
}

thread_local! {
    static SPLICING: Cell<Option<Splicing>> = const { Cell::new(None) };
}

/// Runs a test, or a part of it, with proxies that ask for that.
pub(crate) fn spliced(how: Splicing, test: impl FnOnce()) {
    SPLICING.set(Some(how));
    test();
    SPLICING.set(None);
}

/// What a test asks for beyond one frontend, one backend and its servers.
pub(crate) struct Wish {
    pub(crate) workers: usize,
    pub(crate) servers: Vec<SocketAddr>,
    pub(crate) change: fn(&mut Config),
}

impl Wish {
    pub(crate) fn of(servers: &[SocketAddr]) -> Wish {
        Wish { workers: 2, servers: servers.to_vec(), change: |_| () }
    }
}

/// See the module.
pub(crate) struct Balancer {
    pub(crate) address: SocketAddr,
    pub(crate) published: Arc<Published>,
    pub(crate) workers: Workers,
    pub(crate) records: Arc<Mutex<Vec<SessionRecord>>>,
    pub(crate) services: tokio::sync::mpsc::UnboundedReceiver<Served>,
    handles: Option<WorkerHandles>,
}

impl Balancer {
    pub(crate) fn start(engine: EngineLoop, wish: Wish) -> Balancer {
        Balancer::start_at(engine, wish, |_| ())
    }

    /// With clients' sockets whose buffers are as small as the kernel makes them.
    pub(crate) fn start_tight(engine: EngineLoop, wish: Wish) -> Balancer {
        Balancer::start_at(engine, wish, |listener| {
            // Inherited by what it accepts.
            socket2::SockRef::from(listener).set_send_buffer_size(2048).unwrap();
            socket2::SockRef::from(listener).set_recv_buffer_size(2048).unwrap();
        })
    }

    fn start_at(engine: EngineLoop, wish: Wish, prepare: fn(&OwnedFd)) -> Balancer {
        let mut config = config(&wish.servers);
        if let Some(how) = SPLICING.get() {
            config.frontends[0].splice = how.splice;
            (config.global.pipesize, config.global.maxpipes) = (how.pipesize, Some(how.maxpipes));
        }
        (wish.change)(&mut config);
        let bind = config.frontends[0].binds[0].clone();
        let socket = sys::listen::listen(&bind, 1024).unwrap();
        prepare(&socket);
        let address = socket2::SockRef::from(&socket).local_addr().unwrap().as_socket().unwrap();
        let listeners = vec![vec![Some(Arc::new(Listener::new(socket, bind.address)))]];
        let empty = Snapshot::empty(wish.workers);
        let snapshot = Snapshot::build(Arc::new(config), listeners, &[Guarding::None], &empty, Tick::now());
        let published = Arc::new(ArcSwap::from_pointee(snapshot));
        let workers = Workers::new(wish.workers).unwrap();
        let records: Arc<Mutex<Vec<SessionRecord>>> = Arc::default();
        let (services, served) = tokio::sync::mpsc::unbounded_channel();
        let sink = Arc::clone(&records);
        let shared = Shared {
            published: Arc::clone(&published),
            workers: workers.clone(),
            records: Arc::new(move |record| sink.lock().unwrap().push(record)),
            connects: Arc::new(|_| ()),
            complaints: Arc::new(|_| ()),
            services,
            tls: rolecall::tls::Bridge::new(1),
        };
        let handles = Some(start_with(engine, &shared).unwrap());
        Balancer { address, published, workers, records, services: served, handles }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        prepared(TcpStream::connect(self.address).unwrap())
    }

    pub(crate) fn sessions(&self) -> u32 {
        self.published.load().process.connections.now()
    }

    pub(crate) fn loads(&self) -> Vec<u32> {
        self.published.load().process.load.iter().map(|gauge| gauge.now()).collect()
    }

    pub(crate) fn server_key(&self, at: usize) -> ServerKey {
        self.published.load().backends[0].servers[at].key
    }

    /// Publishes the same config without listeners, as a process that stops does.
    pub(crate) fn withdraw_listeners(&self) {
        let old = self.published.load_full();
        let listeners = old.listeners.iter().map(|binds| binds.iter().map(|_| None).collect()).collect();
        let config = Arc::clone(&old.config);
        self.published.store(Arc::new(Snapshot::build(
            config,
            listeners,
            &[Guarding::None],
            &old,
            Tick::now(),
        )));
    }

    /// Waits until the workers have done what they were told so far: then they have also obeyed a letter behind
    /// it, a place for a session that is not there, which each of them gives back.
    pub(crate) fn obeyed(&self) {
        let snapshot = self.published.load_full();
        let live = &snapshot.backends[0].servers[0];
        let arriving = live.arriving.now();
        for worker in 0..self.workers.count() {
            assert!(live.traffic.sessions.try_enter(0) && live.arriving.try_enter(0));
            let nobody = SessionToken { worker, slot: u32::MAX, turn: u32::MAX };
            self.workers.post(worker, Command::Granted(nobody, live.key));
        }
        eventually("the workers to obey", || live.arriving.now() <= arriving);
    }

    /// Waits for workers that were told to end.
    pub(crate) fn join(&mut self) {
        let handles = self.handles.take().unwrap();
        let (done, ended) = std::sync::mpsc::channel();
        std::thread::spawn(move || done.send(handles.join()));
        ended.recv_timeout(DEADLINE).expect("the workers did not end").unwrap();
    }

    /// How sessions have ended so far, for whoever has to find out why a test failed.
    #[allow(clippy::print_stdout, reason = "shown only with a test that failed")]
    fn tell(&self) {
        let Ok(records) = self.records.lock() else { return };
        let mut codes: Vec<String> = records.iter().map(|record| record.termination.to_string()).collect();
        codes.sort();
        codes.chunk_by(|one, other| one == other).for_each(|same| println!("{} x {}", same.len(), same[0]));
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let handles = self.handles.as_mut().unwrap();
        let wait = async { tokio::time::timeout(Duration::from_millis(100), handles.ended()).await };
        runtime.block_on(wait).is_ok()
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        if self.handles.is_some() {
            self.workers.broadcast(|| Command::Stop);
            // A second panic would hide the first, and end the other tests as well.
            if std::thread::panicking() {
                return self.tell();
            }
            self.join();
        }
    }
}

/// Blocking calls on it give up at the deadline.
pub(crate) fn prepared(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Waits until something holds.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < DEADLINE, "not within the deadline: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// How many of something a test takes, if the environment does not say otherwise.
pub(crate) fn wished(variable: &str, usual: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// A server that gives each connection to a thread.
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

/// A test may leave its own process without descriptors for a while.
fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        let accepted = listener.accept();
        let error = accepted.as_ref().err().and_then(std::io::Error::raw_os_error);
        if error != Some(nix::errno::Errno::EMFILE as i32) {
            return accepted.unwrap().0;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Fake {
    /// Takes `count` connections; each is served by `serve`, at the same time.
    pub(crate) fn start(count: usize, serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Fake {
        let listener = listener();
        let address = listener.local_addr().unwrap();
        let serve = Arc::new(serve);
        let thread = std::thread::spawn(move || {
            let mut threads = Vec::new();
            for _ in 0..count {
                let stream = accept(&listener);
                let serve = Arc::clone(&serve);
                threads.push(std::thread::spawn(move || serve(prepared(stream))));
            }
            for thread in threads {
                thread.join().unwrap();
            }
        });
        Fake { address, thread: Some(thread) }
    }

    /// Takes any number of connections, until the test ends.
    pub(crate) fn any(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
        let listener = listener();
        let address = listener.local_addr().unwrap();
        let serve = Arc::new(serve);
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let serve = Arc::clone(&serve);
                std::thread::spawn(move || serve(prepared(stream)));
            }
        });
        address
    }

    /// Gives back every byte.
    pub(crate) fn echo(count: usize) -> Fake {
        Fake::start(count, echo)
    }

    /// Gives back every byte, to any number of connections.
    pub(crate) fn echoes() -> SocketAddr {
        Fake::any(echo)
    }

    /// Its connections have all come and were served.
    pub(crate) fn join(mut self) {
        let thread = self.thread.take().unwrap();
        let (done, ended) = std::sync::mpsc::channel();
        std::thread::spawn(move || done.send(thread.join()));
        ended.recv_timeout(DEADLINE).expect("the fake server did not end").unwrap();
    }
}

fn echo(mut stream: TcpStream) {
    let mut block = vec![0; 65536];
    while let Ok(count @ 1..) = stream.read(&mut block) {
        if stream.write_all(&block[..count]).is_err() {
            return;
        }
    }
}

/// An address of this machine's own network at which nobody else listens or knocks, to be bound with any port. At
/// 127.0.0.1 a port may have been another's a moment ago, whom the checks of programs in other tests still look for; one
/// connection more or less than a test counts on, and it fails.
pub(crate) fn own_address() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Processes of the same time are far apart.
    let number = std::process::id().wrapping_mul(40_503).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
    let [_, high, middle, low] = number.to_be_bytes();
    ([127, 1 + high % 254, middle, 1 + low % 254], 0).into()
}

/// With room for all that a test connects at once. A full queue drops what clients send first, and if the kernel has
/// begun to answer with SYN cookies, it takes a later segment for the first and acknowledges bytes that it threw away.
fn listener() -> TcpListener {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&own_address().into()).unwrap();
    socket.listen(4096).unwrap();
    socket.into()
}

/// A port at which nobody listens.
pub(crate) fn closed_port() -> SocketAddr {
    TcpListener::bind(own_address()).unwrap().local_addr().unwrap()
}

/// A reproducible stream of bytes.
#[derive(Clone)]
pub(crate) struct Noise(u64);

impl Noise {
    pub(crate) fn new(seed: u64) -> Noise {
        Noise(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// Bytes that depend on their place alone, so that both ends know them without sharing memory. They repeat
/// after a length that is no multiple of any buffer's.
pub(crate) fn pattern(seed: u64, range: Range<usize>) -> Vec<u8> {
    const PERIOD: usize = 1_000_003;
    static TABLE: OnceLock<Vec<u8>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let mut noise = Noise::new(11);
        (0..PERIOD).map(|_| noise.next() as u8).collect()
    });
    let mut bytes = Vec::with_capacity(range.len());
    while bytes.len() < range.len() {
        let from = (range.start + bytes.len() + seed as usize * 1009) % PERIOD;
        let count = (range.len() - bytes.len()).min(PERIOD - from);
        bytes.extend_from_slice(&table[from..from + count]);
    }
    bytes
}

/// Sends `length` bytes of a pattern in random pieces with random pauses.
pub(crate) fn write_pattern(stream: &mut TcpStream, seed: u64, length: usize, largest: usize) {
    let (mut noise, mut sent) = (Noise::new(seed), 0);
    while sent < length {
        let size = (1 + noise.below(largest)).min(length - sent);
        stream.write_all(&pattern(seed, sent..sent + size)).unwrap();
        sent += size;
        if noise.below(16) == 0 {
            std::thread::sleep(Duration::from_micros(noise.below(500) as u64));
        }
    }
}

/// Reads a pattern of that length and nothing else, up to `largest` bytes at a time.
pub(crate) fn read_pattern(stream: &mut TcpStream, seed: u64, length: usize, largest: usize) {
    let (mut noise, mut got) = (Noise::new(seed ^ 5), 0);
    let mut block = vec![0; largest];
    while got < length {
        let size = (1 + noise.below(largest)).min(length - got);
        let count = stream.read(&mut block[..size]).unwrap();
        assert!(count > 0, "the stream ended after {got} of {length} bytes");
        assert!(block[..count] == pattern(seed, got..got + count), "a wrong byte in the piece at {got}");
        got += count;
    }
}

/// Nothing more comes but a FIN.
pub(crate) fn expect_end(stream: &mut TcpStream) {
    let mut rest = [0; 16];
    assert_eq!(stream.read(&mut rest).expect("a FIN, not an error"), 0, "more than expected: {rest:?}");
}

/// Nothing more comes but an RST.
pub(crate) fn expect_reset(stream: &mut TcpStream) {
    let error = stream.read(&mut [0; 16]).expect_err("an RST, not a FIN or bytes");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

pub(crate) fn close_writing(stream: &TcpStream) {
    stream.shutdown(Shutdown::Write).unwrap();
}

fn config(servers: &[SocketAddr]) -> Config {
    let servers = servers.iter().enumerate().map(|(at, address)| server(at, *address)).collect();
    Config { frontends: vec![frontend()], backends: vec![backend(servers)], ..Config::default() }
}

fn frontend() -> Frontend {
    let bind = Bind::at(BindAddress::Tcp(own_address()));
    Frontend {
        name: "front".to_owned(),
        proxy_id: 2,
        binds: vec![bind],
        default_backend: Some(BackendId(0)),
        timeout_client: Some(Duration::from_secs(60)),
        log: SessionLog { format: LogFormat::Tcp, ..SessionLog::default() },
        ..Frontend::default()
    }
}

fn backend(servers: Vec<Server>) -> Backend {
    Backend {
        name: "back".to_owned(),
        proxy_id: 3,
        servers,
        timeout_connect: Some(Duration::from_secs(5)),
        timeout_server: Some(Duration::from_secs(60)),
        retries: 0,
        ..Backend::default()
    }
}

fn server(at: usize, address: SocketAddr) -> Server {
    Server {
        name: format!("s{at}"),
        id: at as u32 + 1,
        address: Some(ServerAddress::Ip { ip: address.ip(), port: ServerPort::Fixed(address.port()) }),
        written_address: address.to_string(),
        ..Server::default()
    }
}
