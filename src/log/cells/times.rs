//! Columns as times: text in ISO 8601 or another format, epoch numbers, and native types.

use std::ops::Range;

use polars::prelude::*;

use super::{
    CellLocation, EXPECTED_YEARS, NO_TIME, float, parse_number, position, unreadable, values,
};
use crate::error::Result;
use crate::time::{self, DAY};

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
}

/// The times of a column that are numbers without a known unit.
#[derive(Debug, Default)]
pub(crate) struct NumericTimes {
    /// Index ranges of raw integers.
    integers: Vec<Range<usize>>,
    /// Indices and values of fractional numbers.
    fractions: Vec<(usize, f64)>,
}

/// Hint at the unit of the numbers of a column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UnitHint {
    largest: f64,
    /// Whether all numbers are dates of 8 digits.
    dates: bool,
}

impl Default for UnitHint {
    fn default() -> Self {
        Self { largest: 0.0, dates: true }
    }
}

impl UnitHint {
    /// Combines two hints.
    pub(crate) fn merge(self, other: Self) -> Self {
        Self { largest: self.largest.max(other.largest), dates: self.dates && other.dates }
    }

    /// Infers the unit: dates where all numbers are dates of 8 digits, otherwise epoch units by the
    /// largest number: s below 10^11 (year 5138), ms below 10^14, µs below 10^17, else ns.
    fn unit(self) -> EpochUnit {
        match self.largest {
            _ if self.dates => EpochUnit::Dates,
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
        let is_date =
            |t: &i64| (10_000_000..100_000_000).contains(t) && time::from_yyyymmdd(*t).is_some();
        UnitHint {
            largest: integers()
                .map(|t| widen(t.saturating_abs()))
                .chain(fractions)
                .fold(0.0, f64::max),
            dates: self.fractions.is_empty() && integers().all(is_date),
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
                values[index] = unit
                    .integer_to_micros(value)
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

const EXPECTED_TIME: &str =
    "a time: ISO 8601, YYYYMMDD, or epoch seconds, milliseconds, microseconds or nanoseconds";

impl TimeColumn {
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
                let times = native_times(series)?;
                if let Some(index) = position(&times, |t| *t != NO_TIME && !time::plausible(*t)) {
                    return Err(location.bad_value(index, time::iso(times[index]), EXPECTED_YEARS));
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
                self.values.extend(
                    integers.i64().expect("cast to it").iter().map(|v| v.unwrap_or(NO_TIME)),
                );
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
                let expected = || format!("a time in the format `{format}`");
                self.values.push(
                    time::parse_with(text, format)
                        .ok_or_else(|| location.bad_value(index, text, &expected()))?,
                );
            } else if let Ok(integer) = text.parse::<i64>() {
                self.push_integer(integer);
            } else if let Some(value) = parse_number(text) {
                self.push_number(Some(value));
            } else {
                self.values.push(
                    time::parse_iso(text)
                        .ok_or_else(|| location.bad_value(index, text, EXPECTED_TIME))?,
                );
            }
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
    Dates,
    /// Number of units in a second.
    PerSecond(i64),
}

impl EpochUnit {
    /// Returns the name of the unit.
    fn name(self) -> &'static str {
        match self {
            Self::Dates => "dates",
            Self::PerSecond(1) => "seconds",
            Self::PerSecond(1_000) => "milliseconds",
            Self::PerSecond(1_000_000) => "microseconds",
            Self::PerSecond(_) => "nanoseconds",
        }
    }

    /// Returns the smallest valid number: 1973-03-03. A smaller number is a time in a coarser unit.
    fn min_value(self) -> f64 {
        match self {
            Self::Dates => 0.0,
            Self::PerSecond(n) => 1e8 * widen(n),
        }
    }

    fn integer_to_micros(self, value: i64) -> Option<i64> {
        match self {
            Self::Dates => time::from_yyyymmdd(value),
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
            Self::Dates => None,
            Self::PerSecond(n) => Some((value * (widen(time::SECOND) / widen(n))).round() as i64),
        }
    }
}
