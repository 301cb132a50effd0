//! `set-var` and `set-var-fmt`: a variable gets a value, unless a condition in the name's parenthesis forbids it
//! (manual section 4.2, `http-request set-var`).

use crate::config::model::{Value, VariableId, When};

/// Sets the variable; whether it was set. A sample that finds nothing leaves it as it is, as in HAProxy.
pub fn assign(
    variables: &mut Vec<(VariableId, Value)>,
    (variable, when): (VariableId, &[When]),
    value: Option<Value>,
) -> bool {
    let Some(value) = value else { return false };
    let known = variables.iter().find(|(known, _)| *known == variable).map(|(_, value)| value);
    let allowed = when.iter().all(|when| allows(*when, known, &value));
    if allowed {
        variables.retain(|(known, _)| *known != variable);
        variables.push((variable, value));
    }
    allowed
}

fn allows(when: When, known: Option<&Value>, new: &Value) -> bool {
    let is_empty = matches!(new, Value::Text(text) | Value::Binary(text) if text.is_empty());
    let compared = match (known, new) {
        (Some(Value::Integer(known)), Value::Integer(new)) => Some(known.cmp(new)),
        _ => None,
    };
    match when {
        When::Exists => known.is_some(),
        When::NotExists => known.is_none(),
        When::Empty => is_empty,
        When::NotEmpty => !is_empty,
        When::Greater => compared.is_none_or(|order| order.is_gt()),
        When::Less => compared.is_none_or(|order| order.is_lt()),
    }
}
