//! What statements become.

use std::time::Duration;

use super::{bundle, config, loaded, told};
use crate::config::load;
use crate::config::model::{
    Backend, Balance, BindAddress, CheckAction, CheckFormat, CheckMethod, Config, Frontend, GuardMode,
    Keepalive, Lag, LogAddress, LogFraming, Mode, OnError, Redispatch, RiseFall, Server, ServerAddress,
    ServerPort,
};

const DEFAULTS: &str = "defaults\n timeout connect 1s\n timeout client 1s\n timeout server 1s\n";

/// A `listen` with these lines.
fn listen(lines: &str) -> Config {
    config(&format!("{DEFAULTS}listen l\n bind :1\n {lines}\n"))
}

fn backend(lines: &str) -> Backend {
    listen(lines).backends.remove(0)
}

fn frontend(lines: &str) -> Frontend {
    listen(lines).frontends.remove(0)
}

fn server(options: &str) -> Server {
    backend(&format!("server s 10.0.0.1:6379 {options}")).servers.remove(0)
}

fn addresses(bind: &str) -> Vec<String> {
    let config = config(&format!("{DEFAULTS}frontend f\n bind {bind}\n"));
    let show = |address: &BindAddress| match address {
        BindAddress::Tcp(address) => address.to_string(),
        other => format!("{other:?}"),
    };
    config.frontends[0].binds.iter().map(|bind| show(&bind.address)).collect()
}

#[test]
fn bind_addresses() {
    let table: &[(&str, &[&str])] = &[
        (":6379", &["0.0.0.0:6379"]),
        ("*:6379", &["0.0.0.0:6379"]),
        ("*:6379,:::6380", &["0.0.0.0:6379", "[::]:6380"]),
        ("[::]:8888 v4v6", &["[::]:8888"]),
        ("10.0.0.1:1-3", &["10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3"]),
        ("localhost:1", &["127.0.0.1:1"]),
        ("six.example:1", &["[2001:db8::6]:1"]),
        ("*:$PORT", &["0.0.0.0:6380"]),
        ("\"$HOST:${PORT}\"", &["10.0.0.9:6380"]),
        ("/run/redis.sock", &["Unix(\"/run/redis.sock\")"]),
        ("abns@redis", &["Abstract(\"redis\")"]),
        ("fd@4", &["Fd(4)"]),
    ];
    for (text, expected) in table {
        assert_eq!(&addresses(text), expected, "{text}");
    }
}

#[test]
fn bind_options_and_ids() {
    let text = "frontend f\n timeout client 1s\n bind :1-2 name redis backlog 9 maxconn 8 transparent tfo\n \
                bind :::3 v6only defer-accept interface eth0 mss 1400 tcp-ut 5s\n";
    let config = config(text);
    let binds = &config.frontends[0].binds;
    assert_eq!(binds.iter().map(|bind| bind.id).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(
        (binds[1].name.as_deref(), binds[1].backlog, binds[1].maxconn),
        (Some("redis"), Some(9), Some(8))
    );
    assert!(binds[0].transparent && binds[0].tfo && binds[2].v6only && binds[2].defer_accept);
    assert_eq!((binds[2].interface.as_deref(), binds[2].mss), (Some("eth0"), Some(1400)));
    assert_eq!(binds[2].tcp_ut, Some(Duration::from_secs(5)));
    assert_eq!(binds[2].origin, ("test.cfg".to_owned(), 4));
}

#[test]
fn server_addresses() {
    let ip = |text: &str, port| Some(ServerAddress::Ip { ip: text.parse().unwrap(), port });
    let table = [
        ("10.0.0.1:6379", ip("10.0.0.1", ServerPort::Fixed(6379))),
        ("10.0.0.1", ip("10.0.0.1", ServerPort::Mapped(0))),
        ("10.0.0.1:+100", ip("10.0.0.1", ServerPort::Mapped(100))),
        ("[::1]:1", ip("::1", ServerPort::Fixed(1))),
        ("localhost:1", ip("127.0.0.1", ServerPort::Fixed(1))),
        ("ipv6@localhost:1", ip("::1", ServerPort::Fixed(1))),
        ("${HOST}:$PORT", ip("10.0.0.9", ServerPort::Fixed(6380))),
        ("/run/r", Some(ServerAddress::Unix("/run/r".into()))),
        ("unix@/run/r", Some(ServerAddress::Unix("/run/r".into()))),
        ("abns@r", Some(ServerAddress::Abstract("r".to_owned()))),
        ("nowhere.invalid:1 init-addr libc,none", None),
    ];
    for (text, expected) in table {
        assert_eq!(backend(&format!("server s {text}")).servers[0].address, expected, "{text}");
    }
}

#[test]
fn server_options_the_last_one_counts() {
    let found = server(
        "check port 1 check port 2 inter 1 inter 2s fastinter 3 downinter 1m rise 4 fall 5 addr 10.0.0.7",
    );
    let check = found.check.unwrap();
    assert_eq!((check.port, check.rise, check.fall, check.inter), (Some(2), 4, 5, Duration::from_secs(2)));
    assert_eq!(
        (check.fastinter, check.downinter),
        (Some(Duration::from_millis(3)), Some(Duration::from_secs(60)))
    );
    assert_eq!(check.addr, Some("10.0.0.7".parse().unwrap()));

    let found = server(
        "weight 0 backup maxconn 9 minconn 3 maxqueue 4 disabled slowstart 5s source 10.0.0.8 tcp-ut 1s",
    );
    assert_eq!((found.weight, found.backup, found.disabled), (0, true, true));
    assert_eq!((found.maxconn, found.minconn, found.maxqueue), (9, 3, 4));
    assert_eq!((found.slowstart, found.tcp_ut), (Duration::from_secs(5), Some(Duration::from_secs(1))));
    assert_eq!(found.source, Some("10.0.0.8".parse().unwrap()));

    let found = server(
        "check observe layer4 error-limit 3 on-error mark-down on-marked-down shutdown-sessions on-marked-up shutdown-backup-sessions",
    );
    assert!(
        found.observe_layer4
            && found.on_marked_down_shutdown_sessions
            && found.on_marked_up_shutdown_backup_sessions
    );
    assert_eq!((found.error_limit, found.on_error), (3, OnError::MarkDown));
    let plain = server("");
    assert_eq!(
        (plain.weight, plain.error_limit, plain.on_error, plain.check),
        (1, 10, OnError::FailCheck, None)
    );
}

#[test]
fn default_servers_add_up_and_are_handed_down() {
    let text = format!(
        "{DEFAULTS} default-server check inter 1s backup\nbackend b\n server first :1\n default-server fall 7 no-backup\n \
         server second :2\n server third :3 no-check\n"
    );
    let config = config(&text);
    let servers = &config.backends[0].servers;
    let facts = |server: &Server| {
        (server.backup, server.check.as_ref().map(|check| (check.inter.as_secs(), check.fall)))
    };
    assert_eq!(facts(&servers[0]), (true, Some((1, 3))));
    assert_eq!(facts(&servers[1]), (false, Some((1, 7))));
    assert_eq!(facts(&servers[2]), (false, None));
}

#[test]
fn balance_and_redispatch() {
    let table = [
        ("", Balance::RoundRobin),
        ("roundrobin", Balance::RoundRobin),
        ("static-rr", Balance::StaticRr),
        ("leastconn", Balance::LeastConn),
        ("first", Balance::First),
        ("source", Balance::Source(Default::default())),
        ("random", Balance::Random(2)),
        ("random(3)", Balance::Random(3)),
    ];
    for (text, expected) in table {
        assert_eq!(backend(&format!("balance {text}")).balance, expected, "{text}");
    }
    let table = [
        ("option redispatch", Redispatch::LastRetry),
        ("option redispatch 1", Redispatch::EveryNth(1)),
        ("option redispatch -1", Redispatch::LastRetry),
        ("option redispatch -3", Redispatch::FromLast(3)),
        ("option redispatch 0", Redispatch::Uncounted),
        ("option redispatch\n no option redispatch", Redispatch::Off),
    ];
    for (text, expected) in table {
        assert_eq!(backend(text).redispatch, expected, "{text}");
    }
}

#[test]
fn option_redis_replica_takes_bytes_or_a_time() {
    let lag = |words: &str| backend(&format!("option redis-replica {words}")).redis.replica.unwrap().max_lag;
    let time = |milliseconds| Some(Lag::Time(Duration::from_millis(milliseconds)));
    assert_eq!(backend("").redis.replica, None);
    assert_eq!(backend("option redis-replica\n no option redis-replica").redis.replica, None);
    for (words, want) in [
        ("", None),
        ("max-lag 1000", Some(Lag::Bytes(1000))),
        ("max-lag 64k", Some(Lag::Bytes(64 << 10))),
        ("max-lag 2m", Some(Lag::Bytes(2 << 20))),
        ("max-lag 500ms", time(500)),
        ("max-lag 5s", time(5000)),
        ("max-lag 1h", time(3_600_000)),
    ] {
        assert_eq!(lag(words), want, "{words:?}");
    }
}

#[test]
fn redis_options() {
    let plain = backend("").redis;
    assert_eq!(
        (plain.guard, plain.proof, plain.single_master, plain.kept_probe),
        (GuardMode::On, true, true, None)
    );
    let off = backend("option redis-guard observe\n no option redis-proof\n no option redis-single-master\n no option redis-probe\n no option redis-hold").redis;
    assert_eq!(
        (off.guard, off.proof, off.single_master, off.kept_probe),
        (GuardMode::Observe, false, false, Some(false))
    );
    let seconds = |lines: &str| backend(lines).redis.hold.map(|hold| hold.as_secs());
    assert_eq!(off.hold, None);
    assert_eq!(seconds(""), Some(5));
    assert_eq!(seconds("timeout queue 9s"), Some(9));
    assert_eq!(seconds("option redis-hold 3s\n timeout queue 9s"), Some(3));
    assert_eq!(seconds("option redis-hold 0"), None);
    assert_eq!(backend("option redis-guard off").redis.guard, GuardMode::Off);
    assert_eq!(backend("no option redis-guard").redis.guard, GuardMode::Off);
}

#[test]
fn log_lines() {
    let target = |line: &str| frontend(line).log.targets.remove(0);
    let found = target("log /dev/log local0");
    assert_eq!(
        (found.address, found.facility, found.max_level),
        (LogAddress::Unix("/dev/log".into()), 16, 7)
    );
    let found = target("log stdout format raw local0 info");
    assert_eq!((found.address, found.framing, found.max_level), (LogAddress::Stdout, LogFraming::Raw, 6));
    let found = target("log localhost:1514 len 200 daemon notice err");
    assert_eq!(found.address, LogAddress::Udp("127.0.0.1:1514".parse().unwrap()));
    assert_eq!((found.length, found.facility, found.max_level, found.min_level), (200, 3, 5, 3));

    let text = "global\n log 10.0.0.1 local0\n log-tag lb\ndefaults\n timeout client 1s\n log global\n\
                frontend a\n bind :1\n log 10.0.0.2 local1\n log global\nfrontend b\n bind :2\n no log\n log-tag x\n";
    let config = config(text);
    assert_eq!(config.frontends[0].log.targets.len(), 2);
    assert!(config.frontends[1].log.targets.is_empty());
    assert_eq!(
        (config.global.log_tag.as_deref(), config.frontends[1].log.tag.as_deref()),
        (Some("lb"), Some("x"))
    );
}

#[test]
fn check_scripts() {
    let text = "option tcp-check\n tcp-check connect port 26379 linger\n tcp-check comment ask\n tcp-check send \"AUTH ${PW}\"\\r\\n\n \
                tcp-check expect ! string -ERR\n tcp-check send-binary 50494e47 comment own\n \
                tcp-check expect min-recv 3 comment c ok-status L7OKC error-status L7STS tout-status L6TOUT on-error bad rstring role:(master|x)\n";
    let CheckMethod::TcpCheck(rules) = backend(text).check else { panic!("no script") };
    let comments: Vec<_> = rules.iter().map(|rule| rule.comment.as_deref()).collect();
    assert_eq!(comments, [None, Some("ask"), Some("ask"), None, Some("own"), Some("c")]);
    assert!(
        matches!(&rules[0].action, CheckAction::Connect(connect) if connect.port == Some(26379) && connect.linger)
    );
    assert!(matches!(&rules[2].action, CheckAction::Send(bytes) if bytes.expose() == b"AUTH hunter2\r\n"));
    assert!(matches!(&rules[3].action, CheckAction::Expect(expect) if expect.inverse));
    assert!(matches!(&rules[4].action, CheckAction::SendBinary(bytes) if bytes.expose() == b"PING"));
    let CheckAction::Expect(last) = &rules[5].action else { panic!("no expect") };
    assert_eq!((last.min_recv, last.ok_status, last.error_status), (Some(3), Some("L7OKC"), Some("L7STS")));
    assert_eq!((last.tout_status, last.on_error.clone()), (Some("L6TOUT"), Some(CheckFormat::text("bad"))));

    assert_eq!(backend("option redis-check").check, CheckMethod::RedisCheck);
    assert_eq!(backend("tcp-check send x").check, CheckMethod::Layer4);
}

#[test]
fn check_rules_of_defaults_are_replaced_by_own_ones() {
    let text = format!(
        "{DEFAULTS} option tcp-check\n tcp-check send a\n tcp-check send b\nbackend x\nbackend y\n tcp-check connect\n"
    );
    let count = |check: &CheckMethod| match check {
        CheckMethod::TcpCheck(rules) => rules.len(),
        _ => 0,
    };
    let counts: Vec<usize> = config(&text).backends.iter().map(|backend| count(&backend.check)).collect();
    assert_eq!(counts, [2, 1]);
}

#[test]
fn keepalive_options() {
    let with_idle = Keepalive { idle: Some(Duration::from_secs(30)), interval: None, count: Some(4) };
    let table: [(&str, Option<Keepalive>, Option<Keepalive>); 5] = [
        ("", None, None),
        ("option tcpka", Some(Keepalive::default()), Some(Keepalive::default())),
        ("option clitcpka\n clitcpka-idle 30s\n clitcpka-cnt 4", Some(with_idle), None),
        ("option tcpka\n no option srvtcpka\n no option clitcpka", None, None),
        ("option tcpka\n no option clitcpka", None, Some(Keepalive::default())),
    ];
    for (lines, client, server) in table {
        assert_eq!((frontend(lines).keepalive, backend(lines).keepalive), (client, server), "{lines}");
    }
}

#[test]
fn named_defaults_and_ids() {
    let text = "defaults a\n timeout client 1s\n timeout connect 1s\n timeout server 1s\n retries 1\ndefaults b from a\n retries 2\n\
                defaults c\n timeout client 9s\nfrontend f\n bind :1\nbackend f from b\nlisten l from a\n bind :2\n";
    let config = config(text);
    assert_eq!(config.frontends[0].timeout_client, Some(Duration::from_secs(9)));
    let ids: Vec<_> = config.backends.iter().map(|backend| (backend.proxy_id, backend.retries)).collect();
    assert_eq!(ids, [(2, 2), (3, 1)]);
    assert_eq!(config.frontends[1].default_backend.map(|id| id.0), Some(1));
}

/// What the real program was seen to number these with.
#[test]
fn sections_may_ask_for_their_ids() {
    let numbered = |wanted: &[Option<u32>]| {
        let section = |(at, id): (usize, &Option<u32>)| {
            format!("backend b{at}\n{}", id.map(|id| format!(" id {id}\n")).unwrap_or_default())
        };
        let sections: String = wanted.iter().enumerate().map(section).collect();
        let loaded = load(&bundle(&format!("global\n stats socket /run/x\n{DEFAULTS}{sections}")));
        let backends = loaded.config.unwrap().backends;
        assert!(backends.iter().map(|backend| backend.order).eq(0..wanted.len()));
        backends.iter().map(|backend| backend.proxy_id).collect::<Vec<_>>()
    };
    assert_eq!(numbered(&[None, Some(5), None, None, None, None]), [2, 5, 4, 6, 7, 8]);
    assert_eq!(numbered(&[None, Some(1), Some(2), Some(4), None]), [3, 1, 2, 4, 7]);
    assert_eq!(numbered(&[Some(9), Some(8), None]), [9, 8, 4]);
}

#[test]
fn an_id_belongs_to_one_section() {
    let loaded = load(&bundle(&format!("{DEFAULTS}backend a\n id 3\nlisten b\n bind :1\n id 3\n")));
    let message = &loaded.diagnostics[0].message;
    assert!(message.starts_with("listen b reuses same custom id as backend a (declared at "), "{message}");
    assert!(loaded.config.is_none());
}

#[test]
fn http_rules_do_not_stand_in_a_defaults_without_a_name() {
    for rule in ["http-request set-header", "http-response set-header", "http-after-response set-header"] {
        let told = |name: &str| {
            let loaded = load(&bundle(&format!("defaults {name}\n {rule} X 1\n")));
            loaded.diagnostics.into_iter().map(|diagnostic| diagnostic.message).collect::<Vec<_>>()
        };
        let keyword = rule.split(' ').next().unwrap();
        assert_eq!(told(""), [format!("'{keyword}' not allowed in anonymous 'defaults' section.")]);
        assert_ne!(told("d"), told(""));
    }
}

/// It shows in `show servers state`.
#[test]
fn a_server_without_a_check_keeps_its_rise() {
    let config = config(&format!(
        "{DEFAULTS}backend b\n default-server rise 1 fall 4\n server s 127.0.0.1:1\n server t 127.0.0.1:1 check\n"
    ));
    for server in &config.backends[0].servers {
        assert_eq!(server.rise_fall(), RiseFall { rise: 1, fall: 4 });
    }
}

/// HAProxy gives the proxy behind the socket the first number.
#[test]
fn a_stats_socket_takes_the_first_id() {
    let text = format!("global\n stats socket /run/x\n{DEFAULTS}listen l\n bind :1\n");
    let loaded = load(&bundle(&text));
    assert_eq!(loaded.config.unwrap().frontends[0].proxy_id, 2);
}

#[test]
fn the_first_use_backend_comes_before_default_backend() {
    let text = format!(
        "{DEFAULTS}frontend f\n bind :1\n default_backend a\n use_backend c\n use_backend b\n\
         backend a\nbackend b\nbackend c\nlisten l\n bind :2\n use_backend a\n"
    );
    let targets: Vec<_> =
        config(&text).frontends.iter().map(|front| front.default_backend.unwrap().0).collect();
    assert_eq!(targets, [2, 0]);
}

#[test]
fn a_tcp_frontend_may_lead_to_a_stats_backend() {
    let text = format!(
        "{DEFAULTS}frontend http\n bind :8080\n default_backend stats\nbackend stats\n mode http\n stats uri /\n stats show-node\n stats hide-version\n"
    );
    let config = config(&text);
    assert_eq!((config.frontends[0].mode, config.backends[0].mode), (Mode::Tcp, Mode::Http));
    let page = config.backends[0].stats.as_ref().unwrap();
    assert_eq!((page.uri.as_str(), page.node.as_deref(), page.hide_version), ("/", Some("balancer1"), true));
    assert_eq!(page.realm, "HAProxy Statistics");
}

#[test]
fn a_page_of_ones_own_forgets_that_of_defaults() {
    let text = "defaults\n mode http\n timeout client 1s\n stats uri /a\n stats hide-version\nlisten x\n bind :1\nlisten y\n bind :2\n stats refresh 5\n";
    let config = config(text);
    let uris: Vec<_> =
        config.frontends.iter().map(|frontend| frontend.stats.as_ref().unwrap().uri.as_str()).collect();
    assert_eq!(uris, ["/a", "/haproxy?stats"]);
}

#[test]
fn the_environment_changes_line_by_line() {
    let text = "global\n setenv A 10.0.0.1\n presetenv A 10.0.0.2\n presetenv B 7\n log \"$A\" local0\n unsetenv A\n resetenv B\n\
                listen l\n bind \"${A-*}:$B\"\n timeout client 1s\n";
    let config = config(text);
    assert_eq!(config.global.log[0].address, LogAddress::Udp("10.0.0.1:514".parse().unwrap()));
    assert_eq!(config.frontends[0].binds[0].address, BindAddress::Tcp("0.0.0.0:7".parse().unwrap()));
    let described = super::config(
        "listen l\n bind :1\n timeout client 1s\n description \"$HAPROXY_BRANCH $HAPROXY_LOCALPEER\" x\n",
    );
    assert_eq!(described.frontends[0].description.as_deref(), Some("2.6 balancer1 x"));
}

#[test]
fn what_the_bundle_lacks_is_wanted() {
    let text = "global\n user redis\n group nobody\n log syslog local0\nlisten l\n bind :1\n server a redis1:1\n server b redis1:2\n server c 10.0.0.1:1\n";
    let mut bundle = bundle(text);
    bundle.groups.clear();
    let loaded = load(&bundle);
    assert!(loaded.config.is_none());
    assert_eq!(loaded.wanted.hosts, ["redis1", "syslog"]);
    assert_eq!(
        (loaded.wanted.users.as_slice(), loaded.wanted.groups.as_slice()),
        (&["redis".to_owned()][..], &["nobody".to_owned()][..])
    );
    bundle.groups.insert("nobody".to_owned(), None);
    assert_eq!(load(&bundle).wanted.groups, ["nogroup"]);
}

#[test]
fn a_disabled_proxy_may_refer_to_nothing() {
    let text = "frontend f\n disabled\n default_backend nowhere\nbackend b\n disabled\n server a nowhere.invalid:1\n server c 10.0.0.1 check\n";
    let loaded = loaded(text);
    assert!(loaded.config.is_some(), "{}", told(&loaded));
}

#[test]
fn several_files_are_one_config() {
    let mut bundle = bundle("global\n daemon\ndefaults\n timeout client 7s\n");
    bundle.files.push(("b.cfg".to_owned(), b"frontend f\n bind :1\nglobal\n maxconn 9\n".to_vec()));
    let config = load(&bundle).config.unwrap();
    assert_eq!((config.global.daemon, config.global.maxconn), (true, Some(9)));
    assert_eq!(config.frontends[0].timeout_client, Some(Duration::from_secs(7)));
    assert_eq!(config.frontends[0].binds[0].origin, ("b.cfg".to_owned(), 2));
}

#[test]
fn conditions_choose_lines() {
    let table = [
        ("defined(ROLECALL)", "a"),
        ("defined(NOPE)", "c"),
        ("!defined(PW) || streq(\"$PW\",hunter2)", "a"),
        ("0\n listen wrong-$\n.elif version_atleast(2.6)", "b"),
        ("", "c"),
    ];
    for (condition, expected) in table {
        let (first, second) = if condition.contains("elif") { ("b", "b") } else { ("a", "b") };
        let text = format!(
            "{DEFAULTS}.if {condition}\nlisten {first}\n bind :1\n.elif 0\nlisten {second}x\n bind :1\n.else\nlisten c\n bind :1\n.if 1\n.else\n maxconn x\n.endif\n.endif\n"
        );
        assert_eq!(config(&text).frontends[0].name, expected, "{condition}");
    }
}

#[test]
fn a_name_without_an_address_may_be_ignored_at_the_start() {
    let text = "listen l\n bind :1\n timeout client 1s\n timeout server 1s\n timeout connect 1s\n server s nowhere.invalid:1\n";
    let strict = bundle(text);
    assert!(load(&strict).config.is_none());
    let lenient = load(&crate::config::Bundle { ignore_unresolved: true, ..strict });
    assert_eq!(lenient.config.unwrap().backends[0].servers[0].address, None);
}

#[test]
fn a_template_makes_servers_that_are_alike() {
    let made = |line: &str| {
        let servers = backend(line).servers;
        servers.iter().map(|server| format!("{} {}", server.id, server.name)).collect::<Vec<_>>().join(", ")
    };
    for (line, expected) in [
        ("server-template r 3 localhost:6379", "1 r1, 2 r2, 3 r3"),
        ("server-template r 2-3 localhost:6379", "1 r2, 2 r3"),
        ("server-template r 0-1x 10.0.0.1:6379", "1 r0, 2 r1"),
        ("server-template r 1 /run/r.sock\n server s :1", "1 r1, 2 s"),
    ] {
        assert_eq!(made(line), expected, "{line}");
    }
    let servers =
        backend("default-server weight 7\n server-template r 2 localhost:6379 check backup").servers;
    let at = ServerAddress::Ip { ip: [127, 0, 0, 1].into(), port: ServerPort::Fixed(6379) };
    for server in &servers {
        assert_eq!(server.address.as_ref(), Some(&at));
        assert!(server.check.is_some() && server.backup && server.weight == 7);
    }
}

#[test]
fn the_first_method_of_init_addr_that_knows_an_address_counts() {
    for (methods, name, expected, says) in [
        ("", "localhost", Some([127, 0, 0, 1]), ""),
        ("init-addr none,libc", "localhost", None, ""),
        ("init-addr 10.0.0.7,libc", "localhost", Some([10, 0, 0, 7]), ""),
        (
            "init-addr libc,10.0.0.7",
            "nowhere.invalid",
            Some([10, 0, 0, 7]),
            "falling back to configured address.",
        ),
        ("init-addr last,libc,none", "nowhere.invalid", None, "disabling server."),
        ("init-addr none", "_redis._tcp.local", None, ""),
    ] {
        let loaded = loaded(&format!("{DEFAULTS}listen l\n bind :1\n server s {name}:1 {methods}\n"));
        let told = told(&loaded);
        let config = loaded.config.unwrap_or_else(|| panic!("{methods}: {told}"));
        let expected = expected.map(|ip| ServerAddress::Ip { ip: ip.into(), port: ServerPort::Fixed(1) });
        assert_eq!(config.backends[0].servers[0].address, expected, "{methods}");
        assert!(told.contains(says) && told.is_empty() == says.is_empty(), "{methods}: {told}");
    }
}

#[test]
fn resolvers_and_the_servers_that_ask_them() {
    use crate::config::model::{Duplicates, IpFamily, RecordWeights, Transport};
    let text = "resolvers dns\n nameserver a 10.0.0.53:53\n nameserver b tcp@[::1]:5353\n nameserver c udp@localhost:53\n \
                parse-resolv-conf\n hold valid 2s\n hold obsolete 3000\n timeout resolve 4s\n timeout retry 500\n resolve_retries 0\n \
                accepted_payload_size 8192\n";
    let servers = "backend b\n timeout connect 1s\n timeout server 1s\n default-server init-addr none resolvers dns\n \
                   server a redis.test:6379\n server b ipv4@redis.test resolve-opts allow-dup-ip,ignore-weight resolvers default\n \
                   server c _r._tcp.test:1 check resolve-prefer ipv4 resolve-net 10.0.0.0/8,fd00::/8\n server d 10.0.0.1:1\n";
    let bundle = crate::config::Bundle {
        resolv_conf: Some(b"nameserver 10.0.0.53\nnameserver 10.0.0.54\n".to_vec()),
        ..bundle(&format!("{servers}{text}"))
    };
    let config = load(&bundle).config.expect("it is right");
    let [dns, default] = config.resolvers.as_slice() else { panic!("{:?}", config.resolvers) };
    let shown = |section: &crate::config::model::Resolvers| {
        section
            .nameservers
            .iter()
            .map(|server| format!("{}={}", server.id, server.address))
            .collect::<Vec<_>>()
    };
    // One that is named already is not asked twice.
    assert_eq!(shown(dns), ["a=10.0.0.53:53", "b=[::1]:5353", "c=127.0.0.1:53", "10.0.0.54=10.0.0.54:53"]);
    assert_eq!(dns.nameservers[1].transport, Transport::Tcp);
    assert_eq!((default.name.as_str(), shown(default).len()), ("default", 2));
    let seconds = [dns.hold.valid, dns.hold.nx, dns.hold.obsolete, dns.resolve].map(|time| time.as_secs());
    assert_eq!(seconds, [2, 30, 3, 4]);
    assert_eq!((dns.retry.as_millis(), dns.retries, dns.payload_size), (500, 1, 8192));
    let [a, b, c, d] = &config.backends[0].servers[..] else { panic!("four servers") };
    assert_eq!((a.fqdn.as_deref(), &a.address), (Some("redis.test"), &None));
    let lookup = a.lookup.as_ref().expect("it asks");
    assert_eq!(
        (lookup.prefer, lookup.duplicates, lookup.port),
        (IpFamily::V6, Duplicates::Prevented, ServerPort::Fixed(6379))
    );
    let lookup = b.lookup.as_ref().expect("it asks");
    assert_eq!(
        (lookup.prefer, lookup.duplicates, lookup.weights),
        (IpFamily::V4, Duplicates::Allowed, RecordWeights::Ignored)
    );
    let lookup = c.lookup.as_ref().expect("it asks");
    assert_eq!((c.fqdn.as_deref(), lookup.service.as_deref()), (None, Some("_r._tcp.test")));
    assert_eq!((lookup.prefer, lookup.networks.len()), (IpFamily::V4, 2));
    assert_eq!((d.lookup.as_ref(), d.fqdn.as_deref()), (None, None));
}

#[test]
fn what_a_hash_is_may_stand_before_or_after_balance() {
    use crate::config::model::{HashMethod, Hashing};
    let ring = |avalanche, balance_factor| Hashing {
        method: HashMethod::Consistent,
        avalanche,
        balance_factor,
        ..Hashing::default()
    };
    let map = |avalanche| Hashing { avalanche, ..Hashing::default() };
    for (lines, expected) in [
        ("balance source", map(false)),
        ("hash-type consistent\n balance source", ring(true, None)),
        ("balance source\n hash-type consistent crc32", ring(false, None)),
        (
            "balance source\n hash-type consistent wt6 avalanche\n hash-balance-factor 150",
            ring(true, Some(150)),
        ),
        ("balance source\n hash-type map-based djb2 avalanche", map(true)),
    ] {
        let Balance::Source(found) = backend(lines).balance else { panic!("{lines}") };
        assert_eq!(Hashing { function: expected.function, ..found }, expected, "{lines}");
    }
}

#[test]
fn cpu_map_gives_threads_their_cores() {
    let map = |lines: &str| {
        let map = config(&format!("global\n {lines}\n{DEFAULTS}listen l\n bind :1\n")).global.cpu_map;
        map.into_iter().filter(|(thread, _)| *thread < 5).collect::<Vec<_>>()
    };
    for (lines, expected) in [
        ("cpu-map 1/1 3", vec![(1, vec![3])]),
        ("cpu-map auto:1/1-2 4-5", vec![(1, vec![4]), (2, vec![5])]),
        ("cpu-map auto:1/1-2 5 4", vec![(1, vec![5]), (2, vec![4])]),
        ("cpu-map 1/odd 0-1", vec![(1, vec![0, 1]), (3, vec![0, 1])]),
        ("cpu-map 1/all 0\n cpu-map 1/2 1", vec![(1, vec![0]), (2, vec![1]), (3, vec![0]), (4, vec![0])]),
        ("cpu-map 2/1 0", vec![]),
        ("cpu-map 1 0", vec![]),
    ] {
        assert_eq!(map(lines), expected, "{lines}");
    }
}

#[test]
fn addresses_that_sentinels_tell_make_slots() {
    let sections = "sentinels g\n master mymaster\n sentinel s1 127.0.0.1\n";
    let made = |line: &str| {
        let servers = backend(&format!("{line}\n{sections}")).servers;
        let shown = servers.iter().map(|server| {
            assert_eq!(server.address, None);
            format!("{}={}", server.name, server.slot.as_ref().expect("a slot").written())
        });
        shown.collect::<Vec<_>>()
    };
    let every: Vec<String> = (1..=8).map(|number| format!("m{number}=sentinel@g")).collect();
    assert_eq!(made("server m sentinel@g check"), every);
    assert_eq!(
        made("server-template r 2 sentinel-replicas@g check"),
        ["r1=sentinel-replicas@g", "r2=sentinel-replicas@g"]
    );
    assert_eq!(made("server-template m 1 sentinel@g check"), ["m1=sentinel@g"]);
}

#[test]
fn splicing_is_asked_for_by_proxies_and_bounded_by_the_process() {
    let asked = |lines: &str| {
        let splice = frontend(lines).splice;
        (splice.auto, splice.request, splice.response)
    };
    assert_eq!(asked("option splice-auto"), (true, false, false));
    assert_eq!(asked("option splice-request\n option splice-response"), (false, true, true));
    assert_eq!(asked("option splice-auto\n no option splice-auto"), (false, false, false));
    assert!(backend("option splice-response").splice.response);
    let pipes = |global: &str, option: &str| {
        config(&format!("global\n maxconn 400\n {global}\n{DEFAULTS}listen l\n bind :1\n {option}\n")).pipes()
    };
    assert_eq!(pipes("", "option splice-auto"), 100);
    assert_eq!(pipes("maxpipes 7", "option splice-auto"), 7);
    assert_eq!(pipes("maxpipes 7\n nosplice", "option splice-auto"), 0);
    assert_eq!(pipes("maxpipes 7", ""), 0);
    assert_eq!(config("global\n tune.pipesize 1m\n").global.pipesize, 1 << 20);
}

#[test]
fn a_key_is_hashed_by_the_function_that_is_named() {
    use crate::config::model::{Fetch, HashFunction, HashMethod, SessionFact};
    for (lines, function, method) in [
        ("balance hash src", HashFunction::Sdbm, HashMethod::MapBased),
        ("hash-type consistent djb2\n balance hash src,hex", HashFunction::Djb2, HashMethod::Consistent),
        ("balance hash src\n hash-type map-based none", HashFunction::None, HashMethod::MapBased),
    ] {
        let found = backend(lines);
        let Balance::Hash(hashing) = found.balance else { panic!("{lines}") };
        assert_eq!((hashing.function, hashing.method), (function, method), "{lines}");
        let key = found.rules.hash.expect(lines);
        assert_eq!(key.fetch, Fetch::Session(SessionFact::Source), "{lines}");
    }
}

#[test]
fn a_source_may_name_ports_an_interface_and_somebody_else() {
    use crate::config::model::{Impersonated, Leaves};
    let found = backend(
        "source 127.0.0.1:1000 interface eth0\n server a 1.1.1.1:1\n \
         server b 1.1.1.1:2 source 127.0.0.2 usesrc client\n \
         server c 1.1.1.1:3 source 0.0.0.0:5-9 usesrc 10.1.1.1:77 interface eth1",
    );
    let leaves: Vec<&Leaves> = found.servers.iter().map(|server| &server.leaves).collect();
    let ports = Some((1000, 1000));
    assert_eq!(*leaves[0], Leaves { ports, interface: Some("eth0".into()), as_if_from: None });
    assert_eq!(leaves[1].as_if_from, Some(Impersonated::Client));
    let other = Some(Impersonated::Address("10.1.1.1:77".parse().unwrap()));
    assert_eq!(*leaves[2], Leaves { ports: Some((5, 9)), interface: Some("eth1".into()), as_if_from: other });
}

#[test]
fn a_format_of_a_site_that_asks_for_http_is_kept_without_what_http_would_tell() {
    const TIMES: &str = "defaults\n timeout connect 1s\n timeout client 1s\n timeout server 1s\n";
    let site = |mode: &str| {
        format!(
            "{TIMES}listen l\n mode {mode}\n bind :1\n log 127.0.0.1 local0\n log-format \"%ci %TR/%Tw %{{+Q}}r %s\"\n \
             server a 127.0.0.1:1\n"
        )
    };
    let loaded = loaded(&site("http"));
    let said = told(&loaded);
    assert!(
        said.contains("'log-format' : '-' is written for %TR, %r: a layer 4 proxy does not see HTTP"),
        "{said}"
    );
    let template = loaded.config.expect("it loads").frontends.remove(0).log.template.expect("a format");
    assert!(!template.at_connect && template.parts.len() == 9, "{template:?}");
    let said = told(&super::loaded(&site("tcp")));
    assert!(said.contains("format variable 'TR' is reserved for HTTP mode."), "{said}");
}

#[test]
fn a_socks4_proxy_may_stand_before_a_server_and_its_checks() {
    let found = backend(
        "default-server socks4 localhost:1080\n server a 1.1.1.1:1\n \
         server b 1.1.1.1:2 socks4 [::1]:1081 check-via-socks4\n server c 1.1.1.1:3 socks4 :9",
    );
    let lines: Vec<_> =
        found.servers.iter().map(|server| (server.socks4.unwrap(), server.check_via_socks4)).collect();
    let address = |text: &str| text.parse().unwrap();
    assert_eq!(
        lines,
        [(address("127.0.0.1:1080"), false), (address("[::1]:1081"), true), (address("0.0.0.0:9"), false)]
    );
    assert_eq!(server("").socks4, None);
}

#[test]
fn a_check_may_go_through_the_proxy_by_its_script() {
    use crate::config::model::CheckWay;
    let way = |options: &str| {
        let found = backend(&format!("option tcp-check\n tcp-check connect {options}\n server s 1.1.1.1:1"));
        let CheckMethod::TcpCheck(rules) = found.check else { panic!("a script") };
        let CheckAction::Connect(connect) = &rules[0].action else { panic!("a connect") };
        connect.via
    };
    for (options, expected) in [
        ("", CheckWay::Direct),
        ("port 1", CheckWay::Direct),
        ("default", CheckWay::AsServer),
        ("via-socks4", CheckWay::Socks4),
        ("via-socks4 default", CheckWay::Socks4),
        ("default via-socks4", CheckWay::Socks4),
    ] {
        assert_eq!(way(options), expected, "{options}");
    }
}

/// As HAProxy 2.6.12 numbers them.
#[test]
fn servers_may_have_numbers_of_their_own() {
    let found = backend(
        "server a 1.1.1.1:1\n server b 1.1.1.1:1 id 1\n server c 1.1.1.1:1\n server d 1.1.1.1:1 id 9 check\n \
         server e 1.1.1.1:1\n server-template t 3 1.1.1.1:1 id 3\n server f 1.1.1.1:1 track d\n use-server f if TRUE",
    );
    let numbers: Vec<u32> = found.servers.iter().map(|server| server.id).collect();
    assert_eq!(numbers, [2, 1, 4, 9, 6, 3, 8, 10, 11]);
    assert_eq!(found.rules.servers[0].0, 11);
    assert_eq!(found.servers[8].track.as_ref().map(|track| track.server), Some(9));
}
