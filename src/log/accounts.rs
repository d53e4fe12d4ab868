//! The account list, read or derived from the log.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use polars::prelude::*;

use super::cells::{self, Kind, NO_TIME, Place, Times};
use super::codes::{Codes, NO_CODE};
use super::columns::{pick, require};
use super::events::Raw;
use super::quality::SourceQuality;
use super::source::fold_outcomes;
use super::{Names, earlier};
use crate::config::AccountSource;
use crate::error::{Error, Result};
use crate::io::read;
use crate::io::write::time_column;
use crate::time::{DAY, NEVER, midnight};
use crate::warning::DropReason;

/// The accounts that exist, sorted by id; an account's row is its code everywhere.
#[derive(Debug, Clone)]
pub struct Accounts {
    /// Ids.
    pub id: Names,
    /// Sign-up, µs UTC.
    pub signed_up: Vec<i64>,
    /// First conversion, µs UTC; [`NEVER`] where none is known.
    pub converted: Vec<i64>,
    /// First churn, µs UTC; [`NEVER`] where none is known.
    pub churned: Vec<i64>,
    /// Seats granted at sign-up, NaN where missing; `None` without such a column.
    pub seats: Option<Vec<f64>>,
    /// Revenue, NaN where missing; `None` without such a column.
    pub revenue: Option<Vec<f64>>,
    /// Revenue at the conversion, NaN where missing; `None` without such a column.
    pub first_revenue: Option<Vec<f64>>,
    /// Attributes known at sign-up, a row an account: `Float64` or `String`.
    pub attributes: DataFrame,
}

/// Which account of the log each code is; [`NO_CODE`] and a reason where it does not exist.
pub(super) struct Rank {
    pub(super) index: Vec<u32>,
    pub(super) reason: Vec<Option<DropReason>>,
}

/// The account list as it was read.
pub(super) struct List {
    codes: Codes,
    signed_up: Vec<i64>,
    converted: Vec<i64>,
    churned: Vec<i64>,
    seats: Option<Vec<f64>>,
    revenue: Option<Vec<f64>>,
    first_revenue: Option<Vec<f64>>,
    attributes: DataFrame,
    /// What attributes are to be taken for, where their values must not tell.
    kinds: BTreeMap<String, Kind>,
    /// By column, files and rows of text that came quoted, and is no number therefore.
    quoted: BTreeMap<String, Vec<(u32, RangeInclusive<u64>)>>,
    /// File and row of each account.
    at: Vec<(u32, u64)>,
    files: Vec<PathBuf>,
    quality: SourceQuality,
}

/// The columns of the account list.
struct Picked {
    account: String,
    signed_up: String,
    converted: Option<String>,
    churned: Option<String>,
    seats: Option<String>,
    revenue: Option<String>,
    first_revenue: Option<String>,
}

impl Picked {
    fn of(source: &AccountSource, file: &Path) -> Result<Self> {
        let columns = read::columns(file)?;
        let take = |named: &Option<String>, default: &str| pick(&columns, named.as_ref(), default);
        Ok(Self {
            account: require(
                file,
                &columns,
                source.account.as_ref(),
                "account_id",
                "`accounts.account`",
            )?,
            signed_up: require(
                file,
                &columns,
                source.signed_up.as_ref(),
                "signed_up_at",
                "`accounts.signed_up`",
            )?,
            converted: take(&source.converted, "converted_at"),
            churned: take(&source.churned, "churned_at"),
            seats: take(&source.seats, "seats"),
            revenue: take(&source.revenue, "mrr"),
            first_revenue: take(&source.first_revenue, "first_mrr"),
        })
    }

    fn columns(&self, source: &AccountSource) -> Vec<String> {
        let mut columns = vec![self.account.clone(), self.signed_up.clone()];
        let others =
            [&self.converted, &self.churned, &self.seats, &self.revenue, &self.first_revenue];
        columns.extend(others.into_iter().flatten().cloned());
        columns.extend(source.attributes.iter().cloned());
        columns.sort_unstable();
        columns.dedup();
        columns
    }
}

/// The key of the project file by which a column is asked for, as messages name it.
fn role(source: &AccountSource, column: &str) -> String {
    let is = |named: &Option<String>| named.as_deref() == Some(column);
    let key = match column {
        _ if is(&source.converted) => "converted",
        _ if is(&source.churned) => "churned",
        _ if is(&source.seats) => "seats",
        _ if is(&source.revenue) => "revenue",
        _ if is(&source.first_revenue) => "first_revenue",
        _ => "attributes",
    };
    format!("`accounts.{key}`")
}

/// Columns that are gathered batch by batch.
#[derive(Default)]
struct Gathered {
    signed_up: Times,
    converted: Times,
    churned: Times,
    seats: Option<Vec<f64>>,
    revenue: Option<Vec<f64>>,
    first_revenue: Option<Vec<f64>>,
    attributes: Option<DataFrame>,
}

/// Read the account list whole.
pub(super) fn read(source: &AccountSource, kinds: &BTreeMap<String, Kind>) -> Result<List> {
    let mut list = List {
        codes: Codes::default(),
        signed_up: Vec::new(),
        converted: Vec::new(),
        churned: Vec::new(),
        seats: None,
        revenue: None,
        first_revenue: None,
        attributes: DataFrame::default(),
        kinds: kinds.clone(),
        quoted: BTreeMap::new(),
        at: Vec::new(),
        files: Vec::new(),
        quality: SourceQuality::new(&source.path, "accounts"),
    };
    let mut gathered = Gathered::default();
    for file in read::files(&source.path)? {
        let picked = Picked::of(source, &file)?;
        list.files.push(file.clone());
        let read = read::read(&file, Some(&picked.columns(source)), &mut |first_row, frame| {
            list.take(source, &picked, &mut gathered, &frame, &file, first_row)
        })
        .map_err(|e| e.needed_for(|column| role(source, column)))?;
        let at = file_code(list.files.len() - 1);
        for (column, rows) in read.quoted {
            list.quoted.entry(column).or_default().extend(rows.into_iter().map(|rows| (at, rows)));
        }
    }
    if list.quality.rows == 0 {
        return Err(Error::Empty {
            path: source.path.clone(),
            expected: "the account list has one row per account".to_owned(),
        });
    }
    list.quality.made = list.quality.rows;
    let named =
        |named: &Option<String>, usual: &str| named.clone().unwrap_or_else(|| usual.to_owned());
    list.signed_up = list.times(gathered.signed_up, &named(&source.signed_up, "signed_up_at"))?;
    list.converted = list.times(gathered.converted, &named(&source.converted, "converted_at"))?;
    list.churned = list.times(gathered.churned, &named(&source.churned, "churned_at"))?;
    (list.seats, list.revenue, list.first_revenue) =
        (gathered.seats, gathered.revenue, gathered.first_revenue);
    list.attributes = gathered.attributes.unwrap_or_default();
    Ok(list)
}

impl List {
    /// Hand over the codes of the accounts, for the events to be read with.
    pub(super) fn take_codes(&mut self) -> Codes {
        std::mem::take(&mut self.codes)
    }

    /// Whether each account of the list signs up at or after `until`, so that it does not exist
    /// yet.
    pub(super) fn not_yet(&self, until: i64) -> Vec<bool> {
        self.signed_up.iter().map(|t| *t != NO_TIME && *t >= until).collect()
    }

    fn take(
        &mut self,
        source: &AccountSource,
        picked: &Picked,
        into: &mut Gathered,
        frame: &DataFrame,
        file: &Path,
        first_row: u64,
    ) -> Result<()> {
        let column = |name: &str| read::column(file, frame, name);
        let place = |column| Place { path: file, column, first_row, rows: &[] };
        self.quality.rows += frame.height() as u64;
        let ids = cells::text(column(&picked.account)?)?;
        let present = self.name(&ids, file, first_row)?;
        let rows: Vec<u32> = (0..).zip(&present).filter(|(_, p)| **p).map(|(row, _)| row).collect();
        let mask: BooleanChunked = present.iter().map(|p| Some(*p)).collect();
        let frame = frame.filter(&mask).map_err(|e| Error::unexpected_table(file, e))?;
        let column = |name: &str| read::column(file, &frame, name);
        let place = |column| Place { rows: &rows, ..place(column) };
        let before = self.at.len() - frame.height();
        let format = source.format.as_deref();
        into.signed_up.push(column(&picked.signed_up)?, format, place(&picked.signed_up))?;
        for (times, name) in
            [(&mut into.converted, &picked.converted), (&mut into.churned, &picked.churned)]
        {
            if let Some(name) = name {
                times.pad(before);
                times.push(column(name)?, format, place(name))?;
            }
        }
        let numbers = [
            (&mut into.seats, &picked.seats),
            (&mut into.revenue, &picked.revenue),
            (&mut into.first_revenue, &picked.first_revenue),
        ];
        for (numbers, name) in numbers {
            if let Some(name) = name {
                let numbers = numbers.get_or_insert_default();
                numbers.resize(before, f64::NAN);
                numbers.extend(cells::finite(column(name)?, place(name))?);
            }
        }
        let attributes =
            source.attributes.iter().map(|name| column(name).cloned()).collect::<Result<_>>()?;
        let attributes = DataFrame::new(frame.height(), attributes).and_then(|new| {
            match into.attributes.take() {
                Some(old) => old.vstack(&new),
                None => Ok(new),
            }
        });
        into.attributes =
            Some(attributes.map_err(|e| Error::malformed(file, "its attributes", Some(e.into())))?);
        Ok(())
    }

    /// Take the ids of a batch; answers which rows have one.
    fn name(&mut self, ids: &StringChunked, file: &Path, first_row: u64) -> Result<Vec<bool>> {
        let mut present = Vec::with_capacity(ids.len());
        for (row, id) in (first_row..).zip(ids.iter()) {
            let id = id.filter(|id| !id.is_empty());
            present.push(id.is_some());
            let Some(id) = id else {
                self.quality.drop_row(DropReason::AccountMissing, file, row);
                continue;
            };
            if self.codes.get(id).is_some() {
                return Err(Error::DuplicateAccount {
                    path: file.to_owned(),
                    row,
                    account: id.to_owned(),
                });
            }
            self.codes.code(id);
            self.at.push((file_code(self.files.len() - 1), row));
        }
        Ok(present)
    }

    /// Times by account code; empty columns give [`NO_TIME`] for all.
    fn times(&self, mut times: Times, column: &str) -> Result<Vec<i64>> {
        times.pad(self.at.len());
        times.finish().map_err(|(at, found)| Error::BadValue {
            path: self.files[self.at[at].0 as usize].clone(),
            row: Some(self.at[at].1),
            column: column.to_owned(),
            found,
            expected: "a time between the years 1900 and 2262".to_owned(),
        })
    }

    /// Cut the list at `until`, fold the outcomes of the log in, and drop what cannot be.
    pub(super) fn finish(mut self, raw: &mut Raw, until: i64) -> Result<(Accounts, Rank, bool)> {
        let known = |t: i64| if t == NO_TIME || t >= until { NEVER } else { t };
        self.converted.iter_mut().chain(&mut self.churned).for_each(|t| *t = known(*t));
        let signed_up = self.signed_up.iter().copied().filter(|t| *t != NO_TIME && *t < until);
        let outcomes = self.converted.iter().chain(&self.churned).copied().filter(|t| *t != NEVER);
        let mut dates = signed_up.chain(outcomes).peekable();
        self.quality.date_only = dates.peek().is_some() && dates.all(|t| t % DAY == 0);
        let date_only = self.quality.date_only || raw.sources.iter().any(|s| s.quality.date_only);
        fold_outcomes(&raw.occurred, &mut self.converted, &mut self.churned);
        let mut reason = vec![None; self.at.len()];
        for (code, reason) in reason.iter_mut().enumerate() {
            let signed_up = self.signed_up[code];
            for outcome in [&mut self.converted[code], &mut self.churned[code]] {
                // With dates alone the order inside the day of the sign-up is unknown: it happens
                // at the sign-up.
                if date_only
                    && *outcome != NEVER
                    && signed_up != NO_TIME
                    && midnight(*outcome) == midnight(signed_up)
                {
                    *outcome = signed_up;
                }
            }
            *reason = self.lack(code, until);
            if let Some(reason) = *reason {
                self.quality.drop_row(
                    reason,
                    &self.files[self.at[code].0 as usize],
                    self.at[code].1,
                );
            }
        }
        let (names, index) = raw.accounts.ranks(|code| reason[code as usize].is_none());
        let order = inverse(&index, names.len());
        let attributes = self.attributes_by(&order)?;
        let by = |values: &[i64]| order.iter().map(|c| values[*c as usize]).collect();
        let numbers = |values: Option<&Vec<f64>>| {
            values.map(|v| {
                order.iter().map(|c| v.get(*c as usize).copied().unwrap_or(f64::NAN)).collect()
            })
        };
        let accounts = Accounts {
            signed_up: by(&self.signed_up),
            converted: by(&self.converted),
            churned: by(&self.churned),
            seats: numbers(self.seats.as_ref()),
            revenue: numbers(self.revenue.as_ref()),
            first_revenue: numbers(self.first_revenue.as_ref()),
            attributes,
            id: Names::from_sorted(names),
        };
        self.quality.kept = accounts.id.len() as u64;
        raw.account_quality = Some(self.quality);
        Ok((accounts, Rank { index, reason }, date_only))
    }

    /// Why an account does not exist; `None`: it does.
    fn lack(&self, code: usize, until: i64) -> Option<DropReason> {
        match self.signed_up[code] {
            NO_TIME => Some(DropReason::TimeMissing),
            signed_up if signed_up >= until => Some(DropReason::NotYetSignedUp),
            signed_up if earlier(self.converted[code], self.churned[code]) < signed_up => {
                Some(DropReason::OutcomeBeforeSignUp)
            }
            _ => None,
        }
    }

    /// Whether a value of an attribute of the accounts that exist came quoted.
    fn came_quoted(&self, column: &Column, order: &[u32]) -> bool {
        let Some(quoted) = self.quoted.get(column.name().as_str()) else { return false };
        let is_quoted = |code: &u32| {
            let (file, row) = self.at[*code as usize];
            let next = quoted.partition_point(|(f, rows)| (*f, *rows.end()) < (file, row));
            quoted.get(next).is_some_and(|(f, rows)| *f == file && rows.contains(&row))
        };
        order
            .iter()
            .zip(column.is_not_null().iter())
            .any(|(code, present)| present == Some(true) && is_quoted(code))
    }

    /// The file and row of a bad value that was found among the accounts that exist.
    fn in_its_file(&self, error: Error, order: &[u32]) -> Error {
        match error {
            Error::BadValue { row: Some(at), column, found, expected, .. } => {
                let (file, row) = self.at
                    [order[usize::try_from(at - 1).expect("a row of a table in memory")] as usize];
                Error::BadValue {
                    path: self.files[file as usize].clone(),
                    row: Some(row),
                    column,
                    found,
                    expected,
                }
            }
            other => other,
        }
    }

    /// The attributes of the accounts that exist, typed by the values of these alone.
    fn attributes_by(&self, order: &[u32]) -> Result<DataFrame> {
        let index = IdxCa::from_vec("".into(), order.to_vec());
        let path = &self.quality.source;
        let malformed = |e| Error::unexpected_table(path, e);
        let existing = self.attributes.take(&index).map_err(malformed)?;
        let mut columns = Vec::new();
        for column in existing.columns() {
            let place = Place { path, column: column.name(), first_row: 1, rows: &[] };
            let kind = self.kinds.get(column.name().as_str()).copied();
            let kind = kind.or_else(|| self.came_quoted(column, order).then_some(Kind::Text));
            columns
                .push(cells::typed(column, kind, place).map_err(|e| self.in_its_file(e, order))?);
        }
        DataFrame::new(order.len(), columns).map_err(malformed)
    }
}

fn file_code(file: usize) -> u32 {
    u32::try_from(file).unwrap_or(u32::MAX)
}

pub(super) fn inverse(index: &[u32], len: usize) -> Vec<u32> {
    let mut order = vec![0; len];
    for (code, rank) in (0..).zip(index) {
        if *rank != NO_CODE {
            order[*rank as usize] = code;
        }
    }
    order
}

/// The account list in the columns that are read by default.
pub(super) fn table(accounts: &Accounts) -> Result<DataFrame> {
    let time = |name: &str, values: &[i64]| {
        time_column(name, values.iter().map(|t| (*t != NEVER).then_some(*t)))
    };
    let number = |name: &str, values: &[f64]| {
        Float64Chunked::from_iter_options(
            name.into(),
            values.iter().map(|v| Some(*v).filter(|v| !v.is_nan())),
        )
        .into_column()
    };
    let mut columns = vec![
        Column::new("account_id".into(), accounts.id.iter().collect::<Vec<_>>()),
        time("signed_up_at", &accounts.signed_up),
        time("converted_at", &accounts.converted),
        time("churned_at", &accounts.churned),
    ];
    columns.extend(accounts.seats.iter().map(|s| number("seats", s)));
    columns.extend(accounts.revenue.iter().map(|r| number("mrr", r)));
    columns.extend(accounts.first_revenue.iter().map(|r| number("first_mrr", r)));
    for attribute in accounts.attributes.columns() {
        if columns.iter().all(|c| c.name() != attribute.name()) {
            columns.push(attribute.clone());
        }
    }
    DataFrame::new(accounts.id.len(), columns).map_err(|e| Error::table("the account list", e))
}
