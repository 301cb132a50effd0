//! What `-v` and `-vv` print. Tools read HAProxy's version off the first line, and features off the list, to
//! decide which keywords and commands they may use; so both say what rolecall is compatible with. Everything
//! else says what it is.

use crate::sys::uring::trial;

/// The HAProxy version whose behaviour rolecall shows: in `-v`, in messages and on the stats page.
pub const COMPATIBLE_VERSION: &str = "2.6.12-rolecall";

/// The day of that HAProxy release.
/// The date of that version.
pub const COMPATIBLE_DATE: &str = "2023/03/28";

/// The text of `-v`.
pub fn version_text() -> String {
    format!(
        "HAProxy version {COMPATIBLE_VERSION} {COMPATIBLE_DATE} - as understood by rolecall, which is not HAProxy\n\
         rolecall {}: a layer-4 load balancer for Redis that reads haproxy.cfg\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// What `-vv` adds.
pub fn build_details() -> String {
    let target = if cfg!(target_env = "musl") { "linux-musl" } else { "linux-glibc" };
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    format!(
        "Build options :\n\
         \x20 TARGET  = {target}\n\
         \x20 CPU     = {}\n\
         \x20 PROFILE = {profile}\n\
         \n\
         Feature list : -51DEGREES +ACCEPT4 -DEVICEATLAS +EPOLL -EVPORTS +GETADDRINFO -KQUEUE +LINUX_SPLICE \
         +LINUX_TPROXY -LUA -NS +OPENSSL -OT -PCRE +PROMEX -QUIC -SLZ +SYSTEMD +TFO +THREAD +TPROXY -WURFL -ZLIB\n\
         \n\
         Default settings :\n\
         \x20 bufsize = 16384\n\
         \n\
         Available polling systems :\n\
{}\
         \n\
         Available services : prometheus-exporter\n\
         Available filters : none\n",
        std::env::consts::ARCH,
        engines(&trial()),
    )
}

/// What may carry sessions, in HAProxy's form, and what `tune.relay auto` takes.
fn engines(trial: &std::io::Result<()>) -> String {
    let (result, usable, taken) = match trial {
        Ok(()) => ("OK".to_owned(), 2, "io_uring"),
        Err(error) => (format!("FAILED, {error}"), 1, "epoll"),
    };
    format!(
        "\x20  io_uring : pref=400,  test result {result}\n\
         \x20     epoll : pref=300,  test result OK\n\
         Total: 2 ({usable} usable), will use {taken}.\n"
    )
}
