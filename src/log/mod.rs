//! Files → [`Log`]: events grouped by account, the account list, and the number of rows dropped for
//! each reason.
//!
//! Records at or after the end of the log are dropped, so that a log truncated there gives the same
//! [`Log`].

mod account_columns;
mod account_history;
mod account_table;
mod accounts;
mod assemble;
pub(crate) mod cells;
mod columns;
mod daily;
mod derive;
mod event_store;
mod exclusions;
mod faults;
mod interner;
pub(crate) mod joined;
mod partition;
mod quality;
pub(crate) mod query;
mod raw_events;
mod raw_source;
mod repeats;
mod resolve;
mod spill;
mod unknown;
mod users;
mod visitors;
mod volume;

use std::collections::{BTreeMap, HashMap};

pub use account_history::AttributeHistory;
pub use accounts::Accounts;
pub(crate) use cells::canonical;
pub use cells::{ColumnTypes, NullMarks, NumberFormat, ValueKind};
pub(crate) use columns::{UsedColumns, account_columns, event_columns, visitor_columns};
pub use daily::DailyCounts;
pub use event_store::{EventStore, Events};
pub use exclusions::Exclusions;
pub(crate) use exclusions::MemberTimes;
pub use faults::{NewEvent, TrainingActivity, Watch, log_faults, new_events};
use polars::prelude::DataFrame;
pub use quality::{AnomalyCount, DataQuality, DroppedRows, SourceQuality};
pub use visitors::{Visitors, visitors};
use volume::DailyVolume;

use crate::config::{AccountSource, Config, EventSource, Roles, UserSource};
use crate::error::{Error, Result};
use crate::io::database;
use crate::io::progress::Progress;
use crate::io::sink::Sink;
use crate::time::{NEVER, Timestamp, Zone};
use crate::warning::{DropReason, Warning};

/// Unique names in byte order; the code of a name is its rank, so that equal data give equal codes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names(Vec<Box<str>>);

impl Names {
    /// Wraps unique names that are in byte order.
    pub(crate) fn from_sorted(names: Vec<Box<str>>) -> Self {
        debug_assert!(names.is_sorted());
        Self(names)
    }

    /// Returns the code of a name, which is compared in its canonical form.
    #[must_use]
    pub fn code(&self, name: &str) -> Option<usize> {
        let name = canonical(name);
        self.0.binary_search_by(|n| (**n).cmp(&*name)).ok()
    }

    /// Iterates over the names in the order of their codes.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|n| &**n)
    }

    /// Returns the number of names.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are no names.
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

/// User code of an event without a user.
pub const NO_USER: u32 = u32::MAX;

/// Events and accounts as known at the end of the log.
#[derive(Debug)]
pub struct Log {
    /// Usage events; events of the roles `converted`, `churned` and `exclude` are not among them.
    pub events: EventStore,
    /// The accounts.
    pub accounts: Accounts,
    /// Start of the period that the log covers, µs UTC.
    pub since: i64,
    /// End of the period that the log covers (exclusive), µs UTC.
    pub until: i64,
    /// The zone whose days the log has.
    pub zone: Zone,
    /// Whether a source has dates without a time of day.
    pub date_only: bool,
    /// Whether there is an account list; without one, accounts are derived from their events.
    pub listed: bool,
    /// Rows kept and dropped, by source and reason.
    pub quality: DataQuality,
    /// Warnings about the log.
    pub warnings: Vec<Warning>,
    /// Formats of numbers other than decimal points, as in [`ColumnTypes::formats`].
    pub formats: BTreeMap<String, NumberFormat>,
    /// Events by day.
    pub daily: DailyCounts,
    /// When internal and other members joined each account.
    pub(crate) members: MemberTimes,
    /// Accounts that were dropped, and why; empty if [`LogSources::names_dropped`] is false.
    pub(crate) dropped_accounts: HashMap<Box<str>, DropReason>,
    /// Why accounts must not be contacted; `None` without `[eligibility]`.
    pub exclusions: Option<Exclusions>,
}

/// Options of [`Log::read`].
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// The current time; later events are dropped as errors.
    pub now: Timestamp,
    /// End of the log; default: 00:00 on the last covered day, see [`LogBounds::until`].
    pub until: Option<Timestamp>,
    /// How columns of numbers and attributes are read.
    pub types: ColumnTypes,
    /// Memory budget in bytes (default: 4 GB); the excess is spilled to a temporary file.
    pub memory: u64,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            now: Timestamp::now(),
            until: None,
            types: ColumnTypes::default(),
            memory: DEFAULT_MEMORY,
        }
    }
}

impl ReadOptions {
    /// Returns the options for training: the log ends at `observation.until`, and the columns of
    /// `design.categorical` are text.
    #[must_use]
    pub fn for_training(config: &Config) -> Self {
        let types = ColumnTypes::for_training(config);
        Self { until: config.observation.until, types, ..Self::default() }
    }
}

impl Log {
    /// Reads and cleans the events and accounts of a project.
    ///
    /// # Errors
    /// * [`Error::Usage`]: the end of the log is later than now
    /// * those of [`ingest`]
    pub fn read(config: &Config, options: &ReadOptions, sink: &mut Sink<'_>) -> Result<Self> {
        let ReadOptions { now, until, types, memory } = options;
        let types = &ColumnTypes { zone: config.input.timezone, ..types.clone() };
        database::register(config, until.filter(|until| until.0 < NEVER).unwrap_or(*now));
        let (now, until) = (now.0, until.map(|until| until.0));
        if let Some(until) = until.filter(|until| (now + 1..NEVER).contains(until)) {
            return Err(Error::Usage {
                problem: format!(
                    "end of the log: found {}, expected no later than now ({})",
                    config.input.timezone.short(until),
                    config.input.timezone.short(now)
                ),
                hint: Some("check `--at`, `observation.until` and `--now`".to_owned()),
            });
        }
        let sources = LogSources {
            events: &config.events,
            accounts: config.accounts.as_ref(),
            users: config.users.as_ref(),
            roles: &config.roles,
            types,
            memory: *memory,
            names_dropped: config.eligibility.is_some(),
        };
        let since = config.observation.since.map(|t| t.0);
        let bounds = LogBounds { now, since, until, zone: config.input.timezone };
        let mut log = ingest(&sources, bounds, sink.progress())?;
        log.exclusions = exclusions::read(config, &mut log)?;
        database::disconnect();
        log.warnings.iter().for_each(|warning| sink.notify(warning.clone()));
        Ok(log)
    }

    /// Returns the earliest sign-up day whose accounts have their first days in the log:
    /// `observation.since`, or the day of the first event.
    #[must_use]
    pub fn first_day(&self, config: &Config) -> Timestamp {
        Timestamp(config.observation.since.map_or(self.zone.midnight(self.since), |since| since.0))
    }
}

/// The period of a log.
#[derive(Debug, Clone, Copy)]
pub struct LogBounds {
    /// The current time, µs UTC; later events are dropped as errors.
    pub now: i64,
    /// Start of the log, µs UTC; default: its first event, without single events long before the
    /// others.
    pub since: Option<i64>,
    /// End of the log (exclusive), µs UTC; default: 00:00 on the day of its last event, without
    /// single events long after the others.
    pub until: Option<i64>,
    /// Zone of days.
    pub zone: Zone,
}

/// The sources of a log, and how to read them.
#[derive(Debug, Clone, Copy)]
pub struct LogSources<'a> {
    /// Sources of events.
    pub events: &'a [EventSource],
    /// The account list.
    pub accounts: Option<&'a AccountSource>,
    /// The users and their accounts.
    pub users: Option<&'a UserSource>,
    /// Event names by role.
    pub roles: &'a Roles,
    /// How columns of numbers and attributes are read.
    pub types: &'a ColumnTypes,
    /// Memory budget in bytes; the excess is spilled to a temporary file.
    pub memory: u64,
    /// Whether the log has the names of dropped accounts.
    pub names_dropped: bool,
}

/// Default memory budget, in bytes: enough for 40 million events without a temporary file.
pub const DEFAULT_MEMORY: u64 = 4_000_000_000;

/// Memory that the readers need for a few batches, whatever the size of the log, in bytes.
const READER_OVERHEAD: u64 = 250_000_000;

impl LogSources<'_> {
    /// Returns the memory for events that have been read, in bytes; the rest is for names, features
    /// and output.
    fn events_budget(&self) -> usize {
        self.budget(15)
    }

    /// Returns the memory for events while they are grouped by account, in bytes.
    fn grouping_budget(&self) -> usize {
        self.budget(17)
    }

    /// Returns a number of twentieths of the memory, minus the overhead of the readers, in bytes.
    fn budget(&self, twentieths: u64) -> usize {
        usize::try_from((self.memory / 20 * twentieths).saturating_sub(READER_OVERHEAD))
            .unwrap_or(usize::MAX)
    }
}

/// Reads and cleans events and accounts, and groups the events by account.
///
/// # Errors
/// * [`Error::NoEventSource`]: there is no source of events
/// * [`Error::OnlyTable`]: a source is a table of a database
/// * [`Error::Read`], [`Error::Empty`], [`Error::Malformed`]: a file cannot be read
/// * [`Error::MissingColumn`]: a file lacks a column
/// * [`Error::BadValue`]: a value is not a valid time or number, or users are merged in a circle
/// * [`Error::DuplicateAccount`]: the account list has two rows of one account
/// * [`Error::EmptyLog`], [`Error::NoUsage`]: no events are left
/// * [`Error::AccountIdsChange`]: from some day on, most events are of unknown accounts
/// * [`Error::TooManyEventNames`]: there are more than 65,534 event names
pub fn ingest(sources: &LogSources<'_>, bounds: LogBounds, progress: &Progress) -> Result<Log> {
    if sources.events.is_empty() {
        return Err(Error::NoEventSource { path: None });
    }
    // Before any file is read.
    sources.accounts.map(AccountSource::file).transpose()?;
    sources.events.iter().try_for_each(|source| source.file().map(drop))?;
    let mut list =
        sources.accounts.map(|source| accounts::read(source, sources.types)).transpose()?;
    let mut raw = raw_events::RawEvents::new(
        list.as_mut().map(accounts::AccountList::take_interner),
        sources.events_budget(),
    );
    raw.warnings.extend(list.iter_mut().flat_map(accounts::AccountList::take_warnings));
    if let Some(users) = sources.users {
        raw.read_users(users, sources.types)?;
    }
    for source in sources.events {
        raw.read(source, sources.types, progress)?;
    }
    raw.finish_reading();
    let volume = DailyVolume::count(&raw, bounds.now, sources.roles, bounds.zone)?;
    unknown::check(&raw, &volume, bounds.until)?;
    let Some(covered) = volume.covered(bounds.until) else {
        return Err(no_usage_error(raw, bounds.now, sources.roles, &volume));
    };
    let until = bounds.until.unwrap_or_else(|| volume.end(covered));
    let warnings = volume.warnings(covered, &bounds, &raw)?;
    raw.warnings.extend(warnings);
    let not_signed_up =
        list.as_ref().map(|list| list.not_signed_up(until, &raw)).unwrap_or_default();
    raw.classify(bounds.now, until, sources.roles, (&not_signed_up, &volume.days))?;
    let derived = list.is_none();
    let accounts = match list {
        Some(list) => list.finish(&mut raw, until, bounds.zone)?,
        None => derive::derive(&raw, until)?,
    };
    let span = assemble::LogSpan {
        until,
        since: bounds.since,
        covered_from: volume.start(covered),
        derived,
        zone: bounds.zone,
        days: &volume.days,
    };
    assemble::assemble(raw, accounts, &span, sources)
}

/// Returns the error for a log without usage events, with the reasons why its rows were dropped.
fn no_usage_error(
    mut raw: raw_events::RawEvents,
    now: i64,
    roles: &Roles,
    volume: &DailyVolume,
) -> Error {
    if let Err(error) = raw.classify(now, NEVER, roles, (&[], &volume.days)) {
        return error;
    }
    let sources = raw.sources.iter().map(|source| source.quality.drops()).collect();
    let example = raw
        .unknown
        .iter()
        .next()
        .zip(raw.accounts.iter().next())
        .map(|(unknown, listed)| (unknown.to_owned(), listed.to_owned()));
    Error::NoUsage { sources, example }
}

/// Returns the earlier of two times, each of which may be [`NEVER`].
pub(crate) fn earlier(a: i64, b: i64) -> i64 {
    a.min(b)
}

/// Returns the account list, with the column names that [`ingest`] expects by default.
///
/// # Errors
/// * [`Error::Table`]: polars cannot build the table
pub fn accounts_table(log: &Log) -> Result<DataFrame> {
    account_table::table(&log.accounts)
}

/// Rows of a table of events: an account with many events does not become one table.
const TABLE_ROWS: usize = 1 << 20;

/// Passes the events to `write` in tables of consecutive events, with the column names that
/// [`ingest`] expects by default.
///
/// # Errors
/// * [`Error::Table`]: polars cannot build a table
/// * [`Error::Write`]: the temporary file of a large log cannot be read
/// * errors of `write`
pub fn events_tables(log: &Log, write: &mut dyn FnMut(DataFrame) -> Result<()>) -> Result<()> {
    (0..log.events.partition_count()).try_for_each(|partition| {
        log.events.with_partition(partition, |events| {
            let rows = events.time.len();
            (0..rows).step_by(TABLE_ROWS).try_for_each(|start| {
                write(assemble::events_table(log, events, start..rows.min(start + TABLE_ROWS))?)
            })
        })?
    })
}
