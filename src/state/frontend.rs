//! A frontend's live half.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use super::counters::{Counter, Gauge, Rate, Traffic};

/// Whether a frontend takes clients, as the operator wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Reception {
    #[default]
    Open = 0,
    /// `disable frontend`: until `enable frontend`.
    Paused = 1,
    /// `shutdown frontend`: until a reload.
    Stopped = 2,
    /// SIGTTOU, with all the others: until SIGTTIN.
    Suspended = 3,
}

/// One frontend, for as long as the config has it.
#[derive(Debug)]
pub struct FrontendLive {
    pub name: String,
    pub traffic: Traffic,
    /// `conn_rate`, `conn_rate_max`
    pub connection_rate: Rate,
    /// `conn_tot`
    pub connections: Counter,
    /// `intercepted`: requests answered by a page of ours; `req_tot` for `mode http`.
    pub intercepted: Counter,
    /// Session lines that were written.
    pub lines: Counter,
    pub requests: Counter,
    /// `req_rate`, `req_rate_max`
    pub request_rate: Rate,
    /// `hrsp_1xx` to `hrsp_5xx`, `hrsp_other`: answers by the first digit of their status.
    pub responses: [Counter; 6],
    /// `dcon`, `dses`: refused by `tcp-request connection` and `session`.
    pub denied_connections: Counter,
    pub denied_sessions: Counter,
    /// `ereq`: what came to a page and was no request, and clients that left, or said nothing more, while rules waited
    /// for what they say.
    pub request_errors: Counter,
    /// Sessions of this frontend that wait for a first verdict or for a master.
    pub held: Gauge,
    /// Written by the control side, read by pages.
    reception: AtomicU8,
}

impl FrontendLive {
    pub fn new(name: &str) -> FrontendLive {
        FrontendLive {
            name: name.to_owned(),
            traffic: Traffic::default(),
            connection_rate: Rate::default(),
            connections: Counter::default(),
            intercepted: Counter::default(),
            lines: Counter::default(),
            requests: Counter::default(),
            request_rate: Rate::default(),
            responses: Default::default(),
            denied_connections: Counter::default(),
            denied_sessions: Counter::default(),
            request_errors: Counter::default(),
            held: Gauge::default(),
            reception: AtomicU8::new(Reception::Open as u8),
        }
    }

    pub fn reception(&self) -> Reception {
        match self.reception.load(Relaxed) {
            1 => Reception::Paused,
            2 => Reception::Stopped,
            3 => Reception::Suspended,
            _ => Reception::Open,
        }
    }

    pub fn set_reception(&self, reception: Reception) {
        self.reception.store(reception as u8, Relaxed);
    }

    /// `clear counters`: maxima begin anew.
    pub fn forget_maxima(&self) {
        self.traffic.forget_maxima();
        self.connection_rate.forget_max();
        self.request_rate.forget_max();
    }

    /// `clear counters all`.
    pub fn clear(&self) {
        self.forget_maxima();
        self.traffic.clear();
        let counters = [&self.connections, &self.intercepted, &self.requests, &self.request_errors];
        let refused = [&self.denied_connections, &self.denied_sessions];
        counters.into_iter().chain(refused).chain(&self.responses).for_each(Counter::clear);
    }

    /// Counts one answer by its status.
    pub fn count_response(&self, status: u16) {
        let class = match status / 100 {
            class @ 1..=5 => usize::from(class) - 1,
            _ => 5,
        };
        self.responses[class].add(1);
    }
}
