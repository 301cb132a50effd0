//! PROXY headers for servers: kept from the beginning of a connect until it stands, and written then, before
//! anything else is. A socket that has just been connected has room for one; if not, the connect has failed.
//!
//! Kept beside the links, so that sessions without such a server pay nothing.

use std::collections::HashMap;
use std::os::fd::AsFd;

use nix::errno::Errno;

use super::super::contract::ConnectSpec;
use super::Slot;
use crate::sys::socket::{self, Moved};

/// See the module. One a slot at most.
#[derive(Debug, Default)]
pub(super) struct Greetings(HashMap<Slot, Vec<u8>>);

impl Greetings {
    /// At the beginning of a connect; forgets that of an earlier one.
    pub(super) fn keep(&mut self, slot: Slot, spec: &ConnectSpec) {
        match &spec.announce {
            Some(announce) => drop(self.0.insert(slot, announce.header())),
            None if self.0.is_empty() => {}
            None => drop(self.0.remove(&slot)),
        }
    }

    /// The connection stands: writes the header, if there is one.
    pub(super) fn send(&mut self, slot: Slot, socket: &impl AsFd) -> Result<(), Errno> {
        if self.0.is_empty() {
            return Ok(());
        }
        let Some(header) = self.0.remove(&slot) else { return Ok(()) };
        match socket::send(socket, &header) {
            Moved::Bytes(count) if count == header.len() => Ok(()),
            Moved::Bytes(_) | Moved::Later | Moved::End => Err(Errno::ENOBUFS),
            Moved::Failed(errno) => Err(errno),
        }
    }
}
