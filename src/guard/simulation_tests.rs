//! Random worlds of Redis servers under one guard: kills, restarts with and without `replicaof` and dump,
//! promotions, demotions, partitions, late and missing reports. What must hold is checked after every step,
//! and after every world was healed in a way that leaves only one right answer. A failure names its seed.

use std::collections::BTreeSet;
use std::time::Duration;

use super::decide::{Reason, Standing};
use super::machine::{Effect, GuardState, Input, Observation, Seat, Setup};
use crate::redis::{Role, RoleReport};
use crate::state::{CutReason, Guarding, ServerKey};
use crate::time::Tick;

const SEEDS: u64 = 800;
const STEPS: usize = 120;
/// How often time is looked at.
pub(super) const TURN: Duration = Duration::from_millis(50);
const NOBODY: &str = "0000000000000000000000000000000000000000";

/// SplitMix64: small, and the same everywhere.
pub(super) struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }
}

/// As much of Redis 7 as its replication ids need; what it does was read off the real one.
#[derive(Clone)]
pub(super) struct Redis {
    pub(super) up: bool,
    pub(super) reachable: bool,
    run_id: String,
    pub(super) master: Option<usize>,
    in_sync: bool,
    replid: String,
    replid2: String,
    offset: u64,
    second: Option<u64>,
    started: u64,
}

pub(super) struct World {
    pub(super) random: Random,
    pub(super) redis: Vec<Redis>,
    ids: u64,
    pub(super) now: u64,
}

impl World {
    pub(super) fn new(seed: u64) -> World {
        let mut world = World { random: Random(seed), redis: Vec::new(), ids: 0, now: 0 };
        for index in 0..2 + world.random.below(4) {
            let redis = Redis {
                up: true,
                reachable: true,
                run_id: world.id("run"),
                master: (index > 0).then_some(0),
                in_sync: false,
                replid: world.id("hist"),
                replid2: NOBODY.to_owned(),
                offset: 1,
                second: None,
                started: 0,
            };
            world.redis.push(redis);
        }
        world.replicate();
        world
    }

    fn id(&mut self, what: &str) -> String {
        self.ids += 1;
        format!("{what}{}", self.ids)
    }

    /// Writes go on at every master, and replicas follow, in part or by a full copy.
    pub(super) fn replicate(&mut self) {
        for redis in self.redis.iter_mut().filter(|redis| redis.up && redis.master.is_none()) {
            redis.offset += 1;
        }
        for _ in 0..self.redis.len() {
            for index in 0..self.redis.len() {
                self.follow(index);
            }
        }
    }

    fn follow(&mut self, index: usize) {
        let Some(of) = self.redis[index].master.filter(|_| self.redis[index].up) else { return };
        let (source, replica) = (self.redis[of].clone(), &mut self.redis[index]);
        replica.in_sync = source.up && (source.master.is_none() || source.in_sync) && of != index;
        if !replica.in_sync {
            return;
        }
        if source.replid != replica.replid {
            let partial =
                source.replid2 == replica.replid && source.second.is_some_and(|s| replica.offset < s);
            replica.second = partial.then_some(replica.offset + 1);
            replica.replid2 = if partial { replica.replid.clone() } else { NOBODY.to_owned() };
            replica.replid = source.replid;
        }
        replica.offset = source.offset;
    }

    pub(super) fn promote(&mut self, index: usize) {
        let replid = self.id("hist");
        let redis = &mut self.redis[index];
        if redis.master.take().is_some() {
            redis.replid2 = std::mem::replace(&mut redis.replid, replid);
            redis.second = Some(redis.offset + 1);
        }
    }

    pub(super) fn demote(&mut self, index: usize, of: usize) {
        // No rings: Redis would let replicas of each other wait for ever.
        let mut at = Some(of);
        while let Some(next) = at {
            if next == index {
                return;
            }
            at = self.redis[next].master;
        }
        self.redis[index].master = Some(of);
        self.redis[index].in_sync = false;
    }

    /// With a dump the former history becomes `replid2`, whoever wrote it.
    fn restart(&mut self, index: usize, keep_replicaof: bool, dump: bool) {
        let (run_id, replid, now) = (self.id("run"), self.id("hist"), self.now);
        let redis = &mut self.redis[index];
        (redis.up, redis.in_sync, redis.run_id, redis.started) = (true, false, run_id, now);
        if !keep_replicaof {
            redis.master = None;
        }
        match (dump, redis.master) {
            (true, Some(_)) => {}
            (true, None) => {
                redis.replid2 = std::mem::replace(&mut redis.replid, replid);
                redis.second = Some(redis.offset + 1);
            }
            (false, _) => {
                (redis.replid, redis.replid2, redis.second) = (replid, NOBODY.to_owned(), None);
                redis.offset = 0;
            }
        }
    }

    fn report(&self, index: usize) -> RoleReport {
        let redis = &self.redis[index];
        let role = if redis.master.is_some() { Role::Replica } else { Role::Master };
        let replicas =
            self.redis.iter().filter(|other| other.up && other.master == Some(index) && other.in_sync);
        RoleReport {
            run_id: Some(redis.run_id.clone()),
            replid: Some(redis.replid.clone()),
            replid2: Some(redis.replid2.clone()),
            offset: Some(redis.offset),
            second_offset: redis.second,
            connected_replicas: Some(replicas.count() as u32),
            uptime: Some(Duration::from_millis(self.now - redis.started)),
            link_up: redis.master.map(|_| redis.in_sync),
            ..RoleReport::of(role)
        }
    }

    pub(super) fn check(&self, index: usize) -> Observation {
        let answers = self.redis[index].up && self.redis[index].reachable;
        let report = answers.then(|| self.report(index));
        let passed = report.as_ref().is_some_and(|report| report.role == Role::Master);
        Observation { server: key(index), passed, report }
    }

    /// One random thing happens.
    pub(super) fn turn(&mut self) {
        let count = self.redis.len();
        let (index, other) = (self.random.below(count), self.random.below(count));
        match self.random.below(9) {
            0 => self.redis[index].up = false,
            1 => {
                let (keep, dump) = (self.random.chance(50), self.random.chance(50));
                self.restart(index, keep, dump);
            }
            2 if self.redis[index].up => self.promote(index),
            3 | 4 if self.redis[index].up => self.demote(index, other),
            5 => self.redis[index].reachable = self.random.chance(60),
            _ => {}
        }
        self.replicate();
    }
}

/// A guard, what it did, and what health would make of the servers.
#[derive(Clone)]
pub(super) struct Watch {
    pub(super) guard: GuardState,
    pub(super) word: Option<ServerKey>,
    /// Who is frozen, and since when.
    pub(super) frozen: Option<(ServerKey, Tick)>,
    proven: BTreeSet<ServerKey>,
    /// Servers that clients may be on.
    reached: BTreeSet<ServerKey>,
    failures: Vec<u32>,
    /// The last definite answer of each.
    last: Vec<Option<RoleReport>>,
    /// Processes that were seen as replicas.
    replicas: BTreeSet<String>,
    changes: Vec<(Option<ServerKey>, Option<ServerKey>, Reason)>,
}

impl Watch {
    pub(super) fn new(count: usize, now: Tick) -> Watch {
        let seat = |index| Seat { key: key(index), standing: Standing::Up, is_checked: true };
        let setup = Setup {
            guarding: Guarding::Master,
            hold: Some(Duration::from_secs(5)),
            freeze: Duration::from_secs(10),
            window: Duration::from_secs(1),
            seats: (0..count).map(seat).collect(),
            awaits_sentinels: false,
        };
        let mut watch = Watch {
            guard: GuardState::new(now),
            word: None,
            frozen: None,
            proven: BTreeSet::new(),
            reached: BTreeSet::new(),
            failures: vec![0; count],
            last: vec![None; count],
            replicas: BTreeSet::new(),
            changes: Vec::new(),
        };
        watch.feed(Input::Apply(setup), now);
        watch
    }

    pub(super) fn hear(&mut self, observation: Observation, now: Tick) {
        let index = observation.server.0 as usize;
        self.failures[index] = if observation.passed { 0 } else { self.failures[index] + 1 };
        let standing = if self.failures[index] >= 3 { Standing::Down } else { Standing::Up };
        self.feed(Input::Moved(observation.server, standing), now);
        if let Some(report) = &observation.report {
            self.last[index] = Some(report.clone());
            if report.role == Role::Replica {
                self.replicas.extend(report.run_id.clone());
            }
        }
        self.feed(Input::Checked(observation), now);
    }

    /// Executes, as the actor would, and holds what must hold.
    pub(super) fn feed(&mut self, input: Input, now: Tick) {
        let before = self.word;
        let mut cut = BTreeSet::new();
        for effect in self.guard.step(input, now) {
            match effect {
                Effect::Master { server, previous, reason } => {
                    assert!(cut.is_empty(), "sessions were cut before the word was moved");
                    if server != self.word {
                        assert_eq!(previous, self.word);
                        self.changes.push((self.word, server, reason));
                    }
                    self.word = server;
                }
                Effect::Proven(server) => drop(self.proven.insert(server)),
                Effect::Disproven(server) => drop(self.proven.remove(&server)),
                Effect::Freeze { server, .. } => self.frozen = Some((server, now)),
                Effect::Thaw { server, .. } => {
                    let (frozen, since) = self.frozen.take().expect("somebody was frozen");
                    assert_eq!(frozen, server);
                    assert!(now.since(since) <= Duration::from_secs(10) + TURN, "a freeze outlived its end");
                }
                Effect::Cut(server, _) => drop((cut.insert(server), self.reached.remove(&server))),
                _ => {}
            }
        }
        self.holds(before);
    }

    fn holds(&mut self, before: Option<ServerKey>) {
        assert_eq!(self.word, self.guard.master());
        if let Some((frozen, _)) = self.frozen {
            assert_eq!(Some(frozen), self.word, "somebody else than the master is frozen");
        }
        if let Some(master) = self.word {
            assert!(self.proven.contains(&master), "an unproven server is master");
            let said = self.last[master.0 as usize].as_ref().map(|report| report.role);
            assert_eq!(said, Some(Role::Master), "the master last said that it is something else");
            self.reached.insert(master);
        }
        // Not before the word is with somebody else: a master that says nothing keeps its sessions.
        assert!(self.reached.len() <= 1, "clients are left on two servers: {:?}", self.reached);
        if let Some(old) = before.filter(|_| before != self.word) {
            self.had_a_reason(old);
        }
    }

    fn had_a_reason(&self, old: ServerKey) {
        let index = old.0 as usize;
        let said_other = self.last[index].as_ref().is_some_and(|report| report.role != Role::Master);
        let is_down = self.failures[index] >= 3;
        let change = self.changes.last();
        let is_moved = match change {
            Some((_, Some(new), Reason::Succeeded(_) | Reason::FurtherThan(_))) => {
                let run_id = self.last[new.0 as usize].as_ref().and_then(|report| report.run_id.as_ref());
                run_id.is_some_and(|run_id| self.replicas.contains(run_id))
            }
            Some((_, Some(_), Reason::FollowedBy(_))) => said_other,
            Some((_, Some(_), Reason::Named(ballot))) => ballot.votes * 2 > ballot.of,
            // That it says so itself is held above.
            Some((_, Some(_), Reason::Selected(_))) => true,
            _ => false,
        };
        assert!(said_other || is_moved || is_down, "{old:?} was left without a reason: {change:?}");
    }
}

pub(super) fn key(index: usize) -> ServerKey {
    ServerKey(index as u32)
}

/// Everybody is heard once, in an order of chance.
pub(super) fn hear_all(world: &mut World, watches: &mut [&mut Watch]) {
    for watch in watches {
        let mut order: Vec<usize> = (0..world.redis.len()).collect();
        for at in (1..order.len()).rev() {
            order.swap(at, world.random.below(at + 1));
        }
        for index in order {
            watch.hear(world.check(index), Tick(world.now));
        }
    }
}

/// The rest of a world whose past was random: one master, all others its replicas; then a failover, an old
/// master that goes on, restarts, outlives the new one. Returns the new master.
fn heal_and_fail_over(world: &mut World, watches: &mut [&mut Watch]) {
    let count = world.redis.len();
    let head = world.random.below(count);
    for index in 0..count {
        (world.redis[index].up, world.redis[index].reachable) = (true, true);
        world.promote(index);
    }
    // As after any failover: what was master or not, all others follow it now.
    for index in (0..count).filter(|index| *index != head) {
        world.demote(index, head);
    }
    world.replicate();
    world.now += 2000;
    hear_all(world, watches);
    for watch in watches.iter() {
        assert_eq!(watch.word, Some(key(head)), "the only master, whom all follow, is not chosen");
    }

    let heir = (head + 1 + world.random.below(count - 1)) % count;
    world.replicate();
    world.promote(heir);
    world.now += 100;
    hear_all(world, watches);
    for watch in watches.iter() {
        assert_eq!(watch.word, Some(key(heir)), "the successor did not win though the old one goes on");
    }

    for _ in 0..6 {
        let (keep, dump) = (false, world.random.chance(50));
        if world.random.chance(50) {
            world.restart(head, keep, dump);
        }
        world.redis[heir].reachable = world.random.chance(60);
        world.now += 2000;
        hear_all(world, watches);
        for watch in watches.iter() {
            assert_eq!(watch.word, Some(key(heir)), "the master that was succeeded got the word again");
        }
    }
}

fn run(seed: u64) {
    let mut world = World::new(seed);
    let mut watch = Watch::new(world.redis.len(), Tick(0));
    let mut twin = watch.clone();
    let mut late = Vec::new();
    for _ in 0..STEPS {
        world.now += 50;
        world.turn();
        for index in 0..world.redis.len() {
            if world.random.chance(20) {
                continue;
            }
            late.push(world.check(index));
        }
        // Reports of one server keep their order; those of different servers may be late by some turns.
        while late.len() > world.redis.len() * 2 || !late.is_empty() && world.random.chance(70) {
            let heard = late.remove(0);
            watch.hear(heard.clone(), Tick(world.now));
            twin.hear(heard, Tick(world.now));
            assert_eq!(watch.word, twin.word, "equal inputs, different choices");
        }
    }
    let mut fresh = Watch::new(world.redis.len(), Tick(world.now));
    heal_and_fail_over(&mut world, &mut [&mut watch, &mut twin, &mut fresh]);
}

#[test]
fn whatever_happens_there_is_one_master_and_it_is_the_right_one() {
    let only = std::env::var("ROLECALL_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = only.map_or(0..SEEDS, |seed: u64| seed..seed + 1);
    for seed in seeds {
        if let Err(panic) = std::panic::catch_unwind(|| run(seed)) {
            eprintln!("replay with ROLECALL_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn the_guard_of_the_simulation_can_lose_sessions_only_by_a_cut() {
    let mut world = World::new(1);
    let mut watch = Watch::new(world.redis.len(), Tick(0));
    hear_all(&mut world, &mut [&mut watch]);
    assert_eq!(watch.word, Some(key(0)));
    world.promote(1);
    world.demote(0, 1);
    let effects = watch.guard.step(Input::Checked(world.check(0)), Tick(1));
    assert!(effects.contains(&Effect::Cut(key(0), CutReason::RoleChanged)), "{effects:?}");
}
