use super::*;

fn read(line: &str) -> Result<Action, UsageError> {
    parse(["haproxy"].into_iter().chain(line.split_whitespace()).map(OsString::from))
}

fn run(line: &str) -> Arguments {
    match read(line) {
        Ok(Action::Run(arguments)) => *arguments,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn service_files_and_scripts_are_understood() {
    let files = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
    let debian =
        run("-Ws -f /etc/haproxy/haproxy.cfg -f /etc/haproxy/conf.d -p /run/haproxy.pid -S /run/master.sock");
    assert_eq!(debian.files, files(&["/etc/haproxy/haproxy.cfg", "/etc/haproxy/conf.d"]));
    assert!(debian.sd_notify && !debian.master_worker && !debian.daemon);
    assert_eq!(debian.pidfile, Some("/run/haproxy.pid".into()));
    assert_eq!(debian.master_socket.as_deref(), Some("/run/master.sock"));

    let image = run("-W -db -f /usr/local/etc/haproxy/haproxy.cfg");
    assert!(image.master_worker && image.foreground);

    let restart = run("-D -f a -p p -sf 12 34 -x /s -st 5 -n 100 -N 7 -C /d -L me");
    assert_eq!(
        (restart.old_socket().cloned(), restart.maxconn, restart.proxy_maxconn),
        (Some("/s".into()), Some(100), Some(7))
    );
    assert_eq!((restart.soft_stop_pids, restart.stop_pids), (vec![12, 34], vec![5]));
    assert_eq!((restart.chdir, restart.local_peer.as_deref()), (Some("/d".into()), Some("me")));
    assert!(restart.daemon);

    let check = run("-c -q -V -d -dW -dr -f a -- b -c");
    assert!(check.check && check.quiet && check.verbose && check.debug && check.warnings_fatal);
    assert!(check.ignore_unresolved);

    let explain = run("explain a.cfg -b");
    assert!(explain.explain && !check.explain);
    assert_eq!(explain.files, files(&["a.cfg", "-b"]));
    assert_eq!(check.files, files(&["a", "b", "-c"]));
}

/// Wrappers put their own flags in front: those of HAProxy's image begin with `-W -db`.
#[test]
fn flags_may_be_repeated_and_the_last_value_counts() {
    let once =
        run("-f a -W -Ws -db -D -c -q -V -d -dW -dr -dS -dKcfg -n 2 -N 4 -p q -C /d -L b -S /t -x /y -m 6");
    let line = "-f a -W -W -Ws -Ws -db -db -D -D -c -c -q -q -V -V -d -d -dW -dW -dr -dr -dS -dS -dKall -dKcfg \
                -n 1 -n 2 -N 3 -N 4 -p p -p q -C /c -C /d -L a -L b -S /s -S /t -x /x -x /y -m 5 -m 6";
    let twice = run(line);
    assert_eq!(twice.old_socket(), Some(&PathBuf::from("/y")));
    assert_eq!(Arguments { old_sockets: once.old_sockets.clone(), ..twice }, once);
    assert_eq!(read("-cc 0 -cc 1"), Ok(Action::CheckCondition("1".into())));
    let lists = run("-f a -f b -sf 1 2 -sf 3 -st 4 -st 5");
    assert_eq!((lists.files.len(), lists.soft_stop_pids, lists.stop_pids), (2, vec![1, 2, 3], vec![4, 5]));
}

#[test]
fn flags_without_a_meaning_here_are_taken() {
    let plain = run("-f a");
    let line = "-dM -dM0x50,no-merge -dt+all -dcx -dA -dC -dD -dF -dG -dI -dL -dR -dT -dV -dZ -de -dk -dp -dv -m 100 -4";
    assert_eq!(run(&format!("{line} -f a")), plain);
    assert!(run("-dS -f a").no_splice);
}

#[test]
fn values_and_lists_end_where_haproxy_ends_them() {
    assert_eq!(run("-sf -f a").soft_stop_pids, Vec::<i32>::new());
    assert_eq!(run("-f a -sf").soft_stop_pids, Vec::<i32>::new());
    assert_eq!(run("-S -f a").master_socket.as_deref(), Some("/var/run/haproxy-master.sock"));
    assert_eq!(run("-f -x").files, [PathBuf::from("-x")]);
    assert_eq!(run("-dKall -q -c -f /dev/null").dump_keywords.as_deref(), Some("all"));
    assert_eq!(run("-dK -c -f a").dump_keywords.as_deref(), Some(""));
    assert_eq!(run("--check --file=a").files, [PathBuf::from("a")]);
    assert_eq!(read("-cc 1"), Ok(Action::CheckCondition("1".into())));
}

#[test]
fn nonsense_gets_the_usage() {
    let cases = [
        ("", "HAProxy version 2.6"),
        ("-c", "HAProxy version 2.6"),
        ("-f", "'-f' expects <cfgfile|cfgdir>"),
        ("-Z -f a", "unknown option '-Z'"),
        ("-dQ -f a", "unknown option '-dQ'"),
        ("-h", "unknown option '-h'"),
        ("a.cfg", "'a.cfg' is not an option; config files follow '-f'"),
        ("-f a -sf 1 x", "'-sf' expects process ids, found 'x'"),
        ("-f a -st 0", "'-st' expects process ids, found '0'"),
        (
            "-f a -n many",
            "error: invalid value 'many' for '--maxconn <NUMBER>': invalid digit found in string",
        ),
        ("-f a --nope", "error: unexpected argument '--nope' found"),
    ];
    for (line, begin) in cases {
        let text = read(line).unwrap_err().to_string();
        assert!(text.starts_with(begin), "{line}: {text}");
        assert!(text.contains("\nUsage : rolecall [-f <cfgfile|cfgdir>]*"), "{line}: {text}");
    }
}

#[test]
fn names_need_not_be_text() {
    use std::os::unix::ffi::OsStringExt;
    let name = OsString::from_vec(b"/etc/\xff.cfg".to_vec());
    let action = parse(["haproxy".into(), "-f".into(), name.clone()]);
    assert!(matches!(action, Ok(Action::Run(arguments)) if arguments.files == [PathBuf::from(name)]));
}

#[test]
fn versions_begin_as_tools_expect() {
    let Ok(Action::Print(short)) = read("-v") else { panic!("-v") };
    let Ok(Action::Print(long)) = read("-vv") else { panic!("-vv") };
    assert!(long.starts_with(&short) && long.len() > short.len());
    assert!(long.contains("\n  TARGET  = linux-"));
    assert!(long.contains("\nFeature list : -51DEGREES +ACCEPT4"));
    insta::assert_snapshot!(short.replace(env!("CARGO_PKG_VERSION"), "VERSION"), @r"
    HAProxy version 2.6.12-rolecall 2023/03/28 - as understood by rolecall, which is not HAProxy
    rolecall VERSION: a layer-4 load balancer for Redis that reads haproxy.cfg
    ");
}

#[test]
fn help_is_rendered() {
    let Ok(Action::Print(text)) = read("--help") else { panic!("--help") };
    insta::assert_snapshot!(text);
}

#[test]
fn usage_is_rendered() {
    insta::assert_snapshot!(usage().replace(env!("CARGO_PKG_VERSION"), "VERSION"));
}

#[test]
fn the_keyword_dump_follows_the_table() {
    let dump = keyword_dump("all");
    assert!(dump.starts_with("# List of registered configuration keywords:\nfile\n\t.alert [ honoured ]\n"));
    assert!(dump.contains("\nglobal\n") && dump.contains("\tnbproc [ accepted ]\n"));
    assert_eq!(keyword_dump("acl"), "");
    assert!(keyword_dump("help").starts_with("# List of supported keyword classes:\n"));
}
