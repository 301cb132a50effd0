//! The parts of `INFO replication` and `INFO server` that tell who a server is
//! (<https://redis.io/docs/latest/commands/info/>).

use std::time::Duration;

/// `role:` of INFO replication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    Master,
    /// `slave`, and `replica` as some forks say.
    Replica,
    /// KeyDB's `active-replica`: takes writes and replicates.
    ActiveReplica,
}

/// What one reply, or two, said. Everything but the role may be missing: old servers, forks, and scripts
/// that ask for less.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleReport {
    pub role: Role,
    /// Changes with every start of the process.
    pub run_id: Option<String>,
    pub replid: Option<String>,
    /// The history this server was promoted out of; 40 zeros are none.
    pub replid2: Option<String>,
    pub offset: Option<u64>,
    /// First offset that is no longer of `replid2`; -1 is none.
    pub second_offset: Option<u64>,
    pub connected_replicas: Option<u32>,
    pub uptime: Option<Duration>,
    /// `redis_mode:cluster`
    pub cluster: bool,
    /// Of a replica: `master_link_status:up`.
    pub link_up: Option<bool>,
    /// Of a replica: how long ago it last heard from its master, in whole seconds (`master_last_io_seconds_ago`);
    /// an idle master is heard every `repl-ping-replica-period`. Absent while the link is down.
    pub heard_from_master: Option<Duration>,
    /// Of a replica: whom it follows, `master_host` and `master_port`.
    pub follows: Option<(String, u16)>,
    pub version: Option<String>,
}

impl RoleReport {
    /// A report of which only the role is known.
    pub fn of(role: Role) -> RoleReport {
        RoleReport {
            role,
            run_id: None,
            replid: None,
            replid2: None,
            offset: None,
            second_offset: None,
            connected_replicas: None,
            uptime: None,
            cluster: false,
            link_up: None,
            heard_from_master: None,
            follows: None,
            version: None,
        }
    }
}

/// What replies have said so far: each INFO section or ROLE array adds what it knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    said: Option<Role>,
    report: Option<RoleReport>,
}

/// Longer values are junk, not host names or ids.
const MAX_VALUE: usize = 256;

impl Findings {
    /// The role, once a reply has told it.
    pub fn role(&self) -> Option<Role> {
        self.said
    }

    /// Everything, if the role is known.
    pub fn into_report(self) -> Option<RoleReport> {
        let role = self.said?;
        self.report.map(|report| RoleReport { role, ..report })
    }

    /// Fills in what INFO server told of the process `age` ago, where `report` does not know it.
    pub fn identify(&self, report: &mut RoleReport, age: Duration) {
        let Some(known) = &self.report else { return };
        report.run_id = report.run_id.take().or_else(|| known.run_id.clone());
        report.version = report.version.take().or_else(|| known.version.clone());
        report.uptime = report.uptime.or(known.uptime.map(|uptime| uptime + age));
        report.cluster |= known.cluster;
    }

    /// Reads one complete RESP reply: an INFO text in a bulk, or a ROLE array.
    pub fn absorb_reply(&mut self, reply: &[u8]) {
        match reply.first() {
            Some(b'$' | b'=') => self.absorb_info(reply),
            Some(b'*') => self.absorb_role_array(reply),
            _ => {}
        }
    }

    /// Reads `key:value` lines in any order; what is no such line is passed over.
    pub fn absorb_info(&mut self, text: &[u8]) {
        for line in text.split(|&byte| byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let Some(colon) = memchr::memchr(b':', line) else { continue };
            if let Some(value) = printable(&line[colon + 1..]) {
                self.absorb_field(&line[..colon], value);
            }
        }
    }

    fn absorb_field(&mut self, key: &[u8], value: &str) {
        if key == b"role" {
            self.said = role_named(value.as_bytes()).or(self.said);
            self.fields();
            return;
        }
        let report = self.fields();
        match key {
            b"run_id" => report.run_id = Some(value.to_owned()),
            b"master_replid" => report.replid = Some(value.to_owned()),
            b"master_replid2" => report.replid2 = Some(value.to_owned()),
            b"master_repl_offset" => report.offset = value.parse().ok(),
            b"second_repl_offset" => report.second_offset = value.parse().ok(),
            b"connected_slaves" => report.connected_replicas = value.parse().ok(),
            b"uptime_in_seconds" => report.uptime = value.parse().ok().map(Duration::from_secs),
            b"redis_mode" => report.cluster = value == "cluster",
            b"master_link_status" => report.link_up = Some(value == "up"),
            b"master_last_io_seconds_ago" => {
                report.heard_from_master = value.parse().ok().map(Duration::from_secs);
            }
            b"master_host" => {
                let port = report.follows.take().map_or(0, |(_, port)| port);
                report.follows = Some((value.to_owned(), port));
            }
            b"master_port" => {
                let host = report.follows.take().map_or_else(String::new, |(host, _)| host);
                report.follows = value.parse().ok().map(|port| (host, port));
            }
            b"redis_version" => report.version = Some(value.to_owned()),
            _ => {}
        }
    }

    /// `master offset [replicas]`, or `slave host port state offset`.
    fn absorb_role_array(&mut self, reply: &[u8]) {
        let mut cursor = Cursor(reply);
        let Some(Element::Array(_)) = cursor.next() else { return };
        let Some(Element::Text(name)) = cursor.next() else { return };
        match role_named(name) {
            Some(Role::Master) => self.absorb_master(&mut cursor),
            Some(Role::Replica) => self.absorb_replica(&mut cursor),
            Some(Role::ActiveReplica) | None => {}
        }
    }

    fn absorb_master(&mut self, cursor: &mut Cursor<'_>) {
        self.said = Some(Role::Master);
        let report = self.fields();
        if let Some(Element::Text(offset)) = cursor.next() {
            report.offset = printable(offset).and_then(|text| text.parse().ok());
        }
        if let Some(Element::Array(replicas)) = cursor.next() {
            report.connected_replicas = u32::try_from(replicas).ok();
        }
    }

    fn absorb_replica(&mut self, cursor: &mut Cursor<'_>) {
        self.said = Some(Role::Replica);
        let report = self.fields();
        let mut text = || match cursor.next() {
            Some(Element::Text(bytes)) => printable(bytes),
            _ => None,
        };
        let (host, port, state, offset) = (text(), text(), text(), text());
        if let (Some(host), Some(Ok(port))) = (host, port.map(str::parse)) {
            report.follows = Some((host.to_owned(), port));
        }
        report.link_up = state.map(|state| state == "connected");
        report.offset = offset.and_then(|offset| offset.parse().ok());
    }

    fn fields(&mut self) -> &mut RoleReport {
        self.report.get_or_insert_with(|| RoleReport::of(Role::Replica))
    }
}

fn role_named(value: &[u8]) -> Option<Role> {
    match value {
        b"master" => Some(Role::Master),
        b"slave" | b"replica" => Some(Role::Replica),
        b"active-replica" => Some(Role::ActiveReplica),
        _ => None,
    }
}

fn printable(value: &[u8]) -> Option<&str> {
    let clean = value.len() <= MAX_VALUE && value.iter().all(|byte| (0x20..0x7f).contains(byte));
    clean.then(|| std::str::from_utf8(value).ok()).flatten()
}

enum Element<'a> {
    /// A bulk's bytes, or a line's.
    Text(&'a [u8]),
    Array(usize),
}

/// Walks over the elements of a complete reply, arrays opened up.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn next(&mut self) -> Option<Element<'a>> {
        let end = memchr::memchr(b'\n', self.0)?;
        let (kind, line) = (*self.0.first()?, self.0.get(1..end)?.strip_suffix(b"\r")?);
        self.0 = &self.0[end + 1..];
        match kind {
            b'*' | b'~' => Some(Element::Array(std::str::from_utf8(line).ok()?.parse().ok()?)),
            b'$' | b'=' => {
                let length: usize = std::str::from_utf8(line).ok()?.parse().ok()?;
                let text = self.0.get(..length)?;
                self.0 = self.0.get(length.checked_add(2)?..)?;
                Some(Element::Text(text))
            }
            _ => Some(Element::Text(line)),
        }
    }
}

#[cfg(test)]
#[path = "role_tests.rs"]
mod tests;
