//! INFO and ROLE as real servers and forks say them.

use proptest::prelude::*;

use super::*;

/// What an INFO text alone says.
fn parse_info(text: &[u8]) -> Option<RoleReport> {
    let mut findings = Findings::default();
    findings.absorb_info(text);
    findings.into_report()
}

#[test]
fn info_replication_of_a_master() {
    let text = b"# Replication\r\nrole:master\r\nconnected_slaves:2\r\nslave0:ip=127.0.0.1,port=6380,state=online\r\n\
        master_failover_state:no-failover\r\nmaster_replid:2bd0c9e0b3a8a9c1\r\nmaster_replid2:0000000000000000\r\n\
        master_repl_offset:1234\r\nsecond_repl_offset:-1\r\n";
    let expected = RoleReport {
        replid: Some("2bd0c9e0b3a8a9c1".to_owned()),
        replid2: Some("0000000000000000".to_owned()),
        offset: Some(1234),
        second_offset: None,
        connected_replicas: Some(2),
        ..RoleReport::of(Role::Master)
    };
    assert_eq!(parse_info(text), Some(expected));
}

#[test]
fn fields_in_any_order_with_any_line_end() {
    let text = b"junk\nmaster_port:6379\nrun_id:beef\nmaster_link_status:down\n\xff\xfe:\x00\nrole:slave\n\
        master_host:10.0.0.1\nredis_mode:cluster\nuptime_in_seconds:61\nredis_version:7.0.15\nslave_repl_offset:1\n";
    let report = parse_info(text).unwrap();
    assert_eq!(report.role, Role::Replica);
    assert_eq!(report.follows, Some(("10.0.0.1".to_owned(), 6379)));
    assert_eq!((report.link_up, report.cluster), (Some(false), true));
    assert_eq!(report.uptime, Some(Duration::from_secs(61)));
    assert_eq!((report.run_id.as_deref(), report.version.as_deref()), (Some("beef"), Some("7.0.15")));
}

#[test]
fn roles_by_their_names() {
    let role = |name: &str| parse_info(format!("role:{name}\r\n").as_bytes()).map(|report| report.role);
    assert_eq!(role("master"), Some(Role::Master));
    assert_eq!(role("slave"), Some(Role::Replica));
    assert_eq!(role("replica"), Some(Role::Replica));
    assert_eq!(role("active-replica"), Some(Role::ActiveReplica));
    assert_eq!(role("sentinel"), None);
    assert_eq!(parse_info(b"# Server\r\nrun_id:x\r\n"), None);
    assert_eq!(parse_info(b"my_role:master\r\n"), None);
}

#[test]
fn role_arrays() {
    let mut findings = Findings::default();
    findings.absorb_reply(
        b"*3\r\n$6\r\nmaster\r\n:42\r\n*1\r\n*3\r\n$8\r\n10.0.0.2\r\n$4\r\n6379\r\n$2\r\n42\r\n",
    );
    let report = findings.into_report().unwrap();
    assert_eq!((report.role, report.offset, report.connected_replicas), (Role::Master, Some(42), Some(1)));
    let mut findings = Findings::default();
    findings.absorb_reply(b"*5\r\n$5\r\nslave\r\n$8\r\n10.0.0.1\r\n:6379\r\n$9\r\nconnected\r\n:42\r\n");
    let report = findings.into_report().unwrap();
    assert_eq!((report.role, report.offset, report.link_up), (Role::Replica, Some(42), Some(true)));
    assert_eq!(report.follows, Some(("10.0.0.1".to_owned(), 6379)));
    let mut findings = Findings::default();
    findings.absorb_reply(b"*2\r\n$8\r\nsentinel\r\n*1\r\n$2\r\nmm\r\n");
    assert_eq!(findings.into_report(), None);
}

proptest! {
    #[test]
    fn no_reply_confuses_it(bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in "[$*]") {
        let mut findings = Findings::default();
        findings.absorb_reply(&[kind.as_bytes(), &bytes].concat());
        findings.absorb_info(&bytes);
    }

    #[test]
    fn cut_role_arrays_do_not_confuse_it(at in 0usize..62) {
        let bytes = b"*5\r\n$5\r\nslave\r\n$8\r\n10.0.0.1\r\n:6379\r\n$9\r\nconnected\r\n:42\r\n";
        Findings::default().absorb_reply(&bytes[..at.min(bytes.len())]);
    }
}
