//! The global section.

use super::Resolver;
use super::frontend::bind;
use crate::config::ast;
use crate::config::model::{Bind, CommandSocket, FileAccess, Global};

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
            cpu_map: global.cpu_map.clone(),
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
            maxpipes: pipes(global),
            pipesize: global.pipesize.unwrap_or(defaults.pipesize),
            stats_sockets: self.command_sockets(&global.stats_sockets),
            stats_timeout: global.stats_timeout.unwrap_or(defaults.stats_timeout),
            stats_maxconn: global.stats_maxconn.unwrap_or(defaults.stats_maxconn),
            zero_warning: global.zero_warning,
            quiet: global.quiet,
        }
    }

    fn command_sockets(&mut self, lines: &[ast::Bind]) -> Vec<CommandSocket> {
        let mut sockets = Vec::new();
        for line in lines {
            let options = &line.options;
            let file = self.file_access(options);
            let level = options.level.unwrap_or_default();
            for address in line.addresses.iter().flat_map(|address| self.bind_addresses(address)) {
                let bind = Bind { file, ..bind(line, sockets.len() as u32 + 1, address) };
                let exposes_listeners = options.expose_listeners;
                sockets.push(CommandSocket { bind, level, exposes_listeners });
            }
        }
        sockets
    }

    pub(super) fn file_access(&mut self, options: &ast::BindOptions) -> FileAccess {
        FileAccess {
            mode: options.mode,
            uid: options.user.as_ref().and_then(|user| self.user(user)),
            gid: options.group.as_ref().and_then(|group| self.group(group)),
        }
    }
}

/// None at all, or as many as were asked for; `maxpipes 0` asks for the default.
fn pipes(global: &ast::Global) -> Option<u32> {
    let asked = global.maxpipes.as_ref().map(|most| most.value).filter(|most| *most > 0);
    if global.nosplice { Some(0) } else { asked }
}
