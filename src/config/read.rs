//! The TOML of a project file and of `--set` options as one table, and the line of each error.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::ThresholdRule;
use super::connection::{check_connection_types, type_in_words};
use super::connections::{is_table_address, resolve_connection_paths};
use super::problem::InvalidSetting;
use crate::error::{Error, Result};
use crate::names::{backticked, nearest};
use crate::remote_path::{is_remote, without_secrets};

/// Keys of earlier versions and their present names.
const RENAMED: [(&str, &str); 9] = [
    ("at", "cutoffs"),
    ("counts", "event_types"),
    ("use", "include"),
    ("base", "reference_levels"),
    ("categories", "categorical"),
    ("rule", "alpha_selection"),
    ("test", "test_size"),
    ("deal", "revenue"),
    ("touch", "cost"),
];

/// Names of types in the TOML parser and in messages.
const TYPES: [(&str, &str); 14] = [
    ("a sequence", "a list"),
    ("sequence", "a list"),
    ("a boolean", "true or false"),
    ("usize", "a whole number from 0"),
    ("u64", "a whole number from 0"),
    ("u32", "a whole number from 0 to 4 billion"),
    ("f64", "a number"),
    ("a map", "a table"),
    ("map", "a table"),
    ("a string", "text"),
    ("string", "text"),
    ("path string", "the path of a file as text"),
    ("unit variant", "a table"),
    ("any valid TOML value", "a value"),
];

/// Names of values in the TOML parser and in messages.
const VALUES: [(&str, &str); 4] = [
    ("integer ", "number "),
    ("floating point ", "number "),
    ("boolean ", ""),
    ("string ", "text "),
];

/// Keys whose value is one of several words.
const CHOICES: [(&str, &str); 9] = [
    ("observation", "cutoffs"),
    ("design", "log1p"),
    ("model", "penalty"),
    ("model", "alpha_selection"),
    ("model", "solver"),
    ("model", "calibration"),
    ("qualify", "by"),
    ("definition", "type"),
    ("users", "personal"),
];

/// The sections of a project file.
const SECTIONS: [&str; 16] = [
    "events",
    "accounts",
    "users",
    "visitors",
    "connections",
    "input",
    "roles",
    "observation",
    "features",
    "matrix",
    "design",
    "model",
    "qualify",
    "eligibility",
    "alerts",
    "definition",
];

/// Sections of which a project file can have several.
const LISTS: [&str; 2] = ["events", "definition"];

/// Checks that sections are tables and choices are text, for which the parser has no clear message.
/// It would also read a list as a table, by the order of the keys.
pub(super) fn check_types(table: &Table) -> std::result::Result<(), InvalidSetting> {
    for (name, value) in table {
        let is_list = LISTS.contains(&name.as_str());
        let sections = match value {
            Value::Array(sections) if is_list => sections.as_slice(),
            other if is_list => {
                let found = if other.is_table() { format!("[{name}]") } else { in_words(other) };
                return Err(InvalidSetting {
                    key: name.clone(),
                    section_index: 0,
                    message: format!("`{name}`: found {found}, expected [[{name}]]"),
                });
            }
            other => std::slice::from_ref(other),
        };
        for (section_index, section) in sections.iter().enumerate() {
            let wrong_type = |key: &str, value: &Value, expected: &str| {
                let key = if key.is_empty() { name.clone() } else { format!("{name}.{key}") };
                let found = match name.as_str() {
                    // The value may be a secret.
                    "connections" => type_in_words(value).to_owned(),
                    _ => in_words(value),
                };
                let message = format!("`{key}`: found {found}, expected {expected}");
                Err(InvalidSetting { key, section_index, message })
            };
            let Value::Table(keys) = section else {
                // An unknown key at the top is reported by the parser.
                if SECTIONS.contains(&name.as_str()) {
                    return wrong_type("", section, "a table");
                }
                continue;
            };
            if name == "connections" {
                check_connection_types(keys)?;
            }
            for (_, key) in CHOICES.iter().filter(|(choice, _)| choice == name) {
                if let Some(value) = keys.get(*key).filter(|value| !value.is_str()) {
                    return wrong_type(key, value, "text");
                }
            }
            if let Some(value) =
                keys.get("value").filter(|value| name == "qualify" && !value.is_table())
            {
                return wrong_type(
                    "value",
                    value,
                    "a table such as { revenue = 12000, cost = 150 }",
                );
            }
            for key in ["all", "any"].into_iter().filter(|_| name == "definition") {
                if let Some(value) = keys.get(key).and_then(not_a_condition) {
                    return wrong_type(key, value, "a table such as { users = 3 }");
                }
            }
        }
    }
    Ok(())
}

/// Returns the first item of a list of conditions, or of a group in it, that is not a table.
fn not_a_condition(conditions: &Value) -> Option<&Value> {
    conditions.as_array()?.iter().find_map(|condition| match condition {
        Value::Table(keys) => {
            ["all", "any"].iter().find_map(|group| not_a_condition(keys.get(*group)?))
        }
        other => Some(other),
    })
}

/// Describes a value in words, with its text if it is short.
fn in_words(value: &Value) -> String {
    match value {
        Value::String(text) => format!("text `{text}`"),
        Value::Integer(number) => format!("number `{number}`"),
        Value::Float(number) => format!("number `{number}`"),
        Value::Boolean(flag) => format!("`{flag}`"),
        Value::Datetime(time) => format!("time `{time}`"),
        Value::Array(_) => "a list".to_owned(),
        Value::Table(_) => "a table".to_owned(),
    }
}

/// Returns how messages name a `--set` option.
pub(super) fn flag(set: &str) -> PathBuf {
    PathBuf::from(format!("--set {}", without_secret(set)))
}

/// Returns a `--set` option without the value of a connection or a URL, which may have a secret.
fn without_secret(set: &str) -> &str {
    let may_have_secret = set.trim_start().starts_with("connections") || set.contains("://");
    set.split_once('=').filter(|_| may_have_secret).map_or(set, |(key, _)| key)
}

/// Returns the line (from 1) of `section` or `section.key` in a project file, or the line of the
/// section if it lacks the key.
///
/// # Arguments
/// * `index` – index among the sections of that name, from 0
pub(super) fn line_of(text: &str, key: &str, index: usize) -> Option<usize> {
    let (section, key) = key.split_once('.').unwrap_or((key, ""));
    // A section may have points in its name, as `connections.warehouse` has.
    let dotted = key.rsplit_once('.').map(|(table, key)| (format!("{section}.{table}"), key));
    let dotted = dotted.filter(|(table, _)| text.lines().any(|line| header(line) == Some(table)));
    let (section, key) = dotted.as_ref().map_or((section, key), |(table, key)| (table, *key));
    let has_key =
        |line: &str| line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='));
    let mut lines = text.lines().map(str::trim).enumerate();
    let header = lines.by_ref().filter(|(_, line)| header(line) == Some(section)).nth(index)?.0;
    let line = lines
        .take_while(|(_, line)| !line.starts_with('['))
        .find(|(_, line)| has_key(line))
        .map(|(line, _)| line);
    Some(line.unwrap_or(header) + 1)
}

/// Returns the section that a line opens.
fn header(line: &str) -> Option<&str> {
    line.trim()
        .strip_prefix('[')
        .and_then(|rest| rest.split(']').next())
        .map(|name| name.trim_start_matches('[').trim())
}

/// Converts an error of the TOML parser.
///
/// # Arguments
/// * `text` – the text that was parsed; empty: without lines, as for `--set`
/// * `path` – the project file or `--set` option
pub(super) fn from_toml(error: &toml::de::Error, text: &str, path: &Path) -> Error {
    let span = error.span().filter(|_| !text.is_empty());
    let before = span.map(|span| &text[..span.start.min(text.len())]);
    let line = before.map(|before| before.matches('\n').count());
    let (mut problem, hint) = describe(error.message().trim_end(), text, line);
    // Messages about a value name its key.
    if problem.starts_with("found ") {
        let key = match before {
            Some(before) => key_before(before),
            None => flag_key(path),
        };
        problem = key.map_or(problem.clone(), |key| format!("`{key}`: {problem}"));
    }
    Error::Config { path: path.to_owned(), line: line.map(|line| line + 1), problem, hint }
}

/// Returns the key of a `--set` option.
fn flag_key(flag: &Path) -> Option<String> {
    let set = flag.to_str()?.strip_prefix("--set ")?;
    Some(set.split_once('=').map_or(set, |(key, _)| key).trim().to_owned())
}

/// Returns the key of the value that follows a text: `section.key`, or `section.key.inner` in an
/// inline table.
fn key_before(text: &str) -> Option<String> {
    let mut lines = text.rsplit('\n').map(str::trim_start);
    let last = lines.next()?;
    let section = |line: &str| header(line).filter(|name| is_key(name)).map(str::to_owned);
    // The keys of the last line, without the values between them.
    let mut pieces: Vec<&str> = last.split('=').collect();
    pieces.pop();
    let word = |piece: &&str| {
        let piece = piece.trim_end();
        piece.rsplit(|c: char| !is_key_character(c)).next().unwrap_or_default().to_owned()
    };
    let mut keys: Vec<String> = pieces.iter().map(word).filter(|key| !key.is_empty()).collect();
    let starts_with_key = keys.first().is_some_and(|key| last.starts_with(key.as_str()));
    if keys.len() > 2 {
        keys.drain(1..keys.len() - 1);
    }
    let mut has_key = starts_with_key;
    for line in lines {
        if let Some(name) = section(line) {
            keys.insert(0, name);
            return has_key.then(|| keys.join("."));
        }
        // The value is an item of a list that begins on an earlier line.
        let Some((key, value)) = line.split_once('=').filter(|_| !has_key) else { continue };
        if is_key(key.trim_end()) && value.trim_start().starts_with('[') {
            let inner = keys.pop();
            keys = std::iter::once(key.trim_end().to_owned()).chain(inner).collect();
            has_key = true;
        }
    }
    has_key.then(|| keys.join("."))
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_key_character)
}

fn is_key_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

/// Returns the message and hint for a message of the TOML parser.
fn describe(message: &str, text: &str, line: Option<usize>) -> (String, Option<String>) {
    let mut quoted = message.split('`').skip(1).step_by(2).map(str::to_owned);
    let (name, known): (Option<String>, Vec<String>) = (quoted.next(), quoted.collect());
    let name = name.unwrap_or_default();
    if message.starts_with("unknown field") {
        let hint = match RENAMED
            .iter()
            .find(|(old, new)| *old == name && known.iter().any(|k| k == new))
        {
            Some((old, new)) => format!("rename `{old}` to `{new}`"),
            None => nearest(&name, known.iter().map(String::as_str)).map_or_else(
                || format!("use one of {}", backticked(&known)),
                |suggestion| format!("did you mean `{suggestion}`?"),
            ),
        };
        let section = line.and_then(|line| {
            text.lines().take(line).filter_map(header).last().map(|name| format!(" in [{name}]"))
        });
        let is_section =
            line.and_then(|line| text.lines().nth(line)).is_some_and(|l| header(l).is_some());
        let section = section.filter(|_| !is_section).unwrap_or_default();
        return (format!("unknown key `{name}`{section}"), Some(hint));
    }
    if let Some(missing) = message.strip_prefix("missing field ") {
        return (format!("missing key {missing}"), None);
    }
    if message.starts_with("unknown variant") {
        let suggestion = nearest(&name, known.iter().map(String::as_str));
        let expected = format!("found `{name}`, expected one of {}", backticked(&known));
        return (expected, suggestion.map(|suggestion| format!("did you mean `{suggestion}`?")));
    }
    if ["too large", "overflowed", " as i128", " as u128"].iter().any(|text| message.contains(text))
    {
        return ("found a number that is too large, expected a smaller one".to_owned(), None);
    }
    for prefix in ["invalid type: ", "invalid value: ", "invalid length: "] {
        if let Some((found, expected)) =
            message.strip_prefix(prefix).and_then(|rest| rest.rsplit_once(", expected "))
        {
            let in_words =
                |name| TYPES.iter().find(|(theirs, _)| *theirs == name).map(|(_, ours)| *ours);
            let value = VALUES.iter().find_map(|(theirs, ours)| {
                found.strip_prefix(theirs).map(|value| format!("{ours}{value}"))
            });
            let found = value.unwrap_or_else(|| in_words(found).unwrap_or(found).to_owned());
            let expected = in_words(expected).unwrap_or(expected);
            return (format!("found {found}, expected {expected}"), None);
        }
    }
    (message.to_owned(), None)
}

/// Resolves relative paths of the file against its folder.
pub(super) fn resolve_paths(table: &mut Table, base: &Path) {
    resolve_connection_paths(table, base);
    let addresses = table.clone();
    let resolve_key = |source: &mut Value, key: &str| {
        if let Some(Value::String(path)) = source.get_mut(key)
            && !path.is_empty()
            && path != "-"
            && !is_table_address(&addresses, path)
        {
            if is_remote(Path::new(path.as_str())) {
                *path = without_secrets(Path::new(&*path)).to_string_lossy().into_owned();
            } else if Path::new(path.as_str()).is_relative() {
                *path = base.join(&*path).to_string_lossy().into_owned();
            }
        }
    };
    if let Some(Value::Array(sources)) = table.get_mut("events") {
        sources.iter_mut().for_each(|source| resolve_key(source, "path"));
    }
    let paths = [
        ("accounts", "path"),
        ("visitors", "path"),
        ("users", "path"),
        ("users", "alias"),
        ("eligibility", "deals"),
        ("eligibility", "contacts"),
    ];
    for (section, key) in paths {
        table.get_mut(section).into_iter().for_each(|source| resolve_key(source, key));
    }
}

/// Sets one key, `section.key=value`; `events.0.path=…` sets a key in a list of tables.
pub(super) fn apply_set(table: &mut Table, set: &str) -> Result<()> {
    let usage = |problem: &str| Error::Usage {
        problem: format!("`--set {}`: {problem}", without_secret(set)),
        hint: Some(
            "write `--set section.key=value`, such as `--set model.penalty=none`".to_owned(),
        ),
    };
    let (key, text) =
        set.split_once('=').ok_or_else(|| usage("found no `=`, expected `section.key=value`"))?;
    let parsed: Option<Value> =
        format!("v = {text}").parse::<Table>().ok().and_then(|mut t| t.remove("v"));
    let value = parsed.unwrap_or_else(|| Value::String(text.to_owned()));
    let segments: Vec<&str> = key.trim().split('.').collect();
    let (last, parents) = segments
        .split_last()
        .filter(|(last, _)| !last.is_empty())
        .ok_or_else(|| usage("found no key, expected `section.key=value`"))?;
    let mut current: &mut Table = table;
    let mut parents = parents.iter().peekable();
    while let Some(segment) = parents.next() {
        let index = parents.peek().and_then(|next| next.parse::<usize>().ok());
        let entry = current.entry(*segment).or_insert_with(|| {
            if index.is_some() { Value::Array(Vec::new()) } else { Value::Table(Table::new()) }
        });
        let slot = match (entry, index) {
            (Value::Array(items), Some(index)) => {
                parents.next();
                if index == items.len() {
                    items.push(Value::Table(Table::new()));
                }
                let count = items.len();
                items.get_mut(index).ok_or_else(|| {
                    usage(&format!("found index {index}, expected at most {count} for `{segment}`"))
                })?
            }
            (entry, _) => entry,
        };
        current = slot
            .as_table_mut()
            .ok_or_else(|| usage(&format!("`{segment}` is a value, expected a section")))?;
    }
    // One way to set the threshold replaces another.
    if key.trim().starts_with("qualify.") && ThresholdRule::KEYS.contains(last) {
        ThresholdRule::KEYS.iter().for_each(|kind| drop(current.remove(*kind)));
    }
    current.insert((*last).to_owned(), value);
    Ok(())
}
