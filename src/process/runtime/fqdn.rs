//! `set server B/S fqdn NAME`: another host name, until the next reload. The server keeps its address until the
//! name has one.

use super::servers::Subject;
use crate::api::request::Fault;
use crate::process::control::Control;
use crate::state::admin;
use crate::state::event::ServerChange;

const BY: &str = "by 'stats socket command'";
/// Of a name in text form (RFC 1035, section 2.3.4).
const LONGEST: usize = 253;

pub(super) fn rename(control: &mut Control, subject: Subject<'_>, name: &str) -> Result<String, Fault> {
    let Some(lookup) = &subject.config.lookup else {
        return Err("set server <b>/<s> fqdn failed because no resolution is configured.\n".to_owned());
    };
    if lookup.service.is_some() {
        return Err("set server <b>/<s> fqdn failed because SRV resolution is configured.\n".to_owned());
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > LONGEST || !name.chars().all(is_plain) {
        return Err("invalid fqdn format.\n".to_owned());
    }
    let before = subject.config.fqdn.as_deref().unwrap_or("(null)");
    if before.eq_ignore_ascii_case(name) {
        // HAProxy's spelling.
        return Ok(format!("no need to change the FDQN {BY}\n"));
    }
    let text = format!("changed its FQDN from {before} to {name} {BY}");
    let place = subject.place;
    control.edit(|config| config.backends[place.backend].servers[place.server].fqdn = Some(name.to_owned()));
    let snapshot = control.published.load_full();
    let live = &snapshot.backends[place.backend].servers[place.server];
    live.set_admin(live.admin() | admin::OTHER_NAME);
    subject.tell(control, ServerChange::Renamed { text: text.clone() });
    Ok(format!("{}/{} {text}\n", subject.backend.name, subject.config.name))
}
