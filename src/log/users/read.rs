//! The files of users.

use std::path::{Path, PathBuf};

use polars::prelude::*;

use super::alias::Aliases;
use super::email::{AddressAccount, PersonalDomains};
use super::{Membership, UserDirectory};
use crate::config::{PersonalAddresses, UserSource};
use crate::error::{Error, Result};
use crate::io::read::{self, FileOptions, RowBatch, Source};
use crate::log::cells::{self, CellLocation, ColumnNotes, ColumnTypes, TimeColumn, TimeText};
use crate::log::columns::{optional_column, require};
use crate::log::interner::{Interner, NO_CODE};
use crate::log::quality::SourceQuality;
use crate::warning::{DropReason, Warning};

/// The columns of the users.
struct UserColumns {
    user: String,
    account: Option<String>,
    email: Option<String>,
    from: Option<String>,
    role: Option<String>,
    internal: Option<String>,
}

impl UserColumns {
    fn resolve(source: &UserSource, files: &Source) -> Result<Self> {
        let optional = |configured: &Option<String>, default: &str, key: &str| {
            optional_column(files, configured.as_ref(), default, &format!("`users.{key}`"))
        };
        let columns = Self {
            user: require(files, source.user.as_ref(), "user_id", "`users.user`")?,
            account: optional(&source.account, "account_id", "account")?,
            email: optional(&source.email, "email", "email")?,
            from: optional(&source.from, "joined_at", "from")?,
            role: optional(&source.role, "role", "role")?,
            internal: optional(&source.internal, "internal", "internal")?,
        };
        if columns.account.is_none() && columns.email.is_none() {
            // Names both keys: one of them is enough.
            require(files, None, "account_id", "`users.account`; or set `users.email`")?;
        }
        if columns.role.is_none() && !source.internal_roles.is_empty() {
            require(files, None, "role", "`users.role`, for `users.internal_roles`")?;
        }
        Ok(columns)
    }

    /// Returns the names of the columns to read, sorted.
    fn names(&self) -> Vec<String> {
        let optional = [&self.account, &self.email, &self.from, &self.role, &self.internal];
        let optional = optional.into_iter().flatten().cloned();
        let mut names: Vec<String> = std::iter::once(self.user.clone()).chain(optional).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// The rows of the files, in the order in which they are read.
struct UserRows<'a> {
    source: &'a UserSource,
    types: &'a ColumnTypes,
    columns: UserColumns,
    domains: PersonalDomains,
    users: &'a mut Interner,
    accounts: Interner,
    user: Vec<u32>,
    from: TimeColumn,
    /// Start of each membership is set when all files are read.
    memberships: Vec<Membership>,
    /// File and row of each membership.
    locations: Vec<(u32, u64)>,
    files: Vec<PathBuf>,
    quality: SourceQuality,
}

/// Reads the users and the merged ids.
///
/// # Arguments
/// * `users` – receives the ids
/// # Errors
/// * [`Error::Read`], [`Error::Empty`], [`Error::Malformed`], [`Error::MissingColumn`]: a file
///   cannot be read or lacks a column
/// * [`Error::BadValue`]: a time or a flag is invalid, or ids are merged in a circle
pub(in crate::log) fn read(
    source: &UserSource,
    types: &ColumnTypes,
    users: &mut Interner,
    (notes, warnings): (&mut ColumnNotes, &mut Vec<Warning>),
) -> Result<UserDirectory> {
    let mut files = Source::open(&source.path, FileOptions::new(types.max_line, None))?;
    let columns = UserColumns::resolve(source, &files)?;
    let names = columns.names();
    let mut rows = UserRows {
        source,
        types,
        columns,
        domains: PersonalDomains::new(&source.personal_domains),
        users,
        accounts: Interner::default(),
        user: Vec::new(),
        from: TimeColumn::in_zone(types.zone),
        memberships: Vec::new(),
        locations: Vec::new(),
        files: Vec::new(),
        quality: SourceQuality::new(&source.path, "users"),
    };
    rows.quality.unread = files.unread().to_vec();
    for index in 0..files.len() {
        rows.files.push(files.file(index).to_owned());
        files.read(index, &names, &[], &mut |batch| rows.add_batch(&batch))?;
    }
    if rows.quality.rows == 0 {
        return Err(Error::Empty {
            path: source.path.clone(),
            expected: "expected one row per user".to_owned(),
        });
    }
    let user = rows.columns.user.clone();
    warnings.extend(files.warnings(|column| (column == user).then(|| "`users.user`".to_owned()))?);
    let mut directory = rows.finish(notes, warnings)?;
    if source.alias.is_some() {
        let (aliases, quality) = Aliases::read(source, types, users, (notes, warnings))?;
        directory.aliases = aliases;
        directory.quality.push(quality);
    }
    Ok(directory)
}

impl UserRows<'_> {
    fn add_batch(&mut self, batch: &RowBatch) -> Result<()> {
        let RowBatch { first_row, ref frame, .. } = *batch;
        let file = self.files.last().expect("a file is being read").clone();
        self.quality.rows += frame.height() as u64;
        let column = |name: &str| read::column(&file, frame, name);
        let ids = |name: &String| {
            let location = CellLocation { path: &file, column: name, first_row, rows: &[] };
            cells::ids(column(name)?, location)
        };
        let texts = |name: &String| cells::text(column(name)?);
        let columns = &self.columns;
        let users = ids(&columns.user)?;
        let accounts = columns.account.as_ref().map(ids).transpose()?;
        let addresses = columns.email.as_ref().map(texts).transpose()?;
        let internal = self.internal(&file, batch)?;
        let present: BooleanChunked = users.iter().map(|user| Some(user.is_some())).collect();
        let kept: Vec<u32> = (0..)
            .zip(users.iter())
            .filter(|(_, user)| user.is_some())
            .map(|(row, _)| row)
            .collect();
        if let Some(name) = &columns.from {
            let null = &self.types.null;
            let times = column(name)?.filter(&present);
            let times = times.map_err(|e| Error::unexpected_table(&file, e))?;
            let written = TimeText { format: self.source.format.as_deref(), null };
            let location = CellLocation { path: &file, column: name, first_row, rows: &kept };
            self.from.push(&times, written, location)?;
        }
        let file_code = u32::try_from(self.files.len() - 1).unwrap_or(u32::MAX);
        for (index, user) in users.iter().enumerate() {
            let row = first_row + index as u64;
            let Some(user) = user else {
                self.quality.drop_row(DropReason::UserMissing, &file, row);
                continue;
            };
            let text = |column: &Option<StringChunked>| {
                column.as_ref().and_then(|column| column.get(index)).map(str::to_owned)
            };
            let account = self.account(text(&accounts), text(&addresses));
            if let Err(reason) = account {
                self.quality.drop_row(reason, &file, row);
            }
            // Rows without an account end the membership before them.
            let missing = account.err().map(|reason| match reason {
                DropReason::PersonalAddress => reason,
                _ => DropReason::UserWithoutAccount,
            });
            let account = account.unwrap_or(NO_CODE);
            self.user.push(self.users.intern(user));
            let internal = internal[index];
            self.memberships.push(Membership { from: i64::MIN, account, missing, internal });
            self.locations.push((file_code, row));
        }
        Ok(())
    }

    /// Returns the account of a row, or why it has none.
    fn account(
        &mut self,
        account: Option<String>,
        address: Option<String>,
    ) -> std::result::Result<u32, DropReason> {
        if let Some(account) = account {
            return Ok(self.accounts.intern(&account));
        }
        let address = address.filter(|address| {
            let address = address.trim();
            !address.is_empty() && !self.types.null.contains(address)
        });
        let Some(address) = address else { return Err(DropReason::AccountMissing) };
        match self.domains.account(&address) {
            AddressAccount::Company(domain) => Ok(self.accounts.intern(&domain)),
            AddressAccount::Person(address) => match self.source.personal {
                PersonalAddresses::Own => Ok(self.accounts.intern(&address)),
                PersonalAddresses::Drop => Err(DropReason::PersonalAddress),
            },
            AddressAccount::Invalid => Err(DropReason::InvalidAddress),
        }
    }

    /// Returns whether the user of each row is internal.
    fn internal(&self, file: &Path, batch: &RowBatch) -> Result<Vec<bool>> {
        let RowBatch { first_row, ref frame, .. } = *batch;
        let mut internal = vec![false; frame.height()];
        if let Some(name) = &self.columns.internal {
            let location = CellLocation { path: file, column: name, first_row, rows: &[] };
            internal = cells::flags(read::column(file, frame, name)?, location, &self.types.null)?;
        }
        if let Some(name) = &self.columns.role {
            let roles = cells::text(read::column(file, frame, name)?)?;
            for (internal, role) in internal.iter_mut().zip(roles.iter()) {
                let role = role.map(str::trim).unwrap_or_default();
                *internal |= self.source.internal_roles.iter().any(|r| r.trim() == role);
            }
        }
        Ok(internal)
    }

    /// Sorts the memberships by user and start.
    fn finish(
        mut self,
        notes: &mut ColumnNotes,
        warnings: &mut Vec<Warning>,
    ) -> Result<UserDirectory> {
        self.quality.records = self.quality.rows;
        if let Some(column) = self.columns.from.clone() {
            let times = std::mem::take(&mut self.from);
            let (times, absent) = times.finish_located(&column, |index| {
                let (file, row) = self.locations[index];
                (self.files[file as usize].clone(), row)
            })?;
            notes.note_marks(&column, times.len() as u64, absent.marks);
            warnings.extend(absent.never.warning(column));
            for (membership, from) in self.memberships.iter_mut().zip(times) {
                membership.from = from;
            }
        }
        let mut order: Vec<usize> = (0..self.memberships.len()).collect();
        let key = |index: &usize| (self.user[*index], self.memberships[*index].from);
        order.sort_by_key(key);
        let mut sorted: Vec<(u32, Membership)> = Vec::with_capacity(order.len());
        let mut ambiguous = Vec::new();
        for rows in order.chunk_by(|a, b| key(a) == key(b)) {
            let (membership, is_ambiguous) = joined(rows.iter().map(|r| self.memberships[*r]));
            sorted.push((self.user[rows[0]], membership));
            if is_ambiguous {
                let with_account = |row: &&usize| self.memberships[**row].account != NO_CODE;
                ambiguous.extend(rows.iter().filter(with_account).copied());
            }
        }
        ambiguous.sort_unstable();
        for index in ambiguous {
            let (file, row) = self.locations[index];
            let file = &self.files[file as usize];
            self.quality.drop_row(DropReason::UserInTwoAccounts, file, row);
        }
        let dropped: u64 = self.quality.dropped.iter().map(|rows| rows.count).sum();
        self.quality.kept = self.quality.rows - dropped;
        let mut start = vec![0; self.users.len() + 1];
        sorted.iter().for_each(|(user, _)| start[*user as usize + 1] += 1);
        (1..start.len()).for_each(|user| start[user] += start[user - 1]);
        Ok(UserDirectory {
            accounts: self.accounts,
            memberships: sorted.into_iter().map(|(_, membership)| membership).collect(),
            start,
            aliases: Aliases::default(),
            add_accounts: self.source.add_accounts,
            quality: vec![self.quality],
        })
    }
}

/// Returns the membership of rows of a user with the same start, and whether they have several
/// accounts. A row with an account takes precedence over rows without one.
fn joined(rows: impl Iterator<Item = Membership>) -> (Membership, bool) {
    let mut rows: Vec<Membership> = rows.collect();
    // The order of the rows in the files must not matter.
    rows.sort_unstable_by_key(|row| (row.account, row.missing));
    let internal = rows.iter().any(|row| row.internal);
    let first = Membership { internal, ..rows[0] };
    let others = |row: &&Membership| row.account != NO_CODE && row.account != first.account;
    if rows.iter().find(others).is_none() {
        return (first, false);
    }
    let missing = Some(DropReason::UserInTwoAccounts);
    (Membership { account: NO_CODE, missing, ..first }, true)
}
