//! Visitors per day.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::cells::{
    CellLocation, ColumnNotes, NO_TIME, NullMarks, NumberReader, TimeColumn, TimeText,
};
use super::columns::require;
use crate::config::{Config, VisitorSource};
use crate::error::{Error, Result};
use crate::io::read::{self, FileOptions, RowBatch, Source};
use crate::io::sink::Sink;
use crate::time::{Day, midnight};

/// Number of visitors by day (00:00 UTC, µs); days that are missing in the file are absent.
pub type Visitors = BTreeMap<i64, u64>;

/// Reads the number of visitors per day; `None` without `[visitors]`. Warnings about the files and
/// columns go to the sink.
///
/// # Errors
/// * [`Error::Read`], [`Error::Empty`], [`Error::Malformed`], [`Error::MissingColumn`]: a file
///   cannot be read or lacks a column
/// * [`Error::BadValue`]: a date is invalid or occurs twice, or a number of visitors is not a
///   non-negative integer
pub fn visitors(config: &Config, sink: &mut Sink<'_>) -> Result<Option<Visitors>> {
    let Some(source) = &config.visitors else { return Ok(None) };
    let null = NullMarks::new(&config.input.null);
    let mut list = VisitorRows::default();
    let mut files =
        Source::open(&source.path, FileOptions::new(config.input.max_line, source.file_format))?;
    let names = columns(source, &files)?;
    for index in 0..files.len() {
        let file = files.file(index).to_owned();
        let written = TimeText { format: source.format.as_deref(), null: &null };
        files.read(index, &names, &[], &mut |batch| list.add(written, &names, &file, &batch))?;
    }
    let warnings = files.warnings(|column| {
        let key = if column == names[0] { "date" } else { "visitors" };
        Some(format!("`visitors.{key}`"))
    })?;
    let mut notes = ColumnNotes::default();
    notes.note_numbers("visitors.visitors", &names[1], &list.reader);
    warnings.into_iter().chain(notes.warnings()).for_each(|warning| sink.notify(warning));
    if list.counts.is_empty() {
        return Err(Error::Empty {
            path: source.path.clone(),
            expected: "expected one row per day".to_owned(),
        });
    }
    list.finish().map(Some)
}

/// Returns the columns of the days and of the numbers of visitors.
pub(super) fn columns(source: &VisitorSource, files: &Source) -> Result<[String; 2]> {
    let date = require(files, source.date.as_ref(), "date", "`visitors.date`")?;
    let visitors = require(files, source.visitors.as_ref(), "visitors", "`visitors.visitors`")?;
    Ok([date, visitors])
}

/// The rows of all files.
#[derive(Default)]
struct VisitorRows {
    days: TimeColumn,
    reader: NumberReader,
    counts: Vec<u64>,
    /// File, row and column of each date.
    locations: Vec<(PathBuf, u64, String)>,
}

impl VisitorRows {
    fn add(
        &mut self,
        written: TimeText<'_>,
        [date, visitors]: &[String; 2],
        file: &Path,
        batch: &RowBatch,
    ) -> Result<()> {
        let RowBatch { first_row, ref frame, .. } = *batch;
        let column = |name: &str| read::column(file, frame, name);
        let location = |column| CellLocation { path: file, column, first_row, rows: &[] };
        self.days.push(column(date)?, written, location(date))?;
        let numbers = column(visitors)?;
        let counts = self.reader.read_finite(numbers, written.null, location(visitors))?;
        for (index, count) in counts.into_iter().enumerate() {
            self.counts.push(to_count(count).ok_or_else(|| {
                let found = if count.is_nan() { String::new() } else { count.to_string() };
                location(visitors).bad_value(index, found, "a non-negative integer")
            })?);
            self.locations.push((file.to_owned(), first_row + index as u64, date.clone()));
        }
        Ok(())
    }

    /// Returns the visitors of each day.
    fn finish(self) -> Result<Visitors> {
        let bad = |index: usize, found: String, expected: &str| {
            let (path, row, column) = self.locations[index].clone();
            Error::BadValue { path, row: Some(row), column, found, expected: expected.to_owned() }
        };
        let (days, _) = self.days.finish().map_err(|(index, found)| {
            bad(index, found, "a date between the years 1900 and 2262")
        })?;
        let mut visitors = Visitors::new();
        for (index, (day, count)) in days.into_iter().zip(&self.counts).enumerate() {
            if day == NO_TIME {
                return Err(bad(index, String::new(), "a date"));
            }
            if visitors.insert(midnight(day), *count).is_some() {
                return Err(bad(index, Day::from_local(day).to_string(), "each day once"));
            }
        }
        Ok(visitors)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be an integer from 0 to 9·10¹⁵"
)]
fn to_count(count: f64) -> Option<u64> {
    (count.fract() == 0.0 && (0.0..9e15).contains(&count)).then_some(count as u64)
}
