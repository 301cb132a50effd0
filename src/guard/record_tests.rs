use super::super::trial::{master, promoted, replica};
use super::*;

fn at(report: RoleReport, offset: u64) -> RoleReport {
    RoleReport { offset: Some(offset), ..report }
}

#[test]
fn only_offsets_of_one_history_are_compared() {
    let new = || promoted("b1", "h2", "h1", 501);
    for (old, new, want) in [
        (at(master("a1", "h1"), 500), new(), Some(0)),
        (at(master("a1", "h1"), 730), new(), Some(230)),
        (at(master("a1", "h1"), 400), new(), Some(0)),
        (at(master("a1", "h9"), 730), new(), None),
        (at(replica("a1", "h1"), 730), new(), None),
        (master("a1", "h1"), new(), None),
        (at(master("a1", "h1"), 730), master("b1", "h2"), None),
    ] {
        assert_eq!(cost(&old, &new), want, "{old:?} {new:?}");
    }
}
