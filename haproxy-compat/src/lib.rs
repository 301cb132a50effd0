//! Holds rolecall against the real haproxy.
//!
//! `cases/AREA/NAME.cfg` is a config with a head of `#:` lines that say what to do with it ([`case`]). The
//! [`runner`] starts a program on it, does that, and returns what came of it as lines of text; the lines of
//! the real haproxy lie beside the case as `NAME.recorded`. What rolecall is meant to do otherwise stands in
//! the case, with the reason; any other difference is a failure ([`compare`]).
//!
//! [`fuzz`] splices texts from them that no program has seen. [`keywords`] renders `KEYWORDS.md`.

pub mod case;
pub mod compare;
pub mod fuzz;
pub mod keywords;
pub mod runner;
