//! Columns as times: text in ISO 8601 or another format, epoch numbers, and native types.

use std::fmt::Display;
use std::ops::Range;

use polars::prelude::*;

use super::{
    CellLocation, EXPECTED_YEARS, NO_TIME, float, parse_number, position, unreadable, values,
};
use crate::error::{Error, Result};
use crate::time::{self, DAY, LocalTimes, YEARS, Zone};

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

/// The times of a column, collected batch by batch: the unit of numeric times can be inferred only
/// from the whole column.
#[derive(Default)]
pub(crate) struct TimeColumn {
    /// µs UTC, or raw numbers where `numbers` lists them; [`NO_TIME`] where missing.
    values: Vec<i64>,
    numbers: NumericTimes,
    /// Converts times without an offset.
    zone: LocalTimes,
    /// The times that mean never; `None`: these are ordinary times.
    never: Option<NeverTimes>,
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
}

/// Returns whether a time means never: within a day of the first day of 1900 or 1970, which are the
/// zero of spreadsheets and of epoch times in any time zone, or outside of the supported years, as
/// 0001-01-01 and 9999-12-31.
fn means_never(t: i64) -> bool {
    const ZEROS: [i64; 2] = [-2_208_988_800 * time::SECOND, 0];
    // Spreadsheets count from 1899-12-30.
    !time::plausible(t) || ZEROS.iter().any(|zero| (zero - DAY..zero + 2 * DAY).contains(&t))
}

/// Returns whether a text that is no valid time is a date of a year that means never, such as
/// `0000-00-00`, `0001-01-01` or `31.12.9999`.
fn is_never_text(text: &str) -> bool {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).filter(|n| !n.is_empty()).take(3);
    let is_year = |n: &str| n.len() == 4 && n.parse().is_ok_and(|year| !YEARS.contains(&year));
    !text.bytes().any(|byte| byte.is_ascii_alphabetic() && !b"TtZzUuCc".contains(&byte))
        && numbers.any(is_year)
}

/// Returns whether a number means never: 0, a date of the year 9999, or an epoch time in it.
fn is_never_number(number: i64) -> bool {
    /// The year 9999 in epoch seconds.
    const LAST: std::ops::Range<i64> = 253_370_764_800..253_402_300_800;
    let is_date = |digits: u32| number / 10_i64.pow(digits - 4) == 9_999;
    number == 0
        || [8, 10, 12, 14].into_iter().any(is_date)
        || [1, 1_000, 1_000_000].iter().any(|unit| LAST.contains(&(number / unit)))
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
        let integers =
            || self.integers.iter().flat_map(|r| &values[r.clone()]).filter(|t| **t != NO_TIME);
        let fractions = self.fractions.iter().map(|(_, v)| v.abs());
        let digits = |t: &i64| time::calendar_digits(*t).map_or(DateDigits::Mixed, DateDigits::All);
        let dates = if self.fractions.is_empty() {
            let mut dates = DateDigits::Unknown;
            for number in integers() {
                // 0 may mean never.
                dates = if *number == 0 { dates } else { dates.merge(digits(number)) };
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
                .map(|t| widen(t.saturating_abs()))
                .chain(fractions)
                .fold(0.0, f64::max),
            dates,
        }
    }

    /// Converts the numbers among `values` to µs UTC.
    ///
    /// # Errors
    /// The index and text of a number that is not a valid time.
    pub(crate) fn convert(
        &self,
        values: &mut [i64],
        unit_hint: UnitHint,
    ) -> std::result::Result<(), (usize, String)> {
        let unit = unit_hint.unit();
        let to_micros = |value: i64| match unit.integer_to_micros(value) {
            Some(local) if unit.is_local() => Some(self.zone.to_utc(local)),
            t => t,
        };
        // A number in a coarser unit would silently become a time near 1970; 0 is the same in all
        // units.
        let has_other_unit = |size: f64| size > 0.0 && size < unit.min_value();
        let unit_mismatch =
            |value: &dyn std::fmt::Display| format!("{value} among times in {}", unit.name());
        for index in self.integers.iter().flat_map(Clone::clone) {
            let value = values[index];
            if value != NO_TIME {
                if has_other_unit(widen(value.saturating_abs())) {
                    return Err((index, unit_mismatch(&value)));
                }
                values[index] = to_micros(value)
                    .filter(|t| time::plausible(*t))
                    .ok_or_else(|| (index, value.to_string()))?;
            }
        }
        for (index, value) in &self.fractions {
            if has_other_unit(value.abs()) {
                return Err((*index, unit_mismatch(value)));
            }
            values[*index] = unit
                .fraction_to_micros(*value)
                .filter(|t| time::plausible(*t))
                .ok_or_else(|| (*index, value.to_string()))?;
        }
        Ok(())
    }
}

const EXPECTED_TIME: &str = "a time: ISO 8601, YYYYMMDD (also with HH, HHMM or HHMMSS), or epoch seconds, milliseconds, microseconds or nanoseconds";

impl TimeColumn {
    /// Creates an empty column whose times without an offset are local times of a zone.
    pub(crate) fn in_zone(zone: Zone) -> Self {
        let numbers = NumericTimes { zone, ..NumericTimes::default() };
        Self { zone: LocalTimes::new(zone), numbers, ..Self::default() }
    }

    /// Creates an empty column of outcomes, in which some times mean never.
    pub(crate) fn for_outcomes(zone: Zone) -> Self {
        Self { never: Some(NeverTimes::default()), ..Self::in_zone(zone) }
    }

    /// Appends a time that means never as a missing one; returns whether it was.
    fn push_never(&mut self, means_never: impl FnOnce() -> bool, example: &dyn Display) -> bool {
        let Some(never) = self.never.as_mut().filter(|_| means_never()) else { return false };
        never.add(|| example.to_string());
        self.values.push(NO_TIME);
        true
    }

    /// Appends the times of a batch; `format` is a strftime format for text.
    pub(crate) fn push(
        &mut self,
        column: &Column,
        format: Option<&str>,
        location: CellLocation<'_>,
    ) -> Result<()> {
        use DataType as T;
        let series = column.as_materialized_series();
        match series.dtype() {
            T::Date | T::Datetime(..) => {
                let mut times = native_times(series)?;
                if let Some(never) = &mut self.never {
                    for t in times.iter_mut().filter(|t| **t != NO_TIME && means_never(**t)) {
                        never.add(|| time::iso_day(*t));
                        *t = NO_TIME;
                    }
                }
                let is_local = matches!(series.dtype(), T::Date | T::Datetime(_, None));
                if is_local && !self.zone.is_utc() {
                    let local = times.iter_mut().filter(|t| **t != NO_TIME && time::plausible(**t));
                    local.for_each(|t| *t = self.zone.utc(*t));
                }
                if let Some(index) = position(&times, |t| *t != NO_TIME && !time::plausible(*t)) {
                    // The largest number is no sentinel here, but a time.
                    let found = time::iso(times[index].min(time::NEVER - 1));
                    return Err(location.bad_value(index, found, EXPECTED_YEARS));
                }
                if self.values.is_empty() {
                    self.values = times;
                } else {
                    self.values.extend(times);
                }
                Ok(())
            }
            T::String => self.push_text(series.str().expect("dtype was checked"), format, location),
            t if t.is_float() => {
                for value in float(series)?.iter() {
                    self.push_number(value.filter(|v| !v.is_nan()));
                }
                Ok(())
            }
            t if t.is_integer() => {
                let integers = series.cast(&T::Int64).map_err(|e| unreadable(series, e))?;
                let start = self.values.len();
                let integers = integers.i64().expect("cast to it").iter();
                if self.never.is_some() {
                    integers.for_each(|v| match v {
                        Some(v) => self.push_integer(v),
                        None => self.values.push(NO_TIME),
                    });
                    return Ok(());
                }
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

    fn push_text(
        &mut self,
        texts: &StringChunked,
        format: Option<&str>,
        location: CellLocation<'_>,
    ) -> Result<()> {
        for (index, text) in texts.iter().enumerate() {
            let Some(text) = text.map(str::trim).filter(|t| !t.is_empty()) else {
                self.values.push(NO_TIME);
                continue;
            };
            if let Some(format) = format {
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
        if !self.push_never(|| time.map_or_else(|| is_never_text(text), means_never), &text) {
            self.values.push(time.ok_or_else(invalid)?);
        }
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
        if self.push_never(|| is_never_number(value), &value) {
            return;
        }
        let index = self.values.len();
        self.values.push(value);
        match self.numbers.integers.last_mut() {
            Some(range) if range.end == index => range.end += 1,
            _ => self.numbers.integers.push(index..index + 1),
        }
    }

    /// Returns the times in µs UTC, [`NO_TIME`] where missing.
    ///
    /// # Errors
    /// The index and text of a number that is not a valid time.
    pub(crate) fn finish(self) -> std::result::Result<Vec<i64>, (usize, String)> {
        let (mut values, numbers) = self.into_parts();
        let unit_hint = numbers.unit_hint(&values);
        numbers.convert(&mut values, unit_hint)?;
        Ok(values)
    }

    /// Returns the times as [`TimeColumn::finish`], and those that mean never, which are missing.
    ///
    /// # Errors
    /// Those of [`TimeColumn::finish`]
    pub(crate) fn finish_outcomes(
        mut self,
    ) -> std::result::Result<(Vec<i64>, NeverTimes), (usize, String)> {
        let mut never = self.never.take().unwrap_or_default();
        let mut values = self.finish()?;
        for t in values.iter_mut().filter(|t| **t != NO_TIME && means_never(**t)) {
            never.add(|| time::iso_day(*t));
            *t = NO_TIME;
        }
        Ok((values, never))
    }

    /// Returns the times, and which of them are numbers whose unit is still unknown.
    pub(crate) fn into_parts(self) -> (Vec<i64>, NumericTimes) {
        (self.values, self.numbers)
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
