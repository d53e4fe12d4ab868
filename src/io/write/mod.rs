//! Output to files and standard output; files are written atomically.

mod arrow_stream;
mod atomic;
mod cells;
mod compressed;
mod dictionary;
mod managed;
mod row_groups;
mod run_files;
mod sort;
mod unfinished;

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::{fmt, fs};

use arrow_stream::ArrowStreamWriter;
use atomic::Target;
use atomic::without_path;
use cells::CellEncoder;
pub use cells::{csv_line, format_number};
use compressed::CompressedWriter;
pub use dictionary::{ColumnValues, DictionaryColumn, OutputTable};
pub(crate) use managed::{create_managed_folder, open_lock, open_managed, sync_folder};
use polars::prelude::{
    ArrowDataType, BooleanChunked, Column, DataFrame, Int64Chunked, IntoColumn, PolarsError,
    Schema, TimeUnit, TimeZone,
};
use polars_arrow::array::BooleanArray;
use polars_arrow::bitmap::Bitmap;
use row_groups::RowGroupWriter;
pub use run_files::{OutputFile, RunFiles};
pub use sort::{RowOrder, TableSorter};
#[cfg(unix)]
pub(crate) use unfinished::remove_unfinished;
pub(crate) use unfinished::{UnfinishedFile, UnfinishedFolder};

use crate::error::{Error, Result};
use crate::escape::spreadsheet_cell;
use crate::io::compression::Compression;
use crate::io::remote::{self, is_remote};

/// The file format of a table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Parquet, compressed with zstd where that saves space.
    Parquet,
    /// Comma-separated values with a header line. A text that a spreadsheet could take for a
    /// formula has an apostrophe in front.
    Csv,
    /// The same with all texts as they are.
    ExactCsv,
    /// One JSON object per line.
    Ndjson,
    /// A stream of Arrow IPC.
    Arrow,
}

impl Format {
    /// Returns whether the format is text, which can be compressed as a whole.
    #[must_use]
    pub fn is_text(self) -> bool {
        matches!(self, Self::Csv | Self::ExactCsv | Self::Ndjson)
    }

    /// Returns the format by file extension, without `.gz` or `.zst`; standard output (`-`) is CSV.
    #[must_use]
    pub fn from_path(path: &Path) -> Option<Self> {
        if path == Path::new("-") {
            return Some(Self::Csv);
        }
        let (path, compression) = split_compression(path);
        let format = match path.extension()?.to_str()?.to_lowercase().as_str() {
            "parquet" => Self::Parquet,
            "csv" => Self::Csv,
            "ndjson" | "jsonl" => Self::Ndjson,
            "arrow" | "arrows" => Self::Arrow,
            _ => return None,
        };
        (compression == Compression::Plain || format.is_text()).then_some(format)
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "parquet" => Ok(Self::Parquet),
            "csv" => Ok(Self::Csv),
            "ndjson" => Ok(Self::Ndjson),
            "arrow" => Ok(Self::Arrow),
            _ => Err(format!("found `{text}`, expected `parquet`, `csv`, `ndjson` or `arrow`")),
        }
    }
}

/// Returns a path without the extension of its compression, and the compression.
pub(crate) fn split_compression(path: &Path) -> (Cow<'_, Path>, Compression) {
    match Compression::from_path(path) {
        Compression::Plain => (path.into(), Compression::Plain),
        compression => (path.with_extension("").into(), compression),
    }
}

/// Writes a table batch by batch. The file appears when it is finished; an unfinished file is
/// removed.
pub struct TableWriter {
    target: Target,
    writer: FormatWriter,
    schema: Schema,
    failure: WriteFailure,
}

/// The writer of a format.
enum FormatWriter {
    Parquet(Box<RowGroupWriter>),
    Csv { writer: Box<csv::Writer<RecordingSink>>, encode: CellEncoder },
    Ndjson { sink: RecordingSink, keys: Vec<String> },
    Arrow(Box<ArrowStreamWriter>),
}

impl fmt::Debug for TableWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableWriter").field("path", &self.target.path()).finish_non_exhaustive()
    }
}

impl TableWriter {
    /// Starts a table with the given columns; the path `-` is standard output.
    ///
    /// # Errors
    /// * [`Error::Usage`]: the output is an input of the run
    /// * [`Error::Write`]: the folder does not exist or is not writable, or the path is a folder
    /// * [`Error::BrokenPipe`]: standard output was closed
    pub fn create(output: &OutputFile, format: Format, schema: &Schema) -> Result<Self> {
        let target = Target::create(output)?;
        let failure = WriteFailure { path: output.path().to_owned(), first: Arc::default() };
        let to = target.writer()?;
        let to = if format.is_text() {
            CompressedWriter::by_extension(output.path(), to).map_err(|e| failure.io_error(e))?
        } else {
            CompressedWriter::Plain(to)
        };
        let sink = RecordingSink { to, failure: failure.first.clone() };
        let writer = match format {
            Format::Parquet => FormatWriter::Parquet(Box::new(
                RowGroupWriter::create(sink, schema).map_err(|e| failure.polars_error(e))?,
            )),
            Format::Csv | Format::ExactCsv => {
                let encode: CellEncoder =
                    if format == Format::Csv { spreadsheet_cell } else { |text| text.into() };
                let mut writer = csv::Writer::from_writer(sink);
                let names = schema.iter_names().map(|name| encode(name));
                writer
                    .write_record(names.map(Cow::into_owned))
                    .map_err(|e| failure.csv_error(e))?;
                FormatWriter::Csv { writer: Box::new(writer), encode }
            }
            Format::Ndjson => FormatWriter::Ndjson {
                sink,
                keys: schema.iter_names().map(|name| cells::json_text(name)).collect(),
            },
            Format::Arrow => FormatWriter::Arrow(Box::new(
                ArrowStreamWriter::create(sink, schema).map_err(|e| failure.polars_error(e))?,
            )),
        };
        Ok(Self { target, writer, schema: schema.clone(), failure })
    }

    /// Writes a batch of rows.
    ///
    /// # Panics
    /// If the columns of `table` differ from those passed to [`TableWriter::create`].
    ///
    /// # Errors
    /// * [`Error::Write`]: the disk is full, or another error of the system
    /// * [`Error::BrokenPipe`]: standard output was closed
    pub fn write(&mut self, table: impl Into<OutputTable>) -> Result<()> {
        let table = table.into();
        assert!(table.schema() == self.schema, "every batch has the columns of its table");
        let failure = &self.failure;
        let frame = |table: OutputTable| table.frame().map_err(|e| failure.polars_error(e));
        match &mut self.writer {
            FormatWriter::Parquet(groups) => {
                groups.push(table).map_err(|e| failure.polars_error(e))
            }
            FormatWriter::Arrow(stream) => stream.push(table).map_err(|e| failure.polars_error(e)),
            FormatWriter::Csv { writer, encode } => {
                cells::write_csv(writer, *encode, &frame(table)?).map_err(|e| failure.csv_error(e))
            }
            FormatWriter::Ndjson { sink, keys } => {
                cells::write_ndjson(sink, keys, &frame(table)?).map_err(|e| failure.io_error(e))
            }
        }
    }

    /// Writes pending rows and lets the file appear.
    ///
    /// # Errors
    /// Those of [`TableWriter::write`].
    pub fn finish(self) -> Result<()> {
        let failure = self.failure;
        match self.writer {
            FormatWriter::Parquet(groups) => {
                groups.finish().map_err(|e| failure.polars_error(e))?;
            }
            FormatWriter::Arrow(stream) => {
                stream.finish().map_err(|e| failure.polars_error(e))?;
            }
            FormatWriter::Csv { writer, .. } => {
                let sink = writer.into_inner().map_err(|e| failure.io_error(e.into_error()))?;
                sink.finish().map_err(|e| failure.io_error(e))?;
            }
            FormatWriter::Ndjson { sink, .. } => {
                sink.finish().map_err(|e| failure.io_error(e))?;
            }
        }
        self.target.finish()
    }
}

/// Checks that a file can be written, before computing its content.
///
/// # Errors
/// * [`Error::Usage`]: the output is an input of the run
/// * [`Error::Write`]: the folder does not exist or is not writable, or the path is a folder
pub fn check_writable(output: &OutputFile) -> Result<()> {
    if is_remote(output.path()) {
        output.check()?;
        return remote::check_destination(output.path()).map_err(|e| write_error(output.path(), e));
    }
    // The reader of a pipe would see its end.
    let is_special = |there: fs::Metadata| !there.is_file() && !there.is_dir();
    if fs::metadata(output.path()).is_ok_and(is_special) {
        return Ok(());
    }
    Target::create(output).map(drop)
}

/// Creates a column of times from µs UTC; `None` becomes null.
#[must_use]
pub fn time_column(name: &str, times: impl Iterator<Item = Option<i64>>) -> Column {
    let times: Vec<Option<i64>> = times.collect();
    let known = bitmap(&times, Option::is_some);
    let times = Int64Chunked::from_vec_validity(
        name.into(),
        times.into_iter().map(Option::unwrap_or_default).collect(),
        Some(known),
    );
    // A cast would lose the time zone, because polars is compiled without its `timezones` feature.
    times.into_datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)).into_column()
}

/// Creates a column of true and false; `None` becomes null.
#[must_use]
pub fn bool_column(name: &str, values: &[Option<bool>]) -> Column {
    let [yes, known] =
        [bitmap(values, |value| *value == Some(true)), bitmap(values, Option::is_some)];
    BooleanChunked::with_chunk(
        name.into(),
        BooleanArray::new(ArrowDataType::Boolean, yes, Some(known)),
    )
    .into_column()
}

/// Returns a bitmap of the values that match.
pub(crate) fn bitmap<T>(values: &[T], matches: impl Fn(&T) -> bool) -> Bitmap {
    let byte = |values: &[T]| {
        (0..).zip(values).fold(0, |bits, (bit, value)| bits | u8::from(matches(value)) << bit)
    };
    Bitmap::from_u8_vec(values.chunks(8).map(byte).collect(), values.len())
}

/// Writes a table; the path `-` is standard output.
///
/// # Errors
/// Those of [`TableWriter::create`] and [`TableWriter::write`].
pub fn write_table(output: &OutputFile, format: Format, frame: &DataFrame) -> Result<()> {
    let mut writer = TableWriter::create(output, format, frame.schema())?;
    writer.write(frame)?;
    writer.finish()
}

/// Writes bytes to a file, compressed if its extension is `.gz` or `.zst`; the path `-` is standard
/// output.
///
/// # Errors
/// Those of [`TableWriter::create`] and [`TableWriter::write`].
pub fn write_bytes(output: &OutputFile, bytes: &[u8]) -> Result<()> {
    let target = Target::create(output)?;
    let to = target.writer()?;
    let written = CompressedWriter::by_extension(output.path(), to).and_then(|mut writer| {
        writer.write_all(bytes)?;
        writer.finish()
    });
    written.map_err(|e| write_error(output.path(), e))?;
    target.finish()
}

fn write_error(path: &Path, source: io::Error) -> Error {
    if source.kind() == io::ErrorKind::BrokenPipe {
        return Error::BrokenPipe;
    }
    let path = if path == Path::new("-") { Path::new("standard output") } else { path };
    Error::Write { path: path.to_owned(), source }
}

/// Writes to a target and records the first error of the system, which polars would replace by a
/// text of its own.
struct RecordingSink {
    to: CompressedWriter,
    failure: Arc<Mutex<Option<io::Error>>>,
}

impl RecordingSink {
    /// Writes all that is buffered.
    fn finish(self) -> io::Result<()> {
        let Self { to, failure } = self;
        record(&failure, to.finish())
    }
}

/// Keeps the first error.
fn record<T>(failure: &Mutex<Option<io::Error>>, outcome: io::Result<T>) -> io::Result<T> {
    if let Err(error) = &outcome
        && error.kind() != io::ErrorKind::Interrupted
    {
        let copy = error.raw_os_error().map_or_else(
            || io::Error::new(error.kind(), error.to_string()),
            io::Error::from_raw_os_error,
        );
        failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(copy);
    }
    outcome
}

impl Write for RecordingSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let outcome = self.to.write(bytes);
        record(&self.failure, outcome)
    }

    fn flush(&mut self) -> io::Result<()> {
        let outcome = self.to.flush();
        record(&self.failure, outcome)
    }
}

/// The recorded error of a table, for messages.
struct WriteFailure {
    path: PathBuf,
    first: Arc<Mutex<Option<io::Error>>>,
}

impl WriteFailure {
    fn io_error(&self, error: io::Error) -> Error {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        write_error(&self.path, first.unwrap_or(error))
    }

    fn csv_error(&self, error: csv::Error) -> Error {
        self.io_error(error.into())
    }

    fn polars_error(&self, error: PolarsError) -> Error {
        self.io_error(io::Error::other(error))
    }
}

#[cfg(test)]
mod tests;
