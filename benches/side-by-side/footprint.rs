//! What is not a load: memory of idle connections and of a large `maxconn`, checks of a thousand servers, and a
//! reload of their config under load.

use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::harness::{Client, eventually, free_port};
use crate::subject::{Subject, room};

const IDLE: u32 = 10_000;
const SERVER: &str = "    server redis 127.0.0.1:REDIS check\n";

/// Measures and prints.
pub fn print(redis: u16, subjects: &[Subject]) {
    println!(
        "\n**footprint**\n\n| | KiB an idle connection | KiB more at the start with a large maxconn |\n|---|---|---|"
    );
    for subject in subjects.iter().filter(|subject| **subject != Subject::Direct) {
        println!("| {} | {} | {} |", subject.name(), idle(*subject, redis), large_maxconn(*subject, redis));
    }
    let checked = |subject: &&Subject| **subject == Subject::Haproxy || subject.is_rolecall();
    println!(
        "\n| | checks of 1,000 servers every 100 ms, % of a core | reload of 1,000 servers under load, ms until it acts |\n|---|---|---|"
    );
    for subject in subjects.iter().filter(checked) {
        println!("| {} | {:.1} | {} |", subject.name(), checks(*subject, redis), reload(*subject, redis));
    }
}

fn idle(subject: Subject, redis: u16) -> String {
    let count = IDLE.min(room() - 100);
    let running = subject.start_with(redis, room(), SERVER);
    // What the first connections bring with them once and for all is not theirs.
    let mut clients: Vec<Client> = (0..50).map(|_| idle_client(running.port)).collect();
    let before = running.memory_kib();
    clients.extend((0..count).map(|_| idle_client(running.port)));
    sleep(Duration::from_secs(1));
    let each = (running.memory_kib() - before) / f64::from(count);
    let note = if count < IDLE { format!(" (of {count})") } else { String::new() };
    format!("{each:.2}{note}")
}

fn idle_client(port: u16) -> Client {
    let mut client = Client::connect(port).expect("the balancer accepts");
    client.call(&["PING"]).expect("an answer");
    client
}

fn large_maxconn(subject: Subject, redis: u16) -> String {
    if subject == Subject::Nginx {
        return String::new();
    }
    // Beyond it both refuse to start.
    let large = room();
    let memory = |maxconn| subject.start_with(redis, maxconn, SERVER).memory_kib();
    format!("{:.0} (maxconn {large})", memory(large) - memory(100))
}

fn thousand(check: &str) -> String {
    (0..1000).map(|at| format!("    server redis{at} 127.0.0.1:REDIS {check}\n")).collect()
}

fn checks(subject: Subject, redis: u16) -> f64 {
    const SPAN: Duration = Duration::from_secs(5);
    let servers = format!("    option redis-check\n{}", thousand("check inter 100ms"));
    let running = subject.start_with(redis, 1000, &servers);
    sleep(Duration::from_secs(3));
    let before = running.cpu_us();
    sleep(SPAN);
    (running.cpu_us() - before) / SPAN.as_micros() as f64 * 100.0
}

/// Until a listener that the new config adds accepts; haproxy without a service manager cannot.
fn reload(subject: Subject, redis: u16) -> String {
    if !subject.is_rolecall() {
        return String::new();
    }
    let running = subject.start_with(redis, 1000, &thousand("check inter 1s"));
    let mut load = Command::new("redis-benchmark")
        .args(["-p", &running.port.to_string(), "-c", "20", "-n", "400000", "-t", "get", "-q"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-benchmark runs");
    sleep(Duration::from_millis(500));
    let added = free_port();
    let began = Instant::now();
    running.reload(|text| {
        text.replace("    default_backend", &format!("    bind 127.0.0.1:{added}\n    default_backend"))
    });
    eventually("the new listener", Duration::from_secs(10), || TcpStream::connect(("127.0.0.1", added)).ok());
    let took = began.elapsed();
    let clean = load.wait().is_ok_and(|status| status.success());
    format!("{:.0}{}", took.as_secs_f64() * 1000.0, if clean { "" } else { " (**clients failed**)" })
}
