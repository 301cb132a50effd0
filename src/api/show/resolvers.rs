//! `show resolvers`, in HAProxy's layout.

use std::fmt::Write as _;

use super::Reply;
use crate::dns::counters::CountedSection;

/// The sections, or the one of that name.
pub fn answer(sections: &[CountedSection], name: Option<&str>) -> Reply {
    let chosen: Vec<_> =
        sections.iter().filter(|section| name.is_none_or(|name| section.name == name)).collect();
    if name.is_some() && chosen.is_empty() {
        return Reply::say("Can't find that resolvers section\n");
    }
    let mut text = String::new();
    for section in chosen {
        let _ = writeln!(text, "Resolvers section {}", section.name);
        for counted in &section.nameservers {
            let _ = writeln!(text, " nameserver {}:", counted.server.id);
            for (label, value) in counted.counters.values() {
                let _ = writeln!(text, "  {:<13}{value}", format!("{label}:"));
            }
        }
    }
    Reply::Text(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::{NameServer, Resolvers, Transport};
    use crate::dns::counters::{Board, Count};

    #[test]
    fn counters_are_shown_as_haproxy_shows_them() {
        let server = |id: &str| NameServer {
            id: id.to_owned(),
            address: "127.0.0.1:53".parse().unwrap(),
            transport: Transport::Udp,
        };
        let section = |name: &str, nameservers| Resolvers {
            name: name.to_owned(),
            nameservers,
            ..Resolvers::default()
        };
        let sections = [section("dns", vec![server("ns1"), server("ns2")]), section("empty", Vec::new())];
        let board = Board::default();
        board.arrange(&sections);
        board.sections()[0].nameservers[1].counters.count(Count::Nx);
        // A reload changes nothing of what was counted.
        board.arrange(&sections);
        insta::assert_snapshot!(answer(&board.sections(), None).into_text());
        assert!(
            answer(&board.sections(), Some("empty")).into_text().starts_with("Resolvers section empty\n")
        );
        let none = answer(&board.sections(), Some("nobody")).into_text();
        assert_eq!(none, "Can't find that resolvers section\n");
    }
}
