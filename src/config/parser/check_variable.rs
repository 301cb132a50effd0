//! `tcp-check set-var(NAME) EXPRESSION`, `set-var-fmt(NAME) FORMAT`, `unset-var(NAME)`, and the same of `http-check`
//! (manual section 4.2): variables that live as long as one check.

use super::check_format;
use super::context::Context;
use super::statement::Statement;
use crate::config::model::{CheckAction, CheckRule, VariableValue};

/// Whether the line's second word sets or unsets a variable.
pub(super) fn is_one(word: &str) -> bool {
    let name = word.split('(').next().unwrap_or_default();
    matches!(name, "set-var" | "set-var-fmt" | "unset-var")
}

/// Reads the line; `None` once reported.
pub(super) fn read(context: &mut Context<'_>, line: &Statement<'_>) -> Option<CheckRule> {
    let word = line.text(1).into_owned();
    match action(context, line, &word) {
        Ok(action) => Some(CheckRule { action, comment: None }),
        Err(reason) => {
            context.error(line.span(), format!("'{} {word}' : {reason}", line.text(0)));
            None
        }
    }
}

fn action(context: &Context<'_>, line: &Statement<'_>, word: &str) -> Result<CheckAction, String> {
    let named = word.split_once('(').and_then(|(verb, rest)| Some((verb, rest.strip_suffix(')')?)));
    let Some((verb, name)) = named.filter(|(_, name)| !name.is_empty()) else {
        return Err(format!(
            "invalid or incomplete action '{word}'. Expects 'set-var(<var-name>)', 'set-var-fmt(<var-name>)' or \
             'unset-var(<var-name>)'"
        ));
    };
    let name = check_format::variable(name.as_bytes()).map_err(|reason| format!("'{verb}' : {reason}"))?;
    let text = line.argument(2).map(|word| word.text.as_slice());
    let value = match (verb, text) {
        ("unset-var", _) => return Ok(CheckAction::UnsetVariable(name)),
        ("set-var", None) => return Err("'set-var' : missing fetch method".to_owned()),
        ("set-var", Some(text)) => check_format::expression(context, text).map(VariableValue::Sample),
        (_, text) => check_format::format(context, text.unwrap_or_default()).map(VariableValue::Format),
    };
    let value = value.map_err(|reason| format!("'{verb}' : {reason}"))?;
    Ok(CheckAction::SetVariable { name, value })
}
