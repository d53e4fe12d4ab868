//! Tables of every supported format, read in batches of rows; text stays text until a caller knows
//! what a column is.

mod delimited;
mod dictionary;
mod files;
mod ndjson;
mod pages;
mod parquet;
mod scalars;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::{ControlFlow, RangeInclusive};
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::mpsc;
use std::thread;

pub(crate) use dictionary::Dictionary;
pub use files::files;
use polars::prelude::{
    Column, DataFrame, IntoColumn, IntoSeries, PlSmallStr, StringChunkedBuilder,
};

use crate::error::{Error, Result};
use crate::names::nearest;

/// Endings of the files that can be read, as messages name them.
const ENDINGS: &str = "`.parquet`, `.csv`, `.tsv`, `.ndjson`, `.jsonl` or `.json`, the text formats also with `.gz` or `.zst` after it";

/// Rows of a batch of a text file.
const BATCH_ROWS: usize = 65_536;

/// Cells of a batch of a text file: a table of thousands of columns comes in batches of fewer rows,
/// so that memory stays bounded.
const BATCH_CELLS: usize = 1 << 24;

/// What [`read`] learned about a file besides its rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Read {
    /// Number of rows.
    pub rows: u64,
    /// NDJSON columns in which at least one value was a JSON string (`"00123"` there is no
    /// number), and the rows from one string to the last before a value that is none, counted
    /// from 1; missing values may lie among them.
    pub quoted: BTreeMap<String, Vec<RangeInclusive<u64>>>,
}

/// Name the columns of one file, in their order, and read nothing else.
///
/// NDJSON has no header: its columns are the keys of all its objects, in order of first appearance.
/// # Errors
/// * [`Error::Read`]: the file is absent or cannot be read
/// * [`Error::Empty`]: nothing is in it
/// * [`Error::Malformed`]: it is not of the format its ending names, or names a column twice
pub fn columns(file: &Path) -> Result<Vec<String>> {
    match kind(file)? {
        Kind::Parquet => parquet::columns(file),
        Kind::Delimited(packing) => delimited::columns(file, packing),
        Kind::Ndjson(packing) => ndjson::columns(file, packing),
    }
}

/// Read one file in batches, in the order of the file.
///
/// CSV and NDJSON give String columns with the values as written and the empty value as null;
/// Parquet gives its own types, but text for binary and categorical columns. Blank lines of a text
/// file are no rows.
///
/// # Arguments
/// * `columns` – the columns wanted (one that is named twice comes once); `None`: all of them
/// * `batch` – gets the number of the batch's first row in the file, counted from 1, and the
///   columns in the order asked for
/// # Errors
/// * [`Error::Read`]: the file is absent or cannot be read
/// * [`Error::Empty`]: nothing is in it
/// * [`Error::Malformed`]: it is not of the format its ending names, is damaged, or a row does not
///   fit
/// * [`Error::MissingColumn`]: a wanted column is absent (of NDJSON: from every object, known at
///   the end)
/// * [`Error::BadValue`]: an array or object in a wanted NDJSON column
/// * whatever `batch` returns
pub fn read(
    file: &Path,
    columns: Option<&[String]>,
    batch: &mut dyn FnMut(u64, DataFrame) -> Result<()>,
) -> Result<Read> {
    let mut batch =
        |Batch { first_row, frame, .. }| batch(first_row, frame).map(ControlFlow::Continue);
    Ok(read_ahead(file, columns, &[], &mut batch)?
        .continue_value()
        .expect("no batch stops the reading"))
}

/// Rows of a file that follow each other.
pub(crate) struct Batch {
    /// Number of the first of them in the file, counted from 1.
    pub(crate) first_row: u64,
    /// Their columns.
    pub(crate) frame: DataFrame,
    /// Columns that came as codes, in pieces; they are not in `frame`.
    pub(crate) coded: BTreeMap<String, Vec<Dictionary>>,
}

/// Takes a batch and decides whether the reading goes on.
pub(crate) type Take<'a, T> = dyn FnMut(T) -> Result<ControlFlow<()>> + 'a;

/// Runs `read` in a thread: while `take` works on one batch, the next is read.
pub(crate) fn ahead<T: Send, R: Send>(
    read: impl FnOnce(&mut Take<'_, T>) -> Result<ControlFlow<(), R>> + Send,
    take: &mut Take<'_, T>,
) -> Result<ControlFlow<(), R>> {
    // Without room: no more than one batch waits.
    let (sender, batches) = mpsc::sync_channel(0);
    thread::scope(|scope| {
        // Where nobody takes batches any more, the reading stops.
        let mut send = move |batch| {
            Ok(sender.send(batch).map_or(ControlFlow::Break(()), ControlFlow::Continue))
        };
        let reading = scope.spawn(move || read(&mut send));
        for batch in batches {
            if take(batch)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        reading.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// Reads a file as [`read_batches`] does, [`ahead`] of `batch`.
pub(crate) fn read_ahead(
    file: &Path,
    columns: Option<&[String]>,
    coded: &[String],
    batch: &mut Take<'_, Batch>,
) -> Result<ControlFlow<(), Read>> {
    ahead(|send| read_batches(file, columns, coded, send), batch)
}

/// Reads one file in batches as [`read`] does, until `batch` stops it; the texts of the columns
/// `coded` come as codes where the file holds them so.
pub(crate) fn read_batches(
    file: &Path,
    columns: Option<&[String]>,
    coded: &[String],
    batch: &mut Take<'_, Batch>,
) -> Result<ControlFlow<(), Read>> {
    let mut seen = BTreeSet::new();
    let columns: Option<Vec<String>> = columns
        .map(|names| names.iter().filter(|name| seen.insert(name.as_str())).cloned().collect());
    let columns = columns.as_deref();
    match kind(file)? {
        Kind::Parquet => parquet::read(file, columns, coded, batch),
        Kind::Delimited(packing) => delimited::read(file, packing, columns, batch),
        Kind::Ndjson(packing) => ndjson::read(file, packing, columns, batch),
    }
}

/// Returns a column of a batch of `file`.
pub(crate) fn column<'b>(file: &Path, frame: &'b DataFrame, name: &str) -> Result<&'b Column> {
    frame.column(name).map_err(|e| Error::unexpected_table(file, e))
}

/// The number of rows of a file, where its format tells it without reading them.
#[must_use]
pub fn rows(file: &Path) -> Option<u64> {
    matches!(Kind::of(file), Some(Kind::Parquet)).then(|| parquet::rows(file)).flatten()
}

/// What the ending of a file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Parquet,
    Delimited(Packing),
    Ndjson(Packing),
}

/// How a text file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Plain,
    Gz,
    Zst,
}

impl Kind {
    fn of(file: &Path) -> Option<Self> {
        let name = file.file_name()?.to_string_lossy().to_lowercase();
        let (stem, packing) = match (name.strip_suffix(".gz"), name.strip_suffix(".zst")) {
            (Some(stem), _) => (stem, Packing::Gz),
            (None, Some(stem)) => (stem, Packing::Zst),
            (None, None) => (name.as_str(), Packing::Plain),
        };
        match stem.rsplit_once('.')?.1 {
            "parquet" if packing == Packing::Plain => Some(Self::Parquet),
            "csv" | "tsv" => Some(Self::Delimited(packing)),
            "ndjson" | "jsonl" | "json" => Some(Self::Ndjson(packing)),
            _ => None,
        }
    }
}

fn kind(file: &Path) -> Result<Kind> {
    Kind::of(file).ok_or_else(|| {
        let name =
            file.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        let packed = [".parquet.gz", ".parquet.zst"].iter().any(|ending| name.ends_with(ending));
        let problem = if packed {
            "Parquet is compressed inside: unpack it, expected the ending `.parquet`".to_owned()
        } else {
            format!("unknown format: expected the ending {ENDINGS}")
        };
        Error::malformed(file, problem, None)
    })
}

fn unreadable(file: &Path, source: io::Error) -> Error {
    Error::Read { path: file.to_owned(), source }
}

fn empty(file: &Path) -> Error {
    Error::Empty {
        path: file.to_owned(),
        expected: "expected a table with at least a row of column names".to_owned(),
    }
}

fn missing<'a>(file: &Path, column: &str, known: impl IntoIterator<Item = &'a str>) -> Error {
    Error::MissingColumn {
        path: file.to_owned(),
        column: column.to_owned(),
        role: "a column asked for".to_owned(),
        near: nearest(column, known),
    }
}

/// Refuse a file in which two columns have one name.
fn distinct(file: &Path, names: &[String]) -> Result<()> {
    let mut seen = BTreeSet::new();
    match names.iter().find(|name| !seen.insert(name.as_str())) {
        Some(name) => Err(Error::malformed(
            file,
            format!("found two columns of the name `{name}`, expected one"),
            None,
        )),
        None => Ok(()),
    }
}

/// Places of the wanted columns among the known ones.
fn places(file: &Path, wanted: Option<&[String]>, known: &[String]) -> Result<Vec<usize>> {
    let place = |name: &String| {
        known
            .iter()
            .position(|other| other == name)
            .ok_or_else(|| missing(file, name, known.iter().map(String::as_str)))
    };
    wanted.map_or_else(|| Ok((0..known.len()).collect()), |names| names.iter().map(place).collect())
}

/// Takes rows of text and hands them on in batches of String columns.
struct Gatherer<'a> {
    names: Vec<PlSmallStr>,
    columns: Vec<StringChunkedBuilder>,
    batch_rows: usize,
    waiting: usize,
    rows: u64,
    batch: &'a mut Take<'a, Batch>,
}

impl<'a> Gatherer<'a> {
    fn new<'n>(names: impl Iterator<Item = &'n str>, batch: &'a mut Take<'a, Batch>) -> Self {
        let names: Vec<PlSmallStr> = names.map(Into::into).collect();
        let batch_rows = (BATCH_CELLS / names.len().max(1)).clamp(1, BATCH_ROWS);
        Self { columns: builders(&names), names, batch_rows, waiting: 0, rows: 0, batch }
    }

    /// Take one row; the empty value is null.
    fn push<'v>(
        &mut self,
        values: impl Iterator<Item = Option<&'v str>>,
    ) -> Result<ControlFlow<()>> {
        for (column, value) in self.columns.iter_mut().zip(values) {
            column.append_option(value.filter(|value| !value.is_empty()));
        }
        self.rows += 1;
        self.waiting += 1;
        if self.waiting == self.batch_rows { self.flush() } else { Ok(ControlFlow::Continue(())) }
    }

    fn flush(&mut self) -> Result<ControlFlow<()>> {
        let filled = std::mem::replace(&mut self.columns, builders(&self.names));
        let columns =
            filled.into_iter().map(|column| column.finish().into_series().into_column()).collect();
        let frame = DataFrame::new(self.waiting, columns)
            .expect("every column got a value of every row, and names are distinct");
        let first_row = self.rows - self.waiting as u64 + 1;
        self.waiting = 0;
        (self.batch)(Batch { first_row, frame, coded: BTreeMap::new() })
    }

    /// Hand on what is left; returns the number of all rows.
    fn finish(mut self) -> Result<ControlFlow<(), u64>> {
        let flow = if self.waiting > 0 { self.flush()? } else { ControlFlow::Continue(()) };
        Ok(flow.map_continue(|()| self.rows))
    }
}

fn builders(names: &[PlSmallStr]) -> Vec<StringChunkedBuilder> {
    names.iter().map(|name| StringChunkedBuilder::new(name.clone(), 0)).collect()
}

#[cfg(test)]
mod tests;
