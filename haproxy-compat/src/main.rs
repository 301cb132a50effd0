//! Holds rolecall against the real haproxy. `keywords` prints the keyword list, `KEYWORDS.md`.

use std::io::Write;
use std::process::ExitCode;

use haproxy_compat::keywords;

fn main() -> ExitCode {
    let text = match std::env::args().nth(1).as_deref() {
        Some("keywords") => keywords::markdown(),
        _ => {
            let _ =
                writeln!(std::io::stderr(), "usage: haproxy-compat keywords > haproxy-compat/KEYWORDS.md");
            return ExitCode::FAILURE;
        }
    };
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
