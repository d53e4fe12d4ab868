//! Columns of any type as names, times and numbers, with the row in every error.

use std::ops::Range;
use std::path::Path;

use polars::prelude::*;

use crate::error::{Error, Result};
use crate::output::{bits, format_number};
use crate::time::{self, DAY};

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
        T::Boolean => series.bool().expect("dtype was checked").iter().map(|v| v.map(|v| v.to_string())).collect(),
        T::Float32 | T::Float64 => {
            let numbers = float(series)?;
            numbers.iter().map(|v| v.filter(|v| v.is_finite()).map(format_number)).collect()
        }
        T::Date | T::Datetime(..) => {
            let times = native_times(series)?;
            times.iter().map(|t| (*t != NO_TIME).then(|| time::iso(*t))).collect()
        }
        _ => series.cast(&T::String).and_then(|s| s.str().cloned()).map_err(|e| unreadable(series, &e))?,
    };
    Ok(text.with_name(series.name().clone()))
}

/// A column as numbers: integers, floats and true/false as they are, text parsed; `None` where missing.
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
        let nan = numbers.downcast_iter().any(|chunk| position(chunk.values(), |v| v.is_nan()).is_some());
        return Ok(if nan { numbers.apply(|v| v.filter(|v| !v.is_nan())) } else { numbers });
    }
    let mut out = Vec::with_capacity(series.len());
    for (at, value) in series.str().expect("dtype was checked").iter().enumerate() {
        out.push(match value.map(str::trim).filter(|v| !v.is_empty()) {
            None => None,
            Some(v) => Some(number(v).or_else(|| truth(v)).ok_or_else(|| place.bad(at, v, "a number"))?),
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
    let numbers = if series.dtype() == &DataType::String { numbers(column, place)? } else { float(series)? };
    let numbers = values(&numbers, f64::NAN);
    position(&numbers, |v| v.is_infinite()).map_or(Ok(numbers), |at| Err(place.bad(at, "inf", "a finite number")))
}

/// The first value that is so; many at a time are looked at without a stop in between.
fn position<T>(values: &[T], is: impl Fn(&T) -> bool) -> Option<usize> {
    const PART: usize = 4_096;
    let (part, of) = values.chunks(PART).enumerate().find(|(_, part)| part.iter().fold(false, |any, value| any | is(value)))?;
    of.iter().position(is).map(|at| part * PART + at)
}

/// The values of a column; `missing` for null.
pub(crate) fn values<T: PolarsNumericType>(column: &ChunkedArray<T>, missing: T::Native) -> Vec<T::Native> {
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
                    values.iter_mut().enumerate().filter(|(at, _)| valid >> at & 1 == 0).for_each(|(_, value)| *value = missing);
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

/// A column as `Float64` or `String`, as asked, or as its values tell: numbers or true/false if every value is one.
pub(crate) fn typed(column: &Column, kind: Option<Kind>, place: Place<'_>) -> Result<Column> {
    let is_text = column.dtype() == &DataType::String;
    let kind = kind.unwrap_or_else(|| match column.dtype() {
        DataType::String => told_by(column.str().expect("dtype was checked")),
        t if t.is_primitive_numeric() || t == &DataType::Boolean || t == &DataType::Null => Kind::Number,
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
    if values.iter().all(|v| number(v).is_some()) || values.iter().all(|v| truth(v).is_some()) { Kind::Number } else { Kind::Text }
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
    series.cast(&DataType::Float64).and_then(|s| s.f64().cloned()).map_err(|e| unreadable(series, &e))
}

fn unreadable(series: &Series, error: &PolarsError) -> Error {
    Error::Unsuitable {
        problem: format!("column `{}` is of type {}, which cannot be read here: {error}", series.name(), series.dtype()),
        hint: None,
    }
}

fn native_times(series: &Series) -> Result<Vec<i64>> {
    let physical = series.to_physical_repr().cast(&DataType::Int64).map_err(|e| unreadable(series, &e))?;
    let mut times = values(physical.i64().map_err(|e| unreadable(series, &e))?, NO_TIME);
    let known = times.iter_mut().filter(|t| **t != NO_TIME);
    match series.dtype() {
        DataType::Date => known.for_each(|t| *t = t.checked_mul(DAY).unwrap_or(i64::MAX)),
        DataType::Datetime(TimeUnit::Milliseconds, _) => known.for_each(|t| *t = t.checked_mul(1_000).unwrap_or(i64::MAX)),
        DataType::Datetime(TimeUnit::Nanoseconds, _) => known.for_each(|t| *t = t.div_euclid(1_000)),
        _ => {}
    }
    Ok(times)
}

/// The times of a column, gathered batch by batch: a number tells its unit only once all have been seen.
#[derive(Default)]
pub(crate) struct Times {
    /// µs, or what `numbers` says; [`NO_TIME`] where missing.
    values: Vec<i64>,
    numbers: Numbers,
}

/// Which times are numbers whose unit is not known yet.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    /// Ranges of the times that hold raw integers.
    whole: Vec<Range<usize>>,
    /// All fractional numbers.
    fractions: Vec<(usize, f64)>,
}

/// What numbers tell of their unit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    largest: f64,
    /// Whether all of them are dates of 8 digits.
    dates: bool,
}

impl Default for Scale {
    fn default() -> Self {
        Self { largest: 0.0, dates: true }
    }
}

impl Scale {
    /// What these numbers and those of `other` tell together.
    pub(crate) fn with(self, other: Self) -> Self {
        Self { largest: self.largest.max(other.largest), dates: self.dates && other.dates }
    }

    /// 8 digits that are dates, else told by the size of the largest: epoch s to 10^11 (year 5138), ms to 10^14, µs to 10^17, ns.
    fn unit(self) -> Unit {
        match self.largest {
            _ if self.dates => Unit::Dates,
            x if x < 1e11 => Unit::PerSecond(1),
            x if x < 1e14 => Unit::PerSecond(1_000),
            x if x < 1e17 => Unit::PerSecond(1_000_000),
            _ => Unit::PerSecond(1_000_000_000),
        }
    }
}

impl Numbers {
    /// Whether every time is known.
    pub(crate) fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.fractions.is_empty()
    }

    /// What they tell of their unit.
    pub(crate) fn scale(&self, values: &[i64]) -> Scale {
        let whole = || self.whole.iter().flat_map(|r| &values[r.clone()]).filter(|t| **t != NO_TIME);
        let fractions = self.fractions.iter().map(|(_, v)| v.abs());
        let is_date = |t: &i64| (10_000_000..100_000_000).contains(t) && time::from_yyyymmdd(*t).is_some();
        Scale {
            largest: whole().map(|t| widen(t.saturating_abs())).chain(fractions).fold(0.0, f64::max),
            dates: self.fractions.is_empty() && whole().all(is_date),
        }
    }

    /// Turn the numbers among `values` into µs UTC.
    ///
    /// # Errors
    /// The index and text of a number that cannot be a time.
    pub(crate) fn convert(&self, values: &mut [i64], scale: Scale) -> std::result::Result<(), (usize, String)> {
        let unit = scale.unit();
        // One of a smaller unit would be a time next to 1970, and wrong without a word; 0 is the same in all.
        let of_another = |size: f64| size > 0.0 && size < unit.least();
        let unlike = |value: &dyn std::fmt::Display| format!("{value} among times in {}", unit.name());
        for at in self.whole.iter().flat_map(Clone::clone) {
            let value = values[at];
            if value != NO_TIME {
                if of_another(widen(value.saturating_abs())) {
                    return Err((at, unlike(&value)));
                }
                values[at] = unit.whole(value).filter(|t| time::plausible(*t)).ok_or_else(|| (at, value.to_string()))?;
            }
        }
        for (at, value) in &self.fractions {
            if of_another(value.abs()) {
                return Err((*at, unlike(value)));
            }
            values[*at] = unit.fraction(*value).filter(|t| time::plausible(*t)).ok_or_else(|| (*at, value.to_string()))?;
        }
        Ok(())
    }
}

const EXPECTED_TIME: &str = "a time: ISO 8601, YYYYMMDD, or epoch seconds, milliseconds, microseconds or nanoseconds";

impl Times {
    /// Take the times of a batch; `format` is a strftime pattern for text.
    pub(crate) fn push(&mut self, column: &Column, format: Option<&str>, place: Place<'_>) -> Result<()> {
        use DataType as T;
        let series = column.as_materialized_series();
        match series.dtype() {
            T::Date | T::Datetime(..) => {
                let times = native_times(series)?;
                if let Some(at) = position(&times, |t| *t != NO_TIME && !time::plausible(*t)) {
                    return Err(place.bad(at, time::iso(times[at]), "a time between the years 1900 and 2262"));
                }
                if self.values.is_empty() {
                    self.values = times;
                } else {
                    self.values.extend(times);
                }
                Ok(())
            }
            T::String => self.push_text(series.str().expect("dtype was checked"), format, place),
            t if t.is_float() => {
                for value in float(series)?.iter() {
                    self.push_number(value.filter(|v| !v.is_nan()));
                }
                Ok(())
            }
            t if t.is_integer() => {
                let whole = series.cast(&T::Int64).map_err(|e| unreadable(series, &e))?;
                let start = self.values.len();
                self.values.extend(whole.i64().expect("cast to it").iter().map(|v| v.unwrap_or(NO_TIME)));
                self.numbers.whole.push(start..self.values.len());
                Ok(())
            }
            T::Null => {
                self.values.resize(self.values.len() + series.len(), NO_TIME);
                Ok(())
            }
            other => Err(place.bad(0, format!("type {other}"), EXPECTED_TIME)),
        }
    }

    fn push_text(&mut self, texts: &StringChunked, format: Option<&str>, place: Place<'_>) -> Result<()> {
        for (at, text) in texts.iter().enumerate() {
            let Some(text) = text.map(str::trim).filter(|t| !t.is_empty()) else {
                self.values.push(NO_TIME);
                continue;
            };
            if let Some(format) = format {
                let expected = || format!("a time written as `{format}`");
                self.values.push(time::parse_with(text, format).ok_or_else(|| place.bad(at, text, &expected()))?);
            } else if let Ok(whole) = text.parse::<i64>() {
                self.push_whole(whole);
            } else if let Some(value) = number(text) {
                self.push_number(Some(value));
            } else {
                self.values.push(time::parse_iso(text).ok_or_else(|| place.bad(at, text, EXPECTED_TIME))?);
            }
        }
        Ok(())
    }

    #[expect(clippy::cast_possible_truncation, reason = "checked to be a whole number within 2^53")]
    fn push_number(&mut self, value: Option<f64>) {
        /// Up to here a float holds every whole number.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        match value {
            None => self.values.push(NO_TIME),
            Some(v) if v.fract() == 0.0 && v.abs() < EXACT => self.push_whole(v as i64),
            Some(v) => {
                self.numbers.fractions.push((self.values.len(), v));
                self.values.push(NO_TIME);
            }
        }
    }

    fn push_whole(&mut self, value: i64) {
        let at = self.values.len();
        self.values.push(value);
        match self.numbers.whole.last_mut() {
            Some(range) if range.end == at => range.end += 1,
            _ => self.numbers.whole.push(at..at + 1),
        }
    }

    /// The times in µs UTC, [`NO_TIME`] where missing.
    ///
    /// # Errors
    /// The index and text of a number that cannot be a time.
    pub(crate) fn finish(self) -> std::result::Result<Vec<i64>, (usize, String)> {
        let (mut values, numbers) = self.parts();
        let scale = numbers.scale(&values);
        numbers.convert(&mut values, scale)?;
        Ok(values)
    }

    /// The times, and which of them are numbers whose unit others may tell.
    pub(crate) fn parts(self) -> (Vec<i64>, Numbers) {
        (self.values, self.numbers)
    }

    /// Fill up to `len` with missing times.
    pub(crate) fn pad(&mut self, len: usize) {
        self.values.resize(len.max(self.values.len()), NO_TIME);
    }
}

#[expect(clippy::cast_precision_loss, reason = "only the size matters")]
fn widen(value: i64) -> f64 {
    value as f64
}

/// The unit of numeric times.
#[derive(Clone, Copy)]
enum Unit {
    Dates,
    /// Units in a second.
    PerSecond(i64),
}

impl Unit {
    /// What it is called.
    fn name(self) -> &'static str {
        match self {
            Self::Dates => "dates",
            Self::PerSecond(1) => "seconds",
            Self::PerSecond(1_000) => "milliseconds",
            Self::PerSecond(1_000_000) => "microseconds",
            Self::PerSecond(_) => "nanoseconds",
        }
    }

    /// The least number that is a time in it: 1973-03-03, from which on a time in the unit before is larger than any here.
    fn least(self) -> f64 {
        match self {
            Self::Dates => 0.0,
            Self::PerSecond(n) => 1e8 * widen(n),
        }
    }

    fn whole(self, value: i64) -> Option<i64> {
        match self {
            Self::Dates => time::from_yyyymmdd(value),
            Self::PerSecond(n) if n <= time::SECOND => value.checked_mul(time::SECOND / n),
            Self::PerSecond(n) => Some(value.div_euclid(n / time::SECOND)),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "a float out of range saturates and is then no plausible time")]
    fn fraction(self, value: f64) -> Option<i64> {
        match self {
            Self::Dates => None,
            Self::PerSecond(n) => Some((value * (widen(time::SECOND) / widen(n))).round() as i64),
        }
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
        for (other, unit) in [("1735689600000", "milliseconds"), ("253402214400", "milliseconds"), ("1735689600000000000", "nanoseconds")] {
            let told = times(&["1735689600", other, "1735689601"]).unwrap_err();
            assert_eq!(told, format!("0: 1735689600 among times in {unit}"));
        }
        assert_eq!(times(&["1735689600", "20250630"]).unwrap_err(), "1: 20250630 among times in seconds");
        assert_eq!(times(&["1735689600000.5", "1735689600"]).unwrap_err(), "1: 1735689600 among times in milliseconds");
    }

    #[test]
    fn a_time_far_out_is_named_whatever_its_type() {
        let place = Place { path: Path::new("f.parquet"), column: "t", first_row: 1, rows: &[] };
        let micros = |t: i64| Int64Chunked::from_vec("t".into(), vec![0, t]).into_datetime(TimeUnit::Microseconds, Some(TimeZone::UTC));
        for (t, named) in [(253_402_214_400_000_000, "9999-12-31T00:00:00Z"), (i64::MAX, "9223372036854775807")] {
            let told = Times::default().push(&micros(t).into_column(), None, place).unwrap_err().to_string();
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
            let given: Vec<Option<f64>> = (0..n).map(|at| (at % 7 != 3).then(|| f64::from(at))).collect();
            let mut column = Float64Chunked::from_iter_options("x".into(), given.iter().copied());
            let expected = |from: usize| given[from..].iter().map(|v| v.unwrap_or(-1.0)).collect::<Vec<_>>();
            assert_eq!(values(&column, -1.0), expected(0), "{n}");
            assert_eq!(values(&column.slice(1, column.len()), -1.0), expected(1), "{n}, not from the first bit on");
            column.append(&column.clone()).unwrap();
            assert_eq!(values(&column, -1.0), [expected(0), expected(0)].concat());
        }
    }

    #[test]
    fn the_size_of_a_number_tells_its_unit() {
        let t = 1_541_105_830_796_000;
        for text in ["1541105830.796", "1541105830796", "1541105830796.0", "1541105830796000", "1541105830796000000"] {
            assert_eq!(times(&[text]), Ok(vec![t]), "{text}");
        }
        assert_eq!(times(&["19970101", ""]), Ok(vec![852_076_800_000_000, NO_TIME]));
        assert_eq!(times(&["19970101", "1541105830"]).unwrap_err(), "0: 19970101 among times in seconds");
    }

    #[test]
    fn text_where_a_time_should_be_names_its_row() {
        let message = times(&["2025-01-01", "soon"]).unwrap_err();
        assert!(message.contains("row 2") && message.contains("`soon`"), "{message}");
    }

    #[test]
    fn a_text_column_is_a_number_only_if_every_value_is() {
        let place = Place { path: Path::new("f.csv"), column: "x", first_row: 1, rows: &[] };
        let kind = |values: &[&str]| typed(&Column::new("x".into(), values), None, place).unwrap().dtype().clone();
        assert_eq!(kind(&["1", " 2.5 ", "", " ", "-1e3"]), DataType::Float64);
        assert_eq!(kind(&["TRUE", "false"]), DataType::Float64);
        assert_eq!(kind(&["1", "NA"]), DataType::String);
        assert_eq!(kind(&["1", "nan"]), DataType::String);
        assert_eq!(kind(&["1", "true"]), DataType::String);
    }
}
