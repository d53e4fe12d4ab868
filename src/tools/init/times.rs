//! Time formats of columns.

use std::path::Path;

use polars::prelude::Column;
use pql_stats::counts::share;

use crate::log::NullMarks;
use crate::log::cells::{CellLocation, NO_TIME, TimeColumn, TimeText, text_means_never};
use crate::time::{SECOND, Zone, parse_with};

/// Plausible times of a product log: 1990 to 2100.
const YEARS: std::ops::Range<i64> = 631_152_000 * SECOND..4_102_444_800 * SECOND;

/// Date formats other than ISO 8601; of two ambiguous ones, the likelier first.
const DATES: [&str; 18] = [
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%d.%m.%Y",
    "%m.%d.%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%Y-%m-%d",
    "%m/%d/%y",
    "%d/%m/%y",
    "%d.%m.%y",
    "%d-%m-%y",
    "%b %d, %Y",
    "%d %b %Y",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%b %d %Y",
];

/// Formats of the time after a date.
const CLOCKS: [&str; 9] = [
    "",
    " %H:%M",
    " %H:%M:%S",
    " %H:%M:%S%.f",
    "T%H:%M:%S%.f",
    ", %H:%M",
    ", %H:%M:%S",
    " %I:%M %p",
    " %I:%M:%S %p",
];

/// Formats of servers and emails.
const WHOLE: [&str; 4] = [
    "%d/%b/%Y:%H:%M:%S %z",
    "%a, %d %b %Y %H:%M:%S %z",
    "%a %b %d %H:%M:%S %Y",
    "%a %b %d %H:%M:%S %z %Y",
];

/// Time format of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TimeFormat {
    /// strftime format; `None` for formats that are read without one.
    pub(super) format: Option<String>,
    /// The format with day and month swapped, if the values fit both.
    pub(super) other: Option<String>,
}

/// Returns a check whether a value of a time column is read as missing: it means never, or is one
/// of the default marks.
pub(super) fn missing() -> impl Fn(&str) -> bool + Clone {
    let marks = NullMarks::default();
    move |text| marks.contains(text.trim()) || text_means_never(text)
}

/// The time format of values, and the few of them that are no times.
#[derive(Debug)]
pub(super) struct DetectedTimes<'a> {
    pub(super) format: TimeFormat,
    pub(super) others: Vec<&'a str>,
}

/// Detects the time format of values, a few of which may be no times; `None` if they are not times,
/// or there are none.
pub(super) fn detect<'a>(
    values: impl Iterator<Item = &'a str> + Clone,
) -> Option<DetectedTimes<'a>> {
    /// Values of which at least half must be times before more are tried.
    const FIRST: usize = 20;
    /// Maximum number of values tried one by one.
    const TRIED: usize = 1_000;
    /// Minimum share of times.
    const ALMOST_ALL: f64 = 0.9;
    if let Some(format) = format(values.clone()) {
        return Some(DetectedTimes { format, others: Vec::new() });
    }
    let is_time = |text: &&str| format(std::iter::once(*text)).is_some();
    let count = values.clone().take(FIRST).count();
    if values.clone().take(FIRST).filter(is_time).count() * 2 < count {
        return None;
    }
    let (times, others): (Vec<&str>, Vec<&str>) = values.take(TRIED).partition(is_time);
    let is_column = share(times.len(), times.len() + others.len()) >= ALMOST_ALL;
    let format = format(times.into_iter()).filter(|_| is_column)?;
    Some(DetectedTimes { format, others })
}

/// Returns the time format that reads all values; `None` if they are not times, or there are none.
fn format<'a>(values: impl Iterator<Item = &'a str> + Clone) -> Option<TimeFormat> {
    values.clone().next()?;
    if fits_without_format(values.clone()) {
        return Some(TimeFormat { format: None, other: None });
    }
    let dates =
        DATES.iter().flat_map(|date| CLOCKS.iter().map(move |clock| format!("{date}{clock}")));
    let format = dates
        .chain(WHOLE.iter().map(|f| (*f).to_owned()))
        .find(|format| fits(values.clone(), format))?;
    let other = swap_day_and_month(&format).filter(|other| fits(values, other));
    Some(TimeFormat { format: Some(format), other })
}

/// Returns whether the values are ISO 8601 or epoch times, which need no format.
fn fits_without_format<'a>(values: impl Iterator<Item = &'a str>) -> bool {
    let column = Column::new("time".into(), values.collect::<Vec<_>>());
    read_times(&column)
        .is_some_and(|times| times.iter().all(|t| *t == NO_TIME || YEARS.contains(t)))
}

/// Reads times as the training does; `None` if a value is not a time.
fn read_times(column: &Column) -> Option<Vec<i64>> {
    let place = CellLocation { path: Path::new(""), column: "time", first_row: 1, rows: &[] };
    let mut times = TimeColumn::default();
    times.push(column, TimeText { format: None, null: &NullMarks::default() }, place).ok()?;
    times.finish().ok().map(|(times, _)| times)
}

/// Parses values; `None` where one is missing.
pub(super) fn parse(values: &[Option<Box<str>>], format: &TimeFormat) -> Vec<Option<i64>> {
    let is_missing = missing();
    let texts = values.iter().map(|v| v.as_deref().filter(|text| !is_missing(text)));
    if let Some(format) = &format.format {
        return texts.map(|text| parse_with(text?, format, Zone::default())).collect();
    }
    let is_time = |text: &&str| fits_without_format(std::iter::once(*text));
    let times = parse_without_format(texts.clone())
        .or_else(|| parse_without_format(texts.map(|text| text.filter(is_time))));
    times.unwrap_or_else(|| vec![None; values.len()])
}

/// Parses ISO 8601 and epoch times; `None` if a value is neither.
fn parse_without_format<'a>(
    texts: impl Iterator<Item = Option<&'a str>>,
) -> Option<Vec<Option<i64>>> {
    let column = Column::new("time".into(), texts.collect::<Vec<_>>());
    let times = read_times(&column)?;
    Some(times.into_iter().map(|time| (time != NO_TIME).then_some(time)).collect())
}

/// Returns whether a format reads every value.
pub(super) fn fits<'a>(mut values: impl Iterator<Item = &'a str>, format: &str) -> bool {
    values.all(|text| parse_with(text, format, Zone::default()).is_some_and(|t| YEARS.contains(&t)))
}

/// Returns the format with day and month swapped, if both are numbers.
fn swap_day_and_month(format: &str) -> Option<String> {
    format
        .contains("%m")
        .then(|| format.replace("%m", "%\0").replace("%d", "%m").replace("%\0", "%d"))
        .filter(|_| !format.starts_with("%Y"))
}

/// Describes the order of day and month.
pub(super) fn order(format: &str) -> &'static str {
    match (format.find("%m"), format.find("%d")) {
        (Some(month), Some(day)) if month < day => "month first",
        _ => "day first",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formats(values: &[&str]) -> Option<(Option<String>, Option<String>)> {
        detect(values.iter().copied()).map(|found| (found.format.format, found.format.other))
    }

    #[test]
    fn standard_formats_need_no_format() {
        for values in [
            ["2025-06-30", "2025-07-01T10:00:00Z"],
            ["1541105830796", "1541105830797.0"],
            ["19970101", "19980630"],
        ] {
            assert_eq!(formats(&values), Some((None, None)), "{values:?}");
        }
        for values in [["1", "2"], ["0.3", "12.9"], ["soon", "later"], ["258798", "258800"]] {
            assert_eq!(formats(&values), None, "{values:?}");
        }
        assert_eq!(formats(&[]), None);
    }

    #[test]
    fn a_few_values_may_be_no_times() {
        let days: Vec<String> = (10..30).map(|day| format!("2024-01-{day}")).collect();
        let mut values: Vec<&str> = days.iter().map(String::as_str).collect();
        values.push("unknown");
        let found = detect(values.iter().copied()).unwrap();
        assert_eq!((found.format.format, found.others), (None, vec!["unknown"]));
        values.extend(["soon", "later"]);
        assert!(detect(values.iter().copied()).is_none(), "three of 23 are too many");
        let head = ["2024-01-10", "unknown"].map(|text| Some(text.into()));
        let parsed = parse(&head, &TimeFormat { format: None, other: None });
        assert!(parsed[0].is_some() && parsed[1].is_none(), "{parsed:?}");
    }

    #[test]
    fn a_value_over_12_is_a_day() {
        let format = |values: &[&str]| formats(values).unwrap();
        assert_eq!(
            format(&["11/9/2014 13:05", "11/30/2014 0:05"]),
            (Some("%m/%d/%Y %H:%M".to_owned()), None)
        );
        assert_eq!(format(&["11/9/2014", "30/11/2014"]), (Some("%d/%m/%Y".to_owned()), None));
        assert_eq!(
            format(&["1/2/2014"]),
            (Some("%m/%d/%Y".to_owned()), Some("%d/%m/%Y".to_owned()))
        );
        assert_eq!(
            format(&["1.2.2014"]),
            (Some("%d.%m.%Y".to_owned()), Some("%m.%d.%Y".to_owned()))
        );
        assert_eq!(format(&["12/31/14"]), (Some("%m/%d/%y".to_owned()), None));
        assert_eq!(format(&["2014/12/31 10:11:12"]), (Some("%Y/%m/%d %H:%M:%S".to_owned()), None));
        assert_eq!(
            format(&["Jan 5, 2024 03:04 PM"]),
            (Some("%b %d, %Y %I:%M %p".to_owned()), None)
        );
        assert_eq!(order("%d.%m.%Y"), "day first");
    }
}
