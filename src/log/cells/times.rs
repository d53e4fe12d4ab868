//! Columns as times: text in ISO 8601 or another pattern, epoch numbers, native types.

use std::ops::Range;

use polars::prelude::*;

use super::{NO_TIME, Place, float, number, position, unreadable, values};
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

/// The times of a column, gathered batch by batch: a number tells its unit only once all have been
/// seen.
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

    /// 8 digits that are dates, else told by the size of the largest: epoch s to 10^11 (year 5138),
    /// ms to 10^14, µs to 10^17, ns.
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
        let whole =
            || self.whole.iter().flat_map(|r| &values[r.clone()]).filter(|t| **t != NO_TIME);
        let fractions = self.fractions.iter().map(|(_, v)| v.abs());
        let is_date =
            |t: &i64| (10_000_000..100_000_000).contains(t) && time::from_yyyymmdd(*t).is_some();
        Scale {
            largest: whole()
                .map(|t| widen(t.saturating_abs()))
                .chain(fractions)
                .fold(0.0, f64::max),
            dates: self.fractions.is_empty() && whole().all(is_date),
        }
    }

    /// Turn the numbers among `values` into µs UTC.
    ///
    /// # Errors
    /// The index and text of a number that cannot be a time.
    pub(crate) fn convert(
        &self,
        values: &mut [i64],
        scale: Scale,
    ) -> std::result::Result<(), (usize, String)> {
        let unit = scale.unit();
        // One of a smaller unit would be a time next to 1970, and wrong without a word; 0 is the
        // same in all.
        let of_another = |size: f64| size > 0.0 && size < unit.least();
        let unlike =
            |value: &dyn std::fmt::Display| format!("{value} among times in {}", unit.name());
        for at in self.whole.iter().flat_map(Clone::clone) {
            let value = values[at];
            if value != NO_TIME {
                if of_another(widen(value.saturating_abs())) {
                    return Err((at, unlike(&value)));
                }
                values[at] = unit
                    .whole(value)
                    .filter(|t| time::plausible(*t))
                    .ok_or_else(|| (at, value.to_string()))?;
            }
        }
        for (at, value) in &self.fractions {
            if of_another(value.abs()) {
                return Err((*at, unlike(value)));
            }
            values[*at] = unit
                .fraction(*value)
                .filter(|t| time::plausible(*t))
                .ok_or_else(|| (*at, value.to_string()))?;
        }
        Ok(())
    }
}

const EXPECTED_TIME: &str =
    "a time: ISO 8601, YYYYMMDD, or epoch seconds, milliseconds, microseconds or nanoseconds";

impl Times {
    /// Take the times of a batch; `format` is a strftime pattern for text.
    pub(crate) fn push(
        &mut self,
        column: &Column,
        format: Option<&str>,
        place: Place<'_>,
    ) -> Result<()> {
        use DataType as T;
        let series = column.as_materialized_series();
        match series.dtype() {
            T::Date | T::Datetime(..) => {
                let times = native_times(series)?;
                if let Some(at) = position(&times, |t| *t != NO_TIME && !time::plausible(*t)) {
                    return Err(place.bad(
                        at,
                        time::iso(times[at]),
                        "a time between the years 1900 and 2262",
                    ));
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
                let whole = series.cast(&T::Int64).map_err(|e| unreadable(series, e))?;
                let start = self.values.len();
                self.values
                    .extend(whole.i64().expect("cast to it").iter().map(|v| v.unwrap_or(NO_TIME)));
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

    fn push_text(
        &mut self,
        texts: &StringChunked,
        format: Option<&str>,
        place: Place<'_>,
    ) -> Result<()> {
        for (at, text) in texts.iter().enumerate() {
            let Some(text) = text.map(str::trim).filter(|t| !t.is_empty()) else {
                self.values.push(NO_TIME);
                continue;
            };
            if let Some(format) = format {
                let expected = || format!("a time written as `{format}`");
                self.values.push(
                    time::parse_with(text, format)
                        .ok_or_else(|| place.bad(at, text, &expected()))?,
                );
            } else if let Ok(whole) = text.parse::<i64>() {
                self.push_whole(whole);
            } else if let Some(value) = number(text) {
                self.push_number(Some(value));
            } else {
                self.values
                    .push(time::parse_iso(text).ok_or_else(|| place.bad(at, text, EXPECTED_TIME))?);
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

    /// The least number that is a time in it: 1973-03-03, from which on a time in the unit before
    /// is larger than any here.
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

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float out of range saturates and is then no plausible time"
    )]
    fn fraction(self, value: f64) -> Option<i64> {
        match self {
            Self::Dates => None,
            Self::PerSecond(n) => Some((value * (widen(time::SECOND) / widen(n))).round() as i64),
        }
    }
}
