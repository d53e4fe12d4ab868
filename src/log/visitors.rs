//! Visitors per day.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::cells::{CellLocation, NO_TIME, NullMarks, NumberReader, TimeColumn};
use super::columns::require;
use crate::config::{MaxLine, VisitorSource};
use crate::error::{Error, Result};
use crate::io::read::{self, RowBatch, Source};
use crate::time::midnight;

/// Number of visitors by day (00:00 UTC, µs); days that are missing in the file are absent.
pub type Visitors = BTreeMap<i64, u64>;

/// Reads the number of visitors per day.
///
/// # Errors
/// * [`Error::Read`], [`Error::Empty`], [`Error::Malformed`], [`Error::MissingColumn`]: a file
///   cannot be read or lacks a column
/// * [`Error::BadValue`]: a date is invalid or occurs twice, or a number of visitors is not a
///   non-negative integer
pub fn visitors(source: &VisitorSource) -> Result<Visitors> {
    let mut list = VisitorRows::default();
    let mut files = Source::open(&source.path, MaxLine::default())?;
    let date = require(&files, source.date.as_ref(), "date", "`visitors.date`")?;
    let visitors = require(&files, source.visitors.as_ref(), "visitors", "`visitors.visitors`")?;
    let names = [date, visitors];
    for index in 0..files.len() {
        let file = files.file(index).to_owned();
        files.read(index, &names, &[], &mut |batch| list.add(source, &names, &file, &batch))?;
    }
    files.warnings(|column| {
        let key = if column == names[0] { "date" } else { "visitors" };
        Some(format!("`visitors.{key}`"))
    })?;
    if list.counts.is_empty() {
        return Err(Error::Empty {
            path: source.path.clone(),
            expected: "expected one row per day".to_owned(),
        });
    }
    let days = list.days.finish();
    let bad = |index: usize, found: String, expected: &str| {
        let (path, row, column) = list.locations[index].clone();
        Error::BadValue { path, row: Some(row), column, found, expected: expected.to_owned() }
    };
    let days =
        days.map_err(|(index, found)| bad(index, found, "a date between the years 1900 and 2262"))?;
    let mut visitors = Visitors::new();
    for (index, (day, count)) in days.into_iter().zip(&list.counts).enumerate() {
        if day == NO_TIME {
            return Err(bad(index, String::new(), "a date"));
        }
        if visitors.insert(midnight(day), *count).is_some() {
            return Err(bad(index, crate::time::iso_day(day), "each day once"));
        }
    }
    Ok(visitors)
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
        source: &VisitorSource,
        [date, visitors]: &[String; 2],
        file: &Path,
        batch: &RowBatch,
    ) -> Result<()> {
        let RowBatch { first_row, ref frame, .. } = *batch;
        let column = |name: &str| read::column(file, frame, name);
        let location = |column| CellLocation { path: file, column, first_row, rows: &[] };
        self.days.push(column(date)?, source.format.as_deref(), location(date))?;
        let null = NullMarks::default();
        let counts = self.reader.read_finite(column(visitors)?, &null, location(visitors))?;
        for (index, count) in counts.into_iter().enumerate() {
            self.counts.push(to_count(count).ok_or_else(|| {
                let found = if count.is_nan() { String::new() } else { count.to_string() };
                location(visitors).bad_value(index, found, "a non-negative integer")
            })?);
            self.locations.push((file.to_owned(), first_row + index as u64, date.clone()));
        }
        Ok(())
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
