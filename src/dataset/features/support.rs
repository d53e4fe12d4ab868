//! Support of events, properties and roles among the training accounts; only those with enough
//! support get features.

use super::catalog::age_of;
use crate::config::Roles;
use crate::dataset::observations::Observations;
use crate::dataset::split::Split;
use crate::error::Result;
use crate::log::{Events, Log};
use crate::time::Zone;
use crate::warning::{DroppedFeature, FeatureDrop};

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
    /// Age of each account at its last cutoff, µs, ascending.
    ages: Vec<i64>,
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
        let mut ages: Vec<i64> = rows
            .chunk_by(|a, b| observations.account[*a as usize] == observations.account[*b as usize])
            .map(|rows| {
                let last = *rows.last().expect("a chunk has a row") as usize;
                let account = observations.account[last] as usize;
                observations.cutoff[last] - log.accounts.signed_up[account]
            })
            .collect();
        ages.sort_unstable();
        let none = Self {
            ages,
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

    /// Returns the windows that the age of enough accounts covers, and the features of the others,
    /// which would be missing in almost all rows.
    ///
    /// # Arguments
    /// * `spans` – number of windows that a measure needs: the window itself, and those before it
    pub(super) fn covered_windows(
        &self,
        windows: &[u32],
        spans: u32,
        measures: &[&str],
    ) -> (Vec<u32>, Vec<DroppedFeature>) {
        let needed = if self.median.is_some() { MIN_ACCOUNTS } else { 1 };
        let (mut covered, mut dropped) = (Vec::new(), Vec::new());
        for window in windows {
            let days = spans * window;
            let younger = self.ages.partition_point(|age| *age < age_of(i64::from(days)));
            let accounts =
                u32::try_from(self.ages.len() - younger).expect("accounts have u32 codes");
            if accounts >= needed {
                covered.push(*window);
                continue;
            }
            let reason = FeatureDrop::YoungAccounts { days, accounts, needed };
            dropped.extend(measures.iter().map(|measure| {
                DroppedFeature::new(&format!("{measure}_{window}d"), reason.clone())
            }));
        }
        (covered, dropped)
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
            ages: Vec::new(),
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
    fn a_window_needs_ten_accounts_of_its_age() {
        let support = |accounts: i64, median| Support {
            ages: (0..accounts).map(|account| 14 * DAY + account).collect(),
            events: Vec::new(),
            values: Vec::new(),
            roles: Vec::new(),
            median,
            zone: Zone::default(),
        };
        let covered = |accounts, median, spans| {
            support(accounts, median).covered_windows(&[1, 7, 14, 28], spans, &["x", "y"])
        };
        let (windows, dropped) = covered(10, Some(0), 2);
        assert_eq!(windows, [1, 7]);
        let names: Vec<&str> = dropped.iter().map(|dropped| dropped.column.as_str()).collect();
        assert_eq!(names, ["x_14d", "y_14d", "x_28d", "y_28d"]);
        assert_eq!(
            dropped[0].to_string(),
            "`x_14d` requires accounts of at least 28 days; 0 training accounts are that old at a cutoff (10 required)"
        );
        assert_eq!(covered(10, Some(0), 1).0, [1, 7, 14]);
        assert_eq!(covered(9, Some(0), 2).0, [0; 0]);
        assert_eq!(covered(1, None, 2).0, [1, 7], "without training rows, one account suffices");
        let hour = Support { ages: vec![14 * DAY - DAY / 24; 10], ..support(0, Some(0)) };
        assert_eq!(hour.covered_windows(&[7], 2, &[]).0, [7], "a local day may have 23 hours");
        let more = Support { ages: vec![14 * DAY - DAY / 24 - 1; 10], ..support(0, Some(0)) };
        assert_eq!(more.covered_windows(&[7], 2, &[]).0, [0; 0]);
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
