//! The vocabulary of conditions (manual section 7): which fetches, converters and ways to match there are,
//! and where each fetch has something to say. Static tables; parser, messages and documents derive from them.
//!
//! * [`place`]: the rules in which conditions stand, and what is known there.
//! * [`counted`]: `sc0_conn_cur`, `src_get_gpc0` and their like.
//! * [`fetch`]: `src`, `nbsrv(b)` and all others; `ends` and `secured` have those of connections and of TLS.
//! * [`convert`]: what may follow a fetch after a comma.
//! * [`variable`]: `%ci` and all others of log formats.
//! * [`matching`]: patterns, read once for each way to match.
//! * [`data`]: what entries of stick tables may hold.
//! * `requested`: those that ask for something of an HTTP request.
//! * [`status`]: the answers that HAProxy gives by itself.
//! * [`pcre`]: expressions as HAProxy's library reads them.

pub mod convert;
pub mod counted;
pub mod data;
mod ends;
pub mod fetch;
pub mod matching;
pub mod pcre;
pub mod place;
mod requested;
mod secured;
pub mod status;
pub mod variable;
