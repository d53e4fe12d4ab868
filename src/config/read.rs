//! From the text of a project file and the `--set` over it to one table, with the line in every
//! error.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::Cut;
use crate::error::{Error, Result};
use crate::names::nearest;

/// What messages say of a `--set`.
pub(super) fn flag(set: &str) -> PathBuf {
    PathBuf::from(format!("--set {set}"))
}

/// Line (from 1) on which `section` or `section.key` stands in a project file, the line of the
/// section where it lacks the key.
///
/// # Arguments
/// * `which` – which one of the sections of that name, from 0
pub(super) fn line_of(text: &str, key: &str, which: usize) -> Option<usize> {
    let (section, key) = key.split_once('.').unwrap_or((key, ""));
    let is_section = |line: &str| {
        line.strip_prefix('[').is_some_and(|header| header.trim_matches(['[', ']', ' ']) == section)
    };
    let is_key =
        |line: &str| line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='));
    let mut lines = text.lines().map(str::trim).enumerate();
    let header = lines.by_ref().filter(|(_, line)| is_section(line)).nth(which)?.0;
    let at = lines
        .take_while(|(_, line)| !line.starts_with('['))
        .find(|(_, line)| is_key(line))
        .map(|(at, _)| at);
    Some(at.unwrap_or(header) + 1)
}

pub(super) fn from_toml(error: &toml::de::Error, text: &str, path: &Path) -> Error {
    let message = error.message();
    let line = error
        .span()
        .filter(|_| !text.is_empty())
        .map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let near = match quoted.split_first() {
        Some((unknown, known)) if message.starts_with("unknown") => {
            nearest(unknown, known.iter().copied())
        }
        _ => None,
    };
    let problem = message.replacen("unknown field", "unknown key", 1).trim_end().to_owned();
    Error::Config {
        path: path.to_owned(),
        line,
        problem,
        hint: near.map(|n| format!("did you mean `{n}`?")),
    }
}

/// Let relative paths of the file count from its folder.
pub(super) fn resolve_paths(table: &mut Table, base: &Path) {
    let mut resolve = |source: &mut Value| {
        if let Some(Value::String(path)) = source.get_mut("path")
            && !path.is_empty()
            && Path::new(path.as_str()).is_relative()
        {
            *path = base.join(&*path).to_string_lossy().into_owned();
        }
    };
    if let Some(Value::Array(sources)) = table.get_mut("events") {
        sources.iter_mut().for_each(&mut resolve);
    }
    for section in ["accounts", "visitors"] {
        table.get_mut(section).into_iter().for_each(&mut resolve);
    }
}

/// Set one key, `section.key=value`; `events.0.path=…` reaches into a list of tables.
pub(super) fn apply_set(table: &mut Table, set: &str) -> Result<()> {
    let usage = |problem: String| Error::Usage {
        problem,
        hint: Some(
            "write `--set section.key=value`, such as `--set model.penalty=none`".to_owned(),
        ),
    };
    let (key, text) =
        set.split_once('=').ok_or_else(|| usage(format!("`--set {set}` has no `=`")))?;
    let parsed: Option<Value> =
        format!("v = {text}").parse::<Table>().ok().and_then(|mut t| t.remove("v"));
    let value = parsed.unwrap_or_else(|| Value::String(text.to_owned()));
    let parts: Vec<&str> = key.trim().split('.').collect();
    let (last, parents) = parts
        .split_last()
        .filter(|(last, _)| !last.is_empty())
        .ok_or_else(|| usage(format!("`--set {set}` has no key")))?;
    let mut at: &mut Table = table;
    let mut parents = parents.iter().peekable();
    while let Some(part) = parents.next() {
        let index = parents.peek().and_then(|next| next.parse::<usize>().ok());
        let entry = at.entry(*part).or_insert_with(|| {
            if index.is_some() { Value::Array(Vec::new()) } else { Value::Table(Table::new()) }
        });
        let slot = match (entry, index) {
            (Value::Array(items), Some(index)) => {
                parents.next();
                if index == items.len() {
                    items.push(Value::Table(Table::new()));
                }
                items
                    .get_mut(index)
                    .ok_or_else(|| usage(format!("`--set {set}`: there is no `{part}.{index}`")))?
            }
            (entry, _) => entry,
        };
        at = slot
            .as_table_mut()
            .ok_or_else(|| usage(format!("`--set {set}`: `{part}` is no section")))?;
    }
    // One kind of threshold takes the place of another.
    if key.trim().starts_with("qualify.") && Cut::KINDS.contains(last) {
        Cut::KINDS.iter().for_each(|kind| drop(at.remove(*kind)));
    }
    at.insert((*last).to_owned(), value);
    Ok(())
}
