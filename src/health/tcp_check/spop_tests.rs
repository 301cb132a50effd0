//! Answers of agents, and what the real program was seen to report of them.

use proptest::prelude::*;

use super::*;

const LARGEST: u32 = 16380;

fn string(text: &[u8]) -> Vec<u8> {
    [&[text.len() as u8], text].concat()
}

fn item(name: &str, value: &[u8]) -> Vec<u8> {
    [string(name.as_bytes()), value.to_vec()].concat()
}

fn text(value: &[u8]) -> Vec<u8> {
    [&[8], string(value).as_slice()].concat()
}

fn version(value: &str) -> Vec<u8> {
    item("version", &text(value.as_bytes()))
}

/// 16380 as an unsigned number of 32 bits.
const SIZE_VALUE: [u8; 4] = [3, 0xfc, 0xf0, 0x06];

fn frame(head: &[u8], payload: &[Vec<u8>]) -> Vec<u8> {
    let frame = [head.to_vec(), payload.concat()].concat();
    [&(frame.len() as u32).to_be_bytes(), frame.as_slice()].concat()
}

const HELLO: [u8; 7] = [101, 0, 0, 0, 1, 0, 0];
const DISCONNECT: [u8; 7] = [102, 0, 0, 0, 1, 0, 0];

fn hello(payload: &[Vec<u8>]) -> Vec<u8> {
    frame(&HELLO, payload)
}

fn well() -> Vec<Vec<u8>> {
    vec![version("2.0"), item("max-frame-size", &SIZE_VALUE), item("capabilities", &text(b""))]
}

/// What is wrong; empty: nothing.
fn said(bytes: &[u8]) -> String {
    match evaluate(bytes, LARGEST) {
        Some(Verdict::Met(words)) => {
            assert_eq!((words.code, words.info.as_str()), (Some(0), "SPOA server is ok"));
            String::new()
        }
        Some(Verdict::Missed(CheckStatus::L7Response, words)) => words.info,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_agent_that_is_well() {
    let well = well();
    assert_eq!(said(&hello(&well)), "");
    assert_eq!(said(&[hello(&well), b"more".to_vec()].concat()), "");
    for (name, value) in [
        ("foo", text(b"bar")),
        ("foo", vec![0x11]),
        ("foo", vec![0x00]),
        ("foo", vec![6, 1, 2, 3, 4]),
        ("foo", [&[7], [1; 16].as_slice()].concat()),
        ("foo", [&[9], string(b"bin").as_slice()].concat()),
        ("foo", vec![0x0f]),
        ("foo", vec![0x02, 0xff, 0x80, 0x01]),
        ("capabilities", text(b"fragmentation, nonsense")),
        // The flags of a value that is no truth.
        ("max-frame-size", vec![0xf3, 0xfc, 0xf0, 0x06]),
        // 256, in any type of integer.
        ("max-frame-size", vec![2, 0xf0, 0x01]),
        ("max-frame-size", vec![5, 0xf0, 0x01]),
    ] {
        assert_eq!(said(&hello(&[well.concat(), item(name, &value)])), "", "{name} {value:?}");
    }
    for version_text in [" 2.0 ", "\t2.0", "2.00", "02.0"] {
        assert_eq!(said(&hello(&[version(version_text), well[1].clone()])), "", "{version_text:?}");
    }
    // Both flags are the last fragment, too.
    assert_eq!(said(&frame(&[101, 0xff, 0, 0, 3, 0, 0], &well)), "");
}

#[test]
fn what_is_no_answer() {
    let invalid = "invalid frame received";
    let well = well().concat();
    for (head, expected) in [
        (&[][..], invalid),
        (&[101], invalid),
        (&[101, 0, 0, 0, 1], invalid),
        (&[101, 0, 0, 0, 1, 0], invalid),
        (&[101, 0, 0, 0, 1, 1, 0], invalid),
        (&[101, 0, 0, 0, 1, 0, 1], invalid),
        (&[103, 0, 0, 0, 1, 0, 0], invalid),
        (&[0, 0, 0, 0, 1, 0, 0], invalid),
        (&[101, 0, 0, 0, 0, 0, 0], "fragmentation not supported"),
        (&[102, 0, 0, 0, 2, 0, 0], "fragmentation not supported"),
        (&HELLO, "version value not found"),
    ] {
        assert_eq!(said(&frame(head, &[])), expected, "{head:?}");
    }
    for (name, value) in [
        ("version", vec![3, 2]),
        ("version", vec![9, 3, b'2', b'.', b'0']),
        ("version", vec![8, 200, b'2']),
        ("max-frame-size", text(b"16380")),
        ("max-frame-size", vec![0x11]),
        ("capabilities", vec![3, 1]),
        ("foo", vec![]),
        ("foo", vec![8, 3, b'b']),
        ("foo", vec![7, 1, 2]),
        ("", text(b"x")),
        ("foo", vec![3, 0xff]),
        ("foo", vec![3, 0xff, 0xff, 0xff]),
    ] {
        assert_eq!(said(&hello(&[well.clone(), item(name, &value)])), invalid, "{name} {value:?}");
    }
    assert_eq!(said(&hello(&[well, b"\xc8foo".to_vec()])), invalid);
}

#[test]
fn what_an_agent_lacks() {
    let size = item("max-frame-size", &SIZE_VALUE);
    for text in ["1.0", "2.1", "3.0", "2", "2.0x", "", "abc", "1.0,2.0", "+2.0", "2 .0", ".0", "2."] {
        assert_eq!(said(&hello(&[version(text), size.clone()])), "unsupported version", "{text}");
    }
    // 0, 255, 16381, and more than 64 bits hold.
    let endless = [[3].as_slice(), &[0xff; 13], &[1]].concat();
    for value in [vec![3, 0], vec![3, 0xff, 0x00], vec![3, 0xfd, 0xf0, 0x06], endless] {
        let said = said(&hello(&[version("2.0"), item("max-frame-size", &value)]));
        assert_eq!(said, "max-frame-size too big or too small", "{value:?}");
    }
    assert_eq!(said(&hello(std::slice::from_ref(&size))), "version value not found");
    assert_eq!(said(&hello(&[version("2.0")])), "max-frame-size value not found");
    // Names are case-sensitive, and what comes first is told first.
    assert_eq!(said(&hello(&[item("VERSION", &text(b"2.0")), size])), "version value not found");
    assert_eq!(said(&hello(&[version("1.0"), vec![0xff]])), "unsupported version");
}

#[test]
fn an_agent_that_takes_its_leave_says_why() {
    let message = item("message", &text(b"so long"));
    let left = |code: &[u8]| said(&frame(&DISCONNECT, &[item("status-code", code), message.clone()]));
    for (code, expected) in [
        (0, "normal"),
        (1, "I/O error"),
        (3, "frame is too big"),
        (8, "unsupported version"),
        (13, "resource allocation error"),
        (14, "an unknown error occurred"),
        (99, "an unknown error occurred"),
    ] {
        assert_eq!(left(&[3, code]), expected);
    }
    assert_eq!(left(&[2, 3]), "frame is too big");
    assert_eq!(left(&text(b"3")), "invalid frame received");
    assert_eq!(said(&frame(&DISCONNECT, &[])), "normal");
    assert_eq!(said(&frame(&DISCONNECT, &[item("message", &[3, 3])])), "invalid frame received");
    let longest = [&[8, 0xff, 0][..], &[b'x'; 255]].concat();
    assert_eq!(said(&frame(&DISCONNECT, &[item("message", &longest)])), "normal");
    let longer = [&[8, 0xf0, 1][..], &[b'x'; 256]].concat();
    assert_eq!(said(&frame(&DISCONNECT, &[item("message", &longer)])), "invalid frame received");
}

#[test]
fn a_frame_is_waited_for() {
    let whole = hello(&well());
    for end in 0..whole.len() {
        assert_eq!(evaluate(&whole[..end], LARGEST), None, "{end}");
    }
    assert_eq!(evaluate(b"\x7f\xff\xff\xffabc", LARGEST), None);
    assert_eq!(torn().info, "invalid frame received");
}

proptest! {
    #[test]
    fn no_frame_makes_it_panic(payload in proptest::collection::vec(any::<u8>(), 0..80), kind in 101u8..103) {
        let head = [kind, 0, 0, 0, 1, 0, 0];
        let decided = evaluate(&frame(&head, &[payload]), LARGEST);
        prop_assert!(matches!(decided, Some(Verdict::Met(_) | Verdict::Missed(..))));
    }
}
