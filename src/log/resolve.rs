//! Accounts of events: by their id, or by the user of the event.

use super::MemberTimes;
use super::cells::{ColumnTypes, NO_TIME};
use super::interner::{Interner, NO_CODE};
use super::raw_events::RawEvents;
use super::raw_source::{RawSource, UNKNOWN_CODES, missing_code, unknown_code};
use super::users::{self, UserDirectory};
use crate::config::UserSource;
use crate::error::Result;
use crate::time::NEVER;

/// Returns the code of an account.
///
/// # Arguments
/// * `listed` – whether `known` is the account list, so that other accounts are unknown
pub(super) fn account_code(
    account: &str,
    known: &mut Interner,
    unknown: &mut Interner,
    listed: bool,
) -> u32 {
    if !listed {
        return known.intern(account);
    }
    known.get(account).unwrap_or_else(|| {
        let is_full = unknown.len() >= UNKNOWN_CODES as usize;
        let number = if is_full { unknown.get(account) } else { Some(unknown.intern(account)) };
        unknown_code(number.unwrap_or(UNKNOWN_CODES))
    })
}

/// Codes of the accounts of users in [`RawEvents::accounts`], looked up when they are first used:
/// only unknown accounts that have events are counted.
struct AccountCodes<'a> {
    directory: &'a UserDirectory,
    known: &'a mut Interner,
    unknown: &'a mut Interner,
    listed: bool,
    /// By code in the directory; [`NO_CODE`] until it is looked up.
    codes: Vec<u32>,
}

impl AccountCodes<'_> {
    fn code(&mut self, account: u32) -> u32 {
        let code = &mut self.codes[account as usize];
        if *code == NO_CODE {
            let name = self.directory.accounts.name(account);
            *code = account_code(name, self.known, self.unknown, self.listed);
        }
        *code
    }
}

impl RawEvents {
    /// Reads the users, before any events.
    pub(super) fn read_users(&mut self, source: &UserSource, types: &ColumnTypes) -> Result<()> {
        let messages = (&mut self.notes, &mut self.warnings);
        let directory = users::read(source, types, &mut self.users, messages)?;
        if directory.add_accounts {
            for account in directory.accounts.iter() {
                self.accounts.intern(account);
            }
        }
        self.directory = Some(directory);
        Ok(())
    }

    /// Sets the accounts of the events that have only a user, follows merged users, and marks the
    /// events of internal users. The times of the events must be final.
    pub(super) fn resolve_users(&mut self, source: &mut RawSource) -> Result<()> {
        let Self { directory, accounts, unknown, listed, spill, .. } = self;
        let Some(directory) = directory else { return Ok(()) };
        let codes = vec![NO_CODE; directory.accounts.len()];
        let (known, listed) = (accounts, *listed);
        let mut codes = AccountCodes { directory, known, unknown, listed, codes };
        for block in source.blocks.iter_mut().filter(|block| block.user.len() > 0) {
            let (time, mut user, mut account) = (
                block.time.get(spill)?,
                block.user.get(spill)?.into_owned(),
                block.account.get(spill)?.into_owned(),
            );
            let mut internal = Vec::new();
            for index in 0..user.len() {
                if user[index] == NO_CODE || time[index] == NO_TIME {
                    continue;
                }
                let resolved = directory.resolve(user[index], time[index]);
                user[index] = resolved.user;
                if account[index] == NO_CODE {
                    account[index] = match resolved.account {
                        Ok(account) => codes.code(account),
                        Err(reason) => missing_code(reason),
                    };
                }
                if resolved.internal {
                    internal.push(u32::try_from(index).expect("a block has fewer than 2³² rows"));
                }
            }
            drop(time);
            block.user.replace(spill, user)?;
            block.account.replace(spill, account)?;
            block.internal = internal;
        }
        Ok(())
    }

    /// Returns whether the accounts of users that the account list lacks are added to it.
    pub(super) fn adds_accounts(&self) -> bool {
        self.directory.as_ref().is_some_and(|users| users.add_accounts)
    }

    /// Returns when the members of each account joined, before the end of the log; empty without
    /// users.
    ///
    /// # Arguments
    /// * `row` – row of each account by its code
    pub(super) fn member_times(&self, row: &[u32], (len, until): (usize, i64)) -> MemberTimes {
        let Some(directory) = &self.directory else { return MemberTimes::default() };
        let mut times = MemberTimes { internal: vec![NEVER; len], other: vec![NEVER; len] };
        let rows: Vec<Option<u32>> = directory
            .accounts
            .iter()
            .map(|name| self.accounts.get(name).map(|code| row[code as usize]))
            .collect();
        for (account, from, is_internal) in directory.joined_before(until) {
            let Some(row) = rows[account as usize].filter(|row| *row != NO_CODE) else { continue };
            let times = if is_internal { &mut times.internal } else { &mut times.other };
            let first = &mut times[row as usize];
            *first = from.min(*first);
        }
        times
    }

    /// Returns when the first membership of each account starts before the end of the log, by
    /// account code; [`NO_TIME`] without one. Empty unless accounts are added.
    pub(super) fn first_memberships(&self, until: i64) -> Vec<i64> {
        let Some(directory) = self.directory.as_ref().filter(|users| users.add_accounts) else {
            return Vec::new();
        };
        let mut first = vec![NO_TIME; self.accounts.len()];
        for (name, from) in directory.accounts.iter().zip(directory.first_memberships()) {
            let code = self.accounts.get(name);
            if let Some((code, from)) = code.zip(from.filter(|from| *from < until)) {
                first[code as usize] = from;
            }
        }
        first
    }
}
