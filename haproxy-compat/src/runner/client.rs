//! Clients: who answers them, and what the runtime socket and HTTP say.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::DEADLINE;

/// Between two parts of what a client says: long enough for them to arrive apart.
const MOMENT: Duration = Duration::from_millis(40);

/// A client at a port of this machine, from one of its addresses.
pub(super) fn connect(port: u16, from: Option<Ipv4Addr>) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    if let Some(source) = from {
        socket.bind(&SocketAddrV4::new(source, 0).into())?;
    }
    socket.connect_timeout(&SocketAddrV4::new(Ipv4Addr::LOCALHOST, port).into(), DEADLINE)?;
    socket.set_read_timeout(Some(DEADLINE))?;
    Ok(socket.into())
}

/// Says it, with a moment's pause at each `|`, and reads the line that comes back.
pub(super) fn answer(client: &mut TcpStream, says: &str) -> String {
    for (count, part) in says.split('|').enumerate() {
        if count > 0 {
            thread::sleep(MOMENT);
        }
        // A client that is refused finds out when it reads.
        let _ = client.write_all(part.as_bytes());
    }
    line(client)
}

fn line(client: &mut TcpStream) -> String {
    let mut name = Vec::new();
    let mut byte = [0];
    loop {
        match client.read(&mut byte) {
            Ok(0) if name.is_empty() => return "-".to_owned(),
            Ok(1) if byte[0] != b'\n' => name.push(byte[0]),
            Ok(_) => return String::from_utf8_lossy(&name).trim_end().to_owned(),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return "x".to_owned(),
            Err(_) => return "?".to_owned(),
        }
    }
}

/// Leaves in good order, and waits for the other side to do so.
pub(super) fn leave(mut client: TcpStream) {
    // Whatever ends it.
    let _ = client.shutdown(Shutdown::Write);
    let _ = client.read_to_end(&mut Vec::new());
}

/// A command on the runtime socket; empty if nobody answers.
pub(super) fn ask(socket: &Path, command: &str) -> String {
    let Ok(mut stream) = UnixStream::connect(socket) else { return String::new() };
    let mut answer = Vec::new();
    let asked = stream.set_read_timeout(Some(DEADLINE)).and_then(|()| {
        stream.write_all(format!("{command}\n").as_bytes())?;
        stream.shutdown(Shutdown::Write)?;
        stream.read_to_end(&mut answer)
    });
    // What came before a reset counts.
    drop(asked);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Status line and body of an answer over HTTP/1.0.
pub(super) fn get(port: u16, path: &str) -> Vec<String> {
    let Some((status, _, body)) = http(port, &format!("GET {path} HTTP/1.0\r\n\r\n")) else {
        return vec!["-".to_owned()];
    };
    std::iter::once(status.as_str()).chain(body.lines()).map(str::to_owned).collect()
}

/// Every line of an answer over HTTP/1.0, the empty one before the body left out. A `:` in a header parts its name.
pub(super) fn whole(port: u16, path: &str, headers: &[String]) -> Vec<String> {
    let headers: String =
        headers.iter().map(|header| format!("{}\r\n", header.replacen(':', ": ", 1))).collect();
    let headers = headers.replace("%20", " ");
    let Some((status, head, body)) = http(port, &format!("GET {path} HTTP/1.0\r\n{headers}\r\n")) else {
        return vec!["-".to_owned()];
    };
    if head.is_empty() {
        return vec!["-".to_owned()];
    }
    let head = head.lines().skip(1).map(str::to_owned);
    std::iter::once(status).chain(head).chain(body.lines().map(str::to_owned)).collect()
}

/// Status line, and the place that the answer leads to.
pub(super) fn post(port: u16, path: &str, form: &str) -> String {
    let length = form.len();
    let request = format!("POST {path} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{form}");
    let Some((status, head, _)) = http(port, &request) else { return "-".to_owned() };
    let leads = head.lines().find_map(|line| line.strip_prefix("location: "));
    format!("{status} {}", leads.unwrap_or("nowhere"))
}

/// Status line, head and body of an answer, if there is any.
fn http(port: u16, request: &str) -> Option<(String, String, String)> {
    let mut answer = Vec::new();
    let asked = connect(port, None).and_then(|mut client| {
        client.write_all(request.as_bytes())?;
        client.read_to_end(&mut answer)
    });
    if asked.is_err() && answer.is_empty() {
        return None;
    }
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.lines().next().unwrap_or_default();
    let status = status.trim_start_matches("HTTP/1.0 ").trim_start_matches("HTTP/1.1 ");
    Some((status.to_owned(), head.to_owned(), body.to_owned()))
}
