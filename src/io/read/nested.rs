//! Finds the values inside the columns of a file, which dotted names read.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use std::path::Path;

use serde_json::value::RawValue;

use super::file_columns::FileColumns;
use super::paths::{Record, Text, typed_value};
use super::{FileFormat, FileOptions, Request, arrow, ndjson, parquet, read_request};
use crate::error::Result;

/// Maximum number of names, so that objects whose keys are ids do not fill memory.
const MAX_NAMES: usize = 1_000;

/// Returns the dotted names of values inside the columns of a file, such as `properties.time`, in
/// order of first appearance. [`super::read`] reads each like a column.
///
/// These are the scalars in NDJSON objects, in text columns with JSON and in struct columns of
/// Parquet and Arrow. Objects are searched in the first `rows` rows.
///
/// # Errors
/// Those of [`super::read`], except that text which is not JSON has no values inside.
pub(crate) fn nested_columns(
    file: &Path,
    rows: usize,
    options: FileOptions,
) -> Result<Vec<String>> {
    let mut names = NestedNames::default();
    let format = options.format(file)?;
    let texts = match format {
        FileFormat::Ndjson(compression) => {
            let options = (compression, options.max_line);
            ndjson::first_rows(file, options, rows, &mut |line| names.search_row(line))?;
            return Ok(names.names);
        }
        FileFormat::Parquet | FileFormat::Arrow => {
            let is_parquet = format == FileFormat::Parquet;
            let schema = if is_parquet { parquet::schema(file) } else { arrow::schema(file) }?;
            schema.fields.into_iter().for_each(|name| names.add(name));
            Some(schema.texts)
        }
        FileFormat::Delimited(_) => {
            let columns = FileColumns::read(file, options)?;
            let distinct = columns.names().filter(|name| !columns.is_repeated(name));
            Some(distinct.cloned().collect())
        }
    };
    let mut left = rows;
    let request = Request { columns: texts.as_deref(), options, ..Request::default() };
    read_request(file, &request, &mut |batch| {
        let frame = batch.frame.head(Some(left));
        left -= frame.height();
        for column in frame.columns() {
            let Ok(texts) = column.str() else { continue };
            for text in texts.iter().flatten() {
                names.search_text(column.name(), text);
            }
        }
        Ok(if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })
    .map(|_| names.names)
}

/// Dotted names in order of first appearance.
#[derive(Default)]
struct NestedNames {
    names: Vec<String>,
    seen: HashSet<String>,
}

impl NestedNames {
    fn add(&mut self, name: String) {
        if self.names.len() < MAX_NAMES && !self.seen.contains(&name) {
            self.seen.insert(name.clone());
            self.names.push(name);
        }
    }

    /// Adds the values inside the columns of a JSON object.
    fn search_row(&mut self, json: &str) {
        let columns: BTreeMap<String, &RawValue> = serde_json::from_str(json).unwrap_or_default();
        for (column, value) in columns {
            match value.get().as_bytes()[0] {
                b'{' | b'[' => self.search(&column, value.get()),
                b'"' => {
                    if let Ok(Text(text)) = serde_json::from_str(value.get()) {
                        self.search_text(&column, &text);
                    }
                }
                _ => {}
            }
        }
    }

    /// Adds the values inside a JSON value, of which `path` is the dotted name.
    fn search(&mut self, path: &str, json: &str) {
        let inside = |key: &str| format!("{path}.{key}");
        match json.as_bytes().first() {
            Some(b'{') => {
                let values: BTreeMap<String, &RawValue> =
                    serde_json::from_str(json).unwrap_or_default();
                values.iter().for_each(|(key, value)| self.search(&inside(key), value.get()));
            }
            Some(b'[') => {
                let values: Vec<&RawValue> = serde_json::from_str(json).unwrap_or_default();
                for value in values {
                    if let Ok(Record { key: Some(key), value: Some(value) }) =
                        serde_json::from_str(value.get())
                    {
                        self.search(&inside(&key), typed_value(value).get());
                    }
                }
            }
            Some(b'"') => {
                if let Ok(Text(text)) = serde_json::from_str(json)
                    && !self.search_text(path, &text)
                {
                    self.add(path.to_owned());
                }
            }
            Some(b'n') | None => {}
            Some(_) => self.add(path.to_owned()),
        }
    }

    /// Adds the values inside a text with a JSON object or list; returns whether it is one.
    fn search_text(&mut self, path: &str, text: &str) -> bool {
        let text = text.trim_ascii();
        let is_json =
            text.starts_with(['{', '[']) && serde_json::from_str::<&RawValue>(text).is_ok();
        if is_json {
            self.search(path, text);
        }
        is_json
    }
}
