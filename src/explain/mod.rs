//! `rolecall explain FILE`: what a config will do, in plain words.
//!
//! Enters: a loaded config with its texts and what was said of them. Leaves: a text of at most 80 columns,
//! section by section: who comes in where, who gets traffic when, what is checked and how, what proves the
//! master, what is held and frozen and for how long, the limits in force and the line that set each, and at the
//! end every line that does not do what HAProxy would do with it.
//!
//! Pure. What a line says is quoted from the text with its secrets masked; what follows from several lines comes
//! from the resolved config, and what a check script asks for from the same rehearsal that the guard relies on.

mod back;
mod check;
mod front;
mod guard;
mod outline;
mod words;

use crate::config::{Loaded, Severity, mask};
use outline::Outline;
use words::Page;

/// The whole text; `None` if the config has errors.
pub fn explain(loaded: &Loaded) -> Option<String> {
    let config = loaded.config.as_ref()?;
    let outline = Outline::of(&loaded.sources);
    let mut page = Page::default();
    process(&mut page, loaded, &outline);
    for frontend in &config.frontends {
        front::explain(&mut page, config, frontend, &outline);
    }
    for backend in &config.backends {
        back::explain(&mut page, config, backend, &outline);
    }
    remarks(&mut page, loaded);
    Some(page.into_text())
}

fn process(page: &mut Page, loaded: &Loaded, outline: &Outline) {
    let Some(config) = &loaded.config else { return };
    let global = &config.global;
    page.title("PROCESS");
    match global.maxconn {
        Some(count) => page.say(format!("Takes at most {count} clients at a time{}.", {
            outline.origin(("global", ""), "maxconn").map(|origin| format!(" ({origin})")).unwrap_or_default()
        })),
        None => page.say("Takes as many clients as the limit on descriptors allows."),
    }
    for socket in &global.stats_sockets {
        page.say(format!("Takes commands at {}.", words::bind(&socket.bind.address)));
    }
    if global.log.is_empty() {
        page.say("Logs nothing of its own: there is no 'log' line in the global section.");
    }
    for group in &config.sentinels {
        let sentinels = group.sentinels.iter().map(|sentinel| sentinel.written_address.as_str());
        page.say(format!(
            "Sentinels '{}' watch the master '{}': {}. Each is asked every second, and listened to all the time.",
            group.name,
            group.master,
            words::list(sentinels)
        ));
    }
}

/// Every warning: what is taken otherwise than written, or not at all.
fn remarks(page: &mut Page, loaded: &Loaded) {
    let warnings = loaded.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Warning);
    let warnings: Vec<_> = warnings.collect();
    if warnings.is_empty() {
        page.title("LINES THAT ARE IGNORED, OR TAKEN OTHERWISE");
        return page.say("None: every line does what it says.");
    }
    page.title("LINES THAT ARE IGNORED, OR TAKEN OTHERWISE");
    for warning in warnings {
        let Some(span) = warning.span else {
            page.item(&warning.message);
            continue;
        };
        let (file, line) = loaded.sources.place(span);
        let source = loaded.sources.source(span.source);
        let message = mask::scrub(&warning.message, source, line);
        let place = if loaded.sources.iter().count() > 1 {
            format!("{file}, line {line}")
        } else {
            format!("line {line}")
        };
        page.item(format!("{place}: {message}"));
    }
}

#[cfg(test)]
mod tests;
