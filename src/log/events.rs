//! Sources of events as they were read, before anything is dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;

use polars::prelude::*;
use rayon::prelude::*;

use super::cells::{self, NO_TIME, Numbers, Place, Scale, Times};
use super::codes::{Codes, NO_CODE, Texts, coded};
use super::columns::{Picked, role};
use super::quality::SourceQuality;
use super::source::{Asked, Block, Mark, NO_EVENT, Occurred, Source, UNKNOWN};
use super::spill::{Spill, Stored};
use crate::config::{EventSource, Roles};
use crate::error::{Error, Result};
use crate::io::progress::Progress;
use crate::io::read::{self, Batch};
use crate::names::nearest;
use crate::warning::{DropReason, Warning};

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
    /// Where batches wait that do not fit into memory.
    pub(super) spill: Spill,
    /// Bytes of batches that may stay in memory, less those that do.
    room: usize,
    /// Conversions and churns, once the events are marked.
    pub(super) occurred: Vec<Occurred>,
    /// An account of an event that is not in the list.
    pub(super) unknown: Option<String>,
    /// The data quality of the account list, once it is known.
    pub(super) account_quality: Option<SourceQuality>,
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
    ids: Codes,
    /// What numbers among times of happening and of receipt tell of their unit.
    scales: [Scale; 2],
}

impl Raw {
    /// Start with the codes of the account list, where there is one, and with room for so many
    /// bytes of events.
    pub(super) fn new(listed: Option<Codes>, room: usize) -> Self {
        let is_listed = listed.is_some();
        Self {
            accounts: listed.unwrap_or_default(),
            listed: is_listed,
            users: Codes::default(),
            names: Codes::default(),
            values: Vec::new(),
            sources: Vec::new(),
            spill: Spill::default(),
            room,
            occurred: Vec::new(),
            unknown: None,
            account_quality: None,
        }
    }

    /// Read one source whole.
    pub(super) fn read(&mut self, source: &EventSource, progress: &Progress) -> Result<()> {
        let into = Source {
            blocks: Vec::new(),
            files: Vec::new(),
            values: source.values.iter().map(|name| self.value_code(name)).collect(),
            quality: SourceQuality::new(&source.path, "events"),
            unpivoted: !source.unpivot.is_empty(),
        };
        let mut reading =
            Reading { source, into, ids: Codes::default(), scales: [Scale::default(); 2] };
        for file in read::files(&source.path)? {
            let picked = Picked::of(source, &file)?;
            let stage = progress.stage(&format!("reading {}", file.display()), read::rows(&file));
            reading.into.files.push(file.clone());
            read::read_ahead(
                &file,
                Some(&picked.columns(source)),
                &picked.texts(source),
                &mut |batch| {
                    stage.advance(batch.frame.height() as u64);
                    reading.into.quality.rows += batch.frame.height() as u64;
                    self.take_batch(&mut reading, &picked, &batch).map(ControlFlow::Continue)
                },
            )
            .map(drop)
            .map_err(|e| e.needed_for(|column| role(source, column)))?;
        }
        let Reading { mut into, scales, .. } = reading;
        if into.quality.rows == 0 {
            return Err(Error::Empty {
                path: source.path.clone(),
                expected: "a log needs events".to_owned(),
            });
        }
        into.quality.made = into.blocks.iter().map(|block| block.len() as u64).sum();
        for (which, column) in [
            source.timestamp.as_deref().unwrap_or("timestamp"),
            source.received.as_deref().unwrap_or("received_at"),
        ]
        .into_iter()
        .enumerate()
        {
            for block in &mut into.blocks {
                let converted = block.convert(which, scales[which], &self.spill)?;
                converted.map_err(|(at, found)| Error::BadValue {
                    path: into.files[block.file].clone(),
                    row: Some(block.row(at)),
                    column: column.to_owned(),
                    found,
                    expected: "a time between the years 1900 and 2262".to_owned(),
                })?;
            }
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

    fn take_batch(
        &mut self,
        reading: &mut Reading<'_>,
        picked: &Picked,
        batch: &Batch,
    ) -> Result<()> {
        let source = reading.source;
        let Batch { first_row, ref frame, .. } = *batch;
        let file = reading.into.files.last().expect("a file is being read").clone();
        let rows: Vec<u32> = (0..).take(frame.height()).collect();
        let whole = |naming| Taken {
            picked,
            file: &file,
            first_row,
            rows: &rows,
            all: true,
            values: true,
            naming,
        };
        if let Some(column) = &picked.event {
            return self.take(reading, batch, &whole(Naming::Column(column)));
        }
        if let Some(name) = &source.event_name {
            let naming = Naming::All(self.event_code(name)?);
            return self.take(reading, batch, &whole(naming));
        }
        let mut seen = vec![false; frame.height()];
        for column in &source.unpivot {
            let place = Place { path: &file, column, first_row, rows: &[] };
            let numbers = cells::numbers(read::column(&file, frame, column)?, place)?;
            let mask: BooleanChunked =
                numbers.iter().map(|v| Some(v.is_some_and(|v| v != 0.0))).collect();
            // The values of a row belong to the first event it gives, so that no sum counts them
            // twice.
            for first in [true, false] {
                let part: BooleanChunked = mask
                    .iter()
                    .zip(&seen)
                    .map(|(m, s)| Some(m == Some(true) && *s != first))
                    .collect();
                let rows: Vec<u32> = (0..)
                    .zip(part.iter())
                    .filter(|(_, m)| *m == Some(true))
                    .map(|(row, _)| row)
                    .collect();
                let frame = frame.filter(&part).map_err(|e| Error::unexpected_table(&file, e))?;
                let filtered = Batch { first_row, frame, coded: BTreeMap::new() };
                let naming = Naming::All(self.event_code(column)?);
                self.take(
                    reading,
                    &filtered,
                    &Taken {
                        picked,
                        file: &file,
                        first_row,
                        rows: &rows,
                        all: false,
                        values: first,
                        naming,
                    },
                )?;
            }
            seen.iter_mut().zip(mask.iter()).for_each(|(s, m)| *s |= m == Some(true));
        }
        for (at, _) in seen.iter().enumerate().filter(|(_, s)| !**s) {
            reading.into.quality.drop_row(DropReason::NoEvent, &file, first_row + at as u64);
        }
        Ok(())
    }

    fn event_code(&mut self, name: &str) -> Result<u16> {
        event_code(self.names.code(name))
    }

    /// Take the events of some rows of a batch.
    fn take(&mut self, reading: &mut Reading<'_>, batch: &Batch, rows: &Taken<'_>) -> Result<()> {
        let (codings, measures) =
            rayon::join(|| self.code(batch, rows), || reading.measure(batch, rows));
        let (Codings { account, user, event }, Measures { times, id, values }) =
            (codings?, measures?);
        let [(time, numbers), (received, received_numbers)] = times;
        for (scale, (numbers, times)) in
            reading.scales.iter_mut().zip([(&numbers, &time), (&received_numbers, &received)])
        {
            *scale = scale.with(numbers.scale(times));
        }
        let mut block = Block {
            file: reading.into.files.len() - 1,
            first_row: rows.first_row,
            rows: if rows.all { Vec::new() } else { rows.rows.to_vec() },
            values,
            account: Stored::Held(account),
            user: Stored::Held(user),
            event: Stored::Held(event),
            time: Stored::Held(time),
            received: Stored::Held(received),
            id: Stored::Held(id),
            numbers: [numbers, received_numbers],
            marks: Vec::new(),
        };
        match self.room.checked_sub(block.bytes()) {
            Some(room) => self.room = room,
            None => block.spill(&self.spill)?,
        }
        reading.into.blocks.push(block);
        Ok(())
    }

    /// The codes of accounts, users and event names, each column on its own.
    fn code(&mut self, batch: &Batch, rows: &Taken<'_>) -> Result<Codings> {
        let text = |name: &str| texts(batch, name, rows.file);
        let accounts = text(&rows.picked.account)?;
        let users = rows.picked.user.as_deref().map(text).transpose()?;
        let events = if let Naming::Column(name) = rows.naming { Some(text(name)?) } else { None };
        let Self { accounts: known, users: user_codes, names, unknown, listed, .. } = self;
        let of_accounts = || {
            coded(&accounts, NO_CODE, |account| match listed {
                true => known.get(account).unwrap_or_else(|| {
                    unknown.get_or_insert_with(|| account.to_owned());
                    UNKNOWN
                }),
                false => known.code(account),
            })
        };
        let of_users = || {
            users
                .as_ref()
                .map(|users| coded(users, NO_CODE, |user| user_codes.code(user)))
                .unwrap_or_default()
        };
        let of_events = || match (&rows.naming, events) {
            (Naming::Column(_), Some(events)) => {
                let codes = coded(&events, NO_CODE, |event| names.code(event));
                if names.len() > usize::from(NO_EVENT) {
                    return Err(Error::TooManyEventNames);
                }
                // Of the codes only that of no name does not fit.
                Ok(codes
                    .into_iter()
                    .map(|code| u16::try_from(code).unwrap_or(NO_EVENT))
                    .collect::<Vec<u16>>())
            }
            (Naming::All(code), _) => Ok(vec![*code; batch.frame.height()]),
            (Naming::Column(_), None) => Ok(Vec::new()),
        };
        let (account, (user, event)) =
            rayon::join(of_accounts, || rayon::join(of_users, of_events));
        Ok(Codings { account, user, event: event? })
    }

    /// The last time at which usage of a known account was seen, not later than now.
    pub(super) fn last(&self, now: i64, roles: &Roles) -> Result<Option<i64>> {
        let left_out = self.role_marks(roles);
        let last_of = |block: &Block| {
            let (account, event, moments) = (
                block.account.get(&self.spill)?,
                block.event.get(&self.spill)?,
                block.moments(&self.spill)?,
            );
            let known = |at: &usize| {
                let (account, event) = (account[*at], event[*at]);
                moments.time[*at] != NO_TIME
                    && account < UNKNOWN
                    && event != NO_EVENT
                    && left_out[usize::from(event)] == Mark::Keep
            };
            Ok((0..block.len())
                .filter(known)
                .map(|at| moments.seen(at))
                .filter(|seen| *seen <= now)
                .max())
        };
        let last: Vec<Option<i64>> =
            self.sources.par_iter().flat_map(|s| &s.blocks).map(last_of).collect::<Result<_>>()?;
        Ok(last.into_iter().flatten().max())
    }

    /// What each event name is good for.
    fn role_marks(&self, roles: &Roles) -> Vec<Mark> {
        let mut marks = vec![Mark::Keep; self.names.len()];
        // Excluded last, so that an event that is both an outcome and excluded is an outcome.
        for ((_, names), mark) in
            roles.not_usage().into_iter().zip([Mark::Converted, Mark::Churned, Mark::Excluded])
        {
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
    pub(super) fn mark(
        &mut self,
        now: i64,
        until: i64,
        roles: &Roles,
        not_yet: &[bool],
    ) -> Result<()> {
        let by_name = self.role_marks(roles);
        let asked = Asked { now, until, by_name: &by_name, not_yet, spill: &self.spill };
        for source in &mut self.sources {
            self.occurred.extend(source.mark(&asked)?);
        }
        Ok(())
    }
}

impl Reading<'_> {
    /// What is measured of each event, and its id.
    fn measure(&mut self, batch: &Batch, rows: &Taken<'_>) -> Result<Measures> {
        let (source, picked) = (self.source, rows.picked);
        let column = |name: &str| read::column(rows.file, &batch.frame, name);
        let times = |name: &str| {
            let mut times = Times::default();
            times.push(column(name)?, source.format.as_deref(), rows.place(name))?;
            Ok::<_, Error>(times.parts())
        };
        let times = [
            times(&picked.timestamp)?,
            picked.received.as_deref().map(times).transpose()?.unwrap_or_default(),
        ];
        let ids = picked.id.as_deref().map(|name| texts(batch, name, rows.file)).transpose()?;
        let id = ids.map(|ids| coded(&ids, NO_CODE, |id| self.ids.code(id))).unwrap_or_default();
        let values = source.values.iter().map(|name| {
            let mut numbers = cells::finite(column(name)?, rows.place(name))?;
            if !rows.values {
                numbers.fill(f64::NAN);
            }
            Ok(Stored::Held(numbers))
        });
        Ok(Measures { times, id, values: values.collect::<Result<_>>()? })
    }
}

impl Taken<'_> {
    fn place<'a>(&'a self, column: &'a str) -> Place<'a> {
        Place { path: self.file, column, first_row: self.first_row, rows: self.rows }
    }
}

/// The codes of a batch.
struct Codings {
    account: Vec<u32>,
    user: Vec<u32>,
    event: Vec<u16>,
}

/// What is measured of the events of a batch.
struct Measures {
    /// When they happened and were received, and which of these times are numbers.
    times: [(Vec<i64>, Numbers); 2],
    id: Vec<u32>,
    values: Vec<Stored<f64>>,
}

fn event_code(code: u32) -> Result<u16> {
    u16::try_from(code).ok().filter(|code| *code < NO_EVENT).ok_or(Error::TooManyEventNames)
}

/// The rows of a frame that are taken.
struct Taken<'a> {
    picked: &'a Picked,
    file: &'a Path,
    first_row: u64,
    /// Offset of each row of the frame from `first_row`.
    rows: &'a [u32],
    /// Whether these are all rows of the batch.
    all: bool,
    /// Whether the numeric properties count for these events.
    values: bool,
    naming: Naming<'a>,
}

/// The texts of a column.
fn texts<'a>(batch: &'a Batch, name: &str, file: &Path) -> Result<Texts<'a>> {
    match batch.coded.get(name) {
        Some(pieces) => Ok(Texts::Coded(pieces)),
        None => Ok(Texts::Plain(cells::text(read::column(file, &batch.frame, name)?)?)),
    }
}

/// Names of roles that no event of the log has, each with the nearest event name; what the log does
/// not reach must not tell.
///
/// # Arguments
/// * `reached` – by code of the event name, whether the log has it
pub(super) fn unknown_roles(raw: &Raw, reached: &[bool], roles: &Roles) -> Vec<Warning> {
    let known: BTreeSet<&str> = raw
        .names
        .iter()
        .zip(reached)
        .filter(|(_, reached)| **reached)
        .map(|(name, _)| name)
        .collect();
    let usual = Roles::default();
    let mut warnings = Vec::new();
    let all = roles.usage().into_iter().chain(roles.not_usage());
    for ((role, names), (_, default)) in all.zip(usual.usage().into_iter().chain(usual.not_usage()))
    {
        for name in names.iter().filter(|n| !known.contains(n.as_str()) && names != default) {
            let near = nearest(name, known.iter().copied());
            warnings.push(Warning::UnknownRoleEvent {
                event: name.clone(),
                role: role.to_owned(),
                near,
            });
        }
    }
    warnings
}
