//! docs/reference: the JSON Schema of pql.toml, and the page that is generated from it.

use std::fs;

use pql::config::schema::json_schema;
use pql::config::{
    AccountSource, AlertsConfig, Condition, Config, ConnectionConfig, ContactValue,
    DefinitionConfig, DesignConfig, EligibilityConfig, EventSource, FeatureConfig, InputConfig,
    MatrixConfig, ModelConfig, ObservationConfig, QualifyConfig, Roles, UserSource, VisitorSource,
};
use regex::Regex;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::common::root;

const INTRO: &str = "# Configuration

After reading this page you can set every key of the project file, `pql.toml`. `make docs` generates it from the
[JSON Schema](pql.schema.json), which also serves completion and checks in editors: `pql init` writes a reference to it into
the file.

- A **duration** is a string of a whole number and a unit: `w` (weeks), `d` (days), `h` (hours) or `m` (minutes), such as `\"14d\"`.
- A **size** is a string of a number and a unit: `KB`, `MB`, `GB` (powers of 1,000) or `KiB`, `MiB`, `GiB` (powers of 1,024).
- A **time** is an ISO 8601 date or time in UTC, such as `\"2025-06-30\"` (00:00) or `\"2025-06-30T12:00:00Z\"`. The quotes are
  optional: `2025-06-30` is a date of TOML.
- `--set section.key=value` sets a key for one run, such as `--set model.penalty=none`; `--set events.0.path=more.csv` sets one of
  a list of sections.
- Unknown keys are errors.
- Editors check types, ranges and combinations of keys. `pql` also checks values that depend on other values, such as
  `min_age` at most `max_age`.
";

/// Returns the keys of a section in the order of its fields, which serde lists for an unknown key.
fn keys<T: DeserializeOwned>() -> Vec<String> {
    let error = serde_json::from_str::<T>("{\"?\": 0}").err().unwrap().to_string();
    error.split('`').skip(1).step_by(2).skip(1).map(str::to_owned).collect()
}

fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}

/// Returns a value in TOML.
fn toml(value: &Value) -> String {
    match value {
        Value::Number(number) => number.as_f64().unwrap().to_string(),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// Returns the type of a key in words.
fn type_name(schema: &Value) -> String {
    if schema["$ref"].is_string() || schema["allOf"][0]["$ref"].is_string() {
        return "condition".to_owned();
    }
    if let Some(options) = schema["oneOf"].as_array() {
        return options.iter().map(type_name).collect::<Vec<_>>().join(" or ");
    }
    if let Some(constant) = schema.get("const") {
        return code(&constant.to_string());
    }
    if let Some(title) = schema["title"].as_str() {
        return title.to_owned();
    }
    let bound = |key: &str| schema.get(key).map(toml);
    let range = match (bound("minimum"), bound("maximum"), bound("exclusiveMaximum")) {
        (Some(low), Some(high), _) => format!(" from {low} to {high}"),
        (Some(low), None, Some(high)) => format!(" from {low} to below {high}"),
        (None, None, Some(high)) => format!(" between 0 and {high}"),
        (Some(low), None, None) => format!(" from {low}"),
        _ if schema["exclusiveMinimum"] == 0 => " above 0".to_owned(),
        _ => String::new(),
    };
    match schema["type"].as_str().unwrap_or_default() {
        "array" => {
            let (item, count) = (type_name(&schema["items"]), schema["minItems"].as_u64());
            let fixed = count.filter(|n| Some(*n) == schema["maxItems"].as_u64());
            fixed.map_or_else(|| format!("list: {item}"), |n| format!("list of {n}: {item}"))
        }
        "object" if schema["properties"].is_object() => {
            let keys: Vec<String> = schema["required"]
                .as_array()
                .unwrap()
                .iter()
                .map(|k| k.as_str().unwrap().to_owned())
                .collect();
            code(&format!(
                "{{ {} }}",
                keys.iter().map(|key| format!("{key} = …")).collect::<Vec<_>>().join(", ")
            ))
        }
        "object" if schema["additionalProperties"]["type"] == "array" => {
            "table: column = list of values".to_owned()
        }
        "object" if schema["additionalProperties"]["oneOf"].is_array() => {
            "table: option = value".to_owned()
        }
        "object" => "table: feature = level".to_owned(),
        "integer" => format!("integer{range}"),
        "number" => format!("number{range}"),
        other => other.to_owned(),
    }
}

/// Returns the default of a key and its meaning.
fn default_and_meaning(schema: &Value, required: bool) -> (String, String) {
    let description = schema["description"].as_str().unwrap();
    let (mut meaning, named) = match description.split_once(" Default: ") {
        Some((meaning, default)) => (meaning.to_owned(), Some(default.trim_end_matches('.'))),
        None => (description.to_owned(), None),
    };
    let options = schema["oneOf"].as_array().into_iter().flatten();
    let described: Vec<String> = options
        .filter_map(|option| {
            let text = option["description"].as_str()?.trim_end_matches('.');
            Some(format!("{}: {text}", code(&option["const"].to_string())))
        })
        .collect();
    if !described.is_empty() {
        meaning += &format!("<br>{}", described.join("<br>"));
    }
    let default = match (named, schema.get("default")) {
        (Some(named), _) => named.to_owned(),
        (None, _) if required => "required".to_owned(),
        (None, Some(default)) => code(&toml(default)),
        (None, None) => String::new(),
    };
    (default, meaning)
}

/// Returns the table of the keys of a section.
fn table(schema: &Value, keys: &[String]) -> String {
    let mut text = "| Key | Type | Default | Meaning |\n|---|---|---|---|\n".to_owned();
    let properties = schema["properties"].as_object().unwrap();
    assert_eq!(properties.len(), keys.len(), "{keys:?}");
    let required = |key: &str| {
        schema["required"]
            .as_array()
            .is_some_and(|required| required.iter().any(|name| name == key))
    };
    for key in keys {
        let schema = &properties[key];
        let (default, meaning) = default_and_meaning(schema, required(key));
        text += &format!("| `{key}` | {} | {default} | {meaning} |\n", type_name(schema));
    }
    text
}

/// Returns the reference of the project file, in Markdown.
fn reference(schema: &Value) -> String {
    let mut text = INTRO.to_owned();
    for section in keys::<Config>() {
        let schema = &schema["properties"][&section];
        let list = schema["type"] == "array";
        let (header, item) = if schema["additionalProperties"].is_object() {
            (format!("[{section}.NAME]"), &schema["additionalProperties"])
        } else if list {
            (format!("[[{section}]]"), &schema["items"])
        } else {
            (format!("[{section}]"), schema)
        };
        let section_keys = match section.as_str() {
            "events" => keys::<EventSource>(),
            "accounts" => keys::<AccountSource>(),
            "users" => keys::<UserSource>(),
            "visitors" => keys::<VisitorSource>(),
            "connections" => keys::<ConnectionConfig>(),
            "roles" => keys::<Roles>(),
            "observation" => keys::<ObservationConfig>(),
            "features" => keys::<FeatureConfig>(),
            "matrix" => keys::<MatrixConfig>(),
            "design" => keys::<DesignConfig>(),
            "model" => keys::<ModelConfig>(),
            "eligibility" => keys::<EligibilityConfig>(),
            "qualify" => keys::<QualifyConfig>(),
            "input" => keys::<InputConfig>(),
            "alerts" => keys::<AlertsConfig>(),
            "definition" => keys::<DefinitionConfig>(),
            other => panic!("unknown section {other}"),
        };
        let description = schema["description"].as_str().unwrap();
        text += &format!("\n## `{header}`\n\n{description}\n\n{}", table(item, &section_keys));
        if section == "qualify" {
            let value = table(&item["properties"]["value"], &keys::<ContactValue>());
            text += &format!("\nKeys of `value`:\n\n{value}");
        }
    }
    let condition = &schema["definitions"]["Condition"];
    let description = condition["description"].as_str().unwrap();
    text +=
        &format!("\n### Conditions\n\n{description}\n\n{}", table(condition, &keys::<Condition>()));
    text
}

/// Compares a generated document with the file in docs/reference; `PQL_DOCS=1` writes it.
pub(crate) fn assert_generated(name: &str, generated: &str) {
    let path = root().join("docs/reference").join(name);
    if std::env::var_os("PQL_DOCS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, generated).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let difference = found.lines().zip(generated.lines()).find(|(found, new)| found != new);
    assert!(
        found == generated,
        "{name} is out of date, run `make docs`; first difference: {difference:?}"
    );
}

#[test]
fn the_schema_in_docs_is_the_schema_of_the_program() {
    assert_generated("pql.schema.json", &json_schema());
}

#[test]
fn the_configuration_reference_is_generated_from_the_schema() {
    let schema = serde_json::from_str(&json_schema()).unwrap();
    assert_generated("configuration.md", &reference(&schema));
}

/// Returns whether a value has a type of the schema.
fn has_type(value: &Value, name: &str) -> bool {
    match name {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("unknown type {other}"),
    }
}

/// Returns whether a value meets the keywords of the schema about numbers, text and the length of
/// lists.
fn in_bounds(value: &Value, schema: &Value) -> bool {
    let number = value.as_f64().is_none_or(|x| {
        schema["minimum"].as_f64().is_none_or(|low| x >= low)
            && schema["maximum"].as_f64().is_none_or(|high| x <= high)
            && schema["exclusiveMinimum"].as_f64().is_none_or(|low| x > low)
            && schema["exclusiveMaximum"].as_f64().is_none_or(|high| x < high)
            && schema["multipleOf"].as_f64().is_none_or(|unit| x % unit == 0.0)
    });
    let text = value.as_str().is_none_or(|text| {
        let pattern = schema["pattern"].as_str().map(|pattern| Regex::new(pattern).unwrap());
        schema["minLength"].as_u64().is_none_or(|low| text.chars().count() as u64 >= low)
            && pattern.is_none_or(|pattern| pattern.is_match(text))
    });
    let list = value.as_array().is_none_or(|items| {
        let repeats = (1..items.len()).any(|n| items[..n].contains(&items[n]));
        schema["minItems"].as_u64().is_none_or(|low| items.len() as u64 >= low)
            && schema["maxItems"].as_u64().is_none_or(|high| items.len() as u64 <= high)
            && !(repeats && schema["uniqueItems"] == true)
    });
    number && text && list
}

/// Returns the first violation of the keywords that combine schemas.
fn combined_violation(value: &Value, schema: &Value, root: &Value, key: &str) -> Option<String> {
    let fits = |schema: &Value| violation(value, schema, root, key).is_none();
    if let Some(options) = schema["oneOf"].as_array() {
        let matches = options.iter().filter(|option| fits(option)).count();
        if matches != 1 {
            return Some(format!("{key}: {matches} of the options match {value}"));
        }
    }
    if schema.get("not").is_some_and(fits) {
        return Some(format!("{key}: {value} is excluded"));
    }
    let mut all = schema["allOf"].as_array().into_iter().flatten();
    if let Some(violated) = all.find_map(|part| violation(value, part, root, key)) {
        return Some(violated);
    }
    if schema.get("if").is_some_and(fits) {
        return violation(value, &schema["then"], root, key);
    }
    None
}

/// Returns the first violation of the schema, by the keywords that the schema uses.
pub(crate) fn violation(value: &Value, schema: &Value, root: &Value, key: &str) -> Option<String> {
    if let Some(target) = schema["$ref"].as_str() {
        let target = root.pointer(target.trim_start_matches('#')).unwrap();
        return violation(value, target, root, key);
    }
    let is_constant = schema.get("const").is_none_or(|constant| constant == value);
    let has_type = schema["type"].as_str().is_none_or(|name| has_type(value, name));
    if !is_constant || !has_type || !in_bounds(value, schema) {
        return Some(format!("{key}: {value}"));
    }
    let items = value.as_array().into_iter().flatten();
    let mut in_items = items.filter_map(|item| violation(item, &schema["items"], root, key));
    let fields = value.as_object().into_iter().flatten();
    let mut in_fields = fields.filter_map(|(key, value)| match &schema["properties"][key] {
        Value::Null if schema["additionalProperties"] == false => {
            Some(format!("unknown key {key}"))
        }
        Value::Null => violation(value, &schema["additionalProperties"], root, key),
        schema => violation(value, schema, root, key),
    });
    let dependencies = schema["dependencies"].as_object().into_iter().flatten();
    let dependent = dependencies.filter(|(key, _)| value.get(key).is_some());
    let required = schema["required"].as_array().into_iter().flatten();
    let mut missing = required
        .chain(dependent.flat_map(|(_, keys)| keys.as_array().unwrap()))
        .filter(|key| value.is_object() && value.get(key.as_str().unwrap()).is_none());
    in_items
        .next()
        .or(in_fields.next())
        .or(missing.next().map(|key| format!("missing {key}")))
        .or_else(|| combined_violation(value, schema, root, key))
}

/// Returns a TOML value as JSON, as editors check it: times are text.
fn to_json(value: toml::Value) -> Value {
    match value {
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(items) => items.into_iter().map(to_json).collect(),
        toml::Value::Table(table) => {
            table.into_iter().map(|(key, value)| (key, to_json(value))).collect()
        }
        other => serde_json::to_value(other).unwrap(),
    }
}

/// Returns the first violation of the schema of the program by a project file.
fn violation_of_schema(text: &str) -> Option<String> {
    let schema: Value = serde_json::from_str(&json_schema()).unwrap();
    let value = to_json(toml::Value::Table(text.parse().unwrap()));
    violation(&value, &schema, &schema, "pql.toml")
}

#[test]
fn the_schema_and_the_parser_accept_valid_project_files() {
    for file in ["data/demo/pql.toml", "tests/fixtures/golden_log/pql.toml"] {
        let text = fs::read_to_string(root().join(file)).unwrap();
        assert_eq!(violation_of_schema(&text), None, "{file}");
    }
    for text in [
        "[model]\nalpha = 1\npenalty = \"elastic-net\"\ntest_size = 0\n",
        "[design]\nwinsorize = [0.1, 0.9]\nreference_levels = { a = \"b\" }\n",
        "[design]\nwinsorize = \"never\"\n",
        "[qualify]\nvalue = { revenue = 9, cost = 1.5 }\n",
        "[alerts]\nwithin = \"36h\"\n",
        "[observation]\nsince = 2025-01-01\nuntil = 2025-06-30T12:00:00Z\n",
        "[observation]\nsince = \"20250101\"\nuntil = \"2025-06-30 12:00\"\n",
        "[observation]\nage = \"0d\"\ngap = \"0d\"\nmin_age = \"0d\"\nevery = \"010d\"\n",
        "[features]\nwindows = [\"1w\", \"28d\", \"48h\"]\nevent_types = 0\n",
        "[[events]]\npath = \"a.csv\"\nunpivot = []\nevent_name = \"a\"\n",
        "[[events]]\npath = \"a.csv\"\nunpivot = [\"a\"]\n[[events]]\npath = \"b.csv\"\nevent = \"b\"\n",
        "[[events]]\ntable = \"events\"\n[accounts]\ntable = \"my-project.crm.accounts\"\n",
        "[[events]]\npath = \"a.csv\"\ntable = 'catalog.\"größe . 1\".`a``b`'\n",
        "[matrix]\ntable = '\"a\"\"b\"'\n",
        "[connections.lite]\ndriver = \"sqlite\"\nuri = \"a.db\"\n[[events]]\nconnection = \"ww\"\nquery = \"select 1\"\n[connections.ww]\ndriver = \"postgresql\"\nuri = { env = \"W\" }\noptions = { a = \"b\", password = { env = \"P\" } }\n",
        "[connections.ww]\ndriver = \"a\"\n[users]\nconnection = \"ww\"\ntable = \"u\"\n[visitors]\nconnection = \"ww\"\nquery = \"select 1\"\n[matrix]\nconnection = \"ww\"\nquery = \"select 1\"\n",
        "[[definition]]\nname = \"x\"\ntype = \"limit\"\nall = [{ any = [{ users = 3 }, { features = 2 }] }]\n",
        "[[definition]]\nname = \"x\"\nwithin = \"14d\"\nall = []\nany = [{ event = \"a\" }]\n",
        "[[definition]]\nname = \"x\"\nany = [{ event = \"a\", at_least = 2.0 }]\n",
        "[[definition]]\nname = \"x\"\nany = [{ event = \"a\", sum = \"b\", at_least = 0.5 }]\n",
        "[[definition]]\nname = \"x\"\nfound_until = 2025-06-30\nany = [{ active_days = 2 }]\n",
    ] {
        assert_eq!(violation_of_schema(text), None, "the schema refuses {text}");
        let parsed = Config::parse(text, "pql.toml".as_ref(), &[]);
        assert!(parsed.is_ok(), "the parser refuses {text}: {parsed:?}");
    }
}

#[test]
fn the_schema_and_the_parser_refuse_invalid_project_files() {
    for text in [
        "[observation]\nat = \"age\"\n",
        "[observation]\ncutoffs = \"sometimes\"\n",
        "[observation]\ncutoffs = 1\n",
        "[observation]\nhorizon = \"0d\"\n",
        "[observation]\nevery = \"0h\"\n",
        "[observation]\nevery = 7\n",
        "[observation]\nsince = \"yesterday\"\n",
        "[observation]\nsince = 20250101\n",
        "[observation]\nuntil = \"\"\n",
        "[features]\nwindows = []\n",
        "[features]\nwindows = [\"7d\", \"28d\", \"7d\"]\n",
        "[features]\nwindows = [\"0d\"]\n",
        "[features]\nwindows = \"7d\"\n",
        "[model]\nalpha = \"strong\"\n",
        "[model]\nalpha = -1\n",
        "[model]\npenalty = 1\n",
        "[model]\nseed = -1\n",
        "[model]\ntest_size = 1\n",
        "model = [\"l2\"]\n",
        "[design]\nwinsorize = true\n",
        "[design]\nwinsorize = [0.5]\n",
        "[design]\nspline = 11\n",
        "[qualify]\nvalue = { revenue = 9 }\n",
        "[alerts]\nwithin = \"0d\"\n",
        "[alerts]\nwithin = 14\n",
        "[qualify]\nvalue = { revenue = 9, cost = 0 }\n",
        "[qualify]\nvalue = [0.5, 0.2]\n",
        "[qualify]\nshare = 0.1\ncapacity = 3\n",
        "[[events]]\naccount = \"id\"\n",
        "[[events]]\npath = \"\"\n",
        "[[events]]\npath = \"a.csv\"\nevent = \"a\"\nevent_name = \"b\"\n",
        "[[events]]\npath = \"a.csv\"\nevent = \"a\"\nunpivot = [\"b\"]\n",
        "[events]\npath = \"a.csv\"\n",
        "[accounts]\npath = \"\"\n",
        "[accounts]\npath = \"a.csv\"\nattributes = [\"a\", \"a\"]\n",
        "[visitors]\npath = \"\"\n",
        "[visitors]\ntable = \"visitors\"\n",
        "[users]\nquery = \"select 1\"\n",
        "[matrix]\nquery = \"select 1\"\n",
        "[connections.warehouse]\nuri = \"a.db\"\n",
        "[connections.warehouse]\ndriver = \"sqlite\"\nuri = 1\n",
        "[connections.warehouse]\ndriver = \"sqlite\"\nuri = { env = \"\" }\n",
        "[connections.warehouse]\ndriver = \"sqlite\"\nuri = { env = \"A\", text = \"B\" }\n",
        "[accounts]\naccount = \"id\"\n",
        "[[events]]\ntable = \"\"\n",
        "[[events]]\ntable = \"analytics.\"\n",
        "[[events]]\npath = \"a.csv\"\ntable = \"odd name\"\n",
        "[accounts]\ntable = '\"a'\n",
        "[matrix]\ntable = 'a\"b\"'\n",
        "[[definition]]\nname = \"x\"\nall = [{ user = 3 }]\n",
        "[[definition]]\nname = \"\"\nall = [{ users = 3 }]\n",
        "[[definition]]\nname = \" \"\nall = [{ users = 3 }]\n",
        "[[definition]]\nall = [{ users = 3 }]\n",
        "[[definition]]\nname = \"x\"\n",
        "[[definition]]\nname = \"x\"\nany = []\n",
        "[[definition]]\nname = \"x\"\nall = [{ users = 3 }]\nany = [{ users = 3 }]\n",
        "[[definition]]\nname = \"x\"\nwithin = \"0d\"\nall = [{ users = 3 }]\n",
        "[[definition]]\nname = \"x\"\nall = [3]\n",
        "[[definition]]\nname = \"x\"\nall = [{}]\n",
        "[[definition]]\nname = \"x\"\nall = [{ users = 0 }]\n",
        "[[definition]]\nname = \"x\"\nall = [{ users = 1, features = 2 }]\n",
        "[[definition]]\nname = \"x\"\nall = [{ at_least = 2 }]\n",
        "[[definition]]\nname = \"x\"\nall = [{ users = 1, at_least = 2 }]\n",
        "[[definition]]\nname = \"x\"\nall = [{ sum = \"a\", at_least = 2 }]\n",
        "[[definition]]\nname = \"x\"\nall = [{ event = \"a\", at_least = 1.5 }]\n",
        "[[definition]]\nname = \"x\"\nall = [{ event = \"a\", at_least = 0 }]\n",
        "[[definition]]\nname = \"x\"\nall = [{ event = \"a\", sum = \"b\" }]\n",
        "[[definition]]\nname = \"x\"\nall = [{ any = [] }]\n",
        "[[definition]]\nname = \"x\"\nall = [{ any = [{ all = [{ users = 1 }] }] }]\n",
    ] {
        assert!(violation_of_schema(text).is_some(), "the schema accepts {text}");
        let parsed = Config::parse(text, "pql.toml".as_ref(), &[]);
        assert!(parsed.is_err(), "the parser accepts {text}");
    }
}
