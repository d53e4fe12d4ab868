//! Columns of a feature matrix that are not features unless the project file names them: row
//! numbers, times and identifiers.

use std::collections::HashSet;

use polars::prelude::*;
use rayon::prelude::*;

use crate::config::DesignConfig;
use crate::dataset::columns::{number_column, text_column};
use crate::error::Result;
use crate::warning::{DroppedFeature, FeatureDrop};

/// Minimum number of rows that are counted, so that a few small counts are no row numbers.
const MIN_COUNTED_ROWS: usize = 10;

/// Minimum number of different values of an identifier.
const MIN_DISTINCT: usize = 20;

/// Last words of the names of identifiers.
const ID_WORDS: [&str; 7] = ["id", "uuid", "guid", "key", "number", "no", "nr"];

/// Last words of the names of times.
const TIME_WORDS: [&str; 9] =
    ["at", "date", "datetime", "day", "epoch", "on", "time", "timestamp", "ts"];

/// Names of row numbers, apart from those that pandas writes.
const ROW_NAMES: [&str; 8] =
    ["index", "level_0", "row", "row_id", "row_number", "rowid", "rownum", "rownumber"];

/// Finds the columns that are not features unless `[design]` names them.
///
/// # Arguments
/// * `features` – `Float64` or `String` columns
/// * `accounts` – number of accounts
pub(super) fn find_unasked(
    features: &DataFrame,
    accounts: usize,
    config: &DesignConfig,
) -> Result<Vec<DroppedFeature>> {
    let is_asked = |name: &str| {
        config.include.iter().chain(&config.categorical).any(|asked| asked == name)
            || config.reference_levels.contains_key(name)
    };
    let find = |column: &Column| {
        let name = column.name().as_str();
        let reason = if is_asked(name) { None } else { reason(column, accounts)? };
        Ok(reason.map(|reason| DroppedFeature::new(name, reason)))
    };
    let found: Vec<Option<DroppedFeature>> =
        features.columns().par_iter().map(find).collect::<Result<_>>()?;
    Ok(found.into_iter().flatten().collect())
}

/// Returns why a column is no feature; `None` if it is one.
fn reason(column: &Column, accounts: usize) -> Result<Option<FeatureDrop>> {
    let name = column.name().as_str();
    if is_index_name(name) {
        return Ok(Some(FeatureDrop::RowNumber));
    }
    if column.dtype() == &DataType::String {
        let texts = text_column(column, None)?;
        let mut values = texts.iter().flatten().filter(|text| !text.is_empty()).peekable();
        if values.peek().is_some() && values.all(is_time) {
            return Ok(Some(FeatureDrop::Time));
        }
        return Ok(identifier(texts.iter().flatten(), accounts));
    }
    let numbers = number_column(column, None)?;
    let values: Vec<f64> = numbers.iter().flatten().filter(|value| !value.is_nan()).collect();
    let is_whole = || values.iter().all(|value| value.fract() == 0.0);
    if counts_rows(&numbers) {
        return Ok(Some(FeatureDrop::RowNumber));
    }
    let lower = name.to_lowercase();
    let last = last_word(name);
    if ROW_NAMES.contains(&lower.as_str()) && is_whole() && is_distinct(&numbers) {
        return Ok(Some(FeatureDrop::RowNumber));
    }
    if TIME_WORDS.contains(&last.as_str()) && !values.is_empty() && are_times(&values) {
        return Ok(Some(FeatureDrop::Time));
    }
    if ID_WORDS.contains(&last.as_str()) && is_whole() {
        return Ok(identifier(values.iter().map(|value| value.to_bits()), accounts));
    }
    Ok(None)
}

/// Returns whether a name is empty, or one that pandas gives to the index of a table.
fn is_index_name(name: &str) -> bool {
    let number = |prefix: &str, suffix: &str| {
        let inner = name.strip_prefix(prefix)?.strip_suffix(suffix)?;
        Some(!inner.is_empty() && inner.bytes().all(|byte| byte.is_ascii_digit()))
    };
    name.trim().is_empty()
        || number("Unnamed: ", "") == Some(true)
        || number("__index_level_", "__") == Some(true)
}

/// Returns whether the values of the rows are 0, 1, 2, … or 1, 2, 3, ….
fn counts_rows(numbers: &Float64Chunked) -> bool {
    let first = numbers.get(0);
    if numbers.len() < MIN_COUNTED_ROWS || !(first == Some(0.0) || first == Some(1.0)) {
        return false;
    }
    let mut expected = first.unwrap_or_default();
    numbers.iter().all(|value| {
        let is_next = value == Some(expected);
        expected += 1.0;
        is_next
    })
}

/// Returns whether there are no missing and no equal values.
fn is_distinct(numbers: &Float64Chunked) -> bool {
    let mut seen = HashSet::with_capacity(numbers.len());
    numbers.len() >= MIN_COUNTED_ROWS
        && numbers.iter().all(|value| value.is_some_and(|value| seen.insert(value.to_bits())))
}

/// Returns the reason for a column with more than half as many values as there are accounts.
fn identifier<V: std::hash::Hash + Eq>(
    values: impl Iterator<Item = V>,
    accounts: usize,
) -> Option<FeatureDrop> {
    let distinct = values.collect::<HashSet<V>>().len();
    (distinct >= MIN_DISTINCT && 2 * distinct > accounts)
        .then_some(FeatureDrop::Identifier { distinct: distinct as u64 })
}

/// Returns the last word of a name such as `customer_id` or `customerID`, in lower case.
fn last_word(name: &str) -> String {
    let word = name.rsplit(|c: char| !c.is_alphanumeric()).find(|word| !word.is_empty());
    let word = word.unwrap_or_default();
    let chars: Vec<(usize, char)> = word.char_indices().collect();
    let starts =
        chars.windows(2).rev().find(|pair| pair[0].1.is_lowercase() && pair[1].1.is_uppercase());
    word[starts.map_or(0, |pair| pair[1].0)..].to_lowercase()
}

/// Returns whether a text is a date, or a date and a time.
fn is_time(text: &str) -> bool {
    let (date, time) = text.trim().split_once(['T', ' ']).unwrap_or((text.trim(), "00:00"));
    let Some(separator) = date.chars().find(|c| !c.is_ascii_digit()) else { return false };
    let parts: Vec<&str> = date.split(separator).collect();
    let is_number = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    ['-', '/', '.'].contains(&separator)
        && parts.iter().all(is_number)
        && matches!(lengths[..], [4, 1 | 2, 1 | 2] | [1 | 2, 1 | 2, 4])
        && time.starts_with(|c: char| c.is_ascii_digit())
        && time.contains(':')
}

/// Returns whether all numbers are times: of the years 2001 to 2100 in one epoch unit, or dates
/// such as 20250630.
fn are_times(values: &[f64]) -> bool {
    /// 2001-09-09 and 2100-01-01 in epoch seconds.
    const SECONDS: std::ops::Range<f64> = 1e9..4_102_444_800.0;
    let is_epoch = |scale: f64| values.iter().all(|value| SECONDS.contains(&(value / scale)));
    [1.0, 1e3, 1e6, 1e9].into_iter().any(is_epoch) || values.iter().copied().all(is_calendar_date)
}

/// Returns whether a number is a date of 8 digits from 1900 to 2100.
fn is_calendar_date(value: f64) -> bool {
    let (month, day) = ((value / 100.0).trunc() % 100.0, value % 100.0);
    (19_000_101.0..21_010_000.0).contains(&value)
        && (1.0..=12.0).contains(&month)
        && (1.0..=31.0).contains(&day)
        && value.fract() == 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(column: &Column, accounts: usize) -> Option<&'static str> {
        reason(column, accounts).unwrap().map(|reason| reason.code())
    }

    fn numbers(name: &str, n: i32, value: impl Fn(i32) -> f64) -> Column {
        Column::new(name.into(), (0..n).map(value).collect::<Vec<f64>>())
    }

    fn texts(name: &str, n: i32, value: impl Fn(i32) -> String) -> Column {
        Column::new(name.into(), (0..n).map(value).collect::<Vec<String>>())
    }

    #[test]
    fn row_numbers_are_no_features() {
        for name in ["", " ", "Unnamed: 0", "__index_level_0__", "__index_level_12__"] {
            assert_eq!(
                found(&numbers(name, 30, |i| f64::from(i % 7)), 30),
                Some("row-number"),
                "{name}"
            );
        }
        assert_eq!(found(&numbers("n", 30, f64::from), 30), Some("row-number"));
        assert_eq!(found(&numbers("n", 30, |i| f64::from(i + 1)), 30), Some("row-number"));
        assert_eq!(found(&numbers("index", 31, |i| f64::from(i * 7 % 31)), 31), Some("row-number"));
        assert_eq!(found(&numbers("n", 9, f64::from), 9), None, "too few rows");
    }

    #[test]
    fn counts_and_codes_are_features() {
        for column in [
            numbers("logins", 30, |i| f64::from(i * 7 % 31)),
            numbers("logins", 30, |i| f64::from(i / 2)),
            numbers("logins", 30, |i| f64::from(30 - i)),
            numbers("bytes", 30, |i| f64::from(i) * 1e5 + 1e9),
            numbers("region_id", 300, |i| f64::from(i % 9)),
            numbers("session_time", 300, |i| f64::from(i * i)),
            numbers("paid", 300, |i| f64::from(i * i)),
            numbers("price_index", 300, |i| f64::from(i * i)),
            numbers("Unnamed", 30, |i| f64::from(i % 7)),
            texts("plan", 300, |i| format!("plan {}", i % 40)),
            texts("version", 30, |i| format!("1.{}.0", i % 3)),
        ] {
            assert_eq!(found(&column, column.len()), None, "{column:?}");
        }
    }

    #[test]
    fn times_are_no_features() {
        let day = |i: i32| format!("2025-01-{:02}", i % 28 + 1);
        for column in [
            texts("x", 30, day),
            texts("x", 30, |i| format!("{}T10:00:00Z", day(i))),
            texts("x", 30, |i| format!("{} 10:00", day(i))),
            texts("x", 30, |i| format!("{}/3/2025", i % 12 + 1)),
            numbers("created_at", 30, |i| 1.7e9 + 977.0 * f64::from(i)),
            numbers("lastSeenTime", 30, |i| 1.7e12 + 977.0 * f64::from(i)),
            numbers("signup_date", 30, |i| 20_250_101.0 + f64::from(i % 28)),
        ] {
            assert_eq!(found(&column, column.len()), Some("time-column"), "{column:?}");
        }
    }

    #[test]
    fn identifiers_are_no_features() {
        assert_eq!(found(&texts("name", 60, |i| format!("n{i}")), 60), Some("identifier"));
        assert_eq!(found(&texts("name", 60, |i| format!("n{}", i / 2)), 30), Some("identifier"));
        for name in [
            "id",
            "customer_id",
            "customerID",
            "Customer Id",
            "orderKey",
            "AccountNumber",
            "order_no",
        ] {
            let column = numbers(name, 60, |i| f64::from(i * 7919 % 10_007));
            assert_eq!(found(&column, 60), Some("identifier"), "{name}");
        }
        assert_eq!(found(&texts("name", 19, |i| format!("n{i}")), 19), None, "too few rows");
    }
}
