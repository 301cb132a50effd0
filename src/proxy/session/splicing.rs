//! `option splice-auto`, `splice-request` and `splice-response`: what the frontend or the backend asks of the driver.

use super::super::contract::{Op, Side, Splicing};
use super::{Context, Session};

impl Session {
    /// Before the relay.
    pub(super) fn ask_for_splicing(&self, context: &Context<'_>, ops: &mut Vec<Op>) {
        let front = self.frontend(context).map(|frontend| frontend.splice).unwrap_or_default();
        let back = self.pool(context).map(|pool| pool.backend().splice).unwrap_or_default();
        let asked = front.or(back);
        for (side, always) in [(Side::Client, asked.request), (Side::Server, asked.response)] {
            match () {
                () if always => ops.push(Op::Splice(side, Splicing::Always)),
                () if asked.auto => ops.push(Op::Splice(side, Splicing::Bulk)),
                () => {}
            }
        }
    }
}
