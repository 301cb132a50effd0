//! What checks send, counted.

use proptest::prelude::*;

use super::*;

#[test]
fn commands_are_counted_or_said_to_be_unclear() {
    type Case = (&'static [u8], Option<(u32, usize)>);
    let cases: &[Case] = &[
        (b"PING\r\n", Some((1, 0))),
        (b"PING\n", Some((1, 0))),
        (b"PINGrn", Some((0, 6))),
        (b"AUTH x\r\nPING\r\nINFO repl", Some((2, 9))),
        (b"\r\n  \r\nPING\r\n", Some((1, 0))),
        (b"*1\r\n$4\r\nPING\r\n", Some((1, 0))),
        (b"*2\r\n$4\r\nINFO\r\n$11\r\nreplication\r\nPING\r\n", Some((2, 0))),
        (b"*1\r\n$4\r\nPI", Some((0, 10))),
        (b"*1\r", Some((0, 3))),
        (b"*0\r\n", Some((0, 0))),
        (b"", Some((0, 0))),
        (b"*1\r\n$4\r\nPINGxx", None),
        (b"*x\r\n", None),
        (b"*1\r\n+PING\r\n", None),
        (b"subscribe a\r\n", None),
        (b"MONITOR\r\n", None),
        (b"CLIENT REPLY OFF\r\n", None),
        (b"CLIENT SETNAME x\r\n", Some((1, 0))),
        (b"\x3f\x00\x00\x00\x01\n", None),
        (b"220 hello\r\n", None),
    ];
    for (bytes, expected) in cases {
        let counted = count(bytes).map(|commands| (commands.complete, commands.unfinished));
        assert_eq!(counted, *expected, "{}", bytes.escape_ascii());
    }
}

#[test]
fn purposes_and_secrets() {
    let cases: &[(&[u8], Purpose, &[&str])] = &[
        (b"AUTH hunter2\r\n", Purpose::Login, &["hunter2"]),
        (b"auth app hunter2\r\n", Purpose::Login, &["app", "hunter2"]),
        (b"HELLO 3 AUTH app hunter2 SETNAME x\r\n", Purpose::Login, &["app", "hunter2"]),
        (b"*2\r\n$4\r\nAUTH\r\n$7\r\nhunter2\r\n", Purpose::Login, &["hunter2"]),
        (b"AUTH hunter2\r\nPING\r\n", Purpose::Ask, &["hunter2"]),
        (b"QUIT\r\n", Purpose::Quit, &[]),
        (b"INFO replication\r\nQUIT\r\n", Purpose::Quit, &[]),
        (b"PING\r\n", Purpose::Ask, &[]),
    ];
    for (bytes, expected, hidden) in cases {
        assert_eq!(purpose(bytes), *expected, "{}", bytes.escape_ascii());
        let hidden: Vec<Vec<u8>> = hidden.iter().map(|word| word.as_bytes().to_vec()).collect();
        assert_eq!(secrets(bytes), hidden, "{}", bytes.escape_ascii());
    }
}

proptest! {
    #[test]
    fn no_bytes_confuse_it(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        if let Some(commands) = count(&bytes) {
            prop_assert!(commands.unfinished <= bytes.len());
        }
        purpose(&bytes);
        secrets(&bytes);
    }

    #[test]
    fn a_command_cut_in_two_is_one_command(at in 0usize..46) {
        let bytes = b"*2\r\n$4\r\nINFO\r\n$11\r\nreplication\r\nPING\r\nAUTH x\r\n";
        let first = count(&bytes[..at]).unwrap();
        let rest = count(&bytes[at - first.unfinished..]).unwrap();
        prop_assert_eq!((first.complete + rest.complete, rest.unfinished), (3, 0));
    }
}
