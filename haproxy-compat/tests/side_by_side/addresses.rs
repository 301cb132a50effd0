//! Servers that come from a template, and servers whose name has no address: what the CSV says of them.

use std::io::{Read, Write};

use super::program::{BOTH, Running};

/// Too long for a host name, so that no name server is asked.
const NOWHERE: &str = "a234567890123456789012345678901234567890123456789012345678901234.invalid";

/// Columns whose values do not depend on the moment.
const COLUMNS: &[&str] = &["svname", "status", "weight", "act", "bck", "chkdown", "slim", "sid"];

#[test]
fn servers_without_an_address_are_in_maintenance() {
    let config = format!(
        "defaults\n timeout connect 1s\n timeout client 1s\n timeout server 1s\nlisten l\n bind @BIND@\n mode http\n \
         stats enable\n stats uri /\nbackend b\n default-server maxconn 9\n \
         server-template r 2-3 localhost:1 weight 3\n server-template t 2 {NOWHERE}:1 check init-addr last,libc,none\n \
         server n {NOWHERE}:1 init-addr none backup\n server f {NOWHERE}:1 init-addr libc,10.9.8.7\n \
         server-template s 1 _redis._tcp.local init-addr none\n server d {NOWHERE}:1 disabled init-addr none\n\
         backend c\n server-template t 2 {NOWHERE}:1 init-addr none\n"
    );
    let [theirs, ours] = BOTH.map(|which| rows(&Running::start(which, &config)));
    assert_eq!(theirs, ours);
    assert!(ours.contains("t2 | MAINT (resolution) | 1 | 1 | 0 | 1"), "{ours}");
    assert!(ours.contains("BACKEND | DOWN"), "{ours}");
}

fn rows(program: &Running) -> String {
    let mut stream = program.connect();
    stream.write_all(b"GET /;csv HTTP/1.0\r\n\r\n").expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let mut lines = answer.lines().skip_while(|line| !line.starts_with("# ")).filter(|line| !line.is_empty());
    let names: Vec<&str> = lines.next().expect("a header").trim_start_matches("# ").split(',').collect();
    let mut text = String::new();
    for line in lines.filter(|line| line.starts_with("b,") || line.starts_with("c,")) {
        let fields: Vec<&str> = line.split(',').collect();
        let field = |name: &&str| names.iter().position(|known| known == name).map_or("?", |at| fields[at]);
        text += &COLUMNS.iter().map(field).collect::<Vec<_>>().join(" | ");
        text.push('\n');
    }
    text
}
