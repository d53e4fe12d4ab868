//! Requested columns put together from the columns of a file, from values inside them, and from the
//! names of folders.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;

use polars::prelude::{
    Column, DataFrame, DataType, IntoColumn, IntoSeries, PlSmallStr, Scalar, StringChunkedBuilder,
};

use super::file_columns::{FileColumns, Origin};
use super::folder_keys::folder_keys;
use super::paths::{Cells, Content, PathTree, compound_value, truncated};
use super::{
    FileFormat, FileOptions, ReadSummary, Request, RowBatch, column, missing, repeated_column,
};
use crate::error::{Error, Result};

/// The requested columns of a file, and how to get them.
pub(super) struct Plan {
    /// Names of the requested columns with their origin; `None`: null in every row.
    columns: Vec<(String, Option<Origin>)>,
    /// Columns to read from the file.
    pub(super) stored: Vec<String>,
    json: BTreeMap<String, JsonColumn>,
    /// Whether the file is read as requested.
    direct: bool,
}

/// The values to read inside a text column with JSON.
struct JsonColumn {
    tree: PathTree,
    names: Vec<String>,
    cells: Cells,
    /// Whether any object has the value.
    present: Vec<bool>,
}

impl Plan {
    /// Plans to read the requested columns of a file.
    pub(super) fn new(file: &Path, format: FileFormat, request: &Request<'_>) -> Result<Self> {
        let &Request { known, lenient, .. } = request;
        let requested = request.columns.map(distinct);
        // NDJSON reads values inside objects by itself, and reports absent keys at the end.
        let is_plain =
            |name: &String| matches!(format, FileFormat::Ndjson(_)) || !name.contains('.');
        if let Some(names) = &requested
            && !lenient
            && names.iter().all(is_plain)
            && folder_keys(file).is_empty()
        {
            return Ok(Self::direct(names.clone()));
        }
        let read;
        let existing = if let Some(columns) = known {
            columns
        } else {
            read = FileColumns::read(file, request.options)?;
            &read
        };
        let names = requested.unwrap_or_else(|| existing.names().cloned().collect());
        let mut columns = Vec::new();
        for name in names {
            if existing.is_repeated(&name) {
                return Err(repeated_column(file, &name));
            }
            let origin = existing.origin(&name);
            if origin.is_none() && !lenient {
                return Err(missing(file, &name, existing.names().map(String::as_str)));
            }
            columns.push((name, origin));
        }
        Ok(Self::with_origins(columns))
    }

    fn direct(names: Vec<String>) -> Self {
        let columns = names.iter().map(|name| (name.clone(), Some(Origin::Stored))).collect();
        Self { columns, stored: names, json: BTreeMap::new(), direct: true }
    }

    fn with_origins(columns: Vec<(String, Option<Origin>)>) -> Self {
        let direct = columns.iter().all(|(_, origin)| *origin == Some(Origin::Stored));
        let mut stored = Vec::new();
        let mut paths: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        for (name, origin) in &columns {
            match origin {
                Some(Origin::Stored) => stored.push(name.clone()),
                Some(Origin::Json { column, path }) => {
                    stored.push(column.clone());
                    paths.entry(column.clone()).or_default().push((name.clone(), path.clone()));
                }
                Some(Origin::Folder(_)) | None => {}
            }
        }
        let json = paths.into_iter().map(|(column, paths)| (column, JsonColumn::new(paths)));
        Self { json: json.collect(), stored: distinct(&stored), columns, direct }
    }

    /// Returns whether a column is needed as text, so that it must not be read as a dictionary.
    pub(super) fn needs_text(&self, name: &str) -> bool {
        self.json.contains_key(name)
    }

    /// Returns the requested columns of a batch.
    pub(super) fn apply(&mut self, file: &Path, batch: RowBatch) -> Result<RowBatch> {
        if self.direct {
            return Ok(batch);
        }
        let RowBatch { first_row, frame, dictionaries } = batch;
        let mut values: BTreeMap<String, Column> = BTreeMap::new();
        for (name, json) in &mut self.json {
            json.read(file, first_row, column(file, &frame, name)?, &mut values)?;
        }
        let rows = frame.height();
        let mut columns = Vec::with_capacity(self.columns.len());
        for (name, origin) in &self.columns {
            columns.push(match origin {
                Some(Origin::Stored) if dictionaries.contains_key(name) => continue,
                Some(Origin::Stored) => column(file, &frame, name)?.clone(),
                Some(Origin::Json { .. }) => {
                    values.remove(name).expect("every value inside a text is read")
                }
                Some(Origin::Folder(Some(value))) => Column::new_scalar(
                    name.into(),
                    Scalar::from(PlSmallStr::from(value.as_str())),
                    rows,
                ),
                Some(Origin::Folder(None)) | None => {
                    Column::full_null(name.into(), rows, &DataType::String)
                }
            });
        }
        let frame = DataFrame::new(rows, columns).map_err(|e| Error::unexpected_table(file, e))?;
        Ok(RowBatch { first_row, frame, dictionaries })
    }

    /// Adds the columns that no row has to the summary of a file.
    pub(super) fn finish(&self, mut summary: ReadSummary) -> ReadSummary {
        let lacking = self.columns.iter().filter(|(_, origin)| origin.is_none());
        summary.absent.extend(lacking.map(|(name, _)| name.clone()));
        for json in self.json.values() {
            let lacking = json.names.iter().zip(&json.present).filter(|(_, present)| !**present);
            summary.absent.extend(lacking.map(|(name, _)| name.clone()));
        }
        summary
    }
}

impl JsonColumn {
    /// Creates the column for names and their paths.
    fn new(paths: Vec<(String, String)>) -> Self {
        let tree = PathTree::new(paths.iter().map(|(_, path)| path.as_str()));
        let names: Vec<String> = paths.into_iter().map(|(name, _)| name).collect();
        Self { tree, cells: Cells::new(names.len()), present: vec![false; names.len()], names }
    }

    /// Reads the values of a batch.
    fn read(
        &mut self,
        file: &Path,
        first_row: u64,
        column: &Column,
        values: &mut BTreeMap<String, Column>,
    ) -> Result<()> {
        let texts = column.str().map_err(|e| Error::unexpected_table(file, e))?;
        let mut builders: Vec<StringChunkedBuilder> = self
            .names
            .iter()
            .map(|name| StringChunkedBuilder::new(name.as_str().into(), texts.len()))
            .collect();
        for (row, text) in (first_row..).zip(texts.iter()) {
            self.cells.clear();
            if let Some(text) = text.filter(|text| !text.trim_ascii().is_empty()) {
                self.tree.read_text(text, &mut self.cells).map_err(|_| Error::BadValue {
                    path: file.to_owned(),
                    row: Some(row),
                    column: column.name().to_string(),
                    found: truncated(text),
                    expected: format!("a JSON object, to read `{}`", self.names[0]),
                })?;
            }
            for (index, cell) in self.cells.iter().enumerate() {
                if cell.content == Content::Compound {
                    let json = cell.text().unwrap_or_default();
                    return Err(compound_value(file, row, &self.names[index], json));
                }
                self.present[index] |= cell.content != Content::Absent;
                builders[index].append_option(cell.text().filter(|text| !text.is_empty()));
            }
        }
        let columns = builders.into_iter().map(|b| b.finish().into_series().into_column());
        values.extend(self.names.iter().cloned().zip(columns));
        Ok(())
    }
}

/// Returns the names without repetitions.
fn distinct(names: &[String]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    names.iter().filter(|name| seen.insert(name.as_str())).cloned().collect()
}

/// Turns keys that no object of a file has into an error.
pub(super) fn check_absent(
    file: &Path,
    flow: ControlFlow<(), ReadSummary>,
) -> Result<ControlFlow<(), ReadSummary>> {
    if let ControlFlow::Continue(summary) = &flow
        && let Some(name) = summary.absent.first()
    {
        let existing = FileColumns::read(file, FileOptions::default())?;
        return Err(missing(file, name, existing.names().map(String::as_str)));
    }
    Ok(flow)
}
