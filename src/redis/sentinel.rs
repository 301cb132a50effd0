//! What Sentinels publish and answer (<https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/>,
//! "Sentinel API" and "Pub/Sub messages"): texts in, values out, addresses left as they were written.
//!
//! An event is `<instance-type> <name> <ip> <port> @ <master-name> <master-ip> <master-port>`, where the part
//! from `@` on is missing if the instance is the master itself; `+switch-master` is
//! `<master-name> <old-ip> <old-port> <new-ip> <new-port>`. A hello on `__sentinel__:hello` is
//! `ip,port,runid,current_epoch,master_name,master_ip,master_port,config_epoch`.

use super::reply::Reply;

/// Where each Sentinel announces itself on each Redis that it watches.
pub const HELLO_CHANNEL: &str = "__sentinel__:hello";

/// More replicas or Sentinels of one master than this are not looked at.
const MOST: usize = 64;

/// A Redis or a Sentinel as a Sentinel writes it: an address or a host name, and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Node {
    pub host: String,
    pub port: u16,
}

impl Node {
    fn read(host: &str, port: &str) -> Option<Node> {
        let port = port.parse().ok().filter(|port| *port != 0)?;
        (!host.is_empty() && host.len() <= 255).then(|| Node { host: host.to_owned(), port })
    }
}

impl std::fmt::Display for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A message of a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    pub channel: &'a str,
    pub payload: &'a str,
}

/// The message in a reply, if it is one: `message channel payload`, `pmessage pattern channel payload`.
pub fn message<'a>(reply: &Reply<'a>) -> Option<Message<'a>> {
    let (channel, payload) = match reply.elements() {
        [kind, channel, payload] if kind.text() == Some("message") => (channel, payload),
        [kind, _, channel, payload] if kind.text() == Some("pmessage") => (channel, payload),
        _ => return None,
    };
    Some(Message { channel: channel.text()?, payload: payload.text()? })
}

/// Something that a Sentinel published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Of the master of that name.
    Of { master_name: String, what: What },
    /// `+tilt`, `-tilt`
    Tilt(bool),
}

/// See [`crate::state::sentinel::FailoverStep`] for what each step of a failover means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// `+elected-leader`, `+failover-state-select-slave`
    Decided { master: Node },
    /// `+selected-slave`, `+failover-state-send-slaveof-noone`, `+failover-state-wait-promotion`
    Selected { master: Node, promoted: Node },
    /// `+promoted-slave`
    Promoted { master: Node, promoted: Node },
    /// `+failover-state-reconf-slaves`: promoted, without saying who.
    Reconfiguring { master: Node },
    /// `-failover-abort-*`
    Aborted { master: Node },
    /// `+failover-end`, `+failover-end-for-timeout`
    Ended { master: Node },
    /// `+switch-master`
    Switched { old: Node, new: Node },
    /// Anything by which its view of the master, or of the other Sentinels, may have changed.
    Changed,
}

/// Reads an event; `None` for those that concern nobody here, and for what makes no sense.
pub fn event(message: Message<'_>) -> Option<Event> {
    let Message { channel, payload } = message;
    match channel {
        "+tilt" => return Some(Event::Tilt(true)),
        "-tilt" => return Some(Event::Tilt(false)),
        _ => {}
    }
    let words: Vec<&str> = payload.split(' ').take(12).collect();
    if channel == "+switch-master" {
        let [name, old_host, old_port, new_host, new_port, ..] = words[..] else { return None };
        let what =
            What::Switched { old: Node::read(old_host, old_port)?, new: Node::read(new_host, new_port)? };
        return Some(Event::Of { master_name: name.to_owned(), what });
    }
    let subject = Subject::read(&words)?;
    let what = what(channel, &subject)?;
    Some(Event::Of { master_name: subject.master_name.to_owned(), what })
}

fn what(channel: &str, subject: &Subject<'_>) -> Option<What> {
    let master = subject.master.clone();
    Some(match channel {
        "+elected-leader" | "+failover-state-select-slave" => What::Decided { master },
        "+selected-slave" | "+failover-state-send-slaveof-noone" | "+failover-state-wait-promotion" => {
            What::Selected { master, promoted: subject.replica()? }
        }
        "+promoted-slave" => What::Promoted { master, promoted: subject.replica()? },
        "+failover-state-reconf-slaves" => What::Reconfiguring { master },
        "+failover-end" | "+failover-end-for-timeout" => What::Ended { master },
        abort if abort.starts_with("-failover-abort-") => What::Aborted { master },
        "+config-update-from"
        | "+reset-master"
        | "+monitor"
        | "-monitor"
        | "+sentinel"
        | "-dup-sentinel"
        | "+sentinel-address-switch"
        | "+sentinel-invalid-addr"
        | "+redirect-to-master"
        | "+slave" => What::Changed,
        _ => return None,
    })
}

/// Whom an event is about.
struct Subject<'a> {
    kind: &'a str,
    node: Node,
    master_name: &'a str,
    master: Node,
}

impl<'a> Subject<'a> {
    fn read(words: &[&'a str]) -> Option<Subject<'a>> {
        let [kind, name, host, port, ref rest @ ..] = *words else { return None };
        let node = Node::read(host, port)?;
        match *rest {
            ["@", master_name, master_host, master_port, ..] => {
                Some(Subject { kind, node, master_name, master: Node::read(master_host, master_port)? })
            }
            // `#quorum 3/2` and the like may follow.
            _ if kind == "master" => Some(Subject { kind, master: node.clone(), node, master_name: name }),
            _ => None,
        }
    }

    fn replica(&self) -> Option<Node> {
        matches!(self.kind, "slave" | "replica").then(|| self.node.clone())
    }
}

/// A Sentinel's announcement, as anyone may write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    pub sentinel: Node,
    pub run_id: String,
    pub master_name: String,
    pub master: Node,
    pub config_epoch: u64,
}

/// Reads an announcement.
pub fn hello(payload: &str) -> Option<Hello> {
    let fields: Vec<&str> = payload.split(',').take(9).collect();
    let [host, port, run_id, current_epoch, master_name, master_host, master_port, config_epoch] = fields[..]
    else {
        return None;
    };
    current_epoch.parse::<u64>().ok()?;
    Some(Hello {
        sentinel: Node::read(host, port)?,
        run_id: self::run_id(run_id)?,
        master_name: name(master_name)?,
        master: Node::read(master_host, master_port)?,
        config_epoch: config_epoch.parse().ok()?,
    })
}

/// 40 hexadecimal digits.
pub fn run_id(text: &str) -> Option<String> {
    (text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| text.to_owned())
}

/// Sentinel's own rule for the names of masters: letters, digits, `.`, `-` and `_`; ours, that they are short.
fn name(text: &str) -> Option<String> {
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    (!text.is_empty() && text.len() <= 128 && text.bytes().all(fine)).then(|| text.to_owned())
}

/// `failover-state` of SENTINEL MASTER, at the leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailoverState {
    /// `wait_start`: a candidacy.
    Waiting,
    /// `select_slave`
    Selecting,
    /// `send_slaveof_noone`, `wait_promotion`
    Promoting,
    /// `reconf_slaves`, `update_config`
    Promoted,
}

/// What a Sentinel answers about the master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterView {
    /// Until a failover is at its end, the leader goes on naming the old one here.
    pub node: Node,
    pub run_id: Option<String>,
    pub config_epoch: u64,
    pub other_sentinels: u32,
    pub failover: Option<FailoverState>,
}

/// One of SENTINEL REPLICAS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaView {
    pub node: Node,
    pub run_id: Option<String>,
    /// The failover's choice.
    pub promoted: bool,
}

/// One of SENTINEL SENTINELS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerView {
    pub node: Node,
    pub run_id: String,
}

/// Reads the reply to SENTINEL MASTER.
pub fn master(reply: &Reply<'_>) -> Option<MasterView> {
    let fields = Fields::of(reply)?;
    let failing_over = fields.flag("failover_in_progress");
    let state = match fields.value("failover-state").filter(|_| failing_over) {
        Some("wait_start") => Some(FailoverState::Waiting),
        Some("select_slave") => Some(FailoverState::Selecting),
        Some("send_slaveof_noone" | "wait_promotion") => Some(FailoverState::Promoting),
        Some("reconf_slaves" | "update_config") => Some(FailoverState::Promoted),
        _ => None,
    };
    Some(MasterView {
        node: fields.node()?,
        run_id: fields.value("runid").and_then(run_id),
        config_epoch: fields.value("config-epoch")?.parse().ok()?,
        other_sentinels: fields.value("num-other-sentinels")?.parse().ok()?,
        failover: state,
    })
}

/// Reads the reply to SENTINEL REPLICAS; entries that make no sense are left out.
pub fn replicas(reply: &Reply<'_>) -> Vec<ReplicaView> {
    let read = |reply: &Reply<'_>| {
        let fields = Fields::of(reply)?;
        let run_id = fields.value("runid").and_then(run_id);
        Some(ReplicaView { node: fields.node()?, run_id, promoted: fields.flag("promoted") })
    };
    reply.elements().iter().take(MOST).filter_map(read).collect()
}

/// Reads the reply to SENTINEL SENTINELS; entries that make no sense are left out.
pub fn peers(reply: &Reply<'_>) -> Vec<PeerView> {
    let read = |reply: &Reply<'_>| {
        let fields = Fields::of(reply)?;
        Some(PeerView { node: fields.node()?, run_id: run_id(fields.value("runid")?)? })
    };
    reply.elements().iter().take(MOST).filter_map(read).collect()
}

/// Reads the reply to SENTINEL GET-MASTER-ADDR-BY-NAME: of a promotion the new master, before SENTINEL MASTER
/// names it.
pub fn current_master(reply: &Reply<'_>) -> Option<Node> {
    let [host, port] = reply.elements() else { return None };
    Node::read(host.text()?, port.text()?)
}

/// Reads `sentinel_tilt` out of the reply to INFO sentinel.
pub fn tilt(reply: &Reply<'_>) -> Option<bool> {
    let Reply::Text(text) = reply else { return None };
    let value = text.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"sentinel_tilt:"))?;
    Some(value.trim_ascii() != b"0")
}

/// Names and values in turn.
struct Fields<'r, 'a>(&'r [Reply<'a>]);

impl<'r, 'a> Fields<'r, 'a> {
    fn of(reply: &'r Reply<'a>) -> Option<Fields<'r, 'a>> {
        let elements = reply.elements();
        (!elements.is_empty()).then_some(Fields(elements))
    }

    fn value(&self, name: &str) -> Option<&'a str> {
        let pair = self.0.chunks_exact(2).find(|pair| pair[0].text() == Some(name))?;
        pair[1].text()
    }

    fn node(&self) -> Option<Node> {
        Node::read(self.value("ip")?, self.value("port")?)
    }

    fn flag(&self, name: &str) -> bool {
        self.value("flags").is_some_and(|flags| flags.split(',').any(|flag| flag == name))
    }
}

#[cfg(test)]
#[path = "sentinel_tests.rs"]
mod tests;
