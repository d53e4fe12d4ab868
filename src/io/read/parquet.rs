//! Parquet files: row groups are read as batches, with only the requested columns. Damaged files
//! cause errors, never panics.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek, SeekFrom};
use std::ops::{ControlFlow, Range};
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

use polars::prelude::{
    ArrowDataType, ArrowField, ArrowSchema, Column, DataFrame, FileMetadata, IntoColumn,
    ParallelStrategy, ParquetReader, PlSmallStr, PolarsError, PolarsResult, SerReader, Series,
};
use polars_parquet::read::{ColumnChunkMetadata, RowGroupMetadata};
use rayon::prelude::*;

use super::dictionary::{self, Dictionary};
use super::pages::{self, Pages};
use super::struct_column::StructField;
use super::{
    BatchHandler, ReadSummary, RowBatch, check_distinct_names, column_index, empty, scalars,
    struct_column, unreadable,
};
use crate::error::{Error, Result};

/// Maximum number of rows of a batch; small row groups are combined up to this number.
const BATCH_ROWS: usize = 1 << 19;

/// Maximum number of values of a batch: batches of wide tables have fewer rows, so that memory
/// stays bounded.
const BATCH_CELLS: usize = 1 << 23;

/// Number of rows above which a row group is read in slices. Each slice scans the pages before it
/// again.
const LARGE_GROUP: usize = 1 << 21;

/// First and last bytes of every Parquet file.
const MAGIC: &[u8; 4] = b"PAR1";

/// Size of the magic bytes at both ends and the footer length, in bytes.
const FRAME_BYTES: u64 = 12;

/// The columns of a file, by their use.
pub(super) struct FileSchema {
    /// Names of all columns.
    pub(super) names: Vec<String>,
    /// Dotted names of the values inside struct columns that can be read.
    pub(super) fields: Vec<String>,
    /// Names of text columns.
    pub(super) texts: Vec<String>,
    /// Names of columns of lists and maps, inside which nothing can be read.
    pub(super) lists: Vec<String>,
}

pub(super) fn schema(file: &Path) -> Result<FileSchema> {
    let ParquetFile { names, schema, .. } = ParquetFile::open(file)?;
    let texts = schema.iter_values().filter(|field| dictionary::is_text(&field.dtype));
    let texts = texts.map(|field| field.name.to_string()).collect();
    let fields = schema.iter_values().flat_map(struct_column::fields).collect();
    let lists = schema.iter_values().filter(|field| {
        let is_struct = matches!(field.dtype, ArrowDataType::Struct(_));
        field.dtype.is_nested() && !is_struct
    });
    let lists = lists.map(|field| field.name.to_string()).collect();
    Ok(FileSchema { names, fields, texts, lists })
}

pub(super) fn row_count(file: &Path) -> Option<u64> {
    ParquetFile::open(file).ok().map(|table| table.metadata.num_rows as u64)
}

pub(super) fn read(
    file: &Path,
    names: &[String],
    dictionary_columns: &[String],
    batch: &mut BatchHandler<'_, RowBatch>,
) -> Result<ControlFlow<(), ReadSummary>> {
    let table = ParquetFile::open(file)?;
    let columns: Vec<ColumnRequest> =
        names.iter().map(|name| table.request(name, dictionary_columns)).collect::<Result<_>>()?;
    table.check_row_groups()?;
    columns.iter().try_for_each(|column| table.check(column))?;
    let mut groups = table.metadata;
    let row_groups = std::mem::take(&mut groups.row_groups);
    if columns.iter().any(|column| column.uuid) {
        // An embedded Arrow schema may give UUIDs a type that the reader does not support.
        groups.key_value_metadata = None;
    }
    let batch_rows = (BATCH_CELLS / columns.len().max(1)).clamp(1, BATCH_ROWS);
    let batches =
        batches(&row_groups.iter().map(RowGroupMetadata::num_rows).collect::<Vec<_>>(), batch_rows);
    let mut rows = 0;
    for (range, slice) in batches {
        let mut groups = groups.clone();
        groups.row_groups = row_groups[range].to_vec();
        groups.num_rows = groups.row_groups.iter().map(RowGroupMetadata::num_rows).sum();
        let (frame, dictionaries) = RowGroupBatch { file, groups, slice }.read(&columns)?;
        let first_row = rows + 1;
        rows += frame.height() as u64;
        if batch(RowBatch { first_row, frame, dictionaries })?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(ReadSummary { rows, ..ReadSummary::default() }))
}

/// A file and the content of its footer.
struct ParquetFile<'f> {
    file: &'f Path,
    names: Vec<String>,
    metadata: FileMetadata,
    schema: ArrowSchema,
    bytes: u64,
}

impl<'f> ParquetFile<'f> {
    fn open(file: &'f Path) -> Result<Self> {
        let (opened, bytes) = open(file)?;
        let (metadata, schema) = guarded(file, || {
            let mut reader = ParquetReader::new(opened);
            let metadata = reader.get_metadata()?.as_ref().clone();
            Ok((metadata, reader.schema()?.as_ref().clone()))
        })?;
        let names: Vec<String> =
            metadata.schema().fields().iter().map(|field| field.name().to_owned()).collect();
        check_distinct_names(file, &names)?;
        if names.is_empty() || schema.len() != names.len() {
            return Err(damaged(file, "its columns cannot be determined"));
        }
        Ok(Self { file, names, metadata, schema, bytes })
    }

    /// Returns the request for a column; only text columns can be read as dictionaries.
    fn request(&self, name: &str, dictionary_columns: &[String]) -> Result<ColumnRequest> {
        let in_struct = || {
            let field = self.schema.iter_values().find_map(|f| struct_column::find(f, name))?;
            let index = self.names.iter().position(|other| *other == field.root)?;
            Some((index, field))
        };
        let has_column = self.names.iter().any(|other| other == name);
        if let Some((index, field)) = in_struct().filter(|_| !has_column) {
            let name = name.to_owned();
            let field = Some(field);
            return Ok(ColumnRequest { index, name, field, as_dictionary: false, uuid: false });
        }
        let index = column_index(self.file, name, &self.names)?;
        let is_text = self.schema.get(name).is_some_and(|field| dictionary::is_text(&field.dtype));
        Ok(ColumnRequest {
            as_dictionary: is_text && dictionary_columns.iter().any(|other| other == name),
            uuid: self.is_uuid(index),
            index,
            name: name.to_owned(),
            field: None,
        })
    }

    fn is_uuid(&self, index: usize) -> bool {
        scalars::is_uuid(&self.metadata.schema().fields()[index])
    }

    /// Checks the number of rows, which the reader trusts.
    fn check_row_groups(&self) -> Result<()> {
        let groups = &self.metadata.row_groups;
        let total = groups.iter().try_fold(0_usize, |sum, group| sum.checked_add(group.num_rows()));
        if total != Some(self.metadata.num_rows) {
            return Err(damaged(self.file, "its row groups do not add up to its rows"));
        }
        Ok(())
    }

    /// Checks that a column has scalars, and the sizes that the reader trusts.
    fn check(&self, column: &ColumnRequest) -> Result<()> {
        let root = self
            .schema
            .get(column.root())
            .ok_or_else(|| damaged(self.file, "its columns cannot be determined"))?;
        let name = &column.name;
        if column.field.is_none() && !scalars::readable(&root.dtype) && !column.uuid {
            return Err(self.not_scalar(name, root));
        }
        for group in &self.metadata.row_groups {
            let chunks: Vec<&ColumnChunkMetadata> = column.chunks(group).collect();
            let fits = |(values, start, bytes): (i64, u64, u64)| {
                u64::try_from(values) == Ok(group.num_rows() as u64)
                    && start.checked_add(bytes).is_some_and(|end| end <= self.bytes)
            };
            let chunk = chunks.first().filter(|_| chunks.len() == 1);
            let sizes = chunk.map(|chunk| (chunk.num_values(), chunk.byte_range()));
            if !sizes.is_some_and(|(values, range)| {
                range.end >= range.start && fits((values, range.start, range.end - range.start))
            }) {
                return Err(damaged(
                    self.file,
                    &format!("the size of column `{name}` exceeds the file"),
                ));
            }
        }
        Ok(())
    }

    fn not_scalar(&self, name: &str, field: &ArrowField) -> Error {
        let dtype = format!("{:?}", field.dtype);
        // Without the parameters of the type.
        let dtype = dtype.split(['(', ' ']).next().unwrap_or_default();
        let inside = struct_column::fields(field)
            .into_iter()
            .next()
            .map_or_else(String::new, |first| format!(" (name a value inside, such as `{first}`)"));
        let problem = format!(
            "column `{name}`: found type {dtype}, expected text, numbers, times or true/false{inside}"
        );
        Error::malformed(self.file, problem, None)
    }
}

/// Splits row groups into batches, as (row groups, rows of these): small groups are combined, very
/// large ones are sliced.
fn batches(groups: &[usize], batch_rows: usize) -> Vec<(Range<usize>, Range<usize>)> {
    let mut batches = Vec::new();
    let mut start = 0;
    while start < groups.len() {
        let mut rows = groups[start];
        let mut end = start + 1;
        while end < groups.len() && rows + groups[end] <= batch_rows {
            rows += groups[end];
            end += 1;
        }
        let step = if rows > LARGE_GROUP { BATCH_ROWS } else { rows.max(1) };
        batches
            .extend((0..rows).step_by(step).map(|from| (start..end, from..rows.min(from + step))));
        start = end;
    }
    batches
}

/// A column to read.
struct ColumnRequest {
    index: usize,
    name: String,
    /// Whether it may be read as a dictionary.
    as_dictionary: bool,
    /// Whether it contains UUIDs.
    uuid: bool,
    /// The value inside a struct column.
    field: Option<StructField>,
}

impl ColumnRequest {
    /// Returns the name of the column in the file.
    fn root(&self) -> &str {
        self.field.as_ref().map_or(&self.name, |field| &field.root)
    }

    /// Iterates over the column chunks of a row group.
    fn chunks<'g>(
        &'g self,
        group: &'g RowGroupMetadata,
    ) -> impl Iterator<Item = &'g ColumnChunkMetadata> {
        let is_requested = |chunk: &&ColumnChunkMetadata| {
            self.field.as_ref().is_none_or(|field| field.is_in(chunk))
        };
        group.columns_under_root_iter(self.root()).into_iter().flatten().filter(is_requested)
    }
}

/// The columns of a batch: a data frame, and the dictionaries.
type DecodedBatch = (DataFrame, BTreeMap<String, Vec<Dictionary>>);

/// Row groups that are read as one batch, and the rows to read.
struct RowGroupBatch<'a> {
    file: &'a Path,
    groups: FileMetadata,
    slice: Range<usize>,
}

impl RowGroupBatch<'_> {
    fn read(self, columns: &[ColumnRequest]) -> Result<DecodedBatch> {
        let opened = File::open(self.file).map_err(|source| unreadable(self.file, source))?;
        let (mut as_dictionary, mut plain, mut in_structs) = (Vec::new(), Vec::new(), Vec::new());
        for column in columns {
            match (self.page_kind(&opened, column)?, &column.field) {
                (Pages::Dictionary, _) => as_dictionary.push(column),
                (_, None) => plain.push(column),
                (_, Some(field)) => in_structs.push((column, field)),
            }
        }
        let dictionaries = guarded(self.file, || self.read_dictionaries(&as_dictionary))?;
        let rows = |pieces: &Vec<Dictionary>| pieces.iter().map(Dictionary::len).sum::<usize>();
        if let Some((name, _)) =
            dictionaries.iter().find(|(_, pieces)| rows(pieces) != self.slice.len())
        {
            return Err(damaged(
                self.file,
                &format!("column `{name}` has a different number of rows than its row groups"),
            ));
        }
        let in_structs = guarded(self.file, || self.read_fields(&in_structs))?;
        let mut frame = self.read_plain(opened, &plain)?;
        if !in_structs.is_empty() {
            frame = frame
                .hstack(&in_structs)
                .and_then(|frame| {
                    let names = columns.iter().map(|column| column.name.as_str());
                    frame.select(names.filter(|name| !dictionaries.contains_key(*name)))
                })
                .map_err(|e| damaged(self.file, &e.to_string()))?;
        }
        Ok((frame, dictionaries))
    }

    /// Iterates over the column chunks of the row groups.
    fn chunks<'c>(
        &'c self,
        column: &'c ColumnRequest,
    ) -> impl Iterator<Item = &'c ColumnChunkMetadata> {
        self.groups.row_groups.iter().flat_map(|group| column.chunks(group))
    }

    /// Reads values inside struct columns.
    fn read_fields(&self, columns: &[(&ColumnRequest, &StructField)]) -> PolarsResult<Vec<Column>> {
        let read = |(column, field): &(&ColumnRequest, &StructField)| {
            let arrays = self
                .chunks(column)
                .map(|chunk| field.read(&File::open(self.file)?, chunk))
                .collect::<PolarsResult<Vec<_>>>()?;
            let series = Series::try_from((PlSmallStr::from(column.name.as_str()), arrays))?;
            let length = self.slice.len();
            let start = i64::try_from(self.slice.start)
                .map_err(|_| PolarsError::ComputeError("a column is too large".into()))?;
            scalars::normalize(&series.slice(start, length).into_column(), false)
        };
        columns.par_iter().map(read).collect()
    }

    /// Validates the pages of a column and returns their kind: `Plain` for columns that are not
    /// read as dictionaries and for slices.
    fn page_kind(&self, opened: &File, column: &ColumnRequest) -> Result<Pages> {
        let mut all = if column.as_dictionary && self.slice.len() == self.groups.num_rows {
            Pages::Dictionary
        } else {
            Pages::Plain
        };
        // The first slice validates the pages for all slices.
        for chunk in self.chunks(column).filter(|_| self.slice.start == 0) {
            let pages = pages::inspect(
                opened,
                chunk.byte_range(),
                chunk.num_values(),
                chunk.uncompressed_size(),
            );
            match pages.map_err(|source| unreadable(self.file, source))? {
                Pages::Damaged => {
                    return Err(damaged(
                        self.file,
                        &format!("the pages of column `{}` do not match its size", column.name),
                    ));
                }
                Pages::Plain => all = Pages::Plain,
                Pages::Dictionary => {}
            }
        }
        Ok(all)
    }

    fn read_dictionaries(
        &self,
        columns: &[&ColumnRequest],
    ) -> PolarsResult<BTreeMap<String, Vec<Dictionary>>> {
        let chunks: Vec<(&str, &ColumnChunkMetadata)> = columns
            .iter()
            .flat_map(|column| self.chunks(column).map(|chunk| (column.name.as_str(), chunk)))
            .collect();
        let read = |(name, chunk): (&str, _)| {
            Ok((name.to_owned(), dictionary::read(&File::open(self.file)?, chunk)?))
        };
        let pieces: Vec<(String, Vec<Dictionary>)> =
            chunks.into_par_iter().map(read).collect::<PolarsResult<_>>()?;
        let mut dictionaries: BTreeMap<String, Vec<Dictionary>> = BTreeMap::new();
        for (name, pieces) in pieces {
            dictionaries.entry(name).or_default().extend(pieces);
        }
        Ok(dictionaries)
    }

    fn read_plain(&self, opened: File, columns: &[&ColumnRequest]) -> Result<DataFrame> {
        let Self { file, groups, slice } = self;
        if columns.is_empty() {
            return Ok(DataFrame::empty_with_height(slice.len()));
        }
        let strategy = if groups.row_groups.len() > 1 {
            ParallelStrategy::RowGroups
        } else {
            ParallelStrategy::Columns
        };
        let indices = columns.iter().map(|column| column.index).collect();
        let uuid = |column: &Column| {
            columns.iter().any(|request| request.uuid && request.name == column.name().as_str())
        };
        guarded(file, || {
            let mut reader = ParquetReader::new(opened);
            reader.set_metadata(groups.clone().into());
            let reader =
                reader.with_projection(Some(indices)).with_slice(Some((slice.start, slice.len())));
            let columns = reader.read_parallel(strategy).finish()?.into_columns();
            let columns = columns
                .into_iter()
                .map(|column| scalars::normalize(&column, uuid(&column)))
                .collect::<PolarsResult<Vec<_>>>()?;
            // The reader does not compare column lengths; a damaged page gives a shorter column.
            DataFrame::new(slice.len(), columns)
        })
    }
}

/// Opens a file and checks its magic bytes; also returns its length.
fn open(file: &Path) -> Result<(File, u64)> {
    let read_error = |source| unreadable(file, source);
    let mut opened = File::open(file).map_err(read_error)?;
    let bytes = opened.metadata().map_err(read_error)?.len();
    if bytes == 0 {
        return Err(empty(file));
    }
    let mut head = [0; 4];
    let mut tail = [0; 8];
    if bytes >= FRAME_BYTES {
        opened.read_exact(&mut head).map_err(read_error)?;
        opened.seek(SeekFrom::End(-8)).map_err(read_error)?;
        opened.read_exact(&mut tail).map_err(read_error)?;
        opened.rewind().map_err(read_error)?;
    }
    if &head == b"PARE" || &tail[4..] == b"PARE" {
        return Err(Error::malformed(
            file,
            "found an encrypted Parquet file, expected an unencrypted one",
            None,
        ));
    }
    if &head != MAGIC {
        return Err(Error::malformed(
            file,
            "not a Parquet file: it does not start with `PAR1`",
            None,
        ));
    }
    let footer = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
    if &tail[4..] != MAGIC || footer + FRAME_BYTES > bytes {
        return Err(Error::malformed(
            file,
            "the Parquet file is truncated: it has no footer",
            None,
        ));
    }
    Ok((opened, bytes))
}

fn damaged(file: &Path, problem: &str) -> Error {
    Error::malformed(file, format!("the Parquet file is damaged: {problem}"), None)
}

/// Runs the reader of polars and converts its errors and panics to errors.
fn guarded<T>(file: &Path, read: impl FnOnce() -> PolarsResult<T>) -> Result<T> {
    let silencer = PanicSilencer::new();
    let outcome = panic::catch_unwind(AssertUnwindSafe(read));
    drop(silencer);
    match outcome {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(PolarsError::IO { error, .. })) if error.raw_os_error().is_some() => {
            let source = error
                .raw_os_error()
                .map_or_else(|| error.kind().into(), std::io::Error::from_raw_os_error);
            Err(unreadable(file, source))
        }
        Ok(Err(error)) => Err(damaged(file, &error.to_string())),
        Err(_) => Err(damaged(file, "its pages cannot be decoded")),
    }
}

/// Number of running readers whose panics are not printed.
static SILENCED_READERS: AtomicUsize = AtomicUsize::new(0);

/// Suppresses the output of panics in all threads while it exists; the reader has its own threads.
struct PanicSilencer;

impl PanicSilencer {
    fn new() -> Self {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                if SILENCED_READERS.load(Ordering::SeqCst) == 0 {
                    before(info);
                }
            }));
        });
        SILENCED_READERS.fetch_add(1, Ordering::SeqCst);
        Self
    }
}

impl Drop for PanicSilencer {
    fn drop(&mut self) {
        SILENCED_READERS.fetch_sub(1, Ordering::SeqCst);
    }
}
