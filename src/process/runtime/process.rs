//! What the process knows of itself, for `show info` and its like.

use std::time::{Duration, SystemTime};

use nix::sys::resource::{UsageWho, getrusage};

use crate::api::info::Info;
use crate::api::show::stat::requests;
use crate::config::model::BindAddress;
use crate::log::Clock;
use crate::process::control::Control;
use crate::state::Snapshot;
use crate::sys::{limits, listen};
use crate::time::Tick;

/// What does not change while the process lives.
#[derive(Debug, Clone)]
pub struct Known {
    /// Of the HAProxy whose face this is.
    pub version: String,
    pub release_date: String,
    pub threads: usize,
    pub hostname: String,
    pub started: (Tick, SystemTime),
    pub clock: Clock,
    /// Only what the program itself set; the rest of an environment may hold passwords.
    pub environment: Vec<(String, String)>,
    pub startup_logs: String,
}

impl Known {
    pub(super) fn info(&self, control: &Control, snapshot: &Snapshot) -> Info {
        let (global, process) = (&snapshot.config.global, &snapshot.process);
        let now = Tick::now();
        let listeners = snapshot.listeners.iter().flatten().flatten().count() + global.stats_sockets.len();
        let checks = control.checks.len() as u32;
        Info {
            version: self.version.clone(),
            release_date: self.release_date.clone(),
            threads: self.threads as u32,
            pid: std::process::id(),
            started: self.started.1,
            uptime: now.since(self.started.0),
            descriptors: limits::descriptors().map_or(0, |limit| limit.soft),
            maxconn: global.maxconn.unwrap_or_default(),
            hard_maxconn: control.hard_maxconn,
            connections: process.connections.now(),
            total_connections: process.total.sum(),
            requests: requests(snapshot),
            rate: process.rate.now(now),
            max_rate: process.rate.max(),
            rate_limits: [0, 1].map(|at| process.rate_limits[at].load(std::sync::atomic::Ordering::Relaxed)),
            tasks: process.connections.now() + checks,
            idle: idle(now.since(self.started.0), self.threads),
            node: global.node.clone().unwrap_or_else(|| self.hostname.clone()),
            description: global.description.clone(),
            stopping: control.is_stopping,
            listeners: listeners as u32,
            dropped_logs: control.logger.dropped(),
            bytes_out: snapshot.frontends.iter().map(|live| live.traffic.bytes_out.sum()).sum(),
            memory: memory(),
            secured: process.secured.figures(now),
        }
    }
}

/// The most memory that was resident, in bytes: what is left to know in a chroot without `/proc`.
pub(super) fn memory() -> u64 {
    let most = getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| usage.max_rss());
    u64::try_from(most).unwrap_or(0) * 1024
}

fn idle(uptime: Duration, threads: usize) -> u32 {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return 100 };
    let times = [usage.user_time(), usage.system_time()];
    let used: i64 = times.iter().map(|time| time.tv_sec() * 1000 + time.tv_usec() / 1000).sum();
    let all = uptime.as_millis() as i64 * threads.max(1) as i64;
    let busy = used * 100 / all.max(1);
    100 - u32::try_from(busy.clamp(0, 100)).unwrap_or(0)
}

/// `show cli sockets`
pub(super) fn cli_sockets(snapshot: &Snapshot) -> String {
    let mut text = "# socket lvl processes\n".to_owned();
    for socket in &snapshot.config.global.stats_sockets {
        let address = &socket.bind.address;
        let prefix = match address {
            BindAddress::Tcp(address) if address.is_ipv6() => "ipv6@",
            BindAddress::Tcp(_) => "ipv4@",
            BindAddress::Unix(_) => "unix@",
            // Their names have it already.
            BindAddress::Abstract(_) | BindAddress::Fd(_) => "",
        };
        text.push_str(&format!("{prefix}{} {} all\n", listen::show(address), socket.level.name()));
    }
    text
}
