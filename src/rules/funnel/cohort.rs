//! Accounts that signed up in the same week or month, and who came by then.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use pql_stats::intervals::Interval;
use serde::Serialize;

use super::Rate;
use crate::time::{DAY, iso_day, midnight};

/// Calendar span of a cohort, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// From Monday on.
    Week,
    /// A calendar month.
    Month,
}

impl By {
    /// The cohort of a sign-up: its month as 2025-01, its week by its Monday as 2025-01-06.
    #[must_use]
    pub fn cohort(self, time: i64) -> String {
        /// 1970-01-01 was a Thursday.
        const THURSDAY: i64 = 3;
        let day = midnight(time);
        match self {
            Self::Week => iso_day(day - (day / DAY + THURSDAY).rem_euclid(7) * DAY),
            Self::Month => iso_day(day)[..7].to_owned(),
        }
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Week => "week",
            Self::Month => "month",
        })
    }
}

impl FromStr for By {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "week" => Ok(Self::Week),
            "month" => Ok(Self::Month),
            _ => Err(format!("found `{text}`, expected `week` or `month`")),
        }
    }
}

/// Visitors, and how many of them signed up.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Traffic {
    /// Days that the file of visitors has.
    pub days: u64,
    /// Visitors on these days.
    pub visitors: u64,
    /// Sign-ups on these days.
    pub sign_ups: u64,
    /// Sign-ups on other days, which count in no share.
    pub sign_ups_on_other_days: u64,
    /// Sign-ups per visitor; `None` without visitors, or with fewer of them than sign-ups.
    pub share: Option<f64>,
    /// Its 95% interval (Wilson's); `None` without the share.
    pub interval: Option<Interval>,
}

impl Traffic {
    /// Set sign-ups against the visitors of the same days.
    ///
    /// # Arguments
    /// * `days` – midnight of each day, µs UTC, and its visitors
    /// * `sign_ups` – times of the sign-ups, µs UTC
    #[must_use]
    pub fn of(days: impl Iterator<Item = (i64, u64)>, sign_ups: impl Iterator<Item = i64>) -> Self {
        let (mut met, mut visitors) = (BTreeSet::new(), 0_u64);
        for (day, count) in days {
            met.insert(day);
            visitors += count;
        }
        let (mut on, mut other) = (0, 0);
        for sign_up in sign_ups {
            *(if met.contains(&midnight(sign_up)) { &mut on } else { &mut other }) += 1;
        }
        let rate = if on <= visitors { Rate::share_of(on, visitors) } else { Rate::default() };
        let Rate { share, interval, .. } = rate;
        Self {
            days: met.len() as u64,
            visitors,
            sign_ups: on,
            sign_ups_on_other_days: other,
            share,
            interval,
        }
    }
}
