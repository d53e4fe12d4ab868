//! The sources of `[eligibility]`: the account list, deals and contacts.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::{Deal, Exclusions};
use crate::config::{Config, EligibilityConfig};
use crate::error::Result;
use crate::io::read::{self, FileOptions, RowBatch, Source};
use crate::log::cells::{self, CellLocation, NO_TIME, NullMarks, TimeColumn, TimeText};
use crate::log::columns::{optional_column, require};
use crate::log::quality::SourceQuality;
use crate::log::{Log, Names};
use crate::time::{NEVER, Zone};
use crate::warning::{DropReason, Warning};

/// How the sources are read.
pub(super) struct Reader<'a> {
    pub(super) eligibility: &'a EligibilityConfig,
    pub(super) config: &'a Config,
    pub(super) null: NullMarks,
    pub(super) zone: Zone,
    pub(super) accounts: &'a Names,
    /// Accounts that the log has dropped, and why.
    dropped: &'a HashMap<Box<str>, DropReason>,
    /// End of the log, µs UTC.
    pub(super) until: i64,
    quality: Vec<SourceQuality>,
    warnings: Vec<Warning>,
}

/// A column of times, and the key of the project file that names it.
struct TimeKey<'a> {
    column: String,
    key: &'a str,
}

/// Rows of known accounts with times.
struct TimedRows {
    account: Vec<u32>,
    /// By column; [`NO_TIME`] where missing.
    times: Vec<Vec<i64>>,
}

/// Reads why the accounts of a log must not be contacted; `None` without `[eligibility]`. Adds the
/// data quality and warnings of the sources to the log.
///
/// # Errors
/// * [`Read`](crate::Error::Read), [`Empty`](crate::Error::Empty),
///   [`Malformed`](crate::Error::Malformed), [`MissingColumn`](crate::Error::MissingColumn): a file
///   cannot be read or lacks a column
/// * [`BadValue`](crate::Error::BadValue): a time or a flag is invalid
pub(in crate::log) fn read(config: &Config, log: &mut Log) -> Result<Option<Exclusions>> {
    let Some(eligibility) = &config.eligibility else { return Ok(None) };
    let mut reader = Reader {
        eligibility,
        config,
        null: NullMarks::new(&config.input.null),
        zone: config.input.timezone,
        accounts: &log.accounts.id,
        dropped: &log.dropped_accounts,
        until: log.until,
        quality: Vec::new(),
        warnings: Vec::new(),
    };
    let domains: BTreeSet<String> =
        eligibility.internal_domains.iter().map(|domain| domain.trim().to_lowercase()).collect();
    let mut exclusions = Exclusions {
        internal: log.accounts.id.iter().map(|id| has_domain(id, &domains)).collect(),
        // Accounts that the list lacks have no value.
        outside: vec![!eligibility.territory.is_empty(); log.accounts.id.len()],
        contacted_within: eligibility.contacted_within.0,
        min_users: eligibility.min_users,
        users_within: eligibility.users_within.0,
        ..Exclusions::default()
    };
    reader.read_account_list(&mut exclusions)?;
    exclusions.deals = reader.deals()?;
    exclusions.contacts = reader.contacts()?;
    let Reader { quality, warnings, .. } = reader;
    log.quality.sources.extend(quality);
    log.warnings.extend(warnings);
    Ok(Some(exclusions))
}

/// Returns whether an account id is a domain, is below it, or is an address at it.
fn has_domain(account: &str, domains: &BTreeSet<String>) -> bool {
    if domains.is_empty() {
        return false;
    }
    let account = account.to_lowercase();
    let domain = account.rsplit('@').next().unwrap_or_default();
    let dots = domain.match_indices('.').map(|(index, _)| index + 1);
    std::iter::once(0).chain(dots).any(|start| domains.contains(&domain[start..]))
}

impl<'a> Reader<'a> {
    fn known(&self) -> KnownAccounts<'a> {
        KnownAccounts { kept: self.accounts, dropped: self.dropped }
    }

    /// Returns the account list and its column of accounts.
    pub(super) fn account_list(&self) -> (PathBuf, Option<&String>) {
        let list = self.config.accounts.as_ref().expect("the project file was checked");
        (list.path.clone(), list.account.as_ref())
    }

    /// Reads the deals, sorted by account.
    fn deals(&mut self) -> Result<Vec<Deal>> {
        let eligibility = self.eligibility;
        let (path, account, key) = match (&eligibility.deals, &eligibility.deal_opened) {
            (Some(path), _) => {
                (path.clone(), eligibility.deal_account.clone(), "`eligibility.deal_account`")
            }
            (None, Some(_)) => {
                let (path, account) = self.account_list();
                (path, account.cloned(), "`accounts.account`")
            }
            (None, None) => return Ok(Vec::new()),
        };
        let times = [
            (eligibility.deal_opened.as_ref(), Some("opened_at"), "`eligibility.deal_opened`"),
            (eligibility.deal_closed.as_ref(), None, "`eligibility.deal_closed`"),
        ];
        let rows = self.timed_rows(&path, (account.as_ref(), key), &times, "deals")?;
        let closed = |row: usize| match rows.times.get(1).map(|times| times[row]) {
            None | Some(NO_TIME) => NEVER,
            Some(closed) => closed,
        };
        let mut deals: Vec<Deal> = (0..rows.account.len())
            .map(|row| Deal {
                account: rows.account[row],
                opened: rows.times[0][row],
                closed: closed(row),
            })
            .collect();
        deals.sort_unstable();
        Ok(deals)
    }

    /// Reads the contacts, sorted by account and time.
    fn contacts(&mut self) -> Result<Vec<(u32, i64)>> {
        let eligibility = self.eligibility;
        let Some(path) = &eligibility.contacts else { return Ok(Vec::new()) };
        let account = (eligibility.contact_account.as_ref(), "`eligibility.contact_account`");
        let time =
            (eligibility.contacted_at.as_ref(), Some("contacted_at"), "`eligibility.contacted_at`");
        let rows = self.timed_rows(path, account, &[time], "contacts")?;
        let mut contacts: Vec<(u32, i64)> =
            rows.account.into_iter().zip(rows.times[0].iter().copied()).collect();
        contacts.sort_unstable();
        Ok(contacts)
    }

    /// Reads rows of accounts with times. Rows without the first time, and of accounts that the log
    /// does not have, are counted and dropped.
    ///
    /// # Arguments
    /// * `times` – configured column, default column if it is required, and key of each time
    fn timed_rows(
        &mut self,
        path: &Path,
        (account, account_key): (Option<&String>, &str),
        times: &[(Option<&String>, Option<&str>, &str)],
        kind: &'static str,
    ) -> Result<TimedRows> {
        // Deals may be columns of the account list.
        let list = self.config.accounts.as_ref().filter(|list| list.path == path);
        let format = list.and_then(|list| list.file_format);
        let mut files = Source::open(path, FileOptions::new(self.config.input.max_line, format))?;
        let account = require(&files, account, "account_id", account_key)?;
        let mut keys = Vec::new();
        for (configured, default, key) in times {
            let column = match default {
                Some(default) => Some(require(&files, *configured, default, key)?),
                None => optional_column(&files, *configured, "closed_at", key)?,
            };
            keys.extend(column.map(|column| TimeKey { column, key }));
        }
        let mut names: Vec<String> =
            keys.iter().map(|key| key.column.clone()).chain([account.clone()]).collect();
        names.sort_unstable();
        names.dedup();
        let mut quality = SourceQuality::new(path, kind);
        quality.unread = files.unread().to_vec();
        let times = keys.iter().map(|_| TimeColumn::in_zone(self.zone)).collect();
        let (codes, locations) = (Vec::new(), Vec::new());
        let mut table = TimedTable { known: self.known(), account, keys, codes, times, locations };
        let format = self.eligibility.format.as_deref();
        for index in 0..files.len() {
            let file = files.file(index).to_owned();
            let written = TimeText { format, null: &self.null };
            files.read(index, &names, &[], &mut |batch| {
                quality.rows += batch.frame.height() as u64;
                table.add_batch(&batch, (index, &file), written)
            })?;
        }
        self.warnings.extend(files.warnings(|column| {
            let key = table.keys.iter().find(|key| key.column == column).map(|key| key.key);
            (column == table.account).then_some(account_key).or(key).map(str::to_owned)
        })?);
        let rows = table.finish(&files, &mut quality, &mut self.warnings)?;
        quality.records = quality.rows;
        quality.kept = rows.account.len() as u64;
        // The account list without a deal is no dropped row.
        if self.eligibility.deals.is_some() || kind != "deals" {
            self.quality.push(quality);
        }
        Ok(rows)
    }
}

/// The accounts of the log, and those that it has dropped.
#[derive(Clone, Copy)]
struct KnownAccounts<'a> {
    kept: &'a Names,
    dropped: &'a HashMap<Box<str>, DropReason>,
}

impl KnownAccounts<'_> {
    /// Returns the code of an account, or why it has none.
    fn code(self, id: &str) -> std::result::Result<u32, DropReason> {
        match self.kept.code(id) {
            Some(code) => Ok(u32::try_from(code).expect("accounts have u32 codes")),
            None => Err(self.dropped.get(id).copied().unwrap_or(DropReason::UnknownAccount)),
        }
    }
}

/// Rows with an account and times, as they are read.
struct TimedTable<'a> {
    known: KnownAccounts<'a>,
    /// Column of accounts.
    account: String,
    keys: Vec<TimeKey<'a>>,
    /// Account of each row, or why it has none.
    codes: Vec<std::result::Result<u32, DropReason>>,
    /// In the order of `keys`.
    times: Vec<TimeColumn>,
    /// Index of the file of each row, and its number there.
    locations: Vec<(usize, u64)>,
}

impl TimedTable<'_> {
    fn add_batch(
        &mut self,
        batch: &RowBatch,
        (index, file): (usize, &Path),
        written: TimeText<'_>,
    ) -> Result<()> {
        let first_row = batch.first_row;
        let location = |column| CellLocation { path: file, column, first_row, rows: &[] };
        let column = |name: &str| read::column(file, &batch.frame, name);
        let ids = cells::ids(column(&self.account)?, location(&self.account))?;
        for (row, id) in (first_row..).zip(ids.iter()) {
            self.codes.push(match id {
                Some(id) => self.known.code(id),
                None => Err(DropReason::AccountMissing),
            });
            self.locations.push((index, row));
        }
        for (times, key) in self.times.iter_mut().zip(&self.keys) {
            times.push(column(&key.column)?, written, location(&key.column))?;
        }
        Ok(())
    }

    /// Returns the rows of known accounts that have the first time, and counts the others.
    fn finish(
        self,
        files: &Source,
        quality: &mut SourceQuality,
        warnings: &mut Vec<Warning>,
    ) -> Result<TimedRows> {
        let mut values = Vec::new();
        for (times, key) in self.times.into_iter().zip(&self.keys) {
            let (times, absent) = times.finish_located(&key.column, |index| {
                let (file, row) = self.locations[index];
                (files.file(file).to_owned(), row)
            })?;
            warnings.extend(absent.never.warning(key.column.clone()));
            values.push(times);
        }
        let mut rows = TimedRows { account: Vec::new(), times: vec![Vec::new(); values.len()] };
        for (row, code) in self.codes.into_iter().enumerate() {
            let is_known = values[0][row] != NO_TIME;
            match code.and_then(|code| is_known.then_some(code).ok_or(DropReason::TimeMissing)) {
                Ok(code) => {
                    rows.account.push(code);
                    rows.times.iter_mut().zip(&values).for_each(|(to, from)| to.push(from[row]));
                }
                Err(reason) => {
                    let (file, number) = self.locations[row];
                    quality.drop_row(reason, files.file(file), number);
                }
            }
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_domains_match_whole_domains_and_addresses() {
        let domains: BTreeSet<String> = ["acme.com".to_owned(), "test.example".to_owned()].into();
        for account in ["acme.com", "ACME.com", "eu.acme.com", "ann@acme.com", "a@x.test.example"] {
            assert!(has_domain(account, &domains), "{account}");
        }
        for account in ["notacme.com", "acme.com.evil.com", "com", "acme", ""] {
            assert!(!has_domain(account, &domains), "{account}");
        }
        assert!(!has_domain("acme.com", &BTreeSet::new()));
    }
}
