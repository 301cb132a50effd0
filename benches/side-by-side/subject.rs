//! Who is measured: each with one thread, in front of the same server.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit};
use tempfile::TempDir;

use crate::harness::process::Process;
use crate::harness::rolecall::PROGRAM;
use crate::harness::{Client, eventually, free_port};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// No balancer at all.
    Direct,
    Haproxy,
    /// With `option splice-auto`.
    HaproxySplice,
    /// `stream`
    Nginx,
    Uring,
    Epoll,
    /// With `option splice-auto`.
    UringSplice,
    EpollSplice,
}

/// What a process has open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptors {
    /// Both ends of every pipe.
    pub pipes: usize,
    pub others: usize,
}

/// A subject that serves.
#[derive(Debug)]
pub struct Running {
    pub subject: Subject,
    pub port: u16,
    process: Option<Process>,
    pub directory: TempDir,
}

const SPLICE: &str = "    option splice-auto\n";

const NGINX_MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

impl Subject {
    /// Those that can run here.
    pub fn present() -> Vec<Subject> {
        let mut subjects = vec![Subject::Direct];
        let silent = |program: &str| {
            Command::new(program).arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
        };
        match silent("haproxy") {
            true => subjects.extend([Subject::Haproxy, Subject::HaproxySplice]),
            false => eprintln!("haproxy is not installed: there is nothing to compare with"),
        }
        match silent("nginx") && Path::new(NGINX_MODULE).exists() {
            true => subjects.push(Subject::Nginx),
            false => eprintln!("nginx's stream module is not installed (libnginx-mod-stream)"),
        }
        subjects.extend([Subject::Uring, Subject::Epoll]);
        subjects
    }

    pub fn name(self) -> &'static str {
        match self {
            Subject::Direct => "direct",
            Subject::Haproxy => "haproxy",
            Subject::HaproxySplice => "haproxy-splice",
            Subject::Nginx => "nginx",
            Subject::Uring => "uring",
            Subject::Epoll => "epoll",
            Subject::UringSplice => "uring-splice",
            Subject::EpollSplice => "epoll-splice",
        }
    }

    /// The same with `option splice-auto`.
    pub fn splicing(self) -> Option<Subject> {
        match self {
            Subject::Haproxy => Some(Subject::HaproxySplice),
            Subject::Uring => Some(Subject::UringSplice),
            Subject::Epoll => Some(Subject::EpollSplice),
            _ => None,
        }
    }

    /// Whether it is ours.
    pub fn is_rolecall(self) -> bool {
        matches!(self, Subject::Uring | Subject::Epoll | Subject::UringSplice | Subject::EpollSplice)
    }

    /// Starts it in front of `redis`.
    pub fn start(self, redis: u16) -> Running {
        // The pipes of splicing take descriptors, too.
        self.start_with(redis, room() / 2, "    server redis 127.0.0.1:REDIS check\n")
    }

    /// The same with a `maxconn` for which there are not enough descriptors.
    pub fn start_limited(self, redis: u16, maxconn: u32, servers: &str) -> Running {
        let limit = 2 * room();
        self.start_as(redis, &format!("maxconn {maxconn}\n    ulimit-n {limit}"), maxconn, servers)
    }

    /// Starts it with these servers, in which `REDIS` stands for the port, and this `maxconn`.
    pub fn start_with(self, redis: u16, maxconn: u32, servers: &str) -> Running {
        self.start_as(redis, &format!("maxconn {maxconn}"), maxconn, servers)
    }

    fn start_as(self, redis: u16, global: &str, maxconn: u32, servers: &str) -> Running {
        let directory = TempDir::new().expect("a private directory");
        if self == Subject::Direct {
            return Running { subject: self, port: redis, process: None, directory };
        }
        let (port, path) = (free_port(), directory.path().join("config"));
        let text = match self {
            Subject::Nginx => nginx(port, redis, directory.path()),
            _ => haproxy(self, port, (global, maxconn), &servers.replace("REDIS", &redis.to_string())),
        };
        std::fs::write(&path, text).expect("a config file");
        let output = std::fs::File::create(directory.path().join("output")).expect("an output file");
        let mut command = Command::new(match self {
            Subject::Nginx => "nginx",
            Subject::Haproxy | Subject::HaproxySplice => "haproxy",
            _ => PROGRAM,
        });
        match self {
            Subject::Nginx => command.arg("-c").arg(&path).arg("-p").arg(directory.path()),
            _ => command.arg("-db").arg("-f").arg(&path),
        };
        let errors = output.try_clone().expect("a second handle");
        let process = Process::start(command.stdin(Stdio::null()).stdout(output).stderr(errors));
        let running = Running { subject: self, port, process: Some(process), directory };
        eventually(self.name(), Duration::from_secs(20), || Client::connect(port).ok()?.call(&["PING"]).ok());
        running
    }
}

impl Running {
    /// Processor time so far, in microseconds; 0 without a process.
    pub fn cpu_us(&self) -> f64 {
        let Some(process) = &self.process else { return 0.0 };
        let tasks = std::fs::read_dir(format!("/proc/{}/task", process.id())).into_iter().flatten().flatten();
        let times = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok());
        let times = times.filter_map(|text| text.split_whitespace().next()?.parse::<f64>().ok());
        times.sum::<f64>() / 1000.0
    }

    /// Open descriptors.
    pub fn descriptors(&self) -> Descriptors {
        let id = self.process.as_ref().map_or(0, Process::id);
        let entries = std::fs::read_dir(format!("/proc/{id}/fd")).into_iter().flatten().flatten();
        let is_pipe = |target: &PathBuf| target.to_string_lossy().starts_with("pipe:");
        let targets = entries.filter_map(|entry| std::fs::read_link(entry.path()).ok());
        let (pipes, others): (Vec<_>, Vec<_>) = targets.partition(is_pipe);
        Descriptors { pipes: pipes.len(), others: others.len() }
    }

    /// Memory of the process itself, in KiB: what it does not share with others.
    pub fn memory_kib(&self) -> f64 {
        let Some(process) = &self.process else { return 0.0 };
        let text =
            std::fs::read_to_string(format!("/proc/{}/smaps_rollup", process.id())).unwrap_or_default();
        let field = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name))?;
            line.split_whitespace().nth(1)?.parse::<f64>().ok()
        };
        field("Private_Dirty:").unwrap_or_default()
    }

    /// Replaces its config and has it reloaded.
    pub fn reload(&self, change: impl Fn(String) -> String) {
        let path = self.directory.path().join("config");
        let text = std::fs::read_to_string(&path).expect("its config");
        std::fs::write(path, change(text)).expect("its config");
        if let Some(process) = &self.process {
            process.signal("HUP");
        }
    }
}

/// As many connections as the limit on descriptors lets both programs start with.
pub fn room() -> u32 {
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft);
    u32::try_from(limit.saturating_sub(500) / 2).unwrap_or(u32::MAX).min(1_000_000)
}

fn haproxy(subject: Subject, port: u16, (global, maxconn): (&str, u32), servers: &str) -> String {
    let (relay, splice) = match subject {
        Subject::Uring => ("    tune.relay uring\n", ""),
        Subject::Epoll => ("    tune.relay epoll\n", ""),
        Subject::UringSplice => ("    tune.relay uring\n", SPLICE),
        Subject::EpollSplice => ("    tune.relay epoll\n", SPLICE),
        Subject::HaproxySplice => ("", SPLICE),
        _ => ("", ""),
    };
    format!(
        "global\n    nbthread 1\n    {global}\n{relay}\
         defaults\n    mode tcp\n    timeout connect 5s\n    timeout client 1h\n    timeout server 1h\n{splice}\
         frontend redis\n    bind 127.0.0.1:{port}\n    maxconn {maxconn}\n    default_backend servers\n\
         backend servers\n{servers}"
    )
}

fn nginx(port: u16, redis: u16, directory: &Path) -> String {
    let directory = directory.display();
    format!(
        "load_module {NGINX_MODULE};\nuser root;\ndaemon off;\nmaster_process off;\nworker_rlimit_nofile 65536;\n\
         pid {directory}/pid;\nerror_log {directory}/error.log;\nevents {{ worker_connections 40000; }}\n\
         stream {{ server {{ listen 127.0.0.1:{port}; proxy_pass 127.0.0.1:{redis}; proxy_timeout 1h; }} }}\n"
    )
}
