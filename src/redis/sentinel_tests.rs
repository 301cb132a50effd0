use proptest::prelude::*;

use super::*;
use crate::redis::reply::{Reply, command};

fn node(text: &str) -> Node {
    let (host, port) = text.rsplit_once(':').unwrap();
    Node { host: host.to_owned(), port: port.parse().unwrap() }
}

fn read(channel: &str, payload: &str) -> Option<Event> {
    event(Message { channel, payload })
}

fn of(what: What) -> Option<Event> {
    Some(Event::Of { master_name: "mymaster".to_owned(), what })
}

/// As Redis 7.0.15 published them.
#[test]
fn the_leaders_events_are_read_as_steps() {
    let (old, new) = (node("127.0.0.1:7101"), node("127.0.0.1:7102"));
    let about_master = "master mymaster 127.0.0.1 7101";
    let about_replica = "slave 127.0.0.1:7102 127.0.0.1 7102 @ mymaster 127.0.0.1 7101";
    let selected = || of(What::Selected { master: old.clone(), promoted: new.clone() });
    let table = [
        ("+try-failover", about_master, None),
        ("+vote-for-leader", "8b5bbba46f26203ef91f7dc759e1bcdc8cd1f3c9 1", None),
        ("+elected-leader", about_master, of(What::Decided { master: old.clone() })),
        ("+failover-state-select-slave", about_master, of(What::Decided { master: old.clone() })),
        ("+selected-slave", about_replica, selected()),
        ("+failover-state-send-slaveof-noone", about_replica, selected()),
        ("+failover-state-wait-promotion", about_replica, selected()),
        ("+promoted-slave", about_replica, of(What::Promoted { master: old.clone(), promoted: new.clone() })),
        ("+failover-state-reconf-slaves", about_master, of(What::Reconfiguring { master: old.clone() })),
        ("+slave-reconf-sent", "slave 127.0.0.1:7103 127.0.0.1 7103 @ mymaster 127.0.0.1 7101", None),
        ("+failover-end", about_master, of(What::Ended { master: old.clone() })),
        ("+failover-end-for-timeout", about_master, of(What::Ended { master: old.clone() })),
        (
            "+switch-master",
            "mymaster 127.0.0.1 7101 127.0.0.1 7102",
            of(What::Switched { old: old.clone(), new: new.clone() }),
        ),
        ("-failover-abort-no-good-slave", about_master, of(What::Aborted { master: old.clone() })),
        ("-failover-abort-not-elected", about_master, of(What::Aborted { master: old.clone() })),
        ("+odown", "master mymaster 127.0.0.1 7101 #quorum 3/2", None),
        (
            "+config-update-from",
            "sentinel 8b5bbba46f26203ef91f7dc759e1bcdc8cd1f3c9 127.0.0.1 7201 @ mymaster 127.0.0.1 7101",
            of(What::Changed),
        ),
        ("+reset-master", about_master, of(What::Changed)),
        ("+tilt", "#tilt mode entered", Some(Event::Tilt(true))),
        ("-tilt", "#tilt mode exited", Some(Event::Tilt(false))),
    ];
    for (channel, payload, expected) in table {
        assert_eq!(read(channel, payload), expected, "{channel} {payload}");
    }
}

#[test]
fn events_that_make_no_sense_are_none() {
    for payload in
        ["", "master", "master m 127.0.0.1 x", "slave a 1.1.1.1 1", "master m 1.1.1.1 0", "slave a h 1 @ m"]
    {
        assert_eq!(read("+elected-leader", payload), None, "{payload}");
        assert_eq!(read("+promoted-slave", payload), None, "{payload}");
    }
    assert_eq!(read("+switch-master", "mymaster 127.0.0.1 7101 127.0.0.1"), None);
    // Nobody is promoted who is no replica.
    assert_eq!(read("+promoted-slave", "master mymaster 127.0.0.1 7101"), None);
}

#[test]
fn announcements_have_eight_fields() {
    let id = "8b5bbba46f26203ef91f7dc759e1bcdc8cd1f3c9";
    let read = hello(&format!("127.0.0.1,7201,{id},3,mymaster,redis1.local,7101,2")).unwrap();
    assert_eq!((read.sentinel, read.master), (node("127.0.0.1:7201"), node("redis1.local:7101")));
    assert_eq!((&*read.run_id, &*read.master_name, read.config_epoch), (id, "mymaster", 2));
    for wrong in [
        String::new(),
        format!("127.0.0.1,7201,{id},3,mymaster,127.0.0.1,7101"),
        format!("127.0.0.1,7201,{id},3,mymaster,127.0.0.1,7101,2,9"),
        format!("127.0.0.1,0,{id},3,mymaster,127.0.0.1,7101,2"),
        format!("127.0.0.1,70000,{id},3,mymaster,127.0.0.1,7101,2"),
        "127.0.0.1,7201,short,3,mymaster,127.0.0.1,7101,2".to_owned(),
        format!("127.0.0.1,7201,{id},3,my master,127.0.0.1,7101,2"),
        format!("127.0.0.1,7201,{id},3,{},127.0.0.1,7101,2", "m".repeat(200)),
        format!("127.0.0.1,7201,{id},-1,mymaster,127.0.0.1,7101,2"),
    ] {
        assert_eq!(hello(&wrong), None, "{wrong}");
    }
}

fn fields(pairs: &[(&str, &str)]) -> Vec<u8> {
    let words: Vec<&[u8]> =
        pairs.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]).collect();
    command(&words)
}

const MASTER: &[(&str, &str)] = &[
    ("name", "mymaster"),
    ("ip", "127.0.0.1"),
    ("port", "7101"),
    ("runid", "232cdc04a1f7fa1c4aecb2a02efd125c3d492c0b"),
    ("flags", "master"),
    ("config-epoch", "4"),
    ("num-slaves", "2"),
    ("num-other-sentinels", "2"),
    ("quorum", "2"),
];

#[test]
fn the_view_of_the_master_is_read() {
    let bytes = fields(MASTER);
    let view = master(&Reply::parse(&bytes).unwrap()).unwrap();
    assert_eq!((view.node, view.config_epoch, view.other_sentinels), (node("127.0.0.1:7101"), 4, 2));
    assert_eq!(view.run_id.as_deref(), Some("232cdc04a1f7fa1c4aecb2a02efd125c3d492c0b"));
    assert_eq!(view.failover, None);
    let mut failing = MASTER.to_vec();
    failing[4].1 = "master,failover_in_progress,force_failover";
    for (state, expected) in [
        ("none", None),
        ("wait_start", Some(FailoverState::Waiting)),
        ("select_slave", Some(FailoverState::Selecting)),
        ("send_slaveof_noone", Some(FailoverState::Promoting)),
        ("wait_promotion", Some(FailoverState::Promoting)),
        ("reconf_slaves", Some(FailoverState::Promoted)),
        ("update_config", Some(FailoverState::Promoted)),
    ] {
        let mut pairs = failing.clone();
        pairs.push(("failover-state", state));
        let bytes = fields(&pairs);
        assert_eq!(master(&Reply::parse(&bytes).unwrap()).unwrap().failover, expected, "{state}");
    }
}

#[test]
fn replicas_and_peers_are_lists_of_fields() {
    let replica =
        fields(&[("ip", "127.0.0.1"), ("port", "7102"), ("runid", ""), ("flags", "slave,promoted")]);
    let bytes = [b"*2\r\n".to_vec(), replica, fields(&[("ip", "no port")])].concat();
    let read = replicas(&Reply::parse(&bytes).unwrap());
    assert_eq!(read, [ReplicaView { node: node("127.0.0.1:7102"), run_id: None, promoted: true }]);
    let id = "36aa02c49c7bff463790dee3bbead47482e81284";
    let peer = fields(&[("ip", "127.0.0.1"), ("port", "7203"), ("runid", id)]);
    let bytes = [b"*1\r\n".to_vec(), peer].concat();
    let read = peers(&Reply::parse(&bytes).unwrap());
    assert_eq!(read, [PeerView { node: node("127.0.0.1:7203"), run_id: id.to_owned() }]);
    let many = [b"*500\r\n".to_vec(), fields(&[("ip", "h"), ("port", "1")]).repeat(500)].concat();
    assert_eq!(replicas(&Reply::parse(&many).unwrap()).len(), MOST);
}

#[test]
fn the_current_master_and_tilt_are_read() {
    let bytes = command(&[b"127.0.0.1", b"7102"]);
    assert_eq!(current_master(&Reply::parse(&bytes).unwrap()), Some(node("127.0.0.1:7102")));
    assert_eq!(current_master(&Reply::Nil), None);
    assert_eq!(tilt(&Reply::Text(b"# Sentinel\r\nsentinel_tilt:1\r\n")), Some(true));
    assert_eq!(tilt(&Reply::Text(b"# Sentinel\r\nsentinel_tilt:0\r\n")), Some(false));
    assert_eq!(tilt(&Reply::Error(b"NOPERM")), None);
}

proptest! {
    #[test]
    fn nothing_panics(channel in any::<String>(), payload in any::<String>(), bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&channel, &payload);
        let _ = read("+promoted-slave", &payload);
        let _ = read("+switch-master", &payload);
        let _ = hello(&payload);
        if let Some(reply) = Reply::parse(&bytes) {
            let _ = (master(&reply), replicas(&reply).len(), peers(&reply).len(), current_master(&reply), tilt(&reply));
            let _ = message(&reply).and_then(event);
        }
    }
}
