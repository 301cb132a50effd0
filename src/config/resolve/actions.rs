//! What rules do: names of tables and variables become ids, expressions are resolved where they stand.

use super::Resolver;
use super::rules::Scene;
use crate::config::ast::{self, Format, Spanned};
use crate::config::diagnostic::Diagnostic;
use crate::config::model::{Action, Composed, End, Half, Reach, Rewrite, Sample, SessionLog};
use crate::config::rule::place::Place;
use crate::config::source::Span;

impl Resolver<'_, '_> {
    /// One action; `captures` counts those that keep something for the log.
    pub(super) fn action(
        &mut self,
        action: &ast::Action,
        scene: Scene<'_>,
        (span, captures): (Span, &mut usize),
    ) -> Option<Action> {
        Some(match action {
            ast::Action::Nothing => return None,
            ast::Action::Accept => Action::Accept,
            ast::Action::Reject => Action::Reject,
            ast::Action::Close => Action::Close,
            ast::Action::SilentDrop => Action::SilentDrop,
            ast::Action::ExpectProxy => Action::ExpectProxy,
            ast::Action::Track { slot, key, table } => {
                let table = self.table_of(table.as_ref(), scene, span)?;
                Action::Track { slot: *slot, key: self.known(key, scene)?, table }
            }
            ast::Action::SetVariable { name, sample, when } => Action::SetVariable {
                variable: self.variable(name),
                sample: self.known(sample, scene)?,
                when: when.clone(),
            },
            ast::Action::SetText { name, format, when } => Action::SetText {
                variable: self.variable(name),
                text: self.composed(format, scene)?,
                when: when.clone(),
            },
            ast::Action::UnsetVariable(name) => Action::UnsetVariable(self.variable(name)),
            ast::Action::Count { slot, counter } => Action::Count { slot: *slot, counter: *counter },
            ast::Action::SetTag { slot, tag, sample } => {
                Action::SetTag { slot: *slot, tag: *tag, sample: self.sample(sample, scene)? }
            }
            ast::Action::Rewrite { end, half, sample } => {
                let what = self.rewrite(*end, *half, scene.place);
                Action::Rewrite { what, sample: self.sample(sample, scene)? }
            }
            ast::Action::Mark(marking) => {
                self.warn_of_marks(scene, span);
                Action::Mark(*marking)
            }
            ast::Action::SetLogLevel(level) => Action::SetLogLevel(*level),
            ast::Action::Capture { sample, length } => {
                let slot = *captures;
                *captures += 1;
                Action::Capture { slot, length: *length, sample: self.known(sample, scene)? }
            }
        })
    }

    /// A sample that has to be known where its rule stands, as in HAProxy.
    fn known(&mut self, sample: &ast::Sample, scene: Scene<'_>) -> Option<Sample> {
        if sample.fetch.seen.is_known_at(scene.place) {
            return self.sample(sample, scene);
        }
        let message =
            format!("fetch method '{}' has nothing to say here, in a '{}'", sample.name, scene.place);
        self.context.report(Diagnostic::error(sample.span, message));
        None
    }

    /// The address that is changed has to be there.
    fn rewrite(&mut self, end: End, half: Half, place: Place) -> Rewrite {
        self.wants_destination |= end == End::Destination;
        let reach = if place == Place::Connection { Reach::Connection } else { Reach::Session };
        Rewrite { end, half, reach }
    }

    fn composed(&mut self, format: &Spanned<Format>, scene: Scene<'_>) -> Option<Composed> {
        let mut notes = SessionLog::default();
        let template = self.text(format, ("set-var-fmt", scene), &mut notes)?;
        self.wants_destination |= notes.wants_destination;
        Some(Composed { template, samples: notes.samples })
    }

    /// The session has a socket pair in place of the client's socket.
    fn warn_of_marks(&mut self, scene: Scene<'_>, span: Span) {
        let secured = scene.proxy.binds.iter().find_map(|bind| bind.options.tls.ssl);
        if let Some(secured) = secured {
            let message = "packets to clients that speak TLS are not marked";
            self.context.report(Diagnostic::warning(span, message).label(secured, "TLS is spoken here"));
        }
    }
}
