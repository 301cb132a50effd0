//! A Redis that exists only to be asked: it answers what a check script sends as a master would, or as a
//! replica, in the words of several generations. It takes every password and executes nothing. The texts
//! have the fields that scripts look for; a replica differs from its master in nothing but what follows from
//! its role, so that a script which tells the two apart does so by the role.

use crate::redis::{Role, command};

/// Whose words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// 2.8: no replication ids.
    Redis2,
    Redis4,
    Redis7,
    /// Says `role:slave` still, and names itself otherwise.
    Valkey,
    /// A fork that says `role:replica`.
    Renamed,
}

impl Dialect {
    pub(super) const ALL: [Dialect; 5] =
        [Dialect::Redis2, Dialect::Redis4, Dialect::Redis7, Dialect::Valkey, Dialect::Renamed];

    fn version(self) -> &'static str {
        match self {
            Dialect::Redis2 => "redis_version:2.8.24",
            Dialect::Redis4 => "redis_version:4.0.14",
            Dialect::Redis7 => "redis_version:7.0.15",
            Dialect::Valkey | Dialect::Renamed => {
                "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1"
            }
        }
    }
}

/// One connection to a canned server.
#[derive(Debug)]
pub(super) struct Canned {
    role: Role,
    dialect: Dialect,
    /// A command that a later send finishes. Dropped with the rehearsal; it may hold a password.
    unfinished: Vec<u8>,
    resp3: bool,
}

const ID: &str = "8f0f2b7c5d1e4a6f9b3c7d2e1f0a5b4c6d8e9f10";
const RUN_ID: &str = "1c9d7e5f3b2a4c6d8e0f1a2b3c4d5e6f7a8b9c0d";
const NO_ID: &str = "0000000000000000000000000000000000000000";

/// Commands that change data: a replica refuses them.
const WRITES: [&str; 14] = [
    "set", "setex", "psetex", "setnx", "getset", "incr", "decr", "del", "expire", "hset", "lpush", "rpush",
    "sadd", "zadd",
];

impl Canned {
    pub(super) fn new(role: Role, dialect: Dialect) -> Canned {
        Canned { role, dialect, unfinished: Vec::new(), resp3: false }
    }

    /// The replies to what was sent, in order.
    pub(super) fn answer(&mut self, sent: &[u8]) -> Vec<u8> {
        self.unfinished.extend_from_slice(sent);
        let bytes = std::mem::take(&mut self.unfinished);
        let (commands, left) = command::split(&bytes);
        self.unfinished.extend_from_slice(&bytes[bytes.len() - left..]);
        commands.iter().flat_map(|words| self.reply(words).into_bytes()).collect()
    }

    fn reply(&mut self, words: &[&[u8]]) -> String {
        let word = |at: usize| words.get(at).map(|word| String::from_utf8_lossy(word).to_ascii_lowercase());
        let name = word(0).unwrap_or_default();
        match name.as_str() {
            "ping" => word(1).map_or_else(|| "+PONG\r\n".to_owned(), |text| bulk(&text)),
            "auth" | "select" | "client" | "readonly" | "quit" => "+OK\r\n".to_owned(),
            "hello" => self.hello(word(1).as_deref()),
            "info" => self.text(&self.info(words.len() == 1, &|section| {
                words[1..].iter().any(|word| word.eq_ignore_ascii_case(section.as_bytes()))
            })),
            "role" => self.role_array(),
            "echo" => bulk(&word(1).unwrap_or_default()),
            "get" => "$-1\r\n".to_owned(),
            "exists" | "dbsize" => ":0\r\n".to_owned(),
            "cluster" => "-ERR This instance has cluster support disabled\r\n".to_owned(),
            "sentinel" => sentinel(word(1).as_deref()),
            write if WRITES.contains(&write) => self.write(write),
            _ => format!("-ERR unknown command '{name}'\r\n"),
        }
    }

    fn hello(&mut self, version: Option<&str>) -> String {
        self.resp3 = version == Some("3");
        let pairs =
            [("server", "redis"), ("version", "7.0.15"), ("mode", "standalone"), ("role", self.word())];
        let body: String = pairs.iter().map(|(key, value)| bulk(key) + &bulk(value)).collect();
        if self.resp3 {
            format!("%{}\r\n{body}", pairs.len())
        } else {
            format!("*{}\r\n{body}", pairs.len() * 2)
        }
    }

    fn word(&self) -> &'static str {
        match (self.role, self.dialect) {
            (Role::Master, _) => "master",
            (_, Dialect::Renamed) => "replica",
            _ => "slave",
        }
    }

    fn write(&self, command: &str) -> String {
        match (self.role, command) {
            (Role::Master, "set" | "setex" | "psetex") => "+OK\r\n".to_owned(),
            (Role::Master, "getset") => "$-1\r\n".to_owned(),
            (Role::Master, _) => ":1\r\n".to_owned(),
            _ => "-READONLY You can't write against a read only replica.\r\n".to_owned(),
        }
    }

    fn role_array(&self) -> String {
        if self.role == Role::Master {
            let replica = |ip: &str| format!("*3\r\n{}{}{}", bulk(ip), bulk("6379"), bulk("1024"));
            return format!(
                "*3\r\n{}:1024\r\n*2\r\n{}{}",
                bulk("master"),
                replica("10.0.0.2"),
                replica("10.0.0.3")
            );
        }
        format!("*5\r\n{}{}:6379\r\n{}:1024\r\n", bulk(self.word()), bulk("10.0.0.1"), bulk("connected"))
    }

    fn text(&self, text: &str) -> String {
        if self.resp3 { format!("={}\r\ntxt:{text}\r\n", text.len() + 4) } else { bulk(text) }
    }

    /// Each section that was asked for, all of them without a name or with one of the collective ones.
    fn info(&self, unnamed: bool, named: &dyn Fn(&str) -> bool) -> String {
        let every = unnamed || named("all") || named("default") || named("everything");
        let sections = [
            (
                "server",
                format!(
                    "# Server\r\n{}\r\nredis_mode:standalone\r\nos:Linux x86_64\r\narch_bits:64\r\n\
                process_id:1\r\nrun_id:{RUN_ID}\r\ntcp_port:6379\r\nuptime_in_seconds:86400\r\nuptime_in_days:1\r\n",
                    self.dialect.version()
                ),
            ),
            ("clients", "# Clients\r\nconnected_clients:3\r\nblocked_clients:0\r\n".to_owned()),
            (
                "memory",
                "# Memory\r\nused_memory:1048576\r\nused_memory_human:1.00M\r\nmaxmemory:0\r\n".to_owned(),
            ),
            (
                "persistence",
                "# Persistence\r\nloading:0\r\nrdb_changes_since_last_save:0\r\nrdb_bgsave_in_progress:0\r\n\
                rdb_last_bgsave_status:ok\r\naof_enabled:0\r\naof_last_write_status:ok\r\n"
                    .to_owned(),
            ),
            ("stats", "# Stats\r\ntotal_connections_received:7\r\nrejected_connections:0\r\n".to_owned()),
            ("replication", self.replication()),
            ("cpu", "# CPU\r\nused_cpu_sys:1.00\r\nused_cpu_user:1.00\r\n".to_owned()),
            ("cluster", "# Cluster\r\ncluster_enabled:0\r\n".to_owned()),
            ("keyspace", "# Keyspace\r\ndb0:keys=1,expires=0,avg_ttl=0\r\n".to_owned()),
        ];
        let asked = sections.into_iter().filter(|(name, _)| every || named(name));
        asked.map(|(_, text)| text).collect::<Vec<_>>().join("\r\n")
    }

    fn replication(&self) -> String {
        let mut text = format!("# Replication\r\nrole:{}\r\n", self.word());
        text += match self.role {
            Role::Master => {
                "connected_slaves:2\r\nslave0:ip=10.0.0.2,port=6379,state=online,offset=1024,lag=0\r\n\
                 slave1:ip=10.0.0.3,port=6379,state=online,offset=1024,lag=1\r\n"
            }
            _ => {
                "master_host:10.0.0.1\r\nmaster_port:6379\r\nmaster_link_status:up\r\n\
                 master_last_io_seconds_ago:1\r\nmaster_sync_in_progress:0\r\nslave_repl_offset:1024\r\n\
                 slave_priority:100\r\nslave_read_only:1\r\nconnected_slaves:0\r\n"
            }
        };
        if self.dialect == Dialect::Redis7 {
            text += "master_failover_state:no-failover\r\n";
        }
        if self.dialect != Dialect::Redis2 {
            text += &format!("master_replid:{ID}\r\nmaster_replid2:{NO_ID}\r\n");
        }
        text += "master_repl_offset:1024\r\n";
        if self.dialect != Dialect::Redis2 {
            text += "second_repl_offset:-1\r\n";
        }
        text + "repl_backlog_active:1\r\nrepl_backlog_size:1048576\r\nrepl_backlog_first_byte_offset:1\r\n\
                repl_backlog_histlen:1024\r\n"
    }
}

/// The same whoever is asked: a script that only asks a Sentinel learns nothing of the server's role.
fn sentinel(what: Option<&str>) -> String {
    match what {
        Some("get-master-addr-by-name") => format!("*2\r\n{}{}", bulk("10.0.0.1"), bulk("6379")),
        Some("ckquorum") => {
            "+OK 3 usable Sentinels. Quorum and failover authorization can be reached\r\n".to_owned()
        }
        _ => {
            let words =
                ["name", "mymaster", "ip", "10.0.0.1", "port", "6379", "flags", "master", "num-slaves", "2"];
            let body: String = words.iter().map(|word| bulk(word)).collect();
            format!("*{}\r\n{body}", words.len())
        }
    }
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}
