use super::*;
use crate::config::load;
use crate::config::model::{SendProxy, ServerAddress, ServerPort, TlsChecks};

fn config(text: &str) -> Config {
    let bundle = Bundle { files: vec![("a.cfg".to_owned(), text.as_bytes().to_vec())], ..Bundle::default() };
    load(&bundle).config.expect("a config")
}

const BACKENDS: &str = "frontend f\n    bind :1\n    acl busy srv_conn(dyn/asked) gt 5\n    use_backend dyn if busy\n\
     backend dyn\n    default-server inter 777ms weight 9\n    server asked 127.0.0.1:1\n    \
     server plain 127.0.0.1:1\n    server leader 127.0.0.1:1 check\n    server follows 127.0.0.1:1 track leader\n    \
     use-server named if { src 10.0.0.1 }\n    server named 127.0.0.1:1\n\
     backend static\n    balance static-rr\n    server s 127.0.0.1:1\n\
     backend map\n    balance source\n\
     backend ring\n    balance source\n    hash-type consistent\n\
     backend one\n    dispatch 127.0.0.1:1\n";

fn read(config: &Config, line: &str) -> Result<NewServer, String> {
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    server(config, config.backends.iter().position(|b| b.name == "dyn").map(BackendId).unwrap(), &words)
}

#[test]
fn a_server_starts_with_what_its_own_words_say() {
    let config = config(BACKENDS);
    let NewServer { server, notes } =
        read(&config, "n 10.0.0.7:6379 check inter 100 rise 1 fall 1 weight 5 maxconn 7 backup").unwrap();
    let check = server.check.as_ref().unwrap();
    assert_eq!((check.inter.as_millis(), check.rise, check.fall), (100, 1, 1));
    assert_eq!((server.weight, server.maxconn, server.backup, server.id), (5, 7, true, 6));
    assert_eq!((server.origin, server.disabled), (Origin::RuntimeSocket, true));
    assert!(notes.is_empty());
    // No `default-server` counts.
    assert_eq!(read(&config, "n 10.0.0.7:6379").unwrap().server.weight, 1);
    assert!(!read(&config, "n 10.0.0.7:6379 enabled").unwrap().server.disabled);
    let unresolved = read(&config, "n redis.invalid:6379").unwrap().server;
    assert_eq!((unresolved.address, unresolved.fqdn.as_deref()), (None, Some("redis.invalid")));
    let track = read(&config, "n 10.0.0.7:6379 track follows").unwrap().server.track.unwrap();
    assert_eq!((track.server, track.name.as_str()), (4, "dyn/follows"));
    assert!(!read(&config, "n 10.0.0.7:6379 ws auto").unwrap().notes.is_empty());
    let numbered = read(&config, "n 10.0.0.7:6379 id 42").unwrap().server;
    assert_eq!((numbered.id, numbered.has_own_id), (42, true));
    let check = read(&config, "n 127.0.0.1:1 check check-proto none check-via-socks4").unwrap().server;
    assert!(check.check.is_some() && check.check_via_socks4);
    let agent = read(&config, "n 127.0.0.1:1 agent-check agent-port 5 agent-addr 127.0.0.2 agent-send hi");
    assert_eq!(agent.unwrap().server.agent.map(|agent| agent.port), Some(5));
    let nowhere = read(&config, "n : check").unwrap().server;
    let mapped = ServerAddress::Ip { ip: [0; 4].into(), port: ServerPort::Mapped(0) };
    assert_eq!(nowhere.address, Some(mapped));
}

#[test]
fn checks_do_only_what_is_said_of_checks() {
    let config = config(BACKENDS);
    let check = |line: &str| read(&config, line).unwrap().server.check.unwrap();
    let plain = check("n 127.0.0.1:1 ssl verify none send-proxy check");
    assert!(plain.send_proxy.is_none() && plain.tls.is_none());
    let alike = check("n 127.0.0.1:1 ssl verify none send-proxy-v2 check check-ssl check-send-proxy");
    assert!(matches!(alike.send_proxy, Some(SendProxy::V2(_))));
    assert_eq!(alike.tls.map(|tls| tls.when), Some(TlsChecks::AsServer));
}

/// No client is forwarded as HTTP: such a protocol is taken where HAProxy takes it, and stands for nothing.
#[test]
fn only_http_backends_take_a_protocol_of_http() {
    let config =
        config("backend web\n    mode http\nbackend asks\n    option httpchk\n    server s 127.0.0.1:1\n");
    let read = |backend, line: &str| {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        server(&config, BackendId(backend), &words).map(|new| new.server.name)
    };
    for proto in ["h1", "h2", "fcgi", "none"] {
        assert_eq!(read(0, &format!("n 127.0.0.1:1 proto {proto}")).as_deref(), Ok("n"));
    }
    assert_eq!(read(1, "n 127.0.0.1:1 check check-proto h1").as_deref(), Ok("n"));
    let incompatible = read(1, "n 127.0.0.1:1 check check-proto none").unwrap_err();
    assert!(incompatible.contains("uses an incompatible MUX protocol"), "{incompatible}");
}

/// Recorded from HAProxy 2.6.12.
#[test]
fn what_is_wrong_is_told_in_haproxys_words() {
    let config = config(BACKENDS);
    for (line, text) in [
        ("n", "'server' expects <name> and <addr>[:<port>] as arguments."),
        ("n!1 127.0.0.1:1", "character '!' is not permitted in server name 'n!1'."),
        ("n 127.0.0.1:1 chek", "unknown keyword 'chek'; did you mean 'check' maybe ?"),
        ("n 127.0.0.1:1 init-addr none", "'init-addr' option is not accepted for dynamic server"),
        ("n 127.0.0.1:1 resolvers r", "'resolvers' option is not accepted for dynamic server"),
        ("n 127.0.0.1:1 tcp-ut 5s", "'tcp-ut' option is not accepted for dynamic server"),
        ("n 127.0.0.1:1-5", "port range not permitted here in '127.0.0.1:1-5'"),
        ("n 127.0.0.1:99999", "invalid port '99999'"),
        ("n 127.0.0.1:1 check track leader", "unable to enable checks and tracking at the same time!"),
        ("n 127.0.0.1:1 track nope", "unable to find required server 'nope' for tracking."),
        ("n 127.0.0.1:1 track nope/s", "unable to find required proxy 'nope' for tracking."),
        (
            "n 127.0.0.1:1 track plain",
            "unable to use dyn/plain for tracking as it does not have any check nor agent enabled.",
        ),
        ("plain 127.0.0.1:1", "Already exists a server with the same name in backend."),
        ("n 127.0.0.1:1 ssl verify required ca-file /ca", "'ca-file' : unable to load /ca."),
        ("n 127.0.0.1:1 id", "'id' : expects an integer argument."),
        ("n 127.0.0.1:1 id 0", "'id' : custom id has to be > 0."),
        ("n 127.0.0.1:1 id x", "'id' : custom id has to be > 0."),
        ("n 127.0.0.1:1 id 2", "'id' : custom id 2 already used ('server plain')."),
        ("n 127.0.0.1:1 proto", "'proto' : missing value."),
        ("n 127.0.0.1:1 proto nope", "'proto' :  unknown MUX protocol 'nope'."),
        ("n 127.0.0.1:1 proto h2", "MUX protocol is not usable for server."),
        ("n 127.0.0.1:1 check-proto nope", "'check-proto' :  unknown MUX protocol 'nope'."),
        (
            "n 127.0.0.1:1 check check-proto h2",
            "config: backend 'dyn': server 'n' uses an incompatible MUX protocol for the selected check type",
        ),
        ("n 127.0.0.1:1 socks4 127.0.0.1:1080", "'socks4' option is not accepted for dynamic server"),
        (
            "n 127.0.0.1:1 agent-check agent-port 5 agent-addr no.invalid",
            "parsing agent-addr failed. Check if 'no.invalid' is correct address.",
        ),
        ("n 127.0.0.1:1 check addr no.invalid", "'addr' : invalid address: 'no.invalid' in 'no.invalid'."),
        ("n 127.0.0.1:1 agent-check", "server n does not have agent port. Agent check has been disabled."),
        ("n 127.0.0.1:1 ssl verify none crt /c.pem", "unable to stat SSL certificate '/c.pem'."),
    ] {
        assert_eq!(read(&config, line).map(|new| new.server.name), Err(format!("{text}\n")), "{line}");
    }
    let slot = read(&config, "n sentinel@x").unwrap_err();
    assert!(slot.contains("write it there and reload"), "{slot}");
}

#[test]
fn a_server_with_an_agent_can_be_tracked() {
    let config = config("backend dyn\n    server s 127.0.0.1:1 agent-check agent-port 1\n");
    assert!(read(&config, "n 127.0.0.1:1 track s").unwrap().server.track.is_some());
}

#[test]
fn a_server_that_was_added_cannot_be_tracked() {
    let mut config = config(BACKENDS);
    let first = read(&config, "n 127.0.0.1:1 track leader").unwrap().server;
    config.backends[0].servers.push(first);
    let text = "unable to use dyn/n for tracking as it is a dynamic server.\n";
    assert_eq!(read(&config, "m 127.0.0.1:1 track n").unwrap_err(), text);
}

#[test]
fn numbers_stay_and_are_given_again() {
    let mut config = config(BACKENDS);
    config.backends[0].servers.remove(1);
    let backend = &config.backends[0];
    assert_eq!((backend.position(5), backend.position(2)), (Some(3), None));
    assert_eq!(read(&config, "n 127.0.0.1:1").unwrap().server.id, 2);
}

#[test]
fn whoever_is_pointed_at_stays() {
    let config = config(BACKENDS);
    let names = |server: &&Server| is_referenced(&config, (BackendId(0), server));
    let referenced: Vec<_> =
        config.backends[0].servers.iter().filter(names).map(|s| s.name.as_str()).collect();
    assert_eq!(referenced, ["asked", "leader", "named"]);
}

#[test]
fn algorithms_that_know_all_servers_beforehand_take_no_others() {
    let config = config(BACKENDS);
    let allowed: Vec<_> =
        config.backends.iter().filter(|b| allows_changes(b)).map(|b| b.name.as_str()).collect();
    assert_eq!(allowed, ["dyn", "ring"]);
}

proptest::proptest! {
    #[test]
    fn any_words_are_read_or_refused(words in proptest::collection::vec("\\PC{0,12}", 0..6)) {
        let config = config("backend dyn\n    server s 127.0.0.1:1\n");
        if let Err(text) = server(&config, BackendId(0), &words) {
            proptest::prop_assert!(text.ends_with('\n'));
        }
    }
}
