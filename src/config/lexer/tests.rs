use super::*;
use crate::config::{Sources, bundle::Bundle};
use proptest::prelude::*;

fn environment() -> Environment {
    Environment::from([("A", "av"), ("B", "b c"), ("LIST", "l1  l2\tl3 "), ("EMPTY", ""), ("BLANK", "  ")])
}

const CONTEXT: LineContext<'static> = LineContext { file: "lex.cfg", line: 35, section: "global" };

fn texts(line: &[u8]) -> Result<Vec<String>, String> {
    let words = split(SourceId(0), 0, line, &environment(), &CONTEXT).map_err(|fault| fault.message)?;
    Ok(words.iter().map(|word| word.text.escape_ascii().to_string()).collect())
}

/// Words of `w ARGUMENT`, escaped, joined by `|`.
fn argument(text: &str) -> String {
    texts(format!("w {text}").as_bytes()).unwrap().join("|")
}

#[test]
fn words_are_unquoted_and_unescaped() {
    let cases = [
        (r"two\ parts", "w|two parts"),
        (r#""two parts""#, "w|two parts"),
        ("'two parts'", "w|two parts"),
        (r"\t\n\r\x41\x6a", r"w|\t\n\rAj"),
        (r#""\t\n\r\x41""#, r"w|\t\n\rA"),
        (r"'\t\n\r\x41\\'", r"w|\\t\\n\\r\\x41\\\\"),
        (r"\q\", r"w|\\q\\"),
        (r#""\q""#, r"w|\\q"),
        (r#"\\ \" \' \#"#, r#"w|\\|\"|\'|#"#),
        (r#""\\\"\'\#\ ""#, r#"w|\\\"\'# "#),
        (r#"a"b c"d'e f'g"#, "w|ab cde fg"),
        (r#""it's" 'say "x"'"#, r#"w|it\'s|say \"x\""#),
        ("x#y z", "w|x"),
        ("x #y", "w|x"),
        (r##""x#y"#z"##, "w|x#y"),
        (r#""" x"#, "w||x"),
        ("\t x\x0b\x0cy ", "w|x|y"),
        (r"x\x5cn\x22", r#"w|x\\n\""#),
        ("a\rb", "w|a"),
        (r"a\x00b c", "w|a|c"),
    ];
    for (text, expected) in cases {
        assert_eq!(argument(text), expected, "{text}");
    }
}

#[test]
fn variables_expand_inside_double_quotes_only() {
    let cases = [
        ("$A ${A} '$A'", "w|$A|${A}|$A"),
        (r#""$A" "${A}" "x${A}y$A""#, "w|av|av|xavyav"),
        (r#""AUTH ${A}"\r\n"#, r"w|AUTH av\r\n"),
        (r#"AUTH\ "$A"\r\n"#, r"w|AUTH av\r\n"),
        (r#""AUTH "$A"\r\n""#, r"w|AUTH $A\r\n"),
        (r#""\$A" \$A"#, r"w|$A|\\$A"),
        (r#""\x24A""#, "w|$A"),
        (r#""$A-x" "$A.x""#, "w|av-x|av.x"),
        (r#""$NOPE" "${NOPE}" x"#, "w|||x"),
        (r#""${NOPE-d e}" "${NOPE-}" "${EMPTY-d}" "${A-d}""#, "w|d e|||av"),
        (r#""${NOPE-"x"\}$A}""#, r#"w|\"x\"\\av}"#),
        (r#""${B}" "${B[*]}""#, "w|b c|b|c"),
        (r#"x"${LIST[*]}"y"#, "w|xl1|l2|l3|y"),
        (r#""${NOPE[*]-d e}""#, "w|d|e"),
        (r#""${BLANK[*]}" z"#, "w|||z"),
        (r#""${.FILE}:${.LINE}:$.SECTION""#, "w|lex.cfg:35:global"),
    ];
    for (text, expected) in cases {
        assert_eq!(argument(text), expected, "{text}");
    }
}

#[test]
fn faults_are_worded_and_placed_as_haproxy_does() {
    let cases: [(&str, &str, &str); 16] = [
        (r#"  setenv X "a"#, "unmatched quote at position 12:", "\""),
        (r"  setenv X 'a\'x'", "unmatched quote at position 17:", "'"),
        (r#" a "b" "c\"#, "unmatched quote at position 8:", "\""),
        ("w\"a\rb\"", "unmatched quote at position 2:", "\""),
        (r"w \x4", "truncated or invalid hexadecimal sequence at position 3:", "\\"),
        (r#"w "\xg0""#, "truncated or invalid hexadecimal sequence at position 4:", "\\"),
        (r#"w "$1""#, "forbidden first char in environment variable name at position 5:", "1"),
        (r#"w "$""#, "forbidden first char in environment variable name at position 5:", "\""),
        (r#"w "${-x}""#, "forbidden first char in environment variable name at position 6:", "-"),
        (r#"w "${.NOPE}""#, "forbidden first char in environment variable name at position 6:", "."),
        (r#"w "$"#, "forbidden first char in environment variable name at position 5:", ""),
        (r#"w "${A""#, "unmatched brace in environment variable name at position 5:", "{"),
        (r#"w "${A B}""#, "unmatched brace in environment variable name at position 5:", "{"),
        (r#"w "${A[*]-x""#, "unmatched brace in environment variable name at position 5:", "{"),
        (r#"w "${A[1]}""#, "truncated or invalid word expansion sequence at position 7:", "["),
        ("# ok\0", "Stray NUL character at position 5.", "\0"),
    ];
    for (line, message, marked) in cases {
        let fault = split(SourceId(0), 100, line.as_bytes(), &environment(), &CONTEXT).unwrap_err();
        assert_eq!(fault.message, message, "{line}");
        let span = fault.span.unwrap();
        assert_eq!(&line[span.start as usize - 100..span.end as usize - 100], marked, "{line}");
    }
}

#[test]
fn lines_without_a_first_word_have_no_words() {
    for line in ["", "   \t", "# \"open", "  #x", "\r", "\"\" x", "'' x", "\"$NOPE\" x"] {
        assert_eq!(texts(line.as_bytes()), Ok(Vec::new()), "{line:?}");
    }
}

#[test]
fn sixty_four_words_are_the_limit() {
    let line = |words: usize, end: &str| format!(" w{}{end}", " x".repeat(words - 1));
    assert_eq!(texts(line(64, "").as_bytes()).unwrap().len(), 64);
    assert_eq!(texts(line(63, " # c").as_bytes()).unwrap().len(), 63);
    let message = Err("too many words, truncating after word 64, position 127: <x>.".to_owned());
    assert_eq!(texts(line(65, "").as_bytes()), message);
    assert_eq!(texts(line(64, " # c").as_bytes()), message);
    assert_eq!(texts(line(60, " \"${LIST[*]}\" \"${LIST[*]}\"").as_bytes()).map_err(|_| ()), Err(()));
    assert_eq!(
        texts(line(65, " \"a").as_bytes()),
        Err("unmatched quote at position 132:".to_owned()),
        "a fault beyond the limit is still told"
    );
}

#[test]
fn spans_cover_quotes_and_are_shared_by_split_words() {
    let line = br#"  a "b c"d "${B[*]}" e # f"#;
    let words = split(SourceId(3), 10, line, &environment(), &CONTEXT).unwrap();
    let spans: Vec<_> = words.iter().map(|word| (word.span.start - 10, word.span.end - 10)).collect();
    assert_eq!(spans, [(2, 3), (4, 10), (11, 20), (11, 20), (21, 22)]);
    assert!(words.iter().all(|word| word.span.source == SourceId(3)));
}

#[test]
fn lines_are_numbered_and_the_last_needs_its_end() {
    let mut sources = Sources::default();
    let id = sources.add(Source::new("a", &b"global\r\n\n x"[..]));
    let found: Vec<_> = lines(sources.source(id)).collect();
    assert_eq!(found, [(1, 0, &b"global\r"[..]), (2, 8, b""), (3, 9, b" x")]);
    let fault = missing_newline(id, sources.source(id)).unwrap();
    assert_eq!(fault.message, "Missing LF on last line, file might have been truncated at position 3.");
    assert_eq!(sources.place(fault.span.unwrap()), ("a", 3));
    for whole in [&b""[..], b"a\n", b"\n"] {
        assert_eq!(missing_newline(id, &Source::new("a", whole)), None);
    }
}

#[test]
fn addresses_expand_outside_quotes_by_a_laxer_rule() {
    let environment = Environment::from([("P", "17001"), ("1", "one")]);
    let cases = [
        ("*:$P", "*:17001"),
        ("${P}", "17001"),
        ("${P-1}z", "17001-1}z"),
        ("$P-z", "17001-z"),
        ("q${NOPE}r", "qr"),
        ("q${P", "q17001"),
        ("$$P", "17001"),
        ("q${}z$", "qz"),
        ("$1x $1", " one"),
        ("$(x)", "(x)"),
    ];
    for (text, expected) in cases {
        let expanded = expand_unquoted(text.as_bytes(), &environment);
        assert_eq!(String::from_utf8_lossy(&expanded), expected, "{text}");
    }
}

#[test]
fn variables_cannot_blow_a_line_up() {
    let mut environment = Environment::default();
    environment.set("BIG", vec![b'x'; 600_000]);
    let fault = split(SourceId(0), 0, br#"w "$BIG$BIG""#, &environment, &CONTEXT).unwrap_err();
    assert_eq!(fault.message, "environment variables make this line too long at position 8:");
    let expanded = expand_unquoted(&b"$BIG".repeat(1000), &environment);
    assert!(expanded.len() < 2_000_000);
}

#[test]
fn a_megabyte_on_one_line_is_read_once() {
    // Of this thread alone: how busy the machine is says nothing about the lexer.
    let spent = || nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().tv_sec();
    let begin = spent();
    for unit in ["a ", "\\", "\"\"", "\"$A\"", "\\x41", "'a'", "#"] {
        let line = unit.repeat(1_000_000 / unit.len());
        let _ = split(SourceId(0), 0, line.as_bytes(), &environment(), &CONTEXT);
        let _ = split_arguments(format!("f({line}").as_bytes());
    }
    let list = "f(".to_owned() + &"a,".repeat(500_000);
    assert_eq!(split_arguments(list.as_bytes()), Err(ArgumentFault::Unclosed));
    assert!(spent() - begin < 20, "time grows faster than the line");
}

#[test]
fn argument_lists_are_quoted_once_more() {
    let list = |text: &str| {
        let call = split_arguments(text.as_bytes()).unwrap();
        let arguments = call.arguments.map(|all| {
            all.iter().map(|one| String::from_utf8_lossy(one).into_owned()).collect::<Vec<_>>().join("|")
        });
        (String::from_utf8_lossy(call.name).into_owned(), arguments, call.rest.to_vec())
    };
    assert_eq!(list("random"), ("random".into(), None, vec![]));
    assert_eq!(list("random(2)"), ("random".into(), Some("2".into()), vec![]));
    assert_eq!(list("f()"), ("f".into(), Some(String::new()), vec![]));
    assert_eq!(list("f( a,b )x"), ("f".into(), Some(" a|b ".into()), b"x".to_vec()));
    assert_eq!(list(r#"f("a,)",'b"',\x41\,c$A)"#).1, Some(r#"a,)|b"|A\|c$A"#.into()));
    assert_eq!(list("f(,)").1, Some("|".into()));
    assert_eq!(split_arguments(b"f(a"), Err(ArgumentFault::Unclosed));
    assert_eq!(split_arguments(b"f('a)"), Err(ArgumentFault::UnmatchedQuote));
    assert_eq!(split_arguments(br"f(\x4)"), Err(ArgumentFault::Hexadecimal));
}

#[test]
fn an_environment_shows_no_values() {
    let bundle =
        Bundle { environment: [("PW".to_owned(), "hunter2".to_owned())].into(), ..Bundle::default() };
    let mut environment = Environment::from(&bundle);
    assert_eq!(environment.get(b"PW"), Some(&b"hunter2"[..]));
    assert_eq!(format!("{environment:?}"), r#"{"PW"}"#);
    environment.unset(b"PW");
    assert_eq!(environment, Environment::default());
}

proptest! {
    #[test]
    fn any_bytes_are_split_or_refused(line in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(words) = split(SourceId(0), 0, &line, &environment(), &CONTEXT) {
            prop_assert!(words.iter().all(|word| (word.span.end as usize) <= line.len()));
        }
    }

    #[test]
    fn lines_of_special_characters_too(line in r##"[ \\"'#$a{}\[\]*xA0-]{0,60}"##) {
        let _ = split(SourceId(0), 0, line.as_bytes(), &environment(), &CONTEXT);
        let _ = split_arguments(line.as_bytes());
        let _ = expand_unquoted(line.as_bytes(), &environment());
    }

    /// Quoting a word so that nothing in it counts gives it back.
    #[test]
    fn quoting_is_undone(words in prop::collection::vec("[^'\r\n\0]{1,20}", 1..10)) {
        let line: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
        let read = split(SourceId(0), 0, line.join(" ").as_bytes(), &environment(), &CONTEXT).unwrap();
        let read: Vec<String> = read.iter().map(|word| word.str().into_owned()).collect();
        prop_assert_eq!(read, words);
    }
}
