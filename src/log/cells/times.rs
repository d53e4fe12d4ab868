//! Columns as times: text in ISO 8601 or another format, epoch numbers, and native types.

use std::fmt::Display;
use std::ops::Range;
use std::path::PathBuf;

use polars::prelude::*;

use super::marks::{MarkCounts, NullMarks};
use super::{
    CellLocation, EXPECTED_YEARS, NO_TIME, float, parse_number, position, unreadable, values,
};
use crate::error::{Error, Result};
use crate::time::{self, DAY, LocalTimes, YEARS, Zone};
use crate::warning::Warning;

pub(super) fn native_times(series: &Series) -> Result<Vec<i64>> {
    let physical =
        series.to_physical_repr().cast(&DataType::Int64).map_err(|e| unreadable(series, e))?;
    let mut times = values(physical.i64().map_err(|e| unreadable(series, e))?, NO_TIME);
    let known = times.iter_mut().filter(|t| **t != NO_TIME);
    match series.dtype() {
        DataType::Date => known.for_each(|t| *t = t.checked_mul(DAY).unwrap_or(i64::MAX)),
        DataType::Datetime(TimeUnit::Milliseconds, _) => {
            known.for_each(|t| *t = t.checked_mul(1_000).unwrap_or(i64::MAX));
        }
        DataType::Datetime(TimeUnit::Nanoseconds, _) => {
            known.for_each(|t| *t = t.div_euclid(1_000));
        }
        _ => {}
    }
    Ok(times)
}

/// How the times of a column are written.
#[derive(Clone, Copy)]
pub(crate) struct TimeText<'a> {
    /// strftime format of texts; `None`: ISO 8601, dates in digits, or epoch times.
    pub(crate) format: Option<&'a str>,
    /// Texts that mean a missing value.
    pub(crate) null: &'a NullMarks,
}

/// The times of a column, collected batch by batch: the unit of numeric times can be inferred only
/// from the whole column.
#[derive(Default)]
pub(crate) struct TimeColumn {
    /// µs UTC, or raw numbers where `numbers` lists them; [`NO_TIME`] where missing.
    values: Vec<i64>,
    numbers: NumericTimes,
    /// Converts times without an offset.
    zone: LocalTimes,
    absent: AbsentTimes,
}

/// The values of a time column that are read as missing, apart from empty ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct AbsentTimes {
    /// Times that mean never.
    pub(crate) never: NeverTimes,
    /// Texts that mean a missing value.
    pub(crate) marks: MarkCounts,
}

impl AbsentTimes {
    /// Adds those of later batches.
    pub(crate) fn merge(&mut self, later: Self) {
        self.never.merge(later.never);
        self.marks.merge(later.marks);
    }
}

/// The times of a column that mean never.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NeverTimes {
    /// Number of them.
    pub(crate) count: u64,
    /// The first one, as written.
    pub(crate) example: String,
}

impl NeverTimes {
    fn add(&mut self, example: impl FnOnce() -> String) {
        if self.count == 0 {
            self.example = example();
        }
        self.count += 1;
    }

    /// Counts a time that means never; returns the missing time in its place.
    fn add_missing(&mut self, example: &dyn Display) -> i64 {
        self.add(|| example.to_string());
        NO_TIME
    }

    /// Adds those of later batches.
    pub(crate) fn merge(&mut self, later: Self) {
        if self.count == 0 {
            self.example = later.example;
        }
        self.count += later.count;
    }

    /// Returns the warning about a column with such times.
    pub(crate) fn warning(self, column: String) -> Option<Warning> {
        let Self { count: values, example } = self;
        (values > 0).then_some(Warning::TimesMeanNever { column, values, example })
    }
}

/// Returns whether a time means never: within a day of the first day of 1900 or 1970, which are the
/// zero of spreadsheets and of epoch times in any time zone, or outside of the supported years, as
/// 0001-01-01 and 9999-12-31.
fn means_never(t: i64) -> bool {
    const ZEROS: [i64; 2] = [-2_208_988_800 * time::SECOND, 0];
    // Spreadsheets count from 1899-12-30.
    !time::plausible(t) || ZEROS.iter().any(|zero| (zero - DAY..zero + 2 * DAY).contains(&t))
}

/// Returns whether a text of a time column means never.
pub(crate) fn text_means_never(text: &str) -> bool {
    let text = text.trim();
    match text.parse() {
        Ok(number) => number_means_never(number),
        Err(_) => time::parse_written(text).map_or_else(
            || date_means_never(text),
            |time| means_never(time.in_zone(Zone::default())),
        ),
    }
}

/// Returns whether a text that is no valid time is a date of a year that means never, such as
/// `0000-00-00`, `0001-01-01` or `31.12.9999`.
fn date_means_never(text: &str) -> bool {
    if text.bytes().any(|byte| byte.is_ascii_alphabetic() && !b"TtZzUuCc".contains(&byte)) {
        return false;
    }
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).filter(|n| !n.is_empty());
    let date = [numbers.next(), numbers.next(), numbers.next()].map(Option::unwrap_or_default);
    let year = match date.map(str::len) {
        [4, 1 | 2, 1 | 2] => date[0],
        [1 | 2, 1 | 2, 4] => date[2],
        _ => return false,
    };
    year.parse().is_ok_and(|year| !YEARS.contains(&year))
}

/// Returns whether a number may mean never: 0, a date of the year 9999, or an epoch time in it.
///
/// Some of these numbers are valid in another unit, such as milliseconds of September 2001.
fn number_means_never(number: i64) -> bool {
    /// The year 9999 in epoch seconds.
    const LAST: Range<i64> = 253_370_764_800..253_402_300_800;
    let is_date = |unit: i64| (9_999 * unit..10_000 * unit).contains(&number);
    number == 0
        || [10_000, 1_000_000, 100_000_000, 10_000_000_000].into_iter().any(is_date)
        || [1, 1_000, 1_000_000].iter().any(|n| (LAST.start * n..LAST.end * n).contains(&number))
}

/// The times of a column that are numbers without a known unit.
#[derive(Debug, Default)]
pub(crate) struct NumericTimes {
    /// The zone of dates; epoch times are UTC.
    zone: Zone,
    /// Index ranges of raw integers.
    integers: Vec<Range<usize>>,
    /// Indices and values of fractional numbers.
    fractions: Vec<(usize, f64)>,
}

/// Hint at the unit of the numbers of a column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UnitHint {
    largest: f64,
    dates: DateDigits,
}

/// Whether the numbers of a column are dates, such as `20250630`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DateDigits {
    /// There is no number.
    Unknown,
    /// All are dates of this many digits.
    All(u32),
    /// Some are no dates, or have another number of digits.
    Mixed,
}

impl DateDigits {
    fn merge(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unknown, digits) | (digits, Self::Unknown) => digits,
            (a, b) if a == b => a,
            _ => Self::Mixed,
        }
    }
}

impl Default for UnitHint {
    fn default() -> Self {
        Self { largest: 0.0, dates: DateDigits::Unknown }
    }
}

impl UnitHint {
    /// Combines two hints.
    pub(crate) fn merge(self, other: Self) -> Self {
        Self { largest: self.largest.max(other.largest), dates: self.dates.merge(other.dates) }
    }

    /// Infers the unit: dates where all numbers are dates of one number of digits (8, or 10, 12 and
    /// 14 with hours, minutes and seconds), otherwise epoch units by the largest number: s below
    /// 10^11 (year 5138), ms below 10^14, µs below 10^17, else ns.
    fn unit(self) -> EpochUnit {
        if let DateDigits::All(digits) = self.dates {
            return EpochUnit::Dates(digits);
        }
        match self.largest {
            x if x < 1e11 => EpochUnit::PerSecond(1),
            x if x < 1e14 => EpochUnit::PerSecond(1_000),
            x if x < 1e17 => EpochUnit::PerSecond(1_000_000),
            _ => EpochUnit::PerSecond(1_000_000_000),
        }
    }
}

impl NumericTimes {
    /// Returns whether the column has no numeric times.
    pub(crate) fn is_empty(&self) -> bool {
        self.integers.is_empty() && self.fractions.is_empty()
    }

    /// Returns the hint at the unit of the numbers.
    pub(crate) fn unit_hint(&self, values: &[i64]) -> UnitHint {
        // Numbers that mean never have any unit.
        let integers = || {
            let integers = self.integers.iter().flat_map(|range| &values[range.clone()]).copied();
            integers.filter(|number| *number != NO_TIME && !number_means_never(*number))
        };
        let fractions = self.fractions.iter().map(|(_, v)| v.abs());
        let digits =
            |number| time::calendar_digits(number).map_or(DateDigits::Mixed, DateDigits::All);
        let dates = if self.fractions.is_empty() {
            let mut dates = DateDigits::Unknown;
            for number in integers() {
                dates = dates.merge(digits(number));
                if dates == DateDigits::Mixed {
                    break;
                }
            }
            dates
        } else {
            DateDigits::Mixed
        };
        UnitHint {
            largest: integers()
                .map(|number| widen(number.saturating_abs()))
                .chain(fractions)
                .fold(0.0, f64::max),
            dates,
        }
    }

    /// Converts the numbers among `values` to µs UTC, and returns those that mean never, which are
    /// missing.
    ///
    /// # Errors
    /// The index and text of a number that is not a valid time.
    pub(crate) fn convert(
        &self,
        values: &mut [i64],
        unit_hint: UnitHint,
    ) -> std::result::Result<NeverTimes, (usize, String)> {
        let unit = unit_hint.unit();
        let mut never = NeverTimes::default();
        for index in self.integers.iter().flat_map(Clone::clone) {
            let number = values[index];
            if number != NO_TIME {
                let micros = unit
                    .integer_to_micros(number)
                    .map(|t| if unit.is_local() { self.zone.to_utc(t) } else { t });
                values[index] = unit
                    .check(micros, widen(number), number_means_never(number), &number)
                    .map_err(|problem| (index, problem))?
                    .unwrap_or_else(|| never.add_missing(&number));
            }
        }
        for (index, number) in &self.fractions {
            values[*index] = unit
                .check(unit.fraction_to_micros(*number), *number, false, number)
                .map_err(|problem| (*index, problem))?
                .unwrap_or_else(|| never.add_missing(number));
        }
        Ok(never)
    }
}

const EXPECTED_TIME: &str = "a time: ISO 8601, YYYYMMDD (also with HH, HHMM or HHMMSS), or epoch seconds, milliseconds, microseconds or nanoseconds";

impl TimeColumn {
    /// Creates an empty column whose times without an offset are local times of a zone.
    pub(crate) fn in_zone(zone: Zone) -> Self {
        let numbers = NumericTimes { zone, ..NumericTimes::default() };
        Self { zone: LocalTimes::new(zone), numbers, ..Self::default() }
    }

    /// Appends the times of a batch.
    ///
    /// # Errors
    /// * [`Error::BadValue`]: a text is not a time, or the column has another type
    pub(crate) fn push(
        &mut self,
        column: &Column,
        written: TimeText<'_>,
        location: CellLocation<'_>,
    ) -> Result<()> {
        use DataType as T;
        let series = column.as_materialized_series();
        match series.dtype() {
            T::Date | T::Datetime(..) => self.push_native(series),
            T::String => {
                self.push_text(series.str().expect("dtype was checked"), written, location)
            }
            t if t.is_float() || (t.is_integer() && written.null.has_numbers()) => {
                for value in float(series)?.iter() {
                    let mark = value.filter(|value| written.null.contains_number(*value));
                    mark.iter().for_each(|mark| self.absent.marks.add(&mark.to_string()));
                    self.push_number(value.filter(|v| !v.is_nan() && mark.is_none()));
                }
                Ok(())
            }
            t if t.is_integer() => {
                let integers = series.cast(&T::Int64).map_err(|e| unreadable(series, e))?;
                let start = self.values.len();
                let integers = integers.i64().expect("cast to it").iter();
                self.values.extend(integers.map(|v| v.unwrap_or(NO_TIME)));
                self.numbers.integers.push(start..self.values.len());
                Ok(())
            }
            T::Null => {
                self.values.resize(self.values.len() + series.len(), NO_TIME);
                Ok(())
            }
            other => Err(location.bad_value(0, format!("type {other}"), EXPECTED_TIME)),
        }
    }

    /// Appends dates or times of the type of the file.
    fn push_native(&mut self, series: &Series) -> Result<()> {
        let mut times = native_times(series)?;
        let is_never = |t: &i64| *t != NO_TIME && means_never(*t);
        if position(&times, is_never).is_some() {
            for t in times.iter_mut().filter(|t| is_never(t)) {
                // The largest number is no sentinel here, but a time.
                self.absent
                    .never
                    .add(|| time::Day::from_local((*t).min(time::NEVER - 1)).to_string());
                *t = NO_TIME;
            }
        }
        let is_local = matches!(series.dtype(), DataType::Date | DataType::Datetime(_, None));
        if is_local && !self.zone.is_utc() {
            let local = times.iter_mut().filter(|t| **t != NO_TIME);
            local.for_each(|t| *t = self.zone.utc(*t));
        }
        if self.values.is_empty() {
            self.values = times;
        } else {
            self.values.extend(times);
        }
        Ok(())
    }

    fn push_text(
        &mut self,
        texts: &StringChunked,
        written: TimeText<'_>,
        location: CellLocation<'_>,
    ) -> Result<()> {
        for (index, text) in texts.iter().enumerate() {
            let Some(text) = text.map(str::trim).filter(|t| !t.is_empty()) else {
                self.values.push(NO_TIME);
                continue;
            };
            if written.null.contains(text) {
                self.absent.marks.add(text);
                self.values.push(NO_TIME);
            } else if let Some(format) = written.format {
                let time = time::parse_with(text, format, self.zone.zone());
                let expected = || format!("a time in the format `{format}`");
                self.push_parsed(time, text, || location.bad_value(index, text, &expected()))?;
            } else if let Ok(integer) = text.parse::<i64>() {
                self.push_integer(integer);
            } else if let Some(value) = parse_number(text) {
                self.push_number(Some(value));
            } else {
                let time = time::parse_written(text).map(|time| time.to_utc(&mut self.zone));
                self.push_parsed(time, text, || location.bad_value(index, text, EXPECTED_TIME))?;
            }
        }
        Ok(())
    }

    /// Appends a time that was parsed from a text; `None`: it is not a valid time.
    fn push_parsed(
        &mut self,
        time: Option<i64>,
        text: &str,
        invalid: impl FnOnce() -> Error,
    ) -> Result<()> {
        let is_never = time.map_or_else(|| text_means_never(text), means_never);
        let value =
            if is_never { self.absent.never.add_missing(&text) } else { time.ok_or_else(invalid)? };
        self.values.push(value);
        Ok(())
    }

    #[expect(clippy::cast_possible_truncation, reason = "checked to be an integer below 2^53")]
    fn push_number(&mut self, value: Option<f64>) {
        /// Below this limit a float represents every integer exactly.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        match value {
            None => self.values.push(NO_TIME),
            Some(v) if v.fract() == 0.0 && v.abs() < EXACT => self.push_integer(v as i64),
            Some(v) => {
                self.numbers.fractions.push((self.values.len(), v));
                self.values.push(NO_TIME);
            }
        }
    }

    fn push_integer(&mut self, value: i64) {
        let index = self.values.len();
        self.values.push(value);
        match self.numbers.integers.last_mut() {
            Some(range) if range.end == index => range.end += 1,
            _ => self.numbers.integers.push(index..index + 1),
        }
    }

    /// Returns the times in µs UTC, [`NO_TIME`] where missing, and what was read as missing.
    ///
    /// # Errors
    /// The index and text of a number that is not a valid time.
    pub(crate) fn finish(self) -> std::result::Result<(Vec<i64>, AbsentTimes), (usize, String)> {
        let Self { mut values, numbers, mut absent, .. } = self;
        let unit_hint = numbers.unit_hint(&values);
        absent.never.merge(numbers.convert(&mut values, unit_hint)?);
        Ok((values, absent))
    }

    /// Returns the result of [`TimeColumn::finish`], with errors that name the row.
    ///
    /// # Arguments
    /// * `column` – name of the column
    /// * `place` – returns the file and the row of a value
    /// # Errors
    /// * [`Error::BadValue`]: a number is not a valid time
    pub(crate) fn finish_located(
        self,
        column: &str,
        place: impl Fn(usize) -> (PathBuf, u64),
    ) -> Result<(Vec<i64>, AbsentTimes)> {
        self.finish().map_err(|(index, found)| {
            let ((path, row), column) = (place(index), column.to_owned());
            let expected = EXPECTED_YEARS.to_owned();
            Error::BadValue { path, row: Some(row), column, found, expected }
        })
    }

    /// Returns the times, which of them are numbers whose unit is still unknown, and what was read
    /// as missing.
    pub(crate) fn into_parts(self) -> (Vec<i64>, NumericTimes, AbsentTimes) {
        (self.values, self.numbers, self.absent)
    }

    /// Appends missing times up to a length of `len`.
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
enum EpochUnit {
    /// Dates of this many digits.
    Dates(u32),
    /// Number of units in a second.
    PerSecond(i64),
}

impl EpochUnit {
    /// Returns whether the numbers are local times.
    fn is_local(self) -> bool {
        matches!(self, Self::Dates(_))
    }

    /// Returns the name of the unit.
    fn name(self) -> &'static str {
        match self {
            Self::Dates(_) => "dates",
            Self::PerSecond(1) => "seconds",
            Self::PerSecond(1_000) => "milliseconds",
            Self::PerSecond(1_000_000) => "microseconds",
            Self::PerSecond(_) => "nanoseconds",
        }
    }

    /// Returns the smallest valid number: 1973-03-03. A smaller number is a time in a coarser unit.
    fn min_value(self) -> f64 {
        match self {
            Self::Dates(_) => 0.0,
            Self::PerSecond(n) => 1e8 * widen(n),
        }
    }

    /// Checks the time of a number; `None`: it means never.
    ///
    /// # Arguments
    /// * `micros` – the time, µs UTC
    /// * `may_be_never` – whether the number means never if it is no valid time
    /// * `shown` – the number, for the problem
    fn check(
        self,
        micros: Option<i64>,
        number: f64,
        may_be_never: bool,
        shown: &dyn Display,
    ) -> std::result::Result<Option<i64>, String> {
        // A number in a coarser unit would silently become a time near 1970; 0 is the same in all
        // units.
        let has_other_unit = number != 0.0 && number.abs() < self.min_value();
        match micros.filter(|t| time::plausible(*t) && !has_other_unit) {
            Some(t) => Ok((!means_never(t)).then_some(t)),
            None if may_be_never => Ok(None),
            None if has_other_unit => Err(format!("{shown} among times in {}", self.name())),
            None => Err(shown.to_string()),
        }
    }

    fn integer_to_micros(self, value: i64) -> Option<i64> {
        match self {
            Self::Dates(digits) => time::from_calendar_digits(value, digits),
            Self::PerSecond(n) if n <= time::SECOND => value.checked_mul(time::SECOND / n),
            Self::PerSecond(n) => Some(value.div_euclid(n / time::SECOND)),
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float out of range saturates and is then no plausible time"
    )]
    fn fraction_to_micros(self, value: f64) -> Option<i64> {
        match self {
            Self::Dates(_) => None,
            Self::PerSecond(n) => Some((value * (widen(time::SECOND) / widen(n))).round() as i64),
        }
    }
}
