//! What is not a load: memory of idle connections and of a large `maxconn`, checks of a thousand servers, a reload of
//! their config under load, reading a long config, and what a hundred thousand sessions leave behind.

use std::fmt::Write as _;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rolecall::config::{Bundle, load};

use crate::harness::{Client, eventually, free_port};
use crate::subject::{Descriptors, Running, Subject, room};
use crate::verdict::{Bar, Verdict};

/// Measures, prints and judges.
type Case = fn(u16, &[Subject], &mut Vec<Verdict>);

pub const CASES: [(&str, Case); 6] = [
    ("idle", idle),
    ("maxconn", maxconn),
    ("checks", checks),
    ("reload", reload),
    ("parse", parse),
    ("leak", leak),
];

const IDLE: u32 = 10_000;
const SERVER: &str = "    server redis 127.0.0.1:REDIS check\n";

/// One row; ours with its bar.
fn row(subject: Subject, (what, value, note): (&str, f64, &str), bar: Bar, verdicts: &mut Vec<Verdict>) {
    let bar = if subject.is_rolecall() { bar } else { Bar::None };
    let verdict = bar.judge(what, subject.name(), value);
    println!(
        "| {} | {value:.2}{note}{} |",
        subject.name(),
        verdict.as_ref().map(Verdict::words).unwrap_or_default()
    );
    verdicts.extend(verdict);
}

fn head(title: &str, figure: &str) {
    println!("\n**{title}**\n\n| | {figure} |\n|---|---|");
}

/// None that splices: it is as large, and haproxy does not start with a `maxconn` that leaves no room for pipes.
fn balancers(subjects: &[Subject]) -> impl Iterator<Item = Subject> {
    let others = [Subject::Direct, Subject::HaproxySplice];
    subjects.iter().copied().filter(move |subject| !others.contains(subject))
}

fn idle(redis: u16, subjects: &[Subject], verdicts: &mut Vec<Verdict>) {
    head("idle", "KiB an idle connection");
    // This process holds the clients' ends, the server's process the others.
    let count = IDLE.min(room() - 100);
    let note = if count < IDLE { format!(" (of {count}: the limit on descriptors)") } else { String::new() };
    for subject in balancers(subjects) {
        let running = subject.start_with(redis, room(), SERVER);
        // What the first connections bring with them once and for all is not theirs.
        let mut clients: Vec<Client> = (0..50).map(|_| idle_client(running.port)).collect();
        sleep(Duration::from_secs(1));
        let before = running.memory_kib();
        clients.extend((0..count).map(|_| idle_client(running.port)));
        sleep(Duration::from_secs(1));
        let each = (running.memory_kib() - before) / f64::from(count);
        row(subject, ("KiB an idle connection", each, &note), Bar::AtMost(1.0), verdicts);
    }
}

fn idle_client(port: u16) -> Client {
    let mut client = Client::connect(port).expect("the balancer accepts");
    client.call(&["PING"]).expect("an answer");
    client
}

/// A million connections do not fit into the limit on descriptors of most machines; with `ulimit-n` ours starts all
/// the same, as nothing is kept for a connection that is not there.
fn maxconn(redis: u16, subjects: &[Subject], verdicts: &mut Vec<Verdict>) {
    head("maxconn", "MiB more at the start than with maxconn 100");
    for subject in balancers(subjects).filter(|subject| *subject != Subject::Nginx) {
        let large = if subject.is_rolecall() { 1_000_000 } else { room() };
        let small = subject.start_with(redis, 100, SERVER).memory_kib();
        let running = match subject.is_rolecall() {
            true => subject.start_limited(redis, large, SERVER),
            false => subject.start_with(redis, large, SERVER),
        };
        let more = (running.memory_kib() - small) / 1024.0;
        let note = format!(" (maxconn {large})");
        row(subject, ("MiB more at the start with maxconn 1000000", more, &note), Bar::AtMost(2.0), verdicts);
    }
}

fn thousand(check: &str) -> String {
    (0..1000).map(|at| format!("    server redis{at} 127.0.0.1:REDIS {check}\n")).collect()
}

/// With a connection a check, as HAProxy does it, and with kept ones, which is ours and the way of role-checked backends.
fn checks(redis: u16, subjects: &[Subject], verdicts: &mut Vec<Verdict>) {
    const SPAN: Duration = Duration::from_secs(5);
    head("checks", "of 1,000 servers every 100 ms, % of a core");
    let ways = [("", "option redis-check"), (" (kept)", "option redis-check\n    option redis-probe")];
    for (note, way) in ways {
        let served =
            |subject: &Subject| *subject != Subject::Nginx && (note.is_empty() || subject.is_rolecall());
        for subject in balancers(subjects).filter(served) {
            let servers = format!("    {way}\n{}", thousand("check inter 100ms"));
            let running = subject.start_with(redis, 1000, &servers);
            sleep(Duration::from_secs(3));
            let before = running.cpu_us();
            sleep(SPAN);
            let share = (running.cpu_us() - before) / SPAN.as_micros() as f64 * 100.0;
            row(subject, ("checks of 1,000 servers, % of a core", share, note), Bar::AtMost(15.0), verdicts);
        }
    }
}

/// Until a listener that the new config adds accepts; haproxy without a service manager cannot.
fn reload(redis: u16, subjects: &[Subject], verdicts: &mut Vec<Verdict>) {
    head("reload", "of 1,000 servers under load, ms until the new config acts");
    for subject in balancers(subjects).filter(|subject| subject.is_rolecall()) {
        let running = subject.start_with(redis, 1000, &thousand("check inter 1s"));
        let mut load = benchmark(&running, &["-c", "20", "-n", "400000", "-t", "get"]);
        sleep(Duration::from_millis(500));
        let added = free_port();
        let began = Instant::now();
        running.reload(|text| {
            text.replace("    default_backend", &format!("    bind 127.0.0.1:{added}\n    default_backend"))
        });
        eventually("the new listener", Duration::from_secs(10), || {
            TcpStream::connect(("127.0.0.1", added)).ok()
        });
        let took = began.elapsed().as_secs_f64() * 1000.0;
        let failed = !load.wait().is_ok_and(|status| status.success());
        let note = if failed { " (**clients failed**)" } else { " (0 refused, 0 cut)" };
        row(subject, ("ms until a reload acts", took, note), Bar::AtMost(50.0), verdicts);
        row(
            subject,
            ("clients that a reload cut", f64::from(u8::from(failed)), ""),
            Bar::AtMost(0.0),
            verdicts,
        );
    }
}

fn benchmark(running: &Running, options: &[&str]) -> Child {
    let mut command = Command::new("redis-benchmark");
    command.args(["-p", &running.port.to_string(), "-q"]).args(options);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("redis-benchmark runs")
}

/// In this process: text to model, as a reload does it.
fn parse(_redis: u16, _subjects: &[Subject], verdicts: &mut Vec<Verdict>) {
    const LINES: usize = 10_000;
    head("parse", "10,000 lines to a config, ms");
    let mut text =
        "defaults\n mode tcp\n timeout connect 2s\n timeout client 2m\n timeout server 2m\n".to_owned();
    for section in 0..(LINES - 5) / 5 {
        let (port, net) = (10_000 + section, section % 256);
        // Writing to a text cannot fail.
        let _ = write!(
            text,
            "listen redis{section}\n bind 127.0.0.1:{port}\n server a 10.0.{net}.1:6379 check inter 1s\n \
             server b 10.0.{net}.2:6379 check inter 1s backup\n # the next one\n"
        );
    }
    let bundle = Bundle { files: vec![("bench.cfg".to_owned(), text.into_bytes())], ..Bundle::default() };
    let mut times: Vec<f64> = (0..15)
        .map(|_| {
            let began = Instant::now();
            assert!(load(&bundle).config.is_some(), "the config is good");
            began.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    row(Subject::Uring, ("ms to read 10,000 lines", times[times.len() / 2], ""), Bar::AtMost(50.0), verdicts);
}

/// Descriptors that are open after so many connections, and were not before. Pipes are counted by themselves: a few
/// empty ones are kept for the next who splice.
fn leak(redis: u16, subjects: &[Subject], verdicts: &mut Vec<Verdict>) {
    const SHORT: [&str; 6] = ["-c", "50", "-t", "ping_mbulk", "-k", "0"];
    const LARGE: [&str; 8] = ["-c", "20", "-t", "set,get", "-d", "1048576", "-k", "0"];
    /// Both ends of those that a worker keeps.
    const KEPT: f64 = 2.0 * 16.0;
    head("leak", "descriptors that 100,000 short connections left open");
    let plain: Vec<Subject> = balancers(subjects).collect();
    let splicing = plain.iter().filter_map(|subject| subject.splicing());
    for subject in plain.iter().copied().chain(splicing) {
        let running = subject.start_with(redis, 1000, SERVER);
        let load = |options: &[&str], count: &str| {
            let status = benchmark(&running, &[options, &["-n", count]].concat()).wait();
            assert!(
                status.is_ok_and(|status| status.success()),
                "{}: redis-benchmark failed",
                subject.name()
            );
        };
        load(&SHORT, "1000");
        let before = settled(&running);
        load(&SHORT, "100000");
        // Bulk, for the splicing to begin.
        load(&LARGE, "500");
        let after = settled(&running);
        let left = after.others as f64 - before.others as f64;
        row(subject, ("descriptors that 100,000 sessions left", left, ""), Bar::AtMost(0.0), verdicts);
        let pipes = after.pipes as f64 - before.pipes as f64;
        let kept = if plain.contains(&subject) { 0.0 } else { KEPT };
        row(subject, ("ends of pipes that they left", pipes, " ends of pipes"), Bar::AtMost(kept), verdicts);
    }
}

/// What is open once the last sessions have ended: the same for a second.
fn settled(running: &Running) -> Descriptors {
    let (mut last, mut same) = (running.descriptors(), 0);
    eventually("sessions end", Duration::from_secs(60), || {
        sleep(Duration::from_millis(100));
        let now = running.descriptors();
        same = if now == last { same + 1 } else { 0 };
        last = now;
        (same == 10).then_some(now)
    })
}
