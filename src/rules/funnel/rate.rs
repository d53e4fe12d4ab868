//! Rates among accounts whose time window is over.

use pql_stats::counts;
use pql_stats::intervals::{Interval, wilson};
use serde::Serialize;

/// A rate with its interval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Rate {
    /// Number of accounts with the outcome.
    pub count: u64,
    /// Number of accounts whose time window is over.
    pub mature: u64,
    /// Number of accounts whose time window is not over at the end of the log. They are not
    /// counted above.
    pub immature: u64,
    /// Share with the outcome; `None` without mature accounts.
    pub share: Option<f64>,
    /// 95% interval (Wilson); `None` without mature accounts.
    pub interval: Option<Interval>,
}

impl Rate {
    /// Computes the rate from outcomes; `None` is an immature account.
    ///
    /// # Source
    /// Interval: Wilson, *Journal of the American Statistical Association* 22 (1927)
    #[must_use]
    pub fn from_outcomes(outcomes: impl Iterator<Item = Option<bool>>) -> Self {
        let mut rate = Self::default();
        for outcome in outcomes {
            match outcome {
                Some(outcome) => {
                    rate.mature += 1;
                    rate.count += u64::from(outcome);
                }
                None => rate.immature += 1,
            }
        }
        Self { immature: rate.immature, ..Self::from_counts(rate.count, rate.mature) }
    }

    /// Computes the rate from counts.
    pub(super) fn from_counts(count: u64, mature: u64) -> Self {
        let share = (mature > 0).then(|| counts::share(count, mature));
        let interval = share.map(|share| wilson(share, counts::count(mature)));
        Self { count, mature, immature: 0, share, interval }
    }
}
