use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::api::WorkerView;

fn view() -> View {
    View {
        version: "2.6.12".to_owned(),
        master: 100,
        uptime: Duration::from_secs(93_784),
        reloads: 2,
        failed_reloads: 1,
        worker: Some(WorkerView { pid: 101, reloads: 1, uptime: Duration::from_secs(1) }),
        environment: vec![("HAPROXY_CFGFILES".to_owned(), "rl.cfg".to_owned())],
        ..View::default()
    }
}

/// What a client reads that sends `input` and then no more.
fn answer(input: &str) -> String {
    let (mut session, view) = (Session::default(), view());
    let mut effects = session.receive(input.as_bytes(), &view);
    effects.extend(session.finish(&view));
    let text = |effect| match effect {
        Effect::Write(text) => text,
        Effect::Reload => "(reload)".to_owned(),
        Effect::Close => "(close)".to_owned(),
    };
    effects.into_iter().map(text).collect()
}

#[test]
fn answers_are_haproxys() {
    let table = [
        ("show version\n", "2.6.12\n\n(close)"),
        ("show version", "2.6.12\n\n(close)"),
        ("@1 show version\n", "2.6.12\n\n(close)"),
        ("@1; show cli level; show version\n", "admin\n\n2.6.12\n\n(close)"),
        ("@!999999 show info\n", "Can't find the target PID matching the prefix '@!999999'\n(close)"),
        ("@9 show info\n", "Can't find the target PID matching the prefix '@9'\n(close)"),
        ("@!101 show env HAPROXY_CFGFILES\n", "HAPROXY_CFGFILES=rl.cfg\n\n(close)"),
        ("@1 show env HOME\n", "Variable not found\n\n(close)"),
        ("prompt\nshow version\nquit\n", "master> 2.6.12\n\nmaster> master> (close)"),
        ("prompt\n@1\nshow version\nquit\n", "master> 101> 2.6.12\n\n101> 101> (close)"),
        ("reload\nshow version\n", "(reload)"),
        ("user;reload;show cli level\n", "\nPermission denied\n\nuser\n\n(close)"),
        ("show cli sockets\n", "\n(close)"),
        ("\n", "(close)"),
    ];
    for (input, expected) in table {
        assert_eq!(answer(input), expected, "{input:?}");
    }
}

#[test]
fn processes_are_listed_as_haproxy_lists_them() {
    insta::assert_snapshot!(answer("show proc\n").replace(' ', "."), @r"
    #<PID>..........<type>..........<reloads>.......<uptime>........<version>......
    100.............master..........2.[failed:.1]...1d02h03m04s.....2.6.12
    #.workers
    101.............worker..........1...............0d00h00m01s.....2.6.12
    #.programs

    (close)
    ");
}

#[test]
fn an_unknown_command_gets_a_list() {
    insta::assert_snapshot!(answer("foo\n"), @r"
    Unknown command, but maybe one of the following ones is a better match:
      @!<pid>                                 : send a command to the <pid> process
      @master                                 : send a command to the master process
      operator                                : lower the level of the current CLI session to operator
      reload                                  : reload haproxy
      user                                    : lower the level of the current CLI session to user
      help [<command>]                        : list matching or all commands
      prompt                                  : toggle interactive mode with prompt
      quit                                    : disconnect

    (close)
    ");
    insta::assert_snapshot!(answer("show nothing\n"), @r"
    Unknown command, but maybe one of the following ones is a better match:
      show cli level                          : display the level of the current CLI session
      show cli sockets                        : dump list of cli sockets
      show proc                               : show processes status
      show startup-logs                       : report logs emitted during startup
      show version                            : show version of the current process
      help [<command>]                        : list matching or all commands
      prompt                                  : toggle interactive mode with prompt
      quit                                    : disconnect

    (close)
    ");
}

#[test]
fn a_line_without_end_is_cut_off() {
    let (mut session, view) = (Session::default(), view());
    assert!(session.receive(&[b'x'; LONGEST], &view).is_empty());
    assert_eq!(session.receive(b"x", &view), [Effect::Close]);
}

proptest! {
    #[test]
    fn any_input_is_answered(input in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut session = Session::default();
        session.receive(&input, &view());
        prop_assert!(session.finish(&view()).len() <= 1 || session.ended);
    }
}
