//! Which events, properties and roles enough training accounts had, and early enough, to get
//! columns.

use crate::config::Roles;
use crate::dataset::observations::{Observations, Split};
use crate::error::Result;
use crate::log::{Events, Log};
use crate::time::Timestamp;
use crate::warning::FeatureDrop;

/// Distinct training accounts that must have had something before a cutoff of theirs: fewer tell of
/// themselves, not of accounts.
const ACCOUNTS: u32 = 10;

/// How training accounts use one event, property or role.
#[derive(Debug, Clone)]
pub(super) struct Use {
    /// Distinct accounts that had it before the first test cutoff.
    pub(super) accounts: u32,
    /// Distinct accounts that had it before their last training cutoff.
    before: u32,
    /// When it was first seen, µs UTC.
    first: i64,
    /// The account that was met last, and whether before its cutoff.
    met: Option<(u32, bool)>,
}

impl Use {
    const NONE: Self = Self { accounts: 0, before: 0, first: i64::MAX, met: None };

    fn meet(&mut self, account: u32, seen: i64, last_cutoff: i64) {
        let known = self.met.filter(|(of, _)| *of == account);
        let before = seen < last_cutoff;
        self.first = self.first.min(seen);
        self.accounts += u32::from(known.is_none());
        self.before += u32::from(before && known.is_none_or(|(_, before)| !before));
        self.met = Some((account, before || known.is_some_and(|(_, before)| before)));
    }

    /// Whether an event of this account, seen now, tells nothing new.
    fn is_told(&self, account: u32, seen: i64, last_cutoff: i64) -> bool {
        self.met.is_some_and(|(of, before)| of == account && (before || seen >= last_cutoff))
            && self.first <= seen
    }

    /// Add the use of other accounts.
    fn add(&mut self, other: &Self) {
        self.accounts += other.accounts;
        self.before += other.before;
        self.first = self.first.min(other.first);
    }
}

/// What is asked of every account.
struct Asked<'a> {
    observations: &'a Observations,
    /// The rows that tell, in order.
    rows: Vec<u32>,
    /// What was seen at or after this does not exist.
    until: i64,
    /// By event name, its roles.
    with_roles: Vec<Vec<usize>>,
}

/// What the training accounts had before the first test cutoff.
#[derive(Debug, Clone)]
pub(super) struct Support {
    /// By event name.
    pub(super) events: Vec<Use>,
    /// By numeric property: values that are neither missing nor 0.
    pub(super) values: Vec<Use>,
    /// By role, in the order of [`Roles::usage`].
    pub(super) roles: Vec<Use>,
    /// Median cutoff of the training rows; without such rows nothing is asked for.
    median: Option<i64>,
}

impl Support {
    /// Count what the training accounts had; without a training row what all observed accounts had.
    ///
    /// An event counts from when it was seen on, and what was seen at or after the first test
    /// cutoff does not exist.
    pub(super) fn of(log: &Log, observations: &Observations, roles: &Roles) -> Result<Self> {
        let mut rows = observations.rows(Split::Train);
        let median = median(rows.iter().map(|row| observations.cutoff[*row as usize]).collect());
        let mut until = observations.first_test.unwrap_or(log.until);
        if rows.is_empty() {
            (rows, until) = ((0..).take(observations.len()).collect(), log.until);
        }
        let roles: Vec<&[String]> = roles.usage().into_iter().map(|(_, names)| names).collect();
        let names = log.events.names.iter();
        let with_roles = names
            .map(|name| (0..roles.len()).filter(|r| roles[*r].iter().any(|n| n == name)).collect())
            .collect();
        let none = Self {
            events: vec![Use::NONE; log.events.names.len()],
            values: vec![Use::NONE; log.events.values.len()],
            roles: vec![Use::NONE; roles.len()],
            median,
        };
        let asked = Asked { observations, rows, until, with_roles };
        let parts = log.events.map(|events| none.clone().met(events, &asked))?;
        Ok(parts.iter().fold(none, Self::with))
    }

    /// The same with what the accounts of a part of the log had.
    fn met(mut self, events: &Events, asked: &Asked<'_>) -> Self {
        let account = |row: &u32| asked.observations.account[*row as usize];
        let place = |code: usize| asked.rows.partition_point(|row| (account(row) as usize) < code);
        let rows = &asked.rows[place(events.accounts.start)..place(events.accounts.end)];
        for of_account in rows.chunk_by(|a, b| account(a) == account(b)) {
            let last = of_account.last().expect("a chunk has a row");
            let (account, last) = (account(last), asked.observations.cutoff[*last as usize]);
            for at in events.of(account as usize) {
                let seen = events.seen_at(at);
                if seen >= asked.until {
                    continue;
                }
                let event = usize::from(events.event[at]);
                if !self.events[event].is_told(account, seen, last) {
                    self.events[event].meet(account, seen, last);
                    asked.with_roles[event]
                        .iter()
                        .for_each(|role| self.roles[*role].meet(account, seen, last));
                }
                for (values, of) in events.values.iter().zip(&mut self.values) {
                    if !of.is_told(account, seen, last) && !values[at].is_nan() && values[at] != 0.0
                    {
                        of.meet(account, seen, last);
                    }
                }
            }
        }
        self
    }

    /// The same with what other accounts had.
    fn with(mut self, other: &Self) -> Self {
        let pairs = [
            (&mut self.events, &other.events),
            (&mut self.values, &other.values),
            (&mut self.roles, &other.roles),
        ];
        for (all, others) in pairs {
            all.iter_mut().zip(others).for_each(|(all, other)| all.add(other));
        }
        self
    }

    /// Returns why something gets no columns; `None`: it gets them.
    pub(super) fn lack(&self, of: &Use) -> Option<FeatureDrop> {
        let median = self.median?;
        if of.before < ACCOUNTS {
            return Some(FeatureDrop::FewAccounts { accounts: of.before, needed: ACCOUNTS });
        }
        (of.first >= median).then_some(FeatureDrop::TooRecent {
            first: Timestamp(of.first),
            median: Timestamp(median),
        })
    }

    /// The same for a role; one that no training account has before a cutoff is left out as a
    /// constant anyway, and not named here.
    pub(super) fn role_lack(&self, role: usize) -> Option<FeatureDrop> {
        Some(&self.roles[role]).filter(|of| of.before > 0).and_then(|of| self.lack(of))
    }
}

/// The middle one, between two the mean of them.
fn median(mut times: Vec<i64>) -> Option<i64> {
    times.sort_unstable();
    let last = times.len().checked_sub(1)?;
    let (low, high) = (times[last / 2], times[last.div_ceil(2)]);
    Some(low + (high - low) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::DAY;
    use crate::warning::DroppedFeature;

    #[test]
    fn the_median_lies_in_the_middle() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![5]), Some(5));
        assert_eq!(median(vec![9, 1, 4]), Some(4));
        assert_eq!(median(vec![9, 1, 4, 6]), Some(5));
    }

    #[test]
    fn an_account_counts_once_and_only_before_its_last_cutoff() {
        let mut of = Use::NONE;
        for (account, seen, cutoff) in
            [(1, 5, 5), (1, 4, 5), (1, 3, 5), (2, 9, 8), (3, 2, 8), (3, 9, 8)]
        {
            of.meet(account, seen, cutoff);
        }
        assert_eq!((of.accounts, of.before, of.first), (3, 2, 2));
    }

    #[test]
    fn ten_accounts_and_a_first_time_before_the_median_are_needed() {
        let support =
            |median| Support { events: Vec::new(), values: Vec::new(), roles: Vec::new(), median };
        let of = |before, first| Use { before, first, ..Use::NONE };
        let lack = |before, first| {
            support(Some(10 * DAY)).lack(&of(before, first)).map(|lack| lack.to_string())
        };
        assert_eq!(lack(10, 10 * DAY - 1), None);
        assert_eq!(
            lack(9, 0).unwrap(),
            "occurs in 9 training accounts before their cutoffs, where 10 are needed"
        );
        assert_eq!(
            lack(10, 11 * DAY).unwrap(),
            "first occurs on 1970-01-12, not before the median training cutoff of 1970-01-11"
        );
        assert!(lack(10, 10 * DAY).is_some());
        assert_eq!(
            support(None).lack(&of(0, i64::MAX)),
            None,
            "without training rows nothing is asked for"
        );
    }

    #[test]
    fn a_measure_stands_for_its_windows() {
        let covers = |column: &str, feature: &str| {
            DroppedFeature::new(column, FeatureDrop::Constant).covers(feature)
        };
        assert!(
            covers("logins", "logins_7d")
                && covers("days_since_last_login", "days_since_last_login")
        );
        assert!(
            !covers("logins", "logins_velocity_7d")
                && !covers("logins", "logins_d")
                && !covers("logins", "login_days_7d")
        );
    }
}
