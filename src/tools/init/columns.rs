//! Columns of a source of events.

use pql_stats::counts::share;

use super::clock::EventClock;
use super::keys::{self, ListKey, SourceKey};
use super::naming::{self, EventTypeSource, best};
use super::sample::{Column, ColumnKind, Sample, flag};
use super::times::TimeFormat;
use super::users::UserTable;
use super::words::{any, rank};
use crate::names::file_name;
use crate::report::format::percent;

const IDS: [&str; 9] =
    ["messageid", "eventid", "eventuuid", "insertid", "eventguid", "id", "uuid", "guid", "rowid"];

/// Share of rows without an account from which it is reported.
const RARELY_EMPTY: f64 = 0.01;

/// Columns that the user names.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct NamedColumns<'a> {
    pub(super) account: Option<&'a str>,
    pub(super) time: Option<&'a str>,
}

/// A column, or what to do because none was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Choice {
    /// The column, and the evidence for it.
    Column {
        /// Its name.
        name: String,
        /// Why it was chosen; empty if its name says it.
        evidence: String,
    },
    /// The account of the user, who is in this column.
    OfUser {
        /// Column of users.
        user: String,
        /// Why it was chosen.
        evidence: String,
    },
    /// No column could be chosen.
    Undecided {
        /// What to do.
        task: String,
    },
}

impl Choice {
    /// Returns the name of the column.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Column { name, .. } => Some(name),
            Self::OfUser { .. } | Self::Undecided { .. } => None,
        }
    }

    /// Returns what to do because no column could be chosen.
    pub(super) fn task(&self) -> Option<&str> {
        match self {
            Self::Column { .. } | Self::OfUser { .. } => None,
            Self::Undecided { task } => Some(task),
        }
    }
}

/// Guessed columns of a source of events.
#[derive(Debug, Clone)]
pub(super) struct GuessedEventColumns {
    pub(super) account: Choice,
    /// Other columns that could be the account.
    pub(super) other_accounts: Vec<String>,
    pub(super) user: Option<String>,
    pub(super) naming: EventTypeSource,
    pub(super) values: Vec<String>,
    pub(super) timestamp: Choice,
    pub(super) time_format: TimeFormat,
    pub(super) received: Option<String>,
    /// Other columns of times, and why they are not used.
    pub(super) other_times: Vec<(String, String)>,
    pub(super) id: Option<String>,
    /// Columns that mark some rows as trials.
    pub(super) trials: Vec<String>,
}

impl GuessedEventColumns {
    /// Guesses the columns of a source of events.
    ///
    /// # Arguments
    /// * `list` – the account list and its account column
    /// * `others` – all tables, among which one may map users to accounts
    /// * `users` – the table that does
    pub(super) fn guess(
        sample: &Sample,
        list: Option<(&Sample, ListKey<'_>)>,
        (others, users): (&[&Sample], Option<UserTable<'_>>),
        named: NamedColumns<'_>,
    ) -> Self {
        let key = keys::source_key(sample, list.map(|(_, key)| key), named.account);
        let mut key = key.filter(|_| sample.rows > 0);
        // Without a list, a column of users would be the last resort.
        let is_user = |key: &SourceKey<'_>| {
            named.account.is_none() && list.is_none() && keys::named_account(key.column).is_none()
        };
        let link = users.filter(|_| key.as_ref().is_none_or(is_user));
        let link = link.and_then(|users| users.link(sample));
        if link.is_some() {
            key = None;
        }
        let account = match &key {
            None if let Some((column, evidence)) = &link => {
                Choice::OfUser { user: column.name.clone(), evidence: evidence.clone() }
            }
            Some(key) => Choice::Column {
                name: key.column.name.clone(),
                evidence: account_evidence(key, list, named.account.is_some()),
            },
            None => Choice::Undecided { task: account_task(sample, list, others) },
        };
        let mut taken: Vec<&str> = key.iter().map(|key| key.column.name.as_str()).collect();
        let stages = naming::stages(sample, &taken).map(|column| column.name.clone());
        let clock = EventClock::choose(sample, &taken, named.time, stages.is_some());
        let timestamp = match &clock {
            Some(clock) => Choice::Column {
                name: clock.timestamp.clone(),
                evidence: clock
                    .doubt
                    .as_ref()
                    .map_or_else(String::new, |doubt| format!("best guess: {doubt}")),
            },
            None => Choice::Undecided { task: time_task(sample) },
        };
        let times = clock.iter().flat_map(|clock| {
            let others = clock.rejected.iter().map(|(name, _)| name);
            others.chain([&clock.timestamp]).chain(&clock.received)
        });
        taken.extend(times.map(String::as_str));
        let user = match &account {
            Choice::OfUser { user, .. } => Some(user.clone()),
            _ => best(sample, &taken, keys::user_rank).map(|c| c.name.clone()),
        };
        let id = best(sample, &taken, id_rank).map(|c| c.name.clone());
        taken.extend([&user, &id].into_iter().flatten().map(String::as_str));
        let naming = match stages {
            Some(stages) => EventTypeSource::Stages(stages),
            None => naming::event_types(sample, &taken, account.name(), timestamp.name()),
        };
        let values = match &naming {
            EventTypeSource::Unpivot { columns, .. } => {
                let taken: Vec<&str> =
                    taken.iter().copied().chain(columns.iter().map(String::as_str)).collect();
                naming::quantities(sample, &taken)
            }
            _ => naming::quantities(sample, &taken),
        };
        let (time_format, received, other_times) = clock.map_or_else(
            || (TimeFormat { format: None, other: None }, None, Vec::new()),
            |clock| (clock.time_format, clock.received, clock.rejected),
        );
        let other_accounts = key.map(|key| key.others).unwrap_or_default();
        Self {
            account,
            other_accounts: other_accounts
                .into_iter()
                .filter(|name| user.as_ref() != Some(name))
                .collect(),
            user,
            naming,
            values,
            timestamp,
            time_format,
            received,
            other_times,
            id,
            trials: trials(sample),
        }
    }

    /// Returns what to do before the source can be read.
    pub(super) fn tasks(&self) -> Vec<String> {
        let choices = [&self.account, &self.timestamp].into_iter();
        let mut tasks: Vec<String> = choices.filter_map(Choice::task).map(str::to_owned).collect();
        tasks.dedup();
        tasks
    }
}

/// Returns the columns that mark some rows as trials.
fn trials(sample: &Sample) -> Vec<String> {
    let marks = |c: &&Column| {
        let set = c.texts().filter(|v| flag(v) != Some(false)).count() > 0;
        any(&c.words, &["trial*"]) && c.kind != ColumnKind::Empty && set
    };
    sample.columns.iter().filter(marks).map(|c| c.name.clone()).collect()
}

/// Ranks a column of unique values as id of the event by its name.
fn id_rank(column: &Column) -> Option<usize> {
    let unique = column.present > 0 && column.distinct() * 20 >= column.present * 19;
    let filled = column.present * 10 >= column.rows * 9;
    rank(&column.words, &IDS, &[]).filter(|_| unique && filled).map(|r| r + 10 * column.depth)
}

fn account_evidence(
    key: &keys::SourceKey<'_>,
    list: Option<(&Sample, ListKey<'_>)>,
    named: bool,
) -> String {
    let shared = key.overlap.zip(list).map(|(overlap, (list, list_key))| {
        format!(
            "{} of its values occur in {} of {}",
            percent(overlap.found),
            list_key.column.name,
            file_name(&list.path)
        )
    });
    let found = match shared {
        Some(shared) if named => shared,
        Some(shared) => format!("best guess: {shared}"),
        None => String::new(),
    };
    let empty = 1.0 - share(key.column.present, key.column.rows);
    if empty < RARELY_EMPTY {
        return found;
    }
    let empty = format!("empty in {} of rows, which are dropped", percent(empty));
    if found.is_empty() { empty } else { format!("{found}; {empty}") }
}

/// Returns what to do about a source without times.
fn time_task(sample: &Sample) -> String {
    let name = file_name(&sample.path);
    if sample.rows == 0 {
        return empty_task(&name);
    }
    format!(
        "no column of `{name}` has times; name the column of event times, or, if each row is an account with its outcome, train on a feature matrix: `pql train --features {name}` with `matrix.label`"
    )
}

/// Returns what to do about a source without rows.
fn empty_task(name: &str) -> String {
    format!("`{name}` has no rows: export the events again")
}

/// Returns what to do about a source without an account column.
fn account_task(
    sample: &Sample,
    list: Option<(&Sample, ListKey<'_>)>,
    others: &[&Sample],
) -> String {
    match list {
        _ if sample.rows == 0 => empty_task(&file_name(&sample.path)),
        Some((list, key)) => keys::missing_join(sample, (list, key), others),
        None => format!(
            "no column of `{}` looks like account ids; name the column with `--account`",
            file_name(&sample.path)
        ),
    }
}
