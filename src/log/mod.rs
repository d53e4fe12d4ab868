//! Files → [`Log`]: events gathered by account, the account list, and the count of every row
//! dropped.
//!
//! Nothing at or after the end of the log is read, so that a log cut there gives the same [`Log`].

mod accounts;
pub(crate) mod cells;
mod codes;
mod columns;
mod derive;
mod events;
mod gather;
mod quality;
mod settle;
mod source;
mod spill;
mod usage;
mod visitors;

use std::collections::BTreeMap;

pub use accounts::Accounts;
pub use cells::Kind;
use polars::prelude::DataFrame;
pub use quality::{Dropped, Kept, Quality, SourceQuality};
pub use usage::{Events, Usage};
pub use visitors::{Visitors, visitors};

use crate::config::{AccountSource, Config, EventSource, Roles};
use crate::error::{Error, Result};
use crate::io::progress::Progress;
use crate::io::sink::Sink;
use crate::time::{NEVER, Timestamp, iso, midnight};
use crate::warning::{DropReason, Warning};

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

/// Events and accounts as they were known at the end of the log.
#[derive(Debug)]
pub struct Log {
    /// Usage, without the events of the roles converted, churned and exclude.
    pub events: Usage,
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
    pub warnings: Vec<Warning>,
}

/// What part of a log is read, and how.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// Events later than this are mistakes (the present).
    pub now: Timestamp,
    /// Nothing at or after this exists (00:00 UTC of the day of the last event).
    pub until: Option<Timestamp>,
    /// What attributes are taken for, where their values must not decide.
    pub kinds: BTreeMap<String, Kind>,
    /// Bytes of memory to use; events beyond them are spilled to a temporary file (4 GB).
    pub memory: u64,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { now: Timestamp::now(), until: None, kinds: BTreeMap::new(), memory: MEMORY }
    }
}

impl ReadOptions {
    /// Reads what a training reads: up to `observation.until`, and `design.categories` stay text.
    #[must_use]
    pub fn for_training(config: &Config) -> Self {
        let kinds =
            config.design.categories.iter().map(|name| (name.clone(), Kind::Text)).collect();
        Self { until: config.observation.until, kinds, ..Self::default() }
    }
}

impl Log {
    /// Reads, cleans and gathers the events and accounts that a configuration names.
    ///
    /// # Errors
    /// * [`Error::Usage`]: the log would end after the present
    /// * those of [`ingest`]
    pub fn read(config: &Config, options: &ReadOptions, sink: &mut Sink<'_>) -> Result<Self> {
        let ReadOptions { now, until, kinds, memory } = options;
        let (now, until) = (now.0, until.map(|until| until.0));
        if let Some(until) = until.filter(|until| (now + 1..NEVER).contains(until)) {
            return Err(Error::Usage {
                problem: format!(
                    "the log cannot be complete before {}: it is {} now",
                    iso(until),
                    iso(now)
                ),
                hint: Some("look at `--at`, `observation.until` and `--now`".to_owned()),
            });
        }
        let sources = Sources {
            events: &config.events,
            accounts: config.accounts.as_ref(),
            roles: &config.roles,
            kinds,
            memory: *memory,
        };
        let clip = Clip { now, since: config.observation.since.map(|t| t.0), until };
        let log = ingest(&sources, clip, sink.progress())?;
        log.warnings.iter().for_each(|warning| sink.notify(warning.clone()));
        Ok(log)
    }

    /// Returns from when on accounts are in the log with their first days: `observation.since`,
    /// else the day of the first event.
    #[must_use]
    pub fn first_day(&self, config: &Config) -> Timestamp {
        Timestamp(config.observation.since.map_or(midnight(self.since), |since| since.0))
    }
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
    /// Bytes of memory to make do with; events beyond them wait in a temporary file.
    pub memory: u64,
}

/// Memory to make do with where nothing is said, in bytes: a log of 40 million events needs no
/// temporary file.
pub const MEMORY: u64 = 4_000_000_000;

/// What reading takes besides, whatever the size of the log: tables of a few batches, in bytes.
const READING: u64 = 250_000_000;

impl Sources<'_> {
    /// Bytes of events that may be in memory once they are read: the rest is for names, features
    /// and what is written.
    fn events_room(&self) -> usize {
        self.share(15)
    }

    /// Bytes of events that may be in memory while they are gathered once for all.
    fn gathering_room(&self) -> usize {
        self.share(17)
    }

    /// So many twentieths of the memory, less what reading takes, in bytes.
    fn share(&self, twentieths: u64) -> usize {
        usize::try_from((self.memory / 20 * twentieths).saturating_sub(READING))
            .unwrap_or(usize::MAX)
    }
}

/// Read, clean and gather events and accounts.
///
/// # Errors
/// * [`Error::Read`], [`Error::Empty`], [`Error::Malformed`]: a file that cannot be read
/// * [`Error::MissingColumn`], [`Error::BadValue`]: a column that is absent, a time or number that
///   is none
/// * [`Error::DuplicateAccount`]: an account that stands twice in the account list
/// * [`Error::EmptyLog`], [`Error::NoUsage`], [`Error::TooManyEventNames`]: no event is left, or
///   more than 65,534 event names
pub fn ingest(sources: &Sources<'_>, clip: Clip, progress: &Progress) -> Result<Log> {
    if sources.events.is_empty() {
        let hint = Some(
            "`pql init --events FILE` writes a pql.toml, or give `--features FILE`".to_owned(),
        );
        return Err(Error::Usage {
            problem: "no source of events: pql.toml has no `[[events]]`".to_owned(),
            hint,
        });
    }
    let mut list =
        sources.accounts.map(|source| accounts::read(source, sources.kinds)).transpose()?;
    let mut raw =
        events::Raw::new(list.as_mut().map(accounts::List::take_codes), sources.events_room());
    for source in sources.events {
        raw.read(source, progress)?;
    }
    let Some(last) = raw.last(clip.now, sources.roles)? else {
        return Err(nothing_left(raw, clip.now, sources.roles));
    };
    let until = clip.until.unwrap_or_else(|| midnight(last));
    let not_yet = list.as_ref().map(|list| list.not_yet(until)).unwrap_or_default();
    raw.mark(clip.now, until, sources.roles, &not_yet)?;
    let derived = list.is_none();
    let accounts = match list {
        Some(list) => list.finish(&mut raw, until)?,
        None => derive::derive(&raw)?,
    };
    gather::finish(raw, accounts, &gather::Span { until, since: clip.since, derived }, sources)
}

/// Say what became of all events.
fn nothing_left(mut raw: events::Raw, now: i64, roles: &Roles) -> Error {
    if let Err(error) = raw.mark(now, NEVER, roles, &[]) {
        return error;
    }
    let mut counts: BTreeMap<DropReason, u64> = BTreeMap::new();
    for dropped in raw.sources.iter().flat_map(|s| &s.quality.dropped) {
        *counts.entry(dropped.reason).or_default() += dropped.count;
    }
    let example = raw
        .unknown
        .as_deref()
        .zip(raw.accounts.iter().next())
        .map(|(event, list)| (event.to_owned(), list.to_owned()));
    Error::NoUsage { dropped: counts.into_iter().collect(), example }
}

/// The earlier of two instants of which either may never come.
pub(crate) fn earlier(a: i64, b: i64) -> i64 {
    a.min(b)
}

/// The account list in the columns that [`ingest`] takes by default.
///
/// # Errors
/// * [`Error::Table`]: a table that polars cannot hold
pub fn accounts_table(log: &Log) -> Result<DataFrame> {
    accounts::table(&log.accounts)
}

/// Hand on the events in the columns that [`ingest`] takes by default, one table after the other,
/// by account.
///
/// # Errors
/// * [`Error::Table`]: a table that polars cannot hold
/// * [`Error::Write`]: the temporary file of a large log fails
/// * whatever `take` returns
pub fn events_tables(log: &Log, take: &mut dyn FnMut(DataFrame) -> Result<()>) -> Result<()> {
    (0..log.events.parts()).try_for_each(|part| {
        take(log.events.with_part(part, |events| gather::events_table(log, events))??)
    })
}
