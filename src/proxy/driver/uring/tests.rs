//! The engine without a worker: operations in, bytes and reports out.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Instant;

use super::super::super::contract::{Failure, Splicing, Target};
use super::*;
use crate::state::ServerKey;
use crate::sys::socket::reset_on_close;
use crate::sys::uring::Shape;

const SLOT: Slot = 3;
const PATIENCE: Duration = Duration::from_secs(60);

fn spec(address: SocketAddr) -> ConnectSpec {
    ConnectSpec {
        server: ServerKey(0),
        target: Target::Tcp(address),
        socks4: None,
        source: Default::default(),
        keepalive: None,
        user_timeout: None,
        announce: None,
        secured: None,
    }
}

/// One session that relays, and both of its ends.
struct Scene {
    engine: Completions,
    client: TcpStream,
    server: TcpStream,
    told: Vec<Event>,
}

impl Scene {
    fn new() -> Scene {
        let mut scene = Scene::connecting();
        scene.until("it is connected", |scene| scene.told.contains(&Event::Connected));
        scene.engine.perform(SLOT, &Op::Relay);
        scene.turn();
        scene
    }

    fn connecting() -> Scene {
        let size = Size { buffers: Shape { count: 4, size: 4096 }, ..Size::default() };
        let mut engine = Completions::new(Ring::new(size).unwrap(), Pipes::new(4, 64 * 1024));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        accepted.set_nonblocking(true).unwrap();
        engine.open(SLOT, 9, accepted.into()).unwrap();
        engine.connect(SLOT, &spec(listener.local_addr().unwrap()));
        let (server, _) = listener.accept().unwrap();
        for stream in [&client, &server] {
            stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        }
        Scene { engine, client, server, told: Vec::new() }
    }

    /// One whose bytes all go through pipes.
    fn spliced() -> Scene {
        let mut scene = Scene::connecting();
        scene.until("it is connected", |scene| scene.told.contains(&Event::Connected));
        for side in [Side::Client, Side::Server] {
            scene.engine.perform(SLOT, &Op::Splice(side, Splicing::Always));
        }
        scene.engine.perform(SLOT, &Op::Relay);
        scene.turn();
        scene
    }

    /// The client writes until its server takes no more; how many bytes it wrote.
    fn block_server(&mut self) -> usize {
        self.client.set_nonblocking(true).unwrap();
        let (mut sent, begun) = (0, Instant::now());
        while !self.told.contains(&Event::Blocked(Side::Server)) && begun.elapsed() < PATIENCE {
            sent += (&self.client).write(&[7; 65536]).unwrap_or(0);
            self.turn();
        }
        assert!(self.told.contains(&Event::Blocked(Side::Server)));
        sent
    }

    /// Pipes that are open, and those of them that are empty and free.
    fn pipes(&self) -> (usize, usize) {
        (self.engine.pump.pipes.open(), self.engine.pump.pipes.idle())
    }

    /// One round of the loop.
    fn turn(&mut self) {
        self.engine.flush();
        self.engine.pump.ring.enter(Some(Duration::from_millis(5))).unwrap();
        self.engine.settle();
        while let Some(Done { tag, outcome }) = self.engine.pump.ring.next_done() {
            self.engine.happened(Mark::of(tag), outcome);
        }
        while let Some((slot, report)) = self.engine.next_report() {
            assert_eq!(slot, SLOT);
            if let Report::Event(event) = report {
                self.told.push(event);
            }
        }
    }

    fn until(&mut self, what: &str, holds: impl Fn(&Scene) -> bool) {
        let begun = Instant::now();
        while !holds(self) {
            assert!(begun.elapsed() < PATIENCE, "not within the deadline: {what}; told {:?}", self.told);
            self.turn();
        }
    }

    fn turns(&mut self) {
        (0..6).for_each(|_| self.turn());
    }

    /// What the server gets, once it is that long.
    fn server_gets(&mut self, length: usize) -> Vec<u8> {
        let mut got = vec![0; length];
        let mut filled = 0;
        let begun = Instant::now();
        // The engine's rounds must not wait for this end: one that found no buffer brings nothing to read.
        self.server.set_nonblocking(true).unwrap();
        while filled < length && begun.elapsed() < PATIENCE {
            self.turn();
            filled += self.server.read(&mut got[filled..]).unwrap_or(0);
        }
        self.server.set_nonblocking(false).unwrap();
        got.truncate(filled);
        got
    }

    /// Everything back in its place.
    fn end(mut self) {
        self.engine.abandon(SLOT);
        self.turns();
        assert_eq!(self.engine.pump.ring.holdings(), (4, 0));
        assert_eq!(self.pipes().0, self.pipes().1, "a pipe was kept");
        self.engine.leave().unwrap();
    }
}

/// However an engine ends, nothing stays behind.
impl Drop for Completions {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        assert!(self.pump.queued.is_empty(), "chunks were left in a queue");
        let left = self.pump.ring.leftovers();
        assert_eq!(left, [0; 4], "buffers, copies, operations, sockets were left");
        self.links.clear();
        let pipes = &self.pump.pipes;
        assert_eq!(pipes.open(), pipes.idle(), "a pipe was left");
    }
}

#[test]
fn a_paused_side_is_held_even_if_its_bytes_are_under_way() {
    let mut scene = Scene::new();
    scene.client.write_all(b"one").unwrap();
    assert_eq!(scene.server_gets(3), b"one");
    // Received in the very round in which the receive is cancelled.
    scene.client.write_all(b"two").unwrap();
    scene.engine.perform(SLOT, &Op::Pause(Side::Client));
    scene.turns();
    scene.client.write_all(b"three").unwrap();
    scene.turns();
    assert!(scene.server.read(&mut [0; 8]).is_err(), "bytes of a paused side went across");
    scene.server.write_all(b"back").unwrap();
    scene.turns();
    let mut back = [0; 4];
    scene.client.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"back");
    scene.engine.perform(SLOT, &Op::Resume(Side::Client));
    assert_eq!(scene.server_gets(8), b"twothree");
    scene.end();
}

#[test]
fn what_a_server_could_not_take_stays_here_during_a_pause() {
    let mut scene = Scene::new();
    scene.client.set_nonblocking(true).unwrap();
    let mut sent = 0;
    let begun = Instant::now();
    while !scene.told.contains(&Event::Blocked(Side::Server)) && begun.elapsed() < PATIENCE {
        sent += (&scene.client).write(&[7; 65536]).unwrap_or(0);
        scene.turn();
    }
    scene.turns();
    scene.engine.perform(SLOT, &Op::Pause(Side::Client));
    scene.turns();
    let kept = scene.engine.pump.ring.holdings().1;
    assert_eq!(kept, 0, "a copy is still on its way to the server");
    let mut block = vec![0; 1 << 20];
    let mut before = 0;
    for _ in 0..100 {
        before += scene.server.read(&mut block).unwrap_or(0);
        scene.turn();
        if before > 0 && scene.server.read(&mut block).map(|count| before += count).is_err() {
            break;
        }
    }
    assert!(before < sent, "all {sent} bytes went across");
    scene.engine.perform(SLOT, &Op::Resume(Side::Client));
    assert_eq!(scene.server_gets(sent - before), vec![7; sent - before]);
    scene.end();
}

#[test]
fn a_fin_waits_for_the_end_of_a_pause_and_a_reset_does_not() {
    let mut scene = Scene::new();
    scene.client.write_all(b"last").unwrap();
    scene.engine.perform(SLOT, &Op::Pause(Side::Client));
    scene.client.shutdown(std::net::Shutdown::Write).unwrap();
    scene.turns();
    assert!(!scene.told.contains(&Event::Eof(Side::Client)), "{:?}", scene.told);
    scene.engine.perform(SLOT, &Op::Resume(Side::Client));
    assert_eq!(scene.server_gets(4), b"last");
    scene.until("the FIN", |scene| scene.told.contains(&Event::Eof(Side::Client)));
    scene.end();

    let mut scene = Scene::new();
    scene.engine.perform(SLOT, &Op::Pause(Side::Client));
    scene.turns();
    let gone = scene.client.try_clone().unwrap();
    reset_on_close(&gone);
    drop(gone);
    // Both descriptors have to be closed for the reset.
    let spare = TcpListener::bind("127.0.0.1:0").unwrap();
    scene.client = TcpStream::connect(spare.local_addr().unwrap()).unwrap();
    scene.until("the reset", |scene| scene.told.contains(&Event::Failed(Side::Client, Failure::Reset)));
    scene.end();
}

#[test]
fn what_is_discarded_while_it_is_held_never_goes_out() {
    let mut scene = Scene::new();
    scene.client.write_all(b"SET x").unwrap();
    scene.engine.perform(SLOT, &Op::Pause(Side::Client));
    scene.turns();
    scene.engine.perform(SLOT, &Op::Shutdown(Side::Server));
    scene.engine.perform(SLOT, &Op::Discard(Side::Client));
    scene.engine.perform(SLOT, &Op::Resume(Side::Client));
    scene.client.write_all(b"SET y").unwrap();
    scene.turns();
    assert_eq!(scene.server.read(&mut [0; 8]).unwrap(), 0, "a FIN and nothing before it");
    assert_eq!(scene.engine.outstanding(SLOT, Side::Server), 0);
    scene.end();
}

#[test]
fn a_client_that_is_reset_while_its_server_takes_nothing_is_missed() {
    let mut scene = Scene::new();
    scene.client.set_nonblocking(true).unwrap();
    let block = [7; 65536];
    scene.until("the server is blocked", |scene| {
        let _ = (&scene.client).write(&block);
        scene.told.contains(&Event::Blocked(Side::Server))
    });
    assert!(scene.engine.outstanding(SLOT, Side::Server) > 0);
    reset_on_close(&scene.client);
    let spare = TcpListener::bind("127.0.0.1:0").unwrap();
    scene.client = TcpStream::connect(spare.local_addr().unwrap()).unwrap();
    scene.until("the reset", |scene| scene.told.contains(&Event::Failed(Side::Client, Failure::Reset)));
    scene.end();
}

#[test]
fn a_client_that_waits_is_watched_but_not_read() {
    let mut scene = Scene::connecting();
    scene.client.write_all(b"hello").unwrap();
    scene.client.shutdown(std::net::Shutdown::Write).unwrap();
    scene.until("the FIN is foretold", |scene| scene.told.contains(&Event::Eof(Side::Client)));
    scene.engine.perform(SLOT, &Op::DropServer);
    scene.turns();
    let socket = scene.engine.surrender(SLOT).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_nonblocking(false).unwrap();
    let mut words = String::new();
    stream.read_to_string(&mut words).unwrap();
    assert_eq!(words, "hello");
    scene.end();
}

/// A loop that asks again and again whether a client that is gone has failed, too, never rests.
#[test]
fn a_client_that_has_closed_and_waits_is_left_in_peace_until_it_fails() {
    let mut scene = Scene::connecting();
    scene.client.write_all(b"hello").unwrap();
    scene.client.shutdown(std::net::Shutdown::Write).unwrap();
    scene.until("the FIN is foretold", |scene| scene.told.contains(&Event::Eof(Side::Client)));
    scene.engine.perform(SLOT, &Op::DropServer);
    scene.turns();
    for _ in 0..3 {
        scene.engine.flush();
        assert!(scene.engine.unread.is_empty() && scene.engine.pump.unread.is_empty());
        scene.engine.pump.ring.enter(Some(Duration::from_millis(5))).unwrap();
        scene.engine.settle();
        assert!(scene.engine.pump.ring.next_done().is_none(), "nothing has happened");
    }
    reset_on_close(&scene.client);
    let spare = TcpListener::bind("127.0.0.1:0").unwrap();
    scene.client = TcpStream::connect(spare.local_addr().unwrap()).unwrap();
    scene.until("the reset", |scene| scene.told.contains(&Event::Failed(Side::Client, Failure::Reset)));
    scene.end();
}

#[test]
fn a_watch_that_somebody_cancels_goes_on() {
    let mut scene = Scene::new();
    scene.engine.perform(SLOT, &Op::Pause(Side::Client));
    scene.turns();
    let link = scene.engine.links[SLOT as usize].as_ref().unwrap();
    assert!(link.client.flags.has(Flags::WATCHED));
    let watch = link.mark(SLOT, Kind::Watch, Side::Client).tag();
    scene.engine.pump.ring.cancel_watch(watch);
    scene.turns();
    reset_on_close(&scene.client);
    let spare = TcpListener::bind("127.0.0.1:0").unwrap();
    scene.client = TcpStream::connect(spare.local_addr().unwrap()).unwrap();
    scene.until("the reset", |scene| scene.told.contains(&Event::Failed(Side::Client, Failure::Reset)));
    scene.end();
}

#[test]
fn a_connect_whose_poll_somebody_cancels_goes_on() {
    // Nobody accepts, and there is no more room to wait: SYNs are dropped.
    let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    full.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    full.listen(0).unwrap();
    let address = full.local_addr().unwrap().as_socket().unwrap();
    let knock = |_| TcpStream::connect_timeout(&address, Duration::from_millis(50)).ok();
    let _waiting: Vec<_> = (0..8).filter_map(knock).collect();

    let mut scene = Scene::connecting();
    scene.until("it is connected", |scene| scene.told.contains(&Event::Connected));
    scene.engine.perform(SLOT, &Op::DropServer);
    scene.engine.connect(SLOT, &spec(address));
    scene.turns();
    scene.told.clear();
    let own = scene.engine.links[SLOT as usize].as_ref().unwrap().mark(SLOT, Kind::Socket, Side::Server);
    for _ in 0..3 {
        scene.engine.pump.ring.cancel_poll(own.tag());
        scene.turns();
    }
    assert_eq!(scene.told, [], "it neither stands nor has it failed");
    scene.end();
}

#[test]
fn what_a_server_said_is_behind_until_it_is_read() {
    let mut scene = Scene::new();
    assert!(!scene.engine.is_behind(SLOT));
    scene.server.write_all(b"reply").unwrap();
    let begun = Instant::now();
    while !scene.engine.is_behind(SLOT) {
        assert!(begun.elapsed() < PATIENCE, "bytes that nobody has read");
    }
    scene.until("it is read", |scene| scene.told.contains(&Event::Received(Side::Server, 5)));
    assert!(!scene.engine.is_behind(SLOT));
    scene.end();
}

#[test]
fn a_late_completion_does_not_reach_the_next_occupant() {
    let mut scene = Scene::new();
    scene.client.write_all(b"late").unwrap();
    scene.engine.abandon(SLOT);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let next = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    next.set_nonblocking(true).unwrap();
    scene.engine.open(SLOT, 10, next.into()).unwrap();
    scene.told.clear();
    scene.turns();
    assert_eq!(scene.told, []);
    scene.end();
}

/// A session beside others in an engine that is not turned yet.
fn join(engine: &mut Completions, slot: Slot) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let client = TcpStream::connect(address).unwrap();
    let (accepted, _) = listener.accept().unwrap();
    accepted.set_nonblocking(true).unwrap();
    engine.open(slot, 1, accepted.into()).unwrap();
    engine.connect(slot, &spec(address));
    let (server, _) = listener.accept().unwrap();
    client.set_nonblocking(true).unwrap();
    server.set_nonblocking(true).unwrap();
    (client, server)
}

/// One round, whatever it tells.
fn round(engine: &mut Completions) {
    engine.flush();
    engine.pump.ring.enter(Some(Duration::from_millis(5))).unwrap();
    engine.settle();
    while let Some(Done { tag, outcome }) = engine.pump.ring.next_done() {
        engine.happened(Mark::of(tag), outcome);
    }
    while engine.next_report().is_some() {}
}

/// Those who send all the time take every buffer there is, and whoever says a word is heard all the same.
#[test]
fn those_who_find_no_buffer_come_before_those_who_had_some() {
    const FLOODS: Slot = 3;
    let size = Size { buffers: Shape { count: 2, size: 4096 }, ..Size::default() };
    let mut engine = Completions::new(Ring::new(size).unwrap(), Pipes::new(4, 64 * 1024));
    let mut ends: Vec<_> = (0..=FLOODS).map(|slot| join(&mut engine, slot)).collect();
    (0..5).for_each(|_| round(&mut engine));
    for slot in 0..=FLOODS {
        engine.perform(slot, &Op::Relay);
    }
    let mut block = vec![7; 1 << 20];
    for words in 0..20 {
        let (quiet, floods) = ends.split_last_mut().unwrap();
        quiet.1.write_all(b"word").unwrap();
        let mut rounds = 0;
        while quiet.0.read(&mut [0; 8]).is_err() {
            for (client, server) in &mut *floods {
                let _ = server.write(&block[..100_000]); // As much as it takes.
                let _ = client.read(&mut block);
            }
            round(&mut engine);
            rounds += 1;
            assert!(rounds < 30, "word {words} is not heard");
        }
    }
    (0..=FLOODS).for_each(|slot| engine.abandon(slot));
    (0..6).for_each(|_| round(&mut engine));
    engine.leave().unwrap();
}

/// Who finds no buffer is asked again, but not everybody in every round: that would make what a byte costs grow
/// with the number of those who send.
#[test]
fn a_round_asks_no_more_of_those_without_a_buffer_than_it_can_serve() {
    const FLOODS: Slot = 200;
    let size = Size { buffers: Shape { count: 2, size: 4096 }, ..Size::default() };
    let mut engine = Completions::new(Ring::new(size).unwrap(), Pipes::new(4, 64 * 1024));
    let mut ends: Vec<_> = (0..FLOODS).map(|slot| join(&mut engine, slot)).collect();
    (0..5).for_each(|_| round(&mut engine));
    let block = [7; 20_000];
    for (slot, (_, server)) in ends.iter_mut().enumerate() {
        server.write_all(&block).unwrap();
        engine.perform(slot as Slot, &Op::Relay);
    }
    // From now on each has words left and none has a receive under way that could be told of some.
    round(&mut engine);
    let mut unfinished: Vec<_> = ends.iter_mut().map(|(client, _)| (client, 0)).collect();
    let mut most = 0;
    let mut room = vec![0; block.len()];
    let begun = Instant::now();
    while !unfinished.is_empty() && begun.elapsed() < PATIENCE {
        let before: usize = engine.pump.hungry.iter().map(VecDeque::len).sum();
        engine.flush();
        let after: usize = engine.pump.hungry.iter().map(VecDeque::len).sum();
        most = most.max(before - after);
        round(&mut engine);
        unfinished.retain_mut(|(client, got)| {
            *got += client.read(&mut room).unwrap_or(0);
            *got < block.len()
        });
    }
    assert!(unfinished.is_empty(), "{} did not get everything", unfinished.len());
    assert!((1..=PORTION).contains(&most), "{most} were asked in one round");
    (0..FLOODS).for_each(|slot| engine.abandon(slot));
    (0..6).for_each(|_| round(&mut engine));
    engine.leave().unwrap();
}

#[test]
fn a_spliced_session_keeps_no_pipe_while_nothing_waits() {
    let mut scene = Scene::spliced();
    assert_eq!(scene.pipes(), (0, 0));
    for _ in 0..3 {
        scene.client.write_all(b"there").unwrap();
        assert_eq!(scene.server_gets(5), b"there");
        assert_eq!(scene.pipes(), (1, 1));
    }
    scene.client.shutdown(std::net::Shutdown::Write).unwrap();
    scene.until("the FIN", |scene| scene.told.contains(&Event::Eof(Side::Client)));
    scene.end();
}

#[test]
fn what_waits_in_a_pipe_is_held_by_a_pause_and_goes_on_where_it_stopped() {
    let mut scene = Scene::spliced();
    let sent = scene.block_server();
    scene.engine.perform(SLOT, &Op::Pause(Side::Client));
    scene.turns();
    let held = scene.engine.links[SLOT as usize].as_ref().unwrap().server.waiting.as_ref().unwrap().length();
    assert!(held > 0 && scene.pipes() == (1, 0));
    assert!(scene.engine.outstanding(SLOT, Side::Server) >= held);
    let mut block = vec![0; 1 << 20];
    let (mut before, mut silent) = (0, 0);
    while silent < 3 {
        scene.turn();
        match scene.server.read(&mut block) {
            Ok(count) => before += count,
            Err(_) => silent += 1,
        }
    }
    assert!(before + held <= sent, "of {sent} bytes {before} went across");
    assert_eq!(scene.pipes(), (1, 0), "the pipe still holds its bytes");
    scene.engine.perform(SLOT, &Op::Resume(Side::Client));
    assert_eq!(scene.server_gets(sent - before), vec![7; sent - before]);
    scene.until("all has gone", |scene| {
        scene.told.last() == Some(&Event::Flowing(Side::Server)) || scene.pipes().1 > 0
    });
    scene.end();
}

#[test]
fn what_is_discarded_in_a_pipe_is_closed_with_it() {
    let mut scene = Scene::spliced();
    scene.block_server();
    scene.turns();
    assert_eq!(scene.pipes(), (1, 0));
    scene.engine.perform(SLOT, &Op::Discard(Side::Client));
    assert_eq!(scene.pipes(), (0, 0), "with bytes in it, it must not be used again");
    scene.turns();
    scene.end();
}

#[test]
fn without_a_pipe_bytes_are_copied() {
    let mut scene = Scene::spliced();
    scene.turns();
    let all: Vec<_> = std::iter::from_fn(|| scene.engine.pump.pipes.take()).collect();
    assert_eq!(all.len(), 4);
    scene.client.write_all(b"copied").unwrap();
    assert_eq!(scene.server_gets(6), b"copied");
    drop(all);
    scene.end();
}

#[test]
fn bulk_leaves_the_buffers_and_messages_come_back_to_them() {
    let mut scene = Scene::connecting();
    scene.until("it is connected", |scene| scene.told.contains(&Event::Connected));
    scene.engine.perform(SLOT, &Op::Splice(Side::Client, Splicing::Bulk));
    scene.engine.perform(SLOT, &Op::Relay);
    let block = vec![7; 500_000];
    for _ in 0..3 {
        let mut writing = scene.client.try_clone().unwrap();
        let whole = block.clone();
        let writer = std::thread::spawn(move || writing.write_all(&whole).unwrap());
        assert_eq!(scene.server_gets(block.len()), block);
        writer.join().unwrap();
    }
    // Its four buffers of 4 KiB bring 16 KiB a round at most.
    assert!(scene.pipes().0 > 0, "nothing was spliced");
    for _ in 0..3 {
        scene.client.write_all(b"small").unwrap();
        assert_eq!(scene.server_gets(5), b"small");
        scene.turns();
    }
    let flags = scene.engine.links[SLOT as usize].as_ref().unwrap().client.flags;
    assert!(flags.has(Flags::RECEIVING) && !flags.has(Flags::FILLING), "{flags:?}");
    scene.end();
}
