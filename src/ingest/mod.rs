//! Files → [`Log`]: events gathered by account, the account list, and the count of every row dropped.
//!
//! Nothing at or after the end of the log is read, so that a log cut there gives the same [`Log`].

mod accounts;
pub(crate) mod cells;
mod derive;
mod events;
mod gather;

mod quality;
mod source;

use std::collections::BTreeMap;
use std::ops::Range;

use polars::prelude::DataFrame;

pub use accounts::Accounts;
pub use cells::Kind;
pub use quality::{Dropped, Kept, Quality, Reason, SourceQuality};

use crate::config::{AccountSource, EventSource, Roles};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::time::{NEVER, midnight};

/// Names sorted by bytes, each once; a code is a rank, so that equal data give equal codes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names(Vec<Box<str>>);

impl Names {
    /// Take names that are sorted by bytes, each once.
    pub(crate) fn from_sorted(names: Vec<Box<str>>) -> Self {
        debug_assert!(names.is_sorted());
        Self(names)
    }

    /// The code of a name.
    #[must_use]
    pub fn code(&self, name: &str) -> Option<usize> {
        self.0.binary_search_by(|n| (**n).cmp(name)).ok()
    }

    /// The names in the order of their codes.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|n| &**n)
    }

    /// How many names there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::ops::Index<usize> for Names {
    type Output = str;

    fn index(&self, code: usize) -> &str {
        &self.0[code]
    }
}

/// User code of an event without user.
pub const NO_USER: u32 = u32::MAX;

/// The usage log: events gathered by account, inside an account by time, then event, user and values.
#[derive(Debug, Clone, Default)]
pub struct Events {
    /// Events of account a: `start[a]..start[a + 1]`.
    pub start: Vec<usize>,
    /// When it happened, µs UTC.
    pub time: Vec<i64>,
    /// When it was known, `max(time, received)`; `None` where no source has a time of receipt.
    pub seen: Option<Vec<i64>>,
    /// Code in `names`.
    pub event: Vec<u16>,
    /// User, counted from 0 inside the account; [`NO_USER`] where missing.
    pub user: Vec<u32>,
    /// Numeric properties by name; NaN where missing.
    pub values: Vec<(String, Vec<f64>)>,
    /// Event names.
    pub names: Names,
    /// Users of account a, `users[user_start[a] + user]` being codes in `user_names`.
    pub user_start: Vec<usize>,
    /// Codes in `user_names`, account by account.
    pub users: Vec<u32>,
    /// User names over all accounts.
    pub user_names: Names,
}

impl Events {
    /// The events of one account.
    #[must_use]
    pub fn of(&self, account: usize) -> Range<usize> {
        self.start[account]..self.start[account + 1]
    }

    /// When an event was known, µs UTC.
    #[must_use]
    pub fn seen_at(&self, at: usize) -> i64 {
        self.seen.as_ref().map_or(self.time[at], |seen| seen[at])
    }

    /// How many users the account has.
    #[must_use]
    pub fn users_of(&self, account: usize) -> usize {
        self.user_start[account + 1] - self.user_start[account]
    }

    /// Number of events.
    #[must_use]
    pub fn len(&self) -> usize {
        self.time.len()
    }

    /// Whether there is no event.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.time.is_empty()
    }
}

/// Events and accounts as they were known at the end of the log.
#[derive(Debug, Clone)]
pub struct Log {
    /// Usage, without the events of the roles converted, churned and exclude.
    pub events: Events,
    /// The accounts.
    pub accounts: Accounts,
    /// The log is complete from here on, µs UTC.
    pub since: i64,
    /// The log is complete before this instant, µs UTC.
    pub until: i64,
    /// Whether a source has dates without a time of day.
    pub date_only: bool,
    /// Whether there is an account list; without one only accounts with an event exist.
    pub listed: bool,
    /// What became of every row read.
    pub quality: Quality,
    /// What a user should know.
    pub warnings: Vec<String>,
}

/// What part of the sources exists.
#[derive(Debug, Clone, Copy)]
pub struct Clip {
    /// Events later than this are mistakes, µs UTC.
    pub now: i64,
    /// The log begins here; default: its first event.
    pub since: Option<i64>,
    /// Nothing at or after this exists; default: 00:00 UTC of the day of the last event.
    pub until: Option<i64>,
}

/// Where events and accounts lie, and how to read them.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// Sources of events.
    pub events: &'a [EventSource],
    /// The account list.
    pub accounts: Option<&'a AccountSource>,
    /// What events mean.
    pub roles: &'a Roles,
    /// What attributes are to be taken for, where their values must not tell.
    pub kinds: &'a BTreeMap<String, Kind>,
}

/// Read, clean and gather events and accounts.
///
/// # Errors
/// * [`Error::Read`], [`Error::Empty`], [`Error::Malformed`]: a file that cannot be read
/// * [`Error::MissingColumn`], [`Error::BadValue`]: a column that is absent, a time or number that is none
/// * [`Error::DuplicateAccount`]: an account that stands twice in the account list
/// * [`Error::Unsuitable`]: no event is left, or more than 65,534 event names
pub fn ingest(sources: &Sources<'_>, clip: Clip, progress: &Progress) -> Result<Log> {
    if sources.events.is_empty() {
        let hint = Some("`pql init --events FILE` writes a pql.toml, or give `--features FILE`".to_owned());
        return Err(Error::Usage { problem: "no source of events: pql.toml has no `[[events]]`".to_owned(), hint });
    }
    let mut list = sources.accounts.map(|source| accounts::read(source, sources.kinds)).transpose()?;
    let mut raw = events::Raw::new(list.as_mut().map(accounts::List::take_codes));
    for source in sources.events {
        raw.read(source, progress)?;
    }
    let until = match clip.until {
        Some(until) => until,
        None => match raw.last(clip.now, sources.roles) {
            Some(last) => midnight(last),
            None => return Err(nothing_left(raw, clip.now, sources.roles)),
        },
    };
    let not_yet = list.as_ref().map(|list| list.not_yet(until)).unwrap_or_default();
    let marks = raw.mark(clip.now, until, sources.roles, &not_yet);
    let derived = list.is_none();
    let accounts = match list {
        Some(list) => list.finish(&mut raw, &marks, until)?,
        None => derive::derive(&raw, &marks),
    };
    gather::finish(raw, marks, accounts, &gather::Span { until, since: clip.since, derived }, sources)
}

/// Say what became of all events.
fn nothing_left(mut raw: events::Raw, now: i64, roles: &Roles) -> Error {
    raw.mark(now, NEVER, roles, &[]);
    let mut counts: BTreeMap<Reason, u64> = BTreeMap::new();
    for dropped in raw.sources.iter().flat_map(|s| &s.quality.dropped) {
        *counts.entry(dropped.reason).or_default() += dropped.count;
    }
    let counts: Vec<String> = counts.iter().map(|(reason, count)| format!("{count} {}", reason.words())).collect();
    let example = raw.unknown.zip(raw.accounts.names.first());
    let hint = example.map(|(event, list)| format!("the events have accounts such as `{event}`, the account list such as `{list}`"));
    Error::Unsuitable { problem: format!("no event of usage is left: {}", counts.join(", ")), hint }
}

/// The earlier of two instants of which either may never come.
pub(crate) fn earlier(a: i64, b: i64) -> i64 {
    a.min(b)
}

/// The log as tables in the columns that [`ingest`] takes by default: events and accounts.
///
/// # Errors
/// * [`Error::Unsuitable`]: a table that polars cannot hold
pub fn tables(log: &Log) -> Result<(DataFrame, DataFrame)> {
    Ok((gather::events_table(log)?, accounts::table(&log.accounts)?))
}
