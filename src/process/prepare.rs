//! From a gathered bundle to everything that a new config needs before it can take effect: the half of a
//! reload that can fail. Run by whoever has the privileges; nothing of the running state is touched.

use std::os::fd::OwnedFd;

use super::gather::Gathered;
use super::listeners;
use super::reload::{SocketName, keep_fixed, override_config, plan};
use super::report::{Voice, first_alert};
use super::settings::Settings;
use super::takeover::Taken;
use super::verdict::{listens, refusal};
use crate::config::model::Global;
use crate::config::{Bundle, Config};
use crate::log::Sinks;

/// What a new config is held against.
#[derive(Debug, Clone, Copy)]
pub struct Running<'a> {
    /// `None` at the start.
    pub global: Option<&'a Global>,
    pub sockets: &'a [SocketName],
    /// At the start, with `-x`: what a predecessor has given.
    pub taken: Option<&'a Taken>,
    pub settings: &'a Settings,
    pub default_maxconn: u32,
}

impl Running<'_> {
    /// Whom to ask for sockets: at the start only.
    fn predecessors(&self) -> &[u32] {
        let predecessors = self.settings.predecessors.as_ref().filter(|_| self.global.is_none());
        predecessors.map_or(&[], |predecessors| &predecessors.pids)
    }
}

/// Ready to take effect.
#[derive(Debug)]
pub struct Prepared {
    pub config: Config,
    pub bundle: Bundle,
    pub opened: Vec<(SocketName, OwnedFd)>,
    pub sinks: Sinks,
    /// What only a restart could change.
    pub kept: Vec<String>,
    /// What the load had to say.
    pub lines: String,
}

/// Why a new config cannot take effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// One line.
    pub reason: String,
    /// All that was said.
    pub lines: String,
}

/// Judges a new config and opens its sockets; says on the way what is wrong.
pub fn prepare(gathered: Gathered, running: Running<'_>, voice: &Voice) -> Result<Prepared, Unusable> {
    let (bundle, loaded) = gathered.map_err(|error| {
        let reason = format!("config : {error}");
        voice.alert(&reason);
        Unusable { lines: format!("{reason}\n"), reason }
    })?;
    let lines = voice.diagnostics(&loaded);
    if let Some(refusal) = refusal(&loaded, running.settings) {
        voice.raw(refusal.text);
        let reason = first_alert(&lines).unwrap_or(refusal.short).to_owned();
        return Err(Unusable { reason, lines });
    }
    let mut config = loaded.config.unwrap_or_default();
    override_config(&mut config, running.settings, running.default_maxconn);
    if !listens(&config) {
        // As at a start. An editor that empties a file before it writes it would otherwise close every port.
        let program = &running.settings.program;
        let reason = format!("[{program}.main()] No enabled listener found (check for 'bind' directives) !");
        voice.alert(&reason);
        return Err(Unusable { lines: format!("{lines}{reason}\n"), reason });
    }
    let kept = running.global.map_or_else(Vec::new, |global| keep_fixed(global, &mut config.global));
    let wanted = plan(&config, running.sockets).open;
    let opened =
        listeners::open(&config, &wanted, running.taken, running.predecessors()).map_err(|reasons| {
            reasons.iter().for_each(|reason| voice.alert(reason));
            let all = reasons.join("\n");
            Unusable {
                reason: reasons.into_iter().next().unwrap_or_default(),
                lines: format!("{lines}{all}\n"),
            }
        })?;
    let (sinks, failed) = Sinks::open(Sinks::targets(&config));
    for (address, error) in failed {
        voice.warning(&format!("cannot open log target {address:?}: {error}; its lines are lost"));
    }
    Ok(Prepared { config, bundle, opened, sinks, kept, lines })
}
