//! The global section.

use super::Resolver;
use crate::config::ast;
use crate::config::model::Global;

impl Resolver<'_, '_> {
    /// Fills in what nobody wrote.
    pub(super) fn global(&mut self, global: &ast::Global) -> Global {
        let defaults = Global::default();
        let log_hostname =
            global.log_hostname.clone().map(|name| name.unwrap_or_else(|| self.bundle.hostname.clone()));
        Global {
            daemon: global.daemon,
            master_worker: global.master_worker,
            pidfile: global.pidfile.as_ref().map(|path| path.value.clone()),
            chroot: global.chroot.as_ref().map(|path| path.value.clone()),
            uid: global.user.as_ref().and_then(|user| self.user(user)),
            gid: global.group.as_ref().and_then(|group| self.group(group)),
            nbthread: global.nbthread,
            maxconn: global.maxconn.map(|maxconn| maxconn.value),
            ulimit_n: global.ulimit_n,
            log: global.log.iter().filter_map(|target| self.log_target(target)).collect(),
            log_tag: global.log_tag.clone(),
            log_hostname,
            node: global.node.clone(),
            description: global.description.clone(),
            spread_checks: global.spread_checks,
            max_spread_checks: global.max_spread_checks,
            hard_stop_after: global.hard_stop_after,
            grace: global.grace.unwrap_or(defaults.grace),
            bufsize: global.bufsize.unwrap_or(defaults.bufsize),
            relay: global.relay,
            zero_warning: global.zero_warning,
            quiet: global.quiet,
        }
    }
}
