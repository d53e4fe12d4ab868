//! Support of events, properties and roles among the training accounts; only those with enough
//! support get features.

use crate::config::Roles;
use crate::dataset::observations::Observations;
use crate::dataset::split::Split;
use crate::error::Result;
use crate::log::{Events, Log};
use crate::time::Zone;
use crate::warning::FeatureDrop;

/// Minimum number of distinct training accounts that had something before one of their cutoffs;
/// with fewer, a feature identifies single accounts.
const MIN_ACCOUNTS: u32 = 10;

/// The support of one event, property or role among the training accounts.
#[derive(Debug, Clone)]
pub(super) struct UsageSupport {
    /// Number of distinct accounts that had it before the first test cutoff.
    pub(super) accounts: u32,
    /// Number of distinct accounts that had it before their last training cutoff.
    before: u32,
    /// Time at which it first became known, µs UTC.
    first: i64,
    /// The account recorded last, and whether it had it before its cutoff.
    last_account: Option<(u32, bool)>,
}

impl UsageSupport {
    const NONE: Self = Self { accounts: 0, before: 0, first: i64::MAX, last_account: None };

    /// Records an event of an account that became known at `known_at`.
    fn record(&mut self, account: u32, known_at: i64, last_cutoff: i64) {
        let known = self.last_account.filter(|(last, _)| *last == account);
        let before = known_at < last_cutoff;
        self.first = self.first.min(known_at);
        self.accounts += u32::from(known.is_none());
        self.before += u32::from(before && known.is_none_or(|(_, before)| !before));
        self.last_account = Some((account, before || known.is_some_and(|(_, before)| before)));
    }

    /// Returns whether recording an event of this account would change nothing.
    fn is_redundant(&self, account: u32, known_at: i64, last_cutoff: i64) -> bool {
        self.last_account
            .is_some_and(|(last, before)| last == account && (before || known_at >= last_cutoff))
            && self.first <= known_at
    }

    /// Adds the support among other accounts.
    fn add(&mut self, other: &Self) {
        self.accounts += other.accounts;
        self.before += other.before;
        self.first = self.first.min(other.first);
    }
}

/// Context of the support of an event.
struct SupportContext<'a> {
    observations: &'a Observations,
    /// The rows to use, ascending.
    rows: Vec<u32>,
    /// Events that became known at or after this time are ignored, µs UTC.
    until: i64,
    /// Roles by event name.
    roles_of_event: Vec<Vec<usize>>,
}

/// The support of all events, properties and roles before the first test cutoff.
#[derive(Debug, Clone)]
pub(super) struct Support {
    /// By event name.
    pub(super) events: Vec<UsageSupport>,
    /// By numeric property; only values that are neither missing nor 0 count.
    pub(super) values: Vec<UsageSupport>,
    /// By role, in the order of [`Roles::usage`].
    pub(super) roles: Vec<UsageSupport>,
    /// Median cutoff of the training rows, µs UTC; without training rows no support is required.
    median: Option<i64>,
    /// Zone of the days in drop reasons.
    zone: Zone,
}

impl Support {
    /// Computes the support among the training accounts; without training rows, among all observed
    /// accounts.
    ///
    /// An event counts from the time at which it became known; events that became known at or after
    /// the first test cutoff are ignored.
    pub(super) fn compute(log: &Log, observations: &Observations, roles: &Roles) -> Result<Self> {
        let mut rows = observations.split_rows(Split::Train);
        let median = median(rows.iter().map(|row| observations.cutoff[*row as usize]).collect());
        let mut until = observations.first_test.unwrap_or(log.until);
        if rows.is_empty() {
            (rows, until) = ((0..).take(observations.len()).collect(), log.until);
        }
        let roles: Vec<&[String]> = roles.usage().into_iter().map(|(_, names)| names).collect();
        let names = log.events.names.iter();
        let roles_of_event = names
            .map(|name| (0..roles.len()).filter(|r| roles[*r].iter().any(|n| n == name)).collect())
            .collect();
        let none = Self {
            events: vec![UsageSupport::NONE; log.events.names.len()],
            values: vec![UsageSupport::NONE; log.events.values.len()],
            roles: vec![UsageSupport::NONE; roles.len()],
            median,
            zone: log.zone,
        };
        let context = SupportContext { observations, rows, until, roles_of_event };
        let parts = log.events.map(|events| none.clone().scan(events, &context))?;
        Ok(parts.iter().fold(none, Self::merge))
    }

    /// Adds the support among the accounts of a partition of the log.
    fn scan(mut self, events: &Events, context: &SupportContext<'_>) -> Self {
        let account = |row: &u32| context.observations.account[*row as usize];
        let first_row =
            |code: usize| context.rows.partition_point(|row| (account(row) as usize) < code);
        let rows = &context.rows[first_row(events.accounts.start)..first_row(events.accounts.end)];
        for account_rows in rows.chunk_by(|a, b| account(a) == account(b)) {
            let last = account_rows.last().expect("a chunk has a row");
            let (account, last) = (account(last), context.observations.cutoff[*last as usize]);
            for index in events.account_range(account as usize) {
                let known_at = events.known_at(index);
                if known_at >= context.until {
                    continue;
                }
                let event = usize::from(events.event[index]);
                if !self.events[event].is_redundant(account, known_at, last) {
                    self.events[event].record(account, known_at, last);
                    context.roles_of_event[event]
                        .iter()
                        .for_each(|role| self.roles[*role].record(account, known_at, last));
                }
                for (values, support) in events.values.iter().zip(&mut self.values) {
                    let value = values[index];
                    if !support.is_redundant(account, known_at, last)
                        && !value.is_nan()
                        && value != 0.0
                    {
                        support.record(account, known_at, last);
                    }
                }
            }
        }
        self
    }

    /// Adds the support among other accounts.
    fn merge(mut self, other: &Self) -> Self {
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

    /// Returns why something gets no features; `None` where it has enough support.
    pub(super) fn drop_reason(&self, usage: &UsageSupport) -> Option<FeatureDrop> {
        let median = self.median?;
        if usage.before < MIN_ACCOUNTS {
            return Some(FeatureDrop::FewAccounts { accounts: usage.before, needed: MIN_ACCOUNTS });
        }
        (usage.first >= median).then_some(FeatureDrop::TooRecent {
            first: self.zone.day(usage.first),
            median: self.zone.day(median),
        })
    }

    /// Returns why a role gets no features. A role without any events is not reported: its features
    /// are constant and dropped for that reason.
    pub(super) fn role_drop_reason(&self, role: usize) -> Option<FeatureDrop> {
        let usage = &self.roles[role];
        if usage.before > 0 { self.drop_reason(usage) } else { None }
    }
}

/// Returns the median; the mean of the two middle values if their number is even.
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
    fn the_median_is_the_mean_of_the_middle_values() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![5]), Some(5));
        assert_eq!(median(vec![9, 1, 4]), Some(4));
        assert_eq!(median(vec![9, 1, 4, 6]), Some(5));
    }

    #[test]
    fn an_account_counts_once_and_only_before_its_last_cutoff() {
        let mut usage = UsageSupport::NONE;
        for (account, known_at, cutoff) in
            [(1, 5, 5), (1, 4, 5), (1, 3, 5), (2, 9, 8), (3, 2, 8), (3, 9, 8)]
        {
            usage.record(account, known_at, cutoff);
        }
        assert_eq!((usage.accounts, usage.before, usage.first), (3, 2, 2));
    }

    #[test]
    fn ten_accounts_and_a_first_time_before_the_median_are_needed() {
        let support = |median| Support {
            events: Vec::new(),
            values: Vec::new(),
            roles: Vec::new(),
            median,
            zone: Zone::default(),
        };
        let usage = |before, first| UsageSupport { before, first, ..UsageSupport::NONE };
        let reason = |before, first| {
            support(Some(10 * DAY))
                .drop_reason(&usage(before, first))
                .map(|reason| reason.to_string())
        };
        assert_eq!(reason(10, 10 * DAY - 1), None);
        assert_eq!(
            reason(9, 0).unwrap(),
            "occurs in 9 training accounts before the cutoff (10 required)"
        );
        assert_eq!(
            reason(10, 11 * DAY).unwrap(),
            "first occurs on 1970-01-12, after half of the training cutoffs (1970-01-11 or before)"
        );
        assert!(reason(10, 10 * DAY).is_some());
        assert_eq!(
            support(None).drop_reason(&usage(0, i64::MAX)),
            None,
            "without training rows no support is required"
        );
    }

    #[test]
    fn a_dropped_measure_covers_all_its_windows() {
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
