//! Rows of Parquet files that are read at once: some row groups, or a slice of one.

use std::collections::BTreeMap;
use std::fs::File;
use std::iter;
use std::ops::Range;
use std::path::Path;

use polars::prelude::{
    Column, DataFrame, FileMetadata, IntoColumn, ParallelStrategy, ParquetReader, PlSmallStr,
    PolarsError, PolarsResult, SerReader, Series,
};
use polars_parquet::read::ColumnChunkMetadata;
use rayon::prelude::*;

use super::pages::{self, PageKind, PageLimits};
use super::{BATCH_ROWS, ColumnRequest, damaged, guarded};
use crate::error::Result;
use crate::io::read::dictionary::{self, Dictionary};
use crate::io::read::struct_column::StructField;
use crate::io::read::{scalars, stdin, unreadable};

/// Number of rows above which a row group is read in slices. Each slice scans the pages before it
/// again.
const LARGE_GROUP: usize = 1 << 21;

/// Splits row groups into batches, as (row groups, rows of these): small groups are combined, very
/// large ones are sliced.
///
/// # Arguments
/// * `groups` – number of rows of each row group
pub(super) fn split_into_batches(
    groups: &[usize],
    batch_rows: usize,
) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
    let mut next = 0;
    let combined = iter::from_fn(move || {
        let start = next;
        let mut rows = *groups.get(start)?;
        next += 1;
        while let Some(more) = groups.get(next).filter(|more| rows + **more <= batch_rows) {
            rows += more;
            next += 1;
        }
        Some((start..next, rows))
    });
    combined.flat_map(|(groups, rows)| {
        let step = if rows > LARGE_GROUP { BATCH_ROWS } else { rows.max(1) };
        let slices = (0..rows).step_by(step).map(move |from| from..rows.min(from + step));
        slices.map(move |slice| (groups.clone(), slice))
    })
}

/// The columns of a batch: a data frame, and the dictionaries.
pub(super) type DecodedBatch = (DataFrame, BTreeMap<String, Vec<Dictionary>>);

/// Row groups that are read as one batch, and the rows to read.
pub(super) struct RowGroupBatch<'a> {
    pub(super) file: &'a Path,
    pub(super) groups: FileMetadata,
    pub(super) slice: Range<usize>,
}

impl RowGroupBatch<'_> {
    /// Reads the rows of some columns.
    pub(super) fn read(self, columns: &[ColumnRequest]) -> Result<DecodedBatch> {
        let chunks = || {
            let chunks = columns.iter().flat_map(|column| self.chunks(column));
            chunks.map(ColumnChunkMetadata::byte_range).collect()
        };
        let opened = stdin::fetch(self.file, chunks).and_then(|()| stdin::open_ends(self.file));
        let opened = opened.map_err(|source| unreadable(self.file, source))?;
        let (mut as_dictionary, mut plain, mut in_structs) = (Vec::new(), Vec::new(), Vec::new());
        for column in columns {
            match (self.page_kind(&opened, column)?, &column.field) {
                (PageKind::Dictionary, _) => as_dictionary.push(column),
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
                .map(|chunk| field.read(&stdin::open_ends(self.file)?, chunk))
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
    fn page_kind(&self, opened: &File, column: &ColumnRequest) -> Result<PageKind> {
        let mut all = if column.as_dictionary && self.slice.len() == self.groups.num_rows {
            PageKind::Dictionary
        } else {
            PageKind::Plain
        };
        // The first slice validates the pages for all slices.
        for chunk in self.chunks(column).filter(|_| self.slice.start == 0) {
            let kind = pages::inspect(opened, &PageLimits::new(chunk)).map_err(|error| {
                if error.raw_os_error().is_some() {
                    return unreadable(self.file, error);
                }
                damaged(self.file, &format!("the pages of column `{}`: {error}", column.name))
            })?;
            if kind == PageKind::Plain {
                all = kind;
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
            Ok((name.to_owned(), dictionary::read(&stdin::open_ends(self.file)?, chunk)?))
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
