//! Reading tables of every supported format in batches of rows. Values of text files remain text;
//! the caller converts them.

mod arrow;
mod decompress;
mod delimited;
mod dictionary;
mod file_columns;
mod files;
mod folder_keys;
mod format;
mod guard;
mod limited;
mod ndjson;
mod nested;
mod parquet;
mod paths;
mod plan;
mod record;
mod scalars;
mod source;
mod stdin;
mod struct_column;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::mpsc;
use std::thread;

pub(crate) use dictionary::Dictionary;
use file_columns::FileColumns;
pub use files::files;
pub(crate) use files::table_files;
pub(crate) use format::FileOptions;
use format::{Delimited, FileFormat, SUPPORTED_EXTENSIONS, compressed_table, file_format};
pub(crate) use limited::read_limited;
pub(crate) use nested::nested_columns;
use plan::Plan;
use polars::prelude::{
    Column, DataFrame, IntoColumn, IntoSeries, PlSmallStr, StringChunkedBuilder,
};
pub(crate) use source::Source;
pub(crate) use stdin::{is_stdin, remove_copies};

use crate::error::{Error, Result};
use crate::io::compression::Compression;
use crate::names::{grouped, nearest};

/// Maximum number of rows of a batch of a text file.
const BATCH_ROWS: usize = 65_536;

/// Maximum number of values of a batch of a text file: batches of tables with thousands of columns
/// have fewer rows, so that memory stays bounded.
const BATCH_CELLS: usize = 1 << 24;

/// Maximum number of columns of a file.
pub(crate) const MAX_COLUMNS: usize = 20_000;

/// Summary of a file that [`read`] returns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadSummary {
    /// Number of rows.
    pub rows: u64,
    /// Requested columns that no row has, such as keys that no NDJSON object has; [`read`] turns
    /// them into an error.
    pub absent: BTreeSet<String>,
}

/// Returns the column names of a file, in order.
///
/// The columns of NDJSON are the keys of all objects, in order of first appearance. Folders such as
/// `day=2024-01-01` in the path of the file are columns, unless the file has a column of that name.
///
/// # Errors
/// * [`Error::Read`]: the file does not exist or cannot be read
/// * [`Error::Empty`]: the file is empty
/// * [`Error::Malformed`]: the content does not match the file extension
pub fn columns(file: &Path) -> Result<Vec<String>> {
    Ok(FileColumns::read(file, FileOptions::default())?.names().cloned().collect())
}

/// Reads a file in batches, in order.
///
/// Columns of CSV and NDJSON are `String`, with the values as written and null for empty values.
/// Columns of Parquet and Arrow keep their type, except that binary and categorical columns become
/// `String`.
/// Blank lines of text files are skipped.
///
/// A dotted name such as `properties.time` reads a value inside an NDJSON object, a struct column
/// of Parquet or Arrow, or a text column with JSON, unless the file has a column of that name.
///
/// # Arguments
/// * `columns` – the columns to read, without duplicates in the result; `None`: all columns
/// * `batch` – receives the number of the first row of the batch in the file, counted from 1, and
///   the columns in the requested order
/// # Errors
/// * [`Error::Read`]: the file does not exist or cannot be read
/// * [`Error::Empty`]: the file is empty
/// * [`Error::Malformed`]: the content does not match the file extension, or is damaged, or the
///   file has several columns of a requested name
/// * [`Error::MissingColumn`]: a requested column is missing (for NDJSON, in every object; reported
///   at the end)
/// * [`Error::BadValue`]: a requested NDJSON column has an array or object
/// * errors of `batch`
pub fn read(
    file: &Path,
    columns: Option<&[String]>,
    batch: &mut dyn FnMut(u64, DataFrame) -> Result<()>,
) -> Result<ReadSummary> {
    let mut batch =
        |RowBatch { first_row, frame, .. }| batch(first_row, frame).map(ControlFlow::Continue);
    Ok(read_ahead(file, columns, &[], &mut batch)?
        .continue_value()
        .expect("no batch stops the reading"))
}

/// Consecutive rows of a file.
pub(crate) struct RowBatch {
    /// Number of the first row in the file, counted from 1.
    pub(crate) first_row: u64,
    /// The columns.
    pub(crate) frame: DataFrame,
    /// Columns read as dictionaries, in pieces; they are not in `frame`.
    pub(crate) dictionaries: BTreeMap<String, Vec<Dictionary>>,
}

/// Processes a batch and decides whether to continue reading.
pub(crate) type BatchHandler<'a, T> = dyn FnMut(T) -> Result<ControlFlow<()>> + 'a;

/// Runs `read` in a thread: while `handle` processes one batch, the next is read.
pub(crate) fn prefetch<T: Send, R: Send>(
    read: impl FnOnce(&mut BatchHandler<'_, T>) -> Result<ControlFlow<(), R>> + Send,
    handle: &mut BatchHandler<'_, T>,
) -> Result<ControlFlow<(), R>> {
    // A capacity of 0 means that at most one batch is waiting.
    let (sender, batches) = mpsc::sync_channel(0);
    thread::scope(|scope| {
        // Reading stops when the receiver is gone.
        let mut send = move |batch| {
            Ok(sender.send(batch).map_or(ControlFlow::Break(()), ControlFlow::Continue))
        };
        let reading = scope.spawn(move || read(&mut send));
        for batch in batches {
            if handle(batch)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        reading.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// Reads a file like [`read_batches`]; the next batch is read while `batch` processes one.
pub(crate) fn read_ahead(
    file: &Path,
    columns: Option<&[String]>,
    dictionary_columns: &[String],
    batch: &mut BatchHandler<'_, RowBatch>,
) -> Result<ControlFlow<(), ReadSummary>> {
    prefetch(|send| read_batches(file, columns, dictionary_columns, send), batch)
}

/// Reads a file in batches like [`read`], until `batch` stops it.
///
/// # Arguments
/// * `dictionary_columns` – text columns to return as dictionaries where the file stores them so
pub(crate) fn read_batches(
    file: &Path,
    columns: Option<&[String]>,
    dictionary_columns: &[String],
    batch: &mut BatchHandler<'_, RowBatch>,
) -> Result<ControlFlow<(), ReadSummary>> {
    let request = Request { columns, dictionary_columns, ..Request::default() };
    plan::check_absent(file, read_request(file, &request, batch)?)
}

/// The columns to read from a file.
#[derive(Debug, Clone, Copy, Default)]
struct Request<'a> {
    /// Their names; `None`: all columns.
    columns: Option<&'a [String]>,
    /// Text columns to return as dictionaries where the file stores them so.
    dictionary_columns: &'a [String],
    /// The columns of the file, if they are known.
    known: Option<&'a FileColumns>,
    /// Whether columns that the file lacks are null, rather than an error.
    lenient: bool,
    options: FileOptions,
}

/// Reads a file in batches, until `batch` stops it; keys that no NDJSON object has are null.
fn read_request(
    file: &Path,
    request: &Request<'_>,
    batch: &mut BatchHandler<'_, RowBatch>,
) -> Result<ControlFlow<(), ReadSummary>> {
    let format =
        request.known.map_or_else(|| request.options.format(file), |known| Ok(known.format))?;
    let mut plan = Plan::new(file, format, request)?;
    let stored = plan.stored.clone();
    let dictionaries: Vec<String> =
        request.dictionary_columns.iter().filter(|name| !plan.needs_text(name)).cloned().collect();
    let mut apply = |stored: RowBatch| batch(plan.apply(file, stored)?);
    let flow = match format {
        FileFormat::Parquet => parquet::read(file, &stored, &dictionaries, &mut apply),
        FileFormat::Arrow => arrow::read(file, &stored, &dictionaries, &mut apply),
        FileFormat::Delimited(delimited) => {
            delimited::read(file, (delimited, request.options.max_line), &stored, &mut apply)
        }
        FileFormat::Ndjson(compression) => {
            ndjson::read(file, (compression, request.options.max_line), &stored, &mut apply)
        }
    };
    Ok(flow?.map_continue(|summary| plan.finish(summary)))
}

/// Returns a column of a batch of `file`.
pub(crate) fn column<'b>(file: &Path, frame: &'b DataFrame, name: &str) -> Result<&'b Column> {
    frame.column(name).map_err(|e| Error::unexpected_table(file, e))
}

/// Returns the number of rows of a Parquet file; `None` for other formats.
#[must_use]
pub fn row_count(file: &Path) -> Option<u64> {
    matches!(file_format(file), Ok(FileFormat::Parquet)).then(|| parquet::row_count(file)).flatten()
}

fn unreadable(file: &Path, source: io::Error) -> Error {
    Error::Read { path: file.to_owned(), source }
}

fn empty(file: &Path) -> Error {
    Error::Empty {
        path: file.to_owned(),
        expected: "expected a table with column names".to_owned(),
    }
}

fn missing<'a>(file: &Path, column: &str, existing: impl IntoIterator<Item = &'a str>) -> Error {
    Error::MissingColumn {
        path: file.to_owned(),
        column: column.to_owned(),
        role: "requested column".to_owned(),
        suggestion: nearest(column, existing),
    }
}

fn repeated_column(file: &Path, name: &str) -> Error {
    Error::malformed(
        file,
        format!("found the column `{name}` twice, expected one column of that name"),
        None,
    )
}

/// Checks the number of columns before memory is taken for them.
fn check_column_count(file: &Path, count: usize) -> Result<()> {
    if count <= MAX_COLUMNS {
        return Ok(());
    }
    let (count, limit) = (grouped(count as u64), grouped(MAX_COLUMNS as u64));
    Err(Error::malformed(file, format!("found {count} columns, expected at most {limit}"), None))
}

/// Checks that column names are unique.
fn check_distinct_names(file: &Path, names: &[String]) -> Result<()> {
    let mut seen = BTreeSet::new();
    match names.iter().find(|name| !seen.insert(name.as_str())) {
        Some(name) => Err(repeated_column(file, name)),
        None => Ok(()),
    }
}

/// Returns the index of a requested column, of which the file must have one.
fn column_index(file: &Path, name: &str, existing: &[String]) -> Result<usize> {
    let mut found = (0..existing.len()).filter(|&index| existing[index] == name);
    match (found.next(), found.next()) {
        (Some(index), None) => Ok(index),
        (Some(_), Some(_)) => Err(repeated_column(file, name)),
        (None, _) => Err(missing(file, name, existing.iter().map(String::as_str))),
    }
}

/// Collects rows of text into batches of String columns.
struct BatchBuilder<'a> {
    names: Vec<PlSmallStr>,
    columns: Vec<StringChunkedBuilder>,
    batch_rows: usize,
    /// Number of rows in the current batch.
    pending: usize,
    rows: u64,
    batch: &'a mut BatchHandler<'a, RowBatch>,
}

impl<'a> BatchBuilder<'a> {
    fn new<'n>(
        names: impl Iterator<Item = &'n str>,
        batch: &'a mut BatchHandler<'a, RowBatch>,
    ) -> Self {
        let names: Vec<PlSmallStr> = names.map(Into::into).collect();
        let batch_rows = (BATCH_CELLS / names.len().max(1)).clamp(1, BATCH_ROWS);
        Self { columns: builders(&names), names, batch_rows, pending: 0, rows: 0, batch }
    }

    /// Adds a row; the empty value becomes null.
    fn push<'v>(
        &mut self,
        values: impl Iterator<Item = Option<&'v str>>,
    ) -> Result<ControlFlow<()>> {
        for (column, value) in self.columns.iter_mut().zip(values) {
            column.append_option(value.filter(|value| !value.is_empty()));
        }
        self.rows += 1;
        self.pending += 1;
        if self.pending == self.batch_rows { self.flush() } else { Ok(ControlFlow::Continue(())) }
    }

    fn flush(&mut self) -> Result<ControlFlow<()>> {
        let filled = std::mem::replace(&mut self.columns, builders(&self.names));
        let columns =
            filled.into_iter().map(|column| column.finish().into_series().into_column()).collect();
        let frame = DataFrame::new(self.pending, columns)
            .expect("every column has a value of every row, and names are unique");
        let first_row = self.rows - self.pending as u64 + 1;
        self.pending = 0;
        (self.batch)(RowBatch { first_row, frame, dictionaries: BTreeMap::new() })
    }

    /// Passes on the last batch and returns the number of rows.
    fn finish(mut self) -> Result<ControlFlow<(), u64>> {
        let flow = if self.pending > 0 { self.flush()? } else { ControlFlow::Continue(()) };
        Ok(flow.map_continue(|()| self.rows))
    }
}

fn builders(names: &[PlSmallStr]) -> Vec<StringChunkedBuilder> {
    names.iter().map(|name| StringChunkedBuilder::new(name.clone(), 0)).collect()
}

#[cfg(test)]
mod tests;
