//! Sources of events as they were read, before anything is dropped.

use std::collections::BTreeSet;
use std::path::Path;

use polars::prelude::*;

use super::cells::{self, Codes, NO_CODE, NO_TIME, Place, Times};
use super::quality::{Reason, SourceQuality};
use super::source::{Mark, NO_EVENT, Source, UNKNOWN};
use crate::config::{EventSource, Roles};
use crate::error::{Error, Result, nearest};
use crate::progress::Progress;
use crate::table;

/// All sources as they were read; codes are in order of first appearance.
pub(super) struct Raw {
    pub(super) accounts: Codes,
    /// Whether `accounts` is the account list, so that no other account exists.
    pub(super) listed: bool,
    pub(super) users: Codes,
    pub(super) names: Codes,
    /// Names of numeric properties over all sources.
    pub(super) values: Vec<String>,
    pub(super) sources: Vec<Source>,
    /// An account of an event that is not in the list.
    pub(super) unknown: Option<String>,
    /// The data quality of the account list, once it is known.
    pub(super) account_quality: Option<SourceQuality>,
}

/// The columns of one file that are read.
struct Picked {
    account: String,
    user: Option<String>,
    event: Option<String>,
    timestamp: String,
    received: Option<String>,
    id: Option<String>,
}

impl Picked {
    fn of(source: &EventSource, file: &Path) -> Result<Self> {
        let columns = table::columns(file)?;
        let take = |named: &Option<String>, default: &str| pick(&columns, named.as_ref(), default);
        let must = |named: &Option<String>, default: &str, role: &str| require(file, &columns, named.as_ref(), default, role);
        let whole = source.event_name.is_some() || !source.unpivot.is_empty();
        Ok(Self {
            account: must(&source.account, "account_id", "`events.account`")?,
            user: take(&source.user, "user_id"),
            event: if whole { None } else { Some(must(&source.event, "event", "`events.event`; or give `event_name` or `unpivot`")?) },
            timestamp: must(&source.timestamp, "timestamp", "`events.timestamp`")?,
            received: take(&source.received, "received_at"),
            id: take(&source.id, "message_id"),
        })
    }

    fn columns(&self, source: &EventSource) -> Vec<String> {
        let mut columns: Vec<String> = vec![self.account.clone(), self.timestamp.clone()];
        columns.extend([&self.user, &self.event, &self.received, &self.id].into_iter().flatten().cloned());
        columns.extend(source.values.iter().chain(&source.unpivot).cloned());
        columns.sort_unstable();
        columns.dedup();
        columns
    }
}

/// The column that is named, or the usual one where it exists.
pub(super) fn pick(columns: &[String], named: Option<&String>, default: &str) -> Option<String> {
    named.cloned().or_else(|| columns.iter().any(|c| c == default).then(|| default.to_owned()))
}

/// The column that is named, or the usual one, which must exist.
pub(super) fn require(file: &Path, columns: &[String], named: Option<&String>, default: &str, role: &str) -> Result<String> {
    let column = named.map_or(default, String::as_str);
    if columns.iter().any(|c| c == column) {
        return Ok(column.to_owned());
    }
    let near = nearest(column, columns.iter().map(String::as_str));
    Err(Error::MissingColumn { path: file.to_owned(), column: column.to_owned(), role: role.to_owned(), near })
}

/// The key of the project file by which a column is asked for, as messages name it.
fn role(source: &EventSource, column: &str) -> String {
    let is = |named: &Option<String>| named.as_deref() == Some(column);
    let key = match column {
        _ if is(&source.user) => "user",
        _ if is(&source.received) => "received",
        _ if is(&source.id) => "id",
        _ if source.unpivot.iter().any(|c| c == column) => "unpivot",
        _ => "values",
    };
    format!("`events.{key}`")
}

/// What names the events of a frame.
enum Naming<'a> {
    Column(&'a str),
    All(u16),
}

/// A source while its files are read.
struct Reading<'a> {
    source: &'a EventSource,
    into: Source,
    scratch: Scratch,
}

/// What a source needs only while its files are read.
#[derive(Default)]
struct Scratch {
    time: Times,
    received: Times,
    ids: Codes,
}

impl Raw {
    /// Start with the codes of the account list, where there is one.
    pub(super) fn new(listed: Option<Codes>) -> Self {
        let is_listed = listed.is_some();
        Self {
            accounts: listed.unwrap_or_default(),
            listed: is_listed,
            users: Codes::default(),
            names: Codes::default(),
            values: Vec::new(),
            sources: Vec::new(),
            unknown: None,
            account_quality: None,
        }
    }

    /// Read one source whole.
    pub(super) fn read(&mut self, source: &EventSource, progress: &Progress) -> Result<()> {
        let values: Vec<(usize, Vec<f64>)> = source.values.iter().map(|name| (self.value_code(name), Vec::new())).collect();
        let into = Source {
            account: Vec::new(),
            user: Vec::new(),
            event: Vec::new(),
            time: Vec::new(),
            received: Vec::new(),
            id: Vec::new(),
            values,
            row: Vec::new(),
            files: Vec::new(),
            quality: SourceQuality::new(&source.path, "events"),
            unpivoted: !source.unpivot.is_empty(),
        };
        let mut reading = Reading { source, into, scratch: Scratch::default() };
        for file in table::files(&source.path)? {
            let picked = Picked::of(source, &file)?;
            let stage = progress.stage(&format!("reading {}", file.display()), table::rows(&file));
            reading.into.files.push((file.clone(), reading.into.account.len()));
            table::read(&file, Some(&picked.columns(source)), &mut |first_row, frame| {
                stage.advance(frame.height() as u64);
                reading.into.quality.rows += frame.height() as u64;
                self.take_batch(&mut reading, &picked, &frame, first_row)
            })
            .map_err(|e| e.needed_for(|column| role(source, column)))?;
        }
        let Reading { mut into, scratch, .. } = reading;
        if into.quality.rows == 0 {
            return Err(Error::Empty { path: source.path.clone(), expected: "a log needs events".to_owned() });
        }
        into.quality.made = into.account.len() as u64;
        let received = scratch.received.len() > 0;
        let bad = |(at, found): (usize, String), into: &Source, column: &Option<String>, usual: &str| Error::BadValue {
            path: into.files[into.files.partition_point(|(_, first)| *first <= at) - 1].0.clone(),
            row: Some(u64::from(into.row[at])),
            column: column.clone().unwrap_or_else(|| usual.to_owned()),
            found,
            expected: "a time between the years 1900 and 2262".to_owned(),
        };
        into.time = scratch.time.finish().map_err(|e| bad(e, &into, &source.timestamp, "timestamp"))?;
        if received {
            into.received = scratch.received.finish().map_err(|e| bad(e, &into, &source.received, "received_at"))?;
            into.received.resize(into.time.len(), NO_TIME);
        }
        self.sources.push(into);
        Ok(())
    }

    fn value_code(&mut self, name: &str) -> usize {
        self.values.iter().position(|v| v == name).unwrap_or_else(|| {
            self.values.push(name.to_owned());
            self.values.len() - 1
        })
    }

    fn take_batch(&mut self, reading: &mut Reading<'_>, picked: &Picked, frame: &DataFrame, first_row: u64) -> Result<()> {
        let source = reading.source;
        let file = reading.into.files.last().expect("a file is being read").0.clone();
        let rows: Vec<u32> = (0..).take(frame.height()).collect();
        let whole = |naming| Taken { picked, file: &file, first_row, rows: &rows, values: true, naming };
        if let Some(column) = &picked.event {
            return self.take(reading, frame, &whole(Naming::Column(column)));
        }
        if let Some(name) = &source.event_name {
            let naming = Naming::All(self.event_code(name)?);
            return self.take(reading, frame, &whole(naming));
        }
        let mut seen = vec![false; frame.height()];
        for column in &source.unpivot {
            let place = Place { path: &file, column, first_row, rows: &[] };
            let numbers = cells::numbers(frame.column(column).map_err(|e| absent(&file, &e))?, place)?;
            let mask: BooleanChunked = numbers.iter().map(|v| Some(v.is_some_and(|v| v != 0.0))).collect();
            // The values of a row belong to the first event it gives, so that no sum counts them twice.
            for first in [true, false] {
                let part: BooleanChunked = mask.iter().zip(&seen).map(|(m, s)| Some(m == Some(true) && *s != first)).collect();
                let rows: Vec<u32> = (0..).zip(part.iter()).filter(|(_, m)| *m == Some(true)).map(|(row, _)| row).collect();
                let filtered = frame.filter(&part).map_err(|e| absent(&file, &e))?;
                let naming = Naming::All(self.event_code(column)?);
                self.take(reading, &filtered, &Taken { picked, file: &file, first_row, rows: &rows, values: first, naming })?;
            }
            seen.iter_mut().zip(mask.iter()).for_each(|(s, m)| *s |= m == Some(true));
        }
        for (at, _) in seen.iter().enumerate().filter(|(_, s)| !**s) {
            reading.into.quality.drop_row(Reason::NoEvent, &file, first_row + at as u64);
        }
        Ok(())
    }

    fn event_code(&mut self, name: &str) -> Result<u16> {
        u16::try_from(self.names.code(name)).ok().filter(|code| *code < NO_EVENT).ok_or_else(|| Error::Unsuitable {
            problem: "more than 65,534 event names".to_owned(),
            hint: Some("the column of event names seems to hold ids; name another one as `events.event`".to_owned()),
        })
    }

    fn take(&mut self, reading: &mut Reading<'_>, frame: &DataFrame, rows: &Taken<'_>) -> Result<()> {
        let Reading { source, into, scratch } = reading;
        let picked = rows.picked;
        let column = |name: &str| frame.column(name).map_err(|e| absent(rows.file, &e));
        let place = |column| Place { path: rows.file, column, first_row: rows.first_row, rows: rows.rows };
        let before = into.account.len();
        let accounts = cells::text(column(&picked.account)?)?;
        for account in accounts.iter() {
            into.account.push(match account.filter(|a| !a.is_empty()) {
                None => NO_CODE,
                Some(a) if self.listed => self.accounts.get(a).unwrap_or_else(|| {
                    self.unknown.get_or_insert_with(|| a.to_owned());
                    UNKNOWN
                }),
                Some(a) => self.accounts.code(a),
            });
        }
        match &picked.user {
            None => into.user.resize(into.account.len(), NO_CODE),
            Some(name) => {
                let users = cells::text(column(name)?)?;
                into.user.extend(users.iter().map(|u| u.filter(|u| !u.is_empty()).map_or(NO_CODE, |u| self.users.code(u))));
            }
        }
        match &rows.naming {
            Naming::All(code) => into.event.resize(into.account.len(), *code),
            Naming::Column(name) => {
                for event in cells::text(column(name)?)?.iter() {
                    let code = event.filter(|e| !e.is_empty()).map_or(Ok(NO_EVENT), |e| self.event_code(e))?;
                    into.event.push(code);
                }
            }
        }
        scratch.time.push(column(&picked.timestamp)?, source.format.as_deref(), place(&picked.timestamp))?;
        if let Some(name) = &picked.received {
            scratch.received.pad(before);
            scratch.received.push(column(name)?, source.format.as_deref(), place(name))?;
        }
        if let Some(name) = &picked.id {
            into.id.resize(before, NO_CODE);
            into.id
                .extend(cells::text(column(name)?)?.iter().map(|i| i.filter(|i| !i.is_empty()).map_or(NO_CODE, |i| scratch.ids.code(i))));
        }
        for (name, (_, values)) in source.values.iter().zip(&mut into.values) {
            let numbers = cells::finite(column(name)?, place(name))?;
            values.extend(numbers.iter().map(|v| v.filter(|_| rows.values).unwrap_or(f64::NAN)));
        }
        into.row.extend(rows.rows.iter().map(|r| u32::try_from(rows.first_row).unwrap_or(u32::MAX).saturating_add(*r)));
        Ok(())
    }

    /// The last time at which usage of a known account was seen, not later than now.
    pub(super) fn last(&self, now: i64, roles: &Roles) -> Option<i64> {
        let left_out = self.role_marks(roles);
        let last_of = |source: &Source| {
            let known = |at: &usize| {
                let (account, event) = (source.account[*at], source.event[*at]);
                source.time[*at] != NO_TIME && account < UNKNOWN && event != NO_EVENT && left_out[usize::from(event)] == Mark::Keep
            };
            (0..source.time.len()).filter(known).map(|at| source.seen(at)).filter(|seen| *seen <= now).max()
        };
        self.sources.iter().filter_map(last_of).max()
    }

    /// What each event name is good for.
    fn role_marks(&self, roles: &Roles) -> Vec<Mark> {
        let mut marks = vec![Mark::Keep; self.names.names.len()];
        // Excluded last, so that an event that is both an outcome and excluded is an outcome.
        for ((_, names), mark) in roles.not_usage().into_iter().zip([Mark::Converted, Mark::Churned, Mark::Excluded]) {
            for code in names.iter().filter_map(|n| self.names.get(n)) {
                if marks[code as usize] == Mark::Keep {
                    marks[code as usize] = mark;
                }
            }
        }
        marks
    }

    /// Say of every event what it is good for, and count what is dropped.
    ///
    /// `not_yet` tells by account code which accounts of the list do not exist yet.
    pub(super) fn mark(&mut self, now: i64, until: i64, roles: &Roles, not_yet: &[bool]) -> Vec<Vec<Mark>> {
        let by_name = self.role_marks(roles);
        self.sources.iter_mut().map(|source| source.mark(now, until, &by_name, not_yet)).collect()
    }
}

/// The rows of a frame that are taken.
struct Taken<'a> {
    picked: &'a Picked,
    file: &'a Path,
    first_row: u64,
    /// Offset of each row of the frame from `first_row`.
    rows: &'a [u32],
    /// Whether the numeric properties count for these events.
    values: bool,
    naming: Naming<'a>,
}

fn absent(file: &Path, error: &PolarsError) -> Error {
    Error::Malformed { path: file.to_owned(), row: None, problem: error.to_string() }
}

/// Names of roles that no event of the log has, each with the nearest event name; what the log does not reach must not tell.
pub(super) fn unknown_roles(raw: &Raw, marks: &[Vec<Mark>], roles: &Roles) -> Vec<String> {
    let mut known = BTreeSet::new();
    for (source, marks) in raw.sources.iter().zip(marks) {
        known.extend(source.event.iter().zip(marks).filter(|(_, mark)| **mark != Mark::Gone).map(|(event, _)| *event));
    }
    let known: BTreeSet<&str> = known.into_iter().map(|event| &*raw.names.names[usize::from(event)]).collect();
    let usual = Roles::default();
    let mut warnings = Vec::new();
    let all = roles.usage().into_iter().chain(roles.not_usage());
    for ((role, names), (_, default)) in all.zip(usual.usage().into_iter().chain(usual.not_usage())) {
        for name in names.iter().filter(|n| !known.contains(n.as_str()) && names != default) {
            let near = nearest(name, known.iter().copied()).map_or(String::new(), |n| format!("; did you mean `{n}`?"));
            warnings.push(format!("no event is named `{name}` (`roles.{role}`){near}"));
        }
    }
    warnings
}
