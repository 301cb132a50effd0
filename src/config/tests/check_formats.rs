//! Expressions in checks: what a constant becomes, and what is refused by its name.

use super::{config, loaded, told};
use crate::config::model::{
    CheckAction, CheckFetch, CheckMethod, CheckPiece, CheckRule, Coding, VariableValue,
};

fn rules(lines: &str) -> Vec<CheckRule> {
    let text = format!("backend b\n option tcp-check\n {}\n", lines.replace('|', "\n "));
    match config(&text).backends.remove(0).check {
        CheckMethod::TcpCheck(rules) => rules,
        other => panic!("{lines}: {other:?}"),
    }
}

#[test]
fn what_is_the_same_in_every_check_is_a_send_like_any_other() {
    let rules = rules(
        "tcp-check send-lf AUTH\\ %[str(hunter2)]%[int(5)]%%\\r\\n|tcp-check send-binary-lf 50%[str(4f)]|tcp-check \
         send-lf x%[srv_name]",
    );
    assert!(matches!(&rules[0].action, CheckAction::Send(bytes) if bytes.expose() == b"AUTH hunter25%\r\n"));
    assert!(matches!(&rules[1].action, CheckAction::SendBinary(bytes) if bytes.expose() == b"PO"));
    let CheckAction::SendFormat { format, coding: Coding::Text } = &rules[2].action else {
        panic!("{:?}", rules[2])
    };
    let [CheckPiece::Text(text), CheckPiece::Sample(sample)] = format.pieces.as_slice() else {
        panic!("{format:?}")
    };
    assert_eq!((text.expose(), &sample.fetch), (&b"x"[..], &CheckFetch::ServerName));
}

#[test]
fn variables_are_set_from_expressions_and_from_texts() {
    let rules =
        rules("tcp-check set-var(check.a) var(sess.b),upper|tcp-check set-var-fmt(check.b) %b-%[res.len]");
    let CheckAction::SetVariable { name, value: VariableValue::Sample(sample) } = &rules[0].action else {
        panic!("{:?}", rules[0])
    };
    assert_eq!((name.as_str(), &sample.fetch), ("check.a", &CheckFetch::Variable("sess.b".to_owned())));
    assert!(matches!(
        &rules[1].action,
        CheckAction::SetVariable { value: VariableValue::Format(format), .. } if format.pieces.len() == 3
    ));
}

#[test]
fn what_a_check_cannot_know_is_refused_by_its_name() {
    for (line, said) in [
        ("tcp-check send-lf %[src]", "'src' is not supported in checks"),
        ("tcp-check send-lf %ci", "'%ci' is not supported in checks"),
        ("tcp-check send-lf %[str(a)", "missing ']' behind '%['"),
        ("tcp-check send-lf %[str(a),in_table(b)]", "the converter 'in_table' is not supported in checks"),
        ("tcp-check send-lf %[str(a),nothing]", "unknown converter 'nothing'"),
        ("tcp-check send-lf %[str]", "'str' takes 1 to 1 arguments"),
        ("tcp-check send-lf %[int(x)]", "invalid arguments of 'int'"),
        ("tcp-check set-var(proc.a) str(x)", "the variable 'proc.a' is not supported"),
        ("tcp-check set-var(a) str(x)", "invalid variable name 'a'"),
        ("tcp-check set-var(check.a)", "missing fetch method"),
        ("tcp-check unset-var()", "invalid or incomplete action 'unset-var()'"),
        ("tcp-check expect string x on-error %[src]", "'src' is not supported in checks"),
    ] {
        let found = told(&loaded(&format!("backend b\n option tcp-check\n {line}\n")));
        assert!(found.contains(said), "{line}: {found}");
    }
}
