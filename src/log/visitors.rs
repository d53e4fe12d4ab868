//! Visitors by day.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::cells::{self, NO_TIME, Place, Times};
use super::columns::require;
use crate::config::VisitorSource;
use crate::error::{Error, Result};
use crate::io::read;
use crate::time::midnight;

/// How many visitors there were on each day, by its midnight, µs UTC; days that are not in the file
/// are absent.
pub type Visitors = BTreeMap<i64, u64>;

/// Read the visitors of each day.
///
/// # Errors
/// * [`Error::Read`], [`Error::Empty`], [`Error::Malformed`], [`Error::MissingColumn`]: a file that
///   cannot be read or lacks a column
/// * [`Error::BadValue`]: a day that is none or stands there twice, or a number of visitors that is
///   missing, negative or not whole
pub fn visitors(source: &VisitorSource) -> Result<Visitors> {
    let mut list = List::default();
    for file in read::files(&source.path)? {
        list.read(source, &file)?;
    }
    if list.counts.is_empty() {
        return Err(Error::Empty {
            path: source.path.clone(),
            expected: "the visitors have one row per day".to_owned(),
        });
    }
    let days = list.days.finish();
    let bad = |at: usize, found: String, expected: &str| {
        let (path, row, column) = list.at[at].clone();
        Error::BadValue { path, row: Some(row), column, found, expected: expected.to_owned() }
    };
    let days =
        days.map_err(|(at, found)| bad(at, found, "a date between the years 1900 and 2262"))?;
    let mut visitors = Visitors::new();
    for (at, (day, count)) in days.into_iter().zip(&list.counts).enumerate() {
        if day == NO_TIME {
            return Err(bad(at, String::new(), "a date"));
        }
        if visitors.insert(midnight(day), *count).is_some() {
            return Err(bad(at, crate::time::iso_day(day), "one row per day"));
        }
    }
    Ok(visitors)
}

/// The rows as they were read.
#[derive(Default)]
struct List {
    days: Times,
    counts: Vec<u64>,
    /// File, row and column of each day.
    at: Vec<(PathBuf, u64, String)>,
}

impl List {
    fn read(&mut self, source: &VisitorSource, file: &Path) -> Result<()> {
        let columns = read::columns(file)?;
        let date = require(file, &columns, source.date.as_ref(), "date", "`visitors.date`")?;
        let visitors =
            require(file, &columns, source.visitors.as_ref(), "visitors", "`visitors.visitors`")?;
        read::read(file, Some(&[date.clone(), visitors.clone()]), &mut |first_row, frame| {
            let column = |name: &str| read::column(file, &frame, name);
            let place = |column| Place { path: file, column, first_row, rows: &[] };
            self.days.push(column(&date)?, source.format.as_deref(), place(&date))?;
            let counts = cells::finite(column(&visitors)?, place(&visitors))?;
            for (at, count) in counts.into_iter().enumerate() {
                self.counts.push(whole(count).ok_or_else(|| {
                    let found = if count.is_nan() { String::new() } else { count.to_string() };
                    place(&visitors).bad(at, found, "a whole number of visitors, 0 or more")
                })?);
                self.at.push((file.to_owned(), first_row + at as u64, date.clone()));
            }
            Ok(())
        })
        .map(drop)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be whole, from 0 to 2⁵³"
)]
fn whole(count: f64) -> Option<u64> {
    (count.fract() == 0.0 && (0.0..9e15).contains(&count)).then_some(count as u64)
}
