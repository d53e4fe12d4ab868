//! Rules that tell who converts, found on older cohorts and confirmed on newer ones.
//!
//! The outcome is a conversion in [landmark, landmark + horizon), the landmark being some days
//! after the sign-up, among accounts that have neither converted nor churned before it: who
//! converts earlier would make any rule look good that customers meet. With dates alone the
//! landmark is the midnight after it, so that no event counts that may be later than a conversion.

mod count;
mod search;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use count::Counts;
use pql_stats::contingency::ContingencyTable;
use serde::Serialize;

use crate::config::DefinitionRule;
use crate::dataset::observations::landmark;
use crate::error::{Error, Result};
use crate::log::{Log, earlier};
use crate::time::{DAY, Timestamp};

/// How rules are looked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    /// Days after the sign-up that are tried (1, 3, 7, 14, 28), ascending.
    pub days: Vec<i64>,
    /// Span in which the outcome is looked for, µs.
    pub horizon: i64,
    /// Accounts for which a rule must hold, at least (30).
    pub support: u64,
    /// Of these, how many must convert, at least (10).
    pub conversions: u64,
    /// Accounts that signed up before are left out, µs UTC.
    pub since: i64,
    /// Rules found on accounts whose horizon ends before this, confirmed on those whose landmark
    /// is not before it, µs UTC.
    pub newer_from: i64,
    /// Event names that are no candidates, by code: they follow from conversions, or announce
    /// them.
    pub leave_out: BTreeSet<usize>,
}

/// Days after the sign-up that are tried.
pub const DAYS: [i64; 5] = [1, 3, 7, 14, 28];

/// The share of rules found by chance among those that are found, and the level at which one is
/// confirmed.
pub const LEVEL: f64 = 0.05;

/// A rule with what it tells of older and newer accounts.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The rule as a definition.
    pub definition: DefinitionRule,
    /// How many conditions it has.
    pub conditions: usize,
    /// Days after the sign-up.
    pub days: i64,
    /// Older accounts, on which it was found.
    pub found: ContingencyTable,
    /// Two-sided p of Fisher's exact test among them, adjusted for all rules tried.
    pub q: f64,
    /// Newer accounts.
    pub newer: ContingencyTable,
    /// One-sided p of Fisher's exact test among them.
    pub p: f64,
}

impl Rule {
    /// Whether it holds good among newer accounts too.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.p < LEVEL
    }
}

/// Accounts at risk at a landmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct AtRisk {
    /// How many there are.
    pub accounts: u64,
    /// How many of them convert.
    pub conversions: u64,
}

/// What a landmark leaves to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Landmark {
    /// Days after the sign-up.
    pub days: i64,
    /// Older accounts at risk.
    pub older: AtRisk,
    /// Newer accounts at risk.
    pub newer: AtRisk,
    /// Accounts that converted before the landmark: no rule at it can help with them.
    pub converted_before: u64,
}

/// What a search has found.
#[derive(Debug, Clone, PartialEq)]
pub struct Discovery {
    /// Accounts that signed up before the log begins: what they did then is unknown, so that they
    /// are left out.
    pub before_log: u64,
    /// Rules tried.
    pub tried: u64,
    /// Landmarks, ascending.
    pub landmarks: Vec<Landmark>,
    /// The best rule of each measure or pair of measures that holds against chance, best first.
    pub rules: Vec<Rule>,
    /// How many more there were that hold for nearly the same accounts as a better one.
    pub alike: u64,
}

/// Look for rules.
///
/// # Errors
/// * [`Error::NoOlderAccounts`]: no account has a landmark and a horizon before the newer ones
/// * [`Error::Write`]: the temporary file of a large log fails
pub fn discover(log: &Log, search: &Search) -> Result<Discovery> {
    let counts = Counts::of(log, &search.days, &search.leave_out)?;
    let risks: Vec<Risk> = search.days.iter().map(|days| Risk::of(log, *days, search)).collect();
    if risks.iter().all(|risk| risk.older.rows.is_empty()) {
        return Err(Error::NoOlderAccounts { newer_from: Timestamp(search.newer_from) });
    }
    let search::Found { tried, rules, alike } = search::run(log, search, &counts, &risks);
    let before_log =
        log.accounts.signed_up.iter().filter(|signed_up| **signed_up < search.since).count() as u64;
    Ok(Discovery {
        before_log,
        tried,
        landmarks: risks.iter().map(Risk::landmark).collect(),
        rules,
        alike,
    })
}

/// Accounts at risk at a landmark.
struct Risk {
    days: i64,
    older: Side,
    newer: Side,
    converted_before: u64,
}

/// Accounts of one side, and which of them convert.
#[derive(Default)]
struct Side {
    rows: Vec<u32>,
    y: Vec<bool>,
}

impl Risk {
    fn of(log: &Log, days: i64, search: &Search) -> Self {
        let mut risk =
            Self { days, older: Side::default(), newer: Side::default(), converted_before: 0 };
        let accounts = &log.accounts;
        for (row, signed_up) in (0_u32..).zip(&accounts.signed_up) {
            let (landmark, converted) =
                (landmark(*signed_up, days * DAY, log.date_only), accounts.converted[row as usize]);
            let end = landmark + search.horizon;
            if *signed_up < search.since || end > log.until {
                continue;
            }
            if earlier(converted, accounts.churned[row as usize]) < landmark {
                risk.converted_before += u64::from(converted < landmark);
                continue;
            }
            let side = match () {
                () if end <= search.newer_from => &mut risk.older,
                () if landmark >= search.newer_from => &mut risk.newer,
                () => continue,
            };
            side.rows.push(row);
            side.y.push(converted < end);
        }
        risk
    }

    fn landmark(&self) -> Landmark {
        let (older, newer) = (self.older.size(), self.newer.size());
        Landmark { days: self.days, older, newer, converted_before: self.converted_before }
    }
}

impl Side {
    fn size(&self) -> AtRisk {
        AtRisk {
            accounts: self.rows.len() as u64,
            conversions: self.y.iter().filter(|y| **y).count() as u64,
        }
    }
}
