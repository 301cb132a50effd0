use std::sync::Arc;

use super::*;
use crate::config::model::Look;
use crate::log::tcplog::tests::record;
use crate::state::{Cause, Details, Phase, Termination};

const PLAIN: Look = Look { quoted: false, escaped: false, hexadecimal: false, optional: false };
const QUOTED: Look = Look { quoted: true, ..PLAIN };
const HEXADECIMAL: Look = Look { hexadecimal: true, ..PLAIN };

fn known() -> SessionRecord {
    SessionRecord {
        details: Details {
            destination: Some("127.0.0.1:21701".parse().unwrap()),
            server_source: Some("[::1]:40000".parse().unwrap()),
            server_target: None,
            number: 17,
            samples: vec![Some(Value::Text(b"a\"b]".to_vec())), None],
            ..Details::default()
        },
        ..record()
    }
}

fn worded(parts: Vec<Part>, record: &SessionRecord) -> String {
    let log = SessionLog {
        unique_id: Some(Arc::new(Template {
            parts: vec![Part::Variable(LogVariable::SessionNumber, HEXADECIMAL)],
            at_connect: true,
        })),
        ..SessionLog::default()
    };
    let clock = Clock::fixed(3600);
    let story = Story { record, log: &log, service: Some("s1"), clock: &clock, pid: 300 };
    text(&Template { parts, at_connect: false }, story)
}

/// As HAProxy 2.6.12 writes them.
#[test]
fn variables_have_haproxys_looks() {
    use LogVariable as V;
    for (variable, look, expected) in [
        (V::ClientIp, PLAIN, "127.0.0.1"),
        (V::ClientIp, QUOTED, "\"127.0.0.1\""),
        (V::ClientIp, HEXADECIMAL, "7F000001"),
        (V::ClientPort, QUOTED, "54600"),
        (V::ClientPort, HEXADECIMAL, "D548"),
        (V::FrontendPort, PLAIN, "21701"),
        (V::SourceIp, PLAIN, "::1"),
        (V::SourceIp, HEXADECIMAL, "00000000000000000000000000000001"),
        (V::ServerIp, PLAIN, "-"),
        (V::ServerIp, QUOTED, "\"\""),
        (V::ServerPort, PLAIN, "-"),
        (V::Backend, QUOTED, "\"be\""),
        (V::Server, PLAIN, "s1"),
        (V::FrontendTransport, PLAIN, "fe"),
        (V::DateUtc, QUOTED, "21/Nov/2026:04:43:57 +0000"),
        (V::DateLocal, PLAIN, "21/Nov/2026:05:43:57 +0100"),
        (V::DateMilliseconds, PLAIN, "21/Nov/2026:05:43:57.378"),
        (V::Seconds, PLAIN, "1795236237"),
        (V::Seconds, HEXADECIMAL, "6B01218D"),
        (V::Milliseconds, PLAIN, "378"),
        (V::Milliseconds, HEXADECIMAL, "17A"),
        (V::WaitTime, PLAIN, "1"),
        (V::DataTime, PLAIN, "776"),
        (V::TotalTime, QUOTED, "777"),
        (V::BytesIn, PLAIN, "5"),
        (V::BytesOut, PLAIN, "7"),
        (V::Pid, HEXADECIMAL, "012C"),
        (V::SessionNumber, PLAIN, "17"),
        (V::SessionNumber, HEXADECIMAL, "0011"),
        (V::UniqueId, QUOTED, "\"0011\""),
        (V::TerminationCookies, QUOTED, "----"),
        (V::Cipher, PLAIN, "-"),
    ] {
        let line = worded(vec![Part::Variable(variable, look)], &known());
        assert_eq!(line, expected, "{variable:?} {look:?}");
    }
}

#[test]
fn samples_are_quoted_and_escaped_as_asked() {
    let escaped = Look { escaped: true, ..PLAIN };
    for (at, look, expected) in [
        (Some(0), PLAIN, "a\"b]"),
        (Some(0), escaped, "a\\\"b\\]"),
        (Some(0), QUOTED, "\"a\"b]\""),
        (Some(1), PLAIN, "-"),
        (Some(1), QUOTED, "\"\""),
        (None, PLAIN, "-"),
    ] {
        assert_eq!(worded(vec![Part::Sample(at, look)], &known()), expected, "{at:?} {look:?}");
    }
}

#[test]
fn what_never_came_is_minus_one() {
    let mut refused = known();
    (refused.wait, refused.connect, refused.backend) = (None, None, None);
    refused.termination = Termination::new(Cause::ServerAbort, Phase::Connect);
    use LogVariable as V;
    let parts = [V::WaitTime, V::ConnectTime, V::DataTime, V::Backend, V::Termination];
    let parts =
        parts.into_iter().flat_map(|variable| [Part::Variable(variable, PLAIN), Part::Text("/".to_owned())]);
    assert_eq!(worded(parts.collect(), &refused), "-1/-1/-1/fe/SC/");
}
