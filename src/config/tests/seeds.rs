//! Two published configs, loaded as they stand.

use std::path::PathBuf;
use std::time::Duration;

use super::{config, loaded, told};
use crate::config::model::{
    Balance, BindAddress, CheckAction, CheckMethod, Config, ExpectPattern, LogAddress, LogFormat, LogFraming,
    LogTarget, Mode, Redispatch, ServerAddress, ServerPort,
};

const REDIS_HA: &str = include_str!("../../../tests/fixtures/config/redis-ha.cfg");
const TWEMPROXY: &str = include_str!("../../../tests/fixtures/config/twemproxy.cfg");

fn syslog(facility: u8, max_level: u8) -> LogTarget {
    LogTarget {
        address: LogAddress::Udp("127.0.0.1:514".parse().unwrap()),
        length: 1024,
        framing: LogFraming::Local,
        sampling: None,
        facility,
        max_level,
        min_level: 0,
    }
}

fn script(config: &Config, backend: usize) -> Vec<String> {
    let CheckMethod::TcpCheck(rules) = &config.backends[backend].check else { panic!("no script") };
    let step = |action: &CheckAction| match action {
        CheckAction::Send(bytes) => format!("send {:?}", String::from_utf8_lossy(bytes.expose())),
        CheckAction::Expect(expect) => match &expect.pattern {
            ExpectPattern::String(bytes) => format!("expect {:?}", String::from_utf8_lossy(bytes)),
            other => format!("{other:?}"),
        },
        other => format!("{other:?}"),
    };
    rules.iter().map(|rule| step(&rule.action)).collect()
}

#[test]
fn redis_ha_has_one_warning() {
    insta::assert_snapshot!(told(&loaded(REDIS_HA)), @r"
    warning 6:1-13 there is no group 'nobody' on this machine: 'nogroup' is used
        = write 'group nogroup'
    ");
}

#[test]
fn redis_ha_becomes_a_frontend_and_a_backend() {
    let config = config(REDIS_HA);
    let global = &config.global;
    assert_eq!(global.chroot, Some(PathBuf::from("/var/lib/haproxy")));
    assert_eq!(
        (global.uid, global.gid, global.daemon, global.maxconn),
        (Some(65534), Some(65534), true, Some(4096))
    );
    assert_eq!(global.log, [syslog(18, 5)]);

    let frontend = &config.frontends[0];
    assert_eq!((frontend.name.as_str(), frontend.proxy_id, frontend.mode), ("redis", 1, Mode::Tcp));
    assert_eq!(frontend.maxconn, 2000);
    assert_eq!(frontend.binds[0].address, BindAddress::Tcp("0.0.0.0:6379".parse().unwrap()));
    assert_eq!(frontend.binds[0].origin, ("test.cfg".to_owned(), 18));
    assert_eq!(frontend.default_backend.map(|id| id.0), Some(0));
    assert_eq!(frontend.timeout_client, Some(Duration::from_secs(120)));
    assert_eq!(frontend.log.targets, [syslog(18, 5)]);
    assert_eq!(frontend.log.format, LogFormat::Connect);

    let backend = &config.backends[0];
    assert_eq!((backend.name.as_str(), backend.proxy_id, backend.is_listen), ("redis_backend", 2, false));
    assert_eq!(
        (backend.balance, backend.retries, backend.redispatch),
        (Balance::RoundRobin, 3, Redispatch::LastRetry)
    );
    assert_eq!(backend.timeout_connect, Some(Duration::from_secs(2)));
    assert_eq!(backend.redis.hold, Some(Duration::from_secs(5)));
    assert_eq!(
        script(&config, 0),
        [
            "send \"AUTH my-redis-password\\r\\n\"",
            "expect \"+OK\"",
            "send \"PING\\r\\n\"",
            "expect \"+PONG\"",
            "send \"INFO REPLICATION\\r\\n\"",
            "expect \"role:master\"",
            "send \"QUIT\\r\\n\"",
            "expect \"+OK\"",
        ]
    );
    let servers: Vec<_> = backend.servers.iter().map(|server| (server.name.as_str(), server.id)).collect();
    assert_eq!(servers, [("redis1", 1), ("redis2", 2)]);
    let second = &backend.servers[1];
    let address = ServerAddress::Ip { ip: "192.168.1.22".parse().unwrap(), port: ServerPort::Fixed(6379) };
    assert_eq!(second.address, Some(address));
    assert_eq!(second.check.as_ref().map(|check| check.inter), Some(Duration::from_secs(1)));
}

#[test]
fn twemproxy_names_every_line_that_is_lost() {
    insta::assert_snapshot!(told(&loaded(TWEMPROXY)), @r"
    warning 8:5-13 'nbproc' has no effect: there is one process with a thread for each core, and HAProxy 2.5 dropped this keyword
    warning 12:9-18 proxy 'web_proxy' is forwarded at layer 4: 'mode http' is kept for stats pages and 'monitor-uri' only
        line 35: this proxy leads to servers
        = write 'mode tcp' in this section
    warning 22:9-24 'option httplog' is taken as 'option tcplog': a layer 4 proxy does not see HTTP
    warning 23:9-26 'option httpclose' has no effect: a layer 4 proxy does not see HTTP
    warning 25:9-27 'option forwardfor' has no effect: a layer 4 proxy does not see HTTP
    warning 28:9-23 'option httplog' is taken as 'option tcplog': a layer 4 proxy does not see HTTP
    warning 31:29-36 'stats realm' takes one word: 'Manager' and what follows is ignored
        = escape the blanks: 'stats realm Haproxy\ Manager'
    warning 35:18-32 please use the 'bind' keyword for listening addresses.
        = HAProxy dropped this form: write 'bind 127.0.0.1:3000' on a line of its own
    warning 37:36-42 'server web_proxy/web1' : 'cookie' has no effect: a layer 4 proxy does not see HTTP
    warning 38:36-42 'server web_proxy/web2' : 'cookie' has no effect: a layer 4 proxy does not see HTTP
    ");
}

#[test]
fn twemproxy_has_a_stats_page_and_a_balancer() {
    let config = config(TWEMPROXY);
    assert_eq!((config.global.uid, config.global.gid), (Some(99), Some(99)));
    assert_eq!(config.global.pidfile, Some(PathBuf::from("/usr/local/haproxy/logs/haproxy.pid")));

    let page = &config.frontends[0];
    assert_eq!((page.name.as_str(), page.mode, page.is_listen), ("admin_stats", Mode::Http, true));
    assert_eq!(page.binds[0].address, BindAddress::Tcp("0.0.0.0:8888".parse().unwrap()));
    let stats = page.stats.as_ref().unwrap();
    assert_eq!((stats.uri.as_str(), stats.realm.as_str()), ("/stats", "Haproxy"));
    assert_eq!(stats.refresh, Some(Duration::from_secs(30)));
    assert_eq!((stats.users[0].name.as_str(), stats.users[0].password.expose()), ("admin", &b"admin"[..]));
    assert_eq!(config.backends[0].stats.as_ref(), Some(stats));

    let web = &config.frontends[1];
    assert_eq!((web.name.as_str(), web.mode, web.proxy_id), ("web_proxy", Mode::Tcp, 2));
    assert_eq!(web.binds[0].address, BindAddress::Tcp("127.0.0.1:3000".parse().unwrap()));
    assert_eq!(web.default_backend.map(|id| id.0), Some(1));
    assert!(web.stats.is_none() && web.log.skip_null);
    assert_eq!((web.log.format, web.log.targets.as_slice()), (LogFormat::Tcp, &[syslog(16, 3)][..]));

    let backend = &config.backends[1];
    assert!(backend.abortonclose);
    let server = &backend.servers[1];
    let address = ServerAddress::Ip { ip: "127.0.0.1".parse().unwrap(), port: ServerPort::Fixed(8081) };
    assert_eq!(server.address, Some(address));
    assert_eq!(server.written_address, "localhost:8081");
    assert_eq!(server.cookie.as_deref(), Some("app1inst2"));
    let check = server.check.as_ref().unwrap();
    assert_eq!((check.inter, check.rise, check.fall), (Duration::from_secs(2), 2, 5));
}
