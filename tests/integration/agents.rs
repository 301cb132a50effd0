//! `agent-check`: what an agent says takes servers out and lets them back, and never brings clients to a server whose
//! role is not proved.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::harness::rolecall::{ask, csv_field, redis_config, stats_section};
use crate::harness::{Client, Redis, Rolecall, eventually, free_port};

const SOON: Duration = Duration::from_secs(30);

/// An agent whose line can be changed; it says it to whoever has sent what it wants to hear first.
struct Agent {
    port: u16,
    line: Arc<Mutex<String>>,
}

impl Agent {
    fn start(hears: &'static str, line: &str) -> Agent {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let said = Arc::new(Mutex::new(line.to_owned()));
        let line = Arc::clone(&said);
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let line = line.lock().expect("nobody panics").clone();
                // A question that breaks off is asked again.
                let _ = answer(&mut stream, hears, &line);
            }
        });
        Agent { port, line: said }
    }

    fn say(&self, line: &str) {
        *self.line.lock().expect("nobody panics") = line.to_owned();
    }
}

fn answer(stream: &mut TcpStream, hears: &str, line: &str) -> std::io::Result<()> {
    stream.set_read_timeout(Some(SOON))?;
    let mut heard = vec![0; hears.len()];
    stream.read_exact(&mut heard)?;
    if heard == hears.as_bytes() {
        stream.write_all(line.as_bytes())?;
    }
    Ok(())
}

fn reached(port: u16) -> Option<u16> {
    Client::connect_within(port, Duration::from_secs(5)).and_then(|mut client| client.server_port()).ok()
}

#[test]
fn an_agent_decides_about_the_master_and_never_for_a_replica() {
    let master = Redis::master();
    let replica = Redis::replica_of(&master);
    let agent = Agent::start("state?\n", "up ready 100%\n");
    let (port, page) = (free_port(), free_port());
    let more = format!(
        "    no option redis-hold\n    timeout queue 200ms\n    default-server agent-check agent-inter 50ms \
         agent-port {} agent-send state?\\n\n",
        agent.port
    );
    let config = redis_config(port, &[master.port, replica.port], &more) + &stats_section(page);
    let rolecall = Rolecall::start(&config, port);
    let status = |name: &str| csv_field(page, "redis_backend", name, "status").unwrap_or_default();
    let becomes = |name: &str, wanted: &str| {
        eventually(wanted, SOON, || (status(name) == wanted).then_some(()));
    };
    let is_reached = || eventually("the master", SOON, || reached(port).filter(|at| *at == master.port));
    is_reached();
    becomes("redis2", "DOWN");
    for (line, stands) in
        [("down #by hand\n", "DOWN (agent)"), ("maint\n", "MAINT"), ("drain\n", "DRAIN (agent)")]
    {
        agent.say(line);
        becomes("redis1", stands);
        assert_eq!(reached(port), None, "{line}: {}", rolecall.output());
        // Nothing but the role check brings the replica up, whatever the agent says of it.
        agent.say("up ready 256%\n");
        is_reached();
        assert_eq!((0..10).filter_map(|_| reached(port)).collect::<Vec<_>>(), vec![master.port; 10]);
    }
    becomes("redis2", "DOWN");
    for line in [
        "Server redis_backend/redis1 is DOWN, reason: Layer7 wrong status, code: 0, info: \"via agent : down (by hand)\"",
        "Server redis_backend/redis1 is UP, reason: Layer7 check passed, code: 0, info: \"via agent : up\"",
        "Server redis_backend/redis1 is going DOWN for maintenance.",
        "Server redis_backend/redis1 enters drain state.",
    ] {
        rolecall.wait_for_output(line);
    }
}

#[test]
fn operators_command_agents_and_agents_set_weights_and_limits() {
    let server = Redis::master();
    let agent = Agent::start("", "40% maxconn:7\n");
    let other = Agent::start("now\n", "down\n");
    let (port, page) = (free_port(), free_port());
    let directory = tempfile::TempDir::new().expect("a private directory");
    let path = directory.path().join("s");
    let config = format!(
        "global\n    stats socket {} level admin\ndefaults\n    timeout connect 2s\n    timeout client 9s\n    timeout \
         server 9s\nlisten l\n    bind 127.0.0.1:{port}\n    server s 127.0.0.1:{} weight 50 check inter 50ms \
         agent-check agent-inter 50ms agent-port {}\n    server t 127.0.0.1:{}\n{}",
        path.display(),
        server.port,
        agent.port,
        server.port,
        stats_section(page),
    );
    let _rolecall = Rolecall::start(&config, port);
    let field = |name: &str| csv_field(page, "l", "s", name).unwrap_or_default();
    let becomes = |name: &str, wanted: &str| {
        eventually(wanted, SOON, || (field(name) == wanted).then_some(()));
    };
    becomes("weight", "20");
    becomes("slim", "7");
    assert_eq!(
        ask(&path, "set server l/s agent foo"),
        "'set server <srv> agent' expects 'up' or 'down'.\n\n"
    );
    assert_eq!(ask(&path, "set server l/s agent down"), "\n");
    becomes("status", "DOWN (agent)");
    // It says nothing of health, and so stays down whatever the checks find.
    becomes("agent_status", "CHECKED");
    assert_eq!(
        (field("status"), field("agent_health"), field("check_status")),
        ("DOWN (agent)".to_owned(), "0".to_owned(), "L4OK".to_owned())
    );
    assert_eq!(ask(&path, "disable agent l/s"), "\n");
    // Its checks alone count now.
    becomes("status", "UP");
    assert_eq!(field("agent_status"), "");
    assert_eq!(ask(&path, "set server l/s agent up"), "agent checks are not enabled on this server.\n\n");
    assert_eq!(ask(&path, "enable agent l/s; set server l/s agent up"), "\n\n");
    becomes("agent_health", "1");
    assert_eq!(ask(&path, "set server l/s agent-send now\\n"), "\n");
    assert_eq!(ask(&path, &format!("set server l/s agent-addr 127.0.0.1 port {}", other.port)), "\n");
    becomes("last_agt", "TCPCHK got an empty response at step 2");
    other.say("down\n");
    assert_eq!(ask(&path, "enable agent l/t"), "Agent was not configured on this server, cannot enable.\n\n");
}
