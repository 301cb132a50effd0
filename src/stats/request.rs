//! What a request's target asks of the stats page: the words after `stats uri`, in HAProxy's notation
//! (`/stats;csv;up`, `/stats?;csv`, `/stats?scope=redis`). Pure.

use super::action::Code;
use super::rows::Hide;

/// Longest `scope=` that is listened to: longer than any proxy name that people write.
const LONGEST_SCOPE: usize = 128;

/// One way to look at the page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct View {
    pub format: Format,
    pub refresh: Refresh,
    pub hide: Hide,
    /// `scope=`: part of a proxy's name.
    pub filter: Option<String>,
    /// `st=`: what came of an action, by HAProxy's code.
    pub outcome: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    #[default]
    Html,
    /// Only what changes on the page, for its own script.
    Fragment,
    Csv,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Refresh {
    #[default]
    AsConfigured,
    /// `;norefresh`
    Never,
}

impl View {
    /// The view that `target` asks for; `None` if it lies outside of `uri`.
    pub fn parse(uri: &str, target: &str) -> Option<View> {
        let rest = origin_form(target).strip_prefix(uri)?;
        let mut view = View::default();
        rest.split([';', '?', '&']).for_each(|word| view.apply(word));
        Some(view)
    }

    /// This view as it is written behind the uri.
    pub fn suffix(&self) -> String {
        let mut text = String::new();
        match self.format {
            Format::Html => {}
            Format::Fragment => text.push_str(";fragment"),
            Format::Csv => text.push_str(";csv"),
            Format::Json => text.push_str(";json"),
        }
        match self.hide {
            Hide::Nothing => {}
            Hide::Maintenance => text.push_str(";no-maint"),
            Hide::Down => text.push_str(";up"),
        }
        if self.refresh == Refresh::Never {
            text.push_str(";norefresh");
        }
        if let Some(filter) = &self.filter {
            text.push_str(";scope=");
            text.push_str(filter);
        }
        text
    }

    /// Where the page sends a browser that has submitted its form, behind the uri.
    pub fn after(&self, code: Code) -> String {
        let up = if self.hide == Hide::Down { ";up" } else { "" };
        let norefresh = if self.refresh == Refresh::Never { ";norefresh" } else { "" };
        let scope = self.filter.as_ref().map(|filter| format!("?scope={filter}")).unwrap_or_default();
        format!(";st={}{up}{norefresh}{scope}", code.word())
    }

    fn apply(&mut self, word: &str) {
        match word {
            "csv" => self.format = Format::Csv,
            "json" => self.format = Format::Json,
            "fragment" => self.format = Format::Fragment,
            "norefresh" => self.refresh = Refresh::Never,
            "up" => self.hide = Hide::Down,
            "no-maint" => self.hide = Hide::Maintenance,
            _ => self.apply_value(word),
        }
    }

    fn apply_value(&mut self, word: &str) {
        if let Some(scope) = word.strip_prefix("scope=") {
            let allowed = |c: &char| c.is_ascii_alphanumeric() || "_.:-".contains(*c);
            let scope: String = scope.chars().filter(allowed).take(LONGEST_SCOPE).collect();
            self.filter = (!scope.is_empty()).then_some(scope);
        } else if let Some(code) = word.strip_prefix("st=") {
            self.outcome = Code::text(code);
        }
    }
}

/// Path and query; proxies' clients may send the whole address.
pub fn origin_form(target: &str) -> &str {
    let Some((_, after_scheme)) = target.split_once("://") else { return target };
    if target.starts_with('/') {
        return target;
    }
    after_scheme.find('/').map_or("/", |slash| &after_scheme[slash..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_after_the_uri_shape_the_view() {
        let view = View::parse("/stats", "/stats;csv;norefresh").unwrap();
        assert_eq!((view.format, view.refresh), (Format::Csv, Refresh::Never));
        let view = View::parse("/", "/?;csv;scope=b1").unwrap();
        assert_eq!((view.format, view.filter.as_deref()), (Format::Csv, Some("b1")));
        let view = View::parse("/haproxy?stats", "/haproxy?stats;up").unwrap();
        assert_eq!(view.hide, Hide::Down);
        assert_eq!(View::parse("/stats", "/stats?scope=red").unwrap().filter.as_deref(), Some("red"));
        assert_eq!(View::parse("/stats", "http://box:8080/stats;json").unwrap().format, Format::Json);
        assert_eq!(View::parse("/stats", "/statsfoo").unwrap(), View::default());
        assert_eq!(View::parse("/stats", "/other"), None);
        assert!(View::parse("/", "/;st=DENY").unwrap().outcome.is_some());
    }

    #[test]
    fn a_scope_is_made_of_name_letters_only() {
        let view = View::parse("/", "/;scope=<b>\"x").unwrap();
        assert_eq!(view.filter.as_deref(), Some("bx"));
        let long = format!("/;scope={}", "y".repeat(100_000));
        assert_eq!(View::parse("/", &long).unwrap().filter.map(|scope| scope.len()), Some(LONGEST_SCOPE));
    }

    #[test]
    fn a_suffix_leads_back_to_its_view() {
        for suffix in ["", ";csv", ";json;up", ";fragment;no-maint;norefresh;scope=redis"] {
            assert_eq!(View::parse("/s", &format!("/s{suffix}")).unwrap().suffix(), suffix);
        }
    }

    #[test]
    fn after_an_action_the_reader_sees_the_same_view() {
        for (target, location) in [
            ("/s", ";st=DONE"),
            ("/s;up;norefresh", ";st=DONE;up;norefresh"),
            ("/s?scope=b1;no-maint;st=PART", ";st=DONE?scope=b1"),
            ("/s;csv", ";st=DONE"),
        ] {
            assert_eq!(View::parse("/s", target).unwrap().after(Code::Done), location, "{target}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_target_is_read_or_refused(target in ".{0,300}", uri in "/[a-z?]{0,8}") {
            if let Some(view) = View::parse(&uri, &target) {
                let again = View::parse("", &view.suffix()).unwrap();
                proptest::prop_assert_eq!(View { outcome: None, ..view }, again);
            }
        }
    }
}
