//! Numbers of text columns: their format, missing values, and conversion.

use polars::prelude::*;
use pql_stats::counts::share;

use super::format::NumberFormat;
use super::marks::{MarkCounts, NullMarks};
use super::{CellLocation, float, parse_bool, parse_number, position, values};
use crate::error::{Error, Result};

/// Reads a column of numbers batch by batch.
#[derive(Debug, Clone, Default)]
pub(crate) struct NumberReader {
    format: NumberFormat,
    /// Whether the format is known, from the training or from the whole column.
    is_known: bool,
    /// Whether a value has a decimal or thousands separator, so that the format matters for it.
    is_separated: bool,
    /// Number of values, also missing ones.
    cells: u64,
    marks: MarkCounts,
}

impl NumberReader {
    /// Creates a reader; without a format it is inferred from the values.
    pub(crate) fn new(format: Option<NumberFormat>) -> Self {
        Self { format: format.unwrap_or_default(), is_known: format.is_some(), ..Self::default() }
    }

    /// Returns a reader of a number of plain values without marks.
    pub(super) fn from_plain(cells: usize) -> Self {
        Self { cells: cells as u64, ..Self::default() }
    }

    /// Returns the format of the values so far.
    pub(crate) fn format(&self) -> NumberFormat {
        self.format
    }

    /// Returns the number of values so far, also missing ones.
    pub(crate) fn cells(&self) -> u64 {
        self.cells
    }

    /// Returns the counts of missing values by mark.
    pub(crate) fn marks(&self) -> &MarkCounts {
        &self.marks
    }

    /// Converts a batch to finite numbers; NaN where missing.
    ///
    /// # Errors
    /// * [`Error::BadValue`]: a value is not a finite number of the format of the column
    pub(crate) fn read_finite(
        &mut self,
        column: &Column,
        null: &NullMarks,
        location: CellLocation<'_>,
    ) -> Result<Vec<f64>> {
        let numbers = self.read(column, null, location)?;
        position(&numbers, |v| v.is_infinite())
            .map_or(Ok(numbers), |index| Err(location.bad_value(index, "inf", "a finite number")))
    }

    /// Converts a batch to numbers, true/false to 1/0; NaN where missing.
    ///
    /// # Errors
    /// * [`Error::BadValue`]: a value is not a number of the format of the column
    pub(crate) fn read(
        &mut self,
        column: &Column,
        null: &NullMarks,
        location: CellLocation<'_>,
    ) -> Result<Vec<f64>> {
        let series = column.as_materialized_series();
        self.cells += series.len() as u64;
        if series.dtype().is_temporal() {
            return Err(location.bad_value(0, format!("type {}", series.dtype()), "a number"));
        }
        let Ok(texts) = series.str() else {
            let mut numbers = values(&float(series)?, f64::NAN);
            if null.has_numbers() {
                for number in &mut numbers {
                    if null.contains_number(*number) {
                        self.marks.add(&number.to_string());
                        *number = f64::NAN;
                    }
                }
            }
            return Ok(numbers);
        };
        match self.parse(texts, null, self.format) {
            Ok(numbers) => Ok(numbers),
            Err(odd) => {
                let other = self.other_format(texts, null);
                match other.map(|format| (format, self.parse(texts, null, format))) {
                    Some((format, Ok(numbers))) => {
                        self.format = format;
                        Ok(numbers)
                    }
                    _ => Err(self.bad_value(texts, null, odd, location)),
                }
            }
        }
    }

    /// Parses all values in one format, or returns the index of the first that does not fit.
    fn parse(
        &mut self,
        texts: &StringChunked,
        null: &NullMarks,
        format: NumberFormat,
    ) -> std::result::Result<Vec<f64>, usize> {
        let mut numbers = Vec::with_capacity(texts.len());
        let mut marks = MarkCounts::default();
        let mut is_separated = self.is_separated;
        for (index, text) in texts.iter().enumerate() {
            let Some(text) = text else {
                numbers.push(f64::NAN);
                continue;
            };
            let value = text.trim();
            let number = format.parse(value).filter(|x| !null.contains_number(*x));
            numbers.push(match number.or_else(|| parse_bool(value)) {
                Some(number) => {
                    is_separated = is_separated || value.contains(['.', ',']);
                    number
                }
                None if value.is_empty() || null.contains(value) => {
                    if !text.is_empty() {
                        marks.add(value);
                    }
                    f64::NAN
                }
                None => return Err(index),
            });
        }
        self.is_separated = is_separated;
        self.marks.merge(marks);
        Ok(numbers)
    }

    /// Returns another format that fits all values of a batch and those before it.
    fn other_format(&self, texts: &StringChunked, null: &NullMarks) -> Option<NumberFormat> {
        if self.is_known {
            return None;
        }
        let fits = |format: NumberFormat| {
            // Numbers with decimal points are read alike in the first two formats.
            let is_compatible = format != NumberFormat::DecimalComma || !self.is_separated;
            is_compatible && present(texts, null).all(|(_, value)| format.parse(value).is_some())
        };
        let later = NumberFormat::ALL.iter().skip_while(|format| **format != self.format).skip(1);
        later.copied().find(|format| fits(*format))
    }

    /// Returns the error for a batch that does not fit: about its first value that is no number in
    /// any format, or else the first one of another format.
    fn bad_value(
        &self,
        texts: &StringChunked,
        null: &NullMarks,
        odd: usize,
        location: CellLocation<'_>,
    ) -> Error {
        let is_number = |value: &str| {
            NumberFormat::ALL.iter().any(|format| format.parse(value).is_some())
                || parse_bool(value).is_some()
        };
        let other = present(texts, null).find(|(_, value)| !is_number(value));
        let (index, found) =
            other.or_else(|| texts.get(odd).map(|text| (odd, text.trim()))).unwrap_or((odd, ""));
        let format = if other.is_some() {
            String::new()
        } else {
            let source = if self.is_known { "in the training data" } else { "in other rows" };
            format!(" such as {}, as {source}", self.format.example())
        };
        location.bad_value(index, found, &format!("a number{format}"))
    }
}

/// Iterates over the values that are not missing, with their indices.
fn present<'t>(
    texts: &'t StringChunked,
    null: &'t NullMarks,
) -> impl Iterator<Item = (usize, &'t str)> {
    texts
        .iter()
        .enumerate()
        .filter_map(|(index, text)| Some((index, text?.trim())))
        .filter(|(_, value)| !value.is_empty() && !null.contains(value))
}

/// Share of numbers above which the other values are probably errors or marks.
const NEARLY: f64 = 0.8;

/// What the values of a text column look like.
pub(crate) enum TextColumnKind {
    /// Numbers of this format, or true/false.
    Numbers(NumberFormat),
    /// Numbers apart from a few values.
    NearlyNumbers {
        /// Values that are numbers of one format.
        numbers: u64,
        /// All values that are not missing.
        values: u64,
        /// Index and text of the first other value.
        odd: (usize, String),
    },
    /// Numbers with a unit, such as `12%`.
    NumbersWithUnit {
        /// Index and text of the first one.
        first: (usize, String),
    },
    /// Texts.
    Texts,
}

/// Infers the kind of a text column.
///
/// It is numeric if all values that are not missing are numbers of one format, or all are
/// true/false. Whole numbers with leading zeros, such as postal codes, are texts.
pub(crate) fn infer_kind(texts: &StringChunked, null: &NullMarks) -> TextColumnKind {
    let (mut values, mut flags) = (0_u64, 0_u64);
    let mut numbers = [0_u64; NumberFormat::ALL.len()];
    let mut odd = [None; NumberFormat::ALL.len()];
    for (index, value) in present(texts, null) {
        values += 1;
        if is_code(value) {
            return TextColumnKind::Texts;
        }
        flags += u64::from(parse_bool(value).is_some());
        for (which, format) in NumberFormat::ALL.into_iter().enumerate() {
            if format.parse(value).is_some() {
                numbers[which] += 1;
            } else if odd[which].is_none() {
                odd[which] = Some((index, value));
            }
        }
    }
    if let Some(which) = numbers.iter().position(|count| *count == values) {
        return TextColumnKind::Numbers(NumberFormat::ALL[which]);
    }
    if flags == values {
        return TextColumnKind::Numbers(NumberFormat::Plain);
    }
    let best = (0..numbers.len()).rev().max_by_key(|which| numbers[*which]).unwrap_or(0);
    match odd[best] {
        Some((index, value)) if share(numbers[best], values) >= NEARLY => {
            TextColumnKind::NearlyNumbers {
                numbers: numbers[best],
                values,
                odd: (index, value.to_owned()),
            }
        }
        _ => infer_unit(texts, null),
    }
}

/// Returns whether most values of a column are numbers with a unit.
fn infer_unit(texts: &StringChunked, null: &NullMarks) -> TextColumnKind {
    let (mut numbers, mut values, mut first) = (0_u64, 0_u64, None);
    for (index, value) in present(texts, null) {
        values += 1;
        if has_unit(value) {
            numbers += 1;
            first = first.or(Some((index, value)));
        }
    }
    match first {
        Some((index, value)) if share(numbers, values) >= NEARLY => {
            TextColumnKind::NumbersWithUnit { first: (index, value.to_owned()) }
        }
        _ => TextColumnKind::Texts,
    }
}

/// Returns whether a text is a number with a percent sign or a currency.
fn has_unit(text: &str) -> bool {
    const UNITS: [&str; 9] = ["%", "$", "€", "£", "¥", "₹", "USD", "EUR", "GBP"];
    let number = UNITS.iter().find_map(|unit| {
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        unsigned.strip_prefix(unit).or_else(|| text.strip_suffix(unit))
    });
    number.is_some_and(|number| {
        NumberFormat::ALL.iter().any(|format| format.parse(number.trim()).is_some())
    })
}

/// Returns whether a text is a whole number with leading zeros.
fn is_code(text: &str) -> bool {
    matches!(text.as_bytes(), [b'0', b'0'..=b'9', ..]) && text.bytes().all(|b| b.is_ascii_digit())
}

/// Parses a column of plain numbers without marks and leading zeros, the most frequent one, in one
/// pass; `None` for any other.
pub(super) fn plain_numbers(texts: &StringChunked, null: &NullMarks) -> Option<Vec<f64>> {
    if null.has_numbers() {
        return None;
    }
    let mut numbers = Vec::with_capacity(texts.len());
    for text in texts.iter() {
        numbers.push(match text {
            None => f64::NAN,
            Some(text) if matches!(text.as_bytes(), [b'0', b'0'..=b'9', ..]) => return None,
            Some(text) => parse_number(text)?,
        });
    }
    Some(numbers)
}
