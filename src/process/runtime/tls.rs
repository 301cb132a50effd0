//! `set server B/S ssl on|off`: whether new sessions speak TLS to a server, until the next reload.

use super::servers::{Place, Subject};
use crate::api::request::{Fault, Switch};
use crate::config::model::Origin;
use crate::process::control::Control;

/// Checks go on as the line says, as in HAProxy.
pub(super) fn switch(
    control: &mut Control,
    subject: Subject<'_>,
    switch: Option<Switch>,
) -> Result<String, Fault> {
    if subject.config.origin == Origin::RuntimeSocket {
        return Err("'set server <srv> ssl' not supported on dynamic servers\n".to_owned());
    }
    let Some(ready) = subject.config.tls_ready.clone() else {
        return Err(
            "'set server <srv> ssl' cannot be set.  default-server should define ssl settings\n".to_owned()
        );
    };
    let tls = match switch {
        Some(Switch::On) => Some(ready),
        Some(Switch::Off) => None,
        None => return Err("'set server <srv> ssl' expects 'on' or 'off'.\n".to_owned()),
    };
    let Place { backend, server } = subject.place;
    control.edit(|config| {
        let server = &mut config.backends[backend].servers[server];
        (server.tls, server.tls_declined) = (tls, false);
    });
    Ok("server ssl setting updated.\n".to_owned())
}
