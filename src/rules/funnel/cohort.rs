//! Cohorts by week or month of sign-up, and their visitors.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use pql_stats::intervals::Interval;
use serde::Serialize;

use super::Rate;
use crate::time::{DAY, Day, midnight};

/// Calendar span of a cohort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CohortPeriod {
    /// A week from Monday.
    Week,
    /// A calendar month.
    Month,
}

impl CohortPeriod {
    /// Returns the cohort of the local time of a sign-up in µs: its month (`2025-01`) or the Monday
    /// of its week (`2025-01-06`).
    #[must_use]
    pub fn cohort(self, local: i64) -> String {
        /// 1970-01-01 was a Thursday.
        const THURSDAY: i64 = 3;
        let day = local.div_euclid(DAY);
        match self {
            Self::Week => Day::from_number(day - (day + THURSDAY).rem_euclid(7)).to_string(),
            Self::Month => Day::from_number(day).month(),
        }
    }
}

impl fmt::Display for CohortPeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Week => "week",
            Self::Month => "month",
        })
    }
}

impl FromStr for CohortPeriod {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "week" => Ok(Self::Week),
            "month" => Ok(Self::Month),
            _ => Err(format!("found `{text}`, expected `week` or `month`")),
        }
    }
}

/// Visitors and the sign-ups among them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Traffic {
    /// Number of days in the visitors file.
    pub days: u64,
    /// Visitors on these days.
    pub visitors: u64,
    /// Sign-ups on these days.
    pub sign_ups: u64,
    /// Sign-ups on other days, which are not in the share.
    pub sign_ups_on_other_days: u64,
    /// Sign-ups per visitor; `None` without visitors or with more sign-ups than visitors.
    pub share: Option<f64>,
    /// 95% interval (Wilson); `None` without a share.
    pub interval: Option<Interval>,
}

impl Traffic {
    /// Compares sign-ups with the visitors of the same days.
    ///
    /// # Arguments
    /// * `days` – midnight of each day, µs UTC, and its visitors
    /// * `sign_ups` – times of the sign-ups, µs UTC
    #[must_use]
    pub fn compute(
        days: impl Iterator<Item = (i64, u64)>,
        sign_ups: impl Iterator<Item = i64>,
    ) -> Self {
        let (mut known_days, mut visitors) = (BTreeSet::new(), 0_u64);
        for (day, count) in days {
            known_days.insert(day);
            visitors += count;
        }
        let (mut sign_ups_on_days, mut other) = (0, 0);
        for sign_up in sign_ups {
            let is_known = known_days.contains(&midnight(sign_up));
            *(if is_known { &mut sign_ups_on_days } else { &mut other }) += 1;
        }
        let rate = if sign_ups_on_days <= visitors {
            Rate::from_counts(sign_ups_on_days, visitors)
        } else {
            Rate::default()
        };
        let Rate { share, interval, .. } = rate;
        Self {
            days: known_days.len() as u64,
            visitors,
            sign_ups: sign_ups_on_days,
            sign_ups_on_other_days: other,
            share,
            interval,
        }
    }
}
