//! A small world, explored to its end: two balancers, three Redis, three Sentinels of which one leads failovers, and
//! every order in which their steps, the balancers' checks and the words of the Sentinels can come. Words are lost,
//! late and in any order; a leader gives up, or dies half-way; the master dies. In every state that can be reached
//! the promises of the module hold, and from every quiet one the right master is found by asking once more.
//!
//! The bounds keep the ordinary test short. With `ROLECALL_MODEL=full` both balancers hear each word for themselves,
//! in every order. States seen: see [`BOUNDED`] and [`FULL`].

use std::collections::BTreeSet;
use std::time::Duration;

use stateright::{Checker, Model, Property};

use super::decide::Standing;
use super::freeze::Thaw;
use super::machine::{Effect, GuardState, Input, Observation};
use super::trial::{aborted, decided, ended, promoted_step, selected, setup};
use crate::redis::{Role, RoleReport};
use crate::state::sentinel::{FailoverStep, Named};
use crate::state::{CutReason, Guarding, SentinelId, SentinelWord, ServerKey};
use crate::time::Tick;

/// Redis 0 is master at first; Sentinel 0 leads.
const COUNT: usize = 3;
const LEADER: usize = 0;
/// `timeout freeze`, and what a balancer's clock jumps by when nothing else happens.
const FREEZE: u64 = 10_000;

/// How much may happen.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    failovers: u8,
    /// Balancers that hear each word and make each check for themselves; the others do all at once.
    fine: usize,
    /// Times that a balancer's clock may jump over the end of a freeze.
    jumps: u8,
    detail: Detail,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    /// Redis 2 is never selected, nor looked at alone, and the Sentinels that follow are asked together: both are like
    /// those that are looked at.
    ByKind,
    EachOne,
}

/// STATES_BOUNDED
const BOUNDED: Bounds = Bounds { failovers: 1, fine: 1, jumps: 1, detail: Detail::ByKind };
/// STATES_FULL
const FULL: Bounds = Bounds { failovers: 1, fine: 2, jumps: 1, detail: Detail::EachOne };

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Redis {
    alive: bool,
    /// `None`: it is a master.
    follows: Option<usize>,
    replid: u8,
    replid2: u8,
    offset: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Sentinel {
    alive: bool,
    names: usize,
    epoch: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Course {
    Idle,
    Decided { old: usize },
    Selected { old: usize, new: usize },
    Promoted { old: usize, new: usize },
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Copy)]
enum Step {
    Decided(usize),
    Selected(usize, usize),
    Promoted(usize, usize),
    Aborted(usize),
    Ended(usize, usize),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Balancer {
    guard: GuardState,
    word: Option<ServerKey>,
    /// Servers that clients may be on.
    reached: BTreeSet<ServerKey>,
    frozen: Option<ServerKey>,
    proven: BTreeSet<ServerKey>,
    /// Servers whose last definite answer was that they are master.
    masters: BTreeSet<ServerKey>,
    /// Words of the leader on their way. One that never arrives is lost.
    words: BTreeSet<Step>,
    jumps: u8,
    now: Tick,
    broken: Option<&'static str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    redis: Vec<Redis>,
    sentinels: Vec<Sentinel>,
    course: Course,
    failovers: u8,
    histories: u8,
    balancers: Vec<Balancer>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    // Of the world.
    Elect,
    Select(usize),
    Promote,
    Notice,
    Tell(usize),
    Demote,
    Abort,
    LeaderDies,
    MasterDies,
    // Of a balancer.
    Check(usize, usize),
    Deliver(usize, Step),
    Poll(usize, usize),
    Jump(usize),
    /// Everything at once, for a balancer that is not explored in detail.
    CatchUp(usize),
}

fn key(redis: usize) -> ServerKey {
    ServerKey(redis as u32)
}

impl Step {
    fn word(self) -> SentinelWord {
        let step: FailoverStep = match self {
            Step::Decided(old) => decided(key(old)),
            Step::Selected(old, new) => selected(key(old), key(new)),
            Step::Promoted(old, new) => promoted_step(key(old), key(new)),
            Step::Aborted(old) => aborted(key(old)),
            Step::Ended(old, new) => ended(key(old), Some(key(new))),
        };
        SentinelWord::Failover(step)
    }
}

impl Balancer {
    fn new() -> Balancer {
        let keys: Vec<ServerKey> = (0..COUNT).map(key).collect();
        let mut balancer = Balancer {
            guard: GuardState::new(Tick(0)),
            word: None,
            reached: BTreeSet::new(),
            frozen: None,
            proven: BTreeSet::new(),
            masters: BTreeSet::new(),
            words: BTreeSet::new(),
            jumps: 0,
            now: Tick(0),
            broken: None,
        };
        balancer.feed(Input::Apply(setup(Guarding::Master, &keys)));
        balancer
    }

    fn feed(&mut self, input: Input) {
        for effect in self.guard.step(input, self.now) {
            match effect {
                Effect::Master { server, .. } => self.word = server,
                Effect::Proven(server) => drop(self.proven.insert(server)),
                Effect::Disproven(server) => drop(self.proven.remove(&server)),
                Effect::Cut(server, CutReason::RoleChanged | CutReason::Succeeded) => {
                    if self.word == Some(server) {
                        self.broken = Some("the master's own sessions were cut");
                    }
                    self.reached.remove(&server);
                }
                Effect::Freeze { server, until, .. } => {
                    if self.word != Some(server) || until > self.now + Duration::from_millis(FREEZE) {
                        self.broken = Some("a freeze of another than the master, or one without end");
                    }
                    self.frozen = Some(server);
                }
                Effect::Thaw { server, why } => {
                    if self.frozen.take() != Some(server) {
                        self.broken = Some("a thaw of what was not frozen");
                    }
                    if why == Thaw::Switched && self.word == Some(server) {
                        self.broken = Some("switched to itself");
                    }
                }
                _ => {}
            }
        }
        // New clients come in at once wherever they are let.
        self.reached.extend(self.word.filter(|word| self.frozen != Some(*word)));
    }

    fn check(&mut self, redis: &[Redis], index: usize) {
        let report = report(redis, index);
        let passed = report.as_ref().is_some_and(|report| report.role == Role::Master);
        match &report {
            Some(report) if report.role == Role::Master => drop(self.masters.insert(key(index))),
            Some(_) => drop(self.masters.remove(&key(index))),
            None => {}
        }
        self.feed(Input::Checked(Observation { server: key(index), passed, report }));
        let standing = if passed { Standing::Up } else { Standing::Down };
        self.feed(Input::Moved(key(index), standing));
    }

    fn poll(&mut self, sentinels: &[Sentinel], index: usize) {
        let Sentinel { alive, names, epoch } = sentinels[index];
        let word = match alive {
            true => SentinelWord::Names { master: Named::Server(key(names)), config_epoch: epoch },
            false => SentinelWord::Lost,
        };
        self.feed(Input::Heard(SentinelId(index as u32), word));
    }

    fn catch_up(&mut self, world: &World) {
        for index in 0..COUNT {
            self.poll(&world.sentinels, index);
            self.check(&world.redis, index);
        }
    }

    fn jump(&mut self) {
        self.now = self.now + Duration::from_millis(FREEZE);
        self.feed(Input::Timer);
    }

    fn fault(&self) -> Option<&'static str> {
        let word = self.word;
        match () {
            () if self.broken.is_some() => self.broken,
            () if self.word != self.guard.master() => Some("the word is not what the guard thinks"),
            () if self.reached.len() > 1 => Some("clients are on two servers"),
            () if word.is_some_and(|word| !self.proven.contains(&word)) => Some("the master is unproven"),
            () if word.is_some_and(|word| !self.masters.contains(&word)) => {
                Some("the master said it is none")
            }
            () if self.frozen.is_some() && self.frozen != word => {
                Some("somebody else than the master is frozen")
            }
            () if self.frozen != self.guard.frozen().map(|(server, _)| server) => Some("frozen, or not?"),
            () => None,
        }
    }
}

fn report(redis: &[Redis], index: usize) -> Option<RoleReport> {
    let it = &redis[index];
    let role = if it.follows.is_some() { Role::Replica } else { Role::Master };
    let replicas = redis.iter().filter(|other| other.alive && other.follows == Some(index)).count();
    it.alive.then(|| RoleReport {
        run_id: Some(format!("run{index}")),
        replid: Some(format!("h{}", it.replid)),
        replid2: Some(format!("h{}", it.replid2)).filter(|_| it.replid2 > 0),
        offset: Some(it.offset),
        second_offset: (it.replid2 > 0).then_some(it.offset),
        connected_replicas: Some(replicas as u32),
        uptime: Some(Duration::from_secs(100)),
        link_up: it.follows.map(|of| redis[of].alive),
        ..RoleReport::of(role)
    })
}

impl World {
    fn new() -> World {
        let redis = |index: usize| Redis {
            alive: true,
            follows: (index > 0).then_some(0),
            replid: 1,
            replid2: 0,
            offset: 10,
        };
        let sentinel = |_| Sentinel { alive: true, names: 0, epoch: 1 };
        let mut world = World {
            redis: (0..COUNT).map(redis).collect(),
            sentinels: (0..COUNT).map(sentinel).collect(),
            course: Course::Idle,
            failovers: 0,
            histories: 1,
            balancers: Vec::new(),
        };
        for _ in 0..2 {
            let mut balancer = Balancer::new();
            for sentinel in 0..COUNT {
                let census = SentinelWord::Census(COUNT as u32);
                balancer.feed(Input::Heard(SentinelId(sentinel as u32), census));
            }
            balancer.catch_up(&world);
            world.balancers.push(balancer);
        }
        world
    }

    fn say(&mut self, step: Step) {
        for balancer in &mut self.balancers {
            balancer.words.insert(step);
        }
    }

    /// All Sentinels that live agree, no failover runs, and the named server is there and a master.
    fn settled_on(&self) -> Option<usize> {
        let mut living = self.sentinels.iter().filter(|sentinel| sentinel.alive);
        let first = living.next()?;
        let agree = living.all(|other| other.names == first.names);
        let named = &self.redis[first.names];
        (agree && self.course == Course::Idle && named.alive && named.follows.is_none())
            .then_some(first.names)
    }

    /// Whether both balancers find the right master by asking everybody once more, and freeze nobody for ever.
    fn heals(&self) -> bool {
        let Some(master) = self.settled_on() else { return true };
        let mut balancers = self.balancers.clone();
        for balancer in &mut balancers {
            balancer.catch_up(self);
        }
        // What a lost end left open ends by itself, within bounds.
        let waits = |balancer: &mut Balancer| (0..4).for_each(|_| balancer.jump());
        let right =
            |balancer: &Balancer, master| balancer.word == Some(key(master)) && balancer.fault().is_none();
        let moved = balancers.iter().all(|balancer| right(balancer, master));
        balancers.iter_mut().for_each(waits);
        let stays = balancers.iter().all(|balancer| right(balancer, master) && balancer.frozen.is_none());
        stays && (moved || self.is_going_back())
    }

    /// The server that the Sentinels name was never left by them: a failover was given up half-way, and whoever was
    /// promoted meanwhile keeps the word until the leader's silence is noticed.
    fn is_going_back(&self) -> bool {
        self.sentinels.iter().all(|sentinel| !sentinel.alive || sentinel.epoch == 1)
    }
}

struct Small(Bounds);

impl Small {
    fn world_actions(&self, world: &World, actions: &mut Vec<Action>) {
        let leads = world.sentinels[LEADER].alive;
        let Small(bounds) = self;
        match world.course {
            Course::Idle if leads && world.failovers < bounds.failovers => actions.push(Action::Elect),
            Course::Decided { old } if leads => {
                let able = |index: &usize| *index != old && world.redis[*index].alive;
                let last = if bounds.detail == Detail::ByKind { COUNT - 1 } else { COUNT };
                actions.extend((0..last).filter(able).map(Action::Select));
                actions.push(Action::Abort);
            }
            Course::Selected { new, .. } if leads => {
                let promoted = world.redis[new].follows.is_none();
                actions.push(if promoted { Action::Notice } else { Action::Promote });
                if !promoted {
                    actions.push(Action::Abort);
                }
            }
            Course::Promoted { new, .. } => {
                let behind =
                    |index: &usize| world.sentinels[*index].names != new && world.sentinels[*index].alive;
                actions.extend((1..COUNT).filter(behind).map(Action::Tell));
            }
            _ => {}
        }
        if leads && world.course != Course::Idle {
            actions.push(Action::LeaderDies);
        }
        if self.stray(world).is_some() {
            actions.push(Action::Demote);
        }
        if world.failovers == 0 && world.redis[0].alive && world.course == Course::Idle {
            actions.push(Action::MasterDies);
        }
    }

    /// A master that is not the one whom the Sentinels that live agree on: they make it a replica.
    fn stray(&self, world: &World) -> Option<(usize, usize)> {
        let named: BTreeSet<usize> =
            world.sentinels.iter().filter(|sentinel| sentinel.alive).map(|sentinel| sentinel.names).collect();
        let [master] = named.iter().copied().collect::<Vec<_>>()[..] else { return None };
        let runs = matches!(world.course, Course::Selected { .. }) && world.sentinels[LEADER].alive;
        let stray = |index: &usize| {
            let redis = &world.redis[*index];
            *index != master && redis.alive && redis.follows != Some(master)
        };
        let found = (0..COUNT).find(stray).filter(|_| !runs && world.redis[master].follows.is_none());
        found.map(|index| (index, master))
    }

    fn act_on_world(&self, world: &mut World, action: Action) {
        match (action, world.course) {
            (Action::Elect, _) => {
                let old = world.sentinels[LEADER].names;
                world.failovers += 1;
                world.course = Course::Decided { old };
                world.say(Step::Decided(old));
            }
            (Action::Select(new), Course::Decided { old }) => {
                world.course = Course::Selected { old, new };
                world.say(Step::Selected(old, new));
            }
            (Action::Promote, Course::Selected { new, .. }) => {
                world.histories += 1;
                let redis = &mut world.redis[new];
                redis.follows = None;
                (redis.replid2, redis.replid) = (redis.replid, world.histories);
            }
            (Action::Notice, Course::Selected { old, new }) => {
                let epoch = world.sentinels[LEADER].epoch + 1;
                world.sentinels[LEADER] = Sentinel { alive: true, names: new, epoch };
                world.course = Course::Promoted { old, new };
                world.say(Step::Promoted(old, new));
            }
            (Action::Tell(index), Course::Promoted { old, new }) => {
                let epoch = world.sentinels[LEADER].epoch;
                world.sentinels[index] = Sentinel { alive: true, names: new, epoch };
                let all = world.sentinels.iter().all(|sentinel| sentinel.names == new);
                if all {
                    world.course = Course::Idle;
                    if world.sentinels[LEADER].alive {
                        world.say(Step::Ended(old, new));
                    }
                }
            }
            (Action::Abort, Course::Decided { old } | Course::Selected { old, .. }) => {
                world.course = Course::Idle;
                world.say(Step::Aborted(old));
            }
            (Action::LeaderDies, course) => {
                world.sentinels[LEADER].alive = false;
                // What it has told one other, that one goes on telling.
                let spreads = matches!(course, Course::Promoted { new, .. }
                    if world.sentinels[1..].iter().any(|sentinel| sentinel.names == new));
                if !spreads {
                    world.course = Course::Idle;
                }
            }
            (Action::MasterDies, _) => world.redis[0].alive = false,
            (Action::Demote, _) => {
                if let Some((index, master)) = self.stray(world) {
                    let (replid, offset) = (world.redis[master].replid, world.redis[master].offset);
                    let redis = &mut world.redis[index];
                    (redis.follows, redis.replid2, redis.replid, redis.offset) =
                        (Some(master), redis.replid, replid, offset);
                }
            }
            _ => {}
        }
    }

    fn act_on_balancer(&self, world: &mut World, action: Action) {
        let (Action::Check(at, _)
        | Action::Deliver(at, _)
        | Action::Poll(at, _)
        | Action::Jump(at)
        | Action::CatchUp(at)) = action
        else {
            return;
        };
        let mut balancer = world.balancers[at].clone();
        match action {
            Action::Check(_, index) => balancer.check(&world.redis, index),
            Action::Deliver(_, step) => {
                balancer.words.remove(&step);
                balancer.feed(Input::Heard(SentinelId(LEADER as u32), step.word()));
            }
            Action::Poll(_, index) => {
                let Small(bounds) = self;
                let together = bounds.detail == Detail::ByKind && index != LEADER;
                let asked = if together { 1..COUNT } else { index..index + 1 };
                asked.for_each(|index| balancer.poll(&world.sentinels, index));
            }
            Action::Jump(_) => {
                balancer.jumps += 1;
                balancer.jump();
            }
            _ => balancer.catch_up(world),
        }
        world.balancers[at] = balancer;
    }
}

impl Model for Small {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new()]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        self.world_actions(world, actions);
        let Small(bounds) = self;
        for (at, balancer) in world.balancers.iter().enumerate() {
            if at >= bounds.fine {
                // Its own order of things is its neighbour's.
                actions.extend(world.settled_on().map(|_| Action::CatchUp(at)));
                continue;
            }
            let looked_at = if bounds.detail == Detail::ByKind { COUNT - 1 } else { COUNT };
            actions.extend((0..looked_at).map(|index| Action::Check(at, index)));
            actions.extend((0..looked_at).map(|index| Action::Poll(at, index)));
            for step in &balancer.words {
                actions.push(Action::Deliver(at, *step));
            }
            if balancer.jumps < bounds.jumps && balancer.frozen.is_some() {
                actions.push(Action::Jump(at));
            }
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        self.act_on_world(&mut next, action);
        self.act_on_balancer(&mut next, action);
        (next != *world).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("what each balancer promises", |_, world: &World| {
                world.balancers.iter().all(|balancer| balancer.fault().is_none())
            }),
            Property::always("from a quiet world all find the master", |_, world: &World| world.heals()),
            Property::sometimes("a switch before any epoch names the new master", |_, world: &World| {
                let old = world.sentinels.iter().all(|sentinel| sentinel.names == 0);
                old && world.balancers[0].word.is_some_and(|word| word != key(0))
            }),
            Property::sometimes("a freeze", |_, world: &World| world.balancers[0].frozen.is_some()),
        ]
    }
}

#[test]
fn every_order_of_a_small_worlds_steps_keeps_the_promises() {
    let full = std::env::var("ROLECALL_MODEL").is_ok_and(|bound| bound == "full");
    let bounds = if full { FULL } else { BOUNDED };
    let checker = Small(bounds).checker().threads(2).target_state_count(40_000).spawn_bfs().join();
    eprintln!("{bounds:?}: {} states, depth {}", checker.unique_state_count(), checker.max_depth());
    checker.assert_properties();
}
