//! `;json`, `show stat json`: an array of rows, each an array of figures with their tags, in HAProxy's schema.

use serde::Serialize;

use super::field::{FIELDS, MODULE_FIELDS, Tags, Value};
use super::rows::Row;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Figure<'a> {
    obj_type: &'static str,
    proxy_id: u32,
    id: u32,
    field: Place<'a>,
    process_num: u32,
    tags: Tagged,
    value: Typed,
}

#[derive(Serialize)]
struct Place<'a> {
    pos: usize,
    name: &'a str,
}

#[derive(Serialize)]
struct Tagged {
    origin: &'static str,
    nature: &'static str,
    scope: &'static str,
}

#[derive(Serialize)]
#[serde(tag = "type", content = "value", rename_all = "lowercase")]
enum Typed {
    Str(String),
    U32(u32),
    U64(u64),
    S32(i32),
}

/// The whole table.
pub fn render(rows: &[Row<'_>]) -> String {
    let rows: Vec<Vec<Figure<'_>>> = rows.iter().map(figures).collect();
    // Plain structs with text keys always serialise.
    serde_json::to_string(&rows).unwrap_or_default()
}

/// One row, an array of figures.
pub fn row(row: &Row<'_>) -> String {
    serde_json::to_string(&figures(row)).unwrap_or_default()
}

fn figures<'a>(row: &Row<'_>) -> Vec<Figure<'a>> {
    let (obj_type, proxy_id, id) = match row {
        Row::Frontend(row) => ("Frontend", row.config.proxy_id, 0),
        Row::Backend(row) => ("Backend", row.config.proxy_id, 0),
        Row::Server(row) => ("Server", row.backend.proxy_id, row.config.id),
    };
    let fields = FIELDS.iter().chain(MODULE_FIELDS).enumerate();
    fields
        .filter_map(|(pos, field)| {
            let value = match field.value(row) {
                Value::Empty => return None,
                Value::Text(text) => Typed::Str(text),
                Value::U32(number) => Typed::U32(number),
                Value::U64(number) => Typed::U64(number),
                Value::S32(number) => Typed::S32(number),
            };
            let Tags { origin, nature, scope } = field.tags(row);
            let (field, tags) = (Place { pos, name: field.name }, Tagged { origin, nature, scope });
            Some(Figure { obj_type, proxy_id, id, field, process_num: 1, tags, value })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{Selection, demo, rows};

    #[test]
    fn figures_have_haproxys_shape() {
        let demo = demo::demo();
        let text = render(&rows(&demo.snapshot, &Selection::default(), demo.now));
        let first = r#"[[{"objType":"Frontend","proxyId":2,"id":0,"field":{"pos":0,"name":"pxname"},"processNum":1,"tags":{"origin":"Key","nature":"Name","scope":"Service"},"value":{"type":"str","value":"redis"}},{"#;
        assert!(text.starts_with(first), "{}", &text[..first.len()]);
        let module = r#""field":{"pos":103,"name":"ssl_sess"}"#;
        assert!(text.contains(module));
        assert!(text.contains(r#""value":{"type":"s32","value":-1}"#));
        let parsed: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(parsed.as_array().unwrap().len(), 10);
    }

    #[test]
    fn backends_tag_their_rate_as_a_gauge() {
        let demo = demo::demo();
        let text = render(&rows(&demo.snapshot, &Selection::default(), demo.now));
        let rate = r#"{"pos":33,"name":"rate"},"processNum":1,"tags":{"origin":"Metric","nature":"#;
        assert!(text.contains(&format!("{rate}\"Rate\"")) && text.contains(&format!("{rate}\"Gauge\"")));
    }
}
