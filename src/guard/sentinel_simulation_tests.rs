//! Random worlds with Sentinels over them: failovers that are led, given up and left half-way, while servers die,
//! restart, are promoted by hand and cut off; words are lost, late, doubled and out of order, and fewer than half of the
//! Sentinels lie in every one of them. Two balancers hear different halves of it. What [`Watch`] holds is held after
//! every step; in the end the world heals, and everybody finds the one master. A failure names its seed.

use std::time::Duration;

use super::machine::Input;
use super::simulation_tests::{Random, TURN, Watch, World, hear_all, key};
use super::trial::{aborted, decided, ended, promoted_step, selected};
use crate::state::sentinel::{FailoverStep, Named};
use crate::state::{SentinelId, SentinelWord};
use crate::time::Tick;

const SEEDS: u64 = 120;
const STEPS: usize = 150;

struct Sentinel {
    up: bool,
    lies: bool,
    names: usize,
    epoch: u64,
}

#[derive(Clone, Copy)]
struct Led {
    by: usize,
    old: usize,
    new: Option<usize>,
    done: bool,
}

/// A word on its way to one balancer.
struct Word {
    to: usize,
    from: usize,
    word: SentinelWord,
}

struct Watched {
    world: World,
    sentinels: Vec<Sentinel>,
    led: Option<Led>,
    words: Vec<Word>,
}

impl Watched {
    fn new(seed: u64) -> Watched {
        let mut world = World::new(seed);
        let count = [1_usize, 3, 3, 5][world.random.below(4)];
        let liars = world.random.below(count.div_ceil(2));
        let sentinel = |index| Sentinel { up: true, lies: index < liars, names: 0, epoch: 1 };
        Watched { world, sentinels: (0..count).map(sentinel).collect(), led: None, words: Vec::new() }
    }

    fn random(&mut self) -> &mut Random {
        &mut self.world.random
    }

    /// To both balancers; lost, or twice, now and then.
    fn say(&mut self, from: usize, word: &SentinelWord) {
        for to in 0..2 {
            let copies = [0, 1, 1, 1, 1, 2][self.random().below(6)];
            self.words.extend((0..copies).map(|_| Word { to, from, word: word.clone() }));
        }
    }

    fn tell(&mut self, from: usize, step: FailoverStep) {
        self.say(from, &SentinelWord::Failover(step));
    }

    fn view(&mut self, index: usize) -> SentinelWord {
        let count = self.world.redis.len();
        let Sentinel { up, lies, names, epoch } = self.sentinels[index];
        let (names, config_epoch) = match (up, lies) {
            (false, _) => return SentinelWord::Lost,
            (true, true) => (self.random().below(count), [1, 1_000_000][self.random().below(2)]),
            (true, false) => (names, epoch),
        };
        SentinelWord::Names { master: Named::Server(key(names)), config_epoch }
    }

    fn lie(&mut self, from: usize) {
        let count = self.world.redis.len();
        let (old, new) = (key(self.random().below(count)), key(self.random().below(count)));
        let steps =
            [decided(old), selected(old, new), promoted_step(old, new), aborted(old), ended(old, Some(new))];
        let step = steps[self.random().below(5)].clone();
        self.tell(from, step);
    }

    /// One thing happens among the Sentinels.
    fn turn(&mut self) {
        let (count, sentinels) = (self.world.redis.len(), self.sentinels.len());
        let index = self.random().below(sentinels);
        if self.sentinels[index].lies {
            return self.lie(index);
        }
        match self.random().below(12) {
            0 => self.sentinels[index].up = false,
            1 | 2 => self.sentinels[index].up = true,
            3 => self.say(index, &SentinelWord::Tilt(true)),
            4 => self.say(index, &SentinelWord::Tilt(false)),
            _ => {}
        }
        match self.led {
            None if self.sentinels[index].up && self.world.random.chance(15) => {
                let old = self.sentinels[index].names;
                self.led = Some(Led { by: index, old, new: None, done: false });
                self.tell(index, decided(key(old)));
            }
            Some(led) if !self.sentinels[led.by].up && !led.done => self.led = None,
            Some(led) => self.go_on(led, count),
            None => {}
        }
    }

    fn go_on(&mut self, led: Led, count: usize) {
        let Led { by, old, new, done } = led;
        match (new, done) {
            (None, _) => {
                let new = (old + 1 + self.random().below(count - 1)) % count;
                if self.world.redis[new].up {
                    self.led = Some(Led { new: Some(new), ..led });
                    self.tell(by, selected(key(old), key(new)));
                } else {
                    self.led = None;
                    self.tell(by, aborted(key(old)));
                }
            }
            (Some(new), false) => {
                self.world.promote(new);
                let epoch = self.sentinels.iter().filter(|other| !other.lies).map(|other| other.epoch).max();
                let epoch = epoch.unwrap_or(1) + 1;
                (self.sentinels[by].names, self.sentinels[by].epoch) = (new, epoch);
                self.led = Some(Led { done: true, ..led });
                self.tell(by, promoted_step(key(old), key(new)));
            }
            (Some(new), true) => {
                let epoch = self.sentinels[by].epoch;
                let behind = |other: &&mut Sentinel| other.up && other.epoch < epoch;
                if let Some(other) = self.sentinels.iter_mut().find(behind) {
                    (other.names, other.epoch) = (new, epoch);
                    return;
                }
                self.world.demote(old, new);
                self.led = None;
                self.tell(by, ended(key(old), Some(key(new))));
            }
        }
    }

    /// Some words arrive, in an order of chance; every Sentinel is asked now and then.
    fn deliver(&mut self, watches: &mut [Watch]) {
        let now = Tick(self.world.now);
        while !self.words.is_empty() && (self.words.len() > 12 || self.random().chance(70)) {
            let at = self.world.random.below(self.words.len());
            let Word { to, from, word } = self.words.swap_remove(at);
            watches[to].feed(Input::Heard(SentinelId(from as u32), word), now);
        }
        for (to, watch) in watches.iter_mut().enumerate() {
            for index in 0..self.sentinels.len() {
                if self.random().chance(8 + 4 * to as u64) {
                    let word = self.view(index);
                    watch.feed(Input::Heard(SentinelId(index as u32), word), now);
                }
            }
            watch.feed(Input::Timer, now);
        }
    }

    fn poll_all(&mut self, watches: &mut [Watch]) {
        for watch in watches {
            for index in 0..self.sentinels.len() {
                let word = self.view(index);
                watch.feed(Input::Heard(SentinelId(index as u32), word), Tick(self.world.now));
            }
            watch.feed(Input::Timer, Tick(self.world.now));
        }
    }

    /// Everybody is back, all honest Sentinels name one master, and all others follow it.
    fn heal(&mut self) -> usize {
        let count = self.world.redis.len();
        let head = self.random().below(count);
        for redis in &mut self.world.redis {
            (redis.up, redis.reachable) = (true, true);
        }
        (0..count).for_each(|index| self.world.promote(index));
        (0..count).filter(|index| *index != head).for_each(|index| self.world.demote(index, head));
        self.world.replicate();
        let epoch = self.sentinels.iter().map(|sentinel| sentinel.epoch).max().unwrap_or(1) + 1;
        for sentinel in &mut self.sentinels {
            (sentinel.up, sentinel.names, sentinel.epoch) = (true, head, epoch);
        }
        (self.led, self.words) = (None, Vec::new());
        head
    }
}

fn census(sentinels: usize, watch: &mut Watch, now: Tick) {
    for index in 0..sentinels {
        let census = SentinelWord::Census(sentinels as u32);
        watch.feed(Input::Heard(SentinelId(index as u32), census), now);
        watch.feed(Input::Heard(SentinelId(index as u32), SentinelWord::Tilt(false)), now);
    }
}

fn run(seed: u64) {
    let mut watched = Watched::new(seed);
    let (count, sentinels) = (watched.world.redis.len(), watched.sentinels.len());
    let mut watches = [Watch::new(count, Tick(0)), Watch::new(count, Tick(0))];
    watches.iter_mut().for_each(|watch| census(sentinels, watch, Tick(0)));
    for _ in 0..STEPS {
        watched.world.now += TURN.as_millis() as u64;
        if watched.random().chance(25) {
            watched.world.turn();
        }
        watched.turn();
        watched.world.replicate();
        for watch in &mut watches {
            for index in 0..count {
                if watched.random().chance(60) {
                    watch.hear(watched.world.check(index), Tick(watched.world.now));
                }
            }
        }
        watched.deliver(&mut watches);
    }

    let head = watched.heal();
    let mut watches = watches.to_vec();
    let mut fresh = Watch::new(count, Tick(watched.world.now));
    census(sentinels, &mut fresh, Tick(watched.world.now));
    watches.push(fresh);
    let now = Tick(watched.world.now);
    watches.iter_mut().for_each(|watch| census(sentinels, watch, now));
    // Whatever was left open, by a liar too, ends by itself.
    for _ in 0..40 {
        for _ in 0..20 {
            watched.world.now += TURN.as_millis() as u64;
            watches.iter_mut().for_each(|watch| watch.feed(Input::Timer, Tick(watched.world.now)));
        }
        watched.world.replicate();
        watched.poll_all(&mut watches);
        hear_all(&mut watched.world, &mut watches.iter_mut().collect::<Vec<_>>());
    }
    for watch in &watches {
        assert_eq!(watch.word, Some(key(head)), "the majority's master is not chosen");
        assert_eq!(watch.frozen, None, "a freeze without a reason");
    }
    fail_over(&mut watched, &mut watches, head);
}

/// A failover as it should be, of which words are lost: nobody is left behind, and the old one never comes back.
fn fail_over(watched: &mut Watched, watches: &mut [Watch], head: usize) {
    let count = watched.world.redis.len();
    let heir = (head + 1) % count;
    let Some(by) = watched.sentinels.iter().position(|sentinel| !sentinel.lies) else { return };
    let steps = [decided(key(head)), selected(key(head), key(heir)), promoted_step(key(head), key(heir))];
    for step in steps {
        for watch in watches.iter_mut() {
            if watched.random().chance(70) {
                let word = SentinelWord::Failover(step.clone());
                watch.feed(Input::Heard(SentinelId(by as u32), word), Tick(watched.world.now));
            }
        }
        watched.world.now += 70;
    }
    watched.world.promote(heir);
    hear_all(&mut watched.world, &mut watches.iter_mut().collect::<Vec<_>>());
    for index in 0..watched.sentinels.len() {
        watched.sentinels[index].names = heir;
        watched.sentinels[index].epoch += 1;
        watched.world.now += 300;
        watched.poll_all(watches);
    }
    for _ in 0..20 {
        watched.world.now += Duration::from_secs(1).as_millis() as u64;
        hear_all(&mut watched.world, &mut watches.iter_mut().collect::<Vec<_>>());
        watched.poll_all(watches);
        for watch in watches.iter() {
            assert_eq!(watch.word, Some(key(heir)), "the master that was failed over got the word again");
            assert_eq!(watch.frozen, None);
        }
    }
}

#[test]
fn whatever_sentinels_say_there_is_one_master_and_it_is_theirs() {
    let only = std::env::var("ROLECALL_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = only.map_or(0..SEEDS, |seed: u64| seed..seed + 1);
    for seed in seeds {
        if let Err(panic) = std::panic::catch_unwind(|| run(seed)) {
            eprintln!("replay with ROLECALL_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}
