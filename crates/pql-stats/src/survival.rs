//! How large a share has got there after some time, when not all could be followed for so long.

use crate::counts::count;
use crate::intervals::{Interval, Z_95};

/// A Kaplan-Meier curve: the share that has not got there yet, by time.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// For how long each was followed, µs, ascending.
    followed: Vec<i64>,
    steps: Vec<Step>,
}

/// How long an account was followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FollowUp {
    /// Time from its start to its end, µs.
    pub time: i64,
    /// Whether it ended because the account got there; else nothing more is known of it.
    pub reached: bool,
}

/// What holds from a time on.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Step {
    from: i64,
    survival: f64,
    /// Greenwood's sum, Σ d/(n(n − d)).
    sum: f64,
}

/// The share that got there by a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reached {
    /// How many were followed for so long without getting there before.
    pub at_risk: u64,
    /// The share; `None` where nobody is left at risk, so that the curve ends before.
    pub share: Option<f64>,
    /// Its 95 % interval; `None` too where nobody or everybody got there.
    pub interval: Option<Interval>,
}

impl Curve {
    /// Follow some accounts, each until it got there or nothing more is known of it.
    ///
    /// Who gets there at the moment another one's time ends comes first.
    /// # Source
    /// Kaplan, Meier, Nonparametric estimation from incomplete observations, *Journal of the
    /// American Statistical Association* 53 (1958)
    #[must_use]
    pub fn of(mut followed: Vec<FollowUp>) -> Self {
        followed.sort_unstable();
        let mut steps = Vec::new();
        let (mut at_risk, mut survival, mut sum) = (followed.len(), 1.0, 0.0);
        for same in followed.chunk_by(|a, b| a.time == b.time) {
            let got_there = same.iter().filter(|follow_up| follow_up.reached).count();
            if got_there > 0 {
                let (n, d) = (count(at_risk), count(got_there));
                survival *= (n - d) / n;
                sum += d / (n * (n - d));
                steps.push(Step { from: same[0].time, survival, sum });
            }
            at_risk -= same.len();
        }
        Self { followed: followed.into_iter().map(|follow_up| follow_up.time).collect(), steps }
    }

    /// The share that got there at or before a time, µs.
    ///
    /// # Source
    /// Variance: Greenwood, *The natural duration of cancer* (1926); interval symmetric in ln(−ln
    /// S): Kalbfleisch, Prentice, *The Statistical Analysis of Failure Time Data*, 2nd ed.
    /// (2002), §1.4
    #[must_use]
    pub fn reached(&self, time: i64) -> Reached {
        let at_risk =
            self.followed.len() - self.followed.partition_point(|followed| *followed < time);
        let past = self.steps.partition_point(|step| step.from <= time);
        let Step { survival, sum, .. } = match past.checked_sub(1) {
            Some(last) => self.steps[last],
            None => Step { from: 0, survival: 1.0, sum: 0.0 },
        };
        // Where all got there, the curve is known for good.
        let known = at_risk > 0 || (survival == 0.0 && !self.followed.is_empty());
        let error = sum.sqrt() / -survival.ln();
        let end = |error: f64| 1.0 - survival.powf((Z_95 * error).exp());
        let interval = (known && survival > 0.0 && survival < 1.0)
            .then(|| Interval { low: end(-error), high: end(error) });
        Reached { at_risk: at_risk as u64, share: known.then_some(1.0 - survival), interval }
    }
}
