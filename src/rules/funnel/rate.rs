//! A share of those that are old enough to tell.

use pql_stats::counts;
use pql_stats::intervals::{Interval, wilson};
use serde::Serialize;

/// A share with its interval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Rate {
    /// For how many it holds.
    pub count: u64,
    /// Of how many that are mature.
    pub of: u64,
    /// How many are not: their time is not over at the end of the log, so that they count in
    /// neither.
    pub not_mature: u64,
    /// The share; `None` of none.
    pub share: Option<f64>,
    /// Its 95% interval (Wilson's); `None` of none.
    pub interval: Option<Interval>,
}

impl Rate {
    /// The share of those whose outcome is known; `None` is not mature.
    ///
    /// # Source
    /// The interval: Wilson, *Journal of the American Statistical Association* 22 (1927)
    #[must_use]
    pub fn of(outcomes: impl Iterator<Item = Option<bool>>) -> Self {
        let mut rate = Self::default();
        for outcome in outcomes {
            match outcome {
                Some(holds) => {
                    rate.of += 1;
                    rate.count += u64::from(holds);
                }
                None => rate.not_mature += 1,
            }
        }
        Self { not_mature: rate.not_mature, ..Self::share_of(rate.count, rate.of) }
    }

    /// The share of some counts, all of them mature.
    pub(super) fn share_of(count: u64, of: u64) -> Self {
        let share = (of > 0).then(|| counts::share(count, of));
        let interval = share.map(|share| wilson(share, counts::count(of)));
        Self { count, of, not_mature: 0, share, interval }
    }
}
