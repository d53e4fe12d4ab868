//! Events as read from their sources, before any are dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use polars::prelude::*;

use super::cells::{
    self, AbsentTimes, CellLocation, ColumnNotes, ColumnTypes, EXPECTED_YEARS, NullMarks,
    NumberReader, NumericTimes, TimeColumn, TimeText, UnitHint,
};
use super::columns::{EventColumns, required_key};
use super::interner::{Interner, NO_CODE, TextColumn, encode};
use super::quality::SourceQuality;
use super::raw_source::{
    ClassifyContext, Disposition, FirstDeliveries, NO_EVENT, OutcomeEvent, RawBlock, RawSource,
};
use super::repeats::count_repeats;
use super::resolve::account_code;
use super::spill::{SpillFile, Stored};
use super::users::UserDirectory;
use crate::config::{EventSource, Roles};
use crate::error::{Error, Result};
use crate::io::progress::Progress;
use crate::io::read::{self, FileOptions, RowBatch, Source};
use crate::names::nearest;
use crate::time::{LocalDays, Zone};
use crate::warning::{DropReason, Warning};

/// The events of all sources; codes are in order of first appearance.
pub(super) struct RawEvents {
    pub(super) accounts: Interner,
    /// Whether `accounts` is the account list, so that other accounts are unknown.
    pub(super) listed: bool,
    pub(super) users: Interner,
    /// Which account users belong to; `None` without `[users]`.
    pub(super) directory: Option<UserDirectory>,
    pub(super) names: Interner,
    /// Names of numeric properties over all sources.
    pub(super) values: Vec<String>,
    pub(super) sources: Vec<RawSource>,
    /// The tables that the sources are parts of.
    tables: Vec<EventTable>,
    /// The temporary file of batches beyond the memory budget.
    pub(super) spill: SpillFile,
    /// Bytes left of the memory budget for batches.
    memory_left: usize,
    /// Conversions and churns; empty until the events are classified.
    pub(super) outcome_events: Vec<OutcomeEvent>,
    /// Accounts that have events but are not in the list, up to a number of them.
    pub(super) unknown: Interner,
    /// Number of conversions and churns in the account list whose times mean never.
    pub(super) never_times: u64,
    /// Warnings about the sources.
    pub(super) warnings: Vec<Warning>,
    /// What was noticed in columns of numbers.
    pub(super) notes: ColumnNotes,
    /// Readers of the numeric properties of all sources, by name.
    numbers: BTreeMap<String, NumberReader>,
    /// The data quality of the account list; `None` until the list is finished.
    pub(super) account_quality: Option<SourceQuality>,
}

/// Sources with the same columns and the same event names, such as the parts of an export.
struct EventTable {
    key: TableKey,
    /// The ids of all its sources, until all are read.
    ids: Interner,
    /// Number of distinct ids.
    id_count: usize,
}

/// The properties of a source that are equal in all sources of a table.
#[derive(PartialEq)]
struct TableKey {
    /// The columns, sorted.
    columns: Vec<String>,
    /// The column of ids.
    id: Option<String>,
    /// The column of event names.
    event: Option<String>,
    /// The event name of all rows; tables of different events usually number their rows alike.
    event_name: Option<String>,
    /// Whether each row is unpivoted.
    unpivoted: bool,
}

/// Source of the event names of a batch.
enum EventNameSource<'a> {
    /// A column of the file.
    Column(&'a str),
    /// One code for all rows.
    All(u16),
}

/// A source while its files are read.
struct SourceReader<'a> {
    source: &'a EventSource,
    events: RawSource,
    ids: Interner,
    /// Readers of its numeric properties, in the order of [`EventSource::values`].
    numbers: Vec<NumberReader>,
    /// Readers of the counts of a daily table, in the order of [`EventSource::unpivot`].
    counts: Vec<NumberReader>,
    null: &'a NullMarks,
    /// Hints at the unit of numeric event times and receipt times.
    unit_hints: [UnitHint; 2],
    /// Event times and receipt times that are read as missing.
    absent: [AbsentTimes; 2],
    zone: Zone,
}

impl RawEvents {
    /// Creates an empty log with the interned ids of the account list, if there is one.
    ///
    /// # Arguments
    /// * `memory` – bytes of events to keep in memory
    pub(super) fn new(account_ids: Option<Interner>, memory: usize) -> Self {
        Self {
            listed: account_ids.is_some(),
            accounts: account_ids.unwrap_or_default(),
            users: Interner::default(),
            directory: None,
            names: Interner::default(),
            values: Vec::new(),
            sources: Vec::new(),
            tables: Vec::new(),
            spill: SpillFile::default(),
            memory_left: memory,
            outcome_events: Vec::new(),
            unknown: Interner::default(),
            never_times: 0,
            warnings: Vec::new(),
            notes: ColumnNotes::default(),
            numbers: BTreeMap::new(),
            account_quality: None,
        }
    }

    /// Reads all files of a source.
    pub(super) fn read(
        &mut self,
        source: &EventSource,
        types: &ColumnTypes,
        progress: &Progress,
    ) -> Result<()> {
        let events = RawSource {
            blocks: Vec::new(),
            files: Vec::new(),
            values: source.values.iter().map(|name| self.value_code(name)).collect(),
            quality: SourceQuality::new(&source.path, "events"),
            unpivoted: !source.unpivot.is_empty(),
            table: 0,
        };
        let mut reader = SourceReader {
            source,
            events,
            ids: Interner::default(),
            numbers: source.values.iter().map(|name| self.take_reader(name, types)).collect(),
            counts: source.unpivot.iter().map(|name| self.take_reader(name, types)).collect(),
            null: &types.null,
            unit_hints: [UnitHint::default(); 2],
            absent: <[_; 2]>::default(),
            zone: types.zone,
        };
        let mut files =
            Source::open(&source.path, FileOptions::new(types.max_line, source.file_format))?;
        reader.events.quality.unread = files.unread().to_vec();
        let has_users = self.directory.is_some();
        let columns = EventColumns::resolve(source, &files, has_users)?;
        let (names, identifiers) = (columns.names(source), columns.identifiers(source));
        let table = self.table(&files, &columns, source);
        reader.events.table = table;
        reader.ids = std::mem::take(&mut self.tables[table].ids);
        for index in 0..files.len() {
            let file = files.file(index).to_owned();
            let label = format!("Reading {}", file.display());
            let stage = progress.stage(&label, read::row_count(&file));
            reader.events.files.push(file);
            files.read(index, &names, &identifiers, &mut |batch| {
                stage.advance(batch.frame.height() as u64);
                reader.events.quality.rows += batch.frame.height() as u64;
                self.add_batch(&mut reader, &columns, &batch)
            })?;
        }
        self.warnings.extend(files.warnings(|column| required_key(&columns, column, has_users))?);
        let SourceReader { mut events, unit_hints, absent, numbers, counts, ids, .. } = reader;
        self.numbers.extend(source.values.iter().cloned().zip(numbers));
        self.numbers.extend(source.unpivot.iter().cloned().zip(counts));
        (self.tables[table].id_count, self.tables[table].ids) = (ids.len(), ids);
        if events.quality.rows == 0 {
            return Err(Error::Empty {
                path: source.path.clone(),
                expected: "expected one row per event".to_owned(),
            });
        }
        events.quality.records = events.blocks.iter().map(|block| block.len() as u64).sum();
        let times = [Some(&columns.timestamp), columns.received.as_ref()];
        for (which, (column, mut absent)) in times.into_iter().zip(absent).enumerate() {
            let Some(column) = column else { continue };
            for block in &mut events.blocks {
                let converted = block.convert(which, unit_hints[which], &self.spill)?;
                absent.never.merge(converted.map_err(|(index, found)| Error::BadValue {
                    path: events.files[block.file].clone(),
                    row: Some(block.row(index)),
                    column: column.clone(),
                    found,
                    expected: EXPECTED_YEARS.to_owned(),
                })?);
            }
            self.warnings.extend(absent.never.warning(column.clone()));
            self.notes.note_marks(column, events.quality.records, absent.marks);
        }
        self.resolve_users(&mut events)?;
        self.sources.push(events);
        Ok(())
    }

    /// Takes the reader of a numeric property, which has one format in all sources.
    fn take_reader(&mut self, name: &str, types: &ColumnTypes) -> NumberReader {
        self.numbers.remove(name).unwrap_or_else(|| types.reader(&format!("events.{name}")))
    }

    /// Finishes the reading: notes the formats and missing values of all numeric properties, and
    /// frees the texts of ids, which take most of the memory of a log that has them.
    pub(super) fn finish_reading(&mut self) {
        self.tables.iter_mut().for_each(|table| table.ids = Interner::default());
        for (name, reader) in std::mem::take(&mut self.numbers) {
            self.notes.note_numbers(&format!("events.{name}"), &name, &reader);
        }
    }

    /// Returns the index of the table that a source is a part of.
    fn table(&mut self, files: &Source, columns: &EventColumns, source: &EventSource) -> usize {
        let mut names = files.columns().to_vec();
        names.sort_unstable();
        let key = TableKey {
            columns: names,
            id: columns.id.clone(),
            event: columns.event.clone(),
            event_name: source.event_name.clone(),
            unpivoted: !source.unpivot.is_empty(),
        };
        self.tables.iter().position(|table| table.key == key).unwrap_or_else(|| {
            self.tables.push(EventTable { key, ids: Interner::default(), id_count: 0 });
            self.tables.len() - 1
        })
    }

    fn value_code(&mut self, name: &str) -> usize {
        self.values.iter().position(|v| v == name).unwrap_or_else(|| {
            self.values.push(name.to_owned());
            self.values.len() - 1
        })
    }

    fn add_batch(
        &mut self,
        reader: &mut SourceReader<'_>,
        columns: &EventColumns,
        batch: &RowBatch,
    ) -> Result<()> {
        let source = reader.source;
        let RowBatch { first_row, ref frame, .. } = *batch;
        let file = reader.events.files.last().expect("a file is being read").clone();
        let rows: Vec<u32> = (0..).take(frame.height()).collect();
        let all_rows = |naming| SelectedRows {
            columns,
            file: &file,
            first_row,
            rows: &rows,
            all: true,
            values: true,
            naming,
        };
        if let Some(column) = &columns.event {
            return self.add_rows(reader, batch, &all_rows(EventNameSource::Column(column)));
        }
        if let Some(name) = &source.event_name {
            let naming = EventNameSource::All(self.event_code(name)?);
            return self.add_rows(reader, batch, &all_rows(naming));
        }
        // Whether an earlier column of a row already gave an event.
        let mut has_event = vec![false; frame.height()];
        for (which, column) in source.unpivot.iter().enumerate() {
            let location = CellLocation { path: &file, column, first_row, rows: &[] };
            let counts = read::column(&file, frame, column)?;
            let counts = reader.counts[which].read(counts, reader.null, location)?;
            let mask: BooleanChunked =
                counts.iter().map(|v| Some(!v.is_nan() && *v != 0.0)).collect();
            // The values of a row belong to its first event, so that sums count them once.
            for first in [true, false] {
                let selected: BooleanChunked = mask
                    .iter()
                    .zip(&has_event)
                    .map(|(m, has_event)| Some(m == Some(true) && *has_event != first))
                    .collect();
                let rows: Vec<u32> = (0..)
                    .zip(selected.iter())
                    .filter(|(_, m)| *m == Some(true))
                    .map(|(row, _)| row)
                    .collect();
                let frame =
                    frame.filter(&selected).map_err(|e| Error::unexpected_table(&file, e))?;
                let filtered = RowBatch { first_row, frame, dictionaries: BTreeMap::new() };
                let naming = EventNameSource::All(self.event_code(column)?);
                self.add_rows(
                    reader,
                    &filtered,
                    &SelectedRows {
                        columns,
                        file: &file,
                        first_row,
                        rows: &rows,
                        all: false,
                        values: first,
                        naming,
                    },
                )?;
            }
            has_event.iter_mut().zip(mask.iter()).for_each(|(has, m)| *has |= m == Some(true));
        }
        for (index, _) in has_event.iter().enumerate().filter(|(_, has)| !**has) {
            reader.events.quality.drop_row(DropReason::NoEvent, &file, first_row + index as u64);
        }
        Ok(())
    }

    fn event_code(&mut self, name: &str) -> Result<u16> {
        event_code(self.names.intern(&cells::canonical(name)))
    }

    /// Adds the events of some rows of a batch.
    fn add_rows(
        &mut self,
        reader: &mut SourceReader<'_>,
        batch: &RowBatch,
        rows: &SelectedRows<'_>,
    ) -> Result<()> {
        let (codes, values) =
            rayon::join(|| self.encode_batch(batch, rows), || reader.parse_values(batch, rows));
        let (BatchCodes { account, user, event }, BatchValues { times, id, values }) =
            (codes?, values?);
        let [(time, numbers, absent), (received, received_numbers, absent_receipts)] = times;
        for (all, absent) in reader.absent.iter_mut().zip([absent, absent_receipts]) {
            all.merge(absent);
        }
        for (hint, (numbers, times)) in
            reader.unit_hints.iter_mut().zip([(&numbers, &time), (&received_numbers, &received)])
        {
            *hint = hint.merge(numbers.unit_hint(times));
        }
        let mut block = RawBlock {
            file: reader.events.files.len() - 1,
            first_row: rows.first_row,
            rows: if rows.all { Vec::new() } else { rows.rows.to_vec() },
            values,
            account: Stored::InMemory(account),
            user: Stored::InMemory(user),
            event: Stored::InMemory(event),
            time: Stored::InMemory(time),
            received: Stored::InMemory(received),
            id: Stored::InMemory(id),
            internal: Vec::new(),
            numbers: [numbers, received_numbers],
            dispositions: Vec::new(),
        };
        match self.memory_left.checked_sub(block.bytes()) {
            Some(memory_left) => self.memory_left = memory_left,
            None => block.spill(&self.spill)?,
        }
        reader.events.blocks.push(block);
        Ok(())
    }

    /// Interns accounts, users and event names, each column in its own thread.
    fn encode_batch(&mut self, batch: &RowBatch, rows: &SelectedRows<'_>) -> Result<BatchCodes> {
        let text = |name: &str| rows.texts(batch, name);
        let accounts = rows.columns.account.as_deref().map(text).transpose()?;
        let users = rows.columns.user.as_deref().map(text).transpose()?;
        let events =
            if let EventNameSource::Column(name) = rows.naming { Some(text(name)?) } else { None };
        let Self { accounts: known, users: user_codes, names, unknown, listed, .. } = self;
        let encode_accounts = || match &accounts {
            Some(accounts) => {
                encode(accounts, NO_CODE, |account| account_code(account, known, unknown, *listed))
            }
            None => vec![NO_CODE; batch.frame.height()],
        };
        let encode_users = || {
            users
                .as_ref()
                .map(|users| encode(users, NO_CODE, |user| user_codes.intern(user)))
                .unwrap_or_default()
        };
        let encode_events = || match (&rows.naming, events) {
            (EventNameSource::Column(_), Some(events)) => {
                let codes = encode(&events, NO_CODE, |event| names.intern(event));
                if names.len() > usize::from(NO_EVENT) {
                    return Err(Error::TooManyEventNames);
                }
                // Only the code of a missing name exceeds 16 bits.
                Ok(codes
                    .into_iter()
                    .map(|code| u16::try_from(code).unwrap_or(NO_EVENT))
                    .collect::<Vec<u16>>())
            }
            (EventNameSource::All(code), _) => Ok(vec![*code; batch.frame.height()]),
            (EventNameSource::Column(_), None) => Ok(Vec::new()),
        };
        let (account, (user, event)) =
            rayon::join(encode_accounts, || rayon::join(encode_users, encode_events));
        Ok(BatchCodes { account, user, event: event? })
    }

    /// Returns the disposition of each event name.
    pub(super) fn role_dispositions(&self, roles: &Roles) -> Vec<Disposition> {
        let mut dispositions = vec![Disposition::Usage; self.names.len()];
        // Excluded last: an event that is both an outcome and excluded is an outcome.
        let other = [Disposition::Converted, Disposition::Churned, Disposition::Excluded];
        for ((_, names), disposition) in roles.not_usage().into_iter().zip(other) {
            for code in names.iter().filter_map(|n| self.names.get(&cells::canonical(n))) {
                if dispositions[code as usize] == Disposition::Usage {
                    dispositions[code as usize] = disposition;
                }
            }
        }
        dispositions
    }

    /// Classifies every event and counts the dropped ones.
    ///
    /// # Arguments
    /// * `not_signed_up` – by account code, whether a listed account signs up after `until`
    /// * `days` – the local days of the events
    pub(super) fn classify(
        &mut self,
        now: i64,
        until: i64,
        roles: &Roles,
        (not_signed_up, days): (&[bool], &LocalDays),
    ) -> Result<()> {
        let by_name = self.role_dispositions(roles);
        let context = ClassifyContext {
            now,
            until,
            by_name: &by_name,
            not_signed_up,
            days,
            spill: &self.spill,
        };
        for table in 0..self.tables.len() {
            let EventTable { key, id_count, .. } = &self.tables[table];
            let mut first = FirstDeliveries::new(key.unpivoted, *id_count);
            for (index, source) in self.sources.iter().enumerate() {
                if source.table == table {
                    source.add_deliveries(index, &context, &mut first)?;
                }
            }
            for (index, source) in self.sources.iter_mut().enumerate() {
                if source.table == table {
                    self.outcome_events.extend(source.classify(index, &context, &first)?);
                }
            }
        }
        for (source, repeats) in count_repeats(&self.sources, &self.spill)? {
            self.warnings.extend(repeats.warning(&self.sources[source].quality.source));
        }
        Ok(())
    }
}

impl SourceReader<'_> {
    /// Parses the times, ids and numeric properties of a batch.
    fn parse_values(&mut self, batch: &RowBatch, rows: &SelectedRows<'_>) -> Result<BatchValues> {
        let (source, columns) = (self.source, rows.columns);
        let column = |name: &str| read::column(rows.file, &batch.frame, name);
        let times = |name: &str| {
            let mut times = TimeColumn::in_zone(self.zone);
            let written = TimeText { format: source.format.as_deref(), null: self.null };
            times.push(column(name)?, written, rows.location(name))?;
            Ok::<_, Error>(times.into_parts())
        };
        let times = [
            times(&columns.timestamp)?,
            columns.received.as_deref().map(times).transpose()?.unwrap_or_default(),
        ];
        let ids = columns.id.as_deref().map(|name| rows.texts(batch, name)).transpose()?;
        let id = ids.map(|ids| encode(&ids, NO_CODE, |id| self.ids.intern(id))).unwrap_or_default();
        let values = source.values.iter().zip(&mut self.numbers).map(|(name, reader)| {
            let mut numbers = reader.read_finite(column(name)?, self.null, rows.location(name))?;
            if !rows.values {
                numbers.fill(f64::NAN);
            }
            Ok(Stored::InMemory(numbers))
        });
        Ok(BatchValues { times, id, values: values.collect::<Result<_>>()? })
    }
}

impl SelectedRows<'_> {
    fn location<'a>(&'a self, column: &'a str) -> CellLocation<'a> {
        CellLocation { path: self.file, column, first_row: self.first_row, rows: self.rows }
    }

    /// Returns a column of ids or event names of a batch as text.
    fn texts<'b>(&self, batch: &'b RowBatch, name: &str) -> Result<TextColumn<'b>> {
        if let Some(pieces) = batch.dictionaries.get(name) {
            return Ok(TextColumn::Dictionary(pieces));
        }
        let column = read::column(self.file, &batch.frame, name)?;
        Ok(TextColumn::Plain(cells::id_texts(column, self.location(name))?))
    }
}

/// The interned columns of a batch.
struct BatchCodes {
    account: Vec<u32>,
    user: Vec<u32>,
    event: Vec<u16>,
}

/// The parsed columns of a batch.
struct BatchValues {
    /// Event times and receipt times, which of them are numbers, and which are read as missing.
    times: [(Vec<i64>, NumericTimes, AbsentTimes); 2],
    id: Vec<u32>,
    values: Vec<Stored<f64>>,
}

fn event_code(code: u32) -> Result<u16> {
    u16::try_from(code).ok().filter(|code| *code < NO_EVENT).ok_or(Error::TooManyEventNames)
}

/// The rows of a batch to add.
struct SelectedRows<'a> {
    columns: &'a EventColumns,
    file: &'a Path,
    first_row: u64,
    /// Offset of each row of the frame from `first_row`.
    rows: &'a [u32],
    /// Whether these are all rows of the batch.
    all: bool,
    /// Whether the numeric properties belong to these events.
    values: bool,
    naming: EventNameSource<'a>,
}

/// Warns of event names in roles that the log does not have, each with the nearest event name that
/// has no role.
///
/// Names after the end of the log do not count: the warnings of a log do not depend on later events.
/// # Arguments
/// * `present` – by event name code, whether the log has the event before its end
pub(super) fn unknown_role_events(
    raw: &RawEvents,
    present: &[bool],
    roles: &Roles,
) -> Vec<Warning> {
    let present = raw.names.iter().zip(present).filter(|(_, present)| **present);
    let known: BTreeSet<&str> = present.map(|(name, _)| name).collect();
    let all = || roles.usage().into_iter().chain(roles.not_usage());
    let in_roles: BTreeSet<&str> = all().flat_map(|(_, names)| names).map(String::as_str).collect();
    let defaults = Roles::default();
    let defaults = defaults.usage().into_iter().chain(defaults.not_usage());
    let mut warnings = Vec::new();
    for ((role, names), (_, default)) in all().zip(defaults) {
        for name in
            names.iter().filter(|n| !known.contains(&*cells::canonical(n)) && names != default)
        {
            let suggestion = nearest(name, known.difference(&in_roles).copied());
            warnings.push(Warning::UnknownRoleEvent {
                event: name.clone(),
                role: role.to_owned(),
                suggestion,
            });
        }
    }
    warnings
}
