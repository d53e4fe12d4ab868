//! Conversion of columns of any type to text, times and numbers; errors name the row.

mod canonical;
mod format;
mod marks;
mod numbers;
mod times;
mod typed;

use std::borrow::Cow;
use std::path::Path;

pub(crate) use canonical::canonical;
use canonical::is_canonical;
pub use format::NumberFormat;
pub(crate) use marks::MarkCounts;
pub use marks::NullMarks;
pub(crate) use numbers::{NumberReader, TextColumnKind, infer_kind};
use polars::prelude::*;
use times::native_times;
pub(crate) use times::{
    AbsentTimes, NeverTimes, NumericTimes, TimeColumn, TimeText, UnitHint, text_means_never,
};
pub use typed::ColumnTypes;
pub(crate) use typed::{ColumnNotes, TypedColumn, located};

use crate::error::{Error, Result};
use crate::io::write::{bitmap, format_number};
use crate::time;

/// A missing time.
pub(crate) const NO_TIME: i64 = i64::MIN;

/// Expected value of a time, for messages.
pub(crate) const EXPECTED_YEARS: &str = "a time between the years 1900 and 2262";

/// The location of a batch of a column in its file, for messages.
#[derive(Clone, Copy)]
pub(crate) struct CellLocation<'a> {
    /// The file.
    pub(crate) path: &'a Path,
    /// The column.
    pub(crate) column: &'a str,
    /// Number of the first row of the batch, from 1.
    pub(crate) first_row: u64,
    /// Offset of each row from `first_row`; empty where every row of the batch is used.
    pub(crate) rows: &'a [u32],
}

impl CellLocation<'_> {
    /// Returns the row in the file of a value of the batch.
    pub(crate) fn row(&self, index: usize) -> u64 {
        self.first_row + self.rows.get(index).map_or(index as u64, |row| u64::from(*row))
    }

    /// Returns the error for the value at an index of the batch.
    pub(crate) fn bad_value(
        &self,
        index: usize,
        found: impl Into<String>,
        expected: &str,
    ) -> Error {
        Error::BadValue {
            path: self.path.to_owned(),
            row: Some(self.row(index)),
            column: self.column.to_owned(),
            found: found.into(),
            expected: expected.to_owned(),
        }
    }
}

/// Converts a column of ids to their canonical form; missing ids stay null.
///
/// # Errors
/// Those of [`id_texts`]
pub(crate) fn ids(column: &Column, location: CellLocation<'_>) -> Result<StringChunked> {
    let texts = id_texts(column, location)?;
    let is_id = |text: Option<&str>| text.is_none_or(|text| !text.is_empty() && is_canonical(text));
    if texts.iter().all(is_id) {
        return Ok(texts);
    }
    let ids = texts.iter().map(|text| text.map(canonical).filter(|id| !id.is_empty()));
    Ok(StringChunked::from_iter_options(texts.name().clone(), ids))
}

/// Converts a column of ids to text, as [`text`].
///
/// # Errors
/// * [`Error::RoundedId`]: an id is a float of at least 2⁵³, or 2²⁴ with 32 bits; several ids have
///   this value after rounding
pub(crate) fn id_texts(column: &Column, location: CellLocation<'_>) -> Result<StringChunked> {
    let limit = match column.dtype() {
        DataType::Float32 => 16_777_216.0,
        DataType::Float64 => 9_007_199_254_740_992.0,
        _ => return text(column),
    };
    let numbers = float(column.as_materialized_series())?;
    let is_rounded = |number: f64| number.is_finite() && number.abs() >= limit;
    match numbers.iter().position(|number| number.is_some_and(is_rounded)) {
        None => text(column),
        Some(index) => Err(Error::RoundedId {
            path: location.path.to_owned(),
            row: location.row(index),
            column: location.column.to_owned(),
            found: number_text(numbers.get(index).unwrap_or_default()),
        }),
    }
}

/// Converts a column of categories to levels in their canonical form; missing levels stay null.
pub(crate) fn levels(column: &Column) -> Result<StringChunked> {
    let texts = text(column)?;
    let is_level = |text: Option<&str>| {
        text.is_none_or(|text| !text.is_empty() && level(text).len() == text.len())
    };
    // Capitalized true and false have the length of their levels.
    let is_flag = |text: &str| parse_bool(text).is_some() && !matches!(text, "true" | "false");
    if texts.iter().all(|text| is_level(text) && !text.is_some_and(is_flag)) {
        return Ok(texts);
    }
    let levels = texts.iter().map(|text| text.map(level).filter(|level| !level.is_empty()));
    Ok(StringChunked::from_iter_options(texts.name().clone(), levels))
}

/// Returns the canonical form of a level: that of an id, and true and false in lower case.
pub(crate) fn level(text: &str) -> Cow<'_, str> {
    let text = canonical(text);
    match parse_bool(&text) {
        Some(flag) => Cow::Borrowed(if flag == 1.0 { "true" } else { "false" }),
        None => text,
    }
}

/// Converts a column to text: numbers in their shortest form, times in ISO 8601; missing values
/// stay null.
pub(crate) fn text(column: &Column) -> Result<StringChunked> {
    use DataType as T;
    let series = column.as_materialized_series();
    let text = match series.dtype() {
        T::String => series.str().expect("dtype was checked").clone(),
        T::Boolean => series
            .bool()
            .expect("dtype was checked")
            .iter()
            .map(|v| v.map(|v| v.to_string()))
            .collect(),
        T::Float32 | T::Float64 => {
            let numbers = float(series)?;
            numbers.iter().map(|v| v.filter(|v| v.is_finite()).map(number_text)).collect()
        }
        T::Date | T::Datetime(..) => {
            let times = native_times(series)?;
            times.iter().map(|t| (*t != NO_TIME).then(|| time::iso(*t))).collect()
        }
        _ => series
            .cast(&T::String)
            .and_then(|s| s.str().cloned())
            .map_err(|e| unreadable(series, e))?,
    };
    Ok(text.with_name(series.name().clone()))
}

/// Formats a number; whole numbers of up to 20 digits, which may be ids, without an exponent.
fn number_text(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < 1e20 {
        format!("{number:.0}")
    } else {
        format_number(number)
    }
}

/// Returns the index of the first value that matches; checks blocks without branches, for speed.
fn position<T>(values: &[T], matches: impl Fn(&T) -> bool) -> Option<usize> {
    const BLOCK: usize = 4_096;
    let (number, block) = values
        .chunks(BLOCK)
        .enumerate()
        .find(|(_, block)| block.iter().fold(false, |any, value| any | matches(value)))?;
    block.iter().position(matches).map(|index| number * BLOCK + index)
}

/// Returns the values of a column; `missing` for null.
pub(crate) fn values<T: PolarsNumericType>(
    column: &ChunkedArray<T>,
    missing: T::Native,
) -> Vec<T::Native> {
    let mut out = Vec::with_capacity(column.len());
    for (chunk, array) in column.downcast_iter().zip(column.chunks()) {
        match array.validity() {
            None => out.extend_from_slice(chunk.values()),
            Some(valid) => {
                let start = out.len();
                out.extend_from_slice(chunk.values());
                let valid = valid.chunks::<u64>();
                let rest = valid.remainder();
                for (values, valid) in out[start..].chunks_mut(64).zip(valid.chain([rest])) {
                    values
                        .iter_mut()
                        .enumerate()
                        .filter(|(index, _)| valid >> index & 1 == 0)
                        .for_each(|(_, value)| *value = missing);
                }
            }
        }
    }
    out
}

/// Returns a column of numbers in which NaN becomes null.
pub(crate) fn nullable(name: &str, values: Vec<f64>) -> Column {
    if position(&values, |value| value.is_nan()).is_none() {
        return Float64Chunked::from_vec(name.into(), values).into_column();
    }
    let known = bitmap(&values, |value| !value.is_nan());
    Float64Chunked::from_vec_validity(name.into(), values, Some(known)).into_column()
}

/// Kind of the values of a column: numbers or categories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// Numbers; true/false are 1/0.
    Number,
    /// Categories.
    Text,
}

/// Parses a finite decimal number; `nan` and `inf` are not accepted.
pub(crate) fn parse_number(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    plain.then(|| text.parse().ok()).flatten().filter(|x: &f64| x.is_finite())
}

/// Parses `true` and `false` in lower, title or upper case as 1 and 0.
pub(crate) fn parse_bool(text: &str) -> Option<f64> {
    match text {
        "true" | "True" | "TRUE" => Some(1.0),
        "false" | "False" | "FALSE" => Some(0.0),
        _ => None,
    }
}

/// Returns the values of a column of flags; a missing one is false.
///
/// # Arguments
/// * `null` – marks of missing values
/// # Errors
/// * [`Error::BadValue`]: a value is no flag
pub(crate) fn flags(
    column: &Column,
    location: CellLocation<'_>,
    null: &NullMarks,
) -> Result<Vec<bool>> {
    let flag = |(index, value): (usize, Option<&str>)| {
        let value = value.map(str::trim).filter(|value| !null.contains(value)).unwrap_or_default();
        parse_flag(value).ok_or_else(|| location.bad_value(index, value, "true or false"))
    };
    text(column)?.iter().enumerate().map(flag).collect()
}

/// Parses a flag; an empty one is false.
fn parse_flag(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "1" => Some(true),
        "" | "false" | "f" | "no" | "n" | "0" => Some(false),
        _ => None,
    }
}

fn float(series: &Series) -> Result<Float64Chunked> {
    series
        .cast(&DataType::Float64)
        .and_then(|s| s.f64().cloned())
        .map_err(|e| unreadable(series, e))
}

fn unreadable(series: &Series, error: PolarsError) -> Error {
    Error::ColumnType {
        column: series.name().to_string(),
        found: series.dtype().to_string(),
        source: error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location() -> CellLocation<'static> {
        CellLocation { path: Path::new("f.csv"), column: "t", first_row: 1, rows: &[] }
    }

    /// Returns the times of a column, and what was read as missing.
    fn read(
        column: &Column,
        zone: time::Zone,
    ) -> std::result::Result<(Vec<i64>, AbsentTimes), String> {
        let written = TimeText { format: None, null: &NullMarks::default() };
        let mut times = TimeColumn::in_zone(zone);
        times.push(column, written, location()).map_err(|e| e.to_string())?;
        times.finish().map_err(|(index, value)| format!("{index}: {value}"))
    }

    fn times(values: &[&str]) -> std::result::Result<Vec<i64>, String> {
        read(&Column::new("t".into(), values), time::Zone::default()).map(|(times, _)| times)
    }

    #[test]
    fn a_number_in_another_unit_is_refused() {
        assert_eq!(times(&["1735689600", "0", "1735689601"]).unwrap().len(), 3);
        for (other, unit) in
            [("1735689600000", "milliseconds"), ("1735689600000000000", "nanoseconds")]
        {
            let message = times(&["1735689600", other, "1735689601"]).unwrap_err();
            assert_eq!(message, format!("0: 1735689600 among times in {unit}"));
        }
        assert_eq!(
            times(&["1735689600", "20250630"]).unwrap_err(),
            "1: 20250630 among times in seconds"
        );
        assert_eq!(
            times(&["1735689600000.5", "1735689600"]).unwrap_err(),
            "1: 1735689600 among times in milliseconds"
        );
    }

    #[test]
    fn a_time_is_no_number() {
        let time = Int64Chunked::from_vec("t".into(), vec![0])
            .into_datetime(TimeUnit::Microseconds, Some(TimeZone::UTC));
        let message = NumberReader::default()
            .read(&time.into_column(), &NullMarks::default(), location())
            .unwrap_err()
            .to_string();
        assert!(message.contains("expected a number"), "{message}");
    }

    #[test]
    fn nulls_are_replaced_by_the_missing_value() {
        for n in [1, 63, 64, 65, 1_000] {
            let values_with_gaps: Vec<Option<f64>> =
                (0..n).map(|index| (index % 7 != 3).then(|| f64::from(index))).collect();
            let mut column =
                Float64Chunked::from_iter_options("x".into(), values_with_gaps.iter().copied());
            let expected = |from: usize| {
                values_with_gaps[from..].iter().map(|v| v.unwrap_or(-1.0)).collect::<Vec<_>>()
            };
            assert_eq!(values(&column, -1.0), expected(0), "{n}");
            assert_eq!(
                values(&column.slice(1, column.len()), -1.0),
                expected(1),
                "{n}, validity not starting at the first bit"
            );
            column.append(&column.clone()).unwrap();
            assert_eq!(values(&column, -1.0), [expected(0), expected(0)].concat());
        }
    }

    #[test]
    fn the_unit_is_inferred_from_the_largest_number() {
        let t = 1_541_105_830_796_000;
        for text in [
            "1541105830.796",
            "1541105830796",
            "1541105830796.0",
            "1541105830796000",
            "1541105830796000000",
        ] {
            assert_eq!(times(&[text]), Ok(vec![t]), "{text}");
        }
        assert_eq!(times(&["19970101", ""]), Ok(vec![852_076_800_000_000, NO_TIME]));
        assert_eq!(
            times(&["19970101", "1541105830"]).unwrap_err(),
            "0: 19970101 among times in seconds"
        );
    }

    #[test]
    fn dates_in_digits_are_not_epoch_times() {
        let utc = |text: &str| time::parse_iso(text).unwrap();
        for (digits, text) in [
            ("20250102", "2025-01-02"),
            ("2025010210", "2025-01-02T10:00"),
            ("202501021030", "2025-01-02T10:30"),
            ("20250102103059", "2025-01-02T10:30:59"),
            ("20250102103059.0", "2025-01-02T10:30:59"),
        ] {
            assert_eq!(times(&[digits, ""]), Ok(vec![utc(text), NO_TIME]), "{digits}");
        }
        assert_eq!(times(&["2025010299"]).unwrap(), [2_025_010_299_000_000]);
        assert!(times(&["20250102", "202501021030"]).is_err());
    }

    #[test]
    fn times_that_mean_never_are_missing() {
        let never = |column: Column| {
            let (times, absent) = read(&column, time::Zone::default()).unwrap();
            let present = times.iter().filter(|t| **t != NO_TIME).count();
            (present, absent.never.count, absent.never.example)
        };
        for text in [
            "0",
            "1970-01-01",
            "1970-01-01T00:00:00Z",
            "1969-12-31T19:00:00-05:00",
            "1900-01-01",
            "1899-12-30",
            "0000-00-00",
            "0000-00-00 00:00:00",
            "0001-01-01T00:00:00",
            "9999-12-31",
            "9999-12-31 23:59:59",
        ] {
            let column = Column::new("t".into(), ["2025-01-02", text, "", text]);
            assert_eq!(never(column), (1, 2, text.to_owned()), "{text}");
            assert!(text_means_never(text), "{text}");
        }
        for (numbers, shown) in [
            ([20_250_102_i64, 99_991_231], "99991231"),
            ([20_250_102, 0], "0"),
            ([1_735_689_600, 253_402_300_799], "253402300799"),
            ([1_735_689_600_000, 0], "0"),
        ] {
            assert_eq!(never(Column::new("t".into(), numbers)), (1, 1, shown.to_owned()));
        }
        // In milliseconds, these are days of September 2001, and not the year 9999.
        let numbers = Column::new("t".into(), [999_950_000_000_i64, 1_735_689_600_000]);
        assert_eq!(never(numbers).0, 2);
        let native = Int64Chunked::from_vec(
            "t".into(),
            vec![0, 253_402_214_400_000_000, i64::MAX, 1_735_689_600_000_000],
        );
        let native =
            native.into_datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)).into_column();
        assert_eq!(never(native), (1, 3, "1970-01-01".to_owned()));
        for text in ["2025-01-02", "32503680000", "12345", "1234-5678", "soon", ""] {
            assert!(!text_means_never(text), "{text}");
        }
        assert!(times(&["32503680000"]).is_err(), "the year 3000 is an error");
    }

    #[test]
    fn marks_are_missing_times() {
        let column = Column::new("t".into(), ["2025-01-02", "NULL", r"\N", "na", ""]);
        let (times, absent) = read(&column, time::Zone::default()).unwrap();
        assert_eq!(times.iter().filter(|t| **t != NO_TIME).count(), 1);
        assert_eq!((absent.marks.cells(), absent.never.count), (3, 0));
        let null = NullMarks::new(&["-999".to_owned()]);
        let written = TimeText { format: None, null: &null };
        for column in [
            Column::new("t".into(), [1_735_689_600_i64, -999]),
            Column::new("t".into(), ["1735689600", "-999"]),
        ] {
            let mut times = TimeColumn::default();
            times.push(&column, written, location()).unwrap();
            let (times, absent) = times.finish().unwrap();
            assert_eq!((times[1], absent.marks.cells()), (NO_TIME, 1), "{column:?}");
        }
    }

    #[test]
    fn local_times_are_those_of_the_zone() {
        let micros = 1_736_899_200_000_000;
        let datetime = |zone| {
            Int64Chunked::from_vec("t".into(), vec![micros])
                .into_datetime(TimeUnit::Microseconds, zone)
                .into_column()
        };
        let text = |text: &str| Column::new("t".into(), [text]);
        for (column, expected) in [
            (text("2025-01-15"), "2025-01-15T05:00:00Z"),
            (text("20250115"), "2025-01-15T05:00:00Z"),
            (text("2025-01-15T00:00:00Z"), "2025-01-15T00:00:00Z"),
            (text("1736899200"), "2025-01-15T00:00:00Z"),
            (
                Int32Chunked::from_vec("t".into(), vec![20_103]).into_date().into_column(),
                "2025-01-15T05:00:00Z",
            ),
            (datetime(None), "2025-01-15T05:00:00Z"),
            (datetime(Some(TimeZone::UTC)), "2025-01-15T00:00:00Z"),
        ] {
            let (times, _) = read(&column, "America/New_York".parse().unwrap()).unwrap();
            assert_eq!(time::iso(times[0]), expected, "{column:?}");
        }
    }

    #[test]
    fn an_invalid_time_is_reported_with_its_row() {
        let message = times(&["2025-01-01", "soon"]).unwrap_err();
        assert!(message.contains("row 2") && message.contains("`soon`"), "{message}");
    }
}
