//! Columns of a source of events.

use std::collections::HashSet;
use std::path::Path;

use pql_stats::counts::share;

use super::roles;
use super::sample::{Column, ColumnKind, Sample};
use super::times::TimeFormat;
use super::words::{any, rank};
use crate::error::{Error, Result};

/// Words for accounts, likeliest first, in American and British spelling.
const ACCOUNTS: [&str; 17] = [
    "account",
    "workspace",
    "company",
    "organization",
    concat!("organi", "sation"),
    "org",
    "team",
    "tenant",
    "customer",
    "client",
    "group",
    "shop",
    "store",
    "site",
    "student",
    "subscriber",
    "subscription",
];

/// Words for users.
const USERS: [&str; 10] = [
    "user", "member", "person", "learner", "player", "profile", "distinct", "visitor", "contact",
    "actor",
];

const EVENTS: [&str; 18] = [
    "event",
    "eventname",
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

const TIMES: [&str; 20] = [
    "timestamp",
    "eventtimestamp",
    "ts",
    "time",
    "eventtime",
    "occurredat",
    "happenedat",
    "eventat",
    "eventdate",
    "datetime",
    "eventdatetime",
    "createdat",
    "loggedat",
    "date",
    "day",
    "originaltimestamp",
    "clienttime",
    "servertime",
    "sentat",
    "created",
];
const TIME_WORDS: [&str; 9] =
    ["timestamp", "occur*", "time", "datetime", "date", "at", "ts", "day", "on"];
/// Words of times other than that of the event.
const OTHER_TIMES: [&str; 20] = [
    "receiv*", "regist*", "sign*", "birth*", "end*", "updat*", "clos*", "resol*", "expir*", "due",
    "next", "schedul*", "delet*", "load*", "ingest*", "join*", "trial", "until", "modif*", "first",
];
const RECEIVED: [&str; 4] = ["receivedat", "receivedtimestamp", "receivedtime", "received"];
const IDS: [&str; 7] =
    ["messageid", "eventid", "eventuuid", "uuid", "insertid", "eventguid", "guid"];
const QUANTITIES: [&str; 26] = [
    "minute*", "min", "mins", "duration", "second*", "sec", "secs", "hour*", "amount", "count",
    "quantity", "qty", "number", "num", "total", "value", "bytes", "size", "length", "score",
    "result", "items", "credits", "units", "rows", "pages",
];

/// Maximum number of event types in a sample; columns with more contain ids or addresses.
const EVENT_NAMES: usize = 1_000;
/// Sample size, rows, below which the number of event types is not limited.
const FEW_ROWS: usize = 50;
/// Minimum share of the values of an event column in the account list to treat both as accounts.
const SHARED: f64 = 0.2;

/// Source of the event types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EventTypeSource {
    /// A column.
    Column(String),
    /// One event type for all rows.
    One(String),
    /// Columns of 0/1.
    Unpivot(Vec<String>),
}

/// Guessed columns of a source of events.
#[derive(Debug, Clone)]
pub(super) struct GuessedEventColumns {
    pub(super) account: String,
    pub(super) user: Option<String>,
    pub(super) naming: EventTypeSource,
    pub(super) values: Vec<String>,
    pub(super) timestamp: String,
    pub(super) time_format: TimeFormat,
    pub(super) received: Option<String>,
    pub(super) id: Option<String>,
}

/// Ranks a name as an id of one of the things, 0 is the likeliest.
fn id_rank(words: &[String], things: &[&str]) -> Option<usize> {
    let key = words.concat();
    let rank = |i: usize, thing: &str| {
        let rest = key.strip_prefix(thing);
        let ends =
            words.len() > 2 && words[words.len() - 2] == thing && words[words.len() - 1] == "id";
        match rest {
            Some("id") => Some(i),
            Some("uuid" | "guid" | "key" | "no" | "number" | "code" | "ref") => Some(100 + i),
            Some("") => Some(200 + i),
            _ => ends.then_some(300 + i),
        }
    };
    things.iter().enumerate().filter_map(|(i, thing)| rank(i, thing)).min()
}

/// Ranks a column as account column.
fn account_rank(column: &Column) -> Option<usize> {
    let usable = matches!(column.kind, ColumnKind::Text | ColumnKind::Number)
        && column.distinct() > 1
        || column.rows < FEW_ROWS;
    let user = || user_rank(column).map(|rank| 1_000 + rank);
    id_rank(&column.words, &ACCOUNTS).or_else(user).filter(|_| usable && column.present > 0)
}

/// Ranks a column as user column.
fn user_rank(column: &Column) -> Option<usize> {
    let mail = || any(&column.words, &["email", "mail", "username", "user_name"]).then_some(500);
    id_rank(&column.words, &USERS).or_else(mail).filter(|_| column.present > 0)
}

/// Returns the share of the distinct values of a column that another column has.
fn shared(column: &Column, other: &HashSet<&str>) -> f64 {
    let found = column.texts().filter(|v| other.contains(v)).count();
    share(found, column.distinct())
}

/// Returns the account column of the account list, preferably one whose values the events share.
pub(super) fn list_account<'a>(list: &'a Sample, sources: &[Sample]) -> Option<&'a Column> {
    let candidates = list.columns.iter().filter_map(|column| Some((account_rank(column)?, column)));
    let key = |(rank, column): &(usize, &Column)| {
        let known: HashSet<&str> = column.texts().collect();
        let apart = sources
            .iter()
            .filter(|s| {
                s.columns.iter().all(|c| account_rank(c).is_none() || shared(c, &known) < SHARED)
            })
            .count();
        (!column.unique(), apart, *rank)
    };
    candidates.min_by_key(key).map(|(_, column)| column)
}

/// Returns the account column of a source, and whether its values are in the account list.
fn source_account<'a>(sample: &'a Sample, list: Option<&Column>) -> Option<(&'a Column, bool)> {
    let known: HashSet<&str> = list.iter().flat_map(|c| c.texts()).collect();
    let candidates = sample.columns.iter().filter_map(|column| {
        let same = list.is_some_and(|l| l.same_name(column));
        let rank = account_rank(column).or(same.then_some(0))?;
        Some(((shared(column, &known) < SHARED, !same, rank), column))
    });
    candidates.min_by_key(|(key, _)| *key).map(|((apart, ..), column)| (column, !apart))
}

impl GuessedEventColumns {
    /// Guesses the columns of a source of events, and adds remarks.
    ///
    /// # Errors
    /// * [`Error::UnrecognizedColumns`]: no recognizable account or time column
    pub(super) fn guess(
        sample: &Sample,
        list: Option<&Column>,
        remarks: &mut Vec<String>,
    ) -> Result<Self> {
        let named = || sample.path.display();
        let (account, found) = source_account(sample, list)
            .ok_or_else(|| unrecognized(sample, "an account column"))?;
        if let Some(list) = list.filter(|_| !found) {
            let hint = "add account ids to the events, or set other columns";
            remarks.push(format!(
                "`{}`: no value of `{}` is in column `{}` of the account list; {hint}",
                named(),
                account.name,
                list.name
            ));
        }
        let (timestamp, time_format) = timestamp(sample, &account.name)
            .ok_or_else(|| unrecognized(sample, "a time column"))?;
        let mut taken = vec![account.name.as_str(), timestamp.name.as_str()];
        let user = best(sample, &taken, user_rank).map(|c| c.name.clone());
        let same_format =
            |c: &Column| c.time_format().is_some_and(|r| r.format == time_format.format);
        let received =
            best(sample, &taken, |c| rank(&c.words, &RECEIVED, &[]).filter(|_| same_format(c)))
                .map(|c| c.name.clone());
        let distinct = |c: &Column| c.distinct() * 10 >= c.present * 9 && c.present > 0;
        let id = best(sample, &taken, |c| rank(&c.words, &IDS, &[]).filter(|_| distinct(c)))
            .map(|c| c.name.clone());
        taken.extend([&user, &received, &id].into_iter().flatten().map(String::as_str));
        let naming = naming(sample, &taken);
        let quantity = |c: &&Column| {
            c.kind == ColumnKind::Number
                && any(&c.words, &QUANTITIES)
                && !any(&c.words, &["id", "uuid", "code"])
        };
        let values = sample
            .columns
            .iter()
            .filter(|c| !taken.contains(&c.name.as_str()))
            .filter(quantity)
            .map(|c| c.name.clone())
            .collect();
        Ok(Self {
            account: account.name.clone(),
            user,
            naming,
            values,
            timestamp: timestamp.name.clone(),
            time_format,
            received,
            id,
        })
    }
}

fn unrecognized(sample: &Sample, key: &'static str) -> Error {
    let columns = sample.columns.iter().map(|column| column.name.clone()).collect();
    Error::UnrecognizedColumns { path: sample.path.clone(), key, columns }
}

/// Returns the unused column of the lowest rank.
fn best<'a>(
    sample: &'a Sample,
    taken: &[&str],
    rank: impl Fn(&Column) -> Option<usize>,
) -> Option<&'a Column> {
    let free = sample.columns.iter().filter(|c| !taken.contains(&c.name.as_str()));
    free.filter_map(|c| Some((rank(c)?, c))).min_by_key(|(rank, _)| *rank).map(|(_, c)| c)
}

/// Returns the time column: by name, else by its values, and a time other than that of the event
/// only as a last resort.
fn timestamp<'a>(sample: &'a Sample, account: &str) -> Option<(&'a Column, TimeFormat)> {
    let by_name = |c: &Column| {
        let whole = rank(&c.words, &TIMES, &[]);
        let part = || {
            rank(&c.words, &[], &TIME_WORDS)
                .filter(|_| !any(&c.words, &OTHER_TIMES))
                .map(|r| TIMES.len() + r)
        };
        whole.or_else(part)
    };
    let by_value = |c: &Column| {
        (c.kind == ColumnKind::Text).then(|| if any(&c.words, &OTHER_TIMES) { 200 } else { 100 })
    };
    let mut candidates: Vec<(usize, &Column)> = sample
        .columns
        .iter()
        .filter_map(|c| Some((by_name(c).or_else(|| by_value(c))?, c)))
        .collect();
    candidates.retain(|(_, c)| c.name != account && c.present * 2 > c.rows);
    candidates.sort_by_key(|(rank, _)| *rank);
    candidates.into_iter().find_map(|(_, c)| Some((c, c.time_format()?)))
}

fn naming(sample: &Sample, taken: &[&str]) -> EventTypeSource {
    let few = |c: &Column| {
        c.distinct() <= EVENT_NAMES && (c.distinct() * 2 <= c.present || c.present < FEW_ROWS)
    };
    let names = |c: &Column| c.kind == ColumnKind::Text && few(c) && c.time_format().is_none();
    let by_name = |c: &Column| {
        rank(&c.words, &EVENTS, &["event_name", "event_type", "event_action"]).filter(|_| names(c))
    };
    let by_value = |c: &Column| (names(c) && c.texts().any(roles::names_usage_event)).then_some(0);
    if let Some(column) = best(sample, taken, by_name).or_else(|| best(sample, taken, by_value)) {
        return EventTypeSource::Column(column.name.clone());
    }
    // A flag such as `is_trial` is a property of the row, not an event.
    let counted = |c: &&Column| {
        c.kind == ColumnKind::Flag
            && !any(&c.words, &["is", "has", "flag", "was", "can", "auto*", "trial", "id"])
    };
    let flags: Vec<String> = sample
        .columns
        .iter()
        .filter(|c| !taken.contains(&c.name.as_str()))
        .filter(counted)
        .map(|c| c.name.clone())
        .collect();
    if flags.len() > 1 {
        EventTypeSource::Unpivot(flags)
    } else {
        EventTypeSource::One(stem(&sample.path))
    }
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
    use crate::tools::init::words::split;

    #[test]
    fn account_ids_rank_before_customer_ids_and_user_ids() {
        let rank = |name: &str| id_rank(&split(name), &ACCOUNTS);
        assert!(
            rank("account_id") < rank("customerId")
                && rank("customerId") < rank("account")
                && rank("account") < rank("the_account_id")
        );
        assert_eq!(rank("account_name"), None);
        assert_eq!(id_rank(&split("userId"), &USERS), Some(0));
    }

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
