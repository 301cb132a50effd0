//! What one check proves. A server is proven at its first passing check since it got its address (another
//! address is another [`crate::state::ServerKey`]), and loses the proof when it reports another role itself.
//! Everything else, a timeout, a refused connect, `-LOADING`, proves nothing either way: health counts those,
//! and a master that stalls keeps its sessions and its proof.

use crate::redis::{Role, RoleReport};
use crate::state::Guarding;

/// What the check of a guarded backend said about the server's role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is what the backend asks for.
    Accepted,
    /// It says itself that it is something else.
    OtherRole,
    /// Nothing definite.
    Silent,
}

/// Reads a check: whether its script passed, and what the server said of its role on the way. A script that
/// asks in a way that leaves no report has only its pass to show.
pub fn verdict(guarding: Guarding, passed: bool, report: Option<&RoleReport>) -> Verdict {
    let role = report.map(|report| report.role);
    let is_other = match guarding {
        Guarding::Replicas => matches!(role, Some(Role::Master)),
        _ => role == Some(Role::Replica),
    };
    match (passed, is_other) {
        // A read backend may be glad of a master on purpose; one that asks for a master never of a replica.
        (true, true) if guarding == Guarding::Replicas => Verdict::Accepted,
        (_, true) => Verdict::OtherRole,
        (true, false) => Verdict::Accepted,
        (false, false) => Verdict::Silent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_definite_answer_proves_anything() {
        use Verdict::{Accepted, OtherRole, Silent};
        for (guarding, passed, role, want) in [
            (Guarding::Master, true, Some(Role::Master), Accepted),
            (Guarding::Master, true, None, Accepted),
            (Guarding::Master, false, Some(Role::Replica), OtherRole),
            (Guarding::Master, true, Some(Role::Replica), OtherRole),
            (Guarding::Master, false, Some(Role::Master), Silent),
            (Guarding::Master, false, None, Silent),
            (Guarding::Masters, false, Some(Role::Replica), OtherRole),
            (Guarding::Observe, false, Some(Role::Replica), OtherRole),
            (Guarding::Replicas, true, Some(Role::Replica), Accepted),
            (Guarding::Replicas, false, Some(Role::Master), OtherRole),
            (Guarding::Replicas, false, Some(Role::Replica), Silent),
        ] {
            let report = role.map(RoleReport::of);
            assert_eq!(verdict(guarding, passed, report.as_ref()), want, "{guarding:?} {passed} {role:?}");
        }
    }
}
