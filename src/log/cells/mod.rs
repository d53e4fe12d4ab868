//! Columns of any type as names, times and numbers, with the row in every error.

mod times;

use std::path::Path;

use polars::prelude::*;
use times::native_times;
pub(crate) use times::{Numbers, Scale, Times};

use crate::error::{Error, Result};
use crate::io::write::{bits, format_number};
use crate::time;

/// A missing time.
pub(crate) const NO_TIME: i64 = i64::MIN;

/// Where a column stands, for messages.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    /// The file.
    pub(crate) path: &'a Path,
    /// The column.
    pub(crate) column: &'a str,
    /// Number of the batch's first row, from 1.
    pub(crate) first_row: u64,
    /// Offset of each row from it; empty where every row of the batch is taken.
    pub(crate) rows: &'a [u32],
}

impl Place<'_> {
    pub(crate) fn bad(&self, at: usize, found: impl Into<String>, expected: &str) -> Error {
        Error::BadValue {
            path: self.path.to_owned(),
            row: Some(self.first_row + self.rows.get(at).map_or(at as u64, |r| u64::from(*r))),
            column: self.column.to_owned(),
            found: found.into(),
            expected: expected.to_owned(),
        }
    }
}

/// A column as text: what is no text is written as a person would; `None` where missing.
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
            numbers.iter().map(|v| v.filter(|v| v.is_finite()).map(format_number)).collect()
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

/// A column as numbers: integers, floats and true/false as they are, text parsed; `None` where
/// missing.
///
/// # Errors
/// * [`Error::BadValue`]: a text that is neither a number nor true/false
pub(crate) fn numbers(column: &Column, place: Place<'_>) -> Result<Float64Chunked> {
    let series = column.as_materialized_series();
    if series.dtype().is_temporal() {
        return Err(place.bad(0, format!("type {}", series.dtype()), "a number"));
    }
    if series.dtype() != &DataType::String {
        let numbers = float(series)?;
        let nan =
            numbers.downcast_iter().any(|chunk| position(chunk.values(), |v| v.is_nan()).is_some());
        return Ok(if nan { numbers.apply(|v| v.filter(|v| !v.is_nan())) } else { numbers });
    }
    let mut out = Vec::with_capacity(series.len());
    for (at, value) in series.str().expect("dtype was checked").iter().enumerate() {
        out.push(match value.map(str::trim).filter(|v| !v.is_empty()) {
            None => None,
            Some(v) => {
                Some(number(v).or_else(|| truth(v)).ok_or_else(|| place.bad(at, v, "a number"))?)
            }
        });
    }
    Ok(Float64Chunked::from_iter_options(series.name().clone(), out.into_iter()))
}

/// A column as numbers, none of them infinite; NaN where missing.
///
/// # Errors
/// * [`Error::BadValue`]: a text that is no number, or a number that is not finite
pub(crate) fn finite(column: &Column, place: Place<'_>) -> Result<Vec<f64>> {
    let series = column.as_materialized_series();
    let numbers =
        if series.dtype() == &DataType::String { numbers(column, place)? } else { float(series)? };
    let numbers = values(&numbers, f64::NAN);
    position(&numbers, |v| v.is_infinite())
        .map_or(Ok(numbers), |at| Err(place.bad(at, "inf", "a finite number")))
}

/// The first value that is so; many at a time are looked at without a stop in between.
fn position<T>(values: &[T], is: impl Fn(&T) -> bool) -> Option<usize> {
    const PART: usize = 4_096;
    let (part, of) = values
        .chunks(PART)
        .enumerate()
        .find(|(_, part)| part.iter().fold(false, |any, value| any | is(value)))?;
    of.iter().position(is).map(|at| part * PART + at)
}

/// The values of a column; `missing` for null.
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
                        .filter(|(at, _)| valid >> at & 1 == 0)
                        .for_each(|(_, value)| *value = missing);
                }
            }
        }
    }
    out
}

/// A column of numbers in which NaN stands for null.
pub(crate) fn nullable(name: &str, values: Vec<f64>) -> Column {
    if position(&values, |value| value.is_nan()).is_none() {
        return Float64Chunked::from_vec(name.into(), values).into_column();
    }
    let known = bits(&values, |value| !value.is_nan());
    Float64Chunked::from_vec_validity(name.into(), values, Some(known)).into_column()
}

/// What a feature column is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A number; true/false are 1/0.
    Number,
    /// A category.
    Text,
}

/// A column as `Float64` or `String`, as asked, or as its values tell: numbers or true/false if
/// every value is one.
pub(crate) fn typed(column: &Column, kind: Option<Kind>, place: Place<'_>) -> Result<Column> {
    let is_text = column.dtype() == &DataType::String;
    let kind = kind.unwrap_or_else(|| match column.dtype() {
        DataType::String => told_by(column.str().expect("dtype was checked")),
        t if t.is_primitive_numeric() || t == &DataType::Boolean || t == &DataType::Null => {
            Kind::Number
        }
        _ => Kind::Text,
    });
    Ok(match kind {
        Kind::Number => numbers(column, place)?.with_name(column.name().clone()).into_column(),
        Kind::Text if is_text => column.clone(),
        Kind::Text => text(column)?.into_column(),
    })
}

fn told_by(texts: &StringChunked) -> Kind {
    let mut values = texts.iter().flatten().map(str::trim).filter(|v| !v.is_empty()).peekable();
    if values.peek().is_none() {
        return Kind::Number;
    }
    let values: Vec<&str> = values.collect();
    if values.iter().all(|v| number(v).is_some()) || values.iter().all(|v| truth(v).is_some()) {
        Kind::Number
    } else {
        Kind::Text
    }
}

/// A decimal number; neither `nan` nor `inf` is one.
pub(crate) fn number(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    plain.then(|| text.parse().ok()).flatten().filter(|x: &f64| x.is_finite())
}

/// `true` and `false` in the usual writings, as 1 and 0.
pub(crate) fn truth(text: &str) -> Option<f64> {
    match text {
        "true" | "True" | "TRUE" => Some(1.0),
        "false" | "False" | "FALSE" => Some(0.0),
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

    fn times(values: &[&str]) -> std::result::Result<Vec<i64>, String> {
        let column = Column::new("t".into(), values);
        let place = Place { path: Path::new("f.csv"), column: "t", first_row: 1, rows: &[] };
        let mut times = Times::default();
        times.push(&column, None, place).map_err(|e| e.to_string())?;
        times.finish().map_err(|(at, value)| format!("{at}: {value}"))
    }

    #[test]
    fn a_number_of_another_unit_is_no_time() {
        assert_eq!(times(&["1735689600", "0", "1735689601"]).unwrap().len(), 3);
        for (other, unit) in [
            ("1735689600000", "milliseconds"),
            ("253402214400", "milliseconds"),
            ("1735689600000000000", "nanoseconds"),
        ] {
            let told = times(&["1735689600", other, "1735689601"]).unwrap_err();
            assert_eq!(told, format!("0: 1735689600 among times in {unit}"));
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
    fn a_time_far_out_is_named_whatever_its_type() {
        let place = Place { path: Path::new("f.parquet"), column: "t", first_row: 1, rows: &[] };
        let micros = |t: i64| {
            Int64Chunked::from_vec("t".into(), vec![0, t])
                .into_datetime(TimeUnit::Microseconds, Some(TimeZone::UTC))
        };
        for (t, named) in
            [(253_402_214_400_000_000, "9999-12-31T00:00:00Z"), (i64::MAX, "9223372036854775807")]
        {
            let told = Times::default()
                .push(&micros(t).into_column(), None, place)
                .unwrap_err()
                .to_string();
            assert!(
                told.contains(&format!("row 2, column `t`: found `{named}`, expected a time between the years 1900 and 2262")),
                "{told}"
            );
        }
        let told = numbers(&micros(0).into_column(), place).unwrap_err().to_string();
        assert!(told.contains("expected a number"), "{told}");
    }

    #[test]
    fn what_is_missing_gives_way_to_the_value_for_it() {
        for n in [1, 63, 64, 65, 1_000] {
            let given: Vec<Option<f64>> =
                (0..n).map(|at| (at % 7 != 3).then(|| f64::from(at))).collect();
            let mut column = Float64Chunked::from_iter_options("x".into(), given.iter().copied());
            let expected =
                |from: usize| given[from..].iter().map(|v| v.unwrap_or(-1.0)).collect::<Vec<_>>();
            assert_eq!(values(&column, -1.0), expected(0), "{n}");
            assert_eq!(
                values(&column.slice(1, column.len()), -1.0),
                expected(1),
                "{n}, not from the first bit on"
            );
            column.append(&column.clone()).unwrap();
            assert_eq!(values(&column, -1.0), [expected(0), expected(0)].concat());
        }
    }

    #[test]
    fn the_size_of_a_number_tells_its_unit() {
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
    fn text_where_a_time_should_be_names_its_row() {
        let message = times(&["2025-01-01", "soon"]).unwrap_err();
        assert!(message.contains("row 2") && message.contains("`soon`"), "{message}");
    }

    #[test]
    fn a_text_column_is_a_number_only_if_every_value_is() {
        let place = Place { path: Path::new("f.csv"), column: "x", first_row: 1, rows: &[] };
        let kind = |values: &[&str]| {
            typed(&Column::new("x".into(), values), None, place).unwrap().dtype().clone()
        };
        assert_eq!(kind(&["1", " 2.5 ", "", " ", "-1e3"]), DataType::Float64);
        assert_eq!(kind(&["TRUE", "false"]), DataType::Float64);
        assert_eq!(kind(&["1", "NA"]), DataType::String);
        assert_eq!(kind(&["1", "nan"]), DataType::String);
        assert_eq!(kind(&["1", "true"]), DataType::String);
    }
}
