//! Sorts the rows of a table within a memory limit: sorted parts go to temporary files, which are
//! then merged.

use std::cmp::Ordering;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};

use polars::prelude::{
    Float64Chunked, Int64Chunked, ParquetCompression, ParquetReader, ParquetWriter, PolarsError,
    PolarsResult, SerReader, StringChunked,
};
use rayon::prelude::*;

use super::dictionary::OutputTable;
use crate::error::{Error, Result};

/// Rows that are read from a part, and passed on, at a time.
const BLOCK: usize = 65_536;
/// Memory of a row while a part is sorted, in bytes: its values, its texts and a second copy.
const BYTES_PER_ROW: u64 = 1_000;

/// Order of the rows of a table. Rows that are equal in all columns keep their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowOrder {
    /// Column of numbers, highest first; rows without a number are last. `None`: not used.
    pub highest_first: Option<&'static str>,
    /// Column of texts, ascending.
    pub text: &'static str,
    /// Column of times, ascending.
    pub time: &'static str,
}

/// The columns of a table by which it is sorted.
#[derive(Debug, Default)]
struct SortKeys {
    number: Option<Float64Chunked>,
    text: StringChunked,
    time: Int64Chunked,
}

impl SortKeys {
    fn new(table: &OutputTable, order: RowOrder) -> PolarsResult<Self> {
        let column = |name: &str| {
            table.column(name).ok_or_else(|| PolarsError::ColumnNotFound(name.to_owned().into()))
        };
        let number =
            order.highest_first.map(|name| Ok::<_, PolarsError>(column(name)?.f64()?.clone()));
        Ok(Self {
            number: number.transpose()?,
            text: column(order.text)?.str()?.clone(),
            time: column(order.time)?.datetime()?.physical().clone(),
        })
    }

    /// Compares a row with a row of another table.
    fn compare(&self, row: usize, other: &Self, other_row: usize) -> Ordering {
        let number = |keys: &Self, row: usize| keys.number.as_ref().and_then(|n| n.get(row));
        let by_number = match (number(self, row), number(other, other_row)) {
            (Some(a), Some(b)) => b.total_cmp(&a),
            (a, b) => b.is_some().cmp(&a.is_some()),
        };
        by_number
            .then_with(|| self.text.get(row).cmp(&other.text.get(other_row)))
            .then_with(|| self.time.get(row).cmp(&other.time.get(other_row)))
    }
}

/// Sorts tables with the same columns.
#[derive(Debug)]
pub struct TableSorter {
    order: RowOrder,
    /// Maximum number of rows in memory.
    part_rows: usize,
    pending: Vec<OutputTable>,
    pending_rows: usize,
    parts: Vec<SortedPart>,
}

/// Sorted rows in a temporary file, with a row group per block.
#[derive(Debug)]
struct SortedPart {
    file: File,
    rows: usize,
}

/// The next row of a part.
struct Cursor<'a> {
    part: &'a SortedPart,
    /// First row of the part that is not in `block`.
    next: usize,
    block: OutputTable,
    keys: SortKeys,
    /// Row of the block; the rows from `start` on have not been passed on.
    row: usize,
    start: usize,
}

impl TableSorter {
    /// Creates a sorter.
    ///
    /// # Arguments
    /// * `memory` – memory for rows in bytes; more rows go to temporary files
    #[must_use]
    pub fn new(order: RowOrder, memory: u64) -> Self {
        let rows = usize::try_from(memory / BYTES_PER_ROW).unwrap_or(usize::MAX);
        Self {
            order,
            part_rows: rows.max(BLOCK),
            pending: Vec::new(),
            pending_rows: 0,
            parts: Vec::new(),
        }
    }

    /// Adds rows.
    ///
    /// # Errors
    /// * [`Error::Write`]: a temporary file cannot be written
    pub fn push(&mut self, table: OutputTable) -> Result<()> {
        self.pending_rows += table.height();
        self.pending.push(table);
        if self.pending_rows < self.part_rows { Ok(()) } else { self.spill() }
    }

    /// Passes on all rows in order.
    ///
    /// # Errors
    /// * [`Error::Write`]: a temporary file cannot be written or read
    /// * those of `emit`
    pub fn finish(mut self, emit: &mut dyn FnMut(OutputTable) -> Result<()>) -> Result<()> {
        if self.parts.is_empty() {
            let (table, rows) = self.sorted().map_err(failed)?;
            return rows.chunks(BLOCK).try_for_each(|rows| emit(table.take(rows)));
        }
        if self.pending_rows > 0 {
            self.spill()?;
        }
        self.merge(emit)
    }

    /// Returns the pending rows as one table, and their order.
    fn sorted(&mut self) -> PolarsResult<(OutputTable, Vec<u32>)> {
        let pending = std::mem::take(&mut self.pending);
        self.pending_rows = 0;
        let slices: Vec<_> = pending.iter().map(|table| (table, 0..table.height())).collect();
        let table = OutputTable::concat(&slices)?;
        let height = u32::try_from(table.height()).expect("a part has fewer than 2³² rows");
        let mut rows: Vec<u32> = (0..height).collect();
        if height > 0 {
            let keys = SortKeys::new(&table, self.order)?;
            rows.par_sort_by(|a, b| keys.compare(*a as usize, &keys, *b as usize));
        }
        Ok((table, rows))
    }

    /// Writes the pending rows to a temporary file, in order.
    fn spill(&mut self) -> Result<()> {
        let (table, rows) = self.sorted().map_err(failed)?;
        let file = tempfile::tempfile().map_err(|e| failed(PolarsError::from(e)))?;
        let write = |file: &File| {
            let schema = table.schema();
            let writer =
                ParquetWriter::new(file).with_compression(ParquetCompression::Uncompressed);
            let mut writer = writer.batched(&schema)?;
            for rows in rows.chunks(BLOCK) {
                writer.write_batch(&table.take(rows).frame()?)?;
            }
            writer.finish().map(drop)
        };
        write(&file).map_err(failed)?;
        self.parts.push(SortedPart { file, rows: rows.len() });
        Ok(())
    }

    /// Merges the parts. Of equal rows those of the first part come first.
    fn merge(self, emit: &mut dyn FnMut(OutputTable) -> Result<()>) -> Result<()> {
        let order = self.order;
        let mut cursors: Vec<Cursor<'_>> =
            self.parts.iter().map(|part| Cursor::open(part, order)).collect::<Result<_>>()?;
        // The cursor of each row that is to be passed on.
        let mut picks: Vec<usize> = Vec::with_capacity(BLOCK);
        loop {
            let open = (0..cursors.len()).filter(|index| !cursors[*index].is_finished());
            let first = open.min_by(|a, b| cursors[*a].compare(&cursors[*b]));
            let Some(index) = first else { return Ok(()) };
            picks.push(index);
            cursors[index].row += 1;
            if picks.len() == BLOCK || cursors[index].is_finished() {
                emit(gather(&mut cursors, &picks).map_err(failed)?)?;
                picks.clear();
                if cursors[index].is_finished() {
                    cursors[index].load(order)?;
                }
            }
        }
    }
}

impl<'a> Cursor<'a> {
    fn open(part: &'a SortedPart, order: RowOrder) -> Result<Self> {
        let block = OutputTable::new(0, Vec::new());
        let mut cursor = Self { part, next: 0, block, keys: SortKeys::default(), row: 0, start: 0 };
        cursor.load(order)?;
        Ok(cursor)
    }

    /// Reads the next block; an empty one after the last.
    fn load(&mut self, order: RowOrder) -> Result<()> {
        let rows = BLOCK.min(self.part.rows - self.next);
        (self.row, self.start) = (0, 0);
        if rows == 0 {
            self.block = OutputTable::new(0, Vec::new());
            return Ok(());
        }
        let mut read = || {
            let mut file = self.part.file.try_clone()?;
            file.seek(SeekFrom::Start(0))?;
            let frame = ParquetReader::new(file).with_slice(Some((self.next, rows))).finish()?;
            self.block = OutputTable::from(&frame);
            self.keys = SortKeys::new(&self.block, order)?;
            Ok::<_, PolarsError>(())
        };
        read().map_err(failed)?;
        self.next += rows;
        Ok(())
    }

    fn is_finished(&self) -> bool {
        self.row == self.block.height()
    }

    fn compare(&self, other: &Self) -> Ordering {
        self.keys.compare(self.row, &other.keys, other.row)
    }
}

/// Returns the picked rows, which are the next ones of each cursor.
fn gather(cursors: &mut [Cursor<'_>], picks: &[usize]) -> PolarsResult<OutputTable> {
    let mut next = Vec::with_capacity(cursors.len());
    let mut slices = Vec::with_capacity(cursors.len());
    let mut rows = 0;
    for cursor in cursors.iter() {
        next.push(rows);
        rows += u32::try_from(cursor.row - cursor.start).expect("a block has fewer rows");
        if cursor.row > cursor.start {
            slices.push((&cursor.block, cursor.start..cursor.row));
        }
    }
    let table = OutputTable::concat(&slices)?;
    let place = |index: &usize| {
        next[*index] += 1;
        next[*index] - 1
    };
    let rows: Vec<u32> = picks.iter().map(place).collect();
    for cursor in cursors {
        cursor.start = cursor.row;
    }
    Ok(table.take(&rows))
}

fn failed(error: PolarsError) -> Error {
    let source = match error {
        PolarsError::IO { error, .. } => io::Error::new(error.kind(), error.to_string()),
        other => io::Error::other(other),
    };
    Error::Write { path: "a temporary file".into(), source }
}

#[cfg(test)]
mod tests {
    use polars::prelude::{Column, DataFrame, IntoColumn};

    use super::*;
    use crate::io::write::time_column;

    const ORDER: RowOrder =
        RowOrder { highest_first: Some("probability"), text: "account_id", time: "cutoff" };

    fn table(rows: std::ops::Range<u32>) -> OutputTable {
        let number =
            |row: u32| (!row.is_multiple_of(7)).then(|| f64::from(row % 9_973 * 7 % 101) / 101.0);
        let account = |row: u32| format!("a{}", row % 9_973 * 31 % 1_009);
        let columns = vec![
            Column::new("account_id".into(), rows.clone().map(account).collect::<Vec<_>>()),
            time_column("cutoff", rows.clone().map(|row| Some(i64::from(row % 5)))),
            rows.clone()
                .map(number)
                .collect::<Float64Chunked>()
                .with_name("probability".into())
                .into_column(),
            Column::new("row".into(), rows.clone().map(f64::from).collect::<Vec<_>>()),
        ];
        let height = usize::try_from(rows.end - rows.start).unwrap();
        OutputTable::from(&DataFrame::new(height, columns).unwrap())
    }

    fn sort(order: RowOrder, memory: u64, tables: Vec<OutputTable>) -> DataFrame {
        let mut sorter = TableSorter::new(order, memory);
        tables.into_iter().for_each(|table| sorter.push(table).unwrap());
        let mut all: Option<DataFrame> = None;
        let mut emit = |table: OutputTable| {
            let frame = table.frame().unwrap();
            match &mut all {
                None => all = Some(frame),
                Some(all) => drop(all.vstack_mut_owned(frame).unwrap()),
            }
            Ok(())
        };
        sorter.finish(&mut emit).unwrap();
        all.unwrap()
    }

    #[test]
    fn rows_are_sorted_by_number_then_text_then_time_and_missing_numbers_are_last() {
        for order in [ORDER, RowOrder { highest_first: None, ..ORDER }] {
            let sorted =
                OutputTable::from(&sort(order, u64::MAX, vec![table(0..50), table(50..4_000)]));
            let keys = SortKeys::new(&sorted, order).unwrap();
            let rows = sorted.column("row").unwrap().f64().unwrap().clone();
            for row in 1..sorted.height() {
                let ordering = keys.compare(row - 1, &keys, row);
                assert!(
                    ordering.is_lt() || (ordering.is_eq() && rows.get(row - 1) < rows.get(row))
                );
            }
        }
        let sorted = sort(ORDER, u64::MAX, vec![table(0..70)]);
        let missing = sorted.column("probability").unwrap().is_null();
        assert_eq!(missing.iter().rposition(|is_missing| is_missing == Some(false)), Some(59));
    }

    #[test]
    fn parts_in_temporary_files_give_the_same_rows() {
        let rows = 3 * u32::try_from(BLOCK).unwrap() + 1_000;
        let at_once = sort(ORDER, u64::MAX, vec![table(0..rows)]);
        let pieces = (0..rows).step_by(10_000).map(|from| table(from..rows.min(from + 10_000)));
        assert!(at_once.equals_missing(&sort(ORDER, 0, pieces.collect())));
    }
}
