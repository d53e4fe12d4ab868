//! Parquet files: row groups are read as batches, with only the requested columns. Damaged files
//! cause errors, never panics. Of a remote file, only the footer and the column chunks that are read
//! are fetched.

mod batch;
mod footer;
mod pages;
mod thrift;

use std::fs::File;
use std::io::{Read as _, Seek, SeekFrom};
use std::iter;
use std::ops::ControlFlow;
use std::path::Path;

use batch::{RowGroupBatch, split_into_batches};
use polars::prelude::{ArrowSchema, FileMetadata, PolarsResult};
use polars_parquet::read::{ColumnChunkMetadata, RowGroupMetadata, infer_schema, read_metadata};

use super::file_columns::FileSchema;
use super::struct_column::StructField;
use super::{
    BatchHandler, ReadSummary, RowBatch, check_distinct_names, column_index, empty, guard, scalars,
    stdin, struct_column, unreadable,
};
use crate::error::{Error, Result};

/// Maximum number of rows of a batch; small row groups are combined up to this number.
const BATCH_ROWS: usize = 1 << 19;

/// Maximum number of values of a batch: batches of wide tables have fewer rows, so that memory
/// stays bounded.
const BATCH_CELLS: usize = 1 << 23;

/// First and last bytes of every Parquet file.
const MAGIC: &[u8; 4] = b"PAR1";

/// Size of the magic bytes at both ends and the footer length, in bytes.
const FRAME_BYTES: u64 = 12;

pub(super) fn schema(file: &Path) -> Result<FileSchema> {
    let ParquetFile { names, schema, .. } = ParquetFile::open(file)?;
    Ok(FileSchema::new(names, &schema))
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
    columns.iter().try_for_each(|column| table.check(column))?;
    let mut groups = table.metadata;
    let row_groups = std::mem::take(&mut groups.row_groups);
    let batch_rows = (BATCH_CELLS / columns.len().max(1)).clamp(1, BATCH_ROWS);
    let group_rows: Vec<usize> = row_groups.iter().map(RowGroupMetadata::num_rows).collect();
    let mut rows = 0;
    for (range, slice) in split_into_batches(&group_rows, batch_rows) {
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
}

impl<'f> ParquetFile<'f> {
    fn open(file: &'f Path) -> Result<Self> {
        let mut opened = open(file)?;
        let (metadata, schema) = guarded(file, || {
            let mut metadata = read_metadata(&mut opened)?;
            // Types come from the schema of the file alone: an embedded Arrow schema may disagree
            // with it, or have cycles.
            metadata.key_value_metadata = None;
            let schema = infer_schema(&metadata)?;
            Ok((metadata, schema))
        })?;
        let names: Vec<String> =
            metadata.schema().fields().iter().map(|field| field.name().to_owned()).collect();
        check_distinct_names(file, &names)?;
        if names.is_empty() || schema.len() != names.len() {
            return Err(damaged(file, "its columns cannot be determined"));
        }
        Ok(Self { file, names, metadata, schema })
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
        let is_text = self.schema.get(name).is_some_and(|field| scalars::is_text(&field.dtype));
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

    /// Checks that a column has scalars, in one column chunk of each row group.
    fn check(&self, column: &ColumnRequest) -> Result<()> {
        let root = self
            .schema
            .get(column.root())
            .ok_or_else(|| damaged(self.file, "its columns cannot be determined"))?;
        let name = &column.name;
        if column.field.is_none() && !scalars::readable(&root.dtype) && !column.uuid {
            return Err(struct_column::not_scalar(self.file, name, root));
        }
        let groups = &self.metadata.row_groups;
        if groups.iter().any(|group| column.chunks(group).count() != 1) {
            return Err(damaged(self.file, &format!("column `{name}` is not in each row group")));
        }
        Ok(())
    }
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

/// Opens a file, and checks its magic bytes and its footer.
fn open(file: &Path) -> Result<File> {
    let read_error = |source| unreadable(file, source);
    let mut opened = stdin::open_ends(file).map_err(read_error)?;
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
    }
    let refused = |problem: &str| Err(Error::malformed(file, problem, None));
    if &head == b"PARE" || &tail[4..] == b"PARE" {
        return refused("found an encrypted Parquet file, expected an unencrypted one");
    }
    if &head != MAGIC {
        return refused("not a Parquet file: it does not start with `PAR1`");
    }
    let length = u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]);
    let footer = bytes.checked_sub(FRAME_BYTES + u64::from(length));
    let Some(data) = footer.filter(|_| &tail[4..] == MAGIC) else {
        return refused("the Parquet file is truncated: it has no footer");
    };
    let footer_start = data + MAGIC.len() as u64;
    stdin::fetch(file, || iter::once(footer_start..bytes).collect()).map_err(read_error)?;
    let mut footer = Vec::new();
    opened.seek(SeekFrom::Start(footer_start)).map_err(read_error)?;
    (&opened).take(u64::from(length)).read_to_end(&mut footer).map_err(read_error)?;
    footer::check(&footer, footer_start)
        .map_err(|error| damaged(file, &format!("the footer: {error}")))?;
    opened.rewind().map_err(read_error)?;
    Ok(opened)
}

fn damaged(file: &Path, problem: &str) -> Error {
    guard::damaged(file, "Parquet file", problem)
}

/// Runs the reader of polars.
fn guarded<T>(file: &Path, read: impl FnOnce() -> PolarsResult<T>) -> Result<T> {
    guard::guarded(file, "Parquet file", read)
}
