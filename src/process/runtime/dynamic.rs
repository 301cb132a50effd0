//! `add server` and `del server`: servers come and go with an edited config, as addresses and limits do. A server that
//! was added is gone after the next reload unless the files have it by then, as in HAProxy.

use super::servers;
use crate::api::Reply;
use crate::api::request::ServerName;
use crate::config::dynamic::{self, NewServer};
use crate::config::model::BackendId;
use crate::process::control::Control;
use crate::state::admin;

/// The answers without a line feed are HAProxy's.
pub(super) fn add(control: &mut Control, name: &ServerName, options: &[String]) -> Reply {
    Reply::Text(register(control, name, options).unwrap_or_else(|fault| fault))
}

fn register(control: &mut Control, name: &ServerName, options: &[String]) -> Result<String, String> {
    let snapshot = control.published.load_full();
    let BackendId(at) = snapshot.backend(&name.backend).ok_or("No such backend.")?;
    if !dynamic::allows_changes(&snapshot.config.backends[at]) {
        return Err("Backend must use a dynamic load balancing to support dynamic servers.".to_owned());
    }
    let words: Vec<String> = std::iter::once(&name.server).chain(options).cloned().collect();
    let NewServer { server, notes } = dynamic::server(&snapshot.config, BackendId(at), &words)?;
    control.edit(|config| config.backends[at].servers.push(server));
    control.voice.notice(&format!(
        "CLI : 'server {}/{}' : New server registered.",
        snapshot.config.backends[at].name, name.server
    ));
    let notes: String = notes.iter().map(|note| format!("{note}\n")).collect();
    Ok(format!("{notes}New server registered.\n"))
}

/// Only of a server that nothing refers to, in maintenance, that no session is at or waits for.
pub(super) fn delete(control: &mut Control, name: &ServerName) -> Reply {
    let text = unregister(control, name).map_or_else(|fault| fault, |()| "Server deleted.");
    Reply::Text(text.to_owned())
}

fn unregister(control: &mut Control, name: &ServerName) -> Result<(), &'static str> {
    let snapshot = control.published.load_full();
    let id = snapshot.backend(&name.backend).ok_or("No such backend.")?;
    let place = servers::find(&snapshot, name).map_err(|_| "No such server.")?;
    let server = &snapshot.config.backends[place.backend].servers[place.server];
    if dynamic::is_referenced(&snapshot.config, (id, server)) {
        return Err(
            "This server cannot be removed at runtime due to other configuration elements pointing to it.",
        );
    }
    let live = &snapshot.backends[place.backend].servers[place.server];
    if live.admin() & admin::MAINT == 0 {
        return Err("Only servers in maintenance mode can be deleted.");
    }
    // A session that has been given to it before the maintenance and is not counted yet keeps the live server, which
    // goes with it, as after a reload.
    if live.traffic.sessions.now() + live.queued.now() + live.arriving.now() > 0 {
        return Err("Server still has connections attached to it, cannot remove it.");
    }
    control.edit(|config| {
        config.backends[place.backend].servers.remove(place.server);
    });
    control.voice.notice("CLI : Server deleted.");
    Ok(())
}
