//! A share of those that are old enough to tell.

use serde::Serialize;

use crate::evaluate::wilson;

/// A share with its interval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Rate {
    /// For how many it holds.
    pub count: u64,
    /// Of how many that are mature.
    pub of: u64,
    /// How many are not: their time is not over at the end of the log, so that they count in neither.
    pub not_mature: u64,
    /// The share; `None` of none.
    pub share: Option<f64>,
    /// Lower end of its 95 % interval (Wilson's).
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
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
        let share = (of > 0).then(|| float(count) / float(of));
        let interval = share.map(|share| wilson(share, float(of)));
        Self { count, of, not_mature: 0, share, low: interval.map(|[low, _]| low), high: interval.map(|[_, high]| high) }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of accounts")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}
