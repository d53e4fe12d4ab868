//! Discovery of rules that predict conversion. Rules are found on older cohorts and confirmed on
//! newer ones.
//!
//! The outcome is a conversion in [landmark, landmark + horizon), where the landmark is a number of
//! days after sign-up. Only accounts at risk count: those that neither converted nor churned before
//! the landmark. Otherwise, rules that customers meet would look predictive. With dates instead of
//! times, the landmark is the next midnight, so that no counted event is later than a conversion.

mod count;
mod search;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use count::MeasureCounts;
use pql_stats::contingency::ContingencyTable;
use serde::Serialize;

use crate::config::DefinitionConfig;
use crate::dataset::observations::landmark;
use crate::error::{Error, Result};
use crate::log::{Log, earlier};
use crate::time::{DAY, ZonedTime};

/// Options of the search for rules.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchOptions {
    /// Landmarks in days after sign-up, ascending (default: 1, 3, 7, 14, 28).
    pub days: Vec<i64>,
    /// Length of the outcome window, µs.
    pub horizon: i64,
    /// Minimum number of older accounts a rule must match (default: 30).
    pub min_accounts: u64,
    /// Minimum number of conversions among them (default: 10).
    pub min_conversions: u64,
    /// Accounts that signed up earlier are skipped, µs UTC.
    pub since: i64,
    /// Boundary between older and newer accounts, µs UTC: older ones have their horizon before it,
    /// newer ones have their landmark at or after it.
    pub newer_from: i64,
    /// Codes of event names that are not used in rules because they leak the outcome.
    pub excluded_events: BTreeSet<usize>,
}

/// Default landmarks in days after sign-up.
pub const DAYS: [i64; 5] = [1, 3, 7, 14, 28];

/// False discovery rate among older accounts, and significance level of the confirmation.
pub const LEVEL: f64 = 0.05;

/// A discovered rule with its results on older and newer accounts.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The rule as a definition.
    pub definition: DefinitionConfig,
    /// Number of conditions.
    pub conditions: usize,
    /// Landmark in days after sign-up.
    pub days: i64,
    /// Matches and conversions among older accounts.
    pub older: ContingencyTable,
    /// Two-sided p-value of Fisher's exact test on older accounts, adjusted for the number of
    /// rules.
    pub q: f64,
    /// Matches and conversions among newer accounts.
    pub newer: ContingencyTable,
    /// One-sided p-value of Fisher's exact test on newer accounts.
    pub p: f64,
}

impl Rule {
    /// Returns whether the rule is also significant on newer accounts.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.p < LEVEL
    }
}

/// Accounts at risk at a landmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RiskSet {
    /// Number of accounts.
    pub accounts: u64,
    /// Number of accounts that convert.
    pub conversions: u64,
}

/// Accounts at risk at a landmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LandmarkCounts {
    /// Days after sign-up.
    pub days: i64,
    /// Older accounts at risk.
    pub older: RiskSet,
    /// Newer accounts at risk.
    pub newer: RiskSet,
    /// Accounts that converted before the landmark.
    pub converted_before: u64,
}

/// Result of a search for rules.
#[derive(Debug, Clone, PartialEq)]
pub struct Discovery {
    /// Skipped accounts that signed up before the start of the log.
    pub before_log: u64,
    /// Number of rules tried.
    pub tried: u64,
    /// Landmarks, ascending.
    pub landmarks: Vec<LandmarkCounts>,
    /// The best significant rule of each measure or pair of measures, best first.
    pub rules: Vec<Rule>,
    /// Number of dropped rules that match nearly the same accounts as a better rule.
    pub near_duplicates: u64,
}

/// Searches for rules.
///
/// # Errors
/// * [`Error::NoOlderAccounts`]: no account has a landmark and a horizon before the newer ones
/// * [`Error::Write`]: the temporary file of a large log fails
pub fn discover(log: &Log, search: &SearchOptions) -> Result<Discovery> {
    let counts = MeasureCounts::compute(log, &search.days, &search.excluded_events)?;
    let samples: Vec<LandmarkSample> =
        search.days.iter().map(|days| LandmarkSample::new(log, *days, search)).collect();
    if samples.iter().all(|sample| sample.older.rows.is_empty()) {
        return Err(Error::NoOlderAccounts {
            newer_from: ZonedTime::new(search.newer_from, log.zone),
        });
    }
    let search::SearchResult { tried, rules, near_duplicates } =
        search::run(log, search, &counts, &samples);
    let before_log =
        log.accounts.signed_up.iter().filter(|signed_up| **signed_up < search.since).count() as u64;
    Ok(Discovery {
        before_log,
        tried,
        landmarks: samples.iter().map(LandmarkSample::landmark_counts).collect(),
        rules,
        near_duplicates,
    })
}

/// Accounts at risk at a landmark.
struct LandmarkSample {
    days: i64,
    older: AccountSample,
    newer: AccountSample,
    converted_before: u64,
}

/// Accounts at risk with their outcomes.
#[derive(Default)]
struct AccountSample {
    rows: Vec<u32>,
    y: Vec<bool>,
}

impl LandmarkSample {
    fn new(log: &Log, days: i64, search: &SearchOptions) -> Self {
        let mut sample = Self {
            days,
            older: AccountSample::default(),
            newer: AccountSample::default(),
            converted_before: 0,
        };
        let accounts = &log.accounts;
        for (row, signed_up) in (0_u32..).zip(&accounts.signed_up) {
            let (landmark, converted) =
                (landmark(log, *signed_up, days * DAY), accounts.converted[row as usize]);
            let end = landmark + search.horizon;
            if *signed_up < search.since || end > log.until {
                continue;
            }
            if earlier(converted, accounts.churned[row as usize]) < landmark {
                sample.converted_before += u64::from(converted < landmark);
                continue;
            }
            let accounts = match () {
                () if end <= search.newer_from => &mut sample.older,
                () if landmark >= search.newer_from => &mut sample.newer,
                () => continue,
            };
            accounts.rows.push(row);
            accounts.y.push(converted < end);
        }
        sample
    }

    fn landmark_counts(&self) -> LandmarkCounts {
        let (older, newer) = (self.older.size(), self.newer.size());
        LandmarkCounts { days: self.days, older, newer, converted_before: self.converted_before }
    }
}

impl AccountSample {
    fn size(&self) -> RiskSet {
        RiskSet {
            accounts: self.rows.len() as u64,
            conversions: self.y.iter().filter(|y| **y).count() as u64,
        }
    }
}
