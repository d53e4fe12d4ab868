//! The threshold at which an account qualifies: one number, fixed in training and independent of
//! later batches.

use pql_stats::counts::{self, count};

use crate::config::{CutoffScheme, ThresholdRule};
use crate::error::{Error, Result};
use crate::time::DAY;

/// Newest training cutoffs over which newly qualifying accounts are counted.
const NEWEST_CUTOFFS: usize = 8;
/// Days in a week.
const WEEK: i64 = 7;

/// The training rows with their cross-fitted probabilities.
#[derive(Debug, Clone, Copy)]
pub struct ReferenceRows<'a> {
    /// Cross-fitted probability of each row; at least one row.
    pub probability: &'a [f64],
    /// Account number of each row.
    pub account: &'a [u32],
    /// Cutoff of each row, µs UTC; `None` without cutoffs.
    pub cutoff: Option<&'a [i64]>,
    /// How the cutoffs were chosen.
    pub cutoff_scheme: CutoffScheme,
}

/// Computes the threshold of a rule.
///
/// * share: the smallest reference probability t with P(p ≥ t) ≤ share
/// * capacity: the smallest reference probability that at most this many accounts newly reach per 7
///   days, counted over the newest 8 training cutoffs except the first (cutoffs by age: over the
///   newest 8 weeks)
/// * precision: the smallest reference probability t with E(p | p ≥ t) ≥ precision
/// * value: cost / revenue, the break-even probability
///
/// If ties leave no such probability, the threshold is above all of them.
/// # Errors
/// * [`Error::Usage`]: the precision cannot be reached, or a capacity with fewer than two cutoffs
pub fn threshold(rule: ThresholdRule, population: &ReferenceRows<'_>) -> Result<f64> {
    let mut sorted = population.probability.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let above_all = || sorted.last().map_or(1.0, |p| p.next_up());
    match rule {
        ThresholdRule::Threshold(threshold) => Ok(threshold),
        ThresholdRule::Value(contact) => Ok(contact.cost / contact.revenue),
        ThresholdRule::Share(share) => {
            let n = sorted.len();
            let fits = |t: f64| counts::share(n - sorted.partition_point(|p| *p < t), n) <= share;
            Ok(sorted.iter().copied().find(|t| fits(*t)).unwrap_or_else(above_all))
        }
        ThresholdRule::Precision(precision) => precision_threshold(&sorted, precision),
        ThresholdRule::Capacity(accounts) => {
            let new_qualifications = NewQualifications::count(population)?;
            Ok(sorted
                .iter()
                .copied()
                .find(|t| new_qualifications.per_week(*t) <= count(accounts))
                .unwrap_or_else(above_all))
        }
    }
}

fn precision_threshold(sorted: &[f64], precision: f64) -> Result<f64> {
    let (mut sum, mut found) = (0.0, None);
    let mut rows = 0;
    for (i, p) in sorted.iter().enumerate().rev() {
        (sum, rows) = (sum + p, rows + 1);
        // Equal probabilities qualify together.
        if i > 0 && sorted[i - 1] == *p {
            continue;
        }
        // The mean falls with the threshold.
        if sum / count(rows) < precision {
            break;
        }
        found = Some(*p);
    }
    found.ok_or_else(|| Error::Usage {
        problem: format!(
            "`qualify.precision`: found {precision}, expected at most {:.4} (the highest reference probability)",
            sorted.last().copied().unwrap_or(f64::NAN)
        ),
        hint: Some("set a lower precision, or set `qualify.share`".to_owned()),
    })
}

/// Increases of probability from one cutoff of an account to the next. An account newly reaches
/// every threshold in (before, after].
struct NewQualifications {
    before: Vec<f64>,
    after: Vec<f64>,
    weeks: f64,
}

impl NewQualifications {
    fn count(population: &ReferenceRows<'_>) -> Result<Self> {
        let few = || {
            Error::Usage {
            problem: "`qualify.capacity` needs at least two training cutoffs, to count newly qualifying accounts".to_owned(),
            hint: Some("set `qualify.share`".to_owned()),
        }
        };
        let cutoff = population.cutoff.ok_or_else(few)?;
        let mut distinct = cutoff.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let newest = *distinct.last().ok_or_else(few)?;
        let first = match population.cutoff_scheme {
            CutoffScheme::Snapshot => distinct[distinct.len().saturating_sub(NEWEST_CUTOFFS)],
            CutoffScheme::Age => distinct[0]
                .max(newest - i64::try_from(NEWEST_CUTOFFS).unwrap_or(i64::MAX) * WEEK * DAY),
        };
        if first == newest {
            return Err(few());
        }
        let mut rows: Vec<usize> = (0..cutoff.len()).collect();
        rows.sort_by_key(|row| (population.account[*row], cutoff[*row]));
        let (mut before, mut after) = (Vec::new(), Vec::new());
        let mut last: Option<usize> = None;
        for row in rows {
            let same = last.filter(|last| population.account[*last] == population.account[row]);
            let previous = same.map_or(f64::NEG_INFINITY, |last| population.probability[last]);
            let current = population.probability[row];
            if cutoff[row] > first && current > previous {
                before.push(previous);
                after.push(current);
            }
            last = Some(row);
        }
        before.sort_unstable_by(f64::total_cmp);
        after.sort_unstable_by(f64::total_cmp);
        Ok(Self { before, after, weeks: weeks(newest - first) })
    }

    /// Returns the number of accounts per week that newly reach a threshold.
    fn per_week(&self, threshold: f64) -> f64 {
        let below = |ends: &[f64]| ends.partition_point(|p| *p < threshold);
        count(below(&self.before) - below(&self.after)) / self.weeks
    }
}

#[expect(clippy::cast_precision_loss, reason = "a span of years in µs")]
fn weeks(span: i64) -> f64 {
    span as f64 / (WEEK * DAY) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ContactValue;

    fn population<'a>(
        probability: &'a [f64],
        account: &'a [u32],
        cutoff: Option<&'a [i64]>,
    ) -> ReferenceRows<'a> {
        ReferenceRows { probability, account, cutoff, cutoff_scheme: CutoffScheme::Snapshot }
    }

    fn compute(rule: ThresholdRule, probability: &[f64]) -> Result<f64> {
        threshold(rule, &population(probability, &vec![0; probability.len()], None))
    }

    #[test]
    fn at_most_the_share_reaches_the_threshold() {
        let reference: Vec<f64> = (1..=10).map(|p| f64::from(p) / 10.0).collect();
        assert_eq!(compute(ThresholdRule::Share(0.2), &reference).unwrap(), 0.9);
        assert_eq!(compute(ThresholdRule::Share(0.25), &reference).unwrap(), 0.9);
        assert!(
            compute(ThresholdRule::Share(0.2), &[0.5; 10]).unwrap() > 0.5,
            "ties leave no probability"
        );
    }

    #[test]
    fn the_precision_is_the_mean_probability_from_the_threshold_up() {
        let reference = [0.1, 0.2, 0.2, 0.5, 0.6];
        assert_eq!(compute(ThresholdRule::Precision(0.5), &reference).unwrap(), 0.5);
        assert_eq!(
            compute(ThresholdRule::Precision(0.37), &reference).unwrap(),
            0.2,
            "(0.2 + 0.2 + 0.5 + 0.6) / 4 = 0.375"
        );
        assert_eq!(
            compute(ThresholdRule::Precision(0.38), &reference).unwrap(),
            0.5,
            "rows of equal probability qualify together"
        );
        let error = compute(ThresholdRule::Precision(0.7), &reference).unwrap_err();
        assert!(error.exit_code() == 2 && error.to_string().contains("0.6000"), "{error}");
    }

    #[test]
    fn the_value_threshold_is_the_break_even_probability() {
        assert_eq!(
            compute(ThresholdRule::Value(ContactValue { revenue: 200.0, cost: 10.0 }), &[0.5])
                .unwrap(),
            0.05
        );
        assert_eq!(compute(ThresholdRule::Threshold(0.3), &[0.5]).unwrap(), 0.3);
    }

    #[test]
    fn capacity_counts_the_accounts_that_newly_reach_the_threshold() {
        // Account 0 rises from 0.1 to 0.4 and stays, 1 falls from 0.9, 2 appears with 0.6 in the
        // third week.
        let account = [0, 0, 0, 1, 1, 1, 2];
        let cutoff = [0, 7, 14, 0, 7, 14, 14].map(|day| day * DAY);
        let probability = [0.1, 0.4, 0.4, 0.9, 0.5, 0.3, 0.6];
        let population = population(&probability, &account, Some(&cutoff));
        let capacity =
            |accounts| threshold(ThresholdRule::Capacity(accounts), &population).unwrap();
        // Two rises in two weeks: (0.1, 0.4] and (-inf, 0.6]; never more than one a week.
        assert_eq!(capacity(1), 0.1);
        let new_qualifications = NewQualifications::count(&population).unwrap();
        assert_eq!(
            (
                new_qualifications.per_week(0.3),
                new_qualifications.per_week(0.5),
                new_qualifications.per_week(0.7)
            ),
            (1.0, 0.5, 0.0)
        );
        let one = threshold(
            ThresholdRule::Capacity(1),
            &ReferenceRows { cutoff: Some(&[0; 7]), ..population },
        );
        assert_eq!(one.unwrap_err().exit_code(), 2, "one cutoff has no newly qualifying accounts");
    }
}
