//! Accounts that must not be contacted, by reason and time.

mod account_list;
mod read;

pub(super) use read::read;

use super::{Events, Log, NO_USER};
use crate::error::Result;
use crate::warning::{IneligibleReason, IneligibleReasons};

/// When the members of each account joined, by account code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct MemberTimes {
    /// The first internal one, µs UTC; [`NEVER`](crate::time::NEVER) without one.
    pub(crate) internal: Vec<i64>,
    /// The first other one, µs UTC; [`NEVER`](crate::time::NEVER) without one.
    pub(crate) other: Vec<i64>,
}

impl MemberTimes {
    /// Returns whether all members of an account that joined before a time are internal.
    fn is_internal(&self, account: usize, time: i64) -> bool {
        let joined = |times: &[i64]| times.get(account).is_some_and(|t| *t < time);
        joined(&self.internal) && !joined(&self.other)
    }
}

/// A deal of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Deal {
    account: u32,
    opened: i64,
    /// [`NEVER`](crate::time::NEVER) while it is open.
    closed: i64,
}

/// Why accounts must not be contacted (`[eligibility]`).
#[derive(Debug, Clone, Default)]
pub struct Exclusions {
    /// By account code, whether it is an internal or test account by its id or by the account list.
    internal: Vec<bool>,
    /// By account code, whether it is outside of the territory.
    outside: Vec<bool>,
    /// Deals, by account.
    deals: Vec<Deal>,
    /// Accounts and times of contacts, sorted.
    contacts: Vec<(u32, i64)>,
    /// Time after a contact in which an account is not eligible, µs.
    contacted_within: i64,
    min_users: u64,
    /// Time in which active users are counted, µs.
    users_within: i64,
}

impl Exclusions {
    /// Returns why accounts must not be contacted. Only what is known before each time counts.
    ///
    /// # Arguments
    /// * `accounts` – codes of the accounts, ascending
    /// * `times` – a time for each of them, µs UTC
    /// # Errors
    /// * [`Error::Write`](crate::Error::Write): the temporary file of a large log cannot be read
    pub fn reasons(
        &self,
        log: &Log,
        accounts: &[u32],
        times: &[i64],
    ) -> Result<Vec<IneligibleReasons>> {
        let few_users = self.few_users(log, accounts, times)?;
        let rows = accounts.iter().zip(times).zip(few_users);
        Ok(rows
            .map(|((account, time), few_users)| {
                let code = *account as usize;
                let is_internal = self.internal[code] || log.members.is_internal(code, *time);
                let mut reasons = IneligibleReasons::default();
                reasons.add(IneligibleReason::Internal, is_internal);
                reasons.add(IneligibleReason::OpenDeal, self.has_open_deal(*account, *time));
                reasons.add(IneligibleReason::Contacted, self.is_contacted(*account, *time));
                reasons.add(IneligibleReason::FewUsers, few_users);
                reasons.add(IneligibleReason::OutsideTerritory, self.outside[code]);
                reasons
            })
            .collect())
    }

    /// Returns whether an account is ineligible for a reason that stays: it is an internal or test
    /// account, or outside of the territory.
    pub(crate) fn is_lasting(&self, log: &Log, account: usize) -> bool {
        self.internal[account]
            || self.outside[account]
            || log.members.is_internal(account, log.until)
    }

    fn has_open_deal(&self, account: u32, time: i64) -> bool {
        let first = self.deals.partition_point(|deal| deal.account < account);
        let mut deals = self.deals[first..].iter().take_while(|deal| deal.account == account);
        deals.any(|deal| deal.opened < time && deal.closed >= time)
    }

    fn is_contacted(&self, account: u32, time: i64) -> bool {
        let first = self.contacts.partition_point(|c| *c < (account, time - self.contacted_within));
        self.contacts.get(first).is_some_and(|(other, t)| *other == account && *t < time)
    }

    /// Returns whether each account has too few active users.
    fn few_users(&self, log: &Log, accounts: &[u32], times: &[i64]) -> Result<Vec<bool>> {
        let mut few = vec![false; accounts.len()];
        if self.min_users == 0 {
            return Ok(few);
        }
        for partition in 0..log.events.partition_count() {
            let codes = log.events.accounts(partition);
            let before = |code: usize| accounts.partition_point(|a| (*a as usize) < code);
            let rows = before(codes.start)..before(codes.end);
            log.events.with_partition(partition, |events| {
                for row in rows {
                    let window = times[row] - self.users_within..times[row];
                    let users = active_users(events, accounts[row] as usize, &window);
                    few[row] = users < self.min_users;
                }
            })?;
        }
        Ok(few)
    }
}

/// Returns the number of users of an account with events in a period that were known at its end.
fn active_users(events: &Events, account: usize, period: &std::ops::Range<i64>) -> u64 {
    let active = events.account_range(account).filter(|index| {
        period.contains(&events.time[*index]) && events.known_at(*index) < period.end
    });
    let mut users: Vec<u32> =
        active.map(|index| events.user[index]).filter(|user| *user != NO_USER).collect();
    users.sort_unstable();
    users.dedup();
    users.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::NEVER;

    #[test]
    fn a_deal_counts_from_after_its_opening_until_its_closing() {
        let deals = vec![
            Deal { account: 1, opened: 10, closed: 20 },
            Deal { account: 1, opened: 30, closed: NEVER },
            Deal { account: 3, opened: 0, closed: 5 },
        ];
        let exclusions = Exclusions { deals, ..Exclusions::default() };
        let open = |account, times: &[i64]| -> Vec<bool> {
            times.iter().map(|time| exclusions.has_open_deal(account, *time)).collect()
        };
        assert_eq!(open(1, &[10, 11, 20, 21, 30, 31]), [false, true, true, false, false, true]);
        assert_eq!(open(2, &[15]), [false]);
        assert_eq!(open(3, &[1, 6]), [true, false]);
    }

    #[test]
    fn a_contact_counts_for_its_period_and_never_before_it() {
        let contacts = vec![(1, 100), (1, 300), (2, 50)];
        let exclusions = Exclusions { contacts, contacted_within: 30, ..Exclusions::default() };
        let contacted = |account, times: &[i64]| -> Vec<bool> {
            times.iter().map(|time| exclusions.is_contacted(account, *time)).collect()
        };
        assert_eq!(contacted(1, &[100, 101, 130, 131, 301]), [false, true, true, false, true]);
        assert_eq!(contacted(0, &[60]), [false]);
        assert_eq!(contacted(2, &[60, 99]), [true, false]);
    }

    #[test]
    fn an_account_is_internal_while_all_of_its_members_are() {
        let members = MemberTimes { internal: vec![5, NEVER, 5], other: vec![NEVER, 5, 9] };
        let internal = |account, time| members.is_internal(account, time);
        assert!(internal(0, 6) && !internal(0, 5) && !internal(1, 6));
        assert!(internal(2, 9) && !internal(2, 10));
        assert!(!MemberTimes::default().is_internal(0, 6));
    }
}
