//! How the times of a column are written.

use std::path::Path;

use polars::prelude::Column;

use crate::log::cells::{NO_TIME, Place, Times};
use crate::time::{SECOND, parse_with};

/// 1990 to 2100: a number outside is no time of a product log.
const YEARS: std::ops::Range<i64> = 631_152_000 * SECOND..4_102_444_800 * SECOND;

/// Dates in other writings than ISO 8601, the likelier reading first where two would do.
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

/// Clocks after a date.
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

/// Writings of servers and mails.
const WHOLE: [&str; 4] = [
    "%d/%b/%Y:%H:%M:%S %z",
    "%a, %d %b %Y %H:%M:%S %z",
    "%a %b %d %H:%M:%S %Y",
    "%a %b %d %H:%M:%S %z %Y",
];

/// How a column of times is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reading {
    /// strftime pattern, where the writing is not one that is read without.
    pub(super) format: Option<String>,
    /// The pattern with day and month changed over, where the values fit both.
    pub(super) other: Option<String>,
}

/// How these values read as times; `None` where they do not, or there is none.
pub(super) fn reading<'a>(values: impl Iterator<Item = &'a str> + Clone) -> Option<Reading> {
    values.clone().next()?;
    if plain(values.clone()) {
        return Some(Reading { format: None, other: None });
    }
    let dates =
        DATES.iter().flat_map(|date| CLOCKS.iter().map(move |clock| format!("{date}{clock}")));
    let format = dates
        .chain(WHOLE.iter().map(|f| (*f).to_owned()))
        .find(|format| fits(values.clone(), format))?;
    let other = changed_over(&format).filter(|other| fits(values, other));
    Some(Reading { format: Some(format), other })
}

/// Whether the values are ISO 8601 or numbers of time, as they are read without a pattern.
fn plain<'a>(values: impl Iterator<Item = &'a str>) -> bool {
    let column = Column::new("time".into(), values.collect::<Vec<_>>());
    let place = Place { path: Path::new(""), column: "time", first_row: 1, rows: &[] };
    let mut times = Times::default();
    times.push(&column, None, place).is_ok()
        && times
            .finish()
            .is_ok_and(|times| times.iter().all(|t| *t == NO_TIME || YEARS.contains(t)))
}

/// Whether a pattern reads every value.
pub(super) fn fits<'a>(mut values: impl Iterator<Item = &'a str>, format: &str) -> bool {
    values.all(|text| parse_with(text, format).is_some_and(|t| YEARS.contains(&t)))
}

/// The pattern with day and month changed over, where both are numbers.
fn changed_over(format: &str) -> Option<String> {
    format
        .contains("%m")
        .then(|| format.replace("%m", "%\0").replace("%d", "%m").replace("%\0", "%d"))
        .filter(|_| !format.starts_with("%Y"))
}

/// What a pattern means, in words.
pub(super) fn order(format: &str) -> &'static str {
    match (format.find("%m"), format.find("%d")) {
        (Some(month), Some(day)) if month < day => "month first",
        _ => "day first",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Option<(Option<String>, Option<String>)> {
        reading(values.iter().copied()).map(|r| (r.format, r.other))
    }

    #[test]
    fn what_is_read_without_a_pattern_needs_none() {
        for values in [
            ["2025-06-30", "2025-07-01T10:00:00Z"],
            ["1541105830796", "1541105830797.0"],
            ["19970101", "19980630"],
        ] {
            assert_eq!(of(&values), Some((None, None)), "{values:?}");
        }
        for values in [["1", "2"], ["0.3", "12.9"], ["soon", "later"], ["258798", "258800"]] {
            assert_eq!(of(&values), None, "{values:?}");
        }
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn a_value_over_12_tells_day_from_month() {
        let pattern = |values: &[&str]| of(values).unwrap();
        assert_eq!(
            pattern(&["11/9/2014 13:05", "11/30/2014 0:05"]),
            (Some("%m/%d/%Y %H:%M".to_owned()), None)
        );
        assert_eq!(pattern(&["11/9/2014", "30/11/2014"]), (Some("%d/%m/%Y".to_owned()), None));
        assert_eq!(
            pattern(&["1/2/2014"]),
            (Some("%m/%d/%Y".to_owned()), Some("%d/%m/%Y".to_owned()))
        );
        assert_eq!(
            pattern(&["1.2.2014"]),
            (Some("%d.%m.%Y".to_owned()), Some("%m.%d.%Y".to_owned()))
        );
        assert_eq!(pattern(&["12/31/14"]), (Some("%m/%d/%y".to_owned()), None));
        assert_eq!(pattern(&["2014/12/31 10:11:12"]), (Some("%Y/%m/%d %H:%M:%S".to_owned()), None));
        assert_eq!(
            pattern(&["Jan 5, 2024 03:04 PM"]),
            (Some("%b %d, %Y %I:%M %p".to_owned()), None)
        );
        assert_eq!(order("%d.%m.%Y"), "day first");
    }
}
