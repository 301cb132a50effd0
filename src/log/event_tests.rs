use super::*;

fn event(what: ServerChange) -> ServerEvent {
    ServerEvent { backend: "be".into(), server: "r2".into(), backup: false, what }
}

fn refused() -> CheckSummary {
    CheckSummary {
        status: CheckStatus::L4Connection,
        code: None,
        info: "Connection refused".into(),
        duration_ms: Some(0),
    }
}

fn passed() -> CheckSummary {
    CheckSummary {
        status: CheckStatus::L7Ok,
        code: Some(0),
        info: "(tcp-check)".into(),
        duration_ms: Some(3),
    }
}

#[test]
fn what_was_no_check_has_no_duration() {
    let check = CheckSummary { duration_ms: None, ..passed() };
    assert_eq!(because(Some(&check)), ", reason: Layer7 check passed, code: 0, info: \"(tcp-check)\"");
}

fn on_stderr(event: &ServerEvent, pid: u32) -> String {
    let Sentence { level, text } = shown(event);
    stderr_line(level, pid, &text)
}

fn said(what: ServerChange) -> (Level, String) {
    let Sentence { level, text } = server(&event(what));
    (level, text)
}

#[test]
fn a_server_goes_down_and_comes_back() {
    let left = Left { active: 0, backup: 1, ..Left::default() };
    let (level, text) = said(ServerChange::Down { reason: Some(refused()), left });
    assert_eq!(level, Level::Alert);
    assert_eq!(
        text,
        "Server be/r2 is DOWN, reason: Layer4 connection problem, info: \"Connection refused\", check duration: \
         0ms. 0 active and 1 backup servers left. Running on backup. 0 sessions active, 0 requeued, 0 remaining \
         in queue."
    );
    let left = Left { active: 2, backup: 0, ..Left::default() };
    let (level, text) = said(ServerChange::Up { reason: Some(passed()), left });
    assert_eq!(level, Level::Notice);
    assert_eq!(
        text,
        "Server be/r2 is UP, reason: Layer7 check passed, code: 0, info: \"(tcp-check)\", check duration: 3ms. \
         2 active and 0 backup servers online. 0 sessions requeued, 0 total in queue."
    );
    let (_, text) = said(ServerChange::Down { reason: None, left });
    assert!(text.starts_with("Server be/r2 is DOWN. 2 active"), "{text}");
}

/// As the real program: what a server says cannot end the quotes, or the line.
#[test]
fn what_servers_say_is_shown_in_quotes() {
    let check = CheckSummary { info: "a\nb\"c\u{e9}\u{7f} d\\e".to_owned(), ..refused() };
    let what =
        ServerChange::Checked { which: Asked::Server, check, shown: (0, 1), up: false, draining: false };
    let (_, text) = said(what);
    assert!(text.contains(r#", info: "a<0A>b<22>c<C3><A9><7F> d\e", check duration"#), "{text}");
}

#[test]
fn a_check_is_reported_with_its_counter() {
    let what = ServerChange::Checked {
        which: Asked::Server,
        check: passed(),
        shown: (3, 3),
        up: true,
        draining: false,
    };
    assert_eq!(
        said(what),
        (
            Level::Notice,
            "Health check for server be/r2 succeeded, reason: Layer7 check passed, code: 0, info: \
             \"(tcp-check)\", check duration: 3ms, status: 3/3 UP."
                .to_owned()
        )
    );
    let what = ServerChange::Checked {
        which: Asked::Server,
        check: refused(),
        shown: (0, 2),
        up: false,
        draining: false,
    };
    let mut backup = event(what);
    backup.backup = true;
    assert_eq!(
        server(&backup).text,
        "Health check for backup server be/r2 failed, reason: Layer4 connection problem, info: \"Connection \
         refused\", check duration: 0ms, status: 0/2 DOWN."
    );
}

#[test]
fn the_last_server_is_an_emergency_and_an_alert_on_stderr() {
    let what = ServerChange::NoServerLeft { is_listen: true };
    assert_eq!(said(what.clone()), (Level::Emergency, "proxy be has no server available!".to_owned()));
    assert_eq!(on_stderr(&event(what), 7), "[ALERT]    (7) : proxy 'be' has no server available!\n");
}

#[test]
fn standard_error_warns() {
    let what = ServerChange::Down { reason: None, left: Left::default() };
    assert!(on_stderr(&event(what), 12).starts_with("[WARNING]  (12) : Server be/r2 is DOWN. 0 active"));
    assert_eq!(
        on_stderr(&event(ServerChange::IsReplica), 1),
        "[NOTICE]   (1) : Server be/r2 is a replica.\n"
    );
}

#[test]
fn what_haproxy_does_not_know_is_said_in_its_style() {
    for (what, expected) in [
        (ServerChange::IsReplica, "Server be/r2 is a replica."),
        (
            ServerChange::Held { reason: "role:master, but r1 succeeded it at 12:01:07".into() },
            "Server be/r2 is held: role:master, but r1 succeeded it at 12:01:07.",
        ),
        (
            ServerChange::Master {
                reason: "was a replica of r1".into(),
                previous: Some("r1".into()),
                epoch: 2,
            },
            "Server be/r2 is master, after r1, reason: was a replica of r1, change 2.",
        ),
        (
            ServerChange::Cut { sessions: 4, reason: "role:slave".into() },
            "Server be/r2 lost its clients, reason: role:slave. 4 sessions cut.",
        ),
        (
            ServerChange::Cut { sessions: 1, reason: "role:slave".into() },
            "Server be/r2 lost its clients, reason: role:slave. 1 session cut.",
        ),
        (
            ServerChange::Trouble { text: "NOAUTH Authentication required".into() },
            "Server be/r2 refuses its check: NOAUTH Authentication required.",
        ),
        (
            ServerChange::Trouble { text: "NOAUTH Authentication required.".into() },
            "Server be/r2 refuses its check: NOAUTH Authentication required.",
        ),
        (
            ServerChange::Observed { text: "master, after r1, reason: r1 has become its replica".into() },
            "Server be/r2 would be master, after r1, reason: r1 has become its replica.",
        ),
        (
            ServerChange::ManyMasters { text: "says redis_mode:cluster".into() },
            "Server be/r2 says redis_mode:cluster.",
        ),
        (
            ServerChange::Rivals { text: "r1 and r2 both say role:master".into() },
            "Server be/r2 is held: r1 and r2 both say role:master.",
        ),
    ] {
        assert_eq!(said(what).1, expected);
    }
}

#[test]
fn proxies_start_stop_and_pause() {
    assert_eq!(proxy_stopped("l", 1, 2).text, "Proxy l stopped (cumulated conns: FE: 1, BE: 2).");
    assert_eq!(paused(ProxyKind::Frontend, "fe").text, "Paused frontend fe.");
    assert_eq!(resumed(ProxyKind::Proxy, "l").text, "Resumed proxy l.");
}

#[test]
fn the_dump_is_haproxys() {
    assert_eq!(
        dump_server("l", "s", "UP", (0, 0, 0)).text,
        "SIGHUP: Server l/s is UP. Conn: 0 act, 0 pend, 0 tot."
    );
    let none = ProxyCounts::default();
    let rest = "Conn: act(FE+BE): 0+0, 0 pend (0 unass), tot(FE+BE): 0+0.";
    assert_eq!(
        dump_proxy("l", Some((1, 0)), none).text,
        format!("SIGHUP: Proxy l has 1 active servers and 0 backup servers available. {rest}")
    );
    assert_eq!(dump_proxy("l", None, none).text, format!("SIGHUP: Proxy l has no servers. {rest}"));
    assert_eq!(
        dump_proxy("m", Some((0, 1)), none).text,
        format!("SIGHUP: Proxy m is running on backup servers ! {rest}")
    );
    assert_eq!(
        dump_proxy("l", Some((0, 0)), none).text,
        format!("SIGHUP: Proxy l has no server available ! {rest}")
    );
}

/// Recorded from HAProxy 2.6.12.
#[test]
fn what_a_listener_lacks_is_told_in_haproxys_words() {
    let shortages = [Shortage::ProcessDescriptors, Shortage::SystemDescriptors, Shortage::Memory];
    let texts = shortages.map(|shortage| exhausted("fe", shortage, 215));
    assert!(texts.iter().all(|sentence| sentence.level == Level::Emergency));
    insta::assert_snapshot!(texts.map(|sentence| sentence.text).join("\n"), @r"
    Proxy fe reached process FD limit (maxsock=215). Please check 'ulimit-n' and restart.
    Proxy fe reached system FD limit (maxsock=215). Please check system tunables.
    Proxy fe reached system memory limit (maxsock=215). Please check system tunables.
    ");
}

#[test]
fn what_the_operator_did_is_told_in_haproxys_words() {
    let left = Left { active: 1, backup: 1, ..Left::default() };
    let maintenance = |via: Option<&str>, was_down| ServerChange::Maintenance {
        via: via.map(str::to_owned),
        was_down,
        left,
    };
    let leaving = Left { was_leaving: true, ..left };
    let maintenance_of_one_that_leaves =
        ServerChange::Maintenance { via: None, was_down: false, left: leaving };
    let returned = |out_of, draining| ServerChange::Returned { out_of, up: true, draining };
    let texts = [
        maintenance(None, false),
        maintenance(None, true),
        maintenance(Some("be/a"), false),
        maintenance(Some("be/a"), true),
        returned(Maintained::Itself, false),
        returned(Maintained::Itself, true),
        returned(Maintained::Leader, false),
        maintenance_of_one_that_leaves,
        ServerChange::Draining { via: None, is_down: false, left },
        ServerChange::Draining { via: None, is_down: true, left },
        ServerChange::Draining { via: Some("be/a".into()), is_down: false, left },
        ServerChange::RemainsDraining { via: None },
        ServerChange::RemainsDraining { via: Some("be/a".into()) },
        ServerChange::Undrained { up: true },
        ServerChange::Forced { operation: Operation::Stopped, left },
        ServerChange::Forced { operation: Operation::Stopping, left },
        ServerChange::Forced { operation: Operation::Running, left },
        ServerChange::Moved { to: "127.0.0.2:6379".into() },
    ];
    let texts: Vec<_> =
        texts.into_iter().map(|what| format!("{:?} {}", said(what.clone()).0, said(what).1)).collect();
    insta::assert_snapshot!(texts.join("\n"), @r"
    Alert Server be/r2 is going DOWN for maintenance. 1 active and 1 backup servers left. 0 sessions active, 0 requeued, 0 remaining in queue.
    Notice Server be/r2 was DOWN and now enters maintenance.
    Alert Server be/r2 is going DOWN for maintenance via be/a. 1 active and 1 backup servers left. 0 sessions active, 0 requeued, 0 remaining in queue.
    Notice Server be/r2 was DOWN and now enters maintenance via be/a.
    Notice Server be/r2 is UP/READY (leaving forced maintenance).
    Notice Server be/r2 is UP/DRAIN (leaving forced maintenance).
    Notice Server be/r2 is UP/READY (leaving maintenance).
    Notice Server be/r2 is going DOWN for maintenance. 1 active and 1 backup servers left. 0 sessions active, 0 requeued, 0 remaining in queue.
    Notice Server be/r2 enters drain state. 1 active and 1 backup servers online. 0 sessions requeued, 0 total in queue.
    Notice Server be/r2 enters drain state. 1 active and 1 backup servers left. 0 sessions active, 0 requeued, 0 remaining in queue.
    Notice Server be/r2 enters drain state via be/a. 1 active and 1 backup servers online. 0 sessions requeued, 0 total in queue.
    Notice Server be/r2 remains in forced drain mode.
    Notice Server be/r2 is leaving forced drain but remains in drain mode via be/a.
    Notice Server be/r2 is UP (leaving forced drain).
    Alert Server be/r2 is DOWN, changed from CLI. 1 active and 1 backup servers left. 0 sessions active, 0 requeued, 0 remaining in queue.
    Notice Server be/r2 is stopping, changed from CLI. 1 active and 1 backup servers online. 0 sessions requeued, 0 total in queue.
    Notice Server be/r2 is UP, changed from CLI. 1 active and 1 backup servers online. 0 sessions requeued, 0 total in queue.
    Notice Server be/r2 is at 127.0.0.2:6379 now, changed from CLI.
    ");
}
