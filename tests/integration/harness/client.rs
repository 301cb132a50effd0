//! A blocking RESP client small enough to trust, with a deadline on everything.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// One connection.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects; every later read and write gives up after half a minute.
    pub fn connect(port: u16) -> io::Result<Client> {
        Client::connect_within(port, Duration::from_secs(30))
    }

    /// Connects; every later read and write gives up after `limit`.
    pub fn connect_within(port: u16, limit: Duration) -> io::Result<Client> {
        Client::connect_at(SocketAddr::from(([127, 0, 0, 1], port)), limit)
    }

    /// The same to any address.
    pub fn connect_at(address: SocketAddr, limit: Duration) -> io::Result<Client> {
        let stream = TcpStream::connect_timeout(&address, limit)?;
        stream.set_read_timeout(Some(limit))?;
        stream.set_write_timeout(Some(limit))?;
        stream.set_nodelay(true)?;
        Ok(Client { stream: BufReader::new(stream) })
    }

    /// Sends one command and returns its reply as text: `+OK` as `OK`, `-ERR ..` as an error, bulk as is,
    /// arrays as their elements, a line each.
    pub fn call(&mut self, arguments: &[&str]) -> io::Result<String> {
        self.send(arguments)?;
        self.reply()
    }

    /// Sends without waiting for the answer.
    pub fn send(&mut self, arguments: &[&str]) -> io::Result<()> {
        let mut request = format!("*{}\r\n", arguments.len());
        for argument in arguments {
            request.push_str(&format!("${}\r\n{argument}\r\n", argument.len()));
        }
        self.stream.get_mut().write_all(request.as_bytes())
    }

    /// Reads one reply.
    pub fn reply(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end();
        let (kind, rest) = line.split_at(1.min(line.len()));
        match kind {
            "+" | ":" => Ok(rest.to_owned()),
            "-" => Err(io::Error::other(rest.to_owned())),
            "$" if rest == "-1" => Ok(String::new()),
            "$" => {
                let length: usize = rest.parse().map_err(io::Error::other)?;
                let mut bulk = vec![0; length + 2];
                self.stream.read_exact(&mut bulk)?;
                bulk.truncate(length);
                Ok(String::from_utf8_lossy(&bulk).into_owned())
            }
            "*" => {
                let count: usize = rest.parse().map_err(io::Error::other)?;
                let parts: io::Result<Vec<String>> = (0..count).map(|_| self.reply()).collect();
                Ok(parts?.join("\n"))
            }
            _ => Err(io::Error::other(format!("not RESP: {line:?}"))),
        }
    }

    /// The port of the server that answers: `CONFIG GET port`.
    pub fn server_port(&mut self) -> io::Result<u16> {
        let answer = self.call(&["CONFIG", "GET", "port"])?;
        answer
            .lines()
            .nth(1)
            .and_then(|port| port.parse().ok())
            .ok_or_else(|| io::Error::other(answer.clone()))
    }

    /// The connection itself.
    pub fn stream(&mut self) -> &mut TcpStream {
        self.stream.get_mut()
    }
}
