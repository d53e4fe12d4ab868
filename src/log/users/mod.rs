//! Users and the accounts they belong to at a time; ids that were merged.
//!
//! Everything is as of the time of an event: a membership or a merge that starts later has no
//! effect on it.

mod alias;
mod email;
mod read;

use super::interner::{Interner, NO_CODE};
use super::quality::SourceQuality;
use crate::warning::DropReason;
use alias::Aliases;
pub(super) use read::read;

/// A membership of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Membership {
    /// When it starts, µs UTC; the smallest number: it has no start.
    from: i64,
    /// Code of the account in [`UserDirectory::accounts`]; [`NO_CODE`] without an account.
    account: u32,
    /// Why there is no account.
    missing: Option<DropReason>,
    /// Whether the user is own staff or a test user.
    internal: bool,
}

/// What is known about the user of an event at its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ResolvedUser {
    /// Code of the user after all merges.
    pub(super) user: u32,
    /// The account, a code in [`UserDirectory::accounts`], or the reason for its absence.
    pub(super) account: std::result::Result<u32, DropReason>,
    /// Whether the user is own staff or a test user.
    pub(super) internal: bool,
}

/// All users, their memberships and merged ids.
pub(super) struct UserDirectory {
    /// Names of the accounts.
    pub(super) accounts: Interner,
    /// By user code, the memberships in the order of their start.
    memberships: Vec<Membership>,
    /// Memberships of the user with code u: `memberships[start[u]..start[u + 1]]`.
    start: Vec<usize>,
    aliases: Aliases,
    /// Whether accounts that the account list lacks are added to it.
    pub(super) add_accounts: bool,
    /// The data quality of the files.
    pub(super) quality: Vec<SourceQuality>,
}

impl UserDirectory {
    /// Returns what is known about a user at a time.
    pub(super) fn resolve(&self, user: u32, time: i64) -> ResolvedUser {
        let (mut last, mut is_listed, mut latest) = (user, false, None);
        // The account is that of the newest id with a membership.
        loop {
            if let Some(memberships) = self.memberships(last) {
                is_listed = true;
                let started = memberships.partition_point(|membership| membership.from <= time);
                latest = started.checked_sub(1).map(|index| memberships[index]).or(latest);
            }
            match self.aliases.next(last, time) {
                Some(next) => last = next,
                None => break,
            }
        }
        let missing = match (&latest, is_listed) {
            (Some(membership), _) => membership.missing,
            (None, true) => Some(DropReason::UserWithoutAccount),
            (None, false) => Some(DropReason::UnknownUser),
        };
        let account = match (latest, missing) {
            (Some(membership), None) => Ok(membership.account),
            (_, missing) => Err(missing.unwrap_or(DropReason::UnknownUser)),
        };
        let internal = latest.is_some_and(|membership| membership.internal);
        ResolvedUser { user: last, account, internal }
    }

    /// Returns the memberships of a user; `None` for a user that the files do not list.
    fn memberships(&self, user: u32) -> Option<&[Membership]> {
        let end = *self.start.get(user as usize + 1)?;
        Some(&self.memberships[self.start[user as usize]..end])
    }

    /// Iterates over the memberships that start before a time: the account, the start, and whether
    /// the user is internal.
    pub(super) fn joined_before(&self, time: i64) -> impl Iterator<Item = (u32, i64, bool)> {
        let joined = self.memberships.iter().filter(move |m| m.account != NO_CODE && m.from < time);
        joined.map(|membership| (membership.account, membership.from, membership.internal))
    }

    /// Returns when the first membership of each account starts, by its code in
    /// [`UserDirectory::accounts`]; `None` without a known start.
    pub(super) fn first_memberships(&self) -> Vec<Option<i64>> {
        let mut first = vec![None; self.accounts.len()];
        let started =
            self.memberships.iter().filter(|m| m.account != NO_CODE && m.from != i64::MIN);
        for membership in started {
            let first = &mut first[membership.account as usize];
            *first = Some(first.map_or(membership.from, |t: i64| t.min(membership.from)));
        }
        first
    }
}
