//! Lines to the real haproxy and to rolecall's lexer: both must see the same word, or the same fault with
//! the same position, excerpt and caret. HAProxy shows the word by not knowing it as a keyword.
//!
//! A haproxy that is not installed is a failure: `tests/run.sh` installs it.

use std::process::Command;

use rolecall::config::lexer::{self, Environment, LineContext};
use rolecall::config::render::{self, Detail, Program};
use rolecall::config::{Diagnostic, Source, SourceId, Sources, Span};

const VARIABLES: [(&str, &str); 4] =
    [("WORD", "plain"), ("PARTS", "one  two\tthree"), ("EMPTY", ""), ("Q", "a\"b")];

/// Lines of a global section. None holds a word that rolecall would hide, and the excerpts are plain ASCII,
/// since HAProxy shows every byte of another character as `?`.
const LINES: &[&str] = &[
    r"w\ x",
    r"w\tx\x41\x7a",
    r"w\q\$\z",
    r"w\\\'\#",
    r"w\x",
    r"w\x4",
    r"w\xgg",
    r"w\",
    r#"w"a b"c"#,
    r#"w"a\"b\\c\$d""#,
    r#"w"\q\x41""#,
    r"w'a b\n$WORD'",
    r#"w"it's"'"q"'"#,
    "w#comment",
    r"w\#x #comment",
    r##"w"#"x"##,
    "w$WORD${WORD}",
    r#"w"$WORD""#,
    r#"w"${WORD}x$WORD""#,
    r#"w"$WORD-x.y""#,
    r#"w"${NOPE-d e}""#,
    r#"w"${EMPTY-d}""#,
    r#"w"${NOPE-a\"b}""#,
    r#"w"$NOPE"x"#,
    r#"w"${PARTS}""#,
    r#"w"${PARTS[*]}""#,
    r#""${PARTS[*]}""#,
    r#""${NOPE[*]-d e}""#,
    r#"w"$Q""#,
    r#"w"${.LINE}$.SECTION""#,
    r#""" x"#,
    r#""$NOPE" x"#,
    r#"w "a"#,
    r"w 'a\'b'",
    r#"w "a" 'b" c"#,
    r#"w "$""#,
    r#"w "$1""#,
    r#"w "${-x}""#,
    r#"w "${WORD""#,
    r#"w "${WORD x}""#,
    r#"w "${WORD[1]}""#,
    r#"w "${WORD[*]x}""#,
    "\tw\tx \"open",
    "\u{b}w x",
];

#[test]
fn words_and_faults_are_haproxys() {
    let directory = tempfile::tempdir().unwrap();
    let mut differences = Vec::new();
    for line in LINES.iter().map(|line| (*line).to_owned()).chain(long_lines()) {
        let text = format!("global\n{line}\n");
        let path = directory.path().join("a.cfg");
        std::fs::write(&path, &text).unwrap();
        let theirs = haproxy(directory.path());
        let ours = rolecall(&text);
        if theirs != ours {
            differences.push(format!("{line:?}\n--- haproxy\n{theirs}--- rolecall\n{ours}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Lines around the limits of words and of excerpts.
fn long_lines() -> impl Iterator<Item = String> {
    let words = [63, 64, 65, 80].into_iter().map(|count| format!("w{}", " x".repeat(count - 1)));
    let comments = [63, 64].into_iter().map(|count| format!("w{} # c", " x".repeat(count - 1)));
    let excerpts = [60, 78, 79, 80, 81, 120].into_iter().flat_map(|column| {
        ["", "tail", &"y".repeat(100)].map(|tail| format!("  {}\"{tail}", "w".repeat(column)))
    });
    words.chain(comments).chain(excerpts).collect::<Vec<_>>().into_iter()
}

/// The messages of `haproxy -c` without the process id, and without the lines that say who speaks.
fn haproxy(directory: &std::path::Path) -> String {
    let mut command = Command::new("haproxy");
    command.args(["-c", "-f", "a.cfg"]).current_dir(directory).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).envs(VARIABLES);
    let output = command.output().expect("haproxy is installed: see tests/run.sh");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let kept = text.lines().filter(|line| !line.starts_with("[NOTICE]"));
    kept.map(|line| without_pid(line) + "\n").collect()
}

/// Also without HAProxy's guess at what was meant: ours is another.
fn without_pid(line: &str) -> String {
    let line = line.split("; did you mean").next().unwrap_or_default();
    match (line.find('('), line.find(") : ")) {
        (Some(open), Some(close)) if line.starts_with('[') => {
            format!("{}{}", &line[..open], &line[close + 4..])
        }
        _ => line.to_owned(),
    }
}

/// What rolecall says of a text, if no keyword were known.
fn rolecall(text: &str) -> String {
    let mut sources = Sources::default();
    let id = sources.add(Source::new("a.cfg", text.as_bytes()));
    let environment = Environment::from(VARIABLES);
    let mut diagnostics = Vec::new();
    for (number, start, line) in lexer::lines(sources.source(id)).skip(1) {
        let context = LineContext { file: "a.cfg", line: number, section: "global" };
        match lexer::split(id, start, line, &environment, &context) {
            Err(fault) => diagnostics.push(fault),
            Ok(words) => diagnostics.extend(words.first().map(unknown)),
        }
    }
    let program = Program { pid: 0, version: "", executable: "" };
    let text = render::render(&diagnostics, &sources, &program, Detail::Lines);
    let kept = text.lines().filter(|line| !line.starts_with("[NOTICE]"));
    kept.map(|line| without_pid(line) + "\n").collect()
}

fn unknown(word: &lexer::Word) -> Diagnostic {
    let span = Span::new(SourceId(0), word.span.start as usize..word.span.end as usize);
    Diagnostic::error(span, format!("unknown keyword '{}' in 'global' section", word.str()))
}
