//! The text as it grows, wrapped at 80 columns, and values in words.

use std::time::Duration;

use crate::config::model::BindAddress;

/// Columns of a line at most, unless one word is longer.
const WIDTH: usize = 80;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Page(String);

impl Page {
    pub(super) fn into_text(self) -> String {
        self.0
    }

    /// A section begins.
    pub(super) fn title(&mut self, title: impl AsRef<str>) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.wrap(title.as_ref(), ("", "    "));
    }

    /// What the lines after it are about.
    pub(super) fn head(&mut self, head: impl AsRef<str>) {
        self.wrap(head.as_ref(), ("  ", "  "));
    }

    /// A sentence or two.
    pub(super) fn say(&mut self, sentence: impl AsRef<str>) {
        self.wrap(sentence.as_ref(), ("  ", "  "));
    }

    /// One of several.
    pub(super) fn item(&mut self, item: impl AsRef<str>) {
        self.wrap(item.as_ref(), ("  * ", "    "));
    }

    /// A setting, its value and where that comes from.
    pub(super) fn setting(&mut self, name: &str, value: &str, origin: &str) {
        let line = format!("    {name:<18} {value:<14} {origin}");
        self.0.push_str(line.trim_end());
        self.0.push('\n');
    }

    fn wrap(&mut self, text: &str, (first, next): (&str, &str)) {
        let mut line = first.to_owned();
        let mut begins = true;
        for word in text.split_whitespace() {
            if !begins && line.chars().count() + 1 + word.chars().count() > WIDTH {
                self.0.push_str(&line);
                self.0.push('\n');
                (line, begins) = (next.to_owned(), true);
            }
            if !begins {
                line.push(' ');
            }
            line.push_str(word);
            begins = false;
        }
        self.0.push_str(line.trim_end());
        self.0.push('\n');
    }
}

/// `1500ms`, `30s`, `5m`, `2h`: as one would write it.
pub(super) fn time(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    match milliseconds {
        0 => "0".to_owned(),
        count if count % 1000 != 0 => format!("{count}ms"),
        count if count % 3_600_000 == 0 => format!("{}h", count / 3_600_000),
        count if count % 60_000 == 0 && count >= 600_000 => format!("{}m", count / 60_000),
        count => format!("{}s", count / 1000),
    }
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    match names.as_slice() {
        [] => "none".to_owned(),
        [one] => (*one).to_owned(),
        [all @ .., last] => format!("{} and {last}", all.join(", ")),
    }
}

/// `1 server`, `3 servers`.
pub(super) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Where clients come in.
pub(super) fn bind(address: &BindAddress) -> String {
    match address {
        BindAddress::Tcp(address) if address.ip().is_unspecified() => {
            format!("port {} of every address", address.port())
        }
        BindAddress::Tcp(address) => address.to_string(),
        BindAddress::Unix(path) => path.display().to_string(),
        BindAddress::Abstract(name) => format!("abns@{name}"),
        BindAddress::Fd(number) => format!("fd@{number}"),
    }
}
