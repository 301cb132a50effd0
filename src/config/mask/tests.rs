use super::*;
use proptest::prelude::*;

/// A line with its secrets starred out.
fn masked(text: &str) -> String {
    let source = Source::new("a", text.as_bytes());
    let number = text.lines().count() as u32;
    let mut line = String::from_utf8_lossy(source.line(number)).into_owned();
    for range in secret_ranges(&source, number).into_iter().rev() {
        line.replace_range(range, STARS);
    }
    line
}

#[test]
fn secrets_are_hidden_in_every_form() {
    let cases = [
        (r"tcp-check send AUTH\ hunter2\r\n", "tcp-check send ***"),
        (r#"  tcp-check send "AUTH hunter2\r\n" comment x"#, "  tcp-check send *** *** ***"),
        (r"tcp-check send AUTH hunter2\r\n", "tcp-check send *** ***"),
        (r"tcp-check send 'auth hunter2'", "tcp-check send ***"),
        (r#"tcp-check send "AU"TH\ hunter2"#, "tcp-check send ***"),
        (r"tcp-check send A\x55TH\ hunter2", "tcp-check send ***"),
        (r"tcp-check send HELLO\ 3\ AUTH\ u\ hunter2\r\n", "tcp-check send ***"),
        (r"tcp-check send *2\r\n$4\r\nAUTH\r\n$7\r\nhunter2\r\n", "tcp-check send ***"),
        ("tcp-check send-binary 4155544820787878780d0a", "tcp-check send-binary ***"),
        ("tcp-check send-binary 41555448207", "tcp-check send-binary ***"),
        (r#"tcp-check send "AUTH hunter2"#, "tcp-check send ***"),
        (r#"tcp-check send "AUTH hunter2\xZZ" x"#, "tcp-check send *** ***"),
        (r"tcp-check sned AUTH\ hunter2\r\n", "tcp-check sned ***"),
        (r"tcp-chekc send AUTH\ hunter2\r\n", "tcp-chekc send ***"),
        (r"tcpcheck send HELLO 3 AUTH a hunter2", "tcpcheck send *** *** *** *** ***"),
        ("no tcp-check send AUTH\\ x", "no tcp-check send ***"),
        (r"tcp-check send AUTH\ hun#ter2\r\n", "tcp-check send ******"),
        (r"tcp-check send PING # not AUTH\ hunter2\r\n", "tcp-check send PING ***"),
        ("# tcp-check send AUTH\\ hunter2", "***"),
        ("stats auth admin:hunter2", "stats auth ***"),
        ("stats auth admin:hunter2 # hunter2", "stats auth *** ***"),
        ("stats auth admin: hunter2", "stats auth *** ***"),
        ("stats auht admin:hunter2", "stats auht ***"),
        ("user joe password hunter2 groups g", "user joe password *** groups g"),
        ("user joe insecure-password hunter2", "user joe insecure-password ***"),
        ("usr joe insecure-password hunter2", "usr joe insecure-password ***"),
        ("User joe insecure-password hunter2", "User joe insecure-password ***"),
        ("user insecure-password hunter2", "user insecure-password ***"),
        ("user joe insecure-password=hunter2", "user joe ***"),
        ("user joe hunter2", "user joe ***"),
        ("group g users joe insecure-password hunter2", "group g users joe insecure-password ***"),
        ("user joe groups g password hunter2", "user joe groups g password ***"),
        ("user joe password hunter2 insecure-password hunter2", "user joe password *** *** ***"),
        ("setenv PW hunter2", "setenv PW ***"),
        ("server a 1.1.1.1 agent-send hunter2 check", "server a 1.1.1.1 agent-send *** check"),
        ("auth-pass hunter2", "auth-pass ***"),
        ("auth-pas hunter2", "auth-pas ***"),
        ("autpass hunter2 # hunter2", "autpass *** ***"),
        (
            "http-check send hdr Host a hdr Authorization hunter2",
            "http-check send hdr Host a hdr Authorization ***",
        ),
        (
            "http-check send meth POST uri /login body pw=hunter2 x",
            "http-check send meth POST uri /login body *** ***",
        ),
        ("http-check send uri http://u:hunter2@h/ x", "http-check send uri *** ***"),
        ("http-check send uri-lf /?pw=hunter2 x", "http-check send uri-lf *** ***"),
        ("http-chek send hdr Authorization hunter2", "http-chek send hdr Authorization ***"),
        ("htp-check send hdr X-Auth-Token hunter2", "htp-check send hdr *** ***"),
        ("http-check sned uri /x?token=hunter2", "http-check sned uri ***"),
        (r"option httpchk GET / HTTP/1.1\r\nHost:\ a\r\nAuthorization:\ hunter2", "option httpchk GET / ***"),
        ("tcp-check send AUTH\\r\\n\ntcp-check send hunter2\\r\\n", "tcp-check send ***"),
        ("tcp-check send AUTH\\ \n# c\n tcp-check send hunter2\\r\\n", " tcp-check send ***"),
        (
            "tcp-check send $4\\r\\nAUTH\\r\\n\ntcp-check send $7\\r\\n\ntcp-check send hunter2\\r\\n",
            "tcp-check send ***",
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(masked(line), expected, "{line}");
    }
}

#[test]
fn what_is_no_secret_is_shown() {
    for line in [
        r"tcp-check send PING\r\n",
        "tcp-check expect string -NOAUTH",
        "tcp-check connect port 6379",
        "server auth 10.0.0.1:6379 chek",
        "stats socket ipv4@127.0.0.1:9999 level admin",
        "stats uri /stats",
        "user haproxy",
        "default_backend auth",
        "# stats for all",
        "http-check send meth GET uri /master hdr Host a ver HTTP/1.1 foo",
        "tcp-check send AUTH\\ x\\r\\n\ntcp-check send PING\\r\\n",
        "tcp-check send AUTH\\r\\n\ntcp-check expect string OK\ntcp-check send PING\\r\\n",
    ] {
        assert_eq!(masked(line), line.lines().last().unwrap(), "{line}");
    }
}

#[test]
fn words_and_messages_are_scrubbed() {
    let source = Source::new("a", &b"tcp-check send AUTH hunter2\\r\\n\nstats auth a:b\n"[..]);
    assert_eq!(
        scrub("expects 'comment' but got 'hunter2\r\n'", &source, 1),
        "expects 'comment' but got '***'"
    );
    assert_eq!(scrub("'stats auth' got 'a:b' at a place", &source, 2), "'stats auth' got '***' at a place");
}

proptest! {
    /// However a password is quoted, it is not in what is shown.
    #[test]
    fn a_password_never_shows(password in "[a-z0-9]{6,20}", form in 0..6) {
        prop_assume!(!"tcp-check send AUTH insecure-password joe".contains(&password));
        let line = match form {
            0 => format!(r"tcp-check send AUTH\ {password}\r\n"),
            1 => format!("tcp-check send \"AUTH {password}\\r\\n\""),
            2 => format!("tcp-check send \"AUTH '{password}"),
            3 => format!(r"tcp-check send *2\r\n$4\r\nauth\r\n${}\r\n{password}\r\n", password.len()),
            4 => format!("stats auth joe:{password}"),
            _ => format!("user joe insecure-password {password}"),
        };
        prop_assert!(!masked(&line).contains(&password));
    }

    #[test]
    fn any_bytes_are_masked_within_the_line(line in prop::collection::vec(any::<u8>(), 0..200)) {
        let source = Source::new("a", line);
        for range in secret_ranges(&source, 1) {
            prop_assert!(range.end <= source.line(1).len());
        }
    }
}
