//! Which server a Sentinel means. By its address; where Sentinel sees another one than rolecall (NAT, containers,
//! host names), by the run id of the process, which both read off it.

use std::net::{IpAddr, SocketAddr};

use super::facts::Answers;
use crate::redis::sentinel::Node;
use crate::state::ServerKey;
use crate::state::sentinel::Named;

/// A server of the backend, as it is known now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) key: ServerKey,
    pub(super) name: String,
    pub(super) address: Option<SocketAddr>,
    /// As written: `redis1.local:6379`.
    pub(super) written: String,
    /// Names that Sentinels use for its address.
    pub(super) known_as: Vec<String>,
    /// Of its last check.
    pub(super) run_id: Option<String>,
}

/// What one Sentinel said of the run ids of those it watches.
#[derive(Debug, Default)]
pub(super) struct Resolver {
    run_ids: Vec<(Node, String)>,
}

impl Resolver {
    /// Replaces what was known; as many as the answers have, which is bounded.
    pub(super) fn learn(&mut self, answers: &Answers) {
        let master = (&answers.master.node, &answers.master.run_id);
        let replicas = answers.replicas.iter().map(|replica| (&replica.node, &replica.run_id));
        let known = std::iter::once(master).chain(replicas);
        self.run_ids = known.filter_map(|(node, id)| Some((node.clone(), id.clone()?))).collect();
    }

    /// The server that a node is. A run id that is another server's outweighs an address: behind NAT, the same
    /// address may be two machines; the ids are drawn at each start.
    pub(super) fn name(&self, node: &Node, servers: &[Seen]) -> Named {
        let by_id = self
            .run_ids
            .iter()
            .find(|(other, _)| other == node)
            .and_then(|(_, id)| servers.iter().find(|server| server.run_id.as_ref() == Some(id)));
        match by_id.or_else(|| servers.iter().find(|server| is_at(server, node))) {
            Some(server) => Named::Server(server.key),
            None => Named::Stranger(node.to_string()),
        }
    }
}

fn is_at(server: &Seen, node: &Node) -> bool {
    match node.host.parse::<IpAddr>() {
        Ok(ip) => server.address == Some(SocketAddr::new(ip, node.port)),
        Err(_) => {
            let is_known = server.known_as.iter().any(|name| name.eq_ignore_ascii_case(&node.host));
            let has_port = server.address.is_some_and(|address| address.port() == node.port);
            let is_written = server.written.rsplit_once(':').is_some_and(|(host, port)| {
                host.eq_ignore_ascii_case(&node.host) && port.parse() == Ok(node.port)
            });
            is_written || (is_known && has_port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::sentinel::{MasterView, ReplicaView};

    fn node(host: &str, port: u16) -> Node {
        Node { host: host.to_owned(), port }
    }

    fn server(key: u32, written: &str, run_id: Option<&str>) -> Seen {
        Seen {
            key: ServerKey(key),
            name: format!("redis{key}"),
            address: written.parse().ok(),
            written: written.to_owned(),
            known_as: Vec::new(),
            run_id: run_id.map(str::to_owned),
        }
    }

    fn resolver(known: &[(Node, &str)]) -> Resolver {
        let view = |(node, id): &(Node, &str)| ReplicaView {
            node: node.clone(),
            run_id: Some((*id).to_owned()),
            promoted: false,
        };
        let master = MasterView {
            node: node("10.9.9.9", 1),
            run_id: None,
            config_epoch: 0,
            other_sentinels: 0,
            failover: None,
        };
        let mut resolver = Resolver::default();
        resolver.learn(&Answers {
            my_id: None,
            master,
            current: None,
            replicas: known.iter().map(view).collect(),
            peers: Vec::new(),
            tilt: None,
            complaint: None,
        });
        resolver
    }

    #[test]
    fn servers_are_found_by_address_name_and_run_id() {
        let servers = [server(1, "10.0.0.1:6379", Some("aa")), server(2, "redis2.local:6380", Some("bb"))];
        let inside = resolver(&[(node("172.17.0.2", 6379), "aa"), (node("172.17.0.3", 6379), "zz")]);
        let table = [
            (node("10.0.0.1", 6379), Named::Server(ServerKey(1))),
            (node("10.0.0.1", 6380), Named::Stranger("10.0.0.1:6380".to_owned())),
            (node("Redis2.local", 6380), Named::Server(ServerKey(2))),
            (node("172.17.0.2", 6379), Named::Server(ServerKey(1))),
            (node("172.17.0.3", 6379), Named::Stranger("172.17.0.3:6379".to_owned())),
            (node("::1", 6379), Named::Stranger("[::1]:6379".to_owned())),
        ];
        for (node, expected) in table {
            assert_eq!(inside.name(&node, &servers), expected);
        }
    }

    #[test]
    fn a_server_is_found_by_a_name_that_its_address_is_known_by() {
        let mut servers = [server(1, "10.0.0.1:6379", None), server(2, "10.0.0.2:6379", None)];
        servers[1].known_as = vec!["redis-1.redis.svc".to_owned()];
        let found = |host, port| resolver(&[]).name(&node(host, port), &servers);
        assert_eq!(found("Redis-1.redis.svc", 6379), Named::Server(ServerKey(2)));
        assert_eq!(found("redis-1.redis.svc", 6380), Named::Stranger("redis-1.redis.svc:6380".to_owned()));
        assert_eq!(found("redis-0.redis.svc", 6379), Named::Stranger("redis-0.redis.svc:6379".to_owned()));
    }

    #[test]
    fn a_run_id_outweighs_an_address() {
        let servers = [server(1, "127.0.0.1:6379", Some("aa")), server(2, "10.0.0.2:6379", Some("bb"))];
        let there = resolver(&[(node("127.0.0.1", 6379), "bb")]);
        assert_eq!(there.name(&node("127.0.0.1", 6379), &servers), Named::Server(ServerKey(2)));
    }
}
