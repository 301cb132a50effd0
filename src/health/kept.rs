//! Kept probes: a role check that stays connected.
//!
//! The first check on a connection runs the whole script but QUIT and then asks INFO server, to learn which
//! process answers; the following ones repeat what is neither connecting nor login. So a role can be asked
//! every few milliseconds for the price of two small packets, and an account with `+ping +info` will do.
//!
//! A kept connection that ends is no failed check: Sentinel ends it itself, with CLIENT KILL, at the very
//! moment of a promotion. The probe connects again and asks at once, once per interval; only what happens on
//! the new connection counts.

use tokio::time::{Instant, sleep_until};

use super::probe::{Line, Run, Target};
use super::tcp_check::{Bystander, CheckOutcome, Engine, Mode, Settled};
use super::timing::Patience;
use crate::config::model::CheckTls;

/// How waiting for the next check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// The check is due.
    Due,
    /// The kept connection has ended: ask now.
    Lost,
}

/// A probe of one server, which keeps its connection if its mode says so.
#[derive(Debug)]
pub struct Probe<'a> {
    engine: Engine<'a>,
    mode: Mode,
    line: Line<'a>,
    /// When the connection was opened, and INFO server asked: the uptime it told grows from there.
    opened: Instant,
}

impl<'a> Probe<'a> {
    /// A probe that has no connection yet.
    pub fn new(engine: Engine<'a>, target: &'a Target, patience: Patience) -> Probe<'a> {
        let mode = engine.mode();
        Probe { engine, mode, line: Line::new(target, patience), opened: Instant::now() }
    }

    /// The same, of a server whose checks speak TLS.
    pub fn securing(self, tls: Option<&'a CheckTls>) -> Probe<'a> {
        Probe { line: self.line.securing(tls), ..self }
    }

    /// What the next check may mention of its server.
    pub fn know(&mut self, bystander: Bystander) {
        self.engine.know(bystander);
    }

    /// Runs one check.
    pub async fn check(&mut self) -> CheckOutcome {
        if self.line.is_open() {
            let first = self.engine.again(self.opened.elapsed());
            let end = self.line.run(&mut self.engine, first).await;
            if !end.lost || end.outcome.passed() {
                return self.conclude(end);
            }
            // It ended between two checks, or by this one, and that is no answer: ask on a new one.
        }
        self.opened = Instant::now();
        let first = self.engine.begin();
        let end = self.line.run(&mut self.engine, first).await;
        self.conclude(end)
    }

    /// Waits until `due`, with an eye on the kept connection.
    pub async fn wait(&mut self, due: Instant) -> Waited {
        tokio::select! {
            biased;
            () = self.line.disturbed() => {
                self.line.hang_up();
                Waited::Lost
            }
            () = sleep_until(due) => Waited::Due,
        }
    }

    /// Gives the connection up, as for a server in maintenance.
    pub fn hang_up(&mut self) {
        self.line.hang_up();
    }

    /// Keeps the connection only after an answer that leaves nothing outstanding.
    fn conclude(&mut self, end: Run) -> CheckOutcome {
        let answered = end.outcome.settled != Settled::Failure;
        if self.mode == Mode::Once || end.lost || !answered || !self.engine.reusable() {
            self.line.hang_up();
        }
        end.outcome
    }
}
