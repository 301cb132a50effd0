use std::path::PathBuf;

use super::*;
use crate::config::model::{Frontend, Level};

fn bind(port: u16) -> Bind {
    Bind::at(BindAddress::Tcp(([127, 0, 0, 1], port).into()))
}

/// Frontends with binds on these ports; a frontend without any is disabled, on port 1.
fn config(frontends: &[&[u16]]) -> Config {
    let frontend = |ports: &&[u16]| Frontend {
        disabled: ports.is_empty(),
        binds: if ports.is_empty() { vec![bind(1)] } else { ports.iter().map(|port| bind(*port)).collect() },
        ..Frontend::default()
    };
    Config { frontends: frontends.iter().map(frontend).collect(), ..Config::default() }
}

fn name(port: u16, occurrence: u32) -> SocketName {
    SocketName { address: BindAddress::Tcp(([127, 0, 0, 1], port).into()), occurrence }
}

fn open_names(config: &Config) -> Vec<SocketName> {
    socket_names(config).into_all()
}

#[test]
fn sockets_are_kept_opened_and_closed_by_address() {
    type Case = (&'static [&'static [u16]], &'static [&'static [u16]], Vec<(u16, usize, usize)>, Vec<u16>);
    let table: [Case; 7] = [
        (&[], &[&[10, 11], &[12]], vec![(10, 0, 0), (11, 0, 1), (12, 1, 0)], vec![]),
        (&[&[10], &[12]], &[&[10], &[12]], vec![], vec![]),
        // An address that moves to another frontend keeps its socket.
        (&[&[10], &[12]], &[&[12], &[10]], vec![], vec![]),
        (&[&[10]], &[&[11]], vec![(11, 0, 0)], vec![10]),
        (&[&[10, 11]], &[&[11]], vec![], vec![10]),
        // A disabled frontend has no socket.
        (&[&[10]], &[&[]], vec![], vec![10]),
        (&[&[]], &[&[1]], vec![(1, 0, 0)], vec![]),
    ];
    for (old, new, open, close) in table {
        let plan = plan(&config(new), &open_names(&config(old)));
        let open: Vec<_> = open
            .into_iter()
            .map(|(port, frontend, bind)| (name(port, 0), Line::Bind { frontend, bind }))
            .collect();
        let close: Vec<_> = close.into_iter().map(|port| name(port, 0)).collect();
        assert_eq!(plan, Plan { open, close }, "{old:?} to {new:?}");
    }
}

#[test]
fn two_lines_with_one_address_have_a_socket_each() {
    let two = config(&[&[10], &[10]]);
    assert_eq!(open_names(&two), [name(10, 0), name(10, 1)]);
    let plan = plan(&config(&[&[10]]), &open_names(&two));
    assert_eq!(plan, Plan { open: vec![], close: vec![name(10, 1)] });
}

fn with_commands(config: Config, ports: &[u16], files: &[&str]) -> Config {
    let addresses = ports.iter().map(|port| bind(*port).address);
    let addresses = addresses.chain(files.iter().map(|path| BindAddress::Unix(PathBuf::from(path))));
    let socket =
        |address| CommandSocket { bind: Bind::at(address), level: Level::Admin, exposes_listeners: false };
    let global = Global { stats_sockets: addresses.map(socket).collect(), ..Global::default() };
    Config { global, ..config }
}

#[test]
fn runtime_sockets_are_opened_kept_and_closed_as_listeners_are() {
    let none = config(&[&[10]]);
    let some = with_commands(none.clone(), &[10, 20], &["/a"]);
    assert_eq!(
        plan(&some, &open_names(&none)).open.into_iter().map(|(_, line)| line).collect::<Vec<_>>(),
        [Line::Command(0), Line::Command(1), Line::Command(2)]
    );
    assert_eq!(plan(&some, &open_names(&some)), Plan::default());
    assert_eq!(plan(&none, &open_names(&some)).close.len(), 3);
}

#[test]
fn only_the_files_of_dropped_runtime_sockets_go() {
    let before = with_commands(Config::default(), &[10], &["/a", "/b"]);
    let after = with_commands(Config::default(), &[], &["/b", "/c"]);
    assert_eq!(dropped_files(&before.global, &after.global), [PathBuf::from("/a")]);
    assert!(dropped_files(&before.global, &before.global).is_empty());
}

#[test]
fn what_only_a_restart_can_change_keeps_its_value_and_is_told() {
    let old = Global { uid: Some(5), nbthread: Some(2), daemon: true, ..Global::default() };
    let mut same = old.clone();
    same.maxconn = Some(7);
    assert!(keep_fixed(&old, &mut same).is_empty());
    let mut new = Global { chroot: Some(PathBuf::from("/x")), maxconn: Some(9), ..Global::default() };
    let told = keep_fixed(&old, &mut new);
    let of = |keyword: &str| told.iter().any(|text| text.starts_with(&format!("'{keyword}'")));
    assert!(told.len() == 4 && of("user") && of("chroot") && of("nbthread") && of("daemon"), "{told:?}");
    assert_eq!(new, Global { maxconn: Some(9), ..old });
}

#[test]
fn the_command_line_wins_over_the_config() {
    let mut config = config(&[&[10], &[11]]);
    config.frontends[0].maxconn = 3;
    config.global.maxconn = Some(50);
    let settings = Settings { maxconn: Some(60), frontend_maxconn: Some(4), ..Settings::default() };
    override_config(&mut config, &settings, 1000);
    let limits: Vec<_> = config.frontends.iter().map(|frontend| frontend.maxconn).collect();
    assert_eq!((config.global.maxconn, limits), (Some(60), vec![3, 4]));
    config.global.maxconn = None;
    override_config(&mut config, &Settings::default(), 1000);
    assert_eq!(config.global.maxconn, Some(1000));
}

#[test]
fn a_thousand_signals_during_a_reload_make_one_more() {
    let mut turn = Turn::default();
    assert!(turn.ask());
    assert!((0..1000).all(|_| !turn.ask()));
    assert!(turn.done());
    assert!(!turn.done());
    assert!(turn.ask());
}
