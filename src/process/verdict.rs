//! Whether a loaded config may run, and what is said if not: HAProxy's sentences and exit codes.

use super::report::Voice;
use super::settings::Settings;
use crate::config::render;
use crate::config::{Config, Loaded, Severity};

/// Why a config is refused, apart from what its diagnostics said already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// For standard error; may be empty.
    pub text: String,
    /// For a status line.
    pub short: &'static str,
}

/// `None`: it may run.
pub fn refusal(loaded: &Loaded, settings: &Settings) -> Option<Refusal> {
    let Some(config) = &loaded.config else {
        return Some(Refusal { text: String::new(), short: "errors found in configuration" });
    };
    let warned = loaded.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Warning);
    if warned && (settings.warnings_refuse || config.global.zero_warning) {
        let short = "Some warnings were found and 'zero-warning' is set. Aborting.";
        let tag = render::tag(Severity::Error, std::process::id());
        return Some(Refusal { text: format!("{tag}config : {short}\n"), short });
    }
    None
}

/// Whether anything would listen.
pub fn listens(config: &Config) -> bool {
    let serves = config.frontends.iter().any(|frontend| !frontend.disabled && !frontend.binds.is_empty());
    serves || !config.global.stats_sockets.is_empty()
}

/// `-c`: says the verdict, and returns the exit code.
pub fn check(voice: &Voice, loaded: &Loaded, config: Option<&Config>) -> u8 {
    let verdict = render::verdict(&loaded.diagnostics, config.is_some_and(listens));
    voice.answer(verdict.text);
    verdict.status
}
