//! Event types of a source: a column of names, columns of daily counts, or one name for all rows.

use std::collections::HashSet;
use std::path::Path;

use pql_stats::counts::share;

use super::keys::FEW_ROWS;
use super::roles;
use super::sample::{Column, ColumnKind, Sample, TrainedKind};
use super::words::{any, rank};

const EVENTS: [&str; 18] = [
    "eventname",
    "event",
    "eventtype",
    "action",
    "actionname",
    "actiontype",
    "activity",
    "activityname",
    "activitytype",
    "page",
    "featurename",
    "feature",
    "verb",
    "interaction",
    "screen",
    "pagename",
    "type",
    "name",
];
/// Words of amounts, which are no numbers of events.
const AMOUNTS: [&str; 27] = [
    "minute*", "min", "mins", "duration", "second*", "sec", "secs", "hour*", "amount", "price",
    "cost", "revenue", "mrr", "arr", "bytes", "size", "length", "score", "result", "rating",
    "rate", "share", "percent*", "age", "year", "balance", "seats",
];
/// Words of amounts and numbers, which can be summed.
const QUANTITIES: [&str; 26] = [
    "minute*", "min", "mins", "duration", "second*", "sec", "secs", "hour*", "amount", "count",
    "quantity", "qty", "number", "num", "total", "value", "bytes", "size", "length", "score",
    "result", "items", "credits", "units", "rows", "pages",
];
/// Words of ids and codes.
const CODES: [&str; 8] = ["id", "uuid", "guid", "code", "index", "version", "year", "idx"];

/// Maximum number of event types in a sample; columns with more contain ids or addresses.
const EVENT_NAMES: usize = 1_000;
/// Minimum share of rows that differ in account and day in a table of daily counts.
const DAILY: f64 = 0.99;

/// Source of the event types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EventTypeSource {
    /// A column.
    Column(String),
    /// A column of stages of deals; all but the won ones are no usage.
    Stages(String),
    /// One event type for all rows.
    One(String),
    /// Columns of counts or of 0/1, a row for each account and day.
    Unpivot {
        /// The columns.
        columns: Vec<String>,
        /// Those with counts above 1.
        counts: Vec<String>,
    },
}

/// Returns the unused column of the lowest rank.
pub(super) fn best<'a>(
    sample: &'a Sample,
    taken: &[&str],
    rank: impl Fn(&Column) -> Option<usize>,
) -> Option<&'a Column> {
    let free = sample.columns.iter().filter(|c| !taken.contains(&c.name.as_str()));
    free.filter_map(|c| Some((rank(c)?, c))).min_by_key(|(rank, _)| *rank).map(|(_, c)| c)
}

/// Returns the column of stages of a table of deals: one stage means that a deal was won.
pub(super) fn stages<'a>(sample: &'a Sample, taken: &[&str]) -> Option<&'a Column> {
    let won = |text: &str| any(&super::words::split(text), &["won", "closedwon"]);
    best(sample, taken, |c| {
        let fits =
            any(&c.words, &["stage*", "status*"]) && c.texts().any(won) && c.distinct() <= 50;
        (c.kind == ColumnKind::Text && fits).then_some(c.depth)
    })
}

/// Guesses where the event types are.
///
/// # Arguments
/// * `taken` – columns with another use
/// * `account`, `timestamp` – columns that identify the rows of a daily table
pub(super) fn event_types(
    sample: &Sample,
    taken: &[&str],
    account: Option<&str>,
    timestamp: Option<&str>,
) -> EventTypeSource {
    let few = |c: &Column| {
        c.distinct() <= EVENT_NAMES && (c.distinct() * 2 <= c.present || c.present < FEW_ROWS)
    };
    let names = |c: &Column| c.kind == ColumnKind::Text && few(c) && c.time_format().is_none();
    let by_name = |c: &Column| {
        let patterns: &[&str] =
            if c.depth == 0 { &["event_name", "event_type", "event_action"] } else { &[] };
        let whole: &[&str] = if c.depth == 0 { &EVENTS } else { &EVENTS[..3] };
        // A type such as `track` has fewer values than the name of the event.
        rank(&c.words, whole, patterns).filter(|_| names(c)).map(|rank| rank + 100 * c.depth)
    };
    let by_value =
        |c: &Column| (names(c) && c.texts().any(roles::names_usage_event)).then_some(c.depth);
    if let Some(column) = best(sample, taken, by_name).or_else(|| best(sample, taken, by_value)) {
        return EventTypeSource::Column(column.name.clone());
    }
    let free = || sample.columns.iter().filter(|c| !taken.contains(&c.name.as_str()));
    // A flag such as `is_trial` is a property of the row, not an event.
    let flag = |c: &&Column| {
        c.kind == ColumnKind::Flag
            && !any(&c.words, &["is", "has", "flag", "was", "can", "auto*", "trial", "id"])
    };
    let known = account.zip(timestamp);
    let daily = known.is_some_and(|(a, t)| is_daily(sample, a, t));
    let counted = |c: &&Column| known.is_some() && flag(c) || daily && is_count(c);
    let columns: Vec<&Column> = free().filter(counted).collect();
    let counts: Vec<String> =
        columns.iter().filter(|c| c.kind == ColumnKind::Number).map(|c| c.name.clone()).collect();
    if columns.len() > 1 || !counts.is_empty() {
        let columns = columns.iter().map(|c| c.name.clone()).collect();
        EventTypeSource::Unpivot { columns, counts }
    } else {
        EventTypeSource::One(stem(&sample.path))
    }
}

/// Returns whether almost no two rows have the same account and day.
fn is_daily(sample: &Sample, account: &str, timestamp: &str) -> bool {
    let (Some(account), Some(time)) = (sample.column(account), sample.column(timestamp)) else {
        return false;
    };
    let day = |text: &str| text.get(..10).unwrap_or(text).to_owned();
    let keys: Vec<(&str, String)> = account
        .head
        .iter()
        .zip(&time.head)
        .filter_map(|(a, t)| Some((a.as_deref()?, day(t.as_deref()?))))
        .collect();
    let distinct: HashSet<&(&str, String)> = keys.iter().collect();
    keys.len() > 1 && share(distinct.len(), keys.len()) >= DAILY
}

/// Returns whether a column has numbers of events, some of them 0.
fn is_count(column: &Column) -> bool {
    column.kind == ColumnKind::Number
        && !any(&column.words, &AMOUNTS)
        && !any(&column.words, &CODES)
        && column.texts().all(|v| v.len() < 7 && v.bytes().all(|b| b.is_ascii_digit()))
        && (column.texts().any(|v| v == "0") || column.present < column.rows)
}

/// Returns whether a column has amounts or numbers of things, by its name.
pub(super) fn is_quantity(column: &Column) -> bool {
    any(&column.words, &QUANTITIES)
        && !any(&column.words, &CODES)
        && matches!(column.kind, ColumnKind::Number | ColumnKind::Text)
        && column.trained_kind() == TrainedKind::Number
}

/// Returns the numeric columns that can be summed.
pub(super) fn quantities(sample: &Sample, taken: &[&str]) -> Vec<String> {
    let free = sample.columns.iter().filter(|c| !taken.contains(&c.name.as_str()));
    free.filter(|c| is_quantity(c))
        .filter(|c| c.time_format().is_none())
        .map(|c| c.name.clone())
        .collect()
}

/// Returns the name of a file without its extension, or of a glob the text before its first
/// wildcard or its folder.
fn stem(path: &Path) -> String {
    let last = |path: &Path| {
        path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    };
    let name = last(path);
    let plain =
        if path.exists() { &name } else { name.split(['*', '?', '[']).next().unwrap_or_default() };
    let plain = if path.is_dir() { plain } else { plain.split('.').next().unwrap_or_default() };
    match plain.trim_end_matches(['-', '_', ' ']) {
        "" => match path.parent().map(last).filter(|name| !name.is_empty()) {
            Some(folder) if !folder.contains(['*', '?', '[']) => folder,
            _ => "event".to_owned(),
        },
        plain => plain.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_with_one_event_type_is_named_after_its_file() {
        for (path, name) in [
            ("x/exams.csv.gz", "exams"),
            ("logs/2024-*.csv", "2024"),
            ("logs/*.csv", "logs"),
            ("*.csv", "event"),
            ("x/e_[0-9].parquet", "e"),
        ] {
            assert_eq!(stem(Path::new(path)), name, "{path}");
        }
    }
}
