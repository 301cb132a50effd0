//! Log formats: names looked up, expressions resolved, and what a line has to wait for.

use std::sync::Arc;

use super::Resolver;
use super::mode::is_http;
use super::rules::Scene;
use crate::config::ast::{Action, Format, Spanned};
use crate::config::diagnostic::{Diagnostic, Heading};
use crate::config::lexer::Word;
use crate::config::model::{
    End, Fetch, LogVariable, Look, Mode, Part, Sample, SessionFact, SessionLog, Template,
};
use crate::config::parser::sample;
use crate::config::parser::template::{Piece, pieces};
use crate::config::rule::place::Place;
use crate::config::rule::variable::{self, Known};
use crate::config::source::Span;
use crate::config::suggest;

/// A format that is read: where it stands, and what it says so far.
struct Reading<'a> {
    keyword: &'a str,
    span: Span,
    scene: Scene<'a>,
    log: &'a mut SessionLog,
    template: Template,
    /// What only a proxy that sees HTTP could write.
    lost: Vec<&'static str>,
}

impl Resolver<'_, '_> {
    /// The formats of a frontend.
    pub(super) fn log_formats(&mut self, scene: Scene<'_>, log: &mut SessionLog) {
        let scene = Scene { place: Place::Log, ..scene };
        let formats = &scene.proxy.settings.log_formats;
        log.captures = captures(scene);
        log.unique_id = self.template(&formats.unique_id, ("unique-id", scene), log);
        log.template = self.template(&formats.line, ("log-format", scene), log);
        log.structured = self.template(&formats.structured, ("log-format-sd", scene), log);
        log.errors = self.template(&formats.errors, ("error-log-format", scene), log);
    }

    fn template(
        &mut self,
        format: &Option<Spanned<Format>>,
        (keyword, scene): (&str, Scene<'_>),
        log: &mut SessionLog,
    ) -> Option<Arc<Template>> {
        self.text(format.as_ref()?, (keyword, scene), log)
    }

    /// A text with items in it; what the items ask for by an expression is noted.
    pub(super) fn text(
        &mut self,
        format: &Spanned<Format>,
        (keyword, scene): (&str, Scene<'_>),
        log: &mut SessionLog,
    ) -> Option<Arc<Template>> {
        let Spanned { value, span } = format;
        if !self.context.inherit(value.len() * size_of::<Part>(), scene.proxy.name.span) {
            return None;
        }
        let template = Template { parts: Vec::new(), at_connect: true };
        let mut reading = Reading { keyword, span: *span, scene, log, template, lost: Vec::new() };
        let read = pieces(value)
            .and_then(|pieces| pieces.into_iter().try_for_each(|piece| self.piece(piece, &mut reading)));
        if let Err(message) = read {
            let message = format!("failed to parse {keyword} : {message}");
            self.context.report(Diagnostic::error(*span, message).heading(Heading::Line));
            return None;
        }
        self.warn_of_lost(&reading);
        Some(Arc::new(reading.template))
    }

    /// A proxy that asks for HTTP and is forwarded at layer 4 keeps its format, which other programs read by
    /// position.
    fn warn_of_lost(&mut self, reading: &Reading<'_>) {
        if reading.lost.is_empty() {
            return;
        }
        let names: Vec<String> = reading.lost.iter().map(|name| format!("%{name}")).collect();
        let message = format!(
            "'{}' : '-' is written for {}: a layer 4 proxy does not see HTTP",
            reading.keyword,
            names.join(", ")
        );
        self.context.warning(reading.span, message);
    }

    fn piece(&mut self, piece: Piece<'_>, reading: &mut Reading<'_>) -> Result<(), String> {
        let optional = reading.scene.place != Place::Log;
        let part = match piece {
            Piece::Text(text) => Part::Text(after(&reading.template.parts, &text)),
            Piece::Name(name, _) if is_empty(name, reading.scene) => return Ok(()),
            Piece::Name(b"H", look) => Part::Text(hostname(&self.bundle.hostname, look)),
            Piece::Name(name, look) => {
                named(&String::from_utf8_lossy(name), Look { optional, ..look }, reading)?
            }
            Piece::Expression(text, look) => self.expression(text, Look { optional, ..look }, reading)?,
        };
        if part != Part::Text(String::new()) {
            reading.template.parts.push(part);
        }
        Ok(())
    }

    fn expression(&mut self, text: &[u8], look: Look, reading: &mut Reading<'_>) -> Result<Part, String> {
        let word = Word { text: text.to_vec(), span: reading.span };
        let shown = String::from_utf8_lossy(text);
        let sample = sample::read(&word)
            .map_err(|fault| format!("failed to parse sample expression <{shown}> : {}", fault.message))?;
        if let Some(name) = sample.unsupported()
            && reading.scene.place != Place::Log
        {
            return Err(format!("'{name}' is not supported in this version of rolecall"));
        }
        if let Some(name) = sample.unsupported() {
            let message = format!(
                "{} : '{name}' is not supported in this version of rolecall: '-' is written",
                reading.keyword
            );
            self.context.warning(reading.span, message);
            return Ok(Part::Sample(None, look));
        }
        if !sample.fetch.seen.is_known_at(reading.scene.place) {
            let why = match reading.scene.place {
                Place::Log => "gone when a session is logged.".to_owned(),
                place => format!("not available in a '{place}'"),
            };
            return Err(format!(
                "sample fetch <{shown}> may not be reliably used here because what it needs is {why}"
            ));
        }
        // Once reported, if it names what is not there.
        let Some(sample) = self.sample(&sample, reading.scene) else { return Ok(Part::Sample(None, look)) };
        note_sample(&sample, reading.log);
        reading.log.samples.push(sample);
        Ok(Part::Sample(Some(reading.log.samples.len() - 1), look))
    }
}

/// As in HAProxy an item that comes to nothing does not part two blanks.
fn after(parts: &[Part], text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let blank = match parts.last() {
        None => true,
        Some(Part::Text(before)) => before.ends_with(' '),
        Some(_) => false,
    };
    text.strip_prefix(' ').filter(|_| blank).unwrap_or(&text).to_owned()
}

/// Captured headers of responses: there are none; and what no rule captures.
fn is_empty(name: &[u8], scene: Scene<'_>) -> bool {
    let row = std::str::from_utf8(name).ok().and_then(variable::find);
    row.is_some_and(|row| match row.variable {
        LogVariable::Captures | LogVariable::CaptureList => captures(scene) == 0,
        LogVariable::NoCaptures => true,
        _ => false,
    })
}

/// How many rules keep something for the log.
pub(super) fn captures(scene: Scene<'_>) -> usize {
    let content = &scene.proxy.settings.rules.content;
    content.iter().filter(|rule| matches!(rule.action, Action::Capture { .. })).count()
}

/// `%H`
fn hostname(name: &str, look: Look) -> String {
    if look.quoted { format!("\"{name}\"") } else { name.to_owned() }
}

fn named(name: &str, look: Look, reading: &mut Reading<'_>) -> Result<Part, String> {
    let Some(row) = variable::find(name) else {
        let near = suggest::nearest_of(name, variable::names());
        let near = near.map(|near| format!(" Did you mean '%{near}'?")).unwrap_or_default();
        return Err(format!(
            "no such format variable '{name}'. If you wanted to emit the '%' character verbatim, you need to use \
             '%%'.{near}"
        ));
    };
    if row.known == Known::Http && reading.scene.mode == Mode::Tcp {
        if !is_http(reading.scene.proxy) {
            return Err(format!("format variable '{name}' is reserved for HTTP mode."));
        }
        reading.lost.push(row.name);
    }
    reading.template.at_connect &= row.known == Known::AtConnect;
    let log = &mut *reading.log;
    use LogVariable::{FrontendIp, FrontendPort, ServerIp, ServerPort, SourceIp, SourcePort};
    match row.variable {
        FrontendIp | FrontendPort => log.wants_destination = true,
        SourceIp | SourcePort | ServerIp | ServerPort => log.wants_server_ends = true,
        _ => {}
    }
    Ok(Part::Variable(row.variable, look))
}

/// What has to be asked of the kernel for a sample while the sockets are there.
fn note_sample(sample: &Sample, log: &mut SessionLog) {
    use SessionFact::{
        Destination, DestinationIsLocal, DestinationPort, ServerAddress, ServerPort, ServerSource,
        ServerSourcePort,
    };
    match sample.fetch {
        Fetch::Session(
            Destination | DestinationPort | DestinationIsLocal | SessionFact::Connection(End::Destination, _),
        ) => log.wants_destination = true,
        Fetch::Session(ServerAddress | ServerPort | ServerSource | ServerSourcePort) => {
            log.wants_server_ends = true;
        }
        _ => {}
    }
}
