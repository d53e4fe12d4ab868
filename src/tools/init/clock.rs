//! Times of events: when they happened, and when they were received.

use pql_stats::counts::share;

use super::sample::{Column, ColumnKind, Sample};
use super::times::{TimeFormat, parse};
use super::words::{any, first};
use crate::report::format::percent;
use crate::time::DAY;

/// Names of times at which events happen, likeliest first.
const EVENT_TIMES: [&str; 27] = [
    "timestamp",
    "eventtimestamp",
    "derivedtstamp",
    "eventtime",
    "eventts",
    "eventtstamp",
    "occurredat",
    "happenedat",
    "eventat",
    "eventdatetime",
    "actiontime",
    "ts",
    "time",
    "datetime",
    "clienteventtime",
    "clienttimestamp",
    "clienttime",
    "originaltimestamp",
    "dvcecreatedtstamp",
    "devicetimestamp",
    "loggedat",
    "performedat",
    "eventdate",
    "eventday",
    "date",
    "day",
    "ds",
];
/// Words of times at which events happen.
const EVENT_WORDS: [&str; 11] = [
    "occur*",
    "happen*",
    "timestamp",
    "tstamp",
    "datetime",
    "time",
    "date",
    "at",
    "ts",
    "day",
    "on",
];
/// Words of times at which rows were created, which is later if they are copies.
const CREATED: [&str; 2] = ["creat*", "insert*"];
/// Words of times at which events were sent, collected or stored.
const TRANSPORT: [&str; 15] = [
    "receiv*",
    "sent",
    "send",
    "collector*",
    "server*",
    "api",
    "load*",
    "ingest*",
    "etl*",
    "uuid",
    "sync*",
    "process*",
    "upload*",
    "publish*",
    "partition*",
];
/// Words of times other than that of the event.
const OTHER: [&str; 23] = [
    "regist*", "sign*", "birth*", "end*", "updat*", "clos*", "resol*", "expir*", "due", "next",
    "schedul*", "delet*", "join*", "trial*", "until", "modif*", "first", "previous", "last",
    "install*", "anchor", "renew*", "cancel*",
];
/// Names of times of receipt.
const RECEIVED: [&str; 8] = [
    "receivedat",
    "receivedtimestamp",
    "receivedtime",
    "received",
    "serverreceivedtime",
    "serverreceivedat",
    "collectortstamp",
    "serveruploadtime",
];

/// Largest share of events that were received more than a day late.
const LATE: f64 = 0.2;
/// Smallest share of events received after they happened.
const ORDERED: f64 = 0.99;
/// Rank from which a time is not that of the event if its name is right.
const BY_PATTERN: usize = 100;
const BY_VALUE: usize = 300;
const TRANSPORTED: usize = 400;
const OTHER_TIME: usize = 500;

/// The times of a source.
#[derive(Debug, Clone)]
pub(super) struct EventClock {
    /// The column of the time of the event.
    pub(super) timestamp: String,
    pub(super) time_format: TimeFormat,
    /// Why the column is only a best guess.
    pub(super) doubt: Option<String>,
    /// The column of the time of receipt.
    pub(super) received: Option<String>,
    /// Other columns of times, and why they are not used.
    pub(super) rejected: Vec<(String, String)>,
}

/// Ranks a column as time of the event by its name; 0 is the likeliest.
fn rank(column: &Column) -> Option<usize> {
    let words = &column.words;
    let key = words.concat();
    let nested = 30 * column.depth;
    if any(words, &TRANSPORT) {
        return Some(TRANSPORTED + nested);
    }
    if let Some(i) = EVENT_TIMES.iter().position(|name| *name == key) {
        return Some(i + nested);
    }
    let by_pattern = first(words, &EVENT_WORDS);
    if any(words, &OTHER) {
        return (by_pattern.is_some() || column.kind == ColumnKind::Text).then_some(OTHER_TIME);
    }
    if any(words, &CREATED) {
        return Some(2 * BY_PATTERN + nested);
    }
    match by_pattern {
        Some(i) => Some(BY_PATTERN + i + nested),
        None => (column.kind == ColumnKind::Text).then_some(BY_VALUE + nested),
    }
}

/// Pairs of times of two columns in the same rows, µs.
fn pairs<'a>(
    a: (&'a Column, &'a TimeFormat),
    b: (&'a Column, &'a TimeFormat),
) -> impl Iterator<Item = (i64, i64)> + 'a {
    let times = |(column, format): (&'a Column, &'a TimeFormat)| parse(&column.head, format);
    times(a).into_iter().zip(times(b)).filter_map(|(a, b)| Some((a?, b?)))
}

impl EventClock {
    /// Chooses the time of the event: by name, then by value, and a time of storage or of another
    /// thing only as a last resort.
    ///
    /// # Arguments
    /// * `taken` – columns with another use
    /// * `named` – the column that the user names
    /// * `closes` – whether a row is a deal, which counts from its close date
    pub(super) fn choose(
        sample: &Sample,
        taken: &[&str],
        named: Option<&str>,
        closes: bool,
    ) -> Option<Self> {
        let closing = |c: &Column| closes && any(&c.words, &["clos*"]);
        let mut times: Vec<(usize, &Column, TimeFormat)> = sample
            .columns
            .iter()
            .filter(|c| !taken.contains(&c.name.as_str()))
            .filter_map(|c| Some((if closing(c) { 0 } else { rank(c)? }, c)))
            .filter_map(|(rank, c)| Some((rank, c, c.time_format()?)))
            .collect();
        if let Some(column) = named.and_then(|name| sample.column(name)) {
            let format = column.time_format().unwrap_or(TimeFormat { format: None, other: None });
            times.retain(|(_, c, _)| c.name != column.name);
            times.push((0, column, format));
            times.sort_by_key(|(rank, c, _)| (c.name != column.name, *rank));
        } else {
            times.sort_by_key(|(rank, c, _)| (c.present * 2 <= c.rows, *rank));
        }
        let top = earliest_of_equal_names(&times, named.is_some());
        let chosen = times.get(top)?.clone();
        let (rank, column, time_format) = &chosen;
        let doubt = match *rank {
            _ if named.is_some() => None,
            0..BY_VALUE => None,
            BY_VALUE..TRANSPORTED => Some("the only values that are times".to_owned()),
            TRANSPORTED..OTHER_TIME => Some(
                "no time of the event was found, only times of transport or storage".to_owned(),
            ),
            _ => Some("no time of the event was found, only times of other things".to_owned()),
        };
        let received = times
            .iter()
            .filter(|(_, c, format)| {
                c.name != column.name
                    && format.format == time_format.format
                    && received_rank(c).is_some()
            })
            .min_by_key(|(_, c, _)| received_rank(c));
        let mut rejected = Vec::new();
        let mut used = None;
        for other in &times {
            let (rank, c, format) = other;
            if c.name == column.name {
                continue;
            }
            let same = pairs((column, time_format), (c, format)).collect::<Vec<_>>();
            if received.is_some_and(|(_, r, _)| r.name == c.name) {
                match receipt_problem(&same) {
                    None => used = Some(c.name.clone()),
                    Some(problem) => rejected.push((c.name.clone(), problem)),
                }
                continue;
            }
            rejected.push((c.name.clone(), reason(*rank, &same, &column.name)));
        }
        Some(Self {
            timestamp: column.name.clone(),
            time_format: time_format.clone(),
            doubt,
            received: used,
            rejected,
        })
    }
}

fn received_rank(column: &Column) -> Option<usize> {
    let key = column.words.concat();
    RECEIVED.iter().position(|name| *name == key)
}

/// Returns the index of the best time: the first one, or one with a similar name that is earlier in
/// almost all rows.
fn earliest_of_equal_names(times: &[(usize, &Column, TimeFormat)], named: bool) -> usize {
    let Some((rank, first, format)) = times.first() else { return 0 };
    let class = |rank: usize| rank / BY_PATTERN;
    if named || class(*rank) == 0 {
        return 0;
    }
    let earlier = |(other_rank, other, other_format): &&(usize, &Column, TimeFormat)| {
        let pairs: Vec<(i64, i64)> = pairs((first, format), (other, other_format)).collect();
        let before = pairs.iter().filter(|(a, b)| b < a).count();
        class(*other_rank) == class(*rank)
            && other.present * 2 > other.rows
            && !pairs.is_empty()
            && share(before, pairs.len()) >= 0.9
    };
    times
        .iter()
        .skip(1)
        .find(earlier)
        .map_or(0, |found| times.iter().position(|(_, c, _)| c.name == found.1.name).unwrap_or(0))
}

/// Returns why a time is not that of the event.
fn reason(rank: usize, pairs: &[(i64, i64)], timestamp: &str) -> String {
    let later = pairs.iter().filter(|(time, other)| other > time).count();
    let kind = match rank {
        TRANSPORTED..OTHER_TIME => "time of transport or storage",
        OTHER_TIME.. => "time of something else",
        _ => "another time",
    };
    if pairs.is_empty() {
        return kind.to_owned();
    }
    match share(later, pairs.len()) {
        late if late > 0.0 => {
            format!("{kind}; later than {timestamp} in {} of rows", percent(late))
        }
        _ => kind.to_owned(),
    }
}

/// Returns why a time of receipt cannot be used.
fn receipt_problem(pairs: &[(i64, i64)]) -> Option<String> {
    /// Clocks of devices may be ahead of those of servers.
    const AHEAD: i64 = DAY / 24;
    if pairs.is_empty() {
        return Some("time of receipt, mostly empty".to_owned());
    }
    let ordered = pairs.iter().filter(|(time, received)| *received >= *time - AHEAD).count();
    let late = pairs.iter().filter(|(time, received)| *received > *time + DAY).count();
    let late = share(late, pairs.len());
    if share(ordered, pairs.len()) < ORDERED {
        Some("time of receipt, but often before the event".to_owned())
    } else if late > LATE {
        Some(format!(
            "time of receipt, but {} of the events were received more than a day late (a backfill?)",
            percent(late)
        ))
    } else {
        None
    }
}
