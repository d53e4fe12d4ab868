//! The account list: reading and cleaning.

use std::path::{Path, PathBuf};

use polars::prelude::*;

use super::account_columns::{AccountColumns, required_key};
use super::account_history::{AccountVersions, AttributeHistory, RowsByAccount};
use super::cells::{
    self, CellLocation, ColumnNotes, ColumnTypes, NO_TIME, NumberReader, TimeColumn, TimeText,
};
use super::derive::first_seen;
use super::interner::{Interner, NO_CODE};
use super::joined::JoinedTable;
use super::quality::SourceQuality;
use super::raw_events::RawEvents;
use super::raw_source::fold_outcomes;
use super::{Names, earlier};
use crate::config::AccountSource;
use crate::error::{Error, Result};
use crate::io::read::{self, FileOptions, RowBatch, Source};
use crate::time::{LocalDays, NEVER, Zone};
use crate::warning::{DropReason, Warning};

/// The accounts that exist, sorted by id; the row of an account is its code everywhere.
#[derive(Debug, Clone)]
pub struct Accounts {
    /// Ids.
    pub id: Names,
    /// Sign-up, µs UTC.
    pub signed_up: Vec<i64>,
    /// First known conversion, µs UTC; [`NEVER`] without a conversion.
    pub converted: Vec<i64>,
    /// First known churn, µs UTC; [`NEVER`] without a churn.
    pub churned: Vec<i64>,
    /// Seats granted at sign-up, NaN where missing; `None` without such a column.
    pub seats: Option<Vec<f64>>,
    /// Revenue, NaN where missing; `None` without such a column.
    pub revenue: Option<Vec<f64>>,
    /// Revenue at the conversion, NaN where missing; `None` without such a column.
    pub first_revenue: Option<Vec<f64>>,
    /// Attributes, `Float64` or `String`: one row per account or, with a history, per account and
    /// time.
    pub attributes: DataFrame,
    /// Rows of the attributes by time; `None`: one row per account.
    pub history: Option<AttributeHistory>,
}

/// Interned account codes → rows of [`Accounts`].
pub(super) struct AccountMap {
    /// Row of the account by interned code; [`NO_CODE`] where the account was dropped.
    pub(super) row: Vec<u32>,
    /// Why the account was dropped, by interned code.
    pub(super) drop_reason: Vec<Option<DropReason>>,
}

/// The account list as read, before cleaning.
pub(super) struct AccountList {
    ids: Interner,
    signed_up: Vec<i64>,
    converted: Vec<i64>,
    churned: Vec<i64>,
    seats: Option<Vec<f64>>,
    revenue: Option<Vec<f64>>,
    first_revenue: Option<Vec<f64>>,
    attributes: DataFrame,
    /// How numbers and attributes are read.
    types: ColumnTypes,
    notes: ColumnNotes,
    /// File and row of each account; until the list is finished, of each row.
    locations: Vec<(u32, u64)>,
    /// The rows of an account list with several rows per account.
    versions: Option<AccountVersions>,
    /// File and row of each row of the attributes.
    row_locations: Vec<(u32, u64)>,
    files: Vec<PathBuf>,
    quality: SourceQuality,
    /// Warnings about the files.
    warnings: Vec<Warning>,
    /// Number of conversions and churns whose times mean never.
    never_times: u64,
    /// By account code, whether its row is unknown at the end of the log, although the account
    /// exists. Empty unless users add accounts.
    unknown_rows: Vec<bool>,
}

/// Columns collected batch by batch.
#[derive(Default)]
struct AccountBuffers {
    signed_up: TimeColumn,
    converted: TimeColumn,
    churned: TimeColumn,
    valid_from: TimeColumn,
    /// Seats, revenue and first revenue.
    numbers: [NumberBuffer; 3],
    attributes: JoinedTable,
}

/// Settings of the columns of numbers, in the order of [`AccountBuffers::numbers`].
const NUMBERS: [&str; 3] = ["accounts.seats", "accounts.revenue", "accounts.first_revenue"];

/// A column of numbers collected batch by batch.
#[derive(Default)]
struct NumberBuffer {
    reader: NumberReader,
    /// Name of the column in the files that have it.
    column: Option<String>,
    /// NaN where missing.
    values: Vec<f64>,
}

/// Reads all files of the account list.
pub(super) fn read(source: &AccountSource, types: &ColumnTypes) -> Result<AccountList> {
    let mut list = AccountList {
        ids: Interner::default(),
        signed_up: Vec::new(),
        converted: Vec::new(),
        churned: Vec::new(),
        seats: None,
        revenue: None,
        first_revenue: None,
        attributes: DataFrame::default(),
        types: types.clone(),
        notes: ColumnNotes::default(),
        locations: Vec::new(),
        versions: source.history.then(AccountVersions::default),
        row_locations: Vec::new(),
        files: Vec::new(),
        quality: SourceQuality::new(&source.path, "accounts"),
        warnings: Vec::new(),
        never_times: 0,
        unknown_rows: Vec::new(),
    };
    let number = |key: &str| NumberBuffer { reader: types.reader(key), ..NumberBuffer::default() };
    let mut buffers = AccountBuffers {
        signed_up: TimeColumn::in_zone(types.zone),
        converted: TimeColumn::in_zone(types.zone),
        churned: TimeColumn::in_zone(types.zone),
        valid_from: TimeColumn::in_zone(types.zone),
        numbers: NUMBERS.map(number),
        ..AccountBuffers::default()
    };
    let mut files =
        Source::open(&source.path, FileOptions::new(types.max_line, source.file_format))?;
    list.quality.unread = files.unread().to_vec();
    let columns = AccountColumns::resolve(source, &files)?;
    let names = columns.names(source);
    for index in 0..files.len() {
        let file = files.file(index).to_owned();
        list.files.push(file.clone());
        files.read(index, &names, &[], &mut |RowBatch { first_row, frame, .. }| {
            list.add_batch(source, &columns, &mut buffers, &frame, &file, first_row)
        })?;
    }
    if list.quality.rows == 0 {
        return Err(Error::Empty {
            path: source.path.clone(),
            expected: "expected an account list with one row per account".to_owned(),
        });
    }
    list.warnings = files.warnings(|column| required_key(&columns, column))?;
    list.quality.records = list.quality.rows;
    let configured = |configured: &Option<String>, default: &str| {
        configured.clone().unwrap_or_else(|| default.to_owned())
    };
    list.signed_up =
        list.times(buffers.signed_up, configured(&source.signed_up, "signed_up_at"))?.0;
    let (converted, never_converted) =
        list.times(buffers.converted, configured(&source.converted, "converted_at"))?;
    let (churned, never_churned) =
        list.times(buffers.churned, configured(&source.churned, "churned_at"))?;
    (list.converted, list.churned) = (converted, churned);
    list.never_times = never_converted + never_churned;
    let numbers = NUMBERS.into_iter().zip(buffers.numbers).map(|(key, buffer)| {
        let column = buffer.column?;
        list.notes.note_numbers(key, &column, &buffer.reader);
        Some(buffer.values)
    });
    [list.seats, list.revenue, list.first_revenue] =
        numbers.collect::<Vec<_>>().try_into().expect("there are three");
    list.attributes = buffers.attributes.finish();
    if let Some(column) = columns.valid_from {
        let from = list.times(buffers.valid_from, column)?.0;
        list.check_versions(from)?;
    }
    Ok(list)
}

impl AccountList {
    /// Takes the warnings about the files.
    pub(super) fn take_warnings(&mut self) -> Vec<Warning> {
        std::mem::take(&mut self.warnings)
    }

    /// Takes the interned account ids, with which the events are read.
    pub(super) fn take_interner(&mut self) -> Interner {
        std::mem::take(&mut self.ids)
    }

    /// Returns whether each account signs up at or after `until`. If users add accounts, none does:
    /// the row is unknown, and the account signs up when it is first seen.
    pub(super) fn not_signed_up(&self, until: i64, raw: &RawEvents) -> Vec<bool> {
        if raw.adds_accounts() {
            return Vec::new();
        }
        let after = |t: &i64| *t != NO_TIME && *t >= until;
        match &self.versions {
            None => self.signed_up.iter().map(after).collect(),
            Some(versions) => {
                self.sign_ups(&versions.rows_before(until)).iter().map(after).collect()
            }
        }
    }

    /// Sets the times from which the rows count.
    ///
    /// # Errors
    /// * [`Error::DuplicateAccount`]: two rows of an account count from the same time
    fn check_versions(&mut self, from: Vec<i64>) -> Result<()> {
        let versions = self.versions.as_mut().expect("the list has several rows per account");
        versions.from = from;
        let Some(row) = versions.duplicate() else { return Ok(()) };
        let ((file, number), code) = (self.locations[row], versions.code[row]);
        Err(Error::DuplicateAccount {
            path: self.files[file as usize].clone(),
            row: number,
            account: self.ids.name(code).to_owned(),
        })
    }

    /// Returns the sign-up of each account, given its rows: the first one that is known. An account
    /// without a row yet has not signed up.
    fn sign_ups(&self, rows: &RowsByAccount) -> Vec<i64> {
        let known = rows.first(&self.signed_up, |t| *t != NO_TIME);
        let missing = |code: usize| if rows.rows(code).is_empty() { NEVER } else { NO_TIME };
        known.into_iter().enumerate().map(|(code, t)| t.unwrap_or_else(|| missing(code))).collect()
    }

    /// Replaces the values of rows by those of accounts, as known at the end of the log. Returns
    /// the rows of each account; `None` without a history.
    fn join_versions(&mut self, until: i64) -> Option<RowsByAccount> {
        let versions = self.versions.as_ref()?;
        let rows = versions.rows_before(until);
        self.signed_up = self.sign_ups(&rows);
        self.converted = rows.earliest(&self.converted);
        self.churned = rows.earliest(&self.churned);
        let numbers = |values: Option<Vec<f64>>, is_first: bool, rows: &RowsByAccount| {
            let values = values.map(|mut values| {
                values.resize(self.locations.len(), f64::NAN);
                let is_known = |value: &f64| !value.is_nan();
                if is_first { rows.first(&values, is_known) } else { rows.last(&values, is_known) }
            });
            values.map(|v| v.into_iter().map(|v| v.unwrap_or(f64::NAN)).collect::<Vec<f64>>())
        };
        let seats = numbers(self.seats.take(), true, &rows);
        let revenue = numbers(self.revenue.take(), false, &rows);
        let first_revenue = numbers(self.first_revenue.take(), false, &rows);
        let mut locations = vec![None; versions.accounts()];
        for (code, location) in versions.code.iter().zip(&self.locations) {
            locations[*code as usize].get_or_insert(*location);
        }
        (self.seats, self.revenue, self.first_revenue) = (seats, revenue, first_revenue);
        self.row_locations = std::mem::take(&mut self.locations);
        self.locations = locations.into_iter().flatten().collect();
        // A row without an account is a record, too, which is dropped.
        let missing = self.quality.count(DropReason::AccountMissing);
        self.quality.records = self.locations.len() as u64 + missing;
        Some(rows)
    }

    fn add_batch(
        &mut self,
        source: &AccountSource,
        columns: &AccountColumns,
        buffers: &mut AccountBuffers,
        frame: &DataFrame,
        file: &Path,
        first_row: u64,
    ) -> Result<()> {
        let column = |name: &str| read::column(file, frame, name);
        self.quality.rows += frame.height() as u64;
        let location = CellLocation { path: file, column: &columns.account, first_row, rows: &[] };
        let ids = cells::ids(column(&columns.account)?, location)?;
        let present = self.intern_ids(&ids, file, first_row)?;
        let rows: Vec<u32> = (0..).zip(&present).filter(|(_, p)| **p).map(|(row, _)| row).collect();
        let mask: BooleanChunked = present.iter().map(|p| Some(*p)).collect();
        let frame = frame.filter(&mask).map_err(|e| Error::unexpected_table(file, e))?;
        let column = |name: &str| read::column(file, &frame, name);
        let location = |column| CellLocation { path: file, column, first_row, rows: &rows };
        let before = self.locations.len() - frame.height();
        let null = &self.types.null;
        let written = TimeText { format: source.format.as_deref(), null };
        buffers.signed_up.push(
            column(&columns.signed_up)?,
            written,
            location(&columns.signed_up),
        )?;
        for (times, name) in
            [(&mut buffers.converted, &columns.converted), (&mut buffers.churned, &columns.churned)]
        {
            if let Some(name) = name {
                times.pad(before);
                times.push(column(name)?, written, location(name))?;
            }
        }
        if let Some(name) = &columns.valid_from {
            buffers.valid_from.push(column(name)?, written, location(name))?;
        }
        let names = [&columns.seats, &columns.revenue, &columns.first_revenue];
        for (buffer, name) in buffers.numbers.iter_mut().zip(names) {
            if let Some(name) = name {
                buffer.values.resize(before, f64::NAN);
                let numbers = buffer.reader.read_finite(column(name)?, null, location(name))?;
                buffer.values.extend(numbers);
                buffer.column.get_or_insert_with(|| name.clone());
            }
        }
        let attributes =
            source.attributes.iter().map(|name| column(name).cloned()).collect::<Result<_>>()?;
        let attributes = DataFrame::new(frame.height(), attributes)
            .map_err(|e| Error::unexpected_table(file, e))?;
        buffers.attributes.append(file, &attributes)
    }

    /// Interns the account ids of a batch; returns which rows have an id.
    fn intern_ids(
        &mut self,
        ids: &StringChunked,
        file: &Path,
        first_row: u64,
    ) -> Result<Vec<bool>> {
        let mut present = Vec::with_capacity(ids.len());
        for (row, id) in (first_row..).zip(ids.iter()) {
            present.push(id.is_some());
            let Some(id) = id else {
                self.quality.drop_row(DropReason::AccountMissing, file, row);
                continue;
            };
            if let Some(versions) = &mut self.versions {
                versions.code.push(self.ids.intern(id));
            } else if self.ids.get(id).is_some() {
                return Err(Error::DuplicateAccount {
                    path: file.to_owned(),
                    row,
                    account: id.to_owned(),
                });
            }
            self.ids.intern(id);
            self.locations.push((file_code(self.files.len() - 1), row));
        }
        Ok(present)
    }

    /// Returns times by account code, [`NO_TIME`] where the column is absent, and the number of
    /// those that mean never.
    fn times(&mut self, mut times: TimeColumn, column: String) -> Result<(Vec<i64>, u64)> {
        times.pad(self.locations.len());
        let (times, absent) = times.finish_located(&column, |index| {
            let (file, row) = self.locations[index];
            (self.files[file as usize].clone(), row)
        })?;
        self.notes.note_marks(&column, times.len() as u64, absent.marks);
        let never = absent.never.count;
        self.warnings.extend(absent.never.warning(column));
        Ok((times, never))
    }

    /// Truncates the list at `until`, adds the outcomes of the log, and drops invalid accounts.
    pub(super) fn finish(
        mut self,
        raw: &mut RawEvents,
        until: i64,
        zone: Zone,
    ) -> Result<(Accounts, AccountMap, bool)> {
        raw.never_times = self.never_times;
        let versions = self.join_versions(until);
        let known = |t: i64| if t == NO_TIME || t >= until { NEVER } else { t };
        self.converted.iter_mut().chain(&mut self.churned).for_each(|t| *t = known(*t));
        let signed_up = self.signed_up.iter().copied().filter(|t| *t != NO_TIME && *t < until);
        let outcomes = self.converted.iter().chain(&self.churned).copied().filter(|t| *t != NEVER);
        let times: Vec<i64> = signed_up.chain(outcomes).collect();
        let range =
            times.iter().copied().fold((i64::MAX, i64::MIN), |(a, b), t| (a.min(t), b.max(t)));
        let days = &LocalDays::new(zone, range.0, range.1);
        self.quality.date_only = !times.is_empty() && times.iter().all(|t| days.is_midnight(*t));
        let date_only = self.quality.date_only || raw.sources.iter().any(|s| s.quality.date_only);
        let Self { converted, churned, signed_up, .. } = &mut self;
        for outcomes in [&mut *converted, &mut *churned] {
            move_to_sign_up(outcomes, signed_up, days);
        }
        self.add_accounts(raw, until)?;
        fold_outcomes(&raw.outcome_events, &mut self.converted, &mut self.churned);
        let mut drop_reason = vec![None; self.signed_up.len()];
        for (code, reason) in drop_reason.iter_mut().enumerate() {
            let signed_up = self.signed_up[code];
            for outcome in [&mut self.converted[code], &mut self.churned[code]] {
                // With dates alone, the order within the day of the sign-up is unknown: use the
                // time of the sign-up.
                if date_only
                    && *outcome != NEVER
                    && signed_up != NO_TIME
                    && days.day(*outcome) == days.day(signed_up)
                {
                    *outcome = signed_up;
                }
            }
            *reason = self.drop_reason(code, until);
            let unused = self.unknown_rows.get(code) == Some(&true);
            let reason = reason.or(unused.then_some(DropReason::NotYetSignedUp));
            // Added accounts have no row.
            if let (Some(reason), Some((file, row))) = (reason, self.locations.get(code)) {
                let (file, row) = (*file, *row);
                self.quality.drop_row(reason, &self.files[file as usize], row);
            }
        }
        let (names, row) = raw.accounts.ranks(|code| drop_reason[code as usize].is_none());
        let order = invert(&row, names.len());
        let (attributes, history) = self.typed_attributes(&order, versions.as_ref())?;
        let reorder = |values: &[i64]| order.iter().map(|c| values[*c as usize]).collect();
        let numbers = |values: Option<&Vec<f64>>| {
            values.map(|v| {
                let value = |code: &u32| self.row(*code).and_then(|row| v.get(row as usize));
                order.iter().map(|code| value(code).copied().unwrap_or(f64::NAN)).collect()
            })
        };
        let accounts = Accounts {
            signed_up: reorder(&self.signed_up),
            converted: reorder(&self.converted),
            churned: reorder(&self.churned),
            seats: numbers(self.seats.as_ref()),
            revenue: numbers(self.revenue.as_ref()),
            first_revenue: numbers(self.first_revenue.as_ref()),
            attributes,
            history,
            id: Names::from_sorted(names),
        };
        let is_kept = |code: &u32| row[*code as usize] != NO_CODE && self.row(*code).is_some();
        let kept = (0..self.row_count()).filter(is_kept).count() as u64;
        self.quality.kept = kept;
        raw.account_quality = Some(self.quality);
        raw.notes.merge(self.notes);
        Ok((accounts, AccountMap { row, drop_reason }, date_only))
    }

    /// Adds the accounts of users that the list lacks. They sign up when they are first seen.
    fn add_accounts(&mut self, raw: &RawEvents, until: i64) -> Result<()> {
        let listed = self.locations.len();
        if !raw.adds_accounts() {
            return Ok(());
        }
        let first_seen = first_seen(raw, until)?;
        let known = |t: &i64| if *t == NEVER { NO_TIME } else { *t };
        self.signed_up.extend(first_seen[listed..].iter().map(known));
        for outcomes in [&mut self.converted, &mut self.churned] {
            outcomes.resize(first_seen.len(), NEVER);
        }
        // Before it signs up, an account is not in the list either.
        self.unknown_rows = vec![false; first_seen.len()];
        for (code, first) in first_seen.iter().enumerate().take(listed) {
            if self.signed_up[code] >= until && *first != NEVER {
                self.unknown_rows[code] = true;
                self.signed_up[code] = *first;
                (self.converted[code], self.churned[code]) = (NEVER, NEVER);
            }
        }
        Ok(())
    }

    /// Returns the row of an account in the list; `None` for added accounts.
    fn row(&self, code: u32) -> Option<u32> {
        let is_unknown = self.unknown_rows.get(code as usize) == Some(&true);
        (code < self.row_count() && !is_unknown).then_some(code)
    }

    /// Returns why an account is dropped; `None` where it is kept.
    fn drop_reason(&self, code: usize, until: i64) -> Option<DropReason> {
        match self.signed_up[code] {
            NO_TIME => Some(DropReason::TimeMissing),
            signed_up if signed_up >= until => Some(DropReason::NotYetSignedUp),
            signed_up if earlier(self.converted[code], self.churned[code]) < signed_up => {
                Some(DropReason::OutcomeBeforeSignUp)
            }
            _ => None,
        }
    }

    /// Returns the number of rows, which are the first codes.
    fn row_count(&self) -> u32 {
        u32::try_from(self.locations.len()).expect("an account list has fewer than 2³² rows")
    }

    /// Returns the file and row of a row, counted among the kept accounts.
    fn locate(&self, kept_row: u64, rows: &[Option<u32>]) -> (PathBuf, u64) {
        let index = usize::try_from(kept_row - 1).expect("a row of a table in memory");
        let row = rows[index].expect("only rows of the list have values") as usize;
        let locations = if self.versions.is_some() { &self.row_locations } else { &self.locations };
        let (file, row) = locations[row];
        (self.files[file as usize].clone(), row)
    }

    /// Returns the attributes of the kept accounts and their history; types are inferred from their
    /// values alone.
    fn typed_attributes(
        &mut self,
        order: &[u32],
        versions: Option<&RowsByAccount>,
    ) -> Result<(DataFrame, Option<AttributeHistory>)> {
        // Added accounts have no values.
        let listed = order.iter().map(|code| self.row(*code));
        let mut history = None;
        let rows: Vec<Option<u32>> = match (versions, &self.versions) {
            (Some(rows), Some(times)) => {
                let mut all = Vec::new();
                let history = history.insert(AttributeHistory::new());
                for code in listed {
                    let rows = code.map_or(&[][..], |code| rows.rows(code as usize));
                    history.push_account(rows.iter().map(|row| times.from[*row as usize]));
                    all.extend(rows.iter().copied().map(Some));
                }
                all
            }
            _ => listed.collect(),
        };
        let index = IdxCa::from_iter_options("".into(), rows.iter().copied());
        let path = self.quality.source.clone();
        let malformed = |e| Error::unexpected_table(&path, e);
        let existing = self.attributes.take(&index).map_err(malformed)?;
        let mut columns = Vec::new();
        for column in existing.columns() {
            let location =
                CellLocation { path: &path, column: column.name(), first_row: 1, rows: &[] };
            let typed = self.types.convert(column, location);
            let typed =
                typed.map_err(|e| cells::located(e, |kept_row| self.locate(kept_row, &rows)))?;
            let typed = typed.locate(|kept_row| self.locate(kept_row, &rows).1);
            columns.push(self.notes.note(typed));
        }
        let attributes = DataFrame::new(rows.len(), columns).map_err(malformed)?;
        Ok((attributes, history))
    }
}

/// Moves outcomes on the day of the sign-up to the sign-up, in a column that has only dates: their
/// time of day is unknown.
///
/// # Arguments
/// * `outcomes` – by account code; [`NEVER`] without one
/// * `signed_up` – by account code; [`NO_TIME`] where missing
fn move_to_sign_up(outcomes: &mut [i64], signed_up: &[i64], days: &LocalDays) {
    if !outcomes.iter().filter(|t| **t != NEVER).all(|t| days.is_midnight(*t)) {
        return;
    }
    for (outcome, signed_up) in outcomes.iter_mut().zip(signed_up) {
        let is_known = *outcome != NEVER && *signed_up != NO_TIME;
        if is_known && days.day(*outcome) == days.day(*signed_up) {
            *outcome = *signed_up;
        }
    }
}

fn file_code(file: usize) -> u32 {
    u32::try_from(file).unwrap_or(u32::MAX)
}

/// Returns the code of each of `len` rows, given the row of each code.
pub(super) fn invert(rows: &[u32], len: usize) -> Vec<u32> {
    let mut codes = vec![0; len];
    for (code, row) in (0..).zip(rows) {
        if *row != NO_CODE {
            codes[*row as usize] = code;
        }
    }
    codes
}
