//! Results to files and standard output: every file appears whole or not at all.

mod cells;
mod coded;
mod groups;
mod whole;

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

pub use cells::{csv_line, format_number};
pub use coded::{Coded, Table, Values};
use groups::Groups;
use polars::prelude::{
    ArrowDataType, BooleanChunked, Column, DataFrame, Int64Chunked, IntoColumn, PolarsError,
    Schema, TimeUnit, TimeZone,
};
use polars_arrow::array::BooleanArray;
use polars_arrow::bitmap::Bitmap;
use whole::Target;

use crate::error::{Error, Result};

/// The form of a table that is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Parquet, compressed with zstd where that makes it smaller.
    Parquet,
    /// Comma-separated values with a header line.
    Csv,
    /// One JSON object per line.
    Ndjson,
}

impl Format {
    /// The format that the ending of a path names; standard output (`-`) is CSV.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        if path == Path::new("-") {
            return Some(Self::Csv);
        }
        match path.extension()?.to_str()?.to_lowercase().as_str() {
            "parquet" => Some(Self::Parquet),
            "csv" => Some(Self::Csv),
            "ndjson" | "jsonl" => Some(Self::Ndjson),
            _ => None,
        }
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "parquet" => Ok(Self::Parquet),
            "csv" => Ok(Self::Csv),
            "ndjson" => Ok(Self::Ndjson),
            _ => Err(format!("found `{text}`, expected `parquet`, `csv` or `ndjson`")),
        }
    }
}

/// A table written batch by batch; the file appears when it is finished, and nothing is left of it
/// when it is not.
pub struct TableWriter {
    target: Target,
    rows: Rows,
    schema: Schema,
    failed: Failure,
}

/// The writers of the formats.
enum Rows {
    Parquet(Box<Groups>),
    Csv(Box<csv::Writer<Sink>>),
    Ndjson { sink: Sink, keys: Vec<String> },
}

impl fmt::Debug for TableWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableWriter").field("path", &self.target.path()).finish_non_exhaustive()
    }
}

impl TableWriter {
    /// Begin a table of the given columns; the path `-` is standard output.
    /// # Errors
    /// * [`Error::Write`]: the folder is absent or cannot be written to, or the path is a folder
    /// * [`Error::BrokenPipe`]: nobody reads standard output any more
    pub fn create(path: &Path, format: Format, schema: &Schema) -> Result<Self> {
        let target = Target::create(path)?;
        let failed = Failure { path: path.to_owned(), first: Arc::default() };
        let sink = Sink { to: target.writer()?, failed: failed.first.clone() };
        let rows = match format {
            Format::Parquet => Rows::Parquet(Box::new(
                Groups::create(sink, schema).map_err(|e| failed.of_polars(e))?,
            )),
            Format::Csv => {
                let mut writer = csv::Writer::from_writer(sink);
                writer.write_record(schema.iter_names()).map_err(|e| failed.of_csv(e))?;
                Rows::Csv(Box::new(writer))
            }
            Format::Ndjson => Rows::Ndjson {
                sink,
                keys: schema.iter_names().map(|name| cells::json_text(name)).collect(),
            },
        };
        Ok(Self { target, rows, schema: schema.clone(), failed })
    }

    /// Write some rows.
    /// # Panics
    /// When `table` has other columns than the table was begun with.
    /// # Errors
    /// * [`Error::Write`]: the disk is full, or whatever else the system says
    /// * [`Error::BrokenPipe`]: nobody reads standard output any more
    pub fn write(&mut self, table: impl Into<Table>) -> Result<()> {
        let table = table.into();
        assert!(
            table.schema() == self.schema,
            "every batch has the columns of the table it is written to"
        );
        let failed = &self.failed;
        let frame = |table: Table| table.frame().map_err(|e| failed.of_polars(e));
        match &mut self.rows {
            Rows::Parquet(groups) => groups.put(table).map_err(|e| failed.of_polars(e)),
            Rows::Csv(writer) => {
                cells::write_csv(writer, &frame(table)?).map_err(|e| failed.of_csv(e))
            }
            Rows::Ndjson { sink, keys } => {
                cells::write_ndjson(sink, keys, &frame(table)?).map_err(|e| failed.of(e))
            }
        }
    }

    /// Write what is left and let the file appear.
    /// # Errors
    /// As for [`TableWriter::write`].
    pub fn finish(self) -> Result<()> {
        let failed = self.failed;
        match self.rows {
            Rows::Parquet(groups) => groups.finish().map_err(|e| failed.of_polars(e))?,
            Rows::Csv(mut writer) => writer.flush().map_err(|e| failed.of(e))?,
            Rows::Ndjson { mut sink, .. } => sink.flush().map_err(|e| failed.of(e))?,
        }
        self.target.finish()
    }
}

/// Check that a file can be written, before work is done whose result is to go there.
/// # Errors
/// * [`Error::Write`]: the folder is absent or cannot be written to, or the path is a folder
pub fn check_writable(path: &Path) -> Result<()> {
    Target::create(path).map(drop)
}

/// A column of times, µs UTC; null where there is none.
#[must_use]
pub fn time_column(name: &str, times: impl Iterator<Item = Option<i64>>) -> Column {
    let times: Vec<Option<i64>> = times.collect();
    let known = bits(&times, Option::is_some);
    let times = Int64Chunked::from_vec_validity(
        name.into(),
        times.into_iter().map(Option::unwrap_or_default).collect(),
        Some(known),
    );
    // By a cast the zone would be lost: polars keeps zones only where all of them are compiled in.
    times.into_datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)).into_column()
}

/// A column of true and false; null where there is neither.
#[must_use]
pub fn truth_column(name: &str, values: &[Option<bool>]) -> Column {
    let [yes, known] = [bits(values, |value| *value == Some(true)), bits(values, Option::is_some)];
    BooleanChunked::with_chunk(
        name.into(),
        BooleanArray::new(ArrowDataType::Boolean, yes, Some(known)),
    )
    .into_column()
}

/// Which values are so, as bits.
pub(crate) fn bits<T>(values: &[T], is: impl Fn(&T) -> bool) -> Bitmap {
    let byte = |values: &[T]| {
        (0..).zip(values).fold(0, |bits, (at, value)| bits | u8::from(is(value)) << at)
    };
    Bitmap::from_u8_vec(values.chunks(8).map(byte).collect(), values.len())
}

/// Write a table; the path `-` is standard output.
/// # Errors
/// As for [`TableWriter::create`] and [`TableWriter::write`].
pub fn write_table(path: &Path, format: Format, frame: &DataFrame) -> Result<()> {
    let mut writer = TableWriter::create(path, format, frame.schema())?;
    writer.write(frame)?;
    writer.finish()
}

/// Write a file of any bytes; the path `-` is standard output.
/// # Errors
/// As for [`TableWriter::create`] and [`TableWriter::write`].
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    let target = Target::create(path)?;
    let mut writer = target.writer()?;
    writer.write_all(bytes).and_then(|()| writer.flush()).map_err(|e| write_error(path, e))?;
    drop(writer);
    target.finish()
}

fn write_error(path: &Path, source: io::Error) -> Error {
    if source.kind() == io::ErrorKind::BrokenPipe {
        return Error::BrokenPipe;
    }
    let path = if path == Path::new("-") { Path::new("standard output") } else { path };
    Error::Write { path: path.to_owned(), source }
}

/// Where bytes go. It remembers the first failure, because polars turns what the system said into
/// its own text.
struct Sink {
    to: whole::Writer,
    failed: Arc<Mutex<Option<io::Error>>>,
}

impl Sink {
    fn note<T>(&self, outcome: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &outcome
            && error.kind() != io::ErrorKind::Interrupted
        {
            let copy = error.raw_os_error().map_or_else(
                || io::Error::new(error.kind(), error.to_string()),
                io::Error::from_raw_os_error,
            );
            self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(copy);
        }
        outcome
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let outcome = self.to.write(bytes);
        self.note(outcome)
    }

    fn flush(&mut self) -> io::Result<()> {
        let outcome = self.to.flush();
        self.note(outcome)
    }
}

/// What made a table fail, for its error.
struct Failure {
    path: PathBuf,
    first: Arc<Mutex<Option<io::Error>>>,
}

impl Failure {
    fn of(&self, error: io::Error) -> Error {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        write_error(&self.path, first.unwrap_or(error))
    }

    fn of_csv(&self, error: csv::Error) -> Error {
        self.of(error.into())
    }

    fn of_polars(&self, error: PolarsError) -> Error {
        self.of(io::Error::other(error))
    }
}

#[cfg(test)]
mod tests;
