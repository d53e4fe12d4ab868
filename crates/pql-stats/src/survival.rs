//! Kaplan-Meier estimates of the share that reaches an event by a time, with censored follow-up.

use crate::counts::count;
use crate::intervals::{Interval, Z_95};

/// A Kaplan-Meier curve: the share that has not reached the event, by time.
#[derive(Debug, Clone, PartialEq)]
pub struct KaplanMeier {
    /// Follow-up times, µs, ascending.
    followed: Vec<i64>,
    steps: Vec<Step>,
}

/// Follow-up of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FollowUp {
    /// Length, µs.
    pub time: i64,
    /// Whether it ended with the event; otherwise it is censored.
    pub reached: bool,
}

/// A step of the curve.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Step {
    from: i64,
    survival: f64,
    /// Greenwood's sum, Σ d/(n(n − d)).
    sum: f64,
}

/// Share that reached the event by a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reached {
    /// Number of accounts at risk: followed up to this time without the event.
    pub at_risk: u64,
    /// The share; `None` if the curve ends before, because nobody is at risk.
    pub share: Option<f64>,
    /// Its 95% interval; `None` also if the share is 0 or 1.
    pub interval: Option<Interval>,
}

impl KaplanMeier {
    /// Fits the curve to follow-up times.
    ///
    /// Events precede censoring at the same time.
    /// # Source
    /// Kaplan, Meier, Nonparametric estimation from incomplete observations, *Journal of the
    /// American Statistical Association* 53 (1958)
    #[must_use]
    pub fn fit(mut followed: Vec<FollowUp>) -> Self {
        followed.sort_unstable();
        let mut steps = Vec::new();
        let (mut at_risk, mut survival, mut sum) = (followed.len(), 1.0, 0.0);
        for tied in followed.chunk_by(|a, b| a.time == b.time) {
            let events = tied.iter().filter(|follow_up| follow_up.reached).count();
            if events > 0 {
                let (n, d) = (count(at_risk), count(events));
                survival *= (n - d) / n;
                sum += d / (n * (n - d));
                steps.push(Step { from: tied[0].time, survival, sum });
            }
            at_risk -= tied.len();
        }
        Self { followed: followed.into_iter().map(|follow_up| follow_up.time).collect(), steps }
    }

    /// Estimates the share that reached the event at or before a time, µs.
    ///
    /// # Source
    /// Variance: Greenwood, *The natural duration of cancer* (1926); interval symmetric in ln(−ln
    /// S): Kalbfleisch, Prentice, *The Statistical Analysis of Failure Time Data*, 2nd ed.
    /// (2002), §1.4
    #[must_use]
    pub fn reached(&self, time: i64) -> Reached {
        let at_risk =
            self.followed.len() - self.followed.partition_point(|followed| *followed < time);
        let steps_passed = self.steps.partition_point(|step| step.from <= time);
        let Step { survival, sum, .. } = match steps_passed.checked_sub(1) {
            Some(last) => self.steps[last],
            None => Step { from: 0, survival: 1.0, sum: 0.0 },
        };
        // If all reached the event, the curve is known for all later times.
        let known = at_risk > 0 || (survival == 0.0 && !self.followed.is_empty());
        let error = sum.sqrt() / -survival.ln();
        let end = |error: f64| 1.0 - survival.powf((Z_95 * error).exp());
        let interval = (known && survival > 0.0 && survival < 1.0)
            .then(|| Interval { low: end(-error), high: end(error) });
        Reached { at_risk: at_risk as u64, share: known.then_some(1.0 - survival), interval }
    }
}
