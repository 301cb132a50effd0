use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::api::{View, WorkerView};

/// The payload that the command of the input asks with.
fn payload(host: Target, input: &str) -> Option<String> {
    let mut session = Session::new(host, Level::Admin);
    session.receive(input.as_bytes());
    match session.next(&view().processes()) {
        Some(Step::Ask(Request::Patterns(order))) => order.payload,
        Some(Step::Forward(line, _)) => Some(format!("forwarded {line}")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_payload_reaches_its_command() {
    let lines = Some("a 1\nb 2\n".to_owned());
    assert_eq!(payload(Target::Worker, "add map #1 <<\na 1\nb 2\n\n"), lines);
    assert_eq!(payload(Target::Worker, "add map #1 a 1\n"), None);
    let forwarded = Some("forwarded add map #1 <<\na 1\n".to_owned());
    assert_eq!(payload(Target::Master, "@1 add map #1 <<\na 1\n\n"), forwarded);
    let long = format!("add map #1 <<\n{}\n", "a b\n".repeat(LONGEST));
    let mut session = Session::new(Target::Worker, Level::Admin);
    session.receive(long.as_bytes());
    assert_eq!(session.next(&view().processes()), Some(Step::Close), "it is longer than a command may be");
}

fn view() -> View {
    View {
        version: "2.6.12".to_owned(),
        master: 100,
        uptime: Duration::from_secs(93_784),
        reloads: 2,
        failed_reloads: 1,
        worker: Some(WorkerView { pid: 101, reloads: 1, uptime: Duration::from_secs(1) }),
        ..View::default()
    }
}

fn steps(session: &mut Session) -> String {
    let (view, mut text) = (view(), String::new());
    while let Some(step) = session.next(&view.processes()) {
        match step {
            Step::Write(written) => text.push_str(&written),
            Step::Ask(Request::Reload) => return text + "(reload)",
            Step::Ask(request) => {
                text.push_str(&view.answer(&request));
                text.push_str(session.end_of_answer());
            }
            Step::Forward(line, level) => {
                text.push_str(&format!("(to the worker as {}: {line})", level.name()))
            }
            Step::Timeout(limit) => text.push_str(&format!("({limit:?}){}", session.end_of_answer())),
            Step::GiveSockets => return text + "(sockets)",
            Step::Close => text.push_str("(close)"),
        }
    }
    text
}

/// What a client of the master reads that sends `input` and then no more.
fn answer(input: &str) -> String {
    answer_of(Session::new(Target::Master, Level::Admin), input)
}

/// The same of the runtime socket.
fn runtime(input: &str) -> String {
    answer_of(Session::new(Target::Worker, Level::Admin), input)
}

fn answer_of(mut session: Session, input: &str) -> String {
    session.receive(input.as_bytes());
    let text = steps(&mut session);
    if text.ends_with("(reload)") {
        return text;
    }
    session.finish();
    text + &steps(&mut session)
}

#[test]
fn answers_are_haproxys() {
    let table = [
        ("show version\n", "2.6.12\n\n(close)"),
        ("show version", "(close)"),
        ("show version\nshow version", "2.6.12\n\n(close)"),
        ("@1 show version;@1 show version", "(to the worker as admin: show version)(close)"),
        ("@1 show version <<\nx\n", "(close)"),
        ("@1 show version\n", "(to the worker as admin: show version)(close)"),
        ("@1; show cli level; show version\n", "admin\n\n(to the worker as admin: show version)(close)"),
        ("operator;@1 show env a\\ b\\;\n", "\n(to the worker as operator: show env a\\ b\\;)(close)"),
        ("@!999999 show info\n", "Can't find the target PID matching the prefix '@!999999'\n(close)"),
        ("@9 show info\n", "Can't find the target PID matching the prefix '@9'\n(close)"),
        ("@!101 show env HAPROXY_CFGFILES\n", "(to the worker as admin: show env HAPROXY_CFGFILES)(close)"),
        ("prompt\nshow version\nquit\n", "master> 2.6.12\n\nmaster> master> (close)"),
        (
            "prompt\n@1\nshow version\nquit\n",
            "master> 101> (to the worker as admin: show version)101> 101> (close)",
        ),
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

/// Recorded from HAProxy 2.6.12.
#[test]
fn the_runtime_socket_takes_one_line_unless_prompt_asks_for_more() {
    let table = [
        ("show version\nshow version\n", "2.6.12\n\n2.6.12\n\n(close)"),
        ("show version;show cli level\n", "2.6.12\n\nadmin\n\n(close)"),
        ("prompt\nshow version\nuser;show cli level\nquit\n", "\n> 2.6.12\n\n> \n> user\n\n> (close)"),
        ("user;expert-mode on;show cli level\n", "\nPermission denied\n\nuser\n\n(close)"),
        ("set timeout cli 5;show version\n", "(5s)\n2.6.12\n\n(close)"),
        ("show version <<\nsome\nlines\n\nshow version\n", "2.6.12\n\n2.6.12\n\n(close)"),
        ("show version <<\nsome\nlines\n\n", "2.6.12\n\n(close)"),
        ("show version <<\nsome\n\nshow ver", "2.6.12\n\n(close)"),
        ("prompt;show version <<EOF\nx\n\nquit\n", "\n> 2.6.12\n\n> (close)"),
        ("operator\n", "\n(close)"),
        ("", "(close)"),
    ];
    for (input, expected) in table {
        assert_eq!(runtime(input), expected, "{input:?}");
    }
    let title = "Unknown command. Please enter one of the following commands only:\n";
    assert!(runtime("\n").starts_with(title));
    assert!(runtime("@1 show version\n").starts_with("Unknown command, but maybe"));
}

/// Recorded from HAProxy 2.6.12.
#[test]
fn a_torn_command_is_not_run() {
    let table = [
        ("show version", "(close)"),
        ("show version\r", "(close)"),
        ("show version\nshow version", "2.6.12\n\n(close)"),
        ("show version;show version", "2.6.12\n\n(close)"),
        ("show version\\;show version", "(close)"),
        ("prompt\nshow version", "\n> (close)"),
        ("show version <<", "(close)"),
        ("show version <<\n", "(close)"),
        ("show version <<\nsome", "(close)"),
        ("show version <<\nsome;\n", "(close)"),
        ("show cli level;show version <<\nsome\n", "admin\n\n(close)"),
        ("show cli level\nshow version <<\nsome\n", "admin\n\n(close)"),
    ];
    for (input, expected) in table {
        assert_eq!(runtime(input), expected, "{input:?}");
    }
}

/// Recorded from HAProxy 2.6.12.
#[test]
fn a_semicolon_ends_a_command_before_its_line_does() {
    let mut session = Session::new(Target::Worker, Level::Admin);
    session.receive(b"show cli level;show");
    assert_eq!(steps(&mut session), "admin\n\n");
    session.receive(b" version\n");
    assert_eq!(steps(&mut session), "2.6.12\n\n(close)");
}

#[test]
fn help_lists_what_begins_alike() {
    insta::assert_snapshot!(runtime("help set maxconn\n"));
    insta::assert_snapshot!(runtime("set foo\n"));
    insta::assert_snapshot!(runtime("help\n"));
}

#[test]
fn blanks_and_semicolons_can_be_part_of_a_word() {
    assert_eq!(split(r"a b\ c\;d e\\f "), ["a", "b c;d", r"e\f"]);
    let mut session = Session::new(Target::Worker, Level::Admin);
    session.receive(b"show env a\\ b\\;;show env \\\\;");
    for name in ["a b;", r"\"] {
        let asked = session.next(&Processes::default());
        assert_eq!(asked, Some(Step::Ask(Request::ShowEnv(Some(name.to_owned())))));
    }
    assert_eq!(session.next(&Processes::default()), None);
}

#[test]
fn a_line_without_end_is_cut_off() {
    let mut session = Session::new(Target::Worker, Level::Admin);
    session.receive(&[b'x'; LONGEST]);
    assert_eq!(session.next(&Processes::default()), None);
    session.receive(b"x");
    assert_eq!(session.next(&Processes::default()), Some(Step::Close));
}

proptest! {
    #[test]
    fn any_input_is_answered(input in prop::collection::vec(any::<u8>(), 0..300), master: bool) {
        let host = if master { Target::Master } else { Target::Worker };
        let mut session = Session::new(host, Level::Admin);
        session.receive(&input);
        steps(&mut session);
        session.finish();
        steps(&mut session);
        prop_assert!(session.ended || input.windows(6).any(|window| window == b"reload"));
    }
}

#[test]
fn sockets_are_given_by_a_worker_and_listed_nowhere() {
    assert!(runtime("_getsocks\n").starts_with("(sockets)"));
    assert!(answer("@1 _getsocks\n").starts_with("Permission denied\n"));
    assert!(!runtime("help\n").contains("_getsocks"));
}
