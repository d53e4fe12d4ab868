//! JSON Schema of the project file, for editors and for `docs/reference/configuration.md`.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::{Alpha, Config, Winsorize};
use crate::time::{TimeSpan, Timestamp, Zone};

/// Address of the schema; `pql init` and `pql simulate` write it into the project file.
pub const SCHEMA_URL: &str =
    "https://raw.githubusercontent.com/pql-dev/pql/main/docs/reference/pql.schema.json";

/// Pattern of durations above 0.
pub(super) const POSITIVE_DURATION: &str = "^0*[1-9][0-9]*[wdhm]$";

/// Pattern of the name of a table: parts joined by points, each plain or quoted.
pub(super) const TABLE_NAME: &str = concat!(
    r#"^(?:[^\s."`]+|"(?:[^"]|"")+"|`(?:[^`]|``)+`)"#,
    r#"(?:\.(?:[^\s."`]+|"(?:[^"]|"")+"|`(?:[^`]|``)+`))*$"#
);

/// Returns the schema of a table with a key whose value is not an empty list.
pub(super) fn group_of(key: &str) -> Value {
    json!({ "required": [key], "properties": { key: { "minItems": 1 } } })
}

/// Returns the schema of a table with a list `key` that is not empty, and without a list `other`.
pub(super) fn only_group(key: &str, other: &str) -> Value {
    json!({
        "required": [key],
        "properties": { key: { "minItems": 1 }, other: { "maxItems": 0 } }
    })
}

/// Returns the schema of a source that is neither a table nor a query.
pub(super) fn without_table() -> Value {
    json!({ "allOf": [{ "not": { "required": ["table"] } }, { "not": { "required": ["query"] } }] })
}

/// Returns the schema of a condition.
pub(super) fn condition() -> Value {
    json!({ "$ref": "#/definitions/Condition" })
}

/// Returns the schema of a condition that is not a group.
pub(super) fn single_condition() -> Value {
    json!({
        "allOf": [
            condition(),
            { "properties": { "all": { "maxItems": 0 }, "any": { "maxItems": 0 } } }
        ]
    })
}

/// Returns schemas of tables with at most one of some keys; an empty list counts as absent.
pub(super) fn at_most_one(keys: &[&str]) -> Vec<Value> {
    let pairs = keys
        .iter()
        .enumerate()
        .flat_map(|(n, one)| keys[n + 1..].iter().map(move |other| (one, other)));
    pairs
        .map(|(one, other)| {
            json!({
                "not": {
                    "required": [one, other],
                    "properties": { one.to_string(): { "minItems": 1 }, other.to_string(): { "minItems": 1 } }
                }
            })
        })
        .collect()
}

/// Returns the JSON Schema (draft 7) of the project file, indented, with a line end.
pub fn json_schema() -> String {
    let mut settings = SchemaSettings::draft07();
    settings.inline_subschemas = true;
    let schema = settings.into_generator().into_root_schema_for::<Config>();
    let mut value = simplify(schema.to_value());
    value["$id"] = json!(SCHEMA_URL);
    value["title"] = json!("pql.toml");
    // Each key has its default; those of whole sections would repeat them.
    if let Some(sections) = value["properties"].as_object_mut() {
        let sections = sections.values_mut().filter_map(Value::as_object_mut);
        sections.for_each(|section| drop(section.remove("default")));
    }
    format!("{value:#}\n")
}

/// Removes nulls, which TOML does not have, and formats of Rust numbers, which editors do not
/// support.
fn simplify(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(simplify).collect(),
        Value::Object(object) => simplify_object(object),
        other => other,
    }
}

fn simplify_object(object: Map<String, Value>) -> Value {
    let mut tidied = Map::new();
    for (key, value) in object {
        match (key.as_str(), value) {
            ("default", Value::Null) | ("format", Value::String(_)) => {}
            ("type", Value::Array(types)) => {
                let kept = types.into_iter().find(|name| name != "null");
                tidied.insert(key, kept.unwrap_or_default());
            }
            ("anyOf", Value::Array(options)) => {
                let kept = options.into_iter().filter(|option| option["type"] != "null");
                for option in kept.map(simplify) {
                    if let Value::Object(option) = option {
                        option.into_iter().for_each(|(key, value)| {
                            tidied.entry(key).or_insert(value);
                        });
                    }
                }
            }
            ("description", Value::String(text)) => {
                tidied.insert(key, Value::String(text.replace('\n', " ")));
            }
            (_, value) => {
                tidied.insert(key, simplify(value));
            }
        }
    }
    Value::Object(tidied)
}

impl JsonSchema for TimeSpan {
    fn schema_name() -> Cow<'static, str> {
        "duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "title": "duration", "type": "string", "pattern": "^[0-9]+[wdhm]$" })
    }
}

impl JsonSchema for Zone {
    fn schema_name() -> Cow<'static, str> {
        "time zone".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "title": "time zone", "type": "string" })
    }
}

impl JsonSchema for Timestamp {
    fn schema_name() -> Cow<'static, str> {
        "time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "time",
            "type": "string",
            "pattern": "^\\s*([0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8})([Tt ][0-9].*)?\\s*$"
        })
    }
}

impl JsonSchema for Alpha {
    fn schema_name() -> Cow<'static, str> {
        "alpha".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "oneOf": [{ "const": "cv" }, { "type": "number", "minimum": 0 }] })
    }
}

impl JsonSchema for Winsorize {
    fn schema_name() -> Cow<'static, str> {
        "winsorize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "oneOf": [
                { "const": "never" },
                {
                    "type": "array",
                    "items": { "type": "number", "minimum": 0, "maximum": 1 },
                    "minItems": 2,
                    "maxItems": 2
                }
            ]
        })
    }
}
