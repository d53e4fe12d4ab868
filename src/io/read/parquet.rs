//! Parquet: row groups as batches, of which only the wanted columns are read; nothing in a file can
//! make the program panic.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek, SeekFrom};
use std::ops::{ControlFlow, Range};
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

use polars::prelude::{
    ArrowSchema, Column, DataFrame, FileMetadata, ParallelStrategy, ParquetReader, PolarsError,
    PolarsResult, SerReader,
};
use polars_parquet::read::{ColumnChunkMetadata, RowGroupMetadata};
use rayon::prelude::*;

use super::dictionary::{self, Dictionary};
use super::pages::{self, Pages};
use super::{Batch, Read, Take, distinct, empty, places, scalars, unreadable};
use crate::error::{Error, Result};

/// Rows of a batch: small row groups are gathered up to it.
const BATCH_ROWS: usize = 1 << 19;

/// Cells of a batch: a table of many columns comes in batches of fewer rows, so that memory stays
/// bounded.
const BATCH_CELLS: usize = 1 << 23;

/// Rows of a row group above which it is read in slices of a batch: each slice walks the pages
/// before it again.
const LARGE_GROUP: usize = 1 << 21;

/// First and last bytes of every Parquet file.
const MAGIC: &[u8; 4] = b"PAR1";

/// Bytes of the two magics and the length of the footer.
const FRAME: u64 = 12;

pub(super) fn columns(file: &Path) -> Result<Vec<String>> {
    Ok(Table::open(file)?.names)
}

pub(super) fn rows(file: &Path) -> Option<u64> {
    Table::open(file).ok().map(|table| table.metadata.num_rows as u64)
}

pub(super) fn read(
    file: &Path,
    wanted: Option<&[String]>,
    coded: &[String],
    batch: &mut Take<'_, Batch>,
) -> Result<ControlFlow<(), Read>> {
    let table = Table::open(file)?;
    let places = places(file, wanted, &table.names)?;
    table.check(&places)?;
    let columns: Vec<Wanted> = places.into_iter().map(|place| table.wanted(place, coded)).collect();
    let mut groups = table.metadata;
    let row_groups = std::mem::take(&mut groups.row_groups);
    if columns.iter().any(|column| column.uuid) {
        // The schema that Arrow leaves there may have its own type for them, which the reader does
        // not take.
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
        let (frame, coded) = Part { file, groups, slice }.read(&columns)?;
        let first_row = rows + 1;
        rows += frame.height() as u64;
        if batch(Batch { first_row, frame, coded })?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(Read { rows, ..Read::default() }))
}

/// What the footer of a file says.
struct Table<'f> {
    file: &'f Path,
    names: Vec<String>,
    metadata: FileMetadata,
    schema: ArrowSchema,
    bytes: u64,
}

impl<'f> Table<'f> {
    fn open(file: &'f Path) -> Result<Self> {
        let (opened, bytes) = open(file)?;
        let (metadata, schema) = guarded(file, || {
            let mut reader = ParquetReader::new(opened);
            let metadata = reader.get_metadata()?.as_ref().clone();
            Ok((metadata, reader.schema()?.as_ref().clone()))
        })?;
        let names: Vec<String> =
            metadata.schema().fields().iter().map(|field| field.name().to_owned()).collect();
        distinct(file, &names)?;
        if names.is_empty() || schema.len() != names.len() {
            return Err(damaged(file, "its columns cannot be told"));
        }
        Ok(Self { file, names, metadata, schema, bytes })
    }

    /// A column to be read, as codes where that is asked for and it holds text.
    fn wanted(&self, place: usize, coded: &[String]) -> Wanted {
        let name = self.names[place].clone();
        let is_text = self.schema.get(&name).is_some_and(|field| dictionary::is_text(&field.dtype));
        Wanted {
            as_codes: is_text && coded.contains(&name),
            uuid: self.is_uuid(place),
            place,
            name,
        }
    }

    fn is_uuid(&self, place: usize) -> bool {
        scalars::is_uuid(&self.metadata.schema().fields()[place])
    }

    /// Refuse what the reader would trust, and types that are no scalars.
    fn check(&self, places: &[usize]) -> Result<()> {
        let groups = &self.metadata.row_groups;
        let total = groups.iter().try_fold(0_usize, |sum, group| sum.checked_add(group.num_rows()));
        if total != Some(self.metadata.num_rows) {
            return Err(damaged(self.file, "its row groups do not add up to its rows"));
        }
        for &place in places {
            let name = &self.names[place];
            let dtype = self
                .schema
                .get(name)
                .map(|field| &field.dtype)
                .ok_or_else(|| damaged(self.file, "its columns cannot be told"))?;
            if !scalars::readable(dtype) && !self.is_uuid(place) {
                let dtype = format!("{dtype:?}");
                // Without what it consists of.
                let dtype = dtype.split(['(', ' ']).next().unwrap_or_default();
                let problem = format!(
                    "column `{name}` is of type {dtype}, expected text, numbers, times or true/false"
                );
                return Err(Error::malformed(self.file, problem, None));
            }
            for group in groups {
                let mut chunks = group
                    .columns_under_root_iter(name)
                    .ok_or_else(|| damaged(self.file, "a row group lacks a column"))?;
                let fits = |(values, start, bytes): (i64, u64, u64)| {
                    u64::try_from(values) == Ok(group.num_rows() as u64)
                        && start.checked_add(bytes).is_some_and(|end| end <= self.bytes)
                };
                let chunk = chunks.next().filter(|_| chunks.len() == 0);
                let sizes = chunk.map(|chunk| (chunk.num_values(), chunk.byte_range()));
                if !sizes.is_some_and(|(values, range)| {
                    range.end >= range.start && fits((values, range.start, range.end - range.start))
                }) {
                    return Err(damaged(
                        self.file,
                        &format!("the sizes of column `{name}` do not fit the file"),
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Batches as (row groups, rows of these): small groups together, a very large one in slices.
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

/// A column that is read.
struct Wanted {
    place: usize,
    name: String,
    /// Whether it may come as codes.
    as_codes: bool,
    /// Whether it holds UUIDs.
    uuid: bool,
}

/// Rows of a batch: a frame, and the columns that came as codes.
type Decoded = (DataFrame, BTreeMap<String, Vec<Dictionary>>);

/// Row groups that are read together, and which of their rows.
struct Part<'a> {
    file: &'a Path,
    groups: FileMetadata,
    slice: Range<usize>,
}

impl Part<'_> {
    fn read(self, columns: &[Wanted]) -> Result<Decoded> {
        let opened = File::open(self.file).map_err(|source| unreadable(self.file, source))?;
        let (mut as_codes, mut plain) = (Vec::new(), Vec::new());
        for column in columns {
            if self.look(&opened, column)? == Pages::Coded {
                as_codes.push(column);
            } else {
                plain.push(column);
            }
        }
        let coded = guarded(self.file, || self.read_coded(&as_codes))?;
        let rows = |pieces: &Vec<Dictionary>| pieces.iter().map(Dictionary::len).sum::<usize>();
        if let Some((name, _)) = coded.iter().find(|(_, pieces)| rows(pieces) != self.slice.len()) {
            return Err(damaged(
                self.file,
                &format!("column `{name}` has other rows than its row groups"),
            ));
        }
        Ok((self.read_plain(opened, &plain)?, coded))
    }

    /// The column in each row group.
    fn chunks<'c>(&'c self, name: &'c str) -> impl Iterator<Item = &'c ColumnChunkMetadata> {
        self.groups
            .row_groups
            .iter()
            .filter_map(move |group| group.columns_under_root_iter(name))
            .flatten()
    }

    /// What the pages of a column are like that may come as codes; of another, and where only a
    /// slice is read, they are plain.
    fn look(&self, opened: &File, column: &Wanted) -> Result<Pages> {
        let mut all = if column.as_codes && self.slice.len() == self.groups.num_rows {
            Pages::Coded
        } else {
            Pages::Plain
        };
        // The first slice looks for all of them.
        for chunk in self.chunks(&column.name).filter(|_| self.slice.start == 0) {
            let pages = pages::look(
                opened,
                chunk.byte_range(),
                chunk.num_values(),
                chunk.uncompressed_size(),
            );
            match pages.map_err(|source| unreadable(self.file, source))? {
                Pages::Damaged => {
                    return Err(damaged(
                        self.file,
                        &format!("the pages of column `{}` do not fit", column.name),
                    ));
                }
                Pages::Plain => all = Pages::Plain,
                Pages::Coded => {}
            }
        }
        Ok(all)
    }

    fn read_coded(&self, columns: &[&Wanted]) -> PolarsResult<BTreeMap<String, Vec<Dictionary>>> {
        let chunks: Vec<(&str, &ColumnChunkMetadata)> = columns
            .iter()
            .flat_map(|column| self.chunks(&column.name).map(|chunk| (column.name.as_str(), chunk)))
            .collect();
        let read = |(name, chunk): (&str, _)| {
            Ok((name.to_owned(), dictionary::read(&File::open(self.file)?, chunk)?))
        };
        let pieces: Vec<(String, Vec<Dictionary>)> =
            chunks.into_par_iter().map(read).collect::<PolarsResult<_>>()?;
        let mut coded: BTreeMap<String, Vec<Dictionary>> = BTreeMap::new();
        for (name, pieces) in pieces {
            coded.entry(name).or_default().extend(pieces);
        }
        Ok(coded)
    }

    fn read_plain(self, opened: File, wanted: &[&Wanted]) -> Result<DataFrame> {
        let Self { file, groups, slice } = self;
        if wanted.is_empty() {
            return Ok(DataFrame::empty_with_height(slice.len()));
        }
        let strategy = if groups.row_groups.len() > 1 {
            ParallelStrategy::RowGroups
        } else {
            ParallelStrategy::Columns
        };
        let places = wanted.iter().map(|column| column.place).collect();
        let uuid = |column: &Column| {
            wanted.iter().any(|wanted| wanted.uuid && wanted.name == column.name().as_str())
        };
        guarded(file, || {
            let mut reader = ParquetReader::new(opened);
            reader.set_metadata(groups.into());
            let reader =
                reader.with_projection(Some(places)).with_slice(Some((slice.start, slice.len())));
            let columns = reader.read_parallel(strategy).finish()?.into_columns();
            let columns = columns
                .into_iter()
                .map(|column| scalars::plain(&column, uuid(&column)))
                .collect::<PolarsResult<Vec<_>>>()?;
            // The reader does not compare the lengths of columns: a damaged page gives a shorter
            // one.
            DataFrame::new(slice.len(), columns)
        })
    }
}

/// Open a file and look whether it is framed as Parquet; returns its length, too.
fn open(file: &Path) -> Result<(File, u64)> {
    let read_error = |source| unreadable(file, source);
    let mut opened = File::open(file).map_err(read_error)?;
    let bytes = opened.metadata().map_err(read_error)?.len();
    if bytes == 0 {
        return Err(empty(file));
    }
    let mut head = [0; 4];
    let mut tail = [0; 8];
    if bytes >= FRAME {
        opened.read_exact(&mut head).map_err(read_error)?;
        opened.seek(SeekFrom::End(-8)).map_err(read_error)?;
        opened.read_exact(&mut tail).map_err(read_error)?;
        opened.rewind().map_err(read_error)?;
    }
    if &head == b"PARE" || &tail[4..] == b"PARE" {
        return Err(Error::malformed(
            file,
            "found an encrypted Parquet file, expected one that is not encrypted",
            None,
        ));
    }
    if &head != MAGIC {
        return Err(Error::malformed(
            file,
            "not a Parquet file: it does not begin with `PAR1`",
            None,
        ));
    }
    let footer = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
    if &tail[4..] != MAGIC || footer + FRAME > bytes {
        return Err(Error::malformed(
            file,
            "the Parquet file is truncated: it does not end with a footer",
            None,
        ));
    }
    Ok((opened, bytes))
}

fn damaged(file: &Path, problem: &str) -> Error {
    Error::malformed(file, format!("the Parquet file is damaged: {problem}"), None)
}

/// Run the reader so that neither its errors nor its panics get past this module.
fn guarded<T>(file: &Path, read: impl FnOnce() -> PolarsResult<T>) -> Result<T> {
    let quiet = Quiet::new();
    let outcome = panic::catch_unwind(AssertUnwindSafe(read));
    drop(quiet);
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

/// Readers at work whose panics are not to be printed.
static QUIET: AtomicUsize = AtomicUsize::new(0);

/// While it lives, panics (of any thread: the reader has its own) print nothing.
struct Quiet;

impl Quiet {
    fn new() -> Self {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                if QUIET.load(Ordering::SeqCst) == 0 {
                    before(info);
                }
            }));
        });
        QUIET.fetch_add(1, Ordering::SeqCst);
        Self
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        QUIET.fetch_sub(1, Ordering::SeqCst);
    }
}
