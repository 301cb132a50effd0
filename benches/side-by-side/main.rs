//! The data path beside the real haproxy and nginx's stream module, all in front of one redis-server, in turn, in
//! one run.
//!
//! ```text
//! cargo bench --bench side-by-side -- [--rounds N] [--case NAME]... [--subject NAME]... [--json FILE]
//! ```
//!
//! On a shared machine only ratios taken in one round mean something: each round runs every subject once, each
//! figure is divided by haproxy's of the same round, and the median of these ratios is held against the bar.
//! Nothing else may run meanwhile.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::panic, reason = "a program that prints a table")]
#![allow(unreachable_pub, reason = "modules of one program")]

mod footprint;
mod load;
mod subject;
mod table;
mod verdict;

#[allow(dead_code, unused_imports, reason = "what the tests stand on; a bench uses a part of it")]
#[path = "../../tests/integration/harness/mod.rs"]
mod harness;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::Parser;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use harness::process::Process;
use harness::{Client, eventually, free_port};
use load::{LOADS, Sample};
use subject::Subject;
use table::Table;

/// Requests, processor time and memory of a proxied connection.
#[derive(Debug, Parser)]
struct Arguments {
    /// How often each load is run on each subject.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only these cases: loads, and `idle`, `maxconn`, `checks`, `reload`, `parse`, `leak`.
    #[arg(long = "case")]
    cases: Vec<String>,
    /// Only these subjects; haproxy always runs, as the measure.
    #[arg(long = "subject")]
    subjects: Vec<String>,
    /// Also writes every figure of every round there.
    #[arg(long)]
    json: Option<PathBuf>,
    /// What cargo passes to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let arguments = Arguments::parse();
    raise_descriptor_limit();
    let wanted = |names: &[String], name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    let chosen =
        |subject: &Subject| *subject == Subject::Haproxy || wanted(&arguments.subjects, subject.name());
    let (redis, _process) = redis();
    let subjects: Vec<Subject> = Subject::present().into_iter().filter(chosen).collect();
    let loads: Vec<_> = LOADS.iter().filter(|load| wanted(&arguments.cases, load.name)).collect();
    let running: Vec<_> = match loads.is_empty() {
        true => Vec::new(),
        false => subjects.iter().map(|subject| subject.start(redis)).collect(),
    };
    let mut table = Table::default();
    for load in loads {
        // The first round warms caches and is not counted.
        for round in 0..=arguments.rounds {
            eprintln!("{}: round {round} of {}", load.name, arguments.rounds);
            for subject in &running {
                let sample: Sample = load::run(load, subject);
                if round > 0 {
                    table.add(load, subject.subject, sample);
                }
            }
        }
        table.print(load, &running);
    }
    drop(running);
    for (name, case) in footprint::CASES.iter().filter(|(name, _)| wanted(&arguments.cases, name)) {
        eprintln!("{name}");
        case(redis, &subjects, &mut table.verdicts);
    }
    verdict::print(&table.verdicts);
    if let Some(path) = arguments.json
        && let Err(error) = std::fs::write(&path, table.json())
    {
        eprintln!("{}: {error}", path.display());
        std::process::exit(1);
    }
}

/// Ten thousand connections take twenty thousand descriptors of a balancer.
fn raise_descriptor_limit() {
    const WANTED: u64 = 65_536;
    let limits = getrlimit(Resource::RLIMIT_NOFILE);
    // Without the right to raise it fewer connections are held, which the table says.
    if let Ok((_, hard)) = limits
        && setrlimit(Resource::RLIMIT_NOFILE, WANTED, WANTED.max(hard)).is_err()
    {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

fn redis() -> (u16, Process) {
    let port = free_port();
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--maxclients", "40000"]);
    let process = Process::start(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()));
    eventually("redis-server's first answer", Duration::from_secs(10), || {
        Client::connect(port).ok()?.call(&["PING"]).ok()
    });
    (port, process)
}
