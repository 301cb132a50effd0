use super::*;
use crate::config::lexer::{self, Environment, LineContext};
use crate::config::{Source, Span};

const PROGRAM: Program<'static> =
    Program { pid: 7, version: "2.6.12-rolecall", executable: "/usr/sbin/haproxy" };

fn sources(text: &str) -> Sources {
    let mut sources = Sources::default();
    sources.add(Source::new("a.cfg", text.as_bytes()));
    sources
}

/// The span of the first occurrence of `part`.
fn span(text: &str, part: &str) -> Span {
    let start = text.find(part).unwrap();
    Span::new(SourceId(0), start..start + part.len())
}

fn lexical_fault(text: &str) -> Diagnostic {
    let source = Source::new("a.cfg", text.as_bytes());
    lexer::lines(&source)
        .find_map(|(_, start, line)| {
            lexer::split(SourceId(0), start, line, &Environment::default(), &LineContext::default()).err()
        })
        .unwrap()
}

#[test]
fn lines_are_haproxys() {
    let text = "global\n  maxcon 5\nlisten x\n  server s 1.1.1.1:1\n  server s 1.1.1.1:2\n";
    let diagnostics = [
        Diagnostic::error(span(text, "maxcon"), "unknown keyword 'maxcon' in 'global' section"),
        Diagnostic::warning(None, "missing timeouts for proxy 'x'."),
        Diagnostic::error(span(text, "s 1.1.1.1:2"), "another server named 's'")
            .heading(Heading::Place)
            .stage(Stage::Checking),
        Diagnostic::error(span(text, "x"), "Proxy 'x': nothing").heading(Heading::Bare),
    ];
    insta::assert_snapshot!(render(&diagnostics, &sources(text), &PROGRAM, Detail::Lines), @"
    [NOTICE]   (7) : haproxy version is 2.6.12-rolecall
    [NOTICE]   (7) : path to executable is /usr/sbin/haproxy
    [ALERT]    (7) : config : parsing [a.cfg:2] : unknown keyword 'maxcon' in 'global' section
    [ALERT]    (7) : config : Error(s) found in configuration file : a.cfg
    [WARNING]  (7) : config : missing timeouts for proxy 'x'.
    [ALERT]    (7) : config : [a.cfg:5] : another server named 's'
    [ALERT]    (7) : config : Proxy 'x': nothing
    [ALERT]    (7) : config : Fatal errors found in configuration.
    ");
    assert_eq!(render(&[], &sources(text), &PROGRAM, Detail::Lines), "");
}

#[test]
fn lexical_faults_show_line_and_caret() {
    let text = "global\n\tsetenv X \"a\n";
    let fault = lexical_fault(text);
    insta::assert_snapshot!(render(&[fault], &sources(text), &PROGRAM, Detail::Blocks), @r#"
    [NOTICE]   (7) : haproxy version is 2.6.12-rolecall
    [NOTICE]   (7) : path to executable is /usr/sbin/haproxy
    [ALERT]    (7) : config : parsing [a.cfg:2]: unmatched quote at position 11:
      setenv X ***
               ^
      error: unmatched quote at position 11
       --> a.cfg:2:11
        |
      2 |     setenv X ***
        |              ^^^
        |
        = help: close the quote on the same line, or write `\"` or `\'` for the character itself
    [ALERT]    (7) : config : Error(s) found in configuration file : a.cfg
    [ALERT]    (7) : config : Fatal errors found in configuration.
    "#);
}

#[test]
fn blocks_cite_every_place() {
    let text = "listen x\n  server süd 1.1.1.1:1 # erster\n\tserver süd 1.1.1.1:2\n";
    let second = text.rfind("süd").unwrap();
    let diagnostic =
        Diagnostic::error(Span::new(SourceId(0), second..second + 4), "server 'süd' exists twice")
            .label(span(text, "süd"), "first defined here")
            .help("give them distinct names");
    insta::assert_snapshot!(render(&[diagnostic], &sources(text), &PROGRAM, Detail::Blocks), @r"
    [NOTICE]   (7) : haproxy version is 2.6.12-rolecall
    [NOTICE]   (7) : path to executable is /usr/sbin/haproxy
    [ALERT]    (7) : config : parsing [a.cfg:3] : server 'süd' exists twice
      error: server 'süd' exists twice
       --> a.cfg:3:9
        |
      3 |     server süd 1.1.1.1:2
        |            ^^^
        |
       ::: a.cfg:2:10
        |
      2 |   server süd 1.1.1.1:1 # erster
        |          --- first defined here
        |
        = help: give them distinct names
    [ALERT]    (7) : config : Error(s) found in configuration file : a.cfg
    [ALERT]    (7) : config : Fatal errors found in configuration.
    ");
}

#[test]
fn secrets_show_in_neither() {
    let text = "backend b\n  tcp-check send AUTH hunter2\\r\\n nope\n  tcp-check send 'AUTH hunter2\n";
    let first = Diagnostic::error(
        span(text, "hunter2\\r\\n"),
        "'tcp-check send' expects 'comment' but got 'hunter2\r\n' as argument",
    );
    let rendered = render(&[first, lexical_fault(text)], &sources(text), &PROGRAM, Detail::Blocks);
    assert!(!rendered.contains("hunter2"), "{rendered}");
    insta::assert_snapshot!(rendered, @r#"
    [NOTICE]   (7) : haproxy version is 2.6.12-rolecall
    [NOTICE]   (7) : path to executable is /usr/sbin/haproxy
    [ALERT]    (7) : config : parsing [a.cfg:2] : 'tcp-check send' expects 'comment' but got '***' as argument
      error: 'tcp-check send' expects 'comment' but got '***' as argument
       --> a.cfg:2:23
        |
       :::
      2 |   tcp-check send *** *** ***
        |                      ^^^
    [ALERT]    (7) : config : parsing [a.cfg:3]: unmatched quote at position 18:
      tcp-check send ***
                     ^
      error: unmatched quote at position 18
       --> a.cfg:3:18
        |
      3 |   tcp-check send ***
        |                  ^^^
        |
        = help: close the quote on the same line, or write `\"` or `\'` for the character itself
    [ALERT]    (7) : config : Error(s) found in configuration file : a.cfg
    [ALERT]    (7) : config : Fatal errors found in configuration.
    "#);
}

#[test]
fn long_and_binary_lines_are_cut_and_cleaned() {
    let excerpt = |bytes: Vec<u8>, range: std::ops::Range<usize>| {
        Excerpt::new(&Source::new("a", bytes), 1, Span::new(SourceId(0), range))
    };
    let marked = |excerpt: &Excerpt| excerpt.text[excerpt.marked.clone()].to_owned();
    let long = excerpt([&b"x".repeat(300)[..], b"HERE", &b"y".repeat(300)].concat(), 300..304);
    assert_eq!(long.text, format!("...{}HERE{}...", "x".repeat(100), "y".repeat(100)));
    assert_eq!(marked(&long), "HERE");
    let (text, caret) = long.cropped();
    assert_eq!((text.len(), &text[caret..caret + 4]), (80, "HERE"));
    let binary = excerpt(b"a\xff\x00\x1b[1m\xe2\x82B".to_vec(), 9..10);
    assert_eq!((binary.text.as_str(), marked(&binary).as_str()), ("a???[1m??B", "B"));
    let beyond = excerpt(vec![b'x'; 10_000], 9_000..9_001);
    assert!(beyond.text.len() < 300 && beyond.text.ends_with("..."), "{}", beyond.text);
    let whole_file = excerpt(b"ab\ncd\n".to_vec(), 1..6);
    assert_eq!(marked(&whole_file), "b");
}

#[test]
fn the_verdict_is_haproxys() {
    let warning = [Diagnostic::warning(None, "w")];
    let error = [Diagnostic::warning(None, "w"), Diagnostic::error(None, "e")];
    assert_eq!(verdict(&[], true).text, "Configuration file is valid\n");
    assert_eq!(verdict(&warning, true).text, "Warnings were found.\nConfiguration file is valid\n");
    assert_eq!(verdict(&warning, false).status, 2);
    assert_eq!(verdict(&error, true), Verdict { text: "", status: 1 });
}

#[test]
fn a_file_is_closed_once_behind_its_last_error_of_reading() {
    let text = "a\nb\nc\nd\n";
    let diagnostics = [
        Diagnostic::error(span(text, "a"), "one"),
        Diagnostic::error(span(text, "b"), "two").stage(Stage::Checking),
        Diagnostic::error(span(text, "c"), "three"),
        Diagnostic::error(span(text, "d"), "four").stage(Stage::Checking),
    ];
    insta::assert_snapshot!(render(&diagnostics, &sources(text), &PROGRAM, Detail::Lines), @"
    [NOTICE]   (7) : haproxy version is 2.6.12-rolecall
    [NOTICE]   (7) : path to executable is /usr/sbin/haproxy
    [ALERT]    (7) : config : parsing [a.cfg:1] : one
    [ALERT]    (7) : config : parsing [a.cfg:2] : two
    [ALERT]    (7) : config : parsing [a.cfg:3] : three
    [ALERT]    (7) : config : Error(s) found in configuration file : a.cfg
    [ALERT]    (7) : config : parsing [a.cfg:4] : four
    [ALERT]    (7) : config : Fatal errors found in configuration.
    ");
}
